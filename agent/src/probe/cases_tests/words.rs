//! What kubelet shows: the whole text, word by word, for the classic client and the transfer service.

use pullprobe_lab::listener::{Behaviour, Listener};
use pullprobe_lab::registry::{Auth, Basic, Bearer, Then};
use pullprobe_lab::tls::Tls;

use super::*;
use crate::cases::{Case, Cases};
use crate::node::containerd::cases_tests::releases;

/// What is at the registry's address.
enum There {
    Registry(Box<Registry>),
    Fault(Listener),
}

impl There {
    fn authority(&self) -> String {
        match self {
            Self::Registry(registry) => registry.address().to_string(),
            Self::Fault(listener) => listener.address().to_string(),
        }
    }
}

#[tokio::test]
async fn kubelet_shows_the_words_of_containerd() {
    for case in Cases::of_kind("user_visible_error") {
        for version in releases(&case.versions).into_iter().filter(|version| !case.skips(*version)) {
            let name = format!("{} on {version}", case.id);
            let lab = lab();
            let there = there(&lab, &case).await;
            let authority = there.authority();
            let scheme = if ["error-005", "error-006"].contains(&case.id.as_str()) { "https" } else { "http" };
            let node = Node::new(version).hosts(
                &format!("{}_", authority.replace(':', "_")),
                format!("server = '{scheme}://{authority}'\n[host]\n"),
            );
            let node =
                if matches!(there, There::Fault(_)) { Node { limit: Duration::from_secs(5), ..node } } else { node };
            let report = node.pulls(&format!("{authority}/app:1")).await;
            let expected = expected(&case, version, &there);
            let expected = expected.replace("https://r.example", &format!("{scheme}://{authority}"));
            let expected = expected.replace("r.example", &authority);
            assert_eq!(report.verdict.pullable, Some(false), "{name}");
            assert_eq!(message(&report), expected, "{name}");
        }
    }
}

#[tokio::test]
async fn without_a_cri_kubelet_is_told_that_there_is_none() {
    let told = async |config: &str| {
        let node = Node::new(Version::new(1, 7, 24)).file("/etc/containerd/config.toml", config);
        message(&node.pulls(IMAGE).await).to_owned()
    };
    let dial = "dial unix /run/containerd/containerd.sock: connect: no such file or directory";
    let ended = format!("connection error: desc = \"transport: Error while dialing: {dial}\"");
    assert_eq!(told("version = 2\n[plugins\n").await, ended);
    let disabled = "version = 2\ndisabled_plugins = ['io.containerd.grpc.v1.cri']\n";
    assert_eq!(told(disabled).await, "unknown service runtime.v1.ImageService");
    let both = "version = 2\n[plugins.'io.containerd.grpc.v1.cri'.registry]\nconfig_path = '/c'\nmirrors = {x = {}}\n";
    assert_eq!(told(both).await, "unknown service runtime.v1.ImageService");
}

/// The text of the case, with what only the lab can know.
fn expected(case: &Case, version: Version, there: &There) -> String {
    let of_transfer = case.expected["transfer"].as_str().unwrap();
    let is_told_apart = !["same", "n/a"].contains(&of_transfer);
    let text = if version.pulls_by_transfer() && is_told_apart {
        of_transfer
    } else {
        case.expected["local_pull"].as_str().unwrap()
    };
    let text = text.replace("192.0.2.1:443", &there.authority());
    let There::Registry(registry) = there else { return text };
    let requests = registry.requests();
    let text = text.replace("https://auth.example", registry.endpoint()).replace("service=svc", "service=registry.lab");
    let root = registry.push("app", "1", &content(case)).digest;
    let blob = requests.iter().find(|request| request.kind == Kind::Blob).map(|request| request.reference.clone());
    let size = registry.content("app", &root).unwrap().len();
    let text = text.replace("<index digest>", &root).replace("<n>", &size.to_string()).replace("<m>", "25");
    text.replace("sha256:<d>", &blob.unwrap_or(root))
}

fn content(case: &Case) -> Content {
    match case.id.as_str() {
        "error-020" => Content::platforms(&["linux/s390x"]),
        _ => Content::image("linux/amd64"),
    }
}

async fn there(lab: &Lab, case: &Case) -> There {
    match case.id.as_str() {
        "error-003" => return There::Fault(Listener::start(Behaviour::Refuse).await.unwrap()),
        "error-004" => return There::Fault(Listener::start(Behaviour::BlackHole).await.unwrap()),
        _ => {}
    }
    let manifest = || Fault::on(Kind::Manifest);
    let then = |then: Then| vec![manifest().then(then)];
    let challenge = |error: &str| format!("Bearer realm=\"${{self}}/token\",service=\"svc\"{error}");
    let refuse = |authorized, error: &str| {
        let mut fault = manifest().status(401).header("www-authenticate", &challenge(error));
        fault.when.authorized = Some(authorized);
        fault
    };
    let faults = match case.id.as_str() {
        "error-001" => vec![manifest().status(404)],
        "error-007" => vec![manifest().status(401)],
        "error-008" => vec![manifest().status(403)],
        "error-009" => vec![manifest().status(429)],
        "error-010" => vec![refuse(false, ""), refuse(true, ",error=\"insufficient_scope\"")],
        "error-012" => vec![Fault::on(Kind::Token).status(401)],
        "error-021" => vec![Fault::on(Kind::Blob).status(403).body(
            "{\"errors\":[{\"code\":\"DENIED\",\"message\":\"requested access to the resource is denied\",\"detail\":{}}]}",
        )],
        "error-022" => vec![Fault::on(Kind::Blob).error(403, "DENIED", "requested access to the resource is denied")],
        "error-024" => then(Then { truncate_at: Some(25), ..Then::default() }),
        "error-025" => vec![manifest().method("HEAD").body("")],
        "error-005" | "error-006" | "error-011" | "error-020" => Vec::new(),
        other => panic!("{other} is not run"),
    };
    let auth = match case.id.as_str() {
        "error-010" | "error-012" => Auth::Bearer(Bearer::default()),
        "error-011" => Auth::Basic(Basic::default()),
        _ => Auth::Open,
    };
    let tls = (case.id == "error-005").then(Tls::default);
    let registry = lab.registry(Config { auth, faults, tls, ..Config::default() }).unwrap();
    registry.push("app", "1", &content(case));
    There::Registry(Box::new(registry))
}
