//! `pullprobe run` with plugins: how often they are asked while the node's files change, and what is exported.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation is how a test fails")]

use std::time::Duration;

use serde_json::Value;

use super::super::binary::{Agent, eventually};
use super::super::exposition::Exposition;
use super::{CONFIG, FAILED, Node, PASSWORD, PRIVATE, PUBLIC, but, configuration, login, print};

/// Long enough for a busy machine; nothing waits that long when all is well.
const PATIENCE: Duration = Duration::from_secs(60);
const LOGINS: &str = "/var/lib/kubelet/config.json";

pub struct Watched<'a> {
    node: &'a Node,
    agent: Agent,
}

impl<'a> Watched<'a> {
    pub fn start(node: &'a Node, images: &[&str]) -> Self {
        node.world.settings(images);
        Self { node, agent: Agent::start(node.world.command("run").args(["--log-level", "trace"])).ready() }
    }

    pub fn report(&self) -> Value {
        serde_json::from_slice(&self.agent.get("/api/v1/report").body).unwrap()
    }

    pub fn until(&self, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let report = eventually(PATIENCE, || Some(self.report()).filter(|report| holds(report)));
        report.unwrap_or_else(|| panic!("never {what}: {:#}\n{}", self.report(), self.agent.log()))
    }

    /// Changes a file of kubelet's, and waits until that was seen and the image was probed after it.
    fn changes_the_files(&self) {
        for (text, told) in [("{\"auths\": {}, \"credsStore\": \"pass\"}", true), ("{\"auths\": {}}", false)] {
            self.node.world.node.write(LOGINS, text).unwrap();
            self.until("seen", |report| has(report, "credentials_field_unused") == told);
            let before = self.probes();
            eventually(PATIENCE, || (self.probes() > before + 1).then_some(()))
                .unwrap_or_else(|| panic!("{}", self.agent.log()));
        }
    }

    fn probes(&self) -> usize {
        let requests = self.node.world.at("registry.example").requests();
        requests.iter().filter(|request| !request.reference.is_empty()).count()
    }

    fn metrics(&self) -> Exposition {
        Exposition::read(&self.agent.get("/metrics").text())
    }

    fn up(&self) -> Option<f64> {
        self.metrics().value("pullprobe_credential_provider_up", &[("provider", "lab")])
    }

    fn says_nothing_secret(&self) {
        let said = ["/metrics", "/", "/api/v1/report"].map(|path| self.agent.get(path).text()).concat();
        assert!(!said.contains(PASSWORD) && !self.agent.log().contains(PASSWORD), "{said}{}", self.agent.log());
    }
}

fn has(report: &Value, code: &str) -> bool {
    report["findings"].as_array().unwrap().iter().any(|finding| finding["code"] == code)
}

#[test]
fn an_answer_outlives_a_new_look_at_the_files() {
    let node = Node::new();
    let mut answer = login("registry.example");
    answer["cacheDuration"] = "1h".into();
    node.plugin(&print(&answer));
    let watched = Watched::start(&node, &[PRIVATE]);
    watched.changes_the_files();
    assert_eq!(watched.report()["images"][0]["credential"]["source"], "provider:lab", "{}", watched.agent.log());
    assert_eq!(node.runs().len(), 1, "it was asked again\n{}", watched.agent.log());
    assert_eq!(watched.up(), Some(1.0));
    watched.says_nothing_secret();
    // Other arguments may give another answer.
    node.configure(CONFIG, &configuration("lab", "  args: [other]\n"));
    eventually(PATIENCE, || (node.runs().len() == 2).then_some(()))
        .unwrap_or_else(|| panic!("{}", watched.agent.log()));
}

#[test]
fn a_plugin_that_fails_is_not_asked_at_every_look() {
    let node = Node::new();
    node.plugin(&format!("echo 'token {PASSWORD}' >&2; exit 1"));
    let watched = Watched::start(&node, &[PRIVATE, PUBLIC]);
    watched.until("told", |report| has(report, FAILED));
    watched.changes_the_files();
    // Once for each image.
    assert_eq!(node.runs().len(), 2, "it was asked again\n{}", watched.agent.log());
    let report = watched.report();
    let image = |name| report["images"].as_array().unwrap().iter().find(|image| image["image"] == name).unwrap();
    assert_eq!(image(PRIVATE)["cause"], FAILED, "{report:#}");
    assert_eq!(image(PUBLIC)["pullable"], true, "{report:#}");
    let page = watched.agent.get("/").text();
    assert!(page.contains("credential provider `lab` fails"), "{page}");
    assert_eq!(watched.up(), Some(0.0));
    let causes = watched.metrics().0;
    let told = causes.iter().filter(|one| one.name == "pullprobe_image_failure_info" && one.value > 0.0);
    assert_eq!(told.map(|one| one.label("cause")).collect::<Vec<_>>(), [FAILED]);
    watched.says_nothing_secret();
}

#[test]
fn a_running_kubelet_goes_on_with_the_configuration_it_started_with() {
    let node = Node::new();
    node.plugin(&but("cacheDuration", "1h"));
    let watched = Watched::start(&node, &[PRIVATE]);
    let whole = configuration("lab", "");
    node.configure(CONFIG, &whole[..whole.len() - 20]);
    let report = watched.until("told", |report| has(report, "last_good_in_force"));
    let told = report["findings"].as_array().unwrap().iter().find(|one| one["code"] == "last_good_in_force").unwrap();
    assert_eq!((&told["file"], &told["severity"]), (&CONFIG.into(), &"error".into()), "{told}");
    assert!(told["message"].as_str().unwrap().contains("next start"), "{told}");
    assert!(!has(&report, "credential_provider_config_invalid"), "{report:#}");
    watched.changes_the_files();
    assert_eq!(watched.report()["images"][0]["pullable"], true, "{:#}", watched.report());
    assert_eq!(node.runs().len(), 1, "{}", watched.agent.log());
    node.configure(CONFIG, &whole);
    watched.until("whole again", |report| !has(report, "last_good_in_force"));
    assert_eq!(node.runs().len(), 1, "{}", watched.agent.log());
}
