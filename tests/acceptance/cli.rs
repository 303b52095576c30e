//! The command line: help, completions, exit codes, streams, and what overrides what.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation is how a test fails")]

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::Command;

use serde_json::Value;

use super::binary::{Finished, document, finish, pullprobe, repository};
use super::world::{Given, World};

const VERBS: [&str; 9] = ["why", "fleet", "run", "check", "plan", "lint", "hosts", "explain", "completions"];

/// What every verb that reads the node takes.
const NODE_OPTIONS: [&str; 11] = [
    "--config",
    "--host-root",
    "--containerd-config",
    "--certs-d",
    "--containerd-version",
    "--platform",
    "--kubelet-root",
    "--credential-provider-config",
    "--credential-provider-bin-dir",
    "--no-credentials",
    "--log-level",
];

fn run(arguments: &[&str]) -> Finished {
    finish(&mut pullprobe(arguments))
}

/// Registries that work, an address that refuses connections, one that says nothing, and a mirror configuration that is broken.
fn world() -> World {
    let given = "
        listeners = [{host = 'dead.example', behaviour = 'refuse'}, {host = 'silent.example', behaviour = 'hang'}]
        hosts.'broken.example' = \"server = 'https://registry.example'\\n[host\\n\"
        [[registries]]
        host = 'registry.example'
        tls = {}
        push = [{repository = 'demo/app', tag = '1.0', content = {image = {}}}]
        [[registries]]
        host = 'limited.example'
        tls = {}
        rate_limit = {limit = 100, remaining = 50}
        push = [{repository = 'demo/app', tag = '1.0', content = {image = {}}}]
    ";
    World::start(toml::from_str::<Given>(given).unwrap())
}

#[test]
fn help_names_every_verb_and_each_verb_its_options() {
    let help = run(&["--help"]);
    assert_eq!((help.code, help.stderr.as_str()), (Some(0), ""));
    for verb in VERBS {
        assert!(help.stdout.lines().any(|line| line.trim_start().starts_with(verb)), "{verb}:\n{}", help.stdout);
        let own = run(&[verb, "--help"]);
        assert_eq!((own.code, own.stderr.as_str()), (Some(0), ""), "{verb}");
        if !["why", "fleet", "explain", "completions"].contains(&verb) {
            for option in NODE_OPTIONS {
                assert!(own.stdout.contains(option), "{verb} --help has no {option}");
            }
            let counts = own.stdout.contains("--counted-pulls");
            assert_eq!(counts, !["plan", "lint"].contains(&verb), "{verb}: who sends nothing spends nothing");
        }
    }
}

#[test]
fn the_version_is_the_packages() {
    let version = run(&["--version"]);
    assert_eq!((version.code, version.stderr.as_str()), (Some(0), ""));
    assert!(version.stdout.starts_with(concat!("pullprobe ", env!("CARGO_PKG_VERSION"))), "{version:?}");
}

#[test]
fn bash_completes_verbs_and_options() {
    let script = run(&["completions", "bash"]);
    assert_eq!((script.code, script.stderr.as_str()), (Some(0), ""));
    let complete = |words: &str, at: u8| {
        let ask = format!(
            "{}\nCOMP_WORDS=({words}); COMP_CWORD={at}; _pullprobe pullprobe \"${{COMP_WORDS[{at}]}}\" pullprobe; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
            script.stdout
        );
        let output = Command::new("bash").args(["--norc", "-c", &ask]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(complete("pullprobe che", 1), "check\n");
    assert_eq!(complete("pullprobe check --host-r", 2), "--host-root\n");
    for shell in ["zsh", "fish"] {
        assert!(run(&["completions", shell]).stdout.contains("containerd-version"), "{shell}");
    }
    assert_eq!(run(&["completions", "tcl"]).code, Some(2));
}

#[test]
fn what_cannot_be_understood_is_refused_on_standard_error() {
    let wrong: [(&[&str], &str); 9] = [
        (&["--no-such-flag"], "--no-such-flag"),
        (&["chekc"], "chekc"),
        (&["check", "--no-such-flag"], "--no-such-flag"),
        (&["check", "a", "--timeout", "30"], "30"),
        (&["check", "a", "--platform", "linux"], "linux"),
        (&["check", "a", "--containerd-version", "two"], "two"),
        (&["check", "a", "--counted-pulls", "-1"], "-1"),
        (&["run", "--counted-pulls", "101"], "101"),
        (&["plan"], "TARGETS"),
    ];
    for (arguments, named) in wrong {
        let refused = run(arguments);
        assert_eq!((refused.code, refused.stdout.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(refused.stderr.contains(named), "{arguments:?}: {}", refused.stderr);
    }
    let refused = run(&["check", "a", "--host-root", "/no/such/directory"]);
    assert_eq!((refused.code, refused.stdout.as_str()), (Some(2), ""));
    assert!(refused.stderr.contains("/no/such/directory") || refused.stderr.contains("--host-root"), "{refused:?}");
}

/// The causes as the documents list them.
fn causes() -> BTreeSet<String> {
    let published = std::fs::read_to_string(repository("docs/causes.md")).unwrap();
    let word = |text: &str| text.chars().all(|c| c.is_ascii_lowercase() || c == '_') && text.len() > 5;
    // What is in a container's way beside the causes has smaller headings.
    let headings = published.lines().filter(|line| line.starts_with("## ") || line.starts_with('|'));
    headings.filter_map(|line| line.split('`').nth(1)).filter(|text| word(text)).map(str::to_owned).collect()
}

#[test]
fn explain_lists_and_explains_every_cause() {
    let list = run(&["explain"]);
    assert_eq!((list.code, list.stderr.as_str()), (Some(0), ""));
    let listed: BTreeSet<String> = (list.stdout.lines())
        .filter_map(|line| line.split_whitespace().next())
        .filter(|word| word.contains('_') || *word == "throttled" || *word == "unclassified")
        .map(str::to_owned)
        .collect();
    assert_eq!(listed, causes(), "the list and docs/causes.md");
    assert!(listed.len() > 60, "{listed:?}");
    for cause in &listed {
        let explained = run(&["explain", cause]);
        assert_eq!((explained.code, explained.stderr.as_str()), (Some(0), ""), "{cause}");
        assert!(explained.stdout.starts_with(cause.as_str()), "{cause}: {}", explained.stdout);
        assert!(explained.stdout.contains("\nFix\n"), "{cause}: {}", explained.stdout);
    }
    document(&run(&["explain", "--format", "json"]));
    document(&run(&["explain", "dns_timeout", "--format", "json"]));
}

#[test]
fn explain_tells_kubelets_own_limit_from_the_registrys_two() {
    for (message, name) in [
        ("Failed to pull image \"nginx\": pull QPS exceeded", "pull QPS exceeded (at fault: node)"),
        (
            "429 Too Many Requests - Server message: toomanyrequests: You have reached your pull rate limit.",
            "rate_limited",
        ),
        (
            "unexpected status from HEAD request to https://r.example/v2/a/manifests/1: 429 Too Many Requests",
            "  throttled",
        ),
    ] {
        let explained = run(&["explain", message]);
        assert_eq!((explained.code, explained.stderr.as_str()), (Some(0), ""), "{message}");
        assert!(explained.stdout.contains(&format!("\n{name}")), "{message}: {}", explained.stdout);
    }
    let explained = document(&run(&["explain", "pull QPS exceeded", "--format", "json"]));
    let cause = &explained["messages"][0]["causes"][0];
    assert!(cause["fix"].as_str().unwrap().contains("registryPullQPS"), "{explained}");
}

#[test]
fn explain_takes_every_word_that_metrics_and_reports_have_for_what_is_in_the_way() {
    for (word, owner) in
        [("kubelet_back_off", Value::Null), ("kubelet_pull_limit", "node".into()), ("unknown", Value::Null)]
    {
        let explained = run(&["explain", word]);
        assert_eq!((explained.code, explained.stderr.as_str()), (Some(0), ""), "{word}");
        assert!(explained.stdout.starts_with(word) && explained.stdout.contains("\nFix\n"), "{}", explained.stdout);
        let told = document(&run(&["explain", word, "-o", "json"]));
        assert_eq!((&told["cause"], &told["owner"]), (&word.into(), &owner), "{told}");
    }
    assert!(run(&["explain", "kubelet_pull_limits"]).stderr.contains("did you mean `kubelet_pull_limit`"));
}

#[test]
fn explain_reads_what_is_piped_in() {
    let described = "Events:\n  Warning  Failed  4m  kubelet  Failed to pull image \"r.example/a:1\": failed to pull and unpack image \
                     \"r.example/a:1\": failed to resolve image: failed to do request: Head \"https://r.example/v2/a/manifests/1\": \
                     dial tcp: lookup r.example on 192.0.2.53:53: no such host\n  Warning  Failed  4m  kubelet  Error: \
                     ErrImagePull\n";
    for words in [&["explain"][..], &["explain", "-"]] {
        let (reader, mut writer) = std::io::pipe().unwrap();
        writer.write_all(described.as_bytes()).unwrap();
        drop(writer);
        let mut command = pullprobe(words.iter().chain(&["--format", "json"]));
        let told = document(&finish(command.stdin(reader)));
        let messages = told["messages"].as_array().unwrap();
        assert_eq!(messages.len(), 1, "{told}");
        assert_eq!(messages[0]["image"], "r.example/a:1");
        assert_eq!(messages[0]["host"], "r.example");
        assert_eq!(messages[0]["causes"][0]["cause"], "dns_nxdomain");
        assert_eq!(messages[0]["causes"][1]["cause"], "dns_no_address");
    }
}

#[test]
fn explain_lists_all_causes_where_nothing_is_piped_in_and_says_what_it_left_out() {
    let piped = |words: &[&str], text: &[u8]| {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        finish(pullprobe(words).stdin(std::fs::File::open(file.path()).unwrap()))
    };
    for words in [&["explain"][..], &["explain", "-"]] {
        let nothing = piped(words, b"\n");
        assert_eq!((nothing.code, nothing.stdout.as_str()), (Some(2), ""));
        assert!(nothing.stderr.contains("no text to explain"), "{}", nothing.stderr);
    }
    let failure =
        "failed to pull and unpack image \"r.example/a:1\": dial tcp 192.0.2.1:443: connect: connection refused\n";
    let whole = piped(&["explain"], failure.as_bytes());
    assert_eq!((whole.code, whole.stderr.as_str()), (Some(0), ""));
    let long = format!("{failure}{}", "x\n".repeat(1 << 20));
    let cut = piped(&["explain"], long.as_bytes());
    assert!(cut.code == Some(0) && cut.stdout == whole.stdout && cut.stderr.contains("1 MiB"), "{}", cut.stderr);
}

#[test]
fn explain_repeats_no_login_of_what_it_is_given() {
    for text in [
        "Authorization: Bearer hunter2-x",
        "{\"password\": \"hunter2-x\"}",
        "token: hunter2-x",
        "failed to pull image \"r.example/a:1\": password=hunter2-x: dial tcp 192.0.2.1:443: connect: connection refused",
    ] {
        let told = run(&["explain", text]);
        assert!(!format!("{}{}", told.stdout, told.stderr).contains("hunter2"), "{} {}", told.stdout, told.stderr);
    }
}

#[test]
fn an_unknown_cause_is_refused_with_the_nearest_one() {
    let refused = run(&["explain", "dns_timeuot"]);
    assert_eq!((refused.code, refused.stdout.as_str()), (Some(2), ""));
    assert!(refused.stderr.contains("dns_timeuot") && refused.stderr.contains("dns_timeout"), "{}", refused.stderr);
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let world = world();
    let node = |verb: &str, rest: &[&str]| {
        let mut command = world.command(verb);
        command.args(rest);
        command
    };
    let commands = [
        pullprobe(["explain"]),
        pullprobe(["completions", "bash"]),
        pullprobe(["--help"]),
        node("plan", &["registry.example/demo/app:1.0"]),
        node("check", &["registry.example/demo/app:1.0"]),
        node("check", &["registry.example/demo/app:1.0", "--format", "json"]),
    ];
    for mut command in commands {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = command.stdout(writer).output().unwrap();
        assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0), "{command:?}: {output:?}");
    }
}

#[test]
fn the_worst_target_decides_the_exit_code() {
    let world = world();
    let code = |targets: &[&str]| finish(world.command("check").args(targets)).code;
    let (good, missing, dead) = ("registry.example/demo/app:1.0", "registry.example/demo/app:2.0", "dead.example/a");
    let limited = ["limited.example/demo/app:1.0", "--counted-pulls", "0"];
    assert_eq!(code(&[good]), Some(0));
    assert_eq!(code(&[good, missing]), Some(1));
    assert_eq!(code(&[dead]), Some(1));
    assert_eq!(code(&limited), Some(3));
    assert_eq!(code(&[&limited[..], &[dead]].concat()), Some(1));
    assert_eq!(code(&["silent.example/a", "--timeout", "1s"]), Some(3), "no answer in time");
    assert_eq!(code(&[good, dead, "Not/A/Reference"]), Some(2));
    assert_eq!(code(&[]), Some(2), "no targets are configured");
    assert_eq!(code(&["registry.example"]), Some(0), "a registry");
    assert_eq!(code(&["dead.example"]), Some(1), "a registry");
}

#[test]
fn json_is_alone_on_standard_output() {
    let world = world();
    for (verb, targets) in
        [("check", &["registry.example/demo/app:1.0", "dead.example"][..]), ("plan", &["docker.io"]), ("lint", &[])]
    {
        let command = &mut world.command(verb);
        let finished = finish(command.args(targets).args(["--format", "json", "--log-level", "trace"]));
        document(&finished);
    }
}

#[test]
fn colours_are_for_terminals_or_on_demand() {
    let world = world();
    let coloured = |options: &[&str]| {
        finish(world.command("check").arg("registry.example/demo/app:1.0").args(options)).stdout.contains('\u{1b}')
    };
    assert!(!coloured(&[]), "a pipe");
    assert!(!coloured(&["--color", "never"]));
    assert!(coloured(&["--color", "always"]));
    assert!(!coloured(&["--color", "auto"]));
}

#[test]
fn planning_and_linting_send_nothing() {
    let world = world();
    let plan = finish(world.command("plan").args(["registry.example/demo/app:1.0", "--format", "json"]));
    assert_eq!(plan.code, Some(0), "{plan:?}");
    let hosts = &document(&plan)["images"][0]["hosts"];
    assert_eq!(hosts[0]["endpoint"], "https://registry.example", "{hosts}");
    assert_eq!(hosts[0]["role"], "upstream", "{hosts}");
    assert_eq!(finish(&mut world.command("lint")).code, Some(1));
    assert_eq!((world.at("registry.example").connections(), world.queries()), (0, 0));
}

#[test]
fn plan_and_check_refuse_what_this_containerd_refuses() {
    for (version, is_refused) in [("1.6.20", true), ("1.7.24", false)] {
        let world = World::start(toml::from_str::<Given>(&format!("containerd = '{version}'")).unwrap());
        let ask = |verb| {
            let options = ["[::1]:5000/x", "--format", "json"];
            document(&finish(world.command(verb).args(options)))["images"][0].clone()
        };
        let (plan, check) = (ask("plan"), ask("check"));
        assert_eq!(check["cause"] == "reference_invalid", is_refused, "{check}");
        let error = plan["error"].as_str().unwrap_or_default();
        assert_eq!(error.starts_with("reference_invalid: containerd 1.6.20 takes no IPv6"), is_refused, "{plan}");
        assert_eq!(plan["hosts"].as_array().unwrap().is_empty(), is_refused, "{plan}");
    }
}

#[test]
fn lint_says_where() {
    let world = world();
    let text = finish(&mut world.command("lint")).stdout;
    assert!(text.contains("/etc/containerd/certs.d/broken.example/hosts.toml:2"), "{text}");
    let findings = document(&finish(world.command("lint").args(["--format", "json"])));
    let found = findings["findings"].as_array().unwrap();
    let broken = found.iter().find(|one| one["code"] == "hosts_file_invalid").unwrap_or_else(|| panic!("{findings}"));
    assert_eq!((&broken["severity"], &broken["line"]), (&"error".into(), &2.into()), "{broken}");
}

#[test]
fn a_text_that_is_no_reference_is_refused_with_its_cause() {
    let world = world();
    let asked = finish(world.command("check").args(["registry.example/Demo/app:1.0", "--format", "json"]));
    assert_eq!(asked.code, Some(2), "{asked:?}");
    let image = &document(&asked)["images"][0];
    assert_eq!((image["cause"].as_str(), image["pullable"].as_bool()), (Some("reference_invalid"), Some(false)));
}

#[test]
fn a_flag_wins_over_the_environment_and_that_over_the_settings() {
    let world = world();
    let settings = "node: {platform: linux/riscv64, containerd_version: 1.7.0}\n";
    world.node.write("/other.yaml", settings).unwrap();
    let ask = |environment: &[(&str, &str)], flags: &[&str]| -> (Value, Value) {
        let mut command = pullprobe(["check", "registry.example", "--format", "json", "--host-root"]);
        command.arg(world.node.root()).arg("--config").arg(world.node.path("/other.yaml"));
        let finished = finish(command.envs(environment.iter().copied()).args(flags));
        let said = document(&finished);
        (said["platform"].clone(), said["containerd"]["version"].clone())
    };
    let environment = [("PULLPROBE_PLATFORM", "linux/s390x"), ("PULLPROBE_CONTAINERD_VERSION", "2.0.1")];
    assert_eq!(ask(&[], &[]), ("linux/riscv64".into(), "1.7.0".into()));
    assert_eq!(ask(&environment, &[]), ("linux/s390x".into(), "2.0.1".into()));
    // The same flag has the same variable at every verb.
    for verb in ["why", "fleet"] {
        for (variable, value) in [("PULLPROBE_FORMAT", "nonsense"), ("PULLPROBE_TIMEOUT", "nonsense")] {
            let refused = finish(pullprobe([verb]).env(variable, value));
            assert!(refused.code == Some(2) && refused.stderr.contains("nonsense"), "{verb} {variable}: {refused:?}");
        }
    }
    let flags = ["--platform", "linux/arm64", "--containerd-version", "2.1.9"];
    assert_eq!(ask(&environment, &flags), ("linux/arm64".into(), "2.1.9".into()));
}
