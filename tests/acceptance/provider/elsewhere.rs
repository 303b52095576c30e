//! A node that is only a directory for the program: what its plugins cannot find there is no verdict.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation is how a test fails")]

use super::super::binary::{document, finish};
use super::{BINARY, CONFIG, FAILED, Node, PASSWORD, PRIVATE, PUBLIC, but, configuration, furnish, login, print};

const MISSING: &str = "credential_provider_missing";
const UNSEEN: &str = "credential_provider_unseen";
const ELSEWHERE: &str = "where it may not find all that the node has";
/// What a plugin of a cloud reads on its node, and no other machine has.
const OF_NODE: &str = "/etc/kubernetes/cloud-audit.json";

fn node() -> Node {
    Node::seen(false, "")
}

/// As ACR's plugin opens the path of its argument, and every plugin the authorities of its machine.
#[test]
fn a_plugin_that_wants_files_of_its_node_makes_no_failure_certain() {
    let good = print(&login("registry.example"));
    for path in ["/etc/kubernetes/azure-audit.json", "/etc/ssl/certs/node-audit.crt"] {
        let script = format!("cat \"$1\" > /dev/null || exit 1\n{good}");
        let configured = configuration("lab", &format!("  args: ['{path}']\n"));
        let foreign = node();
        let own = Node::new();
        for node in [&foreign, &own] {
            node.plugin(&script);
            node.configure(path, "{}");
            node.configure(CONFIG, &configured);
        }
        let told = foreign.check(&[PRIVATE], &[]);
        told.is_untold(ELSEWHERE).is_untold("it ended with exit code 1");
        assert!(told.image()["fix"].as_str().unwrap().contains("on the node itself"), "{:#}", told.image());
        let told = foreign.check(&[PUBLIC], &[]);
        told.pulls(None);
        assert_eq!(told.finding("credential_provider_unknown")["severity"], "info");
        own.check(&[PRIVATE], &[]).pulls(Some("provider:lab")).does_not_say(PASSWORD);
    }
}

/// Where the node's loader, libraries and files are to be seen, and this process may change its root.
#[test]
fn a_plugin_is_run_inside_the_nodes_root_where_that_can_be_done() {
    let node = node();
    furnish(&node.world.node);
    node.configure(OF_NODE, "{}");
    let script =
        |answer: &str| format!("[ -e {OF_NODE} ] && [ ! -e \"$1\" ] && [ \"$2\" = --flag=x ] || exit 1\n{answer}");
    let outside = node.world.node.path(OF_NODE);
    node.configure(CONFIG, &configuration("lab", &format!("  args: ['{}', '--flag=x']\n", outside.display())));
    node.program(BINARY, &script(&print(&login("registry.example"))));
    node.check(&[PRIVATE], &[]).pulls(Some("provider:lab")).does_not_say(PASSWORD);
    // It may still lack what kubelet has: the network of another namespace, files that are not mounted.
    node.program(BINARY, &script("exit 7"));
    node.check(&[PRIVATE], &[]).is_untold(ELSEWHERE).is_untold("it ended with exit code 7");
    // Without the capability it is run where pullprobe is.
    let check = node.world.command("check");
    let mut bound = std::process::Command::new("setpriv");
    bound
        .args(["--bounding-set=-sys_chroot", "--inh-caps=-sys_chroot"])
        .arg(check.get_program())
        .args(check.get_args());
    let told = finish(bound.args([PRIVATE, "--format", "json"]));
    let summary = document(&told)["images"][0]["summary"].as_str().unwrap().to_owned();
    assert!(told.code == Some(3) && summary.contains("it ended with exit code 1"), "{told:?}");
}

/// As a service of systemd with its sandbox is, or a container that sees the node's root as its own.
#[test]
fn root_under_limits_that_kubelet_does_not_have_makes_no_failure_certain() {
    let node = Node::new();
    node.plugin("exit 7");
    node.check(&[PRIVATE], &[]).ends_with(1).has_cause(FAILED, "it ended with exit code 7");
    let check = node.world.command("check");
    for limits in [&["--no-new-privs"][..], &["--bounding-set=-dac_override", "--inh-caps=-dac_override"]] {
        let mut limited = std::process::Command::new("setpriv");
        limited.args(limits).arg(check.get_program()).args(check.get_args());
        let told = finish(limited.args([PRIVATE, "--format", "json"]));
        let summary = document(&told)["images"][0]["summary"].as_str().unwrap().to_owned();
        let is_open = summary.contains("it ended with exit code 7") && summary.contains("under limits that kubelet");
        assert!(told.code == Some(3) && is_open, "{limits:?}: {told:?}");
    }
}

#[test]
fn whatever_else_a_plugin_does_there_is_no_failure_either() {
    let node = node();
    for (script, words) in [
        ("kill -9 $$".to_owned(), "killed by a signal"),
        ("echo nonsense".to_owned(), "not JSON"),
        ("exit 0".to_owned(), "not JSON"),
        (but("kind", "Secret"), "kind `Secret`"),
        (but("auth", serde_json::json!({})), "without a login for the image"),
        (print(&login("other.example")), "without a login for the image"),
    ] {
        node.plugin(&script);
        node.check(&[PRIVATE], &[]).is_untold(words).is_untold(ELSEWHERE);
    }
    // Its loader is on the node.
    node.configure(BINARY, "#!/no/such/loader\n");
    node.check(&[PRIVATE], &[]).is_untold("cannot be run from here");
    node.plugin(&print(&login("registry.example")));
    node.check(&[PRIVATE], &[]).pulls(Some("provider:lab")).does_not_say(PASSWORD);
}

#[test]
fn what_is_not_mounted_may_be_on_the_node() {
    let node = node();
    // The directory of the plugins: not there, covered, and there with other files.
    let path = |path: &str| node.world.node.path(path);
    std::fs::remove_dir_all(path("/opt/providers")).unwrap();
    let untold = |file: &str, words: &str| {
        let told = node.check(&[PRIVATE], &[]);
        told.is_untold(words);
        let finding = told.finding(UNSEEN);
        assert_eq!((&finding["file"], &finding["severity"]), (&file.into(), &"warning".into()), "{finding}");
        node.check(&[PUBLIC], &[]).pulls(None);
    };
    untold(BINARY, "does not see its binary");
    std::fs::create_dir(path("/opt/providers")).unwrap();
    untold(BINARY, "does not see its binary");
    node.world.node.link(BINARY, "/nowhere/lab").unwrap();
    node.configure("/opt/providers/other", "");
    untold(BINARY, "does not see its binary");
    std::fs::remove_file(path(BINARY)).unwrap();
    let told = node.check(&[PRIVATE], &[]);
    told.ends_with(1).has_cause(FAILED, BINARY);
    assert_eq!(told.finding(MISSING)["file"], BINARY);
    // Likewise that of their configuration.
    std::fs::remove_dir_all(path("/etc/kubernetes")).unwrap();
    untold(CONFIG, "cannot see it from here");
    node.configure("/etc/kubernetes/kubelet.conf", "");
    node.check(&[PRIVATE], &[]).ends_with(1).has_cause(FAILED, CONFIG);
}

#[test]
fn a_binary_that_was_there_and_is_gone_fails() {
    for node in [node(), Node::new()] {
        let mut answer = login("registry.example");
        answer["cacheKeyType"] = "Image".into();
        node.plugin(&print(&answer));
        let watched = super::repeated::Watched::start(&node, &[PRIVATE]);
        watched.until("pulled", |report| report["images"][0]["pullable"] == true);
        std::fs::remove_file(node.world.node.path(BINARY)).unwrap();
        let report = watched.until("failed", |report| report["images"][0]["cause"] == FAILED);
        let summary = report["images"][0]["summary"].as_str().unwrap();
        assert!(summary.contains("its binary is not there any more"), "{summary}");
    }
}
