//! The image is the Dockerfile's last stage, and runs under a real containerd.
//!
//! `PULLPROBE_STATIC_BIN` names the static binary; `make test` builds it and sets
//! `PULLPROBE_REQUIRE_STATIC=1`, with which a missing one is a failure.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::Value;

use pullprobe_lab::node::Node;

use super::super::provider::furnish;
use super::containerd::Containerd;
use super::tools::{command, items, object, objects, output, path, root, success, text};

const PROVIDERS: &str = r#"{"apiVersion": "kubelet.config.k8s.io/v1", "kind": "CredentialProviderConfig", "providers": [
    {"name": "lab", "apiVersion": "credentialprovider.kubelet.k8s.io/v1", "matchImages": ["127.0.0.1:1"], "defaultCacheDuration": "0s"}]}"#;
const SETTINGS: &str = "node: {host_root: /host}\ncredentials: {provider_config: /etc/kubernetes/providers.json, provider_bin_dir: /opt/providers}\n";

#[test]
fn the_binary_in_the_image_is_the_one_that_was_built() {
    let Some(binary) = static_binary() else {
        return;
    };
    let scratch = tempfile::tempdir().unwrap();
    let archive = scratch.path().join("image.tar");
    success(command(path("tests/tools/image.sh"), [&binary, &archive]).current_dir("/"));
    let containerd = Containerd::start();
    containerd.import(&archive);

    let version = success(&mut command(&binary, ["--version"]));
    assert!(version.contains(env!("CARGO_PKG_VERSION")), "{version}");
    let mounts = mounts(&scratch.path().join("node"));
    let in_container = ["/pullprobe", "--version"];
    let printed = success(&mut containerd.run("version", &mounts, &in_container));
    assert_eq!(printed, version);

    // Without arguments, the image's own entry point and command.
    let printed = success(&mut containerd.run("help", &[], &[]));
    assert_eq!(printed, success(&mut command(&binary, ["--help"])));

    credential_providers_run_inside_the_node(&containerd, &scratch.path().join("whole"));
}

/// With the one capability that the chart then gives, and under the seccomp profile.
fn credential_providers_run_inside_the_node(containerd: &Containerd, node: &Path) {
    const PLUGIN: &str = "#!/bin/sh\n[ -e /etc/kubernetes/cloud.json ] && echo of the node >&2\nexit 1\n";
    let node = Node::at(node).unwrap();
    furnish(&node);
    for (file, text) in [
        ("/etc/kubernetes/cloud.json", "{}"),
        ("/etc/kubernetes/providers.json", PROVIDERS),
        ("/opt/providers/lab", PLUGIN),
        ("/etc/pullprobe/config.yaml", SETTINGS),
    ] {
        node.write(file, text).unwrap();
    }
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(node.path("/opt/providers/lab"), mode).unwrap();
    let mounts = [("", "/host"), ("/etc/pullprobe", "/etc/pullprobe")]
        .map(|(of, to)| format!("type=bind,src={}{of},dst={to},options=rbind:ro", node.root().display()));
    let check = ["/pullprobe", "check", "127.0.0.1:1/app:1", "--config", "/etc/pullprobe/config.yaml"];
    let said = |kept: &[&str], name| {
        let output = output(&mut containerd.run_with(kept, name, &mounts, &check));
        String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
    };
    let inside = said(&["SYS_CHROOT"], "inside");
    assert!(inside.contains("it ended with exit code 1: of the node"), "{inside}");
    let outside = said(&[], "outside");
    assert!(outside.contains("cannot be run from here"), "{outside}");
}

/// `None` where it is allowed to be missing.
fn static_binary() -> Option<PathBuf> {
    match std::env::var_os("PULLPROBE_STATIC_BIN") {
        Some(binary) => Some(binary.into()),
        None if std::env::var_os("PULLPROBE_REQUIRE_STATIC").is_some_and(|value| value == "1") => {
            panic!("PULLPROBE_STATIC_BIN has to name the static binary")
        }
        None => {
            eprintln!("not run: PULLPROBE_STATIC_BIN does not name a static binary");
            None
        }
    }
}

/// The mounts of the `DaemonSet`, of a node made for this test.
fn mounts(node: &Path) -> Vec<String> {
    let objects = objects(None);
    let pod = &object(&objects, "DaemonSet")["spec"]["template"]["spec"];
    let mounts = items(&pod["containers"][0]["volumeMounts"]).iter();
    mounts
        .map(|mount| {
            let source = node.join(source(pod, mount).trim_start_matches('/'));
            std::fs::create_dir_all(&source).unwrap();
            let hidden = node.join("var/lib/kubelet/pods");
            std::fs::create_dir_all(hidden).unwrap();
            std::fs::create_dir_all(node.join("var/lib/kubelet/plugins")).unwrap();
            let (source, target) = (source.display(), mount["mountPath"].as_str().unwrap());
            format!("type=bind,src={source},dst={target},options=rbind:ro")
        })
        .collect()
}

/// Where on the node a mount comes from; what is not of the node has a directory of its own.
fn source<'a>(pod: &'a Value, mount: &'a Value) -> &'a str {
    let volume = items(&pod["volumes"])
        .iter()
        .find(|volume| volume["name"] == mount["name"])
        .unwrap_or_else(|| panic!("{mount} has no volume"));
    volume["hostPath"]["path"].as_str().unwrap_or_else(|| mount["name"].as_str().unwrap())
}

#[test]
fn the_build_context_holds_all_that_the_binary_is_built_from() {
    let context = tempfile::tempdir().unwrap();
    let allowed = allowed();
    for entry in &allowed {
        let mut copy = command("cp", ["--recursive", "--parents"]);
        success(copy.arg(entry).arg(context.path()).current_dir(root()));
    }
    let mut metadata = command(env!("CARGO"), ["metadata", "--locked", "--offline"]);
    metadata.args(["--no-deps", "--format-version=1"]);
    let workspace: Value = serde_json::from_str(&success(metadata.current_dir(context.path()))).unwrap();
    for target in items(&workspace["packages"]).iter().flat_map(|package| items(&package["targets"])) {
        let source = Path::new(target["src_path"].as_str().unwrap());
        assert!(source.is_file(), "{} is not in the context", source.display());
    }
    assert_included_files_are_in(context.path(), &context.path().join("agent"));
}

/// The files and directories that `.dockerignore` lets through.
fn allowed() -> Vec<String> {
    let ignore = text(".dockerignore");
    let rules = ignore.lines().filter(|line| !line.starts_with('#'));
    let (all, allowed): (Vec<_>, Vec<_>) = rules.partition(|line| *line == "*");
    assert_eq!(all.len(), 1, "everything is ignored but what is listed");
    allowed.iter().map(|line| line.strip_prefix('!').unwrap_or_else(|| panic!("{line}")).to_owned()).collect()
}

/// What the source takes in as text or bytes is needed to build it, too.
fn assert_included_files_are_in(context: &Path, sources: &Path) {
    let mut search = command("grep", ["-roE", r#"include(_str|_bytes)?!\("[^"]+"#]);
    let found = output(search.arg(sources));
    for line in String::from_utf8(found.stdout).unwrap().lines() {
        let (source, include) = line.split_once(':').unwrap();
        let (_, included) = include.split_once('"').unwrap();
        let file = Path::new(source).parent().unwrap().join(included);
        assert!(file.is_file(), "{source} includes {included}: not in {}", context.display());
    }
}

#[test]
fn the_last_stage_is_nothing_but_the_binary() {
    let dockerfile = text("Dockerfile");
    let (_, last) = dockerfile.rsplit_once("\nFROM ").unwrap();
    let instructions: Vec<_> = last.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    let (name, value) = pullprobe_lab::RELEASED_WITH;
    assert_eq!(
        instructions,
        [
            "scratch",
            "COPY --from=build /pullprobe /pullprobe",
            "USER 0:0",
            &format!("ENV {name}={value}"),
            "EXPOSE 10048",
            r#"ENTRYPOINT ["/pullprobe"]"#,
            r#"CMD ["--help"]"#
        ]
    );
}
