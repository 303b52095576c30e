//! `pullprobe run` as operators meet it: Prometheus scrapes it, kubelet probes it, people look at it,
//! files change under it, and it ends when told to.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation is how a test fails")]

use std::io::Read as _;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::binary::{Agent, Finished, eventually, finish, pullprobe};
use super::exposition::Exposition;
use super::http::{self, Response, request};
use super::world::{Given, World};

const GOOD: &str = "registry.example/demo/app:1.0";
const MISSING: &str = "registry.example/demo/app:2.0";
const HANGING: &str = "hanging.example/demo/app:1.0";

/// Long enough for a busy machine; nothing waits that long when all is well.
const PATIENCE: Duration = Duration::from_secs(30);

fn world() -> World {
    let given = "
        listeners = [{host = 'hanging.example', behaviour = 'hang'}]
        [[registries]]
        host = 'registry.example'
        tls = {}
        push = [{repository = 'demo/app', tag = '1.0', content = {index = {manifests = [{platform = 'linux/amd64'}]}}}]
    ";
    let world = World::start(toml::from_str::<Given>(given).unwrap());
    world.settings(&[GOOD, MISSING]);
    world
}

fn serving(world: &World) -> Agent {
    Agent::start(&mut world.command("run")).ready()
}

/// A server that is killed on drop.
pub struct Prometheus(std::process::Child);

impl Drop for Prometheus {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

impl Prometheus {
    fn start(target: SocketAddr, listen: SocketAddr, directory: &Path) -> Self {
        let job = format!("{{job_name: pullprobe, static_configs: [{{targets: ['{target}']}}]}}");
        Self::start_with(&job, listen, directory)
    }

    /// With these entries of `scrape_configs`.
    pub fn start_with(jobs: &str, listen: SocketAddr, directory: &Path) -> Self {
        let config = directory.join("prometheus.yml");
        let text = format!("global: {{scrape_interval: 1s}}\nscrape_configs: [{jobs}]\n");
        std::fs::write(&config, text).unwrap();
        let log = std::fs::File::create(directory.join("prometheus.log")).unwrap();
        let server = Command::new("prometheus")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", directory.join("data").display()))
            .arg(format!("--web.listen-address={listen}"))
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn();
        Self(server.unwrap_or_else(|error| panic!("prometheus: {error}: run tests/tools/install.sh")))
    }
}

#[test]
fn a_real_prometheus_scrapes_it() {
    let mut world = world();
    let agent = serving(&world);
    let listen = SocketAddr::new(world.address_of("prometheus.example"), 9090);
    let directory = tempfile::tempdir().unwrap();
    let _prometheus = Prometheus::start(agent.address(), listen, directory.path());
    let ask = |query: &str| -> Option<Vec<Value>> {
        let answer = http::get(listen, &format!("/api/v1/query?query={query}")).ok()?;
        let answer: Value = serde_json::from_slice(&answer.body).ok()?;
        answer["data"]["result"].as_array().filter(|found| !found.is_empty()).cloned()
    };
    let log = || std::fs::read_to_string(directory.path().join("prometheus.log")).unwrap_or_default();
    let info = eventually(PATIENCE, || ask("pullprobe_build_info")).unwrap_or_else(|| panic!("{}", log()));
    assert_eq!(info[0]["value"][1], "1", "{info:?}");
    assert_eq!(info[0]["metric"]["version"], env!("CARGO_PKG_VERSION"), "{info:?}");
    let pullable = ask("pullprobe_image_pullable").unwrap();
    let values: Vec<(&str, &str)> = (pullable.iter())
        .map(|one| (one["metric"]["image"].as_str().unwrap(), one["value"][1].as_str().unwrap()))
        .collect();
    assert!(values.contains(&(GOOD, "1")) && values.contains(&(MISSING, "0")), "{values:?}");
    assert_eq!(ask("up").unwrap()[0]["value"][1], "1");
}

#[test]
fn promtool_has_nothing_to_say_about_the_metrics() {
    let world = world();
    let metrics = serving(&world).get("/metrics");
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut promtool.stdin.take().unwrap(), &metrics.body).unwrap();
    let output = promtool.wait_with_output().unwrap();
    assert!(output.status.success() && output.stdout.is_empty() && output.stderr.is_empty(), "{output:?}");
    assert!(Exposition::read(&metrics.text()).0.len() > 30);
}

#[test]
fn only_get_and_head_are_served() {
    let world = world();
    let agent = serving(&world);
    for path in ["/", "/metrics", "/api/v1/report", "/livez"] {
        for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
            let answer = request(agent.address(), method, path, &[("Content-Length", "0")]).unwrap();
            assert_eq!(answer.status, 405, "{method} {path}");
            assert!(
                answer.header("allow").is_some_and(|allowed| allowed.contains("GET")),
                "{method} {path}: {answer:?}"
            );
        }
        let head = request(agent.address(), "HEAD", path, &[]).unwrap();
        assert_eq!((head.status, head.body.len()), (200, 0), "HEAD {path}");
    }
}

#[test]
fn every_route_is_what_it_says() {
    let world = world();
    let agent = serving(&world);
    for path in ["/livez", "/readyz", "/healthz", "/-/healthy", "/-/ready"] {
        assert_eq!(agent.get(path).status, 200, "{path}");
    }
    for path in ["/no/such/page", "/metrics/", "/api/v1", "/debug/pprof", "/probe?target=registry.example"] {
        assert_eq!(agent.get(path).status, 404, "{path}");
    }
    let kind = |path: &str| agent.get(path).header("content-type").unwrap_or_default().to_owned();
    assert!(kind("/metrics").starts_with("text/plain; version=0.0.4"), "{}", kind("/metrics"));
    assert!(kind("/").starts_with("text/html"), "{}", kind("/"));
    assert!(kind("/api/v1/report").starts_with("application/json"), "{}", kind("/api/v1/report"));
    let schema: Value = serde_json::from_slice(&agent.get("/api/v1/schema").body).unwrap();
    let report: Value = serde_json::from_slice(&agent.get("/api/v1/report").body).unwrap();
    assert!(jsonschema::validator_for(&schema).unwrap().is_valid(&report), "{report}");
    assert_eq!(report["images"].as_array().map(Vec::len), Some(2), "{report}");
}

#[test]
fn metrics_are_compressed_for_those_who_can_read_it() {
    let world = world();
    let agent = serving(&world);
    let ask = |encoding: &str| request(agent.address(), "GET", "/metrics", &[("Accept-Encoding", encoding)]).unwrap();
    let compressed = ask("gzip");
    assert_eq!(compressed.header("content-encoding"), Some("gzip"), "{compressed:?}");
    assert!(unzipped(&compressed).contains("pullprobe_build_info{"));
    for plain in ["identity", "gzip;q=0", "br"] {
        let answer = ask(plain);
        assert_eq!(answer.header("content-encoding"), None, "{plain}");
        assert!(answer.text().contains("pullprobe_build_info{"), "{plain}");
    }
}

fn unzipped(response: &Response) -> String {
    let mut text = String::new();
    flate2::read::GzDecoder::new(response.body.as_slice()).read_to_string(&mut text).unwrap();
    text
}

#[test]
fn it_ends_within_two_seconds_when_told_to() {
    let world = world();
    let mut agent = serving(&world);
    let asked = Instant::now();
    agent.terminate();
    let ended = agent.ended_within(PATIENCE).unwrap();
    assert!(asked.elapsed() < Duration::from_secs(2), "{:?}\n{}", asked.elapsed(), agent.log());
    assert_eq!(ended.code(), Some(0), "{}", agent.log());
}

#[test]
fn it_ends_as_soon_while_a_registry_hangs() {
    let world = world();
    world.settings(&[HANGING]);
    let mut agent = Agent::start(&mut world.command("run"));
    // The name was asked for, so a probe is under way; the server behind it answers nothing.
    eventually(PATIENCE, || (world.queries() > 0).then_some(())).unwrap_or_else(|| panic!("{}", agent.log()));
    assert_eq!(agent.get("/livez").status, 200, "liveness depends on no registry");
    assert!(!agent.parts().unwrap_or_default().contains("[+]first-cycle"), "the first cycle is not over");
    let asked = Instant::now();
    agent.terminate();
    let ended = agent.ended_within(PATIENCE).unwrap();
    assert!(asked.elapsed() < Duration::from_secs(2), "{:?}\n{}", asked.elapsed(), agent.log());
    assert_eq!(ended.code(), Some(0), "{}", agent.log());
}

/// Each of them accepts connections and answers nothing, and so does containerd.
#[test]
fn it_is_ready_while_its_first_cycle_waits_for_registries_that_are_silent() {
    let given =
        "listeners = [{host = 'hanging.example', behaviour = 'hang'}, {host = 'mute.example', behaviour = 'hang'}]";
    let world = World::start(toml::from_str::<Given>(given).unwrap());
    world.settings(&[HANGING, "mute.example/demo/app:1.0"]);
    let socket = world.node.path("/run/containerd/containerd.sock");
    std::fs::create_dir_all(socket.parent().unwrap()).unwrap();
    let _silent = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let agent = Agent::start(&mut world.command("run"));
    let parts = eventually(PATIENCE, || agent.parts()).unwrap_or_else(|| panic!("{}", agent.log()));
    assert_eq!(agent.get("/readyz").text(), "ok\n");
    assert!(parts.starts_with("[+]settings ok\n[+]port ok\n[+]first-look ok\n"), "{parts}");
    assert!(parts.ends_with("readyz check passed\n"), "{parts}");
    for late in ["[-]first-cycle running since 20", "[-]last-cycle none is over yet"] {
        assert!(parts.contains(late), "{late}: {parts}");
    }
    // All of them are asked by then, and none has answered.
    eventually(PATIENCE, || (world.queries() >= 2).then_some(())).unwrap_or_else(|| panic!("{}", agent.log()));
    let parts = agent.parts().unwrap();
    assert!(parts.contains("[-]first-cycle running since 20") && parts.contains("[+]node ok: read at 20"), "{parts}");
    let containerd =
        eventually(PATIENCE, || agent.parts().filter(|said| said.contains("[-]containerd does not answer")));
    assert!(containerd.is_some(), "{parts}\n{}", agent.log());
}

#[test]
fn a_changed_hosts_file_is_picked_up() {
    let world = world();
    let server = |url: &str| format!("server = \"{url}\"\n");
    world.node.hosts_toml("elsewhere.example", &server("https://no-such-name.example")).unwrap();
    world.settings(&["elsewhere.example/demo/app:1.0"]);
    let agent = serving(&world);
    let image = [("image", "elsewhere.example/demo/app:1.0")];
    let scrape = || Exposition::read(&agent.get("/metrics").text());
    let before = scrape();
    assert_eq!(before.value("pullprobe_image_pullable", &image), Some(0.0), "{}", agent.log());
    let hash = |metrics: &Exposition| metrics.of("pullprobe_config_info", &[])[0].label("hash").to_owned();
    world.node.hosts_toml("elsewhere.example", &server("https://registry.example")).unwrap();
    let after = eventually(PATIENCE, || {
        Some(scrape()).filter(|metrics| metrics.value("pullprobe_image_pullable", &image) == Some(1.0))
    });
    let after = after.unwrap_or_else(|| panic!("the new file is not used:\n{}", agent.log()));
    assert_ne!(hash(&before), hash(&after));
    assert!(after.of("pullprobe_image_failure_info", &image).is_empty(), "the old failure is still told");
    let gone = after.of("pullprobe_endpoint_up", &[("endpoint", "https://no-such-name.example")]);
    assert!(gone.is_empty(), "the old endpoint is still told: {gone:?}");
}

#[test]
fn an_answer_is_logged_when_it_changes_and_not_at_every_probe() {
    let world = world();
    let server = |url: &str| format!("server = \"{url}\"\n");
    world.node.hosts_toml("elsewhere.example", &server("https://no-such-name.example")).unwrap();
    world.settings(&["elsewhere.example/demo/app:1.0"]);
    let agent = serving(&world);
    let dead = [("namespace", "elsewhere.example"), ("endpoint", "https://no-such-name.example")];
    let probed = || Exposition::read(&agent.get("/metrics").text()).value("pullprobe_probes_total", &dead);
    eventually(PATIENCE, || probed().filter(|times| *times >= 3.0)).unwrap_or_else(|| panic!("{}", agent.log()));
    let told = |words: &[&str]| {
        let log = agent.log();
        log.lines().filter(|line| words.iter().all(|word| line.contains(word))).count()
    };
    let image = "subject=elsewhere.example/demo/app:1.0";
    let failed = ["the first answer is not good", image, "answer=\"not pullable\"", "cause=dns_", "stage=dns"];
    assert_eq!(told(&failed), 1, "{}", agent.log());
    let host =
        ["the first answer is not good", "no-such-name.example of elsewhere.example", "answer=\"not reachable\""];
    assert_eq!(told(&host), 1, "{}", agent.log());
    assert_eq!(told(&["the answer changed"]), 0, "nothing was there that could have changed: {}", agent.log());
    assert_eq!(
        told(&["the first round of probes is complete", "endpoints=1 reachable=0 images=1 pullable=0"]),
        1,
        "{}",
        agent.log()
    );
    world.node.hosts_toml("elsewhere.example", &server("https://registry.example")).unwrap();
    let well = ["the answer changed", image, "answer=pullable", "before=\"not pullable\"", "lasted="];
    eventually(PATIENCE, || (told(&well) == 1).then_some(())).unwrap_or_else(|| panic!("{}", agent.log()));
}

#[test]
fn what_is_switched_on_and_cannot_be_had_is_told_at_the_start_and_once() {
    let world = world();
    let settings = std::fs::read_to_string(world.node.path("/pullprobe.yaml")).unwrap();
    let settings = settings.replace("/state/counted-pulls", "/nowhere/counted-pulls");
    let settings = settings.replace("\nprobe:\n", "\nprobe:\n  counted_pulls_per_hour: 5\n");
    let signals = "signals: {node_condition: true, events: true}\n";
    world.node.write("/pullprobe.yaml", format!("{settings}{signals}")).unwrap();
    let agent = serving(&world);
    let log = eventually(PATIENCE, || Some(agent.log()).filter(|log| log.contains("the first round of probes")));
    let log = log.unwrap_or_else(|| panic!("{}", agent.log()));
    let start = log.split("the first round of probes").next().unwrap();
    let host = [("namespace", "registry.example")];
    let rounds = || Exposition::read(&agent.get("/metrics").text()).value("pullprobe_probes_total", &host);
    eventually(PATIENCE, || rounds().filter(|times| *times >= 3.0)).unwrap_or_else(|| panic!("{}", agent.log()));
    let later = agent.log();
    let told =
        |log: &str, words: &[&str]| log.lines().filter(|line| words.iter().all(|word| line.contains(word))).count();
    for words in [
        ["the node condition RegistryReachable is not reported", "no token for", "rbac.nodeCondition: true"],
        ["events are not written", "no token for", "rbac.events: true"],
        ["cannot write down counted pulls", "No such file", "/nowhere/counted-pulls"],
        ["cannot write down what changed", "No such file", "/nowhere/counted-pulls.history"],
    ] {
        assert_eq!((told(start, &words), told(&later, &words)), (1, 1), "{words:?}: {later}");
    }
    let report: Value = serde_json::from_str(&agent.get("/api/v1/report").text()).unwrap();
    let findings = report["findings"].as_array().unwrap();
    assert_eq!(findings.iter().filter(|one| one["code"] == "signals_not_told").count(), 2, "{report:#}");
}

/// Runs the agent with these settings, which have to be refused.
fn refused(settings: &str) -> Finished {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("settings.yaml");
    std::fs::write(&file, settings).unwrap();
    let finished = finish(pullprobe(["run", "--config"]).arg(&file).arg("--host-root").arg(directory.path()));
    assert_eq!((finished.code, finished.stdout.as_str()), (Some(2), ""), "{settings}: {finished:?}");
    finished
}

#[test]
fn wrong_settings_are_refused_with_line_and_nearest_key() {
    for (settings, told) in [
        ("probe:\n  intervall: 60s\n", &["settings.yaml:2", "intervall", "interval"][..]),
        ("probes:\n  interval: 60s\n", &["settings.yaml:1", "probes", "probe"]),
        ("targets:\n  images:\n    - {imagee: nginx}\n", &["settings.yaml:3", "imagee", "image"]),
        ("probe:\n  interval: 60\n", &["settings.yaml:2", "interval", "60"]),
        ("targets:\n  images: [{image: Not/A/Reference}]\n", &["settings.yaml:2", "Not/A/Reference"]),
        ("web:\n  listen: [here]\n", &["settings.yaml:2", "listen", "here"]),
        ("node:\n  containerd_version: two\n", &["settings.yaml:2", "containerd_version", "two"]),
        ("probe: {interval: 60s\n", &["settings.yaml:"]),
        (
            "a: 1\nprobe:\n  timeouts: {dnss: 1s}\nlabels: {node: maybe}\n",
            &["settings.yaml:1", "settings.yaml:3", "settings.yaml:4"],
        ),
    ] {
        let finished = refused(settings);
        for text in told {
            assert!(finished.stderr.contains(text), "{settings}\nnames no {text}:\n{}", finished.stderr);
        }
    }
}

#[test]
fn a_busy_port_is_a_clear_error() {
    let world = world();
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = holder.local_addr().unwrap();
    world.node.write("/pullprobe.yaml", format!("web: {{listen: [\"{address}\"]}}\n")).unwrap();
    let finished = finish(&mut world.command("run"));
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(
        finished.stderr.contains(&address.to_string()) && finished.stderr.contains("in use"),
        "{}",
        finished.stderr
    );
}

/// What a browser makes of the page, scripts run.
#[test]
fn a_browser_shows_the_verdicts() {
    let world = world();
    let agent = serving(&world);
    let profile = tempfile::tempdir().unwrap();
    let output = Command::new("chromium")
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--dump-dom"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("http://{}/", agent.address()))
        .output()
        .unwrap_or_else(|error| panic!("chromium: {error}: run tests/tools/install.sh"));
    let dom = String::from_utf8_lossy(&output.stdout);
    for text in [GOOD, MISSING, "manifest_unknown", "https://registry.example"] {
        assert!(dom.contains(text), "the page has no {text}:\n{dom}");
    }
    for resource in ["src=\"http", "href=\"http", "@import", "url(http"] {
        assert!(!dom.contains(resource), "the page needs more than the agent: {resource}\n{dom}");
    }
}
