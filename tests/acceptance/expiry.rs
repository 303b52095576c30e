//! Credentials that say when they end: what `check`, `plan`, `lint` and `run` make of that.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation is how a test fails")]

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::binary::{Agent, document, finish};
use super::exposition::Exposition;
use super::world::{Given, Login, World};

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;
/// In every credential of this world.
const SIGNATURE: &str = "cGxhbnRlZC1zaWduYXR1cmU";

fn jwt(claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.{SIGNATURE}", part(&json!({"alg": "RS256"})), part(claims))
}

fn ecr(expiration: i64) -> String {
    STANDARD.encode(json!({"payload": SIGNATURE, "type": "DATA_KEY", "expiration": expiration}).to_string())
}

/// One host, what kubelet has for it, and what its registry does with it.
struct Case {
    host: &'static str,
    user: &'static str,
    /// Seconds from now to its end.
    left: i64,
    token: fn(i64) -> String,
    /// The registry's settings in TOML; `$TOKEN` is the credential.
    registry: &'static str,
    cause: Option<&'static str>,
    /// The codes of findings about it in kubelet's file.
    finding: Option<&'static str>,
    words: &'static str,
}

const ACCEPTS: &str = "auth.basic = {users = {ann = '$TOKEN', AWS = '$TOKEN'}}";
const REFUSES: &str = "auth.basic = {users = {ann = 'another'}}";
const SOON: Option<&str> = Some("credential_expires_soon");
const EXPIRED: Option<&str> = Some("credential_expired");

fn plain(ends: i64) -> String {
    jwt(&json!({"exp": ends}))
}

const CASES: [Case; 13] = [
    Case {
        host: "lasting.example",
        user: "ann",
        left: 30 * DAY + HOUR,
        token: plain,
        registry: ACCEPTS,
        cause: None,
        finding: None,
        words: "expires in 30 days",
    },
    Case {
        host: "soon.example",
        user: "ann",
        left: 3 * HOUR + 600 + 50,
        token: plain,
        registry: ACCEPTS,
        cause: None,
        finding: SOON,
        words: "expires in 3 h 10 min",
    },
    Case {
        // A tenth of its four days is more than three hours.
        host: "young.example",
        user: "ann",
        left: 10 * HOUR + 600 + 50,
        token: |ends| jwt(&json!({"exp": ends, "iat": ends - 4 * DAY})),
        registry: ACCEPTS,
        cause: None,
        finding: None,
        words: "expires in 10 h 10 min",
    },
    Case {
        host: "ecr.example",
        user: "AWS",
        left: HOUR + 600 + 50,
        token: ecr,
        registry: ACCEPTS,
        cause: None,
        finding: SOON,
        words: "expires in 1 h 10 min",
    },
    Case {
        // Not every registry looks.
        host: "tolerant.example",
        user: "ann",
        left: -2 * DAY - HOUR,
        token: plain,
        registry: ACCEPTS,
        cause: None,
        finding: EXPIRED,
        words: "expired 2 days ago",
    },
    Case {
        host: "basic.example",
        user: "ann",
        left: -2 * DAY - HOUR,
        token: plain,
        registry: REFUSES,
        cause: Some("credentials_expired"),
        finding: EXPIRED,
        words: "expired 2 days ago",
    },
    Case {
        host: "bearer.example",
        user: "ann",
        left: -2 * DAY - HOUR,
        token: plain,
        registry: "auth.bearer = {users = {ann = 'another'}, private = ['*']}",
        cause: Some("credentials_expired"),
        finding: EXPIRED,
        words: "expired 2 days ago",
    },
    Case {
        // Refused without a word of why.
        host: "bare.example",
        user: "ann",
        left: -2 * DAY - HOUR,
        token: plain,
        registry: "auth.basic = {users = {ann = '$TOKEN'}}\nfaults = [{when = {authorized = true}, then = {status = 403}}]",
        cause: Some("credentials_expired"),
        finding: EXPIRED,
        words: "expired 2 days ago",
    },
    Case {
        // Who is told what is missing was let in.
        host: "denied.example",
        user: "ann",
        left: -2 * DAY - HOUR,
        token: plain,
        registry: "auth.basic = {users = {ann = '$TOKEN'}}\nfaults = [{when = {authorized = true}, then = {status = 403, error = ['DENIED', 'ann may not pull']}}]",
        cause: Some("access_denied"),
        finding: EXPIRED,
        words: "expired 2 days ago",
    },
    Case {
        // ECR's own words.
        host: "ended-ecr.example",
        user: "AWS",
        left: -2 * DAY - HOUR,
        token: ecr,
        registry: "auth.basic = {users = {AWS = '$TOKEN'}}\nfaults = [{when = {authorized = true}, then = {status = 403, error = ['DENIED', 'Your authorization token has expired. Reauthenticate and try again.']}}]",
        cause: Some("credentials_expired"),
        finding: EXPIRED,
        words: "expired 2 days ago",
    },
    Case {
        host: "wrong.example",
        user: "ann",
        left: 30 * DAY + HOUR,
        token: plain,
        registry: REFUSES,
        cause: Some("credentials_rejected"),
        finding: None,
        words: "expires in 30 days",
    },
    Case {
        // By its own clock it is two days later: what ends in one has ended.
        host: "ahead.example",
        user: "ann",
        left: DAY + HOUR + 50,
        token: plain,
        registry: "auth.basic = {users = {ann = 'another'}}\nfaults = [{then = {headers = [['Date', '${in_two_days}']]}}]",
        cause: Some("credentials_expired"),
        finding: None,
        words: "expires in 25 h",
    },
    Case {
        // By its own clock it is long before the end.
        host: "behind.example",
        user: "ann",
        left: -2 * DAY - HOUR,
        token: plain,
        registry: "auth.basic = {users = {ann = 'another'}}\nfaults = [{then = {headers = [['Date', 'Thu, 20 Nov 2025 10:00:00 GMT']]}}]",
        cause: Some("credentials_rejected"),
        finding: EXPIRED,
        words: "expired 2 days ago",
    },
];

/// A provider whose token ends long before kubelet asks it again.
const PROVIDED: &str = "provided.example";
const PROVIDERS: &str = r"
apiVersion: kubelet.config.k8s.io/v1
kind: CredentialProviderConfig
providers:
  - name: lab
    apiVersion: credentialprovider.kubelet.k8s.io/v1
    matchImages: [provided.example]
    defaultCacheDuration: 24h
";

struct Node {
    world: World,
    now: i64,
}

fn image(host: &str) -> String {
    format!("{host}/demo/app:1.0")
}

fn node() -> Node {
    let now = Timestamp::now().as_second();
    let mut registries = String::new();
    let mut add = |host: &str, registry: &str, token: &str| {
        let push = "[{repository = 'demo/app', tag = '1.0', content = {image = {}}}]";
        let registry = registry.replace("$TOKEN", token);
        let _ = writeln!(registries, "[[registries]]\nhost = '{host}'\ntls = {{}}\npush = {push}\n{registry}");
    };
    let login = |case: &Case| Login { user: case.user.into(), password: (case.token)(now + case.left) };
    for case in &CASES {
        add(case.host, case.registry, &login(case).password);
    }
    let provided = plain(now + 2 * HOUR + 50);
    add(PROVIDED, ACCEPTS, &provided);
    let mut given: Given = toml::from_str(&registries).unwrap();
    given.credentials = CASES.iter().map(|case| (case.host.to_owned(), login(case))).collect();
    let answer = json!({
        "kind": "CredentialProviderResponse", "apiVersion": "credentialprovider.kubelet.k8s.io/v1", "cacheKeyType": "Registry",
        "auth": {PROVIDED: {"username": "ann", "password": provided}},
    });
    given.programs.insert("/opt/providers/lab".into(), format!("#!/bin/sh\necho '{answer}'\n"));
    given.files.insert("/etc/kubernetes/providers.yaml".into(), PROVIDERS.into());
    given.credential_settings.insert("provider_config".into(), "/etc/kubernetes/providers.yaml".into());
    given.credential_settings.insert("provider_bin_dir".into(), "/opt/providers".into());
    let world = World::start(given);
    world.settings(&all_images().iter().map(String::as_str).collect::<Vec<_>>());
    Node { world, now }
}

fn all_images() -> Vec<String> {
    CASES.iter().map(|case| case.host).chain([PROVIDED]).map(image).collect()
}

impl Node {
    fn time(&self, left: i64) -> String {
        Timestamp::from_second(self.now + left).unwrap().to_string()
    }

    fn said(&self, verb: &str, options: &[&str]) -> String {
        let targets = if verb == "lint" { Vec::new() } else { all_images() };
        let finished = finish(self.world.command(verb).args(targets).args(options));
        assert_ne!(finished.code, Some(2), "{finished:?}");
        finished.stdout
    }
}

/// What is said of a host: the codes and messages of its findings.
fn findings_of<'f>(findings: &'f Value, host: &str) -> Vec<(&'f str, &'f str)> {
    let text = |finding: &'f Value, field: &str| finding[field].as_str().unwrap_or_default();
    let all = findings.as_array().unwrap().iter().map(|one| (text(one, "code"), text(one, "message")));
    all.filter(|(code, message)| code.starts_with("credential_exp") && message.contains(&format!("`{host}`"))).collect()
}

#[test]
fn check_tells_the_end_of_each_credential_and_what_comes_of_it() {
    let node = node();
    let finished = finish(node.world.command("check").args(all_images()).args(["--format", "json"]));
    let report = document(&finished);
    for case in &CASES {
        let image =
            report["images"].as_array().unwrap().iter().find(|one| one["requested"] == image(case.host)).unwrap();
        let summary = image["summary"].as_str().unwrap();
        assert_eq!(image["cause"].as_str(), case.cause, "{}: {summary}", case.host);
        assert_eq!(image["pullable"], case.cause.is_none(), "{}: {summary}", case.host);
        assert_eq!(image["credential"]["expires_at"], node.time(case.left), "{}", case.host);
        assert_eq!(image["credential"]["renews_at"], Value::Null, "{}", case.host);
        let says_when = summary.contains(&format!("at {}", node.time(case.left)));
        let refused = ["credentials_expired", "access_denied"].map(Some).contains(&case.cause);
        assert_eq!(says_when, refused, "{}: {summary}", case.host);
        let attempts = image["attempts"].as_array().unwrap();
        assert!(attempts.iter().all(|attempt| attempt["cause"].as_str() == case.cause), "{attempts:?}");
        let told = findings_of(&report["findings"], case.host);
        assert_eq!(told.iter().map(|one| one.0).collect::<Vec<_>>(), Vec::from_iter(case.finding), "{}", case.host);
        assert!(told.iter().all(|one| one.1.contains(&node.time(case.left))), "{told:?}");
    }
    let placed = report["findings"].as_array().unwrap().iter().filter(|one| one["code"] == "credential_expired");
    assert!(placed.clone().all(|one| one["file"] == "/var/lib/kubelet/config.json" && one["line"].is_u64()));
    assert_eq!(placed.clone().filter(|one| one["severity"] == "error").count(), 7);
    provided(&node, &report);
}

fn provided(node: &Node, report: &Value) {
    let one = report["images"].as_array().unwrap().iter().find(|one| one["requested"] == image(PROVIDED)).unwrap();
    assert_eq!(one["pullable"], true, "{one}");
    assert_eq!(one["credential"]["expires_at"], node.time(2 * HOUR + 50));
    let renews: Timestamp = one["credential"]["renews_at"].as_str().unwrap().parse().unwrap();
    assert!((DAY..DAY + 120).contains(&(renews.as_second() - node.now)), "{renews}");
    let [(code, message)] = findings_of(&report["findings"], PROVIDED)[..] else { panic!("{}", report["findings"]) };
    assert_eq!(Some(code), SOON);
    assert!(message.contains("provider:lab") && message.contains("kubelet keeps it for 2"), "{message}");
}

#[test]
fn text_plan_and_lint_tell_it_too_and_nobody_tells_the_credential() {
    let node = node();
    let (check, plan) = (node.said("check", &[]), node.said("plan", &[]));
    let planned: Value = serde_json::from_str(&node.said("plan", &["--format", "json"])).unwrap();
    let lint: Value = serde_json::from_str(&node.said("lint", &["--format", "json"])).unwrap();
    for (nth, case) in CASES.iter().enumerate() {
        let held = format!("from kubelet-config-json (key {}), {}", case.host, case.words);
        assert!(check.contains(&format!("credential basic {held}")), "{held}:\n{check}");
        let placed = format!("(key {}, /var/lib/kubelet/config.json:1), {}", case.host, case.words);
        assert!(plan.contains(&placed), "{placed}:\n{plan}");
        assert_eq!(planned["images"][nth]["credentials"][0]["expires_at"], node.time(case.left), "{}", case.host);
        let told = findings_of(&lint["findings"], case.host);
        assert_eq!(told.iter().map(|one| one.0).collect::<Vec<_>>(), Vec::from_iter(case.finding), "{}", case.host);
    }
    assert!(check.contains("ecr-credential-provider"), "{check}");
    let provided = "(key provided.example), expires in 2 h, requested again in 24 h";
    assert!(check.contains(provided) || check.contains(&provided.replace("24 h", "23 h 59 min")), "{check}");
    assert_eq!(finish(&mut node.world.command("lint")).code, Some(1), "what has ended is an error");
    for text in [check, plan, planned.to_string(), lint.to_string()] {
        assert!(!text.contains(SIGNATURE), "{text}");
    }
}

#[test]
fn the_agent_shows_the_ends_as_metrics_in_its_report_and_on_its_page() {
    let node = node();
    let agent = Agent::start(&mut node.world.command("run")).ready();
    let metrics = Exposition::read(&agent.get("/metrics").text());
    let at = |name: &str, source: &str, registry: &str| {
        let labels = [("source", source), ("registry", registry)];
        metrics.value(&format!("pullprobe_credential_{name}_timestamp_seconds"), &labels)
    };
    #[allow(clippy::cast_precision_loss, reason = "seconds of this century")]
    let seconds = |left: i64| Some((node.now + left) as f64);
    for case in &CASES {
        assert_eq!(at("expiry", "kubelet-config-json", case.host), seconds(case.left), "{}", case.host);
    }
    let hours = |host| at("issued", "kubelet-config-json", host);
    assert_eq!(hours("young.example"), seconds(10 * HOUR + 650 - 4 * DAY));
    assert_eq!(hours("ecr.example"), seconds(HOUR + 650 - 12 * HOUR));
    assert_eq!(hours("soon.example"), None, "it does not say");
    assert_eq!(at("expiry", "provider:lab", PROVIDED), seconds(2 * HOUR + 50));
    let broken = metrics
        .value("pullprobe_image_failure_info", &[("image", &image("basic.example")), ("cause", "credentials_expired")]);
    assert_eq!(broken, Some(1.0));
    let report: Value = serde_json::from_str(&agent.get("/api/v1/report").text()).unwrap();
    assert_eq!(findings_of(&report["findings"], "tolerant.example").len(), 1);
    assert_eq!(findings_of(&report["findings"], PROVIDED).len(), 1);
    let schema: Value = serde_json::from_str(&agent.get("/api/v1/schema").text()).unwrap();
    assert!(jsonschema::validator_for(&schema).unwrap().is_valid(&report), "{report}");
    let page = agent.get("/").text();
    for words in [
        "kubelet-config-json for basic.example, expired 2 days ago",
        "provider:lab for provided.example, expires in ",
        "<td class=\"host\">provided.example</td><td>provider:lab",
    ] {
        assert!(page.contains(words), "{words}:\n{page}");
    }
    for text in [page, report.to_string(), agent.get("/metrics").text(), agent.log()] {
        assert!(!text.contains(SIGNATURE), "{text}");
    }
}
