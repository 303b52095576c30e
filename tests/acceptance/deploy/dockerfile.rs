//! The Dockerfile from its first stage on, as `docker build` would, and its image under a real containerd: `make image` runs it alone,
//! because it compiles a release.

use std::path::PathBuf;

use serde_json::{Value, json};

use pullprobe_lab::node::Node;
use tempfile::TempDir;

use super::containerd::Containerd;
use super::daemon::{Daemon, eventually};
use super::tools::{command, items, output, path, success};

const REVISION: &str = "0123456789abcdef0123456789abcdef01234567";
/// In the container's network, in which each port is free.
const REGISTRY: &str = "127.0.0.1:5000";
const SETTINGS: &str = "node: {host_root: /host}\ntargets: {images: [{image: 127.0.0.1:5000/pullprobe:test}]}\n\
                        probe: {spread_start: false}\nweb: {listen: ['127.0.0.1:10048']}\n";

#[test]
#[ignore = "compiles a release: make image"]
fn the_dockerfile_builds_from_its_first_stage_on_and_the_image_runs() {
    let built = Built::new();
    built.holds_nothing_but_the_binary();
    let containerd = Containerd::start_in_own_network();
    containerd.import(&built.archive);

    let printed = success(&mut containerd.run("version", &[], &built.command(&["--version"])));
    assert!(printed.contains(env!("CARGO_PKG_VERSION")) && printed.contains(built.revision), "{printed}");
    // Without arguments, the image's own entry point and command.
    let help = success(&mut command(env!("CARGO_BIN_EXE_pullprobe"), ["--help"]));
    assert_eq!(success(&mut containerd.run("help", &[], &[])), help);

    let _registry = built.pushed(&containerd);
    built.checks_itself(&containerd);
    built.runs_and_is_healthy(&containerd);
}

/// What came of the Dockerfile, and a node to look at.
struct Built {
    scratch: TempDir,
    archive: PathBuf,
    revision: &'static str,
    /// The image's own.
    config: Value,
    mounts: Vec<String>,
}

impl Built {
    fn new() -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let archive = scratch.path().join("image.tar");
        // For work on this test, one that was built before, of whatever revision.
        let revision = if let Some(built) = std::env::var_os("PULLPROBE_IMAGE") {
            std::fs::copy(built, &archive).unwrap();
            ""
        } else {
            success(command(path("tests/tools/dockerfile.sh"), [REVISION]).arg(&archive).current_dir("/"));
            REVISION
        };
        let source = format!("oci-archive:{}", archive.display());
        let config = success(&mut command("skopeo", ["inspect", "--config", &source]));
        let config = serde_json::from_str::<Value>(&config).unwrap()["config"].clone();

        let node = Node::at(&scratch.path().join("node")).unwrap();
        node.write("/etc/containerd/config.toml", "version = 2\n").unwrap();
        node.write("/etc/resolv.conf", "nameserver 127.0.0.1\n").unwrap();
        node.write("/etc/pullprobe/config.yaml", SETTINGS).unwrap();
        let mounts = [("", "/host"), ("/etc/pullprobe", "/etc/pullprobe")]
            .map(|(of, to)| format!("type=bind,src={}{of},dst={to},options=rbind:ro", node.root().display()))
            .to_vec();
        Self { scratch, archive, revision, config, mounts }
    }

    /// The image's entry point and these arguments, as kubelet puts them together: `ctr` replaces both by what it is told.
    fn command<'a>(&'a self, arguments: &[&'a str]) -> Vec<&'a str> {
        let entry = items(&self.config["Entrypoint"]).iter().map(|word| word.as_str().unwrap());
        entry.chain(arguments.iter().copied()).collect()
    }

    /// Neither a file of the first stage nor a word of where its packages came from.
    fn holds_nothing_but_the_binary(&self) {
        let expected =
            json!({"User": "0:0", "Entrypoint": ["/pullprobe"], "Cmd": ["--help"], "ExposedPorts": {"10048/tcp": {}}});
        for (key, value) in expected.as_object().unwrap() {
            assert_eq!(&self.config[key], value, "{key}");
        }
        let variables = items(&self.config["Env"]).iter().map(|one| one.as_str().unwrap());
        assert!(variables.clone().all(|one| one.starts_with("PATH=")), "{variables:?}");
        let unpacked = self.scratch.path().join("unpacked");
        let directory = format!("dir:{}", unpacked.display());
        success(
            command("skopeo", ["copy", "--quiet"])
                .arg(format!("oci-archive:{}", self.archive.display()))
                .arg(directory),
        );
        let manifest = std::fs::read_to_string(unpacked.join("manifest.json")).unwrap();
        let manifest: Value = serde_json::from_str(&manifest).unwrap();
        let layers: Vec<&str> =
            items(&manifest["layers"]).iter().map(|layer| layer["digest"].as_str().unwrap()).collect();
        assert_eq!(layers.len(), 1, "{layers:?}");
        let layer = unpacked.join(layers[0].strip_prefix("sha256:").unwrap());
        let listed = success(command("tar", ["--list", "--file"]).arg(&layer));
        assert_eq!(listed.trim_start_matches("./").trim_start_matches('/'), "pullprobe\n");
    }

    /// The image, in a real registry that the container can reach.
    fn pushed(&self, containerd: &Containerd) -> Daemon {
        let settings = json!({
            "version": 0.1, "log": {"accesslog": {"disabled": true}}, "http": {"addr": REGISTRY},
            "storage": {"filesystem": {"rootdirectory": self.scratch.path().join("registry")}},
        });
        let file = self.scratch.path().join("registry.yml");
        std::fs::write(&file, settings.to_string()).unwrap();
        let serve = ["docker-registry", "serve", file.to_str().unwrap()];
        let registry = Daemon::start(&mut containerd.in_its_network(&serve), self.scratch.path().join("registry.log"));
        let source = format!("oci-archive:{}", self.archive.display());
        let target = format!("docker://{REGISTRY}/pullprobe:test");
        let push = ["skopeo", "copy", "--quiet", "--dest-tls-verify=false", &source, &target];
        let pushed = eventually(|| output(&mut containerd.in_its_network(&push)).status.success().then_some(()));
        assert!(pushed.is_some(), "{}", registry.log());
        registry
    }

    fn run(&self, containerd: &Containerd, name: &str, arguments: &[&str]) -> std::process::Command {
        containerd.run(name, &self.mounts, &self.command(arguments))
    }

    /// From within, this node can pull the image, but no tag that nobody pushed.
    fn checks_itself(&self, containerd: &Containerd) {
        let settings = "/etc/pullprobe/config.yaml";
        let check = |name: &str, tag: &str| {
            let image = format!("{REGISTRY}/pullprobe:{tag}");
            let said = output(&mut self.run(containerd, name, &["check", "--config", settings, "-o", "json", &image]));
            let told: Value = serde_json::from_slice(&said.stdout).unwrap_or_else(|error| panic!("{error}: {said:?}"));
            (said.status.code(), told["images"][0].clone())
        };
        let (code, told) = check("pushed", "test");
        assert_eq!((code, &told["pullable"]), (Some(0), &true.into()), "{told:#}");
        let (code, told) = check("never-pushed", "never");
        assert_eq!((code, &told["cause"]), (Some(1), &"manifest_unknown".into()), "{told:#}");
    }

    /// As the chart runs it, with kubelet's exec probe, until it is told to end.
    fn runs_and_is_healthy(&self, containerd: &Containerd) {
        let settings = "/etc/pullprobe/config.yaml";
        let log = self.scratch.path().join("run.log");
        let mut agent = Daemon::start(&mut self.run(containerd, "agent", &["run", "--config", settings]), log);
        let probe = self.command(&["healthcheck", "--config", settings]);
        let mut asked = 0;
        let healthy = eventually(|| {
            assert!(!agent.has_ended(), "the agent has ended:\n{}", agent.log());
            asked += 1;
            output(&mut containerd.exec("agent", &format!("probe-{asked}"), &probe)).status.success().then_some(())
        });
        assert!(healthy.is_some(), "never healthy:\n{}", agent.log());
        let looked = r#"pullprobe_image_pullable{image="127.0.0.1:5000/pullprobe:test"} 1"#;
        let metrics = ["curl", "--silent", "--max-time", "5", "http://127.0.0.1:10048/metrics"];
        let seen = eventually(|| {
            let told = success(&mut containerd.in_its_network(&metrics));
            told.lines().any(|line| line == looked).then_some(())
        });
        assert!(seen.is_some(), "{looked}:\n{}", agent.log());
        let ended = agent.terminate(std::time::Duration::from_secs(30));
        assert!(ended.is_some_and(|status| status.success()), "{ended:?}:\n{}", agent.log());
    }
}
