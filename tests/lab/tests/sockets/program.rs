//! The program: the demo becomes ready, holds what it says, and ends when told.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use pullprobe_lab::demo::IMAGES;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// Starts the program and waits for its first line.
async fn start(arguments: &[&str]) -> (Child, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_pullprobe-lab"))
        .args(arguments)
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = timeout(Duration::from_secs(10), lines.next_line()).await.unwrap().unwrap();
    (child, line.unwrap_or_default())
}

async fn curl(arguments: &[&str]) -> String {
    let output = Command::new("curl").arg("-s").args(arguments).output().await;
    String::from_utf8(output.expect("this test needs curl").stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_is_a_world_with_a_node() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_str().unwrap();
    let (mut child, line) = start(&["demo", "--dir", path]).await;
    assert_eq!(line, format!("ready {path}"));
    let settings = std::fs::read_to_string(dir.path().join("pullprobe.yaml")).unwrap();
    assert!(settings.contains(&format!("host_root: \"{path}/node\"")), "{settings}");
    every_image_has_a_host(dir.path(), &settings);
    let resolv = std::fs::read_to_string(dir.path().join("node/etc/resolv.conf")).unwrap();
    let server = resolv.strip_prefix("nameserver ").unwrap().lines().next().unwrap();
    let dig = Command::new("dig").args([&format!("@{server}"), "+short", "upstream.demo"]).output();
    assert_eq!(dig.await.expect("this test needs dig").stdout, b"127.0.0.1\n");

    let hosts = std::fs::read_to_string(dir.path().join("node/etc/containerd/certs.d/limited.demo/hosts.toml"));
    let hosts: toml::Table = hosts.unwrap().parse().unwrap();
    let server = hosts["server"].as_str().unwrap();
    let trust = format!("{path}/node/etc/ssl/certs/ca-certificates.crt");
    let resolve = format!("{}:127.0.0.1", server.strip_prefix("https://").unwrap());
    let url = format!("{server}/v2/app/manifests/1.0");
    let head = curl(&["-I", "--cacert", &trust, "--resolve", &resolve, &url]).await;
    assert!(head.contains("ratelimit-remaining: 3;w=21600\r\n"), "{head}");

    let id = child.id().unwrap().to_string();
    assert!(Command::new("kill").arg(id).status().await.unwrap().success());
    let status = timeout(Duration::from_secs(5), child.wait()).await.unwrap().unwrap();
    assert!(status.success());
}

fn every_image_has_a_host(dir: &Path, settings: &str) {
    for image in IMAGES {
        assert!(settings.contains(image));
        let (registry, _) = image.split_once('/').unwrap();
        let hosts = dir.join(format!("node/etc/containerd/certs.d/{registry}/hosts.toml"));
        let hosts: toml::Table = std::fs::read_to_string(hosts).unwrap().parse().unwrap();
        assert!(hosts["server"].as_str().unwrap().starts_with("https://"));
        let mirrors = hosts.get("host").map_or(0, |hosts| hosts.as_table().unwrap().len());
        assert_eq!(mirrors, usize::from(registry == "mirrored.demo"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_registry_runs_from_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("registry.toml");
    std::fs::write(&file, "[[faults]]\nwhen = {kind = 'ping'}\nthen = {status = 503, body = 'down'}\n").unwrap();
    let (_child, endpoint) = start(&["registry", "--config", file.to_str().unwrap()]).await;
    assert_eq!(curl(&[&format!("{endpoint}/v2/")]).await, "down");
    std::fs::write(&file, "[[fault]]\n").unwrap();
    let refused = Command::new(env!("CARGO_BIN_EXE_pullprobe-lab"))
        .args(["registry", "--config", file.to_str().unwrap()])
        .output();
    let refused = timeout(Duration::from_secs(10), refused).await.unwrap().unwrap();
    assert_eq!((refused.status.code(), refused.stdout.len()), (Some(1), 0));
    assert!(String::from_utf8(refused.stderr).unwrap().contains("unknown field `fault`"));
}
