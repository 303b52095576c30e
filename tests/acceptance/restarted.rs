//! What a running containerd has read once: a CA that is installed under it is not trusted before it starts anew,
//! and pullprobe says so beside its answer.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation is how a test fails")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use pullprobe_lab::node::Node;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::binary::{document, finish, pullprobe};
use super::judge::daemon::{Containerd, VERSIONS};
use super::judge::scenario::{self, Scenario};
use super::judge::servers::Servers;
use super::judge::{namespace, node};

const THIS_TEST: &str = "restarted::a_ca_that_is_installed_under_a_running_containerd_is_not_trusted_yet";
const BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";
const WORLD: &str = "about = \"A registry of an authority that the node learns of later.\"\n\
                     [server.upstream]\nat = \"https://registry.example\"\nprivate = true\n";

#[derive(Serialize, Deserialize)]
struct Job {
    version: String,
    scratch: PathBuf,
}

#[test]
fn a_ca_that_is_installed_under_a_running_containerd_is_not_trusted_yet() {
    if let Some(errand) = std::env::var_os(namespace::JOB_VARIABLE) {
        let job: Job = serde_json::from_slice(&std::fs::read(errand).unwrap()).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        return runtime.block_on(job.hold());
    }
    for version in VERSIONS {
        let scratch = tempfile::tempdir().unwrap();
        let errand = scratch.path().join("job.json");
        let job = Job { version: version.to_owned(), scratch: scratch.path().to_owned() };
        std::fs::write(&errand, serde_json::to_vec(&job).unwrap()).unwrap();
        namespace::run(THIS_TEST, &errand).unwrap_or_else(|said| panic!("containerd {version}: {said}"));
    }
}

impl Job {
    async fn hold(&self) {
        let world = scenario::from_table(Path::new("late.toml"), toml::from_str(WORLD).unwrap());
        namespace::bring_up_network(&world.addresses());
        let servers = Servers::start(&world).await;
        let root = self.scratch.join("node");
        node::write(&root, &world, &self.version, &servers);
        namespace::enter_node(&root);
        let node = Node::at(&root).unwrap();
        see_the_socket(&root);

        let mut containerd = self.containerd().await;
        let untrusted = containerd.cri.pull(&world.image, None).await.unwrap_err().message;
        assert!(untrusted.contains("certificate signed by unknown authority"), "{untrusted}");
        let (pullable, cause, newer) = self.check(&root, &world).await;
        assert_eq!((pullable, cause, newer), (false.into(), "tls_unknown_authority".into(), vec![]));

        node.trust(&(servers.public.authority.root_pem() + &servers.private.authority.root_pem())).unwrap();
        written(&node, SystemTime::now() + Duration::from_secs(60));
        let still = containerd.cri.pull(&world.image, None).await.unwrap_err().message;
        assert!(still.contains("certificate signed by unknown authority"), "{still}");
        let (pullable, cause, newer) = self.check(&root, &world).await;
        assert_eq!((pullable, cause, newer), (true.into(), Value::Null, vec![BUNDLE.to_owned()]));

        drop(containerd);
        written(&node, SystemTime::now());
        let mut containerd = self.containerd().await;
        containerd.cri.pull(&world.image, None).await.unwrap();
        let (pullable, cause, newer) = self.check(&root, &world).await;
        assert_eq!((pullable, cause, newer), (true.into(), Value::Null, vec![]));
    }

    async fn containerd(&self) -> Containerd {
        Containerd::start(&self.version, &[], &self.scratch.join("containerd.log")).await.unwrap()
    }

    /// The verdict, its cause, and the files that are said to be newer than the daemon.
    async fn check(&self, root: &Path, world: &Scenario) -> (Value, Value, Vec<String>) {
        let mut check = pullprobe(["check", &world.image, "--format", "json", "--platform", "linux/amd64"]);
        check.arg("--host-root").arg(root);
        // The registry answers from this runtime.
        let report = tokio::task::spawn_blocking(move || document(&finish(&mut check))).await.unwrap();
        let of_this = |finding: &&Value| finding["code"] == "newer_than_containerd";
        let findings = report["findings"].as_array().unwrap().iter().filter(of_this);
        let files = findings.map(|finding| finding["file"].as_str().unwrap().to_owned()).collect();
        let image = &report["images"][0];
        (image["pullable"].clone(), image["cause"].clone(), files)
    }
}

/// The daemon's `/run`, where the node's root has it.
fn see_the_socket(root: &Path) {
    let run = root.join("run");
    std::fs::create_dir_all(&run).unwrap();
    assert!(Command::new("mount").arg("--bind").arg("/run").arg(run).status().unwrap().success());
}

/// Times of files are told in seconds: nobody has to wait for the next one.
fn written(node: &Node, at: SystemTime) {
    std::fs::File::options().write(true).open(node.path(BUNDLE)).unwrap().set_modified(at).unwrap();
}
