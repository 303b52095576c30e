//! How a reference is resolved: which hosts are asked for it, with what, and which answer counts.

use pullprobe_lab::listener::{Behaviour, Listener};
use pullprobe_lab::registry::{Auth, Basic, Bearer, DigestHeader, Then};
use serde_json::json;
use tokio::net::TcpListener;

use super::*;
use crate::cases::{Case, Cases};
use crate::node::containerd::cases_tests::releases;

#[tokio::test]
async fn a_status_is_asked_for_again_as_often_as_containerd_does() {
    for case in Cases::of_kind("status_retry_count") {
        for version in releases(&case.versions) {
            let lab = lab();
            let status = u16::try_from(case.input["status_always"].as_u64().unwrap()).unwrap();
            let failing = registry(&lab, vec![Fault::on(Kind::Manifest).status(status)]);
            let other = registry(&lab, vec![Fault::on(Kind::Manifest).status(404)]);
            let endpoints = if case.input["is_last_host"].as_bool().unwrap() {
                vec![failing.endpoint()]
            } else {
                vec![failing.endpoint(), other.endpoint()]
            };
            Node::new(version).asking(&endpoints).pulls(IMAGE).await;
            // A GET behind it is pullprobe's own question for the reason.
            let sent = count(&failing, Kind::Manifest, "HEAD");
            assert_eq!(json!(sent), case.expected["requests_sent"], "{} on {version}", case.id);
        }
    }
}

#[tokio::test]
async fn a_refused_method_is_replaced_by_get() {
    for case in Cases::of_kind("head_to_get") {
        for version in releases(&case.versions) {
            let lab = lab();
            let status = u16::try_from(case.input["HEAD"].as_u64().unwrap()).unwrap();
            let registry = registry(&lab, vec![Fault::on(Kind::Manifest).method("HEAD").status(status)]);
            let report = Node::new(version).asking(&[registry.endpoint()]).pulls(IMAGE).await;
            assert_pulled(&report, &case.id);
            let lines = lines(&registry);
            let expected = ["HEAD /v2/app/manifests/1", "GET /v2/app/manifests/1"];
            assert_eq!(lines[..2], expected, "{} on {version}", case.id);
        }
    }
}

#[tokio::test]
async fn the_scenarios_of_containerds_resolver_end_alike() {
    for case in Cases::of_kind("resolver_scenario") {
        for version in releases(&case.versions).into_iter().filter(|version| !case.skips(*version)) {
            let name = format!("{} on {version}", case.id);
            match case.id.as_str() {
                "hosts-dir-001" | "hosts-dir-002" | "hosts-dir-003" => headers(version, &case, &name).await,
                "resolve-001" | "resolve-002" | "resolve-008" | "resolve-009" => basic(version, &case, &name).await,
                "resolve-003" | "resolve-004" | "resolve-005" | "resolve-006" => token(version, &case, &name).await,
                "resolve-007" => refused_token(version, &case, &name).await,
                "resolve-010" => hanging(version, &name).await,
                "resolve-011" | "resolve-012" | "resolve-013" => plain_http(version, &case, &name).await,
                "resolve-014" | "resolve-015" => fallback(version, &case, &name).await,
                "resolve-018" | "resolve-019" => namespace(version, &case, &name).await,
                "resolve-020" | "resolve-021" => digest_of_a_blob(version, &case, &name).await,
                "resolve-030" | "resolve-031" | "resolve-032" | "resolve-033" => {
                    get_after_head(version, &case, &name).await;
                }
                "resolve-034" | "resolve-035" | "resolve-036" | "resolve-037" => refused(version, &case, &name).await,
                "resolve-060" | "resolve-061" | "resolve-062" => capabilities(version, &case, &name).await,
                other => panic!("{other} is not run"),
            }
        }
    }
}

fn words(case: &Case) -> Vec<&str> {
    case.expected["error_contains"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect()
}

/// Headers of one host go to it and its token service, and to nobody else.
async fn headers(version: Version, case: &Case, name: &str) {
    let lab = lab();
    let start = || {
        let auth = Auth::Bearer(Bearer::default());
        with(&lab, Config { auth, ..Config::default() })
    };
    let (mirror, server, upstream) = (start(), start(), start());
    let dead = Listener::start(Behaviour::Refuse).await.unwrap();
    let dead = format!("http://{}", dead.address());
    let up = |key: &str| case.input[key].as_bool().unwrap();
    let endpoint = |is_up: bool, registry: &Registry| if is_up { registry.endpoint().to_owned() } else { dead.clone() };
    let text = case.input["hosts_toml"].as_str().unwrap();
    let text = text.replace("https://MIRROR", &endpoint(up("mirror_up"), &mirror));
    let text = text.replace("https://SERVER", &endpoint(up("server_up"), &server));
    let (host, port) = upstream.authority().split_once(':').unwrap();
    let node = Node::new(version).hosts(&format!("{host}_{port}_"), text);
    assert_pulled(&node.pulls(&format!("{}/app:1", upstream.authority())).await, name);
    let (by, others) = match case.expected["resolved_by"].as_str().unwrap() {
        "MIRROR" => (&mirror, [&server, &upstream]),
        _ => (&server, [&mirror, &upstream]),
    };
    assert!(others.iter().all(|registry| registry.requests().is_empty()), "{name}");
    let expected = case.expected["headers_on_registry_and_token_requests"].as_object().unwrap();
    let requests = by.requests();
    assert!(requests.iter().any(|request| request.kind == Kind::Token), "{name}");
    for request in requests {
        for key in ["user-agent", "x-m", "x-s"] {
            let wanted = expected.iter().find(|(written, _)| written.eq_ignore_ascii_case(key));
            let wanted = wanted.and_then(|(_, value)| value.as_str());
            assert_eq!(request.header(key), wanted, "{name}: {}", request.line());
        }
    }
}

async fn basic(version: Version, case: &Case, name: &str) {
    let lab = lab();
    let users = [("user1".to_owned(), "password1".to_owned())].into();
    let auth = match case.id.as_str() {
        "resolve-001" => Auth::Open,
        _ => Auth::Basic(Basic { users, ..Basic::default() }),
    };
    let faults = match case.id.as_str() {
        // To a wrong password, of which there is only one here.
        "resolve-009" => {
            let mut fault = Fault::on(Kind::Manifest).status(403);
            fault.when.authorized = Some(true);
            vec![fault]
        }
        _ => Vec::new(),
    };
    let registry = with(&lab, Config { auth, faults, ..Config::default() });
    let node = Node::new(version).asking(&[registry.endpoint()]);
    let node = match &case.input["credentials"] {
        serde_json::Value::Null => node,
        login => node.basic(login[0].as_str().unwrap(), login[1].as_str().unwrap()),
    };
    let report = node.pulls(IMAGE).await;
    if case.expected["resolve"] == "error" {
        return assert_fails_with(&report, &words(case), name);
    }
    assert_pulled(&report, name);
    if case.id == "resolve-002" {
        let heads: Vec<Option<u16>> =
            registry.requests().iter().filter(|r| r.method == "HEAD").map(|r| r.status).collect();
        assert_eq!(heads[..2], [Some(401), Some(200)], "{name}");
    } else {
        let asked = lines(&registry);
        assert!(asked.iter().filter(|line| line.starts_with("GET /v2/app/blobs/")).count() == 2, "{name}: {asked:?}");
    }
}

async fn token(version: Version, case: &Case, name: &str) {
    let lab = lab();
    let users = [("user1".to_owned(), "password1".to_owned())].into();
    let identity_tokens = vec!["somerefreshtoken".to_owned()];
    let auth = Auth::Bearer(Bearer { users, identity_tokens, ..Bearer::default() });
    let faults = match case.id.as_str() {
        "resolve-003" | "resolve-004" => vec![Fault::on(Kind::Token).method("POST").status(405)],
        _ => vec![Fault::on(Kind::Token).method("GET").status(405)],
    };
    let registry = with(&lab, Config { auth, faults, ..Config::default() });
    let node = Node::new(version).asking(&[registry.endpoint()]);
    let node = match case.id.as_str() {
        "resolve-003" => node,
        "resolve-005" => node.identity_token("somerefreshtoken"),
        _ => node.basic("user1", "password1"),
    };
    assert_pulled(&node.pulls(IMAGE).await, name);
    let requests = registry.requests();
    let mut tokens = requests.iter().filter(|request| request.kind == Kind::Token);
    let mut sent = || tokens.next().unwrap();
    match case.id.as_str() {
        "resolve-003" => {
            let only = sent();
            assert_eq!((only.method.as_str(), only.authorization()), ("GET", None), "{name}");
        }
        "resolve-004" => {
            assert_eq!((sent().method.as_str(), sent().method.as_str()), ("POST", "GET"), "{name}");
            assert!(requests.iter().any(|r| r.kind == Kind::Token && r.authorization().is_some()), "{name}");
        }
        "resolve-005" => assert!(sent().body.contains("grant_type=refresh_token"), "{name}"),
        _ => assert!(sent().body.contains("grant_type=password"), "{name}"),
    }
}

async fn refused_token(version: Version, case: &Case, name: &str) {
    let lab = lab();
    let challenge = |error: &str| format!("Bearer realm=\"${{self}}/token\",service=\"s\"{error}");
    let refuse = |authorized, error| {
        let mut fault = Fault::on(Kind::Manifest).status(401).header("www-authenticate", &challenge(error));
        fault.when.authorized = Some(authorized);
        fault
    };
    // Not the word itself, as in the case: pullprobe shows nothing of a token.
    let token = Fault::on(Kind::Token).status(200).body("{\"access_token\":\"narrow-token\"}");
    let faults = vec![refuse(false, ""), refuse(true, ",error=\"insufficientscope\""), token];
    let registry = registry(&lab, faults);
    let node = Node::new(version).asking(&[registry.endpoint()]).identity_token("somerefreshtoken");
    assert_fails_with(&node.pulls(IMAGE).await, &words(case), name);
}

async fn hanging(version: Version, name: &str) {
    let lab = lab();
    let silent = Listener::start(Behaviour::Hang).await.unwrap();
    let registry = registry(&lab, Vec::new());
    let silent = format!("http://{}", silent.address());
    let node = Node::new(version).asking(&[&silent, registry.endpoint()]).impatient();
    let report = node.pulls(IMAGE).await;
    if version.response_header_timeout().is_some() {
        return assert_pulled(&report, name);
    }
    // The case's client has a limit of its own, and CRI's has none before 2.3: it asks nobody else.
    assert_eq!(report.verdict.pullable, None, "{name}: {:?}", report.verdict);
    assert!(report.verdict.summary.contains("asks no other host meanwhile"), "{name}: {}", report.verdict.summary);
    assert_eq!(count(&registry, Kind::Manifest, "HEAD"), 0, "{name}");
}

/// The first host speaks plain HTTP where https is written.
async fn plain_http(version: Version, case: &Case, name: &str) {
    let lab = lab();
    let faults = match case.id.as_str() {
        "resolve-011" => Vec::new(),
        _ => vec![Fault::on(Kind::Manifest).status(404)],
    };
    let (plain, good) = (registry(&lab, Vec::new()), registry(&lab, faults));
    let https = format!("https://{}", plain.address());
    let report = Node::new(version).asking(&[&https, good.endpoint()]).pulls(IMAGE).await;
    match case.id.as_str() {
        "resolve-011" => assert_pulled(&report, name),
        "resolve-012" => assert_fails_with(&report, &[case.expected["class"].as_str().unwrap()], name),
        _ => assert_fails_with(&report, &words(case), name),
    }
}

/// https is tried first, and http when it fails in the way of one that speaks no TLS.
async fn fallback(version: Version, case: &Case, name: &str) {
    let lab = lab();
    let registry = registry(&lab, Vec::new());
    let address = match case.id.as_str() {
        "resolve-015" => silent_once(registry.address()).await,
        _ => registry.address(),
    };
    let text =
        format!("server = 'http://{address}'\nskip_verify = true\n[host.'http://{address}']\nskip_verify = true\n");
    let before = registry.connections();
    assert_pulled(&Node::new(version).hosts(DOMAIN, text).pulls(IMAGE).await, name);
    assert!(registry.connections() > before, "{name}");
}

/// The first connection never gets an answer; the later ones are the registry's.
pub(super) async fn silent_once(registry: std::net::SocketAddr) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let _silent = listener.accept().await.unwrap();
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut there = tokio::net::TcpStream::connect(registry).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut stream, &mut there).await;
            });
        }
    });
    address
}

async fn namespace(version: Version, case: &Case, name: &str) {
    let lab = lab();
    let mut fault = Fault::on(Kind::Any).status(404);
    if case.id == "resolve-018" {
        fault.when.query = Some(String::new());
        let registry = registry(&lab, vec![fault]);
        let report = Node::new(version).asking(&[registry.endpoint()]).pulls(IMAGE).await;
        assert_pulled(&report, name);
        assert!(registry.requests().iter().all(|request| request.namespace().as_deref() == Some(DOMAIN)), "{name}");
        return;
    }
    fault.when.query = Some("*ns=*".to_owned());
    let registry = registry(&lab, vec![fault]);
    let port = registry.address().port();
    let text = format!("server = 'http://127.0.0.1:{port}'\n[host.'http://localhost:{port}']\n");
    let node = Node::new(version).hosts(&format!("127.0.0.1_{port}_"), text);
    assert_pulled(&node.pulls(&format!("127.0.0.1:{port}/app:1")).await, name);
    let first = &registry.requests()[0];
    assert_eq!((first.namespace().is_some(), first.status), (true, Some(404)), "{name}");
}

/// By digest, and the registry knows it as a blob only.
async fn digest_of_a_blob(version: Version, case: &Case, name: &str) {
    let lab = lab();
    let status = |value: &serde_json::Value| u16::try_from(value.as_u64().unwrap()).unwrap();
    let manifests = Fault::on(Kind::Manifest).method("HEAD").status(status(&case.input["server"]["HEAD /manifests/"]));
    let mut blobs = Fault::on(Kind::Blob).method("HEAD").status(200).body("{}");
    let media_type = "application/vnd.docker.distribution.manifest.v2+json";
    blobs.then.content_type = Some(media_type.to_owned());
    let registry = registry(&lab, vec![manifests, blobs]);
    let (_, object) = case.input["image"].as_str().unwrap().split_once('@').unwrap();
    let report = Node::new(version).asking(&[registry.endpoint()]).pulls(&format!("{DOMAIN}/app@{object}")).await;
    let asked_blobs = count(&registry, Kind::Blob, "HEAD") > 0;
    assert_eq!(json!(asked_blobs), case.expected["blobs_contacted"], "{name}");
    if case.expected["resolve"] == "error" {
        return assert_fails_with(&report, &words(case), name);
    }
    assert_eq!(json!(report.media_type), case.expected["media_type"], "{name}");
}

/// HEAD tells neither digest nor length, and GET fails.
async fn get_after_head(version: Version, case: &Case, name: &str) {
    let lab = lab();
    let head = Then { chunked: true, digest_header: Some(DigestHeader::Omitted), ..Then::default() };
    let status = u16::try_from(case.expected["status"].as_u64().unwrap()).unwrap();
    let faults = vec![
        Fault::on(Kind::Manifest).method("HEAD").then(head),
        Fault::on(Kind::Manifest).method("GET").status(status),
    ];
    let registry = registry(&lab, faults);
    let report = Node::new(version).asking(&[registry.endpoint()]).pulls(IMAGE).await;
    assert_fails_with(
        &report,
        &[&format!("from GET request to {}", registry.endpoint()), &format!(": {status} ")],
        name,
    );
}

async fn refused(version: Version, case: &Case, name: &str) {
    let lab = lab();
    let get = Fault::on(Kind::Manifest).method("GET");
    let (status, get) = match case.id.as_str() {
        "resolve-034" => (403, get.error(403, "DENIED", "encryption key is disabled")),
        "resolve-037" => (403, get.then(Then { close_early: true, ..Then::default() })),
        "resolve-035" => (403, get.status(403)),
        _ => (404, get.status(404)),
    };
    let registry = registry(&lab, vec![Fault::on(Kind::Manifest).method("HEAD").status(status), get]);
    let report = Node::new(version).asking(&[registry.endpoint()]).pulls(IMAGE).await;
    match case.id.as_str() {
        "resolve-034" | "resolve-037" => assert_fails_with(&report, &words(case), name),
        _ => assert!(Cases::leaves_out(&case.id, "get_requests") && report.verdict.pullable == Some(false), "{name}"),
    }
}

/// What a host may be used for counts when resolving, and not when fetching.
async fn capabilities(version: Version, case: &Case, name: &str) {
    let lab = lab();
    let (mirror, server) = (registry(&lab, Vec::new()), registry(&lab, Vec::new()));
    let stored = mirror.push("library/x", "1", &Content::image("linux/amd64"));
    server.push("library/x", "1", &Content::image("linux/amd64"));
    let capabilities = &case.input["hosts"][0]["caps"];
    if case.id == "resolve-062" {
        let text = format!("server = '{}'\ncapabilities = {capabilities}\n[host]\n", mirror.endpoint());
        let report = Node::new(version).hosts(DOMAIN, text).pulls(IMAGE).await;
        return assert_fails_with(&report, &[case.expected["error"].as_str().unwrap()], name);
    }
    let text =
        format!("server = '{}'\n[host.'{}']\ncapabilities = {capabilities}\n", server.endpoint(), mirror.endpoint());
    let node = Node::new(version).hosts("docker.io", text);
    let object = if case.id == "resolve-060" { ":1".to_owned() } else { format!("@{}", stored.digest) };
    assert_pulled(&node.pulls(&format!("docker.io/library/x{object}")).await, name);
    let asked: Vec<(String, bool)> = timeline(&[&mirror, &server])
        .into_iter()
        .filter(|(_, request)| request.kind == Kind::Manifest)
        .map(|(endpoint, request)| (request.line(), endpoint == mirror.endpoint()))
        .collect();
    let by_digest = format!("/v2/library/x/manifests/{}?ns=docker.io", stored.digest);
    // The stand-in for registry-1.docker.io is told for whom it stands, which Docker Hub itself is not.
    let expected = match case.id.as_str() {
        "resolve-060" => {
            [("HEAD /v2/library/x/manifests/1?ns=docker.io".to_owned(), false), (format!("GET {by_digest}"), true)]
        }
        _ => [(format!("HEAD {by_digest}"), true), (format!("GET {by_digest}"), true)],
    };
    // Where GETs may be counted, pullprobe asks for the price with HEAD first.
    let asked: Vec<_> = asked
        .iter()
        .enumerate()
        .filter(|(nth, (line, _))| *nth == 0 || line.starts_with("GET"))
        .map(|(_, one)| one.clone())
        .collect();
    assert_eq!(asked[..2], expected, "{name}");
}
