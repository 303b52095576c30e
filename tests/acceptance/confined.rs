//! What the program gives up before it reads: shown by attempts, of the program itself and of a plugin that it runs.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation is how a test fails")]

use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use pullprobe_lab::node::CERTS_D;
use serde_json::Value;

use super::binary::{Agent, document, eventually, finish, repository};
use super::provider::furnish;
use super::world::{Given, World};

const GIVEN_UP: &str = "outside_confinement";
const UNCONFINED: &str = "not_confined";
const PATIENCE: Duration = Duration::from_secs(60);
/// Nobody but their owners has any business with them.
const PRIVATE: [&str; 3] =
    ["/var/lib/kubelet/pods/1/volumes/secret/ca.crt", "/etc/kubernetes/pki/ca.key", "/root/.ssh/id_ed25519"];
/// Of the registry's certificates the world has its own authority.
const IMAGE: &str = "registry.example/demo/app:1.0";

fn world() -> World {
    let given = "
        [[registries]]
        host = 'registry.example'
        tls = {}
        push = [{repository = 'demo/app', tag = '1.0', content = {image = {}}}]
    ";
    let world = World::start(toml::from_str::<Given>(given).unwrap());
    world.settings(&[IMAGE, "new-0.example/a:1", "new-1.example/a:1", "new-2.example/a:1"]);
    for file in PRIVATE {
        world.node.write(file, "-----BEGIN NOTHING-----").unwrap();
    }
    world
}

fn given_up(report: &Value) -> Vec<String> {
    let findings = report["findings"].as_array().unwrap().iter();
    let mut files: Vec<String> = findings
        .filter(|finding| finding["code"] == GIVEN_UP)
        .map(|finding| finding["file"].as_str().unwrap().to_owned())
        .collect();
    files.sort();
    files
}

/// Each is named by a new hosts.toml, as whoever wants to have it read would do.
#[test]
fn what_the_running_agent_is_led_to_is_closed_and_said() {
    let world = world();
    let agent = Agent::start(&mut world.command("run")).ready();
    let report = || serde_json::from_slice::<Value>(&agent.get("/api/v1/report").body).unwrap();
    assert_eq!(given_up(&report()), [""; 0]);
    for (at, file) in PRIVATE.iter().enumerate() {
        let hosts = format!("[host.\"https://registry.example\"]\nca = '{file}'\n");
        world.node.write(&format!("{CERTS_D}/new-{at}.example/hosts.toml"), hosts).unwrap();
    }
    let mut expected = PRIVATE.map(str::to_owned);
    expected.sort();
    let found = eventually(PATIENCE, || Some(report()).filter(|report| given_up(report) == expected));
    let found = found.unwrap_or_else(|| panic!("{:#}\n{}", report(), agent.log()));
    // The new files themselves are read, and nothing certain is said of what they lead to.
    let of_new = |report: &Value| {
        let images = report["images"].as_array().unwrap().iter();
        images.filter(|image| image["image"] != IMAGE).map(|image| image["pullable"].clone()).collect::<Vec<_>>()
    };
    let unknown = eventually(PATIENCE, || Some(report()).filter(|report| of_new(report).iter().all(Value::is_null)));
    let unknown = unknown.unwrap_or_else(|| panic!("{:#}", report()));
    assert_eq!(of_new(&unknown).len(), PRIVATE.len(), "{found:#}");
    let images = unknown["images"].as_array().unwrap();
    assert!(images.iter().any(|image| image["image"] == IMAGE && image["pullable"] == true), "{unknown:#}");
    assert!(!agent.log().contains("BEGIN NOTHING"));
}

#[test]
fn a_file_that_is_replaced_stays_readable_with_its_directory_and_is_said_where_it_had_its_own_right() {
    let world = world();
    let agent = Agent::start(&mut world.command("run")).ready();
    let report = || serde_json::from_slice::<Value>(&agent.get("/api/v1/report").body).unwrap();
    let replace = |file: &str| {
        let path = world.node.path(file);
        let new = path.with_extension("new");
        std::fs::copy(&path, &new).unwrap();
        std::fs::rename(new, path).unwrap();
    };
    let config = "/etc/containerd/config.toml";
    let before = std::fs::read_to_string(world.node.path(config)).unwrap();
    replace(config);
    replace("/etc/hosts");
    let found = eventually(PATIENCE, || Some(given_up(&report())).filter(|files| !files.is_empty()));
    assert_eq!(found.unwrap_or_default(), ["/etc/hosts"], "{}", agent.log());
    // No answer is certain without it, and none is wrong.
    let unknown = eventually(PATIENCE, || Some(report()).filter(|report| report["images"][0]["pullable"].is_null()));
    assert!(unknown.is_some(), "{:#}", report());
    std::fs::write(world.node.path(config), format!("{before}\n# changed\n")).unwrap();
    // Who starts anew sees all of it.
    let again = document(&finish(world.command("check").args([IMAGE, "--format", "json"])));
    assert_eq!(again["images"][0]["pullable"], true, "{again:#}");
    assert_eq!(given_up(&again), [""; 0]);
}

/// As on RHEL, Amazon Linux and Arch: the bundle is elsewhere, and a link leads there.
#[test]
fn a_bundle_of_authorities_behind_a_link_is_read_along_with_its_directory() {
    const BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";
    const EXTRACTED: &str = "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem";
    let world = world();
    let authorities = std::fs::read_to_string(world.node.path(BUNDLE)).unwrap();
    world.node.write(EXTRACTED, authorities).unwrap();
    std::fs::remove_file(world.node.path(BUNDLE)).unwrap();
    std::os::unix::fs::symlink(EXTRACTED, world.node.path(BUNDLE)).unwrap();
    let told = document(&finish(world.command("check").args([IMAGE, "--format", "json"])));
    assert_eq!(told["images"][0]["pullable"], true, "{told:#}");
}

#[test]
fn a_directory_that_is_replaced_is_said_to_be_out_of_reach() {
    let world = world();
    let agent = Agent::start(&mut world.command("run")).ready();
    let report = || serde_json::from_slice::<Value>(&agent.get("/api/v1/report").body).unwrap();
    let (directory, old) = (world.node.path("/etc/containerd"), world.node.path("/etc/old"));
    std::fs::rename(&directory, &old).unwrap();
    let copied = Command::new("cp").arg("-a").arg(&old).arg(&directory).status().unwrap();
    assert!(copied.success());
    let found = eventually(PATIENCE, || Some(given_up(&report())).filter(|files| !files.is_empty()));
    let found = found.unwrap_or_else(|| panic!("{:#}", report()));
    assert!(found.iter().all(|file| file.starts_with("/etc/containerd")), "{found:?}");
}

/// Where the kernel has no Landlock. What is mounted as a whole is the node's root, as the chart does it.
#[test]
fn a_whole_root_that_cannot_be_limited_is_refused_unless_the_settings_allow_it() {
    let world = world();
    let root = world.node.root().to_owned();
    let run = |mounted: bool| {
        let lint = world.command("lint");
        let mut command = Command::new("unshare");
        let script =
            if mounted { "mount --bind \"$1\" \"$1\" && shift && exec \"$@\"" } else { "shift && exec \"$@\"" };
        command.args(["--mount", "sh", "-c", script, "sh"]).arg(&root).arg("python3");
        command.arg(repository("tests/tools/without_landlock.py")).arg(lint.get_program()).args(lint.get_args());
        finish(command.args(["--format", "json"]).stdin(Stdio::null()))
    };
    let refused = run(true);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    for words in ["this kernel has no Landlock", "host.mode: narrow", "node.allow_unconfined"] {
        assert!(refused.stderr.contains(words), "{words}: {}", refused.stderr);
    }
    // Single directories below it are all that there is to see.
    let narrow = document(&run(false));
    assert!(!narrow.to_string().contains(UNCONFINED), "{narrow:#}");
    let settings = std::fs::read_to_string(world.node.path("/pullprobe.yaml")).unwrap();
    let allowed = settings.replacen("node: {", "node: {allow_unconfined: true, ", 1);
    world.node.write("/pullprobe.yaml", allowed).unwrap();
    let allowed = document(&run(true));
    let found = allowed["findings"].as_array().unwrap().iter().find(|finding| finding["code"] == UNCONFINED);
    assert_eq!(found.unwrap_or_else(|| panic!("{allowed:#}"))["severity"], "warning");
}

/// What the plugin can open, inside the node's root, it says with its last words.
#[test]
fn a_plugin_opens_programs_authorities_and_what_its_configuration_names_and_nothing_else() {
    const OPEN: [&str; 3] = ["/etc/hosts", "/etc/ssl/certs/node.crt", "/etc/kubernetes/cloud.json"];
    const CLOSED: [&str; 5] = [
        "/etc/containerd/config.toml",
        "/var/lib/kubelet/config.json",
        "/etc/kubernetes/providers.json",
        "/etc/kubernetes/pki/ca.key",
        "/var/lib/kubelet/pods/1/volumes/secret/ca.crt",
    ];
    let given = "
        [[registries]]
        host = 'registry.example'
        tls = {}
        auth = {basic = {users = {puller = 'right'}}}
        [credential_settings]
        provider_config = '/etc/kubernetes/providers.json'
        provider_bin_dir = '/opt/providers'
    ";
    let world = World::start(toml::from_str::<Given>(given).unwrap());
    furnish(&world.node);
    let configuration = serde_json::json!({
        "apiVersion": "kubelet.config.k8s.io/v1", "kind": "CredentialProviderConfig",
        "providers": [{"name": "lab", "apiVersion": "credentialprovider.kubelet.k8s.io/v1", "matchImages": ["registry.example"],
            "defaultCacheDuration": "0s", "args": ["--config=/etc/kubernetes/cloud.json"]}],
    });
    let script = "#!/bin/sh\nfor file in $FILES; do cat $file > /dev/null 2>&1 && echo open:$file >&2; done\necho end >&2\nexit 1\n";
    let files = OPEN.iter().chain(&CLOSED).copied().collect::<Vec<_>>().join(" ");
    let script = script.replace("$FILES", &files);
    for file in OPEN.iter().chain(&CLOSED).filter(|file| !file.ends_with("hosts") && !file.ends_with("config.toml")) {
        world.node.write(file, "{}").unwrap();
    }
    world.node.write("/etc/kubernetes/providers.json", configuration.to_string()).unwrap();
    world.node.write("/opt/providers/lab", script).unwrap();
    std::fs::set_permissions(world.node.path("/opt/providers/lab"), std::fs::Permissions::from_mode(0o755)).unwrap();
    // `/dev/null` is a file like any other in a directory of a test.
    world.node.write("/dev/null", "").unwrap();
    let told = finish(world.command("check").args([IMAGE, "--format", "json"]));
    for file in OPEN {
        assert!(told.stdout.contains(&format!("open:{file}")), "{file}: {}", told.stdout);
    }
    assert_eq!(told.stdout.matches("open:").count() % OPEN.len(), 0, "{}", told.stdout);
    for file in CLOSED {
        assert!(!told.stdout.contains(&format!("open:{file}")), "{file}: {}", told.stdout);
    }
    assert!(told.stdout.contains(" end"), "it was cut: {}", told.stdout);
}
