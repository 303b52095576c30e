//! What a person reads: a registry asked for by name, lines that hold together, an answer that nobody gets.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation is how a test fails")]

use std::fs::OpenOptions;

use super::binary::{Agent, Finished, finish, pullprobe};
use super::exposition::Exposition;
use super::world::{Given, World};

/// A registry that works, an address that refuses connections, and others that are made of the two.
const GIVEN: &str = "
    listeners = [{host = 'dead.example', behaviour = 'refuse'}]
    hosts.'pushed.example' = \"server = 'https://dead.example'\\n[host.'https://registry.example']\\ncapabilities = ['push']\"
    hosts.'mirrored.example' = \"server = 'https://registry.example'\\n[host.'https://dead.example']\"
    hosts.'untrusted.example' = \"server = 'https://registry.example'\\nca = '/etc/nothing.pem'\"
    [[registries]]
    host = 'registry.example'
    tls = {}
    push = [{repository = 'demo/app', tag = '1.0', content = {image = {}}}]
";

fn world() -> World {
    let world = World::start(toml::from_str::<Given>(GIVEN).unwrap());
    world.node.hosts_toml("huge.example", &"#".repeat((1 << 20) + 1)).unwrap();
    world
}

fn ask(world: &World, verb: &str, target: &str) -> Finished {
    finish(world.command(verb).arg(target))
}

/// Like the agent, and like `check` of an image of it, and not by whether some host of it answers.
#[test]
fn a_registry_is_reachable_where_a_pull_could_go_through() {
    let world = world();
    for (name, code, line) in [
        ("registry.example", 0, "registry.example  reachable"),
        ("mirrored.example", 0, "mirrored.example  reachable, but not as configured  tcp_refused at tcp"),
        ("pushed.example", 1, "pushed.example  NOT REACHABLE  tcp_refused at tcp"),
        ("untrusted.example", 1, "untrusted.example  NOT REACHABLE  ca_unusable at config"),
        ("huge.example", 3, "huge.example  unknown"),
    ] {
        let told = ask(&world, "check", name);
        assert_eq!((told.code, told.stdout.lines().next()), (Some(code), Some(line)), "{}", told.stdout);
        let is_fine = line.ends_with("reachable");
        assert_eq!(
            told.stdout.split("\n\n").next().unwrap().contains("fix: "),
            !is_fine && code != 3,
            "{}",
            told.stdout
        );
    }
    let untrusted = ask(&world, "check", "untrusted.example").stdout;
    assert!(untrusted.lines().nth(1).unwrap().contains("/etc/nothing.pem"), "{untrusted}");
    let images = ["pushed", "mirrored", "huge"].map(|name| format!("{name}.example/demo/app:1.0"));
    world.settings(&images.each_ref().map(String::as_str));
    let agent = Agent::start(&mut world.command("run")).ready();
    let seen = Exposition::read(&agent.get("/metrics").text());
    let pullable = |name: &str| seen.value("pullprobe_namespace_pullable", &[("namespace", name)]);
    assert_eq!(pullable("pushed.example"), Some(0.0));
    assert_eq!(pullable("mirrored.example"), Some(1.0));
    assert_eq!(pullable("huge.example"), None);
    // It was not asked for, and so nothing of it struggles: the file is read again in the next cycle.
    let told = seen.value("pullprobe_image_probe_backoff_seconds", &[("image", &images[2])]);
    assert_eq!(told, Some(0.0));
}

#[test]
fn hosts_says_why_it_knows_none_of_a_registry_that_nobody_is_asked_for() {
    let world = world();
    for (name, why) in [("untrusted.example", "/etc/nothing.pem"), ("huge.example", "larger than 1 MiB")] {
        let told = ask(&world, "hosts", name);
        assert!(told.stdout.contains(why) && !told.stdout.contains("name one"), "{}", told.stdout);
    }
}

#[test]
fn an_answer_that_cannot_be_written_is_no_success() {
    let world = world();
    let mut commands = vec![pullprobe(["explain"]), pullprobe(["completions", "bash"]), world.command("lint")];
    for verb in ["check", "plan", "hosts"] {
        commands.push(world.command(verb));
        commands.last_mut().unwrap().args(["registry.example", "--format", "json"]);
    }
    for mut command in commands {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = command.stdout(full).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{command:?}: {said}");
        assert!(said.contains("cannot be written"), "{command:?}: {said}");
    }
}

#[test]
fn no_line_ends_in_blanks_and_every_file_that_is_trusted_is_named() {
    let world = world();
    let files: Vec<String> = (1..=6).map(|nth| format!("{nth}.pem")).collect();
    let authority = std::fs::read_to_string(world.node.path("/etc/ssl/certs/ca-certificates.crt")).unwrap();
    for file in &files {
        world.node.certs_file("many.example", file, &authority).unwrap();
    }
    let text = format!("server = 'https://registry.example'\nca = {files:?}\n");
    world.node.hosts_toml("many.example", &text).unwrap();
    let plan = ask(&world, "plan", "many.example").stdout;
    for file in &files {
        assert!(plan.contains(&format!("/many.example/{file}")), "{plan}");
    }
    for told in [plan, ask(&world, "check", "mirrored.example/demo/app:1.0").stdout] {
        let ragged: Vec<&str> = told.lines().filter(|line| line.ends_with(' ')).collect();
        assert!(ragged.is_empty(), "{ragged:?}");
    }
}

#[test]
fn what_kubectl_shows_of_a_waiting_pod_leads_to_the_reason() {
    let waiting = finish(&mut pullprobe(["explain", "ImagePullBackOff"]));
    assert_eq!(waiting.code, Some(0));
    assert!(waiting.stdout.contains("does not say why the pull failed"), "{}", waiting.stdout);
    assert!(waiting.stdout.contains("`pullprobe check IMAGE`"), "{}", waiting.stdout);
    let refused = finish(&mut pullprobe(["explain", "CrashLoopBackOff"]));
    assert_eq!(refused.code, Some(2));
    assert!(refused.stderr.contains("`CrashLoopBackOff` is neither a cause nor words"), "{}", refused.stderr);
    assert!(refused.stderr.contains("`pullprobe check IMAGE`"), "{}", refused.stderr);
}

/// What is typed from where one stands is that file, and a name that leads nowhere is no verdict about the node.
#[test]
fn a_path_is_taken_from_where_one_stands_and_one_that_is_not_there_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let mirrors = directory.path().join("new-certs.d/registry.example");
    std::fs::create_dir_all(&mirrors).unwrap();
    std::fs::write(mirrors.join("hosts.toml"), "server = 'https://mirror.example'\n").unwrap();
    let plan = |words: &[&str]| {
        let mut command = pullprobe(["plan", "registry.example"]);
        finish(command.args(words).current_dir(directory.path()))
    };
    let told = plan(&["--certs-d", "./new-certs.d"]);
    assert!(told.code == Some(0) && told.stdout.contains("mirror.example"), "{told:?}");
    // kubelet's providers: the plan names what it read.
    let provider = "{\"apiVersion\": \"kubelet.config.k8s.io/v1\", \"kind\": \"CredentialProviderConfig\", \"providers\": \
                    [{\"name\": \"typed-here\", \"matchImages\": [\"registry.example\"], \"defaultCacheDuration\": \"1m\", \
                    \"apiVersion\": \"credentialprovider.kubelet.k8s.io/v1\"}]}";
    std::fs::write(directory.path().join("providers.json"), provider).unwrap();
    std::fs::create_dir(directory.path().join("bin")).unwrap();
    std::fs::write(directory.path().join("bin/typed-here"), "").unwrap();
    let places = ["--credential-provider-config", "./providers.json", "--credential-provider-bin-dir", "bin"];
    let told = plan(&[&["registry.example/a:1"][..], &places].concat());
    assert!(told.stdout.contains("the credential provider `typed-here` gives"), "{told:?}");
    let elsewhere = directory.path().to_str().unwrap();
    for words in [["--credential-provider-config", "providers.json"], ["--credential-provider-bin-dir", "./bin"]] {
        let told = plan(&[&["--host-root", elsewhere][..], &words].concat());
        assert_eq!((told.code, told.stdout.as_str()), (Some(2), ""), "{told:?}");
        assert!(told.stderr.contains(words[0]) && told.stderr.contains("absolute path as on the node"), "{told:?}");
    }
    for words in [["--certs-d", "new-certs"], ["--containerd-config", "/nonexistent.toml"]] {
        let told = plan(&words);
        assert_eq!((told.code, told.stdout.as_str()), (Some(2), ""), "{told:?}");
        assert!(told.stderr.contains(words[0]) && told.stderr.contains("no such file"), "{told:?}");
    }
}
