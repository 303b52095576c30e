//! What the node has and how much room it has left: real containerds, and pullprobe beside them.

use std::path::Path;
use std::process::{Command, Stdio};

use pullprobe_lab::Lab;
use pullprobe_lab::node::{CERTS_D, Node};
use pullprobe_lab::registry::{Config, Content, Image, Kind, RateLimit, Registry};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::daemon::{Containerd, VERSIONS};
use super::namespace;

const ROOT: &str = "/run/containerd-root";

/// What is done on one machine of its own.
#[derive(Serialize, Deserialize)]
struct Errand {
    version: String,
    /// Of the file system that holds containerd's root; empty = it is large.
    mount: String,
    scratch: std::path::PathBuf,
}

/// The registry, the node and its containerd.
struct Machine {
    registry: Registry,
    scratch: std::path::PathBuf,
    containerd: Containerd,
}

#[test]
fn content_that_is_there_is_asked_for_by_nobody() {
    on_each_version("judge::held::content_that_is_there_is_asked_for_by_nobody", "", async |mut machine| {
        let image = machine.image("demo/app", 10);
        machine.containerd.cri.pull(&image, None).await.unwrap();
        assert!(machine.asked().iter().any(|line| line.starts_with("GET ")), "the first pull fetches");
        machine.containerd.cri.pull(&image, None).await.unwrap();
        let by_containerd = machine.asked();
        let report = machine.check(&[&image], "").await;
        let found = &report["images"][0];
        assert_eq!((&found["pullable"], &found["source"]), (&Value::from(true), &Value::from("content-store")));
        assert_eq!(machine.asked(), by_containerd, "{report:#}");
        assert_eq!(found["counted_pulls"], 0);

        let discover = "targets: {discover: {certs_d: false, sandbox_image: false, node_images: true}}";
        let report = machine.check(&[], discover).await;
        assert_eq!(report["images"][0]["requested"], image.as_str(), "{report:#}");
        assert!(!report.to_string().contains("discovery_failed"), "{report:#}");
    });
}

#[test]
fn a_layer_that_finds_no_room_is_refused_in_containerds_words() {
    on_each_version(
        "judge::held::a_layer_that_finds_no_room_is_refused_in_containerds_words",
        "size=4m",
        async |mut machine| {
            let image = machine.image("demo/app", 5 << 20);
            let report = machine.check(&[&image], "").await;
            let refusal = machine.containerd.cri.pull(&image, None).await.unwrap_err();
            machine.agrees(&report, "disk_full", &refusal.message);
        },
    );
}

#[test]
fn a_full_disk_is_refused_in_containerds_words() {
    on_each_version("judge::held::a_full_disk_is_refused_in_containerds_words", "size=4m", async |mut machine| {
        let image = machine.image("demo/app", 10);
        // Ends when nothing is left.
        drop(std::fs::write(format!("{ROOT}/fill"), vec![0; 4 << 20]));
        let report = machine.check(&[&image], "").await;
        let refusal = machine.containerd.cri.pull(&image, None).await.unwrap_err();
        machine.agrees(&report, "disk_full", &refusal.message);
    });
}

#[test]
fn a_disk_without_inodes_is_refused_in_containerds_words() {
    on_each_version(
        "judge::held::a_disk_without_inodes_is_refused_in_containerds_words",
        "size=40m,nr_inodes=500",
        async |mut machine| {
            // Newer ones make the store's directories with the first pull.
            let first = machine.image("demo/first", 10);
            machine.containerd.cri.pull(&first, None).await.unwrap();
            let image = machine.image("demo/app", 11);
            let fill = |number: usize| std::fs::write(format!("{ROOT}/fill-{number}"), "").is_ok();
            assert!((0..500).take_while(|number| fill(*number)).count() < 500);
            let report = machine.check(&[&image], "").await;
            let refusal = machine.containerd.cri.pull(&image, None).await.unwrap_err();
            machine.agrees(&report, "inodes_exhausted", &refusal.message);
        },
    );
}

/// Runs `deed` with every containerd, each on a machine of its own. `entry` is the calling test.
fn on_each_version(entry: &str, mount: &str, deed: impl AsyncFn(Machine)) {
    if let Some(errand) = std::env::var_os(namespace::JOB_VARIABLE) {
        let errand: Errand = serde_json::from_slice(&std::fs::read(errand).unwrap()).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        return runtime.block_on(async { deed(Machine::start(&errand).await).await });
    }
    for version in VERSIONS {
        let scratch = tempfile::tempdir().unwrap();
        let errand = Errand { version: version.into(), mount: mount.into(), scratch: scratch.path().into() };
        let file = scratch.path().join("errand.json");
        std::fs::write(&file, serde_json::to_vec(&errand).unwrap()).unwrap();
        namespace::run(entry, &file).unwrap_or_else(|said| panic!("containerd {version}: {said}"));
    }
}

impl Machine {
    async fn start(errand: &Errand) -> Self {
        namespace::bring_up_network(&[].into());
        let config = Config { rate_limit: Some(RateLimit::default()), ..Config::default() };
        let registry = Lab::new().unwrap().registry(config).unwrap();
        let node = Node::at(&errand.scratch.join("node")).unwrap();
        let (schema, plugin) = match errand.version.as_str() {
            "2.1" => (3, "io.containerd.cri.v1.images"),
            _ => (2, "io.containerd.grpc.v1.cri"),
        };
        let text = format!("version = {schema}\n[plugins.'{plugin}'.registry]\nconfig_path = '{CERTS_D}'\n");
        node.containerd_config(&text).unwrap();
        // 1.6 wants a table of hosts.
        let endpoint = registry.endpoint();
        node.hosts_toml("hub.example", &format!("server = '{endpoint}'\n[host.'{endpoint}']\n")).unwrap();
        node.hosts_file(&[]).unwrap();
        namespace::enter_node(node.root());
        std::fs::create_dir(ROOT).unwrap();
        if !errand.mount.is_empty() {
            let mount = ["-t", "tmpfs", "-o", &errand.mount, "tmpfs", ROOT];
            assert!(Command::new("mount").args(mount).status().unwrap().success());
        }
        let log = errand.scratch.join("containerd.log");
        let containerd = Containerd::start(&errand.version, &[], &log).await.unwrap();
        Self { registry, scratch: errand.scratch.clone(), containerd }
    }

    /// Pushes an image whose only layer has about as many bytes, and gives its name.
    fn image(&self, repository: &str, size: usize) -> String {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut letter = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            char::from(b'!' + u8::try_from(state >> 57).unwrap() % 90)
        };
        let image = Image { layers: vec![(0..size).map(|_| letter()).collect()], ..Image::default() };
        self.registry.push(repository, "1.0", &Content::Image(image));
        format!("hub.example/{repository}:1.0")
    }

    /// The requests about manifests and blobs since the last call.
    fn asked(&self) -> Vec<String> {
        let requests = self.registry.requests();
        self.registry.clear_requests();
        let about_content = requests.iter().filter(|request| matches!(request.kind, Kind::Manifest | Kind::Blob));
        about_content.map(|request| format!("{} {}", request.method, request.path)).collect()
    }

    async fn check(&self, images: &[&str], settings: &str) -> Value {
        let file = self.scratch.join("pullprobe.yaml");
        std::fs::write(&file, format!("node: {{containerd_root: {ROOT}}}\n{settings}\n")).unwrap();
        let pulls = if images.is_empty() { "0" } else { "1" };
        let mut command = Command::new(env!("CARGO_BIN_EXE_pullprobe"));
        command
            .args(["check", "--host-root", "/", "--format", "json", "--counted-pulls", pulls])
            .args(["--containerd-version", &self.containerd.build, "--config"])
            .arg(file)
            .args(images)
            .env_clear()
            .stdin(Stdio::null());
        // The registry answers from this runtime: waiting must not hold its threads.
        let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
    }

    fn agrees(&self, report: &Value, cause: &str, message: &str) {
        let found = &report["images"][0];
        assert_eq!((&found["pullable"], &found["cause"]), (&Value::from(false), &Value::from(cause)), "{report:#}");
        assert_eq!(found["kubelet_message"], without_names_of_downloads(message), "{}", self.containerd.version);
    }
}

/// A download's directory is named by a hash that nobody can foretell.
fn without_names_of_downloads(message: &str) -> String {
    let Some((before, after)) = message.split_once("/ingest/") else { return message.to_owned() };
    let rest = after.trim_start_matches(|c: char| c.is_ascii_hexdigit());
    format!("{before}/ingest/…{rest}")
}

#[test]
fn a_download_is_named_by_a_hash() {
    let message = format!("mkdir {}/ingest/0a1b: no space left on device", Path::new(ROOT).display());
    assert!(without_names_of_downloads(&message).ends_with("/ingest/…: no space left on device"));
}
