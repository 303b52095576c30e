//! certs.d: hosts.toml without measure, thousands of directories, keys that are none.

use std::fmt::Write as _;
use std::io;

use super::each;
use super::files::{pipe, zero};
use crate::attack::{Attack, node};
use crate::peer::Spec;
use crate::scene::{NAME, Scene};

const FAMILY: &str = "hosts";
/// What a person wrote is shown: each host has its lines.
const MANY: usize = 1 << 20;

pub fn attacks() -> Vec<Attack> {
    [texts(), directories(), keys()].into_iter().flatten().collect()
}

/// The registry is called [`NAME`]; `build` is told where its hosts.toml is.
fn with(name: &str, build: impl Fn(&mut Scene, &str) -> io::Result<()> + Send + Sync + 'static) -> Attack {
    node(FAMILY, name, move |scene| {
        let port = scene.known(Spec::default())?;
        build(scene, &format!("/etc/containerd/certs.d/{NAME}_{port}_/hosts.toml"))
    })
}

/// The file ends with the server, which is the registry itself.
fn says(name: &str, text: impl Fn(&str) -> String + Send + Sync + 'static) -> Attack {
    node(FAMILY, name, move |scene| {
        let port = scene.known(Spec::default())?;
        let server = format!("server = \"http://{NAME}:{port}\"\n");
        scene.node.hosts_toml(&format!("{NAME}_{port}_"), &text(&server))
    })
}

/// So many hosts that refuse.
fn hosts(count: usize, more: &str) -> String {
    let mut text = String::new();
    for nth in 0..count {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "[host.\"http://127.0.0.1:1/n{nth}\"]\ncapabilities = [\"pull\", \"resolve\"]\n{more}");
    }
    text
}

fn texts() -> Vec<Attack> {
    vec![
        says("10,000 hosts", |server| format!("{server}{}", hosts(10_000, ""))),
        says("7,000 hosts", |server| format!("{server}{}", hosts(7_000, ""))).output(16 << 20),
        says("300 hosts", |server| format!("{server}{}", hosts(300, ""))).output(MANY),
        says("100 hosts with headers", |server| format!("{server}{}", hosts(100, "header = {x = \"\\u001b[2J\"}\n")))
            .output(MANY),
        says("a file of zeros", |_| "\0".repeat(1 << 20)),
        says("a file of 20 MB", |server| format!("{server}{}", "# nothing\n".repeat(2_000_000))),
        says("a host's name of 200 KB", |server| {
            format!("{server}[host.\"http://{}.example\"]\n", "x".repeat(200_000))
        }),
        says("hosts that steer", |server| {
            format!("{server}[host.\"http://\\u001b[2J\\u202e.example\"]\n[host.\"\\u0000\"]\n[host.\"\\r\\n\"]\n")
        }),
        says("lists in lists", |server| format!("{server}x = {}{}\n", "[".repeat(50_000), "]".repeat(50_000))),
        says("capabilities without measure", |server| {
            format!("{server}[host.\"http://127.0.0.1:1\"]\ncapabilities = [{}]\n", "\"pull\",".repeat(50_000))
        }),
        says("a header of 1 MB", |server| {
            format!("{server}[host.\"http://127.0.0.1:1\".header]\nx = \"{}\"\n", "x".repeat(1 << 20))
        }),
        says("50,000 headers", |server| {
            let fields: String = each(0..50_000, |nth| format!("x{nth} = \"y\"\n"));
            format!("{server}[host.\"http://127.0.0.1:1\".header]\n{fields}")
        }),
        says("20,000 headers", |server| {
            let fields: String = each(0..20_000, |nth| format!("x{nth} = \"y\"\n"));
            format!("{server}[host.\"http://127.0.0.1:1\".header]\n{fields}")
        }),
        says("a server of another scheme", |_| "server = \"file:///etc/shadow\"\n".to_owned()),
        says("a server of nothing", |_| "server = \"\"\n".to_owned()),
        says("a server that is a list", |_| "server = [\"a\"]\n".to_owned()),
        says("a server twice", |server| server.repeat(2)),
    ]
}

fn directories() -> Vec<Attack> {
    vec![
        with("5,000 registries", |scene, _| {
            for nth in 0..5_000 {
                scene.node.hosts_toml(&format!("r{nth}.example"), "server = \"http://127.0.0.1:1\"\n")?;
            }
            Ok(())
        }),
        with("400 registries of 50 hosts", |scene, _| {
            (0..400).try_for_each(|nth| scene.node.hosts_toml(&format!("r{nth}.example"), &hosts(50, "")))
        }),
        with("400 registries of 500 hosts", |scene, _| {
            (0..400).try_for_each(|nth| scene.node.hosts_toml(&format!("r{nth}.example"), &hosts(500, "")))
        })
        .output(MANY),
        with("5,000 directories without a file", |scene, _| {
            let root = scene.node.path("/etc/containerd/certs.d");
            (0..5_000).try_for_each(|nth| std::fs::create_dir_all(root.join(format!("d{nth}"))))
        }),
        with("names that steer", |scene, _| {
            scene.node.hosts_toml("\u{1b}[2J\u{202e}.example", "nonsense")?;
            scene.node.hosts_toml("a\r\nb\u{7}.example", "nonsense")
        }),
        with("5,000 files of keys", |scene, path| {
            let directory = path.trim_end_matches("hosts.toml");
            (0..5_000).try_for_each(|nth| scene.node.write(&format!("{directory}{nth}.crt"), "nothing"))
        }),
        with("hosts.toml is a pipe", |scene, path| pipe(&scene.node.path(path))),
        with("hosts.toml is a device", |scene, path| zero(&scene.node.path(path))),
        with("hosts.toml is a directory", |scene, path| {
            std::fs::remove_file(scene.node.path(path))?;
            std::fs::create_dir_all(scene.node.path(path))
        }),
        with("hosts.toml leads to itself", |scene, path| {
            std::fs::remove_file(scene.node.path(path))?;
            scene.node.link(path, "hosts.toml")
        }),
        with("hosts.toml leads out of the root", |scene, path| {
            std::fs::remove_file(scene.node.path(path))?;
            scene.node.link(path, "../../../../../../../../../etc/shadow")
        }),
        with("a directory of registries that leads to itself", |scene, _| {
            scene.node.link("/etc/containerd/certs.d/loop", ".")
        }),
    ]
}

/// A file of keys beside hosts.toml, which names it; the host is the first, the registry the last.
fn key(name: &str, setting: &'static str, content: impl Into<Vec<u8>>) -> Attack {
    let content = content.into();
    with(name, move |scene, path| {
        let server = std::fs::read_to_string(scene.node.path(path))?;
        scene.node.write(path, format!("{server}[host.\"https://127.0.0.1:1\"]\n{setting} = \"file.pem\"\n"))?;
        scene.node.write(&path.replace("hosts.toml", "file.pem"), &content)
    })
}

fn keys() -> Vec<Attack> {
    let begin = "-----BEGIN CERTIFICATE-----\n";
    vec![
        key("roots of nothing", "ca", ""),
        key("roots of zeros", "ca", vec![0; 1 << 20]),
        key("roots of 20 MB", "ca", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".repeat(330_000)),
        key("roots that begin and never end", "ca", begin.repeat(100_000)),
        key(
            "a key that is none",
            "client",
            "-----BEGIN PRIVATE KEY-----\nhunter2-of-the-node\n-----END PRIVATE KEY-----\n",
        ),
        key("a key that steers", "client", "\u{1b}[2J\u{202e}"),
        with("roots in a pipe", |scene, path| {
            let server = std::fs::read_to_string(scene.node.path(path))?;
            scene.node.write(path, format!("{server}[host.\"https://127.0.0.1:1\"]\nca = \"/etc/pipe.pem\"\n"))?;
            pipe(&scene.node.path("/etc/pipe.pem"))
        }),
        with("roots in 20,000 files", |scene, path| {
            let server = std::fs::read_to_string(scene.node.path(path))?;
            let list = "\"/nowhere.pem\",".repeat(20_000);
            scene.node.write(path, format!("{server}[host.\"https://127.0.0.1:1\"]\nca = [{list}]\n"))
        }),
    ]
}
