//! What the running containerd tells: its version and images over CRI, and its content store on disk.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::uri::PathAndQuery;
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tonic::client::Grpc;
use tonic::transport::{Endpoint, Uri};
use tonic_prost::ProstCodec;

pub mod content;
mod golang;
pub mod images;

pub use golang::golang;
pub use images::images;

use crate::host::root::HostRoot;
use crate::model::finding::{Finding, Severity};
use crate::redact::output::innermost;
use crate::version::Version;

/// Where containerd listens, by distribution: upstream, k3s and RKE2, k0s, microk8s, Canonical Kubernetes.
const SOCKETS: [&str; 5] = [
    "/run/containerd/containerd.sock",
    "/run/k3s/containerd/containerd.sock",
    "/run/k0s/containerd.sock",
    "/var/snap/microk8s/common/run/containerd.sock",
    "/var/snap/k8s/common/run/containerd/containerd.sock",
];
/// A daemon that lives answers within milliseconds; one that hangs must not hold up a check.
const LIMIT: Duration = Duration::from_secs(2);
/// As kubelet's.
const MESSAGE_LIMIT: usize = 16 << 20;

#[derive(Clone, PartialEq, prost::Message)]
struct VersionRequest {
    #[prost(string, tag = "1")]
    version: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct VersionResponse {
    #[prost(string, tag = "2")]
    runtime_name: String,
    #[prost(string, tag = "3")]
    runtime_version: String,
}

/// Why a socket that is there has not told a version.
#[derive(Debug, PartialEq)]
pub enum NoAnswer {
    /// Nobody answers there, so no image can be pulled on this node at all.
    Silent(Finding),
    /// This process may not connect, which says nothing of containerd.
    Closed(Finding),
}

/// The running daemon's version. `Ok(None)`: there is no socket to ask.
pub async fn version(root: &HostRoot, named: Option<&str>) -> Result<Option<Version>, NoAnswer> {
    let Some((socket, reachable)) = socket(root, named) else { return Ok(None) };
    if UnixStream::connect(&reachable).await.is_err_and(|error| error.kind() == ErrorKind::PermissionDenied) {
        let message =
            "pullprobe may not connect to containerd's socket: which version runs, and if it answers, is unknown";
        let fix = "run pullprobe as root; under SELinux give its pod a type that may connect (docs/deployment.md)";
        let finding = Finding::new(Severity::Warning, "containerd_not_asked", message, fix);
        return Err(NoAnswer::Closed(finding.in_file(&*socket.to_string_lossy())));
    }
    let silent = |why: String| {
        let message = format!("containerd does not answer on its socket: {why}");
        Finding::new(
            Severity::Error,
            "containerd_unreachable",
            message,
            "look at the daemon with `systemctl status containerd` and `journalctl -u containerd`, and restart it",
        )
        .in_file(&*socket.to_string_lossy())
    };
    let request = VersionRequest { version: "v1".to_owned() };
    match ask::<_, VersionResponse>(reachable, "/runtime.v1.RuntimeService/Version", request).await {
        Err(why) => Err(NoAnswer::Silent(silent(why))),
        Ok(answer) => Ok(answer.runtime_version.parse().ok()),
    }
}

/// Whether there is a socket to ask.
pub fn has_socket(root: &HostRoot, named: &str) -> bool {
    socket(root, Some(named)).is_some()
}

/// When the running daemon began to listen, in Unix seconds: it makes its socket anew at each start.
pub fn listens_since(root: &HostRoot, named: &str) -> Option<i64> {
    let (path, _) = socket(root, Some(named))?;
    Some(root.stat(path).ok()?.modified)
}

/// The first socket that is there, as the node and as this process name it.
fn socket<'a>(root: &HostRoot, named: Option<&'a str>) -> Option<(&'a Path, PathBuf)> {
    let mut candidates = named.into_iter().chain(SOCKETS).map(Path::new);
    candidates.find_map(|path| Some((path, as_seen(root, path)?)))
}

/// The socket's path for this process, its links followed inside the root.
fn as_seen(root: &HostRoot, path: &Path) -> Option<PathBuf> {
    let real = root.real_path(path).ok()?;
    Some(root.dir().join(real.strip_prefix("/").ok()?))
}

/// One call, within [`LIMIT`].
async fn ask<Q, A>(socket: PathBuf, method: &'static str, request: Q) -> Result<A, String>
where
    Q: prost::Message + 'static,
    A: prost::Message + Default + 'static,
{
    let answer = tokio::time::timeout(LIMIT, call(socket, method, request)).await;
    answer.unwrap_or_else(|_| Err(format!("nothing within {LIMIT:?}")))
}

async fn call<Q, A>(socket: PathBuf, method: &'static str, request: Q) -> Result<A, String>
where
    Q: prost::Message + 'static,
    A: prost::Message + Default + 'static,
{
    // The URI is never looked at: the connector always goes to the socket.
    let channel = Endpoint::from_static("http://containerd.invalid")
        .connect_with_connector(tower::service_fn(move |_: Uri| {
            let socket = socket.clone();
            async move { UnixStream::connect(socket).await.map(TokioIo::new) }
        }))
        .await
        .map_err(|error| innermost(&error))?;
    let mut client = Grpc::new(channel).max_decoding_message_size(MESSAGE_LIMIT);
    client.ready().await.map_err(|error| innermost(&error))?;
    let codec = ProstCodec::<Q, A>::default();
    let method = PathAndQuery::from_static(method);
    let answer = client.unary(tonic::Request::new(request), method, codec).await;
    Ok(answer.map_err(|status| status.message().to_owned())?.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root_with(socket: &str) -> (tempfile::TempDir, HostRoot, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(socket.trim_start_matches('/'));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let root = HostRoot::open(dir.path()).unwrap();
        (dir, root, path)
    }

    #[tokio::test]
    async fn without_a_socket_nothing_is_known() {
        let (_dir, root, _) = root_with(SOCKETS[0]);
        assert_eq!(version(&root, None).await, Ok(None));
    }

    #[tokio::test]
    async fn a_socket_that_nobody_serves_is_a_finding() {
        let (_dir, root, path) = root_with(SOCKETS[1]);
        drop(std::os::unix::net::UnixListener::bind(path).unwrap());
        let Err(NoAnswer::Silent(finding)) = version(&root, None).await else { panic!("somebody serves it") };
        assert_eq!((finding.code, finding.file.as_deref()), ("containerd_unreachable", Some(SOCKETS[1])));
        assert!(finding.message.contains("onnection refused"), "{}", finding.message);
    }
}
