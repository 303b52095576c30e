//! Plugins that fail, lie, print garbage or have no end: what is told, and that nothing is left of them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation is how a test fails")]

use std::time::{Duration, Instant};

use serde_json::json;

use super::super::binary::eventually;
use super::{CONFIG, FAILED, Node, PASSWORD, PRIVATE, PUBLIC, USER, V1, but, configuration, login, print};

/// What a plugin does, and the words that are said of it.
fn tempers() -> Vec<(String, &'static str)> {
    let good = print(&login("registry.example"));
    vec![
        ("echo 'no role is attached' >&2; exit 1".into(), "it ended with exit code 1: no role is attached"),
        ("printf 'a\\033[2J\\007b\\r\\nc' >&2; exit 3".into(), "exit code 3: a"),
        (format!("echo 'password={PASSWORD}' >&2; exit 1"), "exit code 1: password=***"),
        (format!("echo 'login of {USER} with password {PASSWORD} failed' >&2; exit 1"), "exit code 1: login of"),
        (format!("echo '{{\"auth\":{{\"r\":{{\"password\":\"{PASSWORD}\"}}}}}}' >&2; exit 1"), "exit code 1: {"),
        (format!("echo 'GET https://{USER}:{PASSWORD}@r.example/x: EOF' >&2; exit 1"), "r.example/x: EOF"),
        (format!("{good}\necho 'cannot store {PASSWORD}' >&2; exit 1"), "exit code 1: cannot store ***"),
        (format!("{good}\nexit 1"), "it ended with exit code 1"),
        ("kill -9 $$".into(), "killed by a signal"),
        (format!("head -c 3000000 /dev/zero >&2; echo '{PASSWORD}' >&2; exit 1"), "exit code 1"),
        (format!("yes 'a word and another' | head -c 4090 >&2; echo 'password={PASSWORD}' >&2; exit 1"), "a word and"),
        (format!("echo '{PASSWORD} {{'"), "not JSON"),
        (format!("echo '[\"{PASSWORD}\"]'"), "not a response"),
        // As the fields of an answer in their order, for those who are no Go program.
        (
            print(
                &json!(["CredentialProviderResponse", V1, "Registry", "0s", {"registry.example": {"password": PASSWORD}}]),
            ),
            "not a response",
        ),
        (but("auth", json!({"registry.example": [USER, PASSWORD]})), "not a response"),
        (format!("echo '{{\"kind\": [\"{PASSWORD}\"]}}'"), "not a response"),
        (format!("printf '\\000\\377\\377{PASSWORD}'"), "not JSON"),
        (format!("{good}\necho '{PASSWORD}'"), "not JSON"),
        ("exit 0".into(), "not JSON"),
        (but("kind", "Secret"), "kind `Secret`"),
        (but("kind", PASSWORD), "an unknown kind"),
        (but("apiVersion", "credentialprovider.kubelet.k8s.io/v1beta1"), "k8s.io/v1beta1`, expected"),
        (but("apiVersion", PASSWORD), "an unknown apiVersion"),
        (but("cacheKeyType", "Always"), "cacheKeyType `Always`"),
        (but("cacheDuration", "soon"), "cacheDuration"),
        (but("auth", json!([PASSWORD])), "not a response"),
        (but("auth", json!({"registry.example": PASSWORD})), "not a response"),
        (but("auth", json!({"registry.example": {"username": USER, "password": 4721}})), "not a response"),
    ]
}

#[test]
fn what_a_plugin_does_wrong_is_the_cause_where_its_login_is_wanting() {
    let node = Node::new();
    for (script, words) in tempers() {
        node.plugin(&script);
        let told = node.check(&[PRIVATE], &[]);
        told.ends_with(1).has_cause(FAILED, words).does_not_say(PASSWORD);
        let image = told.image();
        assert_eq!(image["also_possible"], json!(["credentials_missing"]), "{script}: {image:#}");
        assert_eq!((&image["owner"], &image["stage"]), (&"credentials".into(), &"config".into()), "{script}");
        assert!(image["summary"].as_str().unwrap().contains("`lab`"), "{script}: {image:#}");
        assert!(!told.json.stdout.contains(['\u{1b}', '\u{7}']) && !told.text.stdout.contains(['\u{1b}', '\u{7}']));
        assert!(told.text.stdout.len() < 8_000, "{script}: {}", told.text.stdout.len());
        // It is said once, by the verdict.
        assert_eq!(told.findings(), Vec::<serde_json::Value>::new(), "{script}");
    }
    let login = base64(&format!("{USER}:{PASSWORD}"));
    assert!(!node.sent().contains(&login), "a login that kubelet would not use was sent");
}

#[test]
fn a_failing_plugin_is_a_finding_where_the_pull_works_without_it() {
    let node = Node::with("credentials = {'registry.example' = {user = 'puller', password = 'pw-plugin-4721'}}");
    node.plugin(&format!("echo 'no role; token={PASSWORD}' >&2; exit 1"));
    for (image, source) in [(PUBLIC, None), (PRIVATE, Some("kubelet-config-json"))] {
        let told = node.check(&[image], &[]);
        told.pulls(source).does_not_say(PASSWORD);
        let finding = told.finding(FAILED);
        assert_eq!(finding["severity"], "warning", "{finding}");
        let message = finding["message"].as_str().unwrap();
        for words in ["`lab`", image, "exit code 1: no role; token=***"] {
            assert!(message.contains(words), "{words:?} is not in {message}");
        }
    }
    // Alike for both images: one finding.
    let message = node.check(&[PUBLIC, PRIVATE], &[]).finding(FAILED)["message"].to_string();
    assert!(message.contains(PUBLIC) && message.contains(PRIVATE), "{message}");
}

#[test]
fn a_login_that_the_registry_refuses_names_its_plugin() {
    let node = Node::new();
    let stale = "pw-stale-4722";
    let auth = |key: &str| json!({key: {"username": USER, "password": stale}});
    node.plugin(&but("auth", auth("registry.example")));
    let told = node.check(&[PRIVATE], &[]);
    told.ends_with(1).has_cause("credentials_rejected", "").does_not_say(stale);
    assert_eq!(told.image()["credential"]["source"], "provider:lab");
    assert!(told.shown().contains("provider:lab"), "{}", told.text.stdout);
    assert!(node.sent().contains(&base64(&format!("{USER}:{stale}"))), "{}", node.sent());
}

#[test]
fn a_plugin_without_an_end_is_ended_and_nothing_is_claimed() {
    let node = Node::new();
    let good = print(&login("registry.example"));
    for (script, words) in [
        ("sleep 600 & sleep 600".to_owned(), "did not answer within"),
        ("trap '' TERM INT HUP; while :; do sleep 600; done".to_owned(), "did not answer within"),
        // kubelet waits for the end of the output, whoever holds it open.
        (format!("sleep 600 &\n{good}"), "did not answer within"),
        ("yes".to_owned(), "more than 1 MiB"),
        ("yes >&2".to_owned(), "did not answer within"),
        ("head -c 100000000 /dev/zero".to_owned(), "more than 1 MiB"),
    ] {
        node.plugin(&script);
        let began = Instant::now();
        let told = node.check(&[PRIVATE], &["--timeout", "6s"]);
        assert!(began.elapsed() < Duration::from_secs(30), "{script}: {:?} for two checks", began.elapsed());
        told.is_untold(words).does_not_say(PASSWORD);
        for process in node.runs() {
            let over = eventually(Duration::from_secs(10), || (!has_living(process)).then_some(()));
            assert!(over.is_some(), "{script}: something of the plugin still runs");
        }
    }
}

#[test]
fn several_images_wait_for_a_hanging_plugin_together() {
    let node = Node::new();
    node.plugin("sleep 600");
    let images = ["registry.example/a:1", "registry.example/b:1", PRIVATE, PUBLIC];
    let began = Instant::now();
    let told = node.check(&images, &["--timeout", "8s"]);
    assert!(began.elapsed() < Duration::from_secs(30), "{:?} for two checks", began.elapsed());
    told.ends_with(3);
    let document = super::super::binary::document(&told.json);
    for image in document["images"].as_array().unwrap() {
        let public = image["image"] == PUBLIC;
        assert_eq!(image["pullable"], if public { true.into() } else { serde_json::Value::Null }, "{image:#}");
        assert!(public || image["summary"].as_str().unwrap().contains("credential provider `lab`"), "{image:#}");
    }
}

#[test]
fn where_a_plugin_cannot_be_asked_no_other_failure_is_claimed() {
    // The login of the file is refused: kubelet then tries what the plugin gives, which nobody knows here.
    let node = Node::with("credentials = {'registry.example' = {user = 'puller', password = 'pw-old-4722'}}");
    node.plugin("sleep 600");
    node.check(&[PRIVATE], &["--timeout", "6s"]).is_untold("did not answer within").does_not_say("pw-old-4722");
    let pods = "  tokenAttributes:\n    serviceAccountTokenAudience: registry\n    cacheType: Token\n    requireServiceAccount: true\n";
    node.configure(CONFIG, &configuration("lab", pods));
    node.left("runs");
    node.check(&[PRIVATE], &[]).is_untold("identity of the pod");
    let told = node.check(&[PUBLIC], &[]);
    told.pulls(None);
    let finding = told.finding("credential_provider_unknown");
    assert_eq!(finding["severity"], "info", "{finding}");
    assert!(finding["message"].as_str().unwrap().contains("identity of the pod"), "{finding}");
    assert!(node.runs().is_empty(), "it was run");
}

/// Whether a process group has a process that is not merely waiting to be collected.
fn has_living(group: i32) -> bool {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let stats = processes.filter_map(|process| std::fs::read_to_string(process.path().join("stat")).ok());
    stats.filter_map(|stat| stat.rsplit_once(") ").map(|(_, rest)| rest.to_owned())).any(|rest| {
        let fields: Vec<&str> = rest.split(' ').collect();
        fields[2].parse() == Ok(group) && !["Z", "X"].contains(&fields[0])
    })
}

fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}
