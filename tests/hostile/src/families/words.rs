//! Settings of pullprobe itself, messages that are to be explained, and names of images.

use super::each;
use super::files::{pipe, zero};
use crate::attack::{Attack, verb};

const SETTINGS: &str = "settings";
const EXPLAIN: &str = "explain";

pub fn attacks() -> Vec<Attack> {
    [settings(), messages(), images()].into_iter().flatten().collect()
}

const LINT: &[&str] = &["lint", "--host-root", "@", "--config", "@/pullprobe.yaml"];
const RUN: &[&str] = &["run", "--host-root", "@", "--config", "@/pullprobe.yaml"];

fn text(name: &str, text: impl Into<Vec<u8>>) -> Attack {
    let text = text.into();
    verb(SETTINGS, name, LINT, move |scene| scene.node.write("/pullprobe.yaml", &text))
}

fn settings() -> Vec<Attack> {
    let targets =
        |count: usize| -> String { each(0..count, |nth| format!("    - {{image: \"r{nth}.example/a:1\"}}\n")) };
    vec![
        text("bytes that are no text", vec![0xff; 1_000]),
        text("zeros", vec![0; 100_000]),
        text("2 MB", "# nothing\n".repeat(200_000)),
        text("lists in lists", "[".repeat(100_000)),
        text("maps in maps", each(0..2_000, |nth| format!("{}a:\n", " ".repeat(nth)))),
        text("anchors that grow", format!("a: &a [x]\n{}", each(0..30, |nth| format!("b{nth}: &b{nth} [*a, *a]\n")))),
        text("a tag of a program", "targets: !!python/object/apply:os.system ['true']\n"),
        text("20,000 unknown keys", each(0..20_000, |nth| format!("key{nth}: 1\n"))),
        text("20,000 images", format!("targets:\n  images:\n{}", targets(20_000))),
        text("keys that steer", "\"\\e[2J\\u202e\": \"\\0\\r\\n\"\n"),
        text("values that steer", "node: {name: \"\\e[2J\\u202e\\r\\n\", platform: \"\\e]0;x\\a\"}\n"),
        text("numbers without measure", "probe: {concurrency: 99999999999999999999999, interval: 1e400h}\n"),
        text("a key of 900 KB", format!("{}: 1\n", "x".repeat(900_000))),
        text("a value of 900 KB", format!("node: {{platform: {}}}\n", "x".repeat(900_000))),
        text("many documents", "---\nnode: {}\n".repeat(10_000)),
        verb(SETTINGS, "a pipe, for the agent", RUN, |scene| pipe(&scene.node.path("/pullprobe.yaml"))),
        verb(SETTINGS, "a device, for the agent", RUN, |scene| zero(&scene.node.path("/pullprobe.yaml"))),
        verb(SETTINGS, "a directory, for the agent", RUN, |scene| {
            std::fs::create_dir_all(scene.node.path("/pullprobe.yaml"))
        }),
    ]
}

fn message(name: &str, text: impl Into<Vec<u8>>) -> Attack {
    let text = text.into();
    verb(EXPLAIN, name, &["explain", "-"], move |scene| {
        scene.stdin.clone_from(&text);
        Ok(())
    })
}

fn messages() -> Vec<Attack> {
    let failed =
        "Failed to pull image \"r.example/a:1\": rpc error: code = Unknown desc = failed to pull and unpack image";
    vec![
        message("nothing", ""),
        message("zeros", vec![0; 1 << 20]),
        message("bytes that are no text", vec![0xff; 1 << 20]),
        message("20 MB of one line", "x".repeat(20_000_000)),
        message("a million lines", "Warning  Failed  kubelet  no\n".repeat(700_000)),
        message("10,000 messages of kubelet", format!("{failed}: not found\n").repeat(10_000)),
        message("brackets in brackets", "[".repeat(1_000_000)),
        message("quotes in quotes", format!("{failed}: {}", "\\\"".repeat(500_000))),
        message("colons without end", format!("{failed}{}", ": failed".repeat(200_000))),
        message(
            "a message that steers",
            format!(
                "{failed}: \u{1b}[2J\u{1b}]8;;http://evil.example\u{7}\u{202e}\u{2028}: unexpected status from HEAD request: 403 Forbidden\r\n"
            ),
        ),
        message(
            "a password in a message",
            format!(
                "{failed}: Get \"https://robot:{}@r.example/v2/\": dial tcp: lookup r.example: no such host",
                crate::scene::SECRET
            ),
        ),
        message("YAML in a message", format!("message: >-\n  {failed}\n{}", "    : deeper\n".repeat(50_000))),
        message("JSON in a message", format!("{{\"message\":\"{}\"}}", "\\u001b".repeat(100_000))),
        message("a status of many digits", format!("{failed}: unexpected status: {}", "4".repeat(100_000))),
    ]
}

/// Names of images on the command line, which whoever writes a pod decides.
fn images() -> Vec<Attack> {
    let image = |name: &str, reference: &str| {
        let reference = reference.to_owned();
        verb(
            "names",
            name,
            &["check", "--host-root", "@", "--timeout", "3s", "--containerd-version", "2.1"],
            move |scene| {
                scene.targets.push(reference.clone());
                Ok(())
            },
        )
    };
    vec![
        image("a name of 100 KB", &"a".repeat(100_000)),
        image("a name of slashes", &"/".repeat(1_000)),
        image("a name of 10,000 parts", &"a/".repeat(10_000)),
        image("a name that steers", "r.example/\u{1b}[2J\u{202e}:1"),
        image("a tag that steers", "r.example/a:\u{7}\r\n"),
        image("a path out of the registry", "r.example/../../etc/passwd:1"),
        image("a digest that is none", "r.example/a@sha256:zz"),
        image("a port that is none", "r.example:99999999999/a:1"),
        image("half an address", "[::1/a:1"),
        image("an address with a zone", "[fe80::1%25lo]:1/a:1"),
        image("a URL with a password", &format!("https://robot:{}@r.example/a:1", crate::scene::SECRET)),
    ]
}
