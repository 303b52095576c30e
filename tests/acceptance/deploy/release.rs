//! The release: workflows that actionlint accepts and that have few rights, packages that have what they name, and the steps that
//! need no registry, run for real.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::tools::{command, files, items, output, path, python, refusal, root, success, text, yaml};

const WORKFLOWS: &str = ".github/workflows";
const SCRIPT: &str = "deploy/release/release.sh";
const UNIT: &str = "deploy/systemd/pullprobe.service";
const PROGRAM: &str = "/usr/bin/pullprobe";
/// Of 100, as systemd rates what a service may do. One without any limits has 96.
const MOST_EXPOSED: &str = "--threshold=30";
const COMMIT_DIGITS: usize = 40;

#[test]
fn actionlint_finds_nothing_in_the_workflows_and_something_in_a_faulty_one() {
    success(command(python("actionlint"), files(WORKFLOWS)).current_dir(root()));
    let scratch = tempfile::tempdir().unwrap();
    let faulty = scratch.path().join("faulty.yml");
    let job = "{runs-on: ubuntu-24.04, steps: [{run: 'echo ${{ github.event.pull_request.title }} $x'}]}";
    std::fs::write(&faulty, format!("on: push\njobs:\n  a: {job}\n")).unwrap();
    let said = refusal(&mut command(python("actionlint"), [&faulty]));
    // Its own rules, and shellcheck's.
    assert!(said.contains("potentially untrusted") && said.contains("SC2086"), "{said}");
}

#[test]
fn workflows_have_no_rights_but_those_of_a_job_and_run_only_pinned_actions() {
    for file in files(WORKFLOWS) {
        let source = std::fs::read_to_string(&file).unwrap();
        let workflow = yaml(&file);
        assert_eq!(workflow["permissions"], json!({}), "{}", file.display());
        for (name, job) in workflow["jobs"].as_object().unwrap() {
            let rights = job["permissions"].as_object().unwrap_or_else(|| panic!("{name} has all rights"));
            assert_eq!(rights["contents"], if name == "publish" { "write" } else { "read" }, "{name}");
            let writes: BTreeSet<_> =
                rights.iter().filter(|(_, right)| *right == "write").map(|(what, _)| &**what).collect();
            let expected: &[&str] = match name.as_str() {
                "image" => &["attestations", "id-token", "packages"],
                "chart" => &["id-token", "packages"],
                "publish" => &["attestations", "contents", "id-token"],
                _ => &[],
            };
            assert_eq!(writes, expected.iter().copied().collect(), "{name}");
            assert!(job["uses"].is_string() || job["timeout-minutes"].is_u64(), "{name} may run for ever");
            for step in items(&job["steps"]) {
                assert_pinned(step, &source);
            }
        }
    }
}

/// What is called by its path is in the repository, and what `make` is asked for is a target.
#[test]
fn what_the_workflows_run_of_this_repository_is_there() {
    let targets = text("Makefile");
    let script = text(SCRIPT);
    let mut seen = 0;
    for file in files(WORKFLOWS) {
        let workflow = yaml(&file);
        let steps = workflow["jobs"].as_object().unwrap().values().flat_map(|job| items(&job["steps"]));
        for line in steps.filter_map(|step| step["run"].as_str()).flat_map(str::lines) {
            let words: Vec<&str> = line.split([' ', '(', ')', '"', '\'']).filter(|word| !word.is_empty()).collect();
            for (place, word) in words.iter().enumerate() {
                let next = words.get(place + 1).copied().unwrap_or_default();
                match *word {
                    "make" => assert!(targets.contains(&format!("\n{next}:")), "{line}: no target"),
                    SCRIPT => assert!(script.contains(&format!("#   release.sh {next} ")), "{line}: no such step"),
                    ".ci/run" => assert!(path(word).is_file()),
                    _ => continue,
                }
                seen += 1;
            }
        }
    }
    assert!(seen >= 8, "{seen}");
}

/// To a commit, with the version for people and dependabot behind it.
fn assert_pinned(step: &Value, source: &str) {
    let Some(action) = step["uses"].as_str() else {
        return;
    };
    let (_, commit) = action.split_once('@').unwrap();
    assert!(commit.len() == COMMIT_DIGITS && commit.chars().all(|c| c.is_ascii_hexdigit()), "{action}");
    assert!(source.contains(&format!("{action} # v")), "{action} does not say its version");
    if action.starts_with("actions/checkout@") {
        assert_eq!(step["with"]["persist-credentials"], false, "a token is left in .git");
    }
}

#[test]
fn image_and_unit_set_for_the_c_library_what_the_measurements_set() {
    let (name, value) = pullprobe_lab::RELEASED_WITH;
    assert!(text("Dockerfile").contains(&format!("\nENV {name}={value}\n")));
    assert!(text(UNIT).contains(&format!("\nEnvironment={name}={value}\n")));
}

#[test]
fn systemd_accepts_the_unit_and_finds_it_confined() {
    let scratch = tempfile::tempdir().unwrap();
    let unit = scratch.path().join("pullprobe.service");
    let here = env!("CARGO_BIN_EXE_pullprobe");
    std::fs::write(&unit, text(UNIT).replace(PROGRAM, here)).unwrap();
    let verified = output(&mut command("systemd-analyze", ["verify", unit.to_str().unwrap()]));
    assert!(text(UNIT).contains("\nType=notify\n") && text(UNIT).contains("\nWatchdogSec="));
    // It says what it does not know in words alone.
    assert!(verified.status.success() && verified.stderr.is_empty(), "{}", String::from_utf8_lossy(&verified.stderr));

    let lax = scratch.path().join("lax.service");
    std::fs::write(&lax, format!("[Service]\nExecStart={here} run\n")).unwrap();
    refusal(command("systemd-analyze", ["security", "--offline=yes", MOST_EXPOSED]).arg(&lax));
    success(command("systemd-analyze", ["security", "--offline=yes", MOST_EXPOSED]).arg(&unit));
}

#[test]
fn the_agent_accepts_the_settings_of_the_packages() {
    let node = tempfile::tempdir().unwrap();
    let mut lint = command(env!("CARGO_BIN_EXE_pullprobe"), ["lint", "--config"]);
    let checked = output(lint.arg(path("deploy/systemd/config.yaml")).arg("--host-root").arg(node.path()));
    assert_ne!(checked.status.code(), Some(2), "{}", String::from_utf8_lossy(&checked.stderr));
    assert!(text(UNIT).contains(&format!("ExecStart={PROGRAM} run --config /etc/pullprobe/config.yaml\n")));
}

#[test]
fn both_packages_have_the_same_files_which_are_there() {
    let manifest: toml::Value = toml::from_str(&text("Cargo.toml")).unwrap();
    let metadata = &manifest["package"]["metadata"];
    let text_of = |value: &toml::Value| value.as_str().unwrap().to_owned();
    let deb: BTreeSet<_> = metadata["deb"]["assets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|asset| (text_of(&asset[0]), text_of(&asset[2])))
        .collect();
    let rpm: BTreeSet<_> = metadata["generate-rpm"]["assets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|asset| (text_of(&asset["source"]), text_of(&asset["mode"])))
        .collect();
    // cargo-deb finds unit and license by itself.
    let of_itself = [UNIT, "LICENSE"].map(|file| (file.to_owned(), "644".to_owned()));
    assert_eq!(deb.iter().cloned().chain(of_itself).collect::<BTreeSet<_>>(), rpm);
    for (source, _) in rpm.iter().filter(|(source, _)| !source.starts_with("target/")) {
        assert!(path(source).is_file(), "{source}");
    }
    for script in ["post_install_script", "pre_uninstall_script", "post_uninstall_script"] {
        let script = path(&text_of(&metadata["generate-rpm"][script]));
        success(command("shellcheck", ["--shell=sh"]).arg(script));
    }
    // Of the maintainer scripts: the static binary needs nothing.
    assert_eq!(text_of(&metadata["deb"]["depends"]), "init-system-helpers");
    assert!(metadata["deb"]["conf-files"].as_array().unwrap().contains(&"/etc/pullprobe/config.yaml".into()));
}

#[test]
fn a_tag_that_is_not_the_version_of_the_files_is_refused() {
    let tree = Tree::new(
        "9.9.9",
        "9.9.9",
        "## [Unreleased]\n\n## [9.9.9] - 2026-12-01\n\n### Added\n\n- A thing.\n\n## [9.9.8]\n\n- Old.\n",
    );
    assert_eq!(success(&mut tree.run(&["check", "v9.9.9"])), "9.9.9\n");
    let notes = success(&mut tree.run(&["notes", "v9.9.9"]));
    assert!(notes.contains("- A thing.") && !notes.contains("Old") && !notes.contains("## ["), "{notes}");
    assert!(refusal(&mut tree.run(&["check", "v9.9.8"])).contains("Cargo.toml says 9.9.9"));
    assert!(refusal(&mut tree.run(&["check", "9.9.9"])).contains("no tag of a release"));
    let chart = Tree::new("9.9.9", "9.9.8", "## [9.9.9]\n\n- A thing.\n");
    assert!(refusal(&mut chart.run(&["check", "v9.9.9"])).contains("Chart.yaml says 9.9.8"));
    let silent = Tree::new("9.9.9", "9.9.9", "## [Unreleased]\n\n- A thing.\n\n## [9.9.9]\n\n## [9.9.8]\n");
    assert!(refusal(&mut silent.run(&["check", "v9.9.9"])).contains("CHANGELOG.md says nothing"));
}

#[test]
fn what_is_gathered_has_its_checksum_and_a_krew_manifest_of_these_archives() {
    let scratch = tempfile::tempdir().unwrap();
    for arch in ["amd64", "arm64"] {
        std::fs::write(scratch.path().join(format!("pullprobe_linux_{arch}.tar.gz")), arch).unwrap();
    }
    let gather = || success(command(path(SCRIPT), ["gather", "v9.9.9"]).arg(scratch.path()));
    gather();
    // A second time, as a run that is repeated does.
    gather();
    success(command("sha256sum", ["--check", "--strict", "--quiet", "SHA256SUMS"]).current_dir(scratch.path()));
    let sums = std::fs::read_to_string(scratch.path().join("SHA256SUMS")).unwrap();
    let present: BTreeSet<_> = std::fs::read_dir(scratch.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let summed: BTreeSet<_> = sums.lines().map(|line| line.split_once("  ").unwrap().1.to_owned()).collect();
    assert_eq!(&summed | &BTreeSet::from(["SHA256SUMS".to_owned()]), present);

    let plugin = yaml(&scratch.path().join("pullprobe.krew.yaml"));
    assert_eq!((&plugin["kind"], &plugin["spec"]["version"]), (&"Plugin".into(), &"v9.9.9".into()));
    for platform in items(&plugin["spec"]["platforms"]) {
        let (_, archive) = platform["uri"].as_str().unwrap().rsplit_once('/').unwrap();
        let sum = platform["sha256"].as_str().unwrap();
        assert!(sums.contains(&format!("{sum}  {archive}\n")), "{platform}");
        assert!(archive.contains(platform["selector"]["matchLabels"]["arch"].as_str().unwrap()));
    }
    let manifest = std::fs::read_to_string(scratch.path().join("pullprobe.yaml")).unwrap();
    assert!(manifest.contains("image: \"ghcr.io/pullprobe/pullprobe:9.9.9\"\n"));
}

/// A tree with the script and the files that name a version.
struct Tree(tempfile::TempDir);

impl Tree {
    fn new(crate_version: &str, chart_version: &str, changelog: &str) -> Self {
        let tree = Self(tempfile::tempdir().unwrap());
        tree.write("Cargo.toml", &format!("[workspace]\n\n[package]\nname = \"x\"\nversion = \"{crate_version}\"\n"));
        let chart = format!("name: x\nversion: {chart_version}\nappVersion: \"{chart_version}\"\n");
        tree.write("deploy/helm/pullprobe/Chart.yaml", &chart);
        tree.write("CHANGELOG.md", changelog);
        tree.write(SCRIPT, &text(SCRIPT));
        tree
    }

    fn write(&self, name: &str, text: &str) {
        let file = self.file(name);
        std::fs::create_dir_all(file.parent().unwrap_or(Path::new("/"))).unwrap();
        std::fs::write(file, text).unwrap();
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn run(&self, arguments: &[&str]) -> std::process::Command {
        let mut run = command("bash", [self.file(SCRIPT)]);
        run.args(arguments);
        run
    }
}
