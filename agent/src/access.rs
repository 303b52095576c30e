//! The way to a cluster with the rights of who asks: kubeconfig, bounded reads, exec in a pod, the pod proxy.

use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use http::{Request, Response, StatusCode};
use hyper::body::Body as _;
use kube::client::Body;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::redact::clean::Clean;
use crate::redact::output::{innermost, redact_message};

mod config;
mod exec;

pub use config::{Access, default_namespace};
pub use exec::{Command, Ran};

/// Of what the API server says of a refusal.
const MESSAGE_LIMIT: usize = 400;
/// A refusal is one short object.
const REFUSAL_LIMIT: usize = 64 << 10;
/// What a path has besides letters and digits.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_');

/// A cluster, and who asks it.
#[derive(Clone)]
pub struct Cluster {
    client: kube::Client,
    /// Of the context, for who names none.
    pub namespace: String,
    /// For one request and its answer.
    pub patience: Duration,
    /// Where the API server is: whoever cannot reach it wants to know which one was meant.
    server: Clean,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// 403, with the words of the API server: it names the right that is missing.
    Forbidden(Clean),
    /// 401.
    Unauthorized,
    /// 404.
    NotFound(Clean),
    /// Another status.
    Status(u16, Clean),
    /// A status of who is behind the API server's proxy.
    Behind(u16),
    /// Longer than is read.
    TooLong(usize),
    /// No whole answer came in time.
    OutOfTime(Duration),
    /// The API server was not reached, or what it says is no answer.
    Unreachable(Clean),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forbidden(said) => write!(f, "the API server forbids it: {said}"),
            Self::Unauthorized => f.write_str("the API server does not accept this login (401)"),
            Self::NotFound(said) => write!(f, "the API server does not find it: {said}"),
            Self::Status(status, said) if said.is_empty() => write!(f, "the API server answers {status}"),
            Self::Status(status, said) => write!(f, "the API server answers {status}: {said}"),
            Self::Behind(status) => write!(f, "the agent answers {status}"),
            Self::TooLong(limit) => write!(f, "the answer is longer than {} MiB", limit >> 20),
            Self::OutOfTime(patience) => write!(f, "no answer came within {} s", patience.as_secs()),
            Self::Unreachable(why) => write!(f, "the API server cannot be asked: {why}"),
        }
    }
}

/// What the API server says besides the status.
#[derive(Default, Deserialize)]
struct Status {
    #[serde(default)]
    message: String,
}

/// The path of these parts, each of them encoded.
pub fn path(parts: &[&str]) -> String {
    let encoded = parts.iter().map(|part| utf8_percent_encode(part, SEGMENT).to_string());
    format!("/{}", encoded.collect::<Vec<_>>().join("/"))
}

/// A name and a value of a query.
pub fn query(pairs: &[(&str, &str)]) -> String {
    let written = pairs.iter().map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, SEGMENT)));
    written.collect::<Vec<_>>().join("&")
}

impl Cluster {
    /// One object or page. It is zeroed when it is dropped, for it may be a secret; it is not logged either.
    pub async fn get(&self, path: &str, limit: usize) -> Result<Zeroizing<Vec<u8>>, Refusal> {
        self.fetch(path, "application/json", limit).await
    }

    /// The metadata of the objects of a list, and nothing else of them.
    pub async fn names(&self, path: &str, limit: usize) -> Result<Zeroizing<Vec<u8>>, Refusal> {
        self.fetch(path, "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1", limit).await
    }

    /// With the address that was not reached.
    fn named(&self, refusal: Refusal) -> Refusal {
        match refusal {
            Refusal::Unreachable(why) => Refusal::Unreachable(format!("{}: {why}", self.server).into()),
            other => other,
        }
    }

    async fn fetch(&self, path: &str, accept: &str, limit: usize) -> Result<Zeroizing<Vec<u8>>, Refusal> {
        let request = Request::get(path).header(http::header::ACCEPT, accept).body(Body::empty());
        let request = request.map_err(|error| unreachable(&error.to_string()))?;
        let answer = async {
            let response =
                self.client.send(request).await.map_err(Refusal::from).map_err(|refusal| self.named(refusal))?;
            let status = response.status();
            if status.is_success() {
                return collect(response, limit).await;
            }
            let body = collect(response, REFUSAL_LIMIT).await.unwrap_or_default();
            // The API server says what it refuses in a document of its own.
            let is_behind = path.contains("/proxy/") && !is_status(&body);
            Err(if is_behind { Refusal::Behind(status.as_u16()) } else { refused(status, &body) })
        };
        tokio::time::timeout(self.patience, answer).await.unwrap_or(Err(Refusal::OutOfTime(self.patience)))
    }
}

async fn collect(response: Response<Body>, limit: usize) -> Result<Zeroizing<Vec<u8>>, Refusal> {
    let mut body = response.into_body();
    let mut bytes = Zeroizing::new(Vec::new());
    while let Some(frame) = std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        let frame = frame.map_err(Refusal::from)?;
        let Some(data) = frame.data_ref() else { continue };
        if bytes.len() + data.len() > limit {
            return Err(Refusal::TooLong(limit));
        }
        if bytes.len() + data.len() > bytes.capacity() {
            // What is left behind when a buffer grows is zeroed too.
            let wanted = (bytes.capacity() * 2).min(limit).max(bytes.len() + data.len());
            let mut wider = Zeroizing::new(Vec::with_capacity(wanted));
            wider.extend_from_slice(&bytes);
            bytes = wider;
        }
        bytes.extend_from_slice(data);
    }
    Ok(bytes)
}

/// What a status other than success means.
fn refused(status: StatusCode, body: &[u8]) -> Refusal {
    let said: Status = serde_json::from_slice(body).unwrap_or_default();
    of_status(status.as_u16(), &said.message)
}

fn is_status(body: &[u8]) -> bool {
    #[derive(serde::Deserialize)]
    struct Document {
        kind: String,
    }
    serde_json::from_slice::<Document>(body).is_ok_and(|document| document.kind == "Status")
}

fn of_status(status: u16, message: &str) -> Refusal {
    let said = Clean::clipped(&redact_message(message), MESSAGE_LIMIT);
    match status {
        401 => Refusal::Unauthorized,
        403 => Refusal::Forbidden(said),
        404 => Refusal::NotFound(said),
        other => Refusal::Status(other, said),
    }
}

fn unreachable(why: &str) -> Refusal {
    Refusal::Unreachable(Clean::clipped(&redact_message(why), MESSAGE_LIMIT))
}

impl From<kube::Error> for Refusal {
    fn from(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => of_status(status.code, &status.message),
            // What a login plugin printed may be a token.
            kube::Error::Auth(_) => unreachable("the login of the kubeconfig failed; `kubectl auth whoami` shows why"),
            other => unreachable(&innermost(&other)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_no_way_out_of_its_parts() {
        assert_eq!(
            path(&["api", "v1", "namespaces", "a/../b", "pods", "x?y#z"]),
            "/api/v1/namespaces/a%2F..%2Fb/pods/x%3Fy%23z"
        );
        assert_eq!(query(&[("labelSelector", "a=b,c!=d"), ("limit", "5")]), "labelSelector=a%3Db%2Cc%21%3Dd&limit=5");
    }

    #[test]
    fn a_refusal_has_the_words_of_the_api_server_and_no_others() {
        let body = br#"{"kind":"Status","message":"secrets \"pull\" is forbidden: User \"ann\" cannot get resource","code":403}"#;
        assert_eq!(
            refused(StatusCode::FORBIDDEN, body).to_string(),
            "the API server forbids it: secrets \"pull\" is forbidden: User \"ann\" cannot get resource"
        );
        assert_eq!(refused(StatusCode::UNAUTHORIZED, body), Refusal::Unauthorized);
        assert_eq!(refused(StatusCode::BAD_GATEWAY, b"<html>").to_string(), "the API server answers 502");
    }
}
