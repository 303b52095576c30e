//! The client: the service account's token and authorities as they are mounted, and answers with limits of time and size.
//!
//! The way to the API server has nothing to do with the way to registries: no proxy of the environment is used.

use std::future::poll_fn;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Uri, header, request};
use hyper::body::Body as _;
use kube::client::Body;
use serde::Deserialize;
use serde_json::Value;
use tokio::time::timeout;

use super::trouble::Trouble;
use crate::pods::Text;
use crate::redact::output::innermost;
use crate::version::own;

/// Until an answer begins.
pub const HEAD_LIMIT: Duration = Duration::from_secs(30);
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// etcd takes objects of 1.5 MB, and JSON is longer.
const WHOLE_LIMIT: usize = 4 << 20;
/// Of a refusal so much is read.
const REFUSAL_LIMIT: usize = 64 << 10;

/// Where the API server is, and where the credentials for it lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    server: String,
    /// With `token` and `ca.crt`.
    directory: PathBuf,
}

impl Access {
    /// Where kubelet mounts them.
    pub const DIRECTORY: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

    pub fn new(server: impl Into<String>, directory: impl Into<PathBuf>) -> Self {
        Self { server: server.into(), directory: directory.into() }
    }

    /// As a pod has it.
    pub fn in_cluster(environment: impl Fn(&str) -> Option<String>, directory: &Path) -> Result<Self, NoAccess> {
        let set = |name| environment(name).filter(|value| !value.is_empty()).ok_or(NoAccess::NoPod(name));
        let (host, port) = (set("KUBERNETES_SERVICE_HOST")?, set("KUBERNETES_SERVICE_PORT")?);
        let port: u16 = port.parse().map_err(|_| NoAccess::NoPort)?;
        let host = if host.contains(':') { format!("[{host}]") } else { host };
        let has_token = directory.join("token").exists();
        if has_token { Ok(Self::new(format!("https://{host}:{port}"), directory)) } else { Err(NoAccess::NoToken) }
    }
}

/// Why there is no way to the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoAccess {
    /// The variable that each pod has.
    #[error("the agent has no token for the Kubernetes API: it runs outside a pod ({0} is not set)")]
    NoPod(&'static str),
    #[error("the agent does not find the Kubernetes API: KUBERNETES_SERVICE_PORT is no port")]
    NoPort,
    #[error("the agent has no token for the Kubernetes API: none is mounted in its pod at {}", Access::DIRECTORY)]
    NoToken,
}

#[derive(Clone)]
pub struct Client(kube::Client);

impl Client {
    /// The token file is read again every minute, as the client of kube does it.
    pub fn new(access: &Access) -> Result<Self, Trouble> {
        let server: Uri =
            access.server.parse().map_err(|error| Trouble::Unreachable(format!("its address: {error}")))?;
        let (token, authorities) = (access.directory.join("token"), access.directory.join("ca.crt"));
        for file in [&token, &authorities] {
            let read = std::fs::metadata(file);
            read.map_err(|error| Trouble::Unreachable(format!("{}: {error}", file.display())))?;
        }
        let mut config = kube::Config::new(server);
        config.root_cert_file = Some(authorities);
        // This file alone decides. Without the next line kube reads the system's authorities before it, and gives up where
        // there are none, as in the agent's image.
        config.root_cert = Some(Vec::new());
        config.auth_info.token_file = Some(token.to_string_lossy().into_owned());
        config.connect_timeout = Some(CONNECT_LIMIT);
        config.proxy_url = None;
        config.default_retry = false;
        let client = kube::Client::try_from(config);
        client.map(Self).map_err(|error| Trouble::Unreachable(innermost(&error)))
    }

    /// An answer that is no refusal.
    pub async fn get(&self, path: &str) -> Result<Response<Body>, Trouble> {
        self.send(Request::get(path), Body::empty()).await
    }

    /// Creates an object.
    pub async fn create(&self, path: &str, object: &Value) -> Result<Response<Body>, Trouble> {
        let request = Request::post(path).header(header::CONTENT_TYPE, "application/json");
        self.send(request, Body::from(object.to_string().into_bytes())).await
    }

    /// Changes what the patch names, and leaves the rest: of a list of conditions those of another type.
    pub async fn patch(&self, path: &str, change: &Value) -> Result<Response<Body>, Trouble> {
        let request = Request::patch(path).header(header::CONTENT_TYPE, "application/strategic-merge-patch+json");
        self.send(request, Body::from(change.to_string().into_bytes())).await
    }

    async fn send(&self, request: request::Builder, body: Body) -> Result<Response<Body>, Trouble> {
        let agent = format!("pullprobe/{}", own::VERSION);
        let request = request
            .header(header::ACCEPT, "application/json")
            .header(header::USER_AGENT, agent)
            .body(body)
            .map_err(|error| Trouble::Unreachable(error.to_string()))?;
        let answer = timeout(HEAD_LIMIT, self.0.send(request)).await;
        let answer = answer.map_err(|_| Trouble::Silent(HEAD_LIMIT))?;
        let answer = answer.map_err(|error| Trouble::Unreachable(innermost(&error)))?;
        if answer.status().is_success() { Ok(answer) } else { Err(refused(answer).await) }
    }
}

/// The whole of an answer.
pub async fn whole(answer: Response<Body>) -> Result<Vec<u8>, Trouble> {
    let (mut body, mut text) = (answer.into_body(), Vec::new());
    while let Some(bytes) = next(&mut body, HEAD_LIMIT).await? {
        if text.len() + bytes.len() > WHOLE_LIMIT {
            return Err(Trouble::Unreadable(format!("it is longer than {} MiB", WHOLE_LIMIT >> 20)));
        }
        text.extend_from_slice(&bytes);
    }
    Ok(text)
}

/// The next bytes of an answer. `None`: it is complete.
pub async fn next(body: &mut Body, limit: Duration) -> Result<Option<Bytes>, Trouble> {
    loop {
        let frame = timeout(limit, poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)));
        match frame.await.map_err(|_| Trouble::Silent(limit))? {
            None => return Ok(None),
            Some(Err(error)) => return Err(Trouble::Ended(innermost(&error))),
            Some(Ok(frame)) => {
                if let Ok(bytes) = frame.into_data() {
                    return Ok(Some(bytes));
                }
            }
        }
    }
}

/// What the API server says of a refusal.
#[derive(Default, Deserialize)]
pub struct Status {
    #[serde(default)]
    pub code: u16,
    #[serde(default)]
    pub reason: Text<64>,
    #[serde(default)]
    pub message: Text<512>,
}

impl Status {
    /// 410, and a version that this server does not have yet: a list of the newest helps with both.
    pub fn is_expired(&self) -> bool {
        self.code == 410
            || matches!(&*self.reason, "Expired" | "Gone")
            || self.message.contains("Too large resource version")
    }
}

async fn refused(answer: Response<Body>) -> Trouble {
    let code = answer.status().as_u16();
    let seconds = |value: &http::HeaderValue| value.to_str().ok()?.parse().ok();
    let retry_after = answer.headers().get(header::RETRY_AFTER).and_then(seconds).map(Duration::from_secs);
    let mut body = answer.into_body();
    let mut text = Vec::new();
    while text.len() < REFUSAL_LIMIT {
        let Ok(Some(bytes)) = next(&mut body, CONNECT_LIMIT).await else { break };
        text.extend_from_slice(&bytes[..bytes.len().min(REFUSAL_LIMIT - text.len())]);
    }
    let told: Status = serde_json::from_slice(&text).unwrap_or_default();
    if code == 410 || told.is_expired() {
        return Trouble::Expired;
    }
    Trouble::Refused { status: code, message: told.message.to_string(), retry_after }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn access_is_what_a_pod_with_a_token_has() {
        let directory = tempfile::tempdir().unwrap();
        let at = |host: &'static str, port: &'static str| {
            move |name: &str| match name {
                "KUBERNETES_SERVICE_HOST" => Some(host.to_owned()),
                "KUBERNETES_SERVICE_PORT" => Some(port.to_owned()),
                _ => None,
            }
        };
        let environment = |host| at(host, "443");
        assert_eq!(Access::in_cluster(environment("10.0.0.1"), directory.path()), Err(NoAccess::NoToken));
        std::fs::write(directory.path().join("token"), "t").unwrap();
        let access = |host| Access::in_cluster(environment(host), directory.path()).map(|access| access.server);
        assert_eq!(access("10.0.0.1").as_deref(), Ok("https://10.0.0.1:443"));
        assert_eq!(access("fd00::1").as_deref(), Ok("https://[fd00::1]:443"));
        let (no_host, no_port) =
            (NoAccess::NoPod("KUBERNETES_SERVICE_HOST"), NoAccess::NoPod("KUBERNETES_SERVICE_PORT"));
        assert_eq!(access(""), Err(no_host));
        assert_eq!(Access::in_cluster(|_| None, directory.path()), Err(no_host));
        assert_eq!(Access::in_cluster(at("10.0.0.1", ""), directory.path()), Err(no_port));
        for wrong in ["tcp://10.0.0.1:443", "65536", "-1", "https"] {
            assert_eq!(Access::in_cluster(at("10.0.0.1", wrong), directory.path()), Err(NoAccess::NoPort), "{wrong}");
        }
    }
}
