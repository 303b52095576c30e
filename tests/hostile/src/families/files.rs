//! Files of the node: containerd's configuration, and files that are none.

use std::io;
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};

use super::each;
use crate::attack::{Attack, node};
use crate::peer::Spec;
use crate::scene::{NAME, Scene};

const FAMILY: &str = "files";

pub fn attacks() -> Vec<Attack> {
    [configs(), kinds(), links()].into_iter().flatten().collect()
}

const CONFIG: &str = "/etc/containerd/config.toml";

/// A pipe that nobody writes to.
pub fn pipe(path: &Path) -> io::Result<()> {
    special(path, FileType::Fifo, 0)
}

/// `/dev/zero` by another name.
pub fn zero(path: &Path) -> io::Result<()> {
    special(path, FileType::CharacterDevice, makedev(1, 5))
}

fn special(path: &Path, kind: FileType, device: rustix::fs::Dev) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    if path.exists() {
        std::fs::remove_file(path)?;
    }
    Ok(mknodat(CWD, path, kind, Mode::RUSR | Mode::WUSR, device)?)
}

/// config.toml says this; the registry is at an address, and needs nothing of it.
fn config(name: &str, text: impl Into<Vec<u8>>) -> Attack {
    let text = text.into();
    node(FAMILY, name, move |scene| {
        scene.peer(Spec::default())?;
        scene.node.write(CONFIG, &text)
    })
}

fn configs() -> Vec<Attack> {
    let mirrors = |count: usize| {
        let mirror = |nth: usize| {
            format!(
                "[plugins.\"io.containerd.grpc.v1.cri\".registry.mirrors.\"m{nth}.example\"]\nendpoint = [\"http://127.0.0.1:1\"]\n"
            )
        };
        format!("version = 2\n{}", each(0..count, mirror))
    };
    let imports = |text: &str| format!("version = 3\nimports = {text}\n");
    vec![
        config("a config.toml of zeros", vec![0; 1 << 20]),
        config("a config.toml of bytes that are no text", vec![0xff; 1 << 16]),
        config("a config.toml of 20 MB", "# a comment of some length\n".repeat(750_000)),
        config("a config.toml of one line of 3 MB", format!("x = \"{}\"", "x".repeat(3_000_000))),
        config("100,000 keys", each(0..100_000, |nth| format!("key{nth} = {nth}\n"))),
        config("lists in lists", format!("x = {}{}", "[".repeat(50_000), "]".repeat(50_000))),
        config("tables in tables, in a line", format!("x = {}1{}", "{a = ".repeat(20_000), "}".repeat(20_000))),
        config("a header of 50,000 parts", format!("[{}a]\n", "a.".repeat(50_000))),
        config("20,000 headers", each(0..20_000, |nth| format!("[a.b{nth}.c]\n"))),
        config("50,000 keys", each(0..50_000, |nth| format!("key{nth} = {nth}\n"))),
        config("60,000 keys of keys", each(0..60_000, |nth| format!("a.b{nth}.c.d=1\n"))),
        // A finding about each, as none of them is containerd's.
        config("10,000 keys", each(0..10_000, |nth| format!("key{nth} = {nth}\n"))),
        config("half a million numbers in a list", format!("x=[{}]\n", "1,".repeat(520_000))),
        config("60,000 numbers in a list", format!("x=[{}]\n", "1,".repeat(60_000))),
        config("170,000 tables in a list", "[[a]]\n".repeat(170_000)),
        config("170,000 tables in a line", format!("x=[{}]\n", "{a=1},".repeat(170_000))),
        config("10,000 tables in a line", format!("x=[{}]\n", "{a=1},".repeat(10_000))),
        config("20,000 tables in a list", "[[a.b]]\n".repeat(20_000)),
        config("a text that does not end", "version = 3\nroot = \"\"\"\n"),
        config("keys that steer", "version = 3\n[plugins.\"\\u001b[2J\\u202e\"]\n\"\\r\\n\" = \"\\u0007\"\n"),
        config("a version of 2^63", "version = 9223372036854775808\n"),
        config("a version that is a date", "version = 1979-05-27T07:32:00Z\n"),
        config("two versions", "version = 2\nversion = 3\n"),
        config("imports of itself", imports("[\"/etc/containerd/config.toml\", \"config.toml\", \"./*.toml\"]")),
        config("100,000 imports", imports(&format!("[{}]", "\"/nowhere/*.toml\",".repeat(100_000)))),
        config("imports of everything", imports("[\"/*/*/*/*/*\", \"/**/*\", \"*\"]")),
        config("imports of a pattern that is slow", imports(&format!("[\"/etc/{}b\"]", "*a".repeat(1_000)))),
        config(
            "imports outside of the root",
            imports("[\"/../../../../../../etc/passwd\", \"../../../../../../../../etc/shadow\"]"),
        ),
        config("5,000 mirrors", mirrors(5_000)),
        config(
            "a configuration of a path that steers",
            "version = 3\n[plugins.\"io.containerd.cri.v1.images\".registry]\nconfig_path = \"/\\u001b[2J\\u0000\"\n",
        ),
        config(
            "1,000 directories to look into",
            format!(
                "version = 3\n[plugins.\"io.containerd.cri.v1.images\".registry]\nconfig_path = \"{}\"\n",
                "/etc/x:".repeat(1_000)
            ),
        ),
    ]
}

/// Each file that is read of a node.
const READ: [&str; 8] = [
    CONFIG,
    "/etc/containerd/certs.d/registry.example/hosts.toml",
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/nsswitch.conf",
    "/var/lib/kubelet/config.json",
    "/etc/systemd/system/containerd.service",
    "/etc/os-release",
];

/// With a registry at an address, which needs none of the files.
fn with(name: String, build: impl Fn(&mut Scene) -> io::Result<()> + Send + Sync + 'static) -> Attack {
    node(FAMILY, name, move |scene| {
        scene.peer(Spec::default())?;
        build(scene)
    })
}

fn kinds() -> Vec<Attack> {
    let mut attacks = Vec::new();
    for path in READ {
        attacks.push(with(format!("a pipe as {path}"), move |scene| pipe(&scene.node.path(path))));
    }
    for path in [
        CONFIG,
        "/etc/resolv.conf",
        "/var/lib/kubelet/config.json",
        "/etc/ssl/certs/ca-certificates.crt",
        "/proc/cpuinfo",
    ] {
        attacks.push(with(format!("a device without end as {path}"), move |scene| zero(&scene.node.path(path))));
    }
    for path in [CONFIG, "/etc/hosts", "/var/lib/kubelet/config.json"] {
        attacks
            .push(with(format!("a directory as {path}"), move |scene| std::fs::create_dir_all(scene.node.path(path))));
    }
    for path in [CONFIG, "/etc/resolv.conf", "/var/lib/kubelet/config.json"] {
        attacks.push(with(format!("a TiB of holes as {path}"), move |scene| {
            scene.node.write(path, "")?;
            std::fs::File::create(scene.node.path(path))?.set_len(1 << 40)
        }));
    }
    attacks
}

fn links() -> Vec<Attack> {
    let linked = |name: &str, from: &'static str, to: &'static str| {
        with(name.to_owned(), move |scene| {
            let path = scene.node.path(from);
            if path.exists() {
                std::fs::remove_file(path)?;
            }
            scene.node.link(from, to)
        })
    };
    vec![
        linked("config.toml that leads to itself", CONFIG, "config.toml"),
        linked("config.toml that leads out of the root", CONFIG, "../../../../../../../../etc/shadow"),
        linked("a hosts file that leads to the kernel", "/etc/hosts", "/proc/self/mem"),
        linked("roots that lead to a device of the machine", "/etc/ssl/certs/ca-certificates.crt", "/dev/zero"),
        with("a directory that leads to itself".into(), |scene| {
            scene.node.link("/etc/containerd/loop", ".")?;
            scene.node.write(CONFIG, "version = 3\nimports = [\"/etc/containerd/loop/loop/loop/*/*/*/*.toml\"]\n")
        }),
        with("sixty links in a row".into(), |scene| {
            for nth in 0..60 {
                scene.node.link(&format!("/etc/link{nth}"), &format!("/etc/link{}", nth + 1))?;
            }
            std::fs::create_dir_all(scene.node.path("/etc/containerd"))?;
            scene.node.link(CONFIG, "/etc/link0")
        }),
        with("roots of 30 MB".into(), |scene| {
            let root = scene.authority.root_pem();
            scene.node.trust(&root.repeat(30_000_000 / root.len()))
        }),
        with("roots that are none".into(), |scene| {
            scene.node.trust(&"-----BEGIN CERTIFICATE-----\n////\n-----END CERTIFICATE-----\n".repeat(20_000))
        }),
        with("5,000 files of roots".into(), |scene| {
            let root = scene.authority.root_pem();
            for nth in 0..5_000 {
                scene.node.write(&format!("/etc/ssl/certs/r{nth}.pem"), &root)?;
            }
            Ok(())
        }),
        with("an environment of 5 MB".into(), |scene| {
            scene.node.write(
                "/etc/systemd/system/containerd.service",
                "[Service]\nExecStart=/usr/bin/containerd\nEnvironmentFile=/etc/big\n",
            )?;
            scene.node.write("/etc/big", format!("A={}\n{}", "x".repeat(1 << 20), "B=\u{1b}[2J\n".repeat(400_000)))
        }),
        with("5,000 drop-ins".into(), |scene| {
            for nth in 0..5_000 {
                scene.node.write(
                    &format!("/etc/systemd/system/containerd.service.d/{nth}.conf"),
                    "[Service]\nEnvironment=A=b\n",
                )?;
            }
            Ok(())
        }),
        with("a registry whose directory is a pipe".into(), |scene| {
            scene.known(Spec::default())?;
            let path = scene.node.path(&format!("/etc/containerd/certs.d/{NAME}"));
            pipe(&path)
        }),
    ]
}
