//! Every action of a fault rule as a client sees it.

use std::io::ErrorKind;

use pullprobe_lab::Lab;
use pullprobe_lab::registry::{Config, Content, DigestHeader, Fault, Kind, Registry, Then, sha256};

use crate::client::{Answer, PATIENCE, SILENCE, get, raw};

const MANIFEST: &str = "GET /v2/a/manifests/1";

/// A registry with one image whose manifests meet this fate.
fn start(then: Then) -> Registry {
    let registry = Lab::new().unwrap().registry(Config::default()).unwrap();
    registry.push("a", "1", &Content::image("linux/amd64"));
    registry.add_fault(Fault::on(Kind::Manifest).then(then));
    registry
}

/// What becomes of a good manifest.
async fn manifest(then: Then) -> Answer {
    get(&start(then), MANIFEST).await
}

#[tokio::test]
async fn a_rule_applies_to_what_it_names_and_as_often() {
    let registry = start(Then::default());
    let rule = Fault::on(Kind::Manifest).method("HEAD").nth(2).error(503, "UNAVAILABLE", "later");
    registry.set_faults(vec![rule, Fault::on(Kind::Blob).status(418).header("x-a", "1").header("x-a", "2")]);
    for expected in [200, 503, 200] {
        assert_eq!(get(&registry, "HEAD /v2/a/manifests/1").await.status, expected);
        assert_eq!(get(&registry, MANIFEST).await.status, 200);
    }
    let blob = get(&registry, "GET /v2/a/blobs/sha256:0").await;
    let values: Vec<_> = blob.headers.iter().filter(|(name, _)| name == "x-a").collect();
    assert_eq!((blob.status, values.len()), (418, 2));
    registry.set_faults(vec![Fault::on(Kind::Any).path("/v2/*/manifests/*").status(451)]);
    assert_eq!(get(&registry, MANIFEST).await.status, 451);
    assert_eq!(get(&registry, "GET /v2/").await.status, 200);
}

#[tokio::test]
async fn connections_end_without_an_answer() {
    let closing = start(Then { close_early: true, ..Then::default() });
    let (bytes, result) = raw(&closing, MANIFEST, PATIENCE).await;
    assert!(bytes.is_empty() && result.is_ok());
    assert_eq!(closing.requests()[0].status, None);
    let resetting = start(Then { reset: true, ..Then::default() });
    let (bytes, result) = raw(&resetting, MANIFEST, PATIENCE).await;
    assert_eq!((bytes.len(), result.unwrap_err().kind()), (0, ErrorKind::ConnectionReset));
    let hanging = start(Then { hang: true, ..Then::default() });
    let (bytes, result) = raw(&hanging, MANIFEST, SILENCE).await;
    assert_eq!((bytes.len(), result.unwrap_err().kind()), (0, ErrorKind::TimedOut));
    let garbage = start(Then { raw: Some("HTTP/9.9 200 OK\r\n\r\n".to_owned()), ..Then::default() });
    let (bytes, result) = raw(&garbage, MANIFEST, PATIENCE).await;
    assert_eq!(bytes, b"HTTP/9.9 200 OK\r\n\r\n");
    result.unwrap();
}

#[tokio::test]
async fn bodies_end_early_late_or_never() {
    let whole = get(&start(Then::default()), MANIFEST).await.body;
    let cut = get(&start(Then { truncate_at: Some(20), ..Then::default() }), MANIFEST).await;
    assert_eq!(cut.body, whole[..20]);
    assert_eq!(cut.header("content-length").unwrap(), whole.len().to_string());
    let stalled = start(Then { stall_at: Some(20), ..Then::default() });
    let (bytes, result) = raw(&stalled, MANIFEST, SILENCE).await;
    assert!(bytes.ends_with(&whole[..20]));
    assert_eq!(result.unwrap_err().kind(), ErrorKind::TimedOut);
    let endless = start(Then { endless: true, ..Then::default() });
    let (bytes, _) = raw(&endless, MANIFEST, PATIENCE).await;
    assert!(bytes.len() >= 1_000_000, "{}", bytes.len());
    let padded = get(&start(Then { pad: 5_000_000, ..Then::default() }), "HEAD /v2/a/manifests/1").await;
    assert_eq!(padded.header("content-length").unwrap(), (whole.len() + 5_000_000).to_string());
    let slow = start(Then { delay_ms: 100, ..Then::default() });
    let asked = std::time::Instant::now();
    assert_eq!(get(&slow, MANIFEST).await.status, 200);
    assert!(asked.elapsed().as_millis() >= 100);
}

#[tokio::test]
async fn content_and_digest_differ() {
    let whole = manifest(Then::default()).await.body;
    let corrupt = manifest(Then { corrupt: true, ..Then::default() }).await;
    assert_eq!(corrupt.body.len(), whole.len());
    assert_eq!(corrupt.header("docker-content-digest"), Some(&*sha256(&whole)));
    assert_ne!(sha256(&corrupt.body), sha256(&whole));
    let digest = async |fault| {
        let answer = manifest(Then { digest_header: Some(fault), ..Then::default() }).await;
        answer.header("docker-content-digest").map(str::to_owned)
    };
    assert_eq!(digest(DigestHeader::Omitted).await, None);
    assert_ne!(digest(DigestHeader::Wrong).await.unwrap(), sha256(&whole));
    assert_eq!(digest(DigestHeader::Text("md5:0".to_owned())).await.unwrap(), "md5:0");
}

#[tokio::test]
async fn headers_are_wrong_in_one_point() {
    let registry = start(Then { chunked: true, ..Then::default() });
    let chunked = get(&registry, MANIFEST).await;
    assert_eq!(chunked.header("content-length"), None);
    assert_eq!(chunked.header("transfer-encoding"), Some("chunked"));
    let head = get(&registry, "HEAD /v2/a/manifests/1").await;
    assert_eq!((head.status, head.header("content-length")), (200, None));
    let content_type = Some("text/html".to_owned());
    let html = manifest(Then { content_type, ..Then::default() }).await;
    assert_eq!(html.header("content-type"), Some("text/html"));
    let remove_headers = vec!["Content-Type".to_owned()];
    let bare = manifest(Then { remove_headers, ..Then::default() }).await;
    assert_eq!(bare.header("content-type"), None);
    let headers = vec![("bad name".to_owned(), String::new())];
    assert_eq!(manifest(Then { headers, ..Then::default() }).await.status, 500);
}

#[tokio::test]
async fn redirects_lead_elsewhere_or_in_circles() {
    let lab = Lab::new().unwrap();
    let cdn = lab.registry(Config { name: "cdn".to_owned(), ..Config::default() }).unwrap();
    let registry = lab.registry(Config::default()).unwrap();
    let location = async |text: &str| {
        registry.set_faults(vec![Fault::on(Kind::Blob).redirect(text)]);
        let answer = get(&registry, "GET /v2/a/blobs/sha256:0?x=y").await;
        (answer.status, answer.header("location").unwrap().to_owned())
    };
    let path = "/v2/a/blobs/sha256:0?x=y".to_owned();
    assert_eq!(location("${cdn}${path}").await, (307, format!("{}{path}", cdn.endpoint())));
    assert_eq!(location("${path}").await, (307, path.clone()));
    assert_eq!(location("${self}/x").await, (307, "http://registry.test/x".to_owned()));
    registry.set_faults(vec![Fault::on(Kind::Blob).status(302)]);
    assert_eq!(get(&registry, "GET /v2/a/blobs/sha256:0").await.header("location"), None);
}

#[tokio::test]
async fn a_registry_is_data() {
    let text = r#"
        name = "private"
        [auth.bearer]
        service = "s"
        private = ["*"]
        users = { u = "p" }
        refusal = "forbidden"
        [rate_limit]
        remaining = 3
        retry_after = { seconds = 5 }
        [[faults]]
        when = { kind = "manifest", method = "HEAD", count = 1 }
        then = { status = 429, headers = [["retry-after", "1"]], error = ["TOOMANYREQUESTS", "slow down"] }
        [[push]]
        repository = "a"
        tag = "1"
        [push.content.index]
        types = "docker"
        manifests = [
          { platform = "linux/amd64" },
          { attestation = true },
          { platform = { os = "windows", architecture = "amd64", os_version = "10.0.20348" }, absent = true },
        ]
    "#;
    let config: Config = toml::from_str(text).unwrap();
    let registry = Lab::new().unwrap().registry(config).unwrap();
    let answer = get(&registry, "HEAD /v2/a/manifests/1").await;
    assert_eq!((answer.status, answer.header("retry-after")), (429, Some("1")));
    assert_eq!(get(&registry, "HEAD /v2/a/manifests/1").await.status, 401);
    assert!(toml::from_str::<Config>("[auth.bearer]\nservise = 's'").is_err());
}
