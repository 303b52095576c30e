//! Debian's docker-registry over TLS, filled through its own API.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use pullprobe_lab::Lab;
use pullprobe_lab::ca::CertKind;
use pullprobe_lab::registry::{Push, Registry, Stored};
use reqwest::{Client, StatusCode};
use serde::Deserialize;
use tempfile::TempDir;

/// One registry.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    pub host: String,
    /// What is wrong with its certificate.
    pub cert: CertKind,
    /// Passwords by user name; empty = everybody may pull.
    pub users: BTreeMap<String, String>,
    pub push: Vec<Push>,
}

/// A running registry; it ends when dropped.
pub struct DockerRegistry {
    /// The digests of what it was given, in order.
    pub pushed: Vec<String>,
    process: Child,
    _directory: TempDir,
}

impl DockerRegistry {
    pub async fn start(config: &Config, address: SocketAddr, lab: &Lab) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("config.yml");
        std::fs::write(&file, settings(config, address, lab, directory.path())).unwrap();
        let log = std::fs::File::create(directory.path().join("log")).unwrap();
        let process = Command::new("docker-registry")
            .arg("serve")
            .arg(&file)
            .env_clear()
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("docker-registry: {error}: run tests/tools/install.sh"));
        let log = directory.path().join("log");
        let mut registry = Self { pushed: Vec::new(), process, _directory: directory };
        let filling = Filling::new(config, address);
        filling.wait(&log).await;
        for push in &config.push {
            registry.pushed.push(filling.push(push, lab).await);
        }
        registry
    }
}

impl Drop for DockerRegistry {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// JSON is YAML.
fn settings(config: &Config, address: SocketAddr, lab: &Lab, directory: &Path) -> String {
    let leaf = lab.authority.leaf(config.cert, &[&config.host]).unwrap();
    let (certificate, key) = leaf.write(directory, "server").unwrap();
    let mut settings = serde_json::json!({
        "version": 0.1,
        "log": {"level": "warn", "accesslog": {"disabled": true}},
        "storage": {"filesystem": {"rootdirectory": directory.join("data")}},
        "http": {
            "addr": address.to_string(),
            "secret": "of one instance",
            "tls": {"certificate": certificate, "key": key},
        },
    });
    if !config.users.is_empty() {
        let file = directory.join("htpasswd");
        std::fs::write(&file, htpasswd(&config.users)).unwrap();
        settings["auth"] = serde_json::json!({"htpasswd": {"realm": "docker-registry", "path": file}});
    }
    settings.to_string()
}

fn htpasswd(users: &BTreeMap<String, String>) -> String {
    let line = |(user, password): (&String, &String)| {
        let output = Command::new("htpasswd").args(["-nbB", "-C", "4", user, password]).output().unwrap();
        assert!(output.status.success(), "htpasswd: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    users.iter().map(line).collect()
}

/// Pushes as any client does; the certificate may be a bad one on purpose.
struct Filling {
    client: Client,
    base: String,
    login: Option<(String, String)>,
}

impl Filling {
    fn new(config: &Config, address: SocketAddr) -> Self {
        // Whoever is second finds the first one's, which is the same.
        drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
        let client = Client::builder().no_proxy().tls_danger_accept_invalid_certs(true).build().unwrap();
        let login = config.users.iter().next().map(|(user, password)| (user.clone(), password.clone()));
        Self { client, base: format!("https://{address}/v2/"), login }
    }

    fn request(&self, method: reqwest::Method, url: &str) -> reqwest::RequestBuilder {
        let request = self.client.request(method, url);
        match &self.login {
            Some((user, password)) => request.basic_auth(user, Some(password)),
            None => request,
        }
    }

    async fn wait(&self, log: &Path) {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let answer = self.request(reqwest::Method::GET, &self.base).send().await;
            if answer.as_ref().is_ok_and(|answer| answer.status() == StatusCode::OK) {
                return;
            }
            let log = || std::fs::read_to_string(log).unwrap_or_default();
            assert!(Instant::now() < deadline, "docker-registry does not serve: {answer:?}\n{}", log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// A registry of the lab makes the documents; they are copied from it.
    async fn push(&self, push: &Push, lab: &Lab) -> String {
        let source = lab.registry(pullprobe_lab::registry::Config::default()).unwrap();
        let stored = source.push(&push.repository, &push.tag, &push.content);
        let tag = if push.tag.is_empty() { &stored.digest } else { &push.tag };
        for child in &stored.manifests {
            self.copy(&source, &push.repository, child, &child.digest).await;
        }
        self.copy(&source, &push.repository, &stored, tag).await;
        stored.digest
    }

    async fn copy(&self, source: &Registry, repository: &str, stored: &Stored, tag: &str) {
        let origin = format!("{}/v2/{repository}", source.endpoint());
        for blob in stored.config.iter().chain(&stored.layers) {
            let bytes = self.client.get(format!("{origin}/blobs/{blob}")).send().await.unwrap().bytes().await.unwrap();
            let start = format!("{}{repository}/blobs/uploads/", self.base);
            let upload = self.request(reqwest::Method::POST, &start).send().await.unwrap();
            let location = upload.headers()["location"].to_str().unwrap().to_owned();
            let url = upload.url().join(&location).unwrap();
            let url = format!("{url}{}digest={blob}", if url.query().is_some() { '&' } else { '?' });
            self.stored(self.request(reqwest::Method::PUT, &url).body(bytes)).await;
        }
        let manifest = self.client.get(format!("{origin}/manifests/{}", stored.digest)).send().await.unwrap();
        let url = format!("{}{repository}/manifests/{tag}", self.base);
        let put = self.request(reqwest::Method::PUT, &url).header("content-type", &stored.media_type);
        self.stored(put.body(manifest.bytes().await.unwrap())).await;
    }

    async fn stored(&self, request: reqwest::RequestBuilder) {
        let answer = request.send().await.unwrap();
        let status = answer.status();
        assert_eq!(status, StatusCode::CREATED, "{}", answer.text().await.unwrap());
    }
}
