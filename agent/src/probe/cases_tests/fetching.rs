//! How content is got once a reference is resolved: in which order, how often, and what ends it.

use pullprobe_lab::registry::Then;

use super::*;
use crate::cases::Cases;
use crate::node::containerd::cases_tests::releases;

#[tokio::test]
async fn content_is_asked_of_every_host_in_order_whatever_its_capabilities() {
    for case in Cases::of_kind("fetch_hosts") {
        for version in releases(&case.versions) {
            let lab = lab();
            let (empty, full) = (lab.registry(Config::default()).unwrap(), registry(&lab, Vec::new()));
            let stored = full.push("app", "1", &Content::image("linux/amd64"));
            let all = [empty.endpoint(), full.endpoint()];
            let hosts: Vec<String> = case.input["hosts"]
                .as_array()
                .unwrap()
                .iter()
                .zip(all)
                .map(|(host, endpoint)| format!("[host.'{endpoint}']\ncapabilities = {}\n", host["caps"]))
                .collect();
            // The registry itself would come last: the directory says that the last host is it.
            let (last, others) = hosts.split_last().unwrap();
            let server = last.replacen("[host.", "server = ", 1).replacen("']", "'", 1);
            let node = Node::new(version).hosts(DOMAIN, format!("{server}[host]\n{}", others.concat()));
            let report = node.pulls(&format!("{DOMAIN}/app@{}", stored.digest)).await;
            if let Some(error) = case.expected["error"].as_str() {
                assert_fails_with(&report, &[error], &case.id);
                continue;
            }
            assert_pulled(&report, &case.id);
            let asked = timeline(&[&empty, &full]);
            let blob = asked.iter().find(|(_, request)| request.kind == Kind::Blob).unwrap().1.reference.clone();
            let tried: Vec<&str> =
                asked.iter().filter(|(_, request)| request.reference == blob).map(|(endpoint, _)| *endpoint).collect();
            assert_eq!(tried, all, "{} on {version}", case.id);
        }
    }
}

#[tokio::test]
async fn of_several_hosts_the_first_error_is_told() {
    for case in Cases::of_kind("fetch_error_selection") {
        for version in releases(&case.versions) {
            let lab = lab();
            let of = |outcome: &serde_json::Value| {
                registry(&lab, vec![Fault::on(Kind::Blob).status(outcome.as_str().unwrap().parse().unwrap())])
            };
            let hosts: Vec<Registry> = case.input["host_outcomes"].as_array().unwrap().iter().map(of).collect();
            let endpoints: Vec<&str> = hosts.iter().map(Registry::endpoint).collect();
            let report = Node::new(version).asking(&endpoints).pulls(IMAGE).await;
            let expected = case.expected["returned"].as_str().unwrap();
            let parts: Vec<&str> = match expected {
                "status 500 error" => vec!["500 Internal Server Error"],
                text => vec![text.split('<').next().unwrap(), text.rsplit('>').next().unwrap()],
            };
            assert_fails_with(&report, &parts, &format!("{} on {version}", case.id));
        }
    }
}

#[tokio::test]
async fn what_is_no_manifest_by_its_type_is_looked_for_among_the_blobs() {
    for case in Cases::of_kind("fetch_endpoint") {
        for version in releases(&case.versions) {
            let lab = lab();
            let mut fault = Fault::on(Kind::Manifest);
            fault.then.content_type = Some(case.input["media_type"].as_str().unwrap().to_owned());
            let registry = registry(&lab, vec![fault]);
            Node::new(version).asking(&[registry.endpoint()]).pulls(IMAGE).await;
            let fetched = lines(&registry).into_iter().find(|line| line.starts_with("GET")).unwrap();
            let place = format!("/v2/app/{}/sha256:", case.expected["endpoint"].as_str().unwrap());
            assert!(fetched.contains(&place), "{} on {version}: {fetched}", case.id);
        }
    }
}

#[tokio::test]
async fn an_image_for_another_architecture_is_pulled_and_does_not_start() {
    for case in Cases::of_kind("single_manifest_wrong_arch") {
        for version in releases(&case.versions) {
            let lab = lab();
            let registry = registry(&lab, Vec::new());
            registry.push("app", "1", &Content::image("linux/arm64"));
            let report = Node::new(version).asking(&[registry.endpoint()]).pulls(IMAGE).await;
            assert_eq!(case.expected["pull"], "ok");
            assert_pulled(&report, &case.id);
            assert_eq!(report.verdict.runnable, Some(false), "{} on {version}", case.id);
        }
    }
}

#[tokio::test]
async fn an_object_is_opened_as_containerd_opens_it() {
    for case in Cases::of_kind("fetch_open") {
        for version in releases(&case.versions) {
            let name = format!("{} on {version}", case.id);
            match case.id.as_str() {
                "fetch-001" => from_the_beginning(version, &name).await,
                "fetch-002" => from_the_middle(version, true, &name).await,
                "fetch-003" => from_the_middle(version, false, &name).await,
                _ => with_status(version, &case, &name).await,
            }
        }
    }
}

async fn from_the_beginning(version: Version, name: &str) {
    let lab = lab();
    let registry = registry(&lab, Vec::new());
    assert_pulled(&Node::new(version).asking(&[registry.endpoint()]).pulls(IMAGE).await, name);
    let requests = registry.requests();
    let with_range: Vec<&str> = requests.iter().filter(|r| r.header("range").is_some()).map(|r| &*r.path).collect();
    // The layer alone: of it only the first byte is asked for.
    assert!(Cases::leaves_out("fetch-001", "layers") && with_range.len() == 1, "{name}: {with_range:?}");
    assert!(with_range[0].contains("/blobs/"), "{name}: {with_range:?}");
}

/// The config's first answer ends early; the second is the rest, or everything once more.
async fn from_the_middle(version: Version, ignores_range: bool, name: &str) {
    let lab = lab();
    let registry = registry(&lab, Vec::new());
    let stored = registry.push("app", "1", &Content::image("linux/amd64"));
    let config = &stored.config.unwrap();
    let place = format!("*{config}");
    let mut early = Fault::on(Kind::Blob).path(&place).nth(1);
    early.then.truncate_at = Some(25);
    let mut faults = vec![early];
    if ignores_range {
        let whole = String::from_utf8(registry.content("app", config).unwrap()).unwrap();
        faults.push(Fault::on(Kind::Blob).path(&place).nth(2).status(200).body(&whole));
    }
    registry.set_faults(faults);
    assert_pulled(&Node::new(version).asking(&[registry.endpoint()]).pulls(IMAGE).await, name);
    let ranges: Vec<String> = registry
        .requests()
        .iter()
        .filter(|request| request.reference == *config)
        .map(|request| request.header("range").unwrap_or_default().to_owned())
        .collect();
    assert_eq!(ranges, ["", "bytes=25-"], "{name}");
}

async fn with_status(version: Version, case: &crate::cases::Case, name: &str) {
    let lab = lab();
    let status = u16::try_from(case.input["status_always"].as_u64().unwrap()).unwrap();
    let fault = Fault::on(Kind::Manifest).method("GET");
    let fault = if case.input["registry_error_body"].as_bool().unwrap() {
        fault.error(status, "UNKNOWN", "Test Error")
    } else {
        fault.status(status)
    };
    let failing = registry(&lab, vec![fault]);
    let other = registry(&lab, vec![Fault::on(Kind::Manifest).method("GET").status(404)]);
    let endpoints = if case.input["is_last_host"].as_bool().unwrap() {
        vec![failing.endpoint()]
    } else {
        vec![failing.endpoint(), other.endpoint()]
    };
    let report = Node::new(version).asking(&endpoints).pulls(IMAGE).await;
    let asked = failing.requests().into_iter().find(|request| request.method == "GET").unwrap();
    let url = format!("{}{}?{}", failing.endpoint(), asked.path, asked.query);
    let expected = case.expected["error"].as_str().unwrap().replace("<url>", &url);
    assert_fails_with(&report, &[&expected], name);
    assert!(message(&report).ends_with(&expected), "{name}: {}", message(&report));
    let retries = count(&failing, Kind::Manifest, "GET") - 1;
    if Cases::leaves_out(&case.id, "retries") {
        assert_eq!(retries, 1, "{name}");
    } else {
        assert_eq!(serde_json::json!(retries), case.expected["retries"], "{name}");
    }
}

/// A host that says of a manifest that it is a page: containerd looks for it among the blobs of all hosts.
#[tokio::test]
async fn a_manifest_of_another_type_is_told_of_by_who_announced_it() {
    for (media_type, cause) in
        [("text/html", Cause::NotARegistry), ("application/x-unknown", Cause::ManifestUnsupported)]
    {
        let lab = lab();
        let announced = Then { content_type: Some(media_type.to_owned()), ..Then::default() };
        let mirror = registry(&lab, vec![Fault::on(Kind::Manifest).status(403)]);
        let server = registry(&lab, vec![Fault::on(Kind::Manifest).then(announced)]);
        let endpoints = [mirror.endpoint(), server.endpoint()];
        let report = Node::new("v2.1.9".parse().unwrap()).asking(&endpoints).pulls(IMAGE).await;
        assert_fails_with(&report, &[&format!("({media_type}) from remote: not found")], media_type);
        assert_eq!(report.verdict.cause, Some(cause), "{:?}", report.verdict);
        assert_eq!(report.verdict.host.as_deref(), Some(&*server.address().to_string()), "{:?}", report.verdict);
    }
}
