//! What pullprobe asks beyond containerd, to learn why: a look that fails itself explains nothing.

use pullprobe_lab::registry::{Auth, Bearer, Then};

use super::*;

fn newest() -> Version {
    "v2.3.4".parse().unwrap()
}

/// A registry with a token service that knows one login.
fn guarded(lab: &Lab, faults: Vec<Fault>) -> Registry {
    let users = [("user".to_owned(), "password".to_owned())].into();
    with(lab, Config { auth: Auth::Bearer(Bearer { users, ..Bearer::default() }), faults, ..Config::default() })
}

async fn with_login(post: Fault) -> ImageReport {
    let lab = lab();
    let registry = guarded(&lab, vec![post]);
    let endpoints = [registry.endpoint()];
    let report = Node::new(newest()).asking(&endpoints).basic("user", "password").pulls(IMAGE).await;
    assert_eq!(report.verdict.pullable, Some(false), "{:?}", report.verdict);
    report
}

#[tokio::test]
async fn a_token_service_refuses_post_only_where_it_does_so_again() {
    let post = |status| Fault::on(Kind::Token).method("POST").status(status);
    let refuses_post = "refuses POST";
    for (fault, is_of_post) in [
        (post(403), true),
        (post(500), true),
        (post(500).nth(1), false),
        (post(502).nth(1), false),
        (post(503), false),
        (post(504), false),
    ] {
        let name = format!("{fault:?}");
        let verdict = with_login(fault).await.verdict;
        assert_eq!(verdict.summary.contains(refuses_post), is_of_post, "{name}: {}", verdict.summary);
        assert_eq!(verdict.cause == Some(Cause::TokenInvalid), is_of_post, "{name}: {verdict:?}");
    }
}

#[tokio::test]
async fn a_get_that_meets_a_limit_or_a_server_error_leaves_the_failure_of_head() {
    let head = Fault::on(Kind::Manifest).method("HEAD").status(403);
    for status in [408, 429, 500, 502, 503] {
        let lab = lab();
        let registry = registry(&lab, vec![head.clone(), Fault::on(Kind::Manifest).method("GET").status(status)]);
        let report = Node::new("v2.1.9".parse().unwrap()).asking(&[registry.endpoint()]).pulls(IMAGE).await;
        assert!(message(&report).contains("403 Forbidden"), "{status}: {}", message(&report));
        let cause = report.verdict.cause.unwrap();
        assert!(!matches!(cause, Cause::RegistryError | Cause::RateLimited | Cause::Throttled), "{status}: {cause:?}");
    }
    // The same answer to both may say more.
    let lab = lab();
    let head = Fault::on(Kind::Manifest).method("HEAD").status(500);
    let get = Fault::on(Kind::Manifest).method("GET").error(500, "UNKNOWN", "no space left on device");
    let registry = registry(&lab, vec![head, get]);
    let report = Node::new("v2.1.9".parse().unwrap()).asking(&[registry.endpoint()]).pulls(IMAGE).await;
    assert!(report.attempts.iter().any(|attempt| attempt.detail.contains("no space left")), "{:?}", report.attempts);
}

/// How often the only host is asked that ends so many connections before its answer, and whether it serves then.
async fn after_breaks(version: &str, breaks: u32) -> (usize, Option<bool>) {
    let lab = lab();
    let close = Then { close_early: true, ..Then::default() };
    let registry = registry(&lab, vec![Fault::on(Kind::Manifest).method("HEAD").then(close).count(breaks)]);
    let report = Node::new(version.parse().unwrap()).asking(&[registry.endpoint()]).pulls(IMAGE).await;
    (count(&registry, Kind::Manifest, "HEAD"), report.verdict.pullable)
}

#[tokio::test]
async fn a_connection_that_ends_early_is_repeated_as_often_as_containerd_does() {
    assert_eq!(after_breaks("v2.3.1", 1).await, (1, Some(false)));
    assert_eq!(after_breaks("v2.3.2", 1).await, (2, Some(true)));
    assert_eq!(after_breaks("v2.3.4", 4).await, (5, Some(true)));
    assert_eq!(after_breaks("v2.3.4", 9).await, (5, Some(false)));
}

/// Where nothing in a refusal is a registry's, the base of the API is looked at, and the look counts.
#[tokio::test]
async fn each_request_about_an_image_counts() {
    let lab = lab();
    let registry = registry(&lab, vec![Fault::on(Kind::Manifest).status(404).body("no such page")]);
    let report = Node::new(newest()).asking(&[registry.endpoint()]).pulls(IMAGE).await;
    let sent = registry.requests();
    assert!(sent.iter().any(|request| request.path == "/v2/"), "{sent:?}");
    assert_eq!(usize::try_from(report.requests).unwrap(), sent.len(), "{sent:?}");
}
