//! pullprobe's own limits are nobody's fault: whatever stops at one is unknown, and the limit is named.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::super::binary::{document, finish};
use super::peer::{CONFIG, INDEX, LAYER, MANIFEST, Peer, Shelf};
use super::{assert_limit, check, checked, measured};

const NAME: &str = "registry.example";

fn good() -> Shelf {
    let mut shelf = Shelf::default();
    let manifest = shelf.good_image();
    shelf.tag(&manifest);
    shelf
}

fn write(node: &Path, file: &str, text: &str) {
    let path = node.join(file);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

/// A node on which the peer is a registry of that name, over plain HTTP.
fn named(node: &Path, peer: &Peer) -> String {
    let port = peer.address.port();
    let directory = format!("etc/containerd/certs.d/{NAME}_{port}_");
    write(node, &format!("{directory}/hosts.toml"), &format!("server = \"http://{NAME}:{port}\"\n"));
    write(
        node,
        "etc/containerd/config.toml",
        "version = 3\n[plugins.\"io.containerd.cri.v1.images\".registry]\nconfig_path = \"/etc/containerd/certs.d\"\n",
    );
    format!("{NAME}:{port}/demo/app:1.0")
}

fn image_of(command: &mut Command) -> Value {
    document(&finish(command))["images"][0].clone()
}

fn nested(depth: usize) -> Peer {
    let mut shelf = Shelf::default();
    let mut digest = shelf.good_image();
    for _ in 0..depth {
        let entry = shelf.entry(&digest);
        digest = shelf.add(INDEX, format!("{{\"manifests\":[{entry}]}}"));
    }
    shelf.tag(&digest);
    shelf.serve()
}

fn of_layers(count: usize) -> Peer {
    let mut shelf = Shelf::default();
    let layers: Vec<String> = (0..count).map(|nth| shelf.add(LAYER, format!("layer {nth}"))).collect();
    let ids = vec!["\"sha256:a\""; count].join(",");
    let config = format!("{{\"architecture\":\"amd64\",\"os\":\"linux\",\"rootfs\":{{\"diff_ids\":[{ids}]}}}}");
    let config = shelf.add(CONFIG, config);
    let layers = layers.iter().map(|layer| shelf.entry(layer)).collect::<Vec<_>>().join(",");
    let manifest = shelf.add(MANIFEST, format!("{{\"config\":{},\"layers\":[{layers}]}}", shelf.entry(&config)));
    shelf.tag(&manifest);
    shelf.serve()
}

fn of_a_long_head() -> Peer {
    let shelf = good();
    Peer::start(move |asked| {
        let reply = shelf.reply(asked);
        if asked.path == "/v2/" { reply } else { reply.field(format!("X-Long: {}", "x".repeat(600_000))) }
    })
}

#[test]
fn what_an_answer_has_too_much_of_is_unknown() {
    for (attack, peer, limit) in [
        ("1,000 indexes in one another", nested(1_000), "8 deep"),
        ("an image of 300 layers", of_layers(300), "256 layers"),
        ("a head of 600 KB", of_a_long_head(), "400 KiB"),
    ] {
        let (image, took) = checked(&peer.image());
        measured(attack, "unknown, limit named", &format!("{took:.1?}, pullable {}", image["pullable"]));
        assert_limit(&image, limit);
        let fix = image["fix"].as_str().unwrap();
        assert!(fix.starts_with("Pull it once with `crictl pull IMAGE`"), "{fix}");
    }
    assert_eq!(checked(&nested(3).image()).0["pullable"], true);
}

#[test]
fn more_addresses_than_are_tried_leave_the_answer_open() {
    let node = tempfile::tempdir().unwrap();
    let peer = good().serve();
    let image = named(node.path(), &peer);
    let mut hosts = String::new();
    (1..=16).for_each(|nth| writeln!(hosts, "127.77.0.{nth} {NAME}").unwrap());
    write(node.path(), "etc/hosts", &format!("{hosts}127.0.0.1 {NAME}\n"));
    let told = image_of(&mut check(std::slice::from_ref(&image), node.path()));
    measured("17 addresses, the last one alive", "unknown, limit named", &told["pullable"].to_string());
    assert_limit(&told, "16 of 17 addresses");
    write(node.path(), "etc/hosts", &format!("127.0.0.1 {NAME}\n{hosts}"));
    assert_eq!(image_of(&mut check(&[image], node.path()))["pullable"], true);
}

#[test]
fn a_hosts_file_that_is_too_long_leaves_the_answer_open() {
    let node = tempfile::tempdir().unwrap();
    let peer = good().serve();
    let image = named(node.path(), &peer);
    let line = "192.0.2.1 somebody.example.with.a.long.name\n";
    write(node.path(), "etc/hosts", &format!("{}127.0.0.1 {NAME}\n", line.repeat((4 << 20) / line.len() + 1)));
    let told = image_of(&mut check(&[image], node.path()));
    measured("/etc/hosts of more than 4 MiB", "unknown, limit named", &told["pullable"].to_string());
    assert_limit(&told, "larger than 4 MiB");
}

#[test]
fn a_registry_is_looked_up_by_name_where_the_directory_is_too_long() {
    let node = tempfile::tempdir().unwrap();
    let peer = good().serve();
    let image = named(node.path(), &peer);
    write(node.path(), "etc/hosts", &format!("127.0.0.1 {NAME}\n"));
    let directory = node.path().join("etc/containerd/certs.d");
    (0..4_096).for_each(|nth| std::fs::create_dir(directory.join(format!("a{nth}.example"))).unwrap());
    let told = image_of(&mut check(&[image], node.path()));
    measured("certs.d of 4,097 directories", "unknown, limit named", &told["pullable"].to_string());
    assert_limit(&told, "4096 directories");
    // One that has no directory is not harmed.
    assert_eq!(image_of(&mut check(&[peer.image()], node.path()))["pullable"], true);
}

/// However few files it may open: it may not tell, or refuse to start, but it blames nobody.
#[test]
fn too_few_open_files_are_nobodys_fault() {
    let node = tempfile::tempdir().unwrap();
    let peer = good().serve();
    let image = named(node.path(), &peer);
    write(node.path(), "etc/hosts", &format!("127.0.0.1 {NAME}\n"));
    let mut told = Vec::new();
    for files in 6..24 {
        let asked = check(std::slice::from_ref(&image), node.path());
        let mut command = Command::new("/bin/sh");
        command.arg("-c").arg(format!("ulimit -n {files}; exec \"$0\" \"$@\"")).arg(asked.get_program());
        let finished = finish(command.args(asked.get_args()));
        assert_ne!(finished.code, Some(1), "{files} files: {finished:?}");
        told.push(finished.code.unwrap());
    }
    measured("6 to 23 open files", "never a `no`", &format!("exit codes {told:?}"));
    assert!(told.contains(&0) && told.contains(&3), "{told:?}");
}

#[test]
fn files_with_more_keys_than_are_kept_leave_the_answer_open() {
    let node = tempfile::tempdir().unwrap();
    let peer = good().serve();
    let image = named(node.path(), &peer);
    write(node.path(), "etc/hosts", &format!("127.0.0.1 {NAME}\n"));
    let ask = |image: &String| image_of(&mut check(std::slice::from_ref(image), node.path()));
    let keys = |count: usize| (0..count).map(|nth| format!("k{nth} = 1\n")).collect::<Vec<_>>().concat();
    assert_eq!(ask(&image)["pullable"], true);

    // A file of another registry is no fault of this one, as long as all of them are kept.
    write(node.path(), "etc/containerd/certs.d/a.example/hosts.toml", &keys(22_000));
    assert_eq!(ask(&image)["pullable"], true);
    assert_limit(&ask(&"a.example/demo/app:1.0".to_owned()), "more keys and values than pullprobe keeps");
    // They are read in the order of their names: the others and config.toml leave nothing for this one.
    for (other, count) in [("a", 21_845), ("b", 21_842)] {
        write(node.path(), &format!("etc/containerd/certs.d/{other}.example/hosts.toml"), &keys(count));
    }
    let told = ask(&image);
    measured("hosts.toml, 65,000 keys in all", "unknown, limit named", &told["pullable"].to_string());
    assert_limit(&told, "all files together have more keys and values");

    std::fs::remove_dir_all(node.path().join("etc/containerd/certs.d")).unwrap();
    write(node.path(), "etc/containerd/config.toml", &keys(22_000));
    let told = ask(&peer.image());
    measured("a config.toml of 22,000 keys", "unknown, limit named", &told["pullable"].to_string());
    assert_limit(&told, "more keys and values than pullprobe keeps");
    write(node.path(), "etc/containerd/config.toml", &keys(20_000));
    assert_eq!(ask(&peer.image())["pullable"], true);
}
