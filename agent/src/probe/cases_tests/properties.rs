//! What holds of every answer, whatever the hosts do: worlds that chance makes of hosts and their faults, the
//! same ones on every machine.

use pullprobe_lab::chance::Chance;
use pullprobe_lab::registry::{DigestHeader, Image, ImageConfig, Index, Then};

use super::*;
use crate::model::report::{Attempt, Operation};

const VERSIONS: [&str; 4] = ["1.6.20", "1.7.24", "2.1.9", "2.3.4"];
const WORLDS: u64 = 60;

/// What one host does wrong.
#[derive(Clone, Debug)]
struct Host {
    faults: Vec<Fault>,
    content: Content,
    /// It turns requests away, and says nothing wrong of any object.
    only_refuses: bool,
}

impl Host {
    fn healthy(content: &Content) -> Self {
        Self { faults: Vec::new(), content: content.clone(), only_refuses: true }
    }

    fn start(&self, lab: &Lab) -> Registry {
        let registry = lab.registry(Config { faults: self.faults.clone(), ..Config::default() }).unwrap();
        registry.push("app", "1", &self.content);
        registry
    }
}

fn host(chance: &mut Chance, content: &Content) -> Host {
    let kind = [Kind::Manifest, Kind::Blob][chance.below(2)];
    let on = || Fault::on(kind);
    let status = [400, 401, 403, 404, 405, 410, 451, 500, 502, 503][chance.below(10)];
    let refusal = match chance.below(5) {
        0 => on().status(status),
        1 => on().method("HEAD").status(status),
        2 => on().method("GET").status(status),
        3 => on().error(status, "DENIED", "requested access to the resource is denied"),
        _ => on().status(status).header("content-type", "text/html").body("<html>Welcome to nginx!</html>"),
    };
    let wrong = match chance.below(7) {
        0 => on().method("GET").then(Then { corrupt: true, ..Then::default() }),
        1 => on().then(Then { digest_header: Some(DigestHeader::Wrong), ..Then::default() }),
        2 => on().then(Then { digest_header: Some(DigestHeader::Omitted), ..Then::default() }),
        3 => on().method("GET").then(Then { truncate_at: Some(150), ..Then::default() }),
        4 => on().then(Then { raw: Some("220 mail.example ESMTP\r\n".to_owned()), ..Then::default() }),
        5 => on().then(Then { content_type: Some("text/html".to_owned()), ..Then::default() }),
        _ => on().redirect("http://127.0.0.1:1/elsewhere"),
    };
    let (faults, only_refuses) = match chance.below(4) {
        0 => (Vec::new(), true),
        1 | 2 => (vec![refusal], true),
        _ => (vec![wrong], false),
    };
    Host { faults, content: content.clone(), only_refuses }
}

/// An image, or a list of images.
fn content(chance: &mut Chance) -> Content {
    let platforms = chance.of(&["linux/amd64 linux/arm64", "linux/arm64", "linux/amd64"]);
    match chance.below(4) {
        0 => Content::image(platforms.split(' ').next().unwrap()),
        1 => Content::Image(Image { config: ImageConfig::NoPlatform, ..Image::default() }),
        2 => Content::Image(Image { missing_layers: true, ..Image::default() }),
        _ => Content::platforms(&platforms.split(' ').collect::<Vec<_>>()),
    }
}

/// The same with fields in every document that nobody knows.
fn with_more_fields(content: &Content) -> Content {
    let edits = |more: &[(String, String)]| {
        let field = ("{".to_owned(), r#"{"x-unheard-of":[{},null,"a"],"Y":{"schemaVersion":7},"#.to_owned());
        [more, &[field]].concat()
    };
    match content.clone() {
        Content::Image(image) => Content::Image(Image {
            manifest_edits: edits(&image.manifest_edits),
            config_edits: edits(&image.config_edits),
            ..image
        }),
        Content::Index(index) => {
            let more = |mut entry: pullprobe_lab::registry::Entry| {
                entry.content = entry.content.map(|inner| Box::new(with_more_fields(&inner)));
                entry
            };
            Content::Index(Index {
                manifests: index.manifests.into_iter().map(more).collect(),
                edits: edits(&index.edits),
                ..index
            })
        }
        other => other,
    }
}

fn version(chance: &mut Chance) -> Version {
    chance.of(&VERSIONS).parse().unwrap()
}

async fn ask(version: Version, hosts: &[&Registry]) -> ImageReport {
    let endpoints: Vec<&str> = hosts.iter().map(|registry| registry.endpoint()).collect();
    Node::new(version).asking(&endpoints).pulls(IMAGE).await
}

fn hosts(chance: &mut Chance, content: &Content) -> Vec<Host> {
    (0..=chance.below(3)).map(|_| host(chance, content)).collect()
}

/// What must be the same of two answers; digests and ports are not.
fn gist(report: &ImageReport) -> String {
    let verdict = &report.verdict;
    let attempts: Vec<_> = report.attempts.iter().map(|one| (one.operation, one.http_status, cause(one))).collect();
    let Verdict { pullable, runnable, cause, also_possible, stage, owner, .. } = verdict;
    format!("{pullable:?} {runnable:?} {cause:?} {also_possible:?} {stage:?} {owner:?} {attempts:?}")
}

fn cause(attempt: &Attempt) -> Option<Cause> {
    attempt.failure.as_ref().map(|failure| failure.cause)
}

/// At most one cause, which the attempts bear out.
fn check(report: &ImageReport, name: &str) {
    let (verdict, attempts) = (&report.verdict, &report.attempts);
    let told = (verdict.pullable, verdict.runnable, verdict.cause.is_some());
    let is_one = matches!(
        told,
        (Some(true), Some(true) | None, false) | (Some(true), Some(false), true) | (Some(false), None, true)
    ) || verdict.pullable.is_none();
    assert!(is_one, "{name}: {verdict:?}");
    assert!(verdict.cause.is_none_or(|cause| !verdict.also_possible.contains(&cause)), "{name}: {verdict:?}");
    assert_eq!(verdict.kubelet_message.is_some(), verdict.pullable == Some(false), "{name}: {verdict:?}");
    assert!(!verdict.summary.is_empty(), "{name}: {verdict:?}");
    match verdict.pullable {
        Some(true) => {
            for operation in [Operation::Resolve, Operation::Fetch] {
                let good = |one: &&Attempt| one.operation == operation && one.failure.is_none();
                assert!(
                    attempts.iter().any(|one| good(&one)),
                    "{name}: nobody served, and it is pullable: {attempts:?}"
                );
            }
        }
        Some(false) if verdict.stage == Some(Stage::Manifest) => {
            // What it sent may be wrong, too.
            let is_blamed = |one: &&Attempt| {
                let of_failure = one.failure.as_ref().and_then(|failure| failure.host.clone());
                verdict.host.is_none() || of_failure.or(Some(one.endpoint.host_port().into())) == verdict.host
            };
            let mut blamed = attempts.iter().filter(is_blamed);
            let bears_out = blamed.any(|one| cause(one) == verdict.cause || one.failure.is_none());
            assert!(bears_out, "{name}: {verdict:?} out of {attempts:?}");
        }
        // Attempts are of manifests. A blob is asked of the same hosts.
        Some(false) if verdict.stage == Some(Stage::Blob) => {
            let is_blamed = |one: &Attempt| verdict.host.as_deref() == Some(&*one.endpoint.host_port());
            assert!(attempts.iter().any(is_blamed), "{name}: {verdict:?} out of {attempts:?}");
        }
        _ => {}
    }
}

#[tokio::test]
async fn an_answer_has_at_most_one_cause_and_its_attempts_bear_it_out() {
    for seed in 0..WORLDS {
        let mut chance = Chance::new(seed);
        let content = content(&mut chance);
        let lab = lab();
        let hosts = hosts(&mut chance, &content);
        let started: Vec<Registry> = hosts.iter().map(|host| host.start(&lab)).collect();
        let report = ask(version(&mut chance), &started.iter().collect::<Vec<_>>()).await;
        check(&report, &format!("world {seed}: {hosts:?}"));
    }
}

#[tokio::test]
async fn a_healthy_last_host_never_turns_what_can_be_pulled_into_what_cannot() {
    let mut helped = 0;
    for seed in 0..WORLDS {
        let mut chance = Chance::new(seed);
        let content = Content::platforms(&["linux/amd64", "linux/arm64"]);
        let (lab, version) = (lab(), version(&mut chance));
        let hosts = hosts(&mut chance, &content);
        let name = format!("world {seed}, {version}: {hosts:?}");
        let started: Vec<Registry> = hosts.iter().map(|host| host.start(&lab)).collect();
        let healthy = Host::healthy(&content).start(&lab);
        let mut asked: Vec<&Registry> = started.iter().collect();
        let without = ask(version, &asked).await;
        asked.push(&healthy);
        let with = ask(version, &asked).await;
        check(&with, &name);
        if without.verdict.pullable == Some(true) || hosts.iter().all(|host| host.only_refuses) {
            assert_pulled(&with, &name);
        }
        helped += usize::from(without.verdict.pullable == Some(false) && with.verdict.pullable == Some(true));
    }
    assert!(helped > 10, "only {helped} worlds needed the last host");
}

#[tokio::test]
async fn fields_that_nobody_knows_change_no_answer() {
    for seed in 0..WORLDS {
        let mut chance = Chance::new(seed);
        let content = content(&mut chance);
        let (lab, version) = (lab(), version(&mut chance));
        let hosts = hosts(&mut chance, &content);
        let mut answers = Vec::new();
        for content in [content.clone(), with_more_fields(&content)] {
            let hosts = hosts.iter().map(|host| Host { content: content.clone(), ..host.clone() });
            let started: Vec<Registry> = hosts.map(|host| host.start(&lab)).collect();
            answers.push(ask(version, &started.iter().collect::<Vec<_>>()).await);
        }
        let told = format!("{} against {}", answers[0].verdict.summary, answers[1].verdict.summary);
        assert_eq!(gist(&answers[0]), gist(&answers[1]), "world {seed}: {told}: {hosts:?}");
        assert_ne!(
            answers[0].digest.is_some().then_some(&answers[0].digest),
            Some(&answers[1].digest),
            "no field was added"
        );
    }
}

#[tokio::test]
async fn unrelated_files_and_their_order_change_no_answer() {
    let unrelated = [
        (
            format!("{CERTS}/other.example/hosts.toml"),
            "server = 'https://other.example'\n[host.'http://127.0.0.1:1']\n",
        ),
        (format!("{CERTS}/upstream.example.org/hosts.toml"), "not toml ["),
        (format!("{CERTS}/upstream/hosts.toml"), "[host.'http://127.0.0.1:2']\n"),
        (format!("{CERTS}/zz.example:5000/ca.crt"), "no certificate"),
        ("/etc/hostname".to_owned(), "node\n"),
        ("/var/lib/kubelet/pki/kubelet.crt".to_owned(), ""),
    ];
    for seed in 0..WORLDS / 2 {
        let mut chance = Chance::new(seed);
        let content = content(&mut chance);
        let (lab, version) = (lab(), version(&mut chance));
        let hosts = hosts(&mut chance, &content);
        let started: Vec<Registry> = hosts.iter().map(|host| host.start(&lab)).collect();
        let endpoints: Vec<&str> = started.iter().map(Registry::endpoint).collect();
        let node = Node::new(version).asking(&endpoints);
        let alone = Node { files: node.files.clone(), ..Node::new(version) }.pulls(IMAGE).await;
        let mut files = node.files;
        files.extend(unrelated.iter().map(|(path, text)| (path.clone(), (*text).to_owned())));
        for at in (1..files.len()).rev() {
            files.swap(at, chance.below(at + 1));
        }
        let among = Node { files, ..Node::new(version) }.pulls(IMAGE).await;
        assert_eq!(gist(&alone), gist(&among), "world {seed}: {hosts:?}");
        assert_eq!(alone.verdict.host, among.verdict.host, "world {seed}: {hosts:?}");
    }
}
