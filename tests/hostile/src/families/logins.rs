//! kubelet's login files, and the plugins that give logins.

use std::io;
use std::os::unix::fs::PermissionsExt as _;

use super::each;
use crate::attack::{Attack, node};
use crate::peer::Spec;
use crate::scene::{SECRET, Scene};

const FAMILY: &str = "logins";

pub fn attacks() -> Vec<Attack> {
    [files(), plugins(), configurations()].into_iter().flatten().collect()
}

/// kubelet's config.json says this. The registry wants no login.
fn file(name: &str, text: impl Into<Vec<u8>>) -> Attack {
    let text = text.into();
    node(FAMILY, name, move |scene| {
        scene.peer(Spec::default())?;
        scene.node.write("/var/lib/kubelet/config.json", &text)
    })
}

fn files() -> Vec<Attack> {
    let keys = |count: usize| -> String { each(0..count, |nth| format!("\"r{nth}.example\":{{\"auth\":\"YTpi\"}},")) };
    vec![
        file("nothing", ""),
        file("no JSON", "auths: {}"),
        file("half a document with a password", format!("{{\"auths\":{{\"r.example\":{{\"password\":\"{SECRET}\"")),
        file("a list of passwords", format!("[\"{SECRET}\"]")),
        file("lists in lists", "[".repeat(1_000_000)),
        file("objects in objects", "{\"a\":".repeat(100_000)),
        file("50,000 registries", format!("{{\"auths\":{{{}\"z\":{{}}}}}}", keys(50_000))),
        file("16,000 registries", format!("{{\"auths\":{{{}\"z\":{{}}}}}}", keys(16_000))),
        file("600,000 fields of nothing", format!("{{{}\"z\":0}}", "\"a\":0,".repeat(580_000))),
        file("32,000 registries without a login", {
            format!("{{\"auths\":{{{}\"z\":{{}}}}}}", each(0..32_000, |nth| format!("\"{nth}\":{{}},")))
        }),
        file("20 MB", format!("{{\"auths\":{{{}\"z\":{{}}}}}}", keys(500_000))),
        file("one registry of 4 MB", format!("{{\"auths\":{{\"{}\":{{\"auth\":\"YTpi\"}}}}}}", "x".repeat(4_000_000))),
        file(
            "a login of 4 MB",
            format!("{{\"auths\":{{\"127.0.0.1\":{{\"auth\":\"{}\"}}}}}}", "YTpi".repeat(1_000_000)),
        ),
        file("a login that is no base64", format!("{{\"auths\":{{\"127.0.0.1\":{{\"auth\":\"{SECRET}!\"}}}}}}")),
        file(
            "registries that steer",
            r#"{"auths":{"\u001b[2J\u202e":{"auth":"YTpi"},"\r\n":{"auth":"x"},"\u0000":{}}}"#,
        ),
        file("stars without end", format!("{{\"auths\":{{\"{}\":{{\"auth\":\"YTpi\"}}}}}}", "*.".repeat(10_000))),
        file(
            "a pattern that is slow",
            format!("{{\"auths\":{{\"{}b.0.0.1\":{{\"auth\":\"YTpi\"}}}}}}", "*a".repeat(2_000)),
        ),
        file(
            "the same registry 50,000 times",
            format!("{{\"auths\":{{{}\"z\":{{}}}}}}", "\"127.0.0.1\":{\"auth\":\"YTpi\"},".repeat(50_000)),
        ),
        file("UTF-16", b"\xff\xfe{\0}\0".to_vec()),
        file(
            "helpers of another world",
            r#"{"credsStore":"../../../bin/sh","credHelpers":{"127.0.0.1":"; rm -rf /"}}"#,
        ),
    ]
}

const PROVIDERS: &str = "/etc/kubernetes/providers.yaml";
const PLUGINS: &str = "/opt/providers";

fn configured(scene: &mut Scene, text: &str) -> io::Result<()> {
    scene.peer(Spec::default())?;
    scene.node.write(PROVIDERS, text)?;
    std::fs::create_dir_all(scene.node.path(PLUGINS))?;
    scene.settings = format!("credentials: {{provider_config: {PROVIDERS}, provider_bin_dir: {PLUGINS}}}\n");
    let flags = ["--credential-provider-config", PROVIDERS, "--credential-provider-bin-dir", PLUGINS];
    scene.arguments.extend(flags.map(str::to_owned));
    Ok(())
}

const ONE: &str = "apiVersion: kubelet.config.k8s.io/v1\nkind: CredentialProviderConfig\nproviders:\n\
    - {name: lab, apiVersion: credentialprovider.kubelet.k8s.io/v1, matchImages: ['127.0.0.1'], defaultCacheDuration: 0s}\n";

/// A plugin of kubelet that does this. It is run inside of the node's root: the machine's shell is put there.
fn plugin(name: &str, script: &str) -> Attack {
    let script = format!("#!/bin/sh\n{script}\n");
    node(FAMILY, name, move |scene| {
        configured(scene, ONE)?;
        let path = scene.node.path("/opt/providers/lab");
        std::fs::write(&path, &script)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))?;
        machine_in(scene)
    })
}

/// The shell and what it needs: links would not lead out of the root.
fn machine_in(scene: &Scene) -> io::Result<()> {
    for program in ["/bin/sh", "/bin/sleep"] {
        let needs = std::process::Command::new("ldd").arg(program).output()?;
        let needs = String::from_utf8_lossy(&needs.stdout).into_owned();
        for file in needs.split_whitespace().filter(|word| word.starts_with('/')).chain([program]) {
            let place = scene.node.path(file);
            if let Some(parent) = place.parent() {
                std::fs::create_dir_all(parent)?;
            }
            std::fs::copy(file, place)?;
        }
    }
    Ok(())
}

fn plugins() -> Vec<Attack> {
    vec![
        plugin("a plugin that says nothing", "exit 0"),
        plugin("a plugin that fails", "echo no role >&2; exit 1"),
        plugin("a plugin that kills itself", "kill -9 $$"),
        plugin("a plugin that repeats a secret", &format!("echo 'password={SECRET}' >&2; exit 1")),
        plugin("a plugin that steers", "printf 'a\\033[2J\\007b\\r\\nc' >&2; exit 3"),
        plugin("a plugin that says no JSON", "echo hello"),
        plugin(
            "a plugin that floods its output",
            "while :; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; done",
        ),
        plugin(
            "a plugin that floods its errors",
            "while :; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx >&2; done",
        )
        .slow(),
        plugin("a plugin that never ends", "while :; do sleep 1; done").slow(),
        plugin("a plugin whose child holds the pipe", "sleep 30 & exit 0").slow(),
        plugin("a plugin that does not listen to anybody", "trap '' TERM INT HUP; while :; do sleep 1; done").slow(),
    ]
}

fn configurations() -> Vec<Attack> {
    let says = |name: &str, text: String| node(FAMILY, name, move |scene| configured(scene, &text));
    let provider = |nth: usize| ONE.lines().last().unwrap_or_default().replace("lab", &format!("lab{nth}")) + "\n";
    let head = ONE.split("- {").next().unwrap_or_default().to_owned();
    vec![
        says("plugins that are no YAML", "providers: [".into()),
        says(
            "plugins of anchors without end",
            format!("a: &a [x]\n{}", each(0..30, |nth| format!("b{nth}: &b{nth} [*a, *a, *a]\n"))),
        ),
        says("plugins in lists in lists", "[".repeat(100_000)),
        says("2,000 plugins", format!("{head}{}", each(0..2_000, provider))),
        says("a plugin outside of its directory", ONE.replace("lab", "../../../bin/sh")),
        says("a plugin whose name steers", ONE.replace("lab", "\"\\e[2J\\u202e\"")),
        says("a plugin for 20,000 patterns", ONE.replace("'127.0.0.1'", &"'*.example',".repeat(20_000))),
        says(
            "a plugin for a pattern that is slow",
            ONE.replace("127.0.0.1", &format!("{}b.0.0.1", "*a".repeat(2_000))),
        ),
    ]
}
