//! A real Alertmanager with the shipped inhibition rules, and what they silence.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpListener};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::daemon::{Daemon, eventually};
use super::tools::{command, items, output, path, success, text, yaml};

pub const INHIBIT: &str = "deploy/alerts/alertmanager-inhibit.yaml";

pub struct Alertmanager {
    pub url: String,
    daemon: Daemon,
    _directory: TempDir,
}

impl Alertmanager {
    /// With the shipped rules, and this route and these receivers.
    pub fn start(route: &str) -> Self {
        for _ in 0..5 {
            if let Some(started) = Self::attempt(route) {
                return started;
            }
        }
        panic!("Alertmanager found no free port in five attempts");
    }

    /// It takes no port 0: a port that was free a moment ago may be taken by now.
    fn attempt(route: &str) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let config = directory.path().join("alertmanager.yml");
        std::fs::write(&config, format!("{}{route}\n", text(INHIBIT))).unwrap();
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|free| free.local_addr()).unwrap();
        let mut server = command("prometheus-alertmanager", ["--cluster.listen-address="]);
        server
            .arg(format!("--web.listen-address={address}"))
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.path={}", directory.path().join("data").display()));
        let daemon = Daemon::start(&mut server, directory.path().join("log"));
        let mut started = Self { url: format!("http://{address}"), daemon, _directory: directory };
        let answers = eventually(|| {
            if started.daemon.has_ended() {
                return Some(false);
            }
            let ready = command("curl", ["-sf", &format!("{}/-/ready", started.url)]).output().unwrap();
            ready.status.success().then_some(true)
        });
        match answers {
            Some(true) => Some(started),
            Some(false) if started.daemon.log().contains("address already in use") => None,
            _ => panic!("Alertmanager does not run:\n{}", started.daemon.log()),
        }
    }

    fn post(&self, alerts: &Value) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), alerts.to_string()).unwrap();
        let data = format!("@{}", file.path().display());
        let url = format!("{}/api/v2/alerts", self.url);
        success(&mut command("curl", ["-sSf", "-H", "Content-Type: application/json", "--data-binary", &data, &url]));
    }

    /// Every alert that it has, with its state.
    pub fn alerts(&self) -> Vec<Value> {
        let asked = output(&mut command("curl", ["-sSf", &format!("{}/api/v2/alerts", self.url)]));
        serde_json::from_slice(&asked.stdout).unwrap_or_default()
    }
}

const NOBODY: &str = "route: {receiver: nobody}\nreceivers: [{name: nobody}]";

/// The wider alert, the narrower that it silences, and one like that which it has nothing to do with.
const CASES: [[&str; 3]; 16] = [
    [
        "PullprobeManyNodesReachNothing",
        "PullprobeNodeReachesNothing instance=a",
        "PullprobeRegistryUnreachableEverywhere namespace=x",
    ],
    [
        "PullprobeRegistryUnreachableEverywhere namespace=x",
        "PullprobeRegistryUnreachable namespace=x instance=a",
        "PullprobeRegistryUnreachable namespace=y instance=a",
    ],
    [
        "PullprobeRegistryUnreachableEverywhere namespace=x",
        "PullprobeRegistryUnreachableFromManyNodes namespace=x",
        "PullprobeRegistryUnreachableFromManyNodes namespace=y",
    ],
    [
        "PullprobeRegistryUnreachableFromManyNodes namespace=x",
        "PullprobeRegistryUnreachable namespace=x instance=a",
        "PullprobeRegistryUnreachable namespace=y instance=a",
    ],
    [
        "PullprobeNodeReachesNothing job=j instance=a",
        "PullprobeRegistryUnreachable namespace=x job=j instance=a",
        "PullprobeRegistryUnreachable namespace=x job=j instance=b",
    ],
    [
        "PullprobeRegistryUnreachableEverywhere namespace=x",
        "PullprobeCredentialsRejected namespace=x cause=login_locked",
        "PullprobeCredentialsRejected namespace=y cause=login_locked",
    ],
    [
        "PullprobeRegistryUnreachableFromManyNodes namespace=x",
        "PullprobeCertificateExpired namespace=x endpoint=e",
        "PullprobeCertificateExpired namespace=y endpoint=e",
    ],
    [
        "PullprobeRegistryUnreachableEverywhere namespace=x",
        "PullprobeContainersWaitForImage cause=tcp_timeout",
        "PullprobeContainersWaitForImage cause=manifest_unknown",
    ],
    ["PullprobeManyNodesReachNothing", "PullprobeImagesNotRestartable", "PullprobeConfigError"],
    [
        "PullprobeRateLimitExhausted namespace=x endpoint=e bucket=1",
        "PullprobeContainersWaitForImage cause=rate_limited",
        "PullprobeContainersWaitForImage cause=tcp_timeout",
    ],
    [
        "PullprobeCredentialsRejected namespace=x cause=credentials_rejected",
        "PullprobeContainersWaitForImage cause=credentials_rejected",
        "PullprobeContainersWaitForImage cause=credentials_missing",
    ],
    [
        "PullprobeRateLimitExhausted namespace=x endpoint=e bucket=1",
        "PullprobeRateLimitBlocked namespace=x endpoint=e bucket=1 state=blocked",
        "PullprobeRateLimitBlocked namespace=x endpoint=e bucket=2 state=blocked",
    ],
    [
        "PullprobeRateLimitBlocked namespace=x endpoint=e bucket=1 state=blocked",
        "PullprobeRateLimitNearlyExhausted namespace=x endpoint=e bucket=1",
        "PullprobeRateLimitNearlyExhausted namespace=x endpoint=e bucket=2",
    ],
    [
        "PullprobeRateLimitNearlyExhausted namespace=x endpoint=e",
        "PullprobeRateLimitForecastExhausted namespace=x endpoint=e",
        "PullprobeRateLimitForecastExhausted namespace=y endpoint=e",
    ],
    [
        "PullprobeClockSkew job=j instance=a",
        "PullprobeAgentStale job=j instance=a",
        "PullprobeAgentStale job=j instance=b",
    ],
    ["PullprobeAgentsAbsent", "PullprobeAgentDown job=j", "PullprobeConfigDrift"],
];

fn labels(written: &str, cluster: &str) -> BTreeMap<String, String> {
    let (name, rest) = written.split_once(' ').unwrap_or((written, ""));
    let pairs = rest.split(' ').filter_map(|pair| pair.split_once('='));
    let named = [("alertname", name), ("cluster", cluster)];
    pairs.chain(named).map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[test]
fn the_wider_alert_silences_the_narrower_and_nothing_beside_it() {
    let alertmanager = Alertmanager::start(NOBODY);
    let of_case = |(number, case): (usize, &[&str; 3])| {
        let cluster = number.to_string();
        // In a cluster of its own the narrower one is alone.
        let alone = labels(case[1], &format!("{number}-alone"));
        let all = case.iter().map(|written| labels(written, &cluster)).chain([alone]);
        all.map(|labels| json!({"labels": labels})).collect::<Vec<_>>()
    };
    let posted: Vec<Value> = CASES.iter().enumerate().flat_map(of_case).collect();
    alertmanager.post(&posted.into());
    let state = |written: &str, cluster: String| {
        let wanted = json!(labels(written, &cluster));
        let alert = alertmanager.alerts().into_iter().find(|alert| alert["labels"] == wanted)?;
        alert["status"]["state"].as_str().filter(|state| *state != "unprocessed").map(str::to_owned)
    };
    for (number, [wider, narrower, beside]) in CASES.iter().enumerate() {
        let becomes = |written: &str, cluster: String, expected: &str| {
            let seen = eventually(|| state(written, cluster.clone()).filter(|state| state == expected));
            assert!(seen.is_some(), "{written} beside {wider} is {:?}, not {expected}", state(written, cluster));
        };
        becomes(narrower, number.to_string(), "suppressed");
        becomes(beside, number.to_string(), "active");
        becomes(wider, number.to_string(), "active");
        becomes(narrower, format!("{number}-alone"), "active");
    }
}

#[test]
fn amtool_accepts_the_rules_and_each_has_a_case() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), format!("{}{NOBODY}\n", text(INHIBIT))).unwrap();
    success(command("amtool", ["check-config"]).arg(file.path()));
    let rules = yaml(&path(INHIBIT));
    let rules = items(&rules["inhibit_rules"]);
    let names = |matchers: &Value| -> Vec<String> {
        let named = items(matchers).iter().map(|one| one.as_str().unwrap()).find(|one| one.starts_with("alertname"));
        let value = named.unwrap().trim_start_matches("alertname").trim_start_matches([' ', '=', '~']);
        value.trim_matches('"').split('|').map(str::to_owned).collect()
    };
    for rule in rules {
        let (sources, targets) = (names(&rule["source_matchers"]), names(&rule["target_matchers"]));
        let shown = |written: &str| written.split(' ').next().unwrap().to_owned();
        let is_shown = CASES
            .iter()
            .any(|[wider, narrower, _]| sources.contains(&shown(wider)) && targets.contains(&shown(narrower)));
        assert!(is_shown, "{rule} has no case");
        let known: Vec<String> = super::alerts::alerts().iter().map(super::alerts::name).collect();
        assert!(
            sources.iter().chain(&targets).all(|name| known.contains(name)),
            "{rule} names an alert that is not there"
        );
    }
}
