//! How far a registry can send the agent: not to the node's own services, nor to its cloud's metadata.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation is how a test fails")]

use std::time::Duration;

use serde_json::Value;

use super::binary::{Agent, document, eventually, finish, repository};
use super::exposition::Exposition;
use super::judge::namespace;
use super::world::{Given, World};

const PATIENCE: Duration = Duration::from_secs(60);

/// The lab is on loopback, the link is another place: nobody of it may send there.
const GIVEN: &str = "
    [[registries]]
    host = 'blobs.example'
    tls = {}
    faults = [{when = {kind = 'blob'}, then = {redirect = 'http://169.254.169.254/latest/meta-data'}}]
    push = [{repository = 'demo/app', tag = '1.0', content = {image = {}}}]
    [[registries]]
    host = 'realm.example'
    tls = {}
    faults = [{then = {status = 401, headers = [['www-authenticate', 'Bearer realm=\"http://[fd00:ec2::254]/token\",service=\"s\"']]}}]
    [[registries]]
    host = 'name.example'
    tls = {}
    faults = [{when = {kind = 'manifest'}, then = {redirect = 'http://meta.example/x'}}]
    [[registries]]
    host = 'good.example'
    tls = {}
    push = [{repository = 'demo/app', tag = '1.0', content = {image = {}}}]
    [files]
    '/etc/hosts' = '169.254.169.254 meta.example'
";

const SENT: [(&str, &str); 3] = [
    ("blobs.example/demo/app:1.0", "http://169.254.169.254"),
    ("realm.example/demo/app:1.0", "http://[fd00:ec2::254]"),
    ("name.example/demo/app:1.0", "http://meta.example"),
];
const GOOD: &str = "good.example/demo/app:1.0";

fn report(agent: &Agent) -> Value {
    serde_json::from_slice(&agent.get("/api/v1/report").body).unwrap()
}

#[test]
fn the_agent_does_not_go_where_no_registry_elsewhere_has_business_and_says_so() {
    let world = World::start(toml::from_str::<Given>(GIVEN).unwrap());
    let images: Vec<&str> = SENT.iter().map(|(image, _)| *image).chain([GOOD]).collect();
    world.settings(&images);
    let agent = Agent::start(&mut world.command("run")).ready();
    let metrics = || Exposition::read(&agent.get("/metrics").text());
    let good = || metrics().value("pullprobe_image_pullable", &[("image", GOOD)]).filter(|value| *value > 0.0);
    eventually(PATIENCE, good).unwrap_or_else(|| panic!("{}", agent.log()));
    let said = report(&agent);
    for (requested, place) in SENT {
        let find = |image: &&Value| image["requested"] == requested;
        let image = said["images"].as_array().unwrap().iter().find(find).unwrap_or_else(|| panic!("{said}"));
        assert!(image["pullable"].is_null() && image["cause"].is_null(), "{image}");
        let summary = image["summary"].as_str().unwrap();
        assert!(summary.contains(place) && summary.contains("does not connect on its schedule"), "{summary}");
        assert!(image["fix"].as_str().unwrap().contains("probe.follow_private"), "{image}");
        let told = said["findings"].as_array().unwrap().iter().find(|finding| {
            finding["code"] == "private_target" && finding["message"].as_str().unwrap().contains(place)
        });
        assert!(told.is_some(), "nothing is found about {place}: {}", said["findings"]);
        // Where it was sent is no target, and its state nobody's business.
        let shown = said["endpoints"].as_array().unwrap().iter().any(|one| one["endpoint"] == place);
        assert!(!shown && !agent.get("/metrics").text().contains(place), "{place} is watched");
    }
    // A token that could not be asked for is nothing that was measured.
    let realm = [("endpoint", "https://realm.example")];
    assert_eq!(metrics().value("pullprobe_endpoint_up", &realm), None);
}

/// A registry elsewhere, and a store of blobs on the node itself, behind a name.
const INSIDE: &str = "
    [[registries]]
    host = 'registry.example'
    tls = {}
    faults = [{when = {kind = 'blob'}, then = {redirect = 'https://inside.example${path}'}}]
    push = [{repository = 'demo/app', tag = '1.0', content = {image = {}}}]
    [[registries]]
    host = 'inside.example'
    tls = {}
    push = [{repository = 'demo/app', tag = '1.0', content = {image = {}}}]
    [network.names]
    'registry.example' = ['192.0.2.10']
    'inside.example' = ['127.0.0.2']
";
const IMAGE: &str = "registry.example/demo/app:1.0";

fn is_told(said: &Value) -> bool {
    let told = |finding: &Value| {
        finding["code"] == "private_target" && finding["message"].as_str().unwrap().contains("https://inside.example")
    };
    said["findings"].as_array().unwrap().iter().any(told)
}

#[test]
fn check_follows_to_the_node_and_says_so_and_run_does_where_the_settings_allow_it() {
    if std::env::var_os(namespace::JOB_VARIABLE).is_none() {
        let entry = "reach::check_follows_to_the_node_and_says_so_and_run_does_where_the_settings_allow_it";
        if let Err(said) = namespace::run(entry, &repository("tests/scenarios/network")) {
            panic!("{said}");
        }
        return;
    }
    let world = World::start(toml::from_str::<Given>(INSIDE).unwrap());
    let pullable = |said: &Value| said["images"][0]["pullable"].clone();
    let asked = || world.at("inside.example").connections();

    let checked = document(&finish(world.command("check").args([IMAGE, "--format", "json"])));
    assert!(pullable(&checked) == true && is_told(&checked) && asked() > 0, "{checked}");

    world.settings(&[IMAGE]);
    let before = asked();
    let agent = Agent::start(&mut world.command("run")).ready();
    let told =
        eventually(PATIENCE, || Some(report(&agent)).filter(is_told)).unwrap_or_else(|| panic!("{}", agent.log()));
    assert!(pullable(&told).is_null(), "{told}");
    assert_eq!(asked(), before, "the agent went to the node itself");
    drop(agent);

    let settings = std::fs::read_to_string(world.node.path("/pullprobe.yaml")).unwrap();
    world.node.write("/pullprobe.yaml", settings.replace("probe:\n", "probe:\n  follow_private: true\n")).unwrap();
    let agent = Agent::start(&mut world.command("run")).ready();
    let pulls = || Some(report(&agent)).filter(|said| pullable(said) == true && is_told(said));
    eventually(PATIENCE, pulls).unwrap_or_else(|| panic!("{}\n{}", report(&agent), agent.log()));
}
