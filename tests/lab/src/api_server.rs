//! A stand-in for the API server, as far as a person's client asks it: get and list, refusals of RBAC, the pod proxy, and
//! exec over a WebSocket. It has no watch and no writes.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

mod exec;
mod objects;

use exec::Execution;
use objects::{Asked, status};

/// Which command stands for one that is run in a pod: namespace, pod, and what was asked for.
pub type Runs = dyn Fn(&str, &str, &[String]) -> Command + Send + Sync;

/// What is in the cluster, and what whoever asks may not do.
#[derive(Clone, Default)]
pub struct Config {
    /// Whole objects, as the API has them.
    pub objects: Vec<Value>,
    /// `VERB RESOURCE` (`get secrets`, `create pods/exec`), with ` in NAMESPACE` or ` of all` where only there.
    pub forbidden: Vec<String>,
    /// Answers of the pod proxy, by `NAMESPACE/POD:PORT/PATH`.
    pub proxied: BTreeMap<String, (u16, String)>,
    /// `None`: every exec fails.
    pub runs: Option<Arc<Runs>>,
    /// The newest protocol of exec that it speaks, `v5.channel.k8s.io` when empty.
    pub protocol: String,
    /// Paths that are never answered.
    pub silent: Vec<String>,
}

/// It ends when it is dropped.
pub struct ApiServer {
    address: SocketAddr,
    serving: JoinHandle<()>,
    log: Arc<Mutex<Vec<String>>>,
}

type Body = http_body_util::Full<Bytes>;

impl std::fmt::Debug for ApiServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ApiServer").field("address", &self.address).finish_non_exhaustive()
    }
}

impl ApiServer {
    /// Needs a runtime.
    pub fn start(config: Config) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let listener = TcpListener::from_std(listener)?;
        let log = Arc::<Mutex<Vec<String>>>::default();
        let (config, kept) = (Arc::new(config), Arc::clone(&log));
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (config, log) = (Arc::clone(&config), Arc::clone(&kept));
                tokio::spawn(async move {
                    let service = service_fn(move |request| answer(request, Arc::clone(&config), Arc::clone(&log)));
                    // A client that left is no error here.
                    let connection = hyper::server::conn::http1::Builder::new();
                    let _ = connection.serve_connection(TokioIo::new(stream), service).with_upgrades().await;
                });
            }
        });
        Ok(Self { address, serving, log })
    }

    /// A kubeconfig for it, with a token that must be shown nowhere.
    pub fn kubeconfig(&self, namespace: &str, token: &str) -> String {
        json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "lab",
            "clusters": [{"name": "lab", "cluster": {"server": format!("http://{}", self.address)}}],
            "users": [{"name": "ann", "user": {"token": token}}],
            "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "ann", "namespace": namespace}}]
        })
        .to_string()
    }

    /// What was asked for, each as `VERB RESOURCE PATH?QUERY`, with the impersonated user in front where there is one.
    pub fn requests(&self) -> Vec<String> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for ApiServer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn answer(
    mut request: Request<Incoming>,
    config: Arc<Config>,
    log: Arc<Mutex<Vec<String>>>,
) -> Result<Response<Body>, std::convert::Infallible> {
    let asked = Asked::of(&request);
    let user = request
        .headers()
        .get("impersonate-user")
        .and_then(|user| user.to_str().ok())
        .map(|user| format!("as {user}: "));
    log.lock().unwrap_or_else(PoisonError::into_inner).push(format!(
        "{}{} {} {}",
        user.unwrap_or_default(),
        asked.verb(),
        asked.resource,
        request.uri()
    ));
    if config.silent.iter().any(|path| request.uri().path() == path) {
        std::future::pending::<()>().await;
    }
    if request.method() != Method::GET && asked.subresource.is_none() {
        return Ok(status(405, "only get and list are here"));
    }
    if let Some(refusal) = asked.refused_by(&config.forbidden) {
        return Ok(refusal);
    }
    Ok(match asked.subresource.as_deref() {
        Some("exec") => match Execution::of(&mut request, &asked, &config) {
            Ok((execution, response)) => {
                tokio::spawn(execution.run());
                response
            }
            Err(refusal) => *refusal,
        },
        Some("proxy") => match config.proxied.get(&asked.proxied()) {
            Some((code, text)) => reply(*code, text.clone()),
            None => status(503, "error trying to reach service: dial tcp: connect: connection refused"),
        },
        _ => asked.read(&config.objects),
    })
}

fn reply(code: u16, text: String) -> Response<Body> {
    let mut response = Response::new(Body::new(Bytes::from(text)));
    *response.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    response
}
