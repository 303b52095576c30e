//! What answers cost in memory: whatever comes, the program stays within 64 MiB above what it takes for a good
//! image, and lives on in a memory cgroup of the chart's size.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use super::super::binary::{Agent, document, eventually, pullprobe};
use super::peer::{Asked, CONFIG, INDEX, LAYER, MANIFEST, Peer, Reply, Shelf};
use super::{assert_limit, check, measured};

/// Above idle.
const BOUND: usize = 64 << 20;
/// What the program takes in any case: a smaller peak was read before it had begun.
const LEAST: usize = 2 << 20;
/// The limit of the chart.
const OF_THE_CHART: usize = 128 << 20;
/// What containerd takes of a manifest.
const MANIFEST_LIMIT: usize = 4 * 1048 * 1048;
const CONFIG_LIMIT: usize = 8 << 20;

/// `{before}{item},{item},…{after}`, as long as may be.
pub fn filled(before: &str, item: &[u8], after: &str, limit: usize) -> Vec<u8> {
    let mut text = before.as_bytes().to_vec();
    while text.len() + item.len() + after.len() < limit {
        text.extend_from_slice(item);
        text.push(b',');
    }
    text.pop();
    text.extend_from_slice(after.as_bytes());
    text
}

fn one_document(media_type: &str, body: Vec<u8>) -> Peer {
    let mut shelf = Shelf::default();
    let digest = shelf.add(media_type, body);
    shelf.tag(&digest);
    shelf.serve()
}

fn with_config(config: Vec<u8>) -> Shelf {
    let mut shelf = Shelf::default();
    let (layer, config) = (shelf.add(LAYER, "layer"), shelf.add(CONFIG, config));
    let text = format!(r#"{{"config":{},"layers":[{}]}}"#, shelf.entry(&config), shelf.entry(&layer));
    let manifest = shelf.add(MANIFEST, text);
    shelf.tag(&manifest);
    shelf
}

fn good() -> Peer {
    let mut shelf = Shelf::default();
    let manifest = shelf.good_image();
    shelf.tag(&manifest);
    shelf.serve()
}

/// The document attacks: a name, and who makes it.
fn attacks() -> Vec<(&'static str, Peer)> {
    let index = |item: &[u8], limit| one_document(INDEX, filled("{\"manifests\":[", item, "]}", limit));
    let features = filled("{\"manifests\":[{\"platform\":{\"os.features\":[", b"\"\"", "]}}]}", MANIFEST_LIMIT);
    let text = |c: &[u8], count: usize| {
        let mut text = b"{\"mediaType\":\"".to_vec();
        text.extend(c.repeat(count));
        text.extend_from_slice(b"\"}");
        text
    };
    let mut key = b"{\"".to_vec();
    key.extend(vec![0xff_u8; MANIFEST_LIMIT - 10]);
    key.extend_from_slice(b"\":0}");
    let history = filled("{\"rootfs\":{\"diff_ids\":[\"a\"]},\"history\":[", b"{}", "]}", CONFIG_LIMIT);
    let errors = Arc::new(filled("{\"errors\":[", b"{}", "]}", MANIFEST_LIMIT));
    let token = Arc::new(filled("{\"x\":[", b"{}", "],\"token\":\"t\"}", 1 << 20));
    let whole = filled("", b"{}", "", MANIFEST_LIMIT);
    vec![
        ("an index of a million empty entries", index(b"{}", MANIFEST_LIMIT)),
        ("an index of empty platforms", index(b"{\"platform\":{}}", MANIFEST_LIMIT)),
        ("an index of nulls", index(b"null", MANIFEST_LIMIT)),
        ("a manifest of empty layers", one_document(MANIFEST, filled("{\"layers\":[", b"{}", "]}", MANIFEST_LIMIT))),
        ("features without end", one_document(INDEX, features)),
        ("a field of one long text", one_document(INDEX, text(b"x", MANIFEST_LIMIT - 20))),
        ("a text of bytes that are none", one_document(INDEX, text(b"\xff", MANIFEST_LIMIT - 20))),
        ("a text of escapes", one_document(INDEX, text(b"\\u0000", MANIFEST_LIMIT / 6 - 20))),
        ("a key of bytes that are none", one_document(MANIFEST, key)),
        ("lists in lists", one_document(INDEX, vec![b'['; MANIFEST_LIMIT - 1])),
        ("a stream of documents", one_document(INDEX, whole)),
        ("a config with a million steps", with_config(history).serve()),
        ("an error of a million errors", Peer::start(move |_| Reply::new("403 Forbidden").body(&errors))),
        ("a token among a million objects", Peer::start(move |asked| asks_for_token(asked, &token))),
    ]
}

fn asks_for_token(asked: &Asked, token: &Arc<Vec<u8>>) -> Reply {
    if asked.path.starts_with("/token") {
        return Reply::new("200 OK").body(token);
    }
    let host = asked.head.lines().find_map(|line| line.strip_prefix("host: ").or(line.strip_prefix("Host: "))).unwrap();
    Reply::new("401 Unauthorized").field(format!("WWW-Authenticate: Bearer realm=\"http://{host}/token\""))
}

/// The peak of a process so far, in bytes; `None` once it is gone.
fn peak(id: u32) -> Option<usize> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<usize>().ok()? * 1024)
}

/// Runs to the end: what it said, and the most it took.
pub fn peak_of(command: &mut Command) -> (serde_json::Value, usize) {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let id = child.id();
    let mut stdout = child.stdout.take().unwrap();
    let said = std::thread::spawn(move || std::io::read_to_string(&mut stdout).unwrap());
    let (mut most, mut samples) = (0, 0);
    let ended = eventually(Duration::from_mins(1), || {
        let now = peak(id);
        samples += usize::from(now.is_some());
        most = most.max(now.unwrap_or_default());
        child.try_wait().unwrap()
    });
    assert!(samples > 0 && most > LEAST, "{samples} samples say {}: nobody saw it at work", mib(most));
    assert!(ended.is_some_and(|status| status.code().is_some()), "it did not end by itself: {ended:?}");
    let said = said.join().unwrap();
    (serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}")), most)
}

fn bound() -> String {
    format!("{} above idle", mib(BOUND))
}

pub fn mib(bytes: usize) -> String {
    format!("{:.1} MiB", f64::from(u32::try_from(bytes >> 10).unwrap()) / 1024.0)
}

#[test]
fn no_document_takes_more_than_its_bound_of_check() {
    let node = tempfile::tempdir().unwrap();
    let (report, idle) = peak_of(&mut check(&[good().image()], node.path()));
    assert_eq!(report["images"][0]["pullable"], true, "{report:#}");
    for (name, peer) in attacks() {
        let (report, most) = peak_of(&mut check(&[peer.image()], node.path()));
        let above = most.saturating_sub(idle);
        let told = &report["images"][0]["pullable"];
        measured(name, &bound(), &format!("{} above {}, pullable {told}", mib(above), mib(idle)));
        assert!(above < BOUND, "{name}: {} above idle", mib(above));
        assert!(report.to_string().len() < 64 << 10, "{name}: a report of {} bytes", report.to_string().len());
    }
}

#[test]
fn what_is_longer_than_is_kept_is_unknown_and_says_so() {
    let node = tempfile::tempdir().unwrap();
    let told = |peer: &Peer| {
        let finished = super::finish(&mut check(&[peer.image()], node.path()));
        assert_eq!(finished.code, Some(3), "{finished:?}");
        document(&finished)["images"][0].clone()
    };
    let index = one_document(INDEX, filled("{\"manifests\":[", b"{\"platform\":{}}", "]}", MANIFEST_LIMIT));
    assert_limit(&told(&index), "8192 entries");
    let layers = one_document(MANIFEST, filled("{\"layers\":[", b"{}", "]}", MANIFEST_LIMIT));
    assert_limit(&told(&layers), "8192 entries");
    let data = format!("{{\"manifests\":[{{\"data\":\"{}\"}}]}}", "QUFB".repeat(1 << 19));
    assert_limit(&told(&one_document(INDEX, data.into_bytes())), "1048576 bytes");
}

/// As many images as the agent takes, each stalling one byte before the end of a long body.
fn stalling(count: usize) -> Vec<Peer> {
    let stalled = |nth: usize| {
        if nth.is_multiple_of(2) {
            let mut shelf = Shelf::default();
            let digest = shelf.add(INDEX, filled("{\"manifests\":[", b"{}", "]}", MANIFEST_LIMIT));
            shelf.tag(&digest);
            shelf.stalls.push(digest);
            shelf.serve()
        } else {
            let config = filled("{\"history\":[", b"{}", "]}", CONFIG_LIMIT);
            let digest = pullprobe_lab::registry::sha256(&config);
            let mut shelf = with_config(config);
            shelf.stalls.push(digest);
            shelf.serve()
        }
    };
    (0..count).map(stalled).collect()
}

fn settings(directory: &Path, images: &[String]) -> PathBuf {
    let images = images.iter().map(|image| format!("{{image: \"{image}\", interval: 5s}}")).collect::<Vec<_>>();
    let text = format!(
        "node: {{name: worker-71}}\ntargets:\n  images: [{}]\n  discover: {{certs_d: false, sandbox_image: false}}\n\
         probe:\n  interval: 5s\nweb: {{listen: [\"127.0.0.1:0\"]}}\n",
        images.join(", ")
    );
    let file = directory.join("pullprobe.yaml");
    std::fs::write(&file, text).unwrap();
    file
}

fn run(directory: &Path, images: &[String]) -> Command {
    let mut command = pullprobe(["run", "--containerd-version", "2.1", "--platform", "linux/amd64", "--config"]);
    command.arg(settings(directory, images)).arg("--host-root").arg(directory);
    command
}

#[test]
fn bodies_in_flight_share_one_budget() {
    let node = tempfile::tempdir().unwrap();
    let healthy = good();
    let (_, idle) = peak_of(&mut check(&[healthy.image()], node.path()));
    let peers = stalling(80);
    let targets: Vec<String> = peers.iter().map(Peer::image).chain([healthy.image()]).collect();
    let (report, most) = peak_of(check(&targets, node.path()).args(["--timeout", "6s"]));
    let above = most.saturating_sub(idle);
    measured("80 images that stall in long bodies", &bound(), &mib(above));
    assert!(above < BOUND, "{} above idle", mib(above));
    let images = report["images"].as_array().unwrap();
    let told: Vec<&serde_json::Value> = images.iter().map(|image| &image["pullable"]).collect();
    assert_eq!(told.last(), Some(&&serde_json::Value::Bool(true)), "the healthy one waited for the others");
}

/// A memory cgroup, removed when dropped.
struct Cgroup(PathBuf);

impl Cgroup {
    fn limited(bytes: usize) -> Self {
        let unified = Path::new("/sys/fs/cgroup/cgroup.controllers").exists();
        let above = if unified { "/sys/fs/cgroup" } else { "/sys/fs/cgroup/memory" };
        let place = Path::new(above).join(format!("pullprobe-hostile-{}", std::process::id()));
        std::fs::create_dir(&place).unwrap_or_else(|error| panic!("no memory cgroup: {error}: this test needs root"));
        let file = if unified { "memory.max" } else { "memory.limit_in_bytes" };
        std::fs::write(place.join(file), bytes.to_string()).unwrap();
        Self(place)
    }

    /// The same command, started inside.
    fn holding(&self, command: &Command) -> Command {
        let mut shell = Command::new("/bin/sh");
        let procs = self.0.join("cgroup.procs");
        shell.arg("-c").arg(format!("echo $$ > {} && exec \"$0\" \"$@\"", procs.display()));
        shell.arg(command.get_program()).args(command.get_args()).env_clear();
        shell.env("PATH", std::env::var_os("PATH").unwrap_or_default()).stdin(Stdio::null());
        shell
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // The process in it may take a moment to be gone.
        eventually(Duration::from_secs(5), || std::fs::remove_dir(&self.0).ok());
    }
}

#[test]
fn the_agent_lives_on_in_the_memory_of_the_chart() {
    let node = tempfile::tempdir().unwrap();
    let cgroup = Cgroup::limited(OF_THE_CHART);
    let documents = attacks();
    let (healthy, stalled) = (good(), stalling(20));
    let peers = documents.iter().map(|(_, peer)| peer).chain(&stalled).chain([&healthy]);
    let images: Vec<String> = peers.map(Peer::image).collect();
    let mut agent = Agent::start(&mut cgroup.holding(&run(node.path(), &images)));
    let is_up = format!("pullprobe_image_pullable{{image=\"{}\"}} 1", healthy.image());
    let seen = eventually(Duration::from_secs(45), || agent.get("/metrics").text().contains(&is_up).then_some(()));
    assert!(seen.is_some(), "the healthy image is not seen:\n{}", agent.get("/metrics").text());
    let limit = format!("pullprobe_memory_limit_bytes {OF_THE_CHART}\n");
    assert!(
        agent.get("/metrics").text().contains(&limit),
        "it does not know its limit:\n{}",
        agent.get("/metrics").text()
    );
    // Each attack comes a second time, and what the first left must be gone.
    let rounds = |peer: &Peer| peer.log().iter().filter(|asked| asked.method == "GET").count() >= 2;
    let again = eventually(Duration::from_secs(45), || documents.iter().all(|(_, peer)| rounds(peer)).then_some(()));
    let ended = agent.ended_within(Duration::ZERO);
    assert!(ended.is_none(), "it ended: {ended:?}\n{}", agent.log());
    assert!(again.is_some(), "not every attack came twice");
    let most = peak(agent.id()).unwrap();
    measured(
        "all documents and 20 stalling images at once, in `run`",
        &format!("{} cgroup", mib(OF_THE_CHART)),
        &mib(most),
    );
    assert!(most < OF_THE_CHART);
}
