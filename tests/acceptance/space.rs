//! Room on the node: small file systems, each in a mount namespace of its own, and what containerd has.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation is how a test fails")]

use std::process::Command;

use pullprobe_lab::registry::{Content, Entry, Image, Index, Stored};
use serde_json::Value;

use super::binary::{Agent, Finished, document, finish};
use super::exposition::Exposition;
use super::world::{Given, World};

const IMAGE: &str = "registry.example/demo/app:1.0";
const ROOT: &str = "/var/lib/containerd";
const STORE: &str = "/var/lib/containerd/io.containerd.content.v1.content";
const KIB: u64 = 1 << 10;

/// A registry that announces a limit, and one image whose layer has this many bytes that do not compress.
fn world(layer: usize, counted_pulls: u32) -> World {
    let given = "
        containerd = '2.1'
        [[registries]]
        host = 'registry.example'
        tls = {}
        rate_limit = {limit = 100, remaining = 50}
    ";
    let given = Given { counted_pulls: Some(counted_pulls), ..toml::from_str(given).unwrap() };
    let world = World::start(given);
    let image = Image { layers: vec![noise(layer)], ..Image::default() };
    let entry = Entry { content: Some(Box::new(Content::Image(image))), ..Entry::new("linux/amd64") };
    let index = Content::Index(Index { manifests: vec![entry], ..Index::default() });
    world.at("registry.example").push("demo/app", "1.0", &index);
    std::fs::create_dir_all(world.node.path(ROOT)).unwrap();
    world
}

/// Text that gzip cannot make much smaller: each character has six bits that nothing foretells.
fn noise(length: usize) -> String {
    let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut letter = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(letters[usize::try_from(state >> 58).unwrap()])
    };
    (0..length).map(|_| letter()).collect()
}

/// The same command where containerd's root is a file system of its own, prepared by a line of shell.
fn on_small_disk(world: &World, options: &str, prepare: &str, command: &Command) -> Command {
    let script = format!("mount -t tmpfs -o {options} tmpfs \"$0\" && cd \"$0\" && {prepare} && exec \"$@\"");
    let mut small = Command::new("unshare");
    small.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    small.args(["--mount", "--propagation", "private", "sh", "-c", &script]).arg(world.node.path(ROOT));
    small.arg(command.get_program()).args(command.get_args());
    small
}

fn check(world: &World, options: &str, prepare: &str) -> (Value, Finished) {
    let mut command = world.command("check");
    command.arg(IMAGE);
    let said = finish(&mut on_small_disk(world, options, prepare, &command));
    command.args(["--format", "json"]);
    let report = document(&finish(&mut on_small_disk(world, options, prepare, &command)));
    (report, said)
}

#[test]
fn an_image_that_does_not_fit_as_it_is_downloaded_is_not_pullable() {
    let world = world(1 << 20, 2);
    let (report, said) = check(&world, "size=512k", "true");
    let image = &report["images"][0];
    assert_eq!(
        (&image["pullable"], &image["cause"], &image["stage"], &image["owner"]),
        (&Value::from(false), &Value::from("disk_full"), &Value::from("node"), &Value::from("node")),
        "{image:#}"
    );
    assert_eq!(
        image["kubelet_message"],
        format!(
            "failed to pull and unpack image \"{IMAGE}\": failed to copy: write {STORE}/ingest/…/data: \
             no space left on device"
        )
    );
    let space = &image["space"];
    assert_eq!(space["free_bytes"], 512 * KIB);
    let needed = space["needed_bytes"].as_u64().unwrap();
    assert!((700 * KIB..1100 * KIB).contains(&needed), "{needed}");
    assert_eq!(said.code, Some(1));
    assert!(said.stdout.contains("NOT PULLABLE  disk_full at node"), "{}", said.stdout);
    assert!(said.stdout.contains("are needed at least, 512 KiB are free below /var/lib/containerd"), "{}", said.stdout);
}

#[test]
fn a_full_disk_is_told_before_anything_is_paid_for() {
    let world = world(10, 2);
    let (report, _) = check(&world, "size=64k", "! cat /dev/zero > fill 2>/dev/null");
    let image = &report["images"][0];
    assert_eq!((&image["cause"], &image["counted_pulls"]), (&Value::from("disk_full"), &Value::from(0)), "{image:#}");
    let message = image["kubelet_message"].as_str().unwrap();
    assert!(message.ends_with("io.containerd.metadata.v1.bolt/meta.db: no space left on device"), "{message}");
    assert_eq!(world.counted_pulls(), 0);
}

#[test]
fn files_that_cannot_be_made_are_inodes_exhausted() {
    let world = world(10, 2);
    // One inode is the root's.
    let (report, said) = check(&world, "size=10m,nr_inodes=8", "touch a b c d e");
    let image = &report["images"][0];
    assert_eq!(
        (&image["pullable"], &image["cause"], &image["stage"]),
        (&Value::from(false), &Value::from("inodes_exhausted"), &Value::from("node")),
        "{image:#}"
    );
    let message = image["kubelet_message"].as_str().unwrap();
    assert!(message.ends_with(&format!("mkdir {STORE}/ingest/…: no space left on device")), "{message}");
    assert!(said.stdout.contains("2 inodes are free below /var/lib/containerd"), "{}", said.stdout);
}

#[test]
fn an_image_that_may_not_fit_unpacked_is_pullable_with_a_warning() {
    let world = world(1 << 20, 2);
    let (report, said) = check(&world, "size=2m", "true");
    assert_eq!(report["images"][0]["pullable"], true, "{report:#}");
    let codes: Vec<_> = report["findings"].as_array().unwrap().iter().map(|finding| &finding["code"]).collect();
    assert!(codes.contains(&&Value::from("space_tight")), "{codes:?}");
    assert_eq!(said.code, Some(0));
    assert!(said.stdout.contains("may not fit"), "{}", said.stdout);
    let (report, said) = check(&world, "size=20m", "true");
    assert!(!report.to_string().contains("space_tight") && !said.stdout.contains("may not fit"), "{report:#}");
}

#[test]
fn the_agent_exports_the_file_system_of_containerds_root() {
    let world = world(10, 2);
    world.settings(&[IMAGE]);
    let mut command = on_small_disk(&world, "size=4m,nr_inodes=100", "touch a b c", &world.command("run"));
    let agent = Agent::start(&mut command).ready();
    let metrics = Exposition::read(&agent.get("/metrics").text());
    let value = |name: &str| metrics.value(&format!("pullprobe_image_filesystem_{name}"), &[]);
    assert_eq!(value("size_bytes"), Some(4_194_304.0));
    assert_eq!(value("available_bytes"), Some(4_194_304.0));
    assert_eq!((value("inodes"), value("inodes_free")), (Some(100.0), Some(96.0)));
}

/// Puts into the node's content store what the registry has of an image.
fn hold(world: &World, repository: &str, image: &Stored) {
    for digest in [&image.digest].into_iter().chain(&image.config).chain(&image.layers) {
        let body = world.at("registry.example").content(repository, digest).unwrap();
        let name = digest.trim_start_matches("sha256:");
        world.node.write(&format!("{STORE}/blobs/sha256/{name}"), body).unwrap();
    }
}

#[test]
fn what_the_node_has_is_neither_asked_for_nor_paid_for() {
    let world = world(10, 0);
    let registry = world.at("registry.example");
    let image = Image { layers: vec!["held".to_owned()], ..Image::default() };
    let stored: Stored = registry.push("demo/app", "held", &Content::Image(image));
    hold(&world, "demo/app", &stored);
    registry.clear_requests();
    let mut command = world.command("check");
    command.args(["registry.example/demo/app:held", "--format", "json"]);
    let report = document(&finish(&mut command));
    let image = &report["images"][0];
    assert_eq!((&image["pullable"], &image["runnable"]), (&Value::from(true), &Value::from(true)), "{image:#}");
    assert_eq!(image["source"], "content-store");
    assert_eq!(image["space"]["needed_bytes"], 0);
    let asked: Vec<String> = registry.requests().iter().map(|request| request.method.clone() + &request.path).collect();
    let about_content: Vec<_> = asked.iter().filter(|line| !line.ends_with("/v2/")).collect();
    assert_eq!(about_content, ["HEAD/v2/demo/app/manifests/held"]);
    assert_eq!(world.counted_pulls(), 0);
}
