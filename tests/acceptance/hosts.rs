//! The hosts that only other hosts know of: as a list for a firewall, and as endpoints that `run` watches.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation is how a test fails")]

use std::time::Duration;

use pullprobe_lab::ca::CertKind;
use pullprobe_lab::registry;
use pullprobe_lab::tls::Tls;
use serde_json::{Value, json};

use super::binary::{Agent, Finished, document, eventually, finish, repository};
use super::exposition::Exposition;
use super::world::{Given, World};

const IMAGE: &str = "registry.example/demo/app:1.0";
const PATIENCE: Duration = Duration::from_secs(60);

/// A registry whose tokens and blobs come from elsewhere, and an address that refuses connections.
const GIVEN: &str = "
    listeners = [{host = 'dead.example', behaviour = 'refuse'}]
    [[registries]]
    host = 'registry.example'
    tls = {}
    auth = {bearer = {realm = 'https://token.example/token'}}
    faults = [{when = {kind = 'blob', authorized = true}, then = {redirect = 'https://cdn.example${path}'}}]
    push = [{repository = 'demo/app', tag = '1.0', content = {index = {manifests = [{platform = 'linux/amd64'}]}}}]
    [[registries]]
    host = 'token.example'
    tls = {}
    auth = {bearer = {}}
    [[registries]]
    host = 'cdn.example'
    tls = {}
    push = [{repository = 'demo/app', tag = '1.0', content = {index = {manifests = [{platform = 'linux/amd64'}]}}}]
    [[registries]]
    host = 'limited.example'
    tls = {}
    rate_limit = {limit = 100, remaining = 50}
    push = [{repository = 'demo/app', tag = '1.0', content = {image = {}}}]
";

fn world() -> World {
    World::start(toml::from_str::<Given>(GIVEN).unwrap())
}

fn hosts(world: &World, arguments: &[&str]) -> Finished {
    finish(world.command("hosts").args(arguments))
}

/// A row as `cdn.example:443 blob redirect true null`.
fn rows(document: &Value) -> Vec<String> {
    let words =
        |list: &Value| list.as_array().unwrap().iter().map(|one| one.as_str().unwrap()).collect::<Vec<_>>().join("+");
    let row = |one: &Value| {
        let host = one["host"].as_str().unwrap();
        format!(
            "{host}:{} {} {} {} {}",
            one["port"],
            words(&one["roles"]),
            words(&one["why"]),
            one["reachable"],
            one["cause"]
        )
    };
    document["hosts"].as_array().unwrap().iter().map(row).collect()
}

fn is_published(document: &Value) {
    let schema = std::fs::read_to_string(repository("docs/schema/hosts.v1.json")).unwrap();
    let schema: Value = serde_json::from_str(&schema).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let problems: Vec<_> = validator.iter_errors(document).map(|error| error.to_string()).collect();
    assert!(problems.is_empty(), "{problems:?}\n{document}");
}

#[test]
fn every_host_of_a_pull_is_listed_with_what_it_is_for() {
    let world = world();
    let asked = hosts(&world, &[IMAGE, "--format", "json"]);
    assert_eq!(asked.code, Some(0), "{asked:?}");
    let said = document(&asked);
    is_published(&said);
    assert_eq!(
        rows(&said),
        [
            "cdn.example:443 redirect blob redirect true null",
            "registry.example:443 upstream registry true null",
            "token.example:443 token token realm true null",
        ]
    );
    assert_eq!((&said["schema_version"], &said["incomplete"]), (&json!(1), &json!([])));
    assert!(said["hosts"].as_array().unwrap().iter().all(|one| one["needed_by"] == json!([IMAGE])), "{said}");
    let text = hosts(&world, &[IMAGE]);
    let line = text.stdout.lines().find(|line| line.starts_with("token.example:443")).unwrap();
    for word in ["reachable", "direct", "token realm", IMAGE] {
        assert!(line.contains(word), "{line} lacks {word}");
    }
    let plain = hosts(&world, &[IMAGE, IMAGE, "--plain"]);
    assert_eq!(plain.stdout, "cdn.example:443\nregistry.example:443\ntoken.example:443\n");
}

#[test]
fn a_host_that_cannot_be_reached_is_named_with_its_cause_and_the_list_says_what_it_may_lack() {
    let world = world();
    world.node.hosts_toml("elsewhere.example", "server = 'https://dead.example'\n").unwrap();
    let asked = hosts(&world, &["elsewhere.example/a", "registry.example", "--format", "json"]);
    assert_eq!(asked.code, Some(1), "{asked:?}");
    let said = document(&asked);
    is_published(&said);
    assert!(rows(&said).contains(&"dead.example:443 mirror mirror false \"tcp_refused\"".to_owned()), "{said}");
    let incomplete: Vec<&str> =
        said["incomplete"].as_array().unwrap().iter().map(|one| one["target"].as_str().unwrap()).collect();
    assert_eq!(incomplete, ["elsewhere.example/a", "registry.example"]);
    assert!(hosts(&world, &["elsewhere.example/a"]).stdout.contains("NOT REACHABLE tcp_refused at tcp"));
    assert_eq!(hosts(&world, &["Not/A/Reference"]).code, Some(2));
    assert_eq!(hosts(&world, &[]).code, Some(2));
}

#[test]
fn what_an_earlier_list_lacks_is_marked_as_new() {
    let world = world();
    let before = hosts(&world, &["registry.example", "--format", "json"]).stdout;
    let file = world.node.path("/hosts.json");
    let since = |text: &str, arguments: &[&str]| {
        std::fs::write(&file, text).unwrap();
        hosts(&world, &[arguments, &[IMAGE, "--since", file.to_str().unwrap()]].concat())
    };
    let said = document(&since(&before, &["--format", "json"]));
    is_published(&said);
    let news = |document: &Value| {
        let new = document["hosts"].as_array().unwrap().iter().filter(|one| one["new"] == json!(true));
        new.map(|one| one["host"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(news(&said), ["cdn.example"], "{said}");
    assert!(said["hosts"].as_array().unwrap().iter().all(|one| one["new"].is_boolean()), "{said}");
    let text = since(&before, &[]).stdout;
    let marked: Vec<&str> = text.lines().filter(|line| line.contains("(new)")).collect();
    assert!(marked.len() == 1 && marked[0].starts_with("cdn.example:443 (new)"), "{text}");
    // Another port of a known host is another rule.
    let elsewhere = said.to_string().replace("443", "8443");
    assert_eq!(news(&document(&since(&elsewhere, &["--format", "json"]))).len(), 3);
    assert_eq!(news(&document(&since(&said.to_string(), &["--format", "json"]))).len(), 0);
    for (text, why) in
        [("", "not the output of"), ("[]", "not the output of"), ("{\"schema_version\": 9, \"hosts\": []}", "9")]
    {
        let refused = since(text, &[]);
        assert_eq!(refused.code, Some(2), "{refused:?}");
        assert!(refused.stderr.contains("--since") && refused.stderr.contains(why), "{refused:?}");
        assert_eq!(refused.stdout, "");
    }
    let gone = hosts(&world, &[IMAGE, "--since", "/none/hosts.json"]);
    assert!(gone.code == Some(2) && gone.stderr.contains("/none/hosts.json"), "{gone:?}");
}

#[test]
fn the_list_costs_no_more_pulls_than_allowed() {
    let world = world();
    let free = hosts(&world, &["limited.example/demo/app:1.0", "--counted-pulls", "0", "--format", "json"]);
    assert_eq!((free.code, world.counted_pulls()), (Some(3), 0), "{free:?}");
    assert_eq!(document(&free)["incomplete"].as_array().map(Vec::len), Some(1));
    assert_eq!(document(&free)["counted_pulls"], 0, "{free:?}");
    assert!(!hosts(&world, &[IMAGE]).stdout.contains("counted pull"), "a registry without a limit counts nothing");
    let paid = hosts(&world, &["limited.example/demo/app:1.0"]);
    assert_eq!((paid.code, world.counted_pulls()), (Some(0), 1), "{paid:?}");
    assert!(paid.stdout.contains("\n\nthis check spent 1 counted pull\n"), "{paid:?}");
    let paid = hosts(&world, &["limited.example/demo/app:1.0", IMAGE, "--format", "json"]);
    is_published(&document(&paid));
    assert_eq!((&document(&paid)["counted_pulls"], world.counted_pulls()), (&1.into(), 2), "{paid:?}");
    let paid = hosts(&world, &["limited.example/demo/app:1.0", "--plain"]);
    assert!(paid.stderr.contains("this check spent 1 counted pull") && !paid.stdout.contains("counted"), "{paid:?}");
}

#[test]
fn what_a_proxy_leads_to_is_listed_with_the_proxy() {
    let world = world();
    let proxy = world.proxy("ann", "secret-of-the-proxy", "");
    let asked = hosts(&world, &[IMAGE, "--format", "json"]);
    assert!(!asked.stdout.contains("secret-of-the-proxy") && !asked.stdout.contains("ann"), "{}", asked.stdout);
    let said = document(&asked);
    let url = format!("http://proxy.example:{}", proxy.address().port());
    let find = |host: &str| said["hosts"].as_array().unwrap().iter().find(|one| one["host"] == host).cloned().unwrap();
    assert_eq!(find("cdn.example")["proxy"], json!(url), "{said}");
    assert_eq!((&find("proxy.example")["why"], &find("proxy.example")["proxy"]), (&json!(["proxy"]), &Value::Null));
}

fn serving(world: &World) -> Agent {
    world.settings(&[IMAGE]);
    Agent::start(&mut world.command("run")).ready()
}

fn up(agent: &Agent, endpoint: &str, role: &str) -> Option<f64> {
    let metrics = Exposition::read(&agent.get("/metrics").text());
    metrics.value("pullprobe_endpoint_up", &[("namespace", "registry.example"), ("endpoint", endpoint), ("role", role)])
}

fn findings(agent: &Agent) -> Vec<(String, String)> {
    let report: Value = serde_json::from_slice(&agent.get("/api/v1/report").body).unwrap();
    let word = |one: &Value, field: &str| one[field].as_str().unwrap().to_owned();
    report["findings"].as_array().unwrap().iter().map(|one| (word(one, "code"), word(one, "message"))).collect()
}

#[test]
fn a_store_of_blobs_that_dies_is_watched_though_no_walk_gets_there_any_more() {
    let world = world();
    let agent = serving(&world);
    assert_eq!(up(&agent, "https://token.example", "token"), Some(1.0), "{}", agent.log());
    assert_eq!(up(&agent, "https://cdn.example", "redirect"), Some(1.0), "{}", agent.log());
    let before = world.at("cdn.example").connections();
    // From now on no walk gets as far as the blobs.
    world.at("registry.example").set_faults(vec![registry::Fault::on(registry::Kind::Manifest).status(503)]);
    let pullable =
        || Exposition::read(&agent.get("/metrics").text()).value("pullprobe_image_pullable", &[("image", IMAGE)]);
    eventually(PATIENCE, || (pullable() == Some(0.0)).then_some(())).unwrap_or_else(|| panic!("{}", agent.log()));
    let known = world.at("cdn.example").connections();
    assert!(known >= before);
    eventually(PATIENCE, || (world.at("cdn.example").connections() > known).then_some(()))
        .unwrap_or_else(|| panic!("nobody looks after the store of blobs:\n{}", agent.log()));
    assert_eq!(up(&agent, "https://cdn.example", "redirect"), Some(1.0), "{}", agent.log());
}

#[test]
fn a_new_host_is_told_once_and_not_watched_until_a_pull_succeeds_with_it() {
    let world = world();
    let agent = serving(&world);
    assert!(findings(&agent).iter().all(|(code, _)| code != "host_new"), "{:?}", findings(&agent));
    let redirect = registry::Fault::on(registry::Kind::Blob).redirect("https://dead.example${path}");
    world.at("registry.example").set_faults(vec![redirect]);
    let cause = [("image", IMAGE), ("stage", "tcp"), ("cause", "tcp_refused")];
    let failing = || Exposition::read(&agent.get("/metrics").text()).value("pullprobe_image_failure_info", &cause);
    eventually(PATIENCE, failing).unwrap_or_else(|| panic!("{}", agent.log()));
    let is_named = || findings(&agent).iter().any(|(code, _)| code == "host_new").then_some(());
    eventually(PATIENCE, is_named).unwrap_or_else(|| panic!("{}", agent.log()));
    let told = findings(&agent);
    let new = told.iter().find(|(code, _)| code == "host_new").unwrap_or_else(|| panic!("{told:?}"));
    assert!(new.1.starts_with("dead.example:443 gets the blobs of registry.example"), "{new:?}");
    assert!(agent.get("/").text().contains("dead.example:443 gets the blobs"), "the page does not say it");
    // A registry could have ports looked at by naming them: what it names is watched once it was of use.
    assert_eq!(up(&agent, "https://dead.example", "redirect"), None, "{}", agent.log());
    assert_eq!(up(&agent, "https://cdn.example", "redirect"), Some(1.0), "{}", agent.log());
    assert_eq!(told.iter().filter(|(code, _)| code == "host_new").count(), 1, "{told:?}");
}

#[test]
fn a_ladder_of_its_own_costs_a_host_no_connection_of_its_own() {
    let world = world();
    // The one that climbed is asked on.
    assert_eq!(finish(world.command("check").arg("registry.example")).code, Some(0));
    assert_eq!(world.at("token.example").connections(), 1);
    assert_eq!(finish(world.command("check").arg(IMAGE)).code, Some(0));
    assert_eq!(world.at("cdn.example").connections(), 1);
}

#[test]
fn one_authority_for_two_public_registries_is_suspected_of_opening_connections() {
    let mut world = world();
    for host in ["ghcr.io", "quay.io"] {
        let tls = Some(Tls { cert: CertKind::Good, ..Tls::default() });
        world.registry(registry::Config { host: host.to_owned(), tls, ..registry::Config::default() });
    }
    let check = |targets: &[&str]| {
        let finished = finish(world.command("check").args(targets).args(["--format", "json"]));
        let said = document(&finished);
        let codes = said["findings"].as_array().unwrap().iter().map(|one| one["code"].as_str().unwrap().to_owned());
        codes.filter(|code| code == "tls_interception_suspected").count()
    };
    assert_eq!((check(&["ghcr.io", "quay.io"]), check(&["ghcr.io", "registry.example"])), (1, 0));
}
