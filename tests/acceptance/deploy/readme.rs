//! README, walked by somebody new: what it tells to type runs, and says what README says it says.
//!
//! A command that no test can run here (a cluster, a push) is held against the file that it is about.

use std::process::Stdio;

use pullprobe_lab::demo::Demo;
use regex::Regex;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::super::binary::{Finished, finish, pullprobe};
use super::presets::with;
use super::tools::{command, items, object, path, root, success, text};

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A block of README that is typed and read.
struct Block {
    /// Without `$` and without what a comment says of them.
    commands: Vec<String>,
    /// What the terminal shows, without what is left out.
    shown: Vec<String>,
}

fn blocks() -> Vec<Block> {
    let readme = text("README.md");
    let of_console = readme.split("```console\n").skip(1).map(|rest| rest.split_once("```").unwrap().0);
    let typed = |line: &str| line.strip_prefix("$ ").map(|line| line.split(" # ").next().unwrap().trim().to_owned());
    let blocks = of_console.map(|block| Block {
        commands: block.lines().filter_map(typed).collect(),
        shown: block
            .lines()
            .filter(|line| !line.starts_with("$ ") && !line.trim().is_empty() && line.trim() != "…")
            .map(usual)
            .collect(),
    });
    blocks.collect()
}

/// A line without what differs from run to run: ports, dates, durations, digests, and how many findings this machine has.
fn usual(line: &str) -> String {
    let mut line = line.to_owned();
    for (what, instead) in [
        (r"sha256:[0-9a-f]{64}", "sha256:DIGEST"),
        (r"\d{4}-\d\d-\d\dT[0-9:.]+Z", "DATE"),
        (r"\d+(\.\d+)?(ms|µs|s)\b", "TIME"),
        (r":\d{4,5}\b", ":PORT"),
        (r"^\d+ findings", "N findings"),
    ] {
        line = Regex::new(what).unwrap().replace_all(&line, instead).into_owned();
    }
    line.trim_end().to_owned()
}

/// The lab of `make demo`, where `make demo` puts it.
struct Lab {
    directory: TempDir,
    _demo: Demo,
    _runtime: Runtime,
}

impl Lab {
    fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let runtime = Runtime::new().unwrap();
        let demo = runtime.block_on(Demo::start(&directory.path().join(".demo"))).unwrap();
        Self { directory, _demo: demo, _runtime: runtime }
    }

    /// As it is typed beside the demo, in a shell that knows no other settings.
    fn types(&self, line: &str) -> Finished {
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(words[0], "pullprobe", "{line}");
        finish(pullprobe(&words[1..]).current_dir(self.directory.path()))
    }

    /// As within the agent's pod, whose settings are in its environment.
    fn types_in_pod(&self, words: &[&str]) -> Finished {
        let settings = self.directory.path().join(".demo/pullprobe.yaml");
        finish(pullprobe(words).env("PULLPROBE_CONFIG", settings).current_dir(self.directory.path()))
    }
}

fn assert_shown(block: &Block, said: &Finished) {
    let lines: Vec<String> = said.stdout.lines().map(usual).collect();
    for line in &block.shown {
        assert!(lines.contains(line), "README shows this, and the program does not:\n{line}\n{}", lines.join("\n"));
    }
}

#[test]
fn every_command_runs_or_is_about_what_is_there() {
    let lab = Lab::start();
    let mut ran = 0;
    for block in blocks() {
        for line in &block.commands {
            if line.starts_with("pullprobe ") {
                let said = lab.types(line);
                assert_eq!(said.code, Some(1), "{line}: {said:?}");
                assert_shown(&block, &said);
                ran += 1;
            } else {
                ran += usize::from(is_right(line, &lab));
            }
        }
    }
    assert!(ran >= 2, "README has lost the commands that run anywhere");
}

/// Whether it was run; one that is wrong ends the test.
fn is_right(line: &str, lab: &Lab) -> bool {
    let words: Vec<&str> = line.split_whitespace().collect();
    match words[..] {
        ["make", target, ..] => assert!(text("Makefile").contains(&format!("\n{target}:")), "{line}"),
        // With a kubeconfig: `make e2e` has a cluster for it.
        ["kubectl", "pullprobe", verb, ..] => {
            let help = success(&mut pullprobe([verb, "--help"]));
            let flags = words.iter().filter(|word| word.starts_with('-'));
            flags.for_each(|flag| {
                assert!(help.contains(&format!("{flag},")) || help.contains(&format!("{flag} ")), "{line}");
            });
        }
        ["docker", "build", "-t", image, ".", "&&", "docker", "push", pushed] => {
            assert_eq!((image, pushed), (&*format!("REGISTRY/pullprobe:{VERSION}"), image), "{line}");
        }
        ["helm", "install", "pullprobe", chart, "--namespace", "pullprobe", "--create-namespace", "--set", value] => {
            let repository = value.strip_prefix("image.repository=").expect(line);
            let objects = with(&format!("image: {{repository: {repository}}}"));
            assert_eq!(chart, "deploy/helm/pullprobe");
            // The image that was pushed a line before.
            let agent = object(&objects, "DaemonSet");
            let image = &items(&agent["spec"]["template"]["spec"]["containers"])[0]["image"];
            assert_eq!(*image, *format!("REGISTRY/pullprobe:{VERSION}"), "{line}");
            assert_eq!(agent["metadata"]["name"], "pullprobe", "{line}");
        }
        ["kubectl", "label", "namespace", "pullprobe", label] => {
            let (key, value) = label.split_once('=').expect(line);
            assert!(
                text("deploy/helm/pullprobe/templates/namespace.yaml").contains(&format!("{key}: {value}\n")),
                "{line}"
            );
        }
        ["kubectl", "-n", "pullprobe", "exec", "ds/pullprobe", "--", "/pullprobe", ref inside @ ..] => {
            let said = lab.types_in_pod(inside);
            assert!(
                said.code != Some(0) && said.code != Some(2) && said.stdout.contains("no-such-tag"),
                "{line}: {said:?}"
            );
            return true;
        }
        ["kubectl", "-n", "pullprobe", "rollout", "status", "daemonset", "pullprobe"]
        | ["kubectl", "-n", "pullprobe", "logs", "ds/pullprobe"] => {}
        _ => panic!("README has a command that no test knows: {line}"),
    }
    false
}

/// `make demo` types this one: README shows a part of what it prints.
#[test]
fn the_demo_shows_what_readme_shows_of_it() {
    let lab = Lab::start();
    let blocks = blocks();
    let (mut block, metrics) = (blocks.into_iter())
        .find_map(|block| {
            let end = block.shown.iter().position(|line| line.starts_with("== "))?;
            let metrics = block.shown[end + 1..].to_vec();
            Some((block, metrics))
        })
        .expect("README shows the demo");
    block.shown.retain(|line| !line.starts_with("== ") && !metrics.contains(line));
    let said = lab.types("pullprobe check --config .demo/pullprobe.yaml");
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(!block.shown.is_empty() && !metrics.is_empty());
    assert_shown(&block, &said);
    // Registries have no path, and what is said of one is indented.
    let first = said.stdout.lines().filter(|line| !line.starts_with(' ')).filter_map(|line| line.split("  ").next());
    let images = first.filter(|word| word.contains('/')).count();
    assert!(text("README.md").contains("a check of nine images") && images == 9, "{images}:\n{}", said.stdout);
    let names = text("docs/metrics.md");
    for line in metrics {
        assert!(names.contains(&format!("`{}`", line.split('{').next().unwrap())), "{line}");
    }
    let stuck = lab.types("pullprobe why deployment/web --kubeconfig .demo/kubeconfig");
    assert_eq!(stuck.code, Some(1), "{stuck:?}");
}

/// From what kubelet shows to the cause, without a cluster: the text is one that README itself shows.
#[test]
fn a_message_of_kubelet_is_explained() {
    let readme = text("README.md");
    let message = readme.split("kubectl describe pod will say: ").nth(1).unwrap().lines().next().unwrap();
    let mut explain = pullprobe(["explain"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(
        &mut explain.stdin.take().unwrap(),
        format!("Failed to pull image: {message}\n").as_bytes(),
    )
    .unwrap();
    let said = String::from_utf8(explain.wait_with_output().unwrap().stdout).unwrap();
    assert!(said.contains("platform_mismatch"), "{said}");
}

/// The table of verbs is whole, and the commands within sentences run.
#[test]
fn verbs_and_commands_within_sentences_are_those_of_the_program() {
    let readme = text("README.md");
    let table: Vec<&str> =
        readme.split("| `pullprobe ").skip(1).map(|row| row.split([' ', '`']).next().unwrap()).collect();
    let help = success(&mut pullprobe(["--help"]));
    let verbs = help.split("Commands:\n").nth(1).unwrap().lines().take_while(|line| !line.is_empty());
    let verbs: Vec<&str> =
        verbs.filter_map(|line| line.strip_prefix("  ")?.split(' ').next().filter(|verb| !verb.is_empty())).collect();
    for verb in verbs.iter().filter(|verb| **verb != "help") {
        assert!(table.contains(verb), "README's table lacks {verb}");
    }
    for verb in table {
        success(&mut pullprobe([verb, "--help"]));
    }

    let lab = Lab::start();
    // The path is one of the node, which is the machine itself where nothing else is said.
    assert!(readme.contains("`pullprobe check --certs-d ./new-certs.d IMAGE`"));
    let node = lab.directory.path().join(".demo/node");
    success(command("cp", ["-r", "etc/containerd/certs.d", "new-certs.d"]).current_dir(&node));
    let tried = ["check", "--certs-d", "/new-certs.d", "registry.demo/app:1.0"];
    let said = lab.types_in_pod(&tried);
    assert_eq!(said.code, Some(0), "{said:?}");
    std::fs::remove_dir_all(node.join("new-certs.d/registry.demo")).unwrap();
    let said = lab.types_in_pod(&tried);
    assert_ne!(said.code, Some(0), "nothing leads to the registry: {said:?}");

    let without_helm =
        readme.split("instead of the last two: `").nth(1).unwrap().split(" | kubectl apply").next().unwrap();
    let manifest = success(command("sh", ["-c", without_helm]).current_dir(root()));
    assert!(manifest.contains(&format!("image: \"REGISTRY/pullprobe:{VERSION}\"\n")), "{without_helm}");
    assert!(!manifest.contains("image: \"ghcr.io/"), "{without_helm}");
}

/// Each file that README leads to is there.
#[test]
fn links_lead_to_files() {
    let readme = text("README.md");
    let links = readme.split("](").skip(1).map(|rest| rest.split(')').next().unwrap());
    let of_files: Vec<&str> = links.filter(|link| !link.contains("://") && !link.starts_with('#')).collect();
    assert!(of_files.len() > 20, "{of_files:?}");
    for link in of_files {
        let (file, heading) = link.split_once('#').unwrap_or((link, ""));
        assert!(path(file).exists(), "{link}");
        assert!(heading.is_empty() || headings(file).iter().any(|known| known == heading), "{link}: no such heading");
    }
}

/// As GitHub names them.
fn headings(file: &str) -> Vec<String> {
    let text = text(file);
    let lines = text
        .lines()
        .filter_map(|line| line.trim_start_matches('#').strip_prefix(' ').filter(|_| line.starts_with('#')));
    let name = |line: &str| {
        let kept = line.to_lowercase();
        kept.chars()
            .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
            .collect::<String>()
            .replace(' ', "-")
    };
    lines.map(name).collect()
}
