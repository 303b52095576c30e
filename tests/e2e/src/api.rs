//! The API server as the cluster's administrator asks it: objects by path, and waiting by watching.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::TryStreamExt as _;
use http::{Method, Request};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::WatchEvent;
use kube::{Client, Config};
use serde_json::Value;

use crate::Result;

/// How long anything in the cluster may take.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long the API server may take to start.
const START: Duration = Duration::from_secs(60);
/// Between two looks at what tells nobody when it is ready.
const LOOK: Duration = Duration::from_millis(200);

#[derive(Clone)]
pub struct Api(Client);

impl Api {
    pub async fn connect(kubeconfig: &std::path::Path) -> Result<Self> {
        let file = Kubeconfig::read_from(kubeconfig)?;
        let mut config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await?;
        // A watch is silent for as long as nothing happens.
        config.read_timeout = None;
        Ok(Self(Client::try_from(config)?))
    }

    /// Until it says that it is ready: every 200 ms, as nothing tells.
    pub async fn ready(&self) -> Result {
        let mut look = tokio::time::interval(LOOK);
        let ready = async {
            loop {
                look.tick().await;
                if self.text("/readyz").await.is_ok() {
                    return;
                }
            }
        };
        tokio::time::timeout(START, ready).await.map_err(|_| "the API server does not become ready: see its log")?;
        Ok(())
    }

    pub async fn text(&self, path: &str) -> Result<String> {
        Ok(self.0.request_text(Request::get(path).body(Vec::new())?).await?)
    }

    pub async fn get(&self, path: &str) -> Result<Value> {
        Ok(serde_json::from_str(&self.text(path).await?)?)
    }

    /// The items of a list.
    pub async fn list(&self, path: &str) -> Result<Vec<Value>> {
        let list = self.get(path).await?;
        Ok(list["items"].as_array().cloned().unwrap_or_default())
    }

    /// What the answer is to this object.
    pub async fn send(&self, method: Method, path: &str, object: &Value) -> Result<Value> {
        let request = Request::builder().method(method).uri(path).header("content-type", "application/json");
        Ok(self.0.request(request.body(serde_json::to_vec(object)?)?).await?)
    }

    /// The first state of any object of a collection that `wanted` takes; `path` may have a query.
    pub async fn until<T>(&self, path: &str, what: &str, mut wanted: impl FnMut(&Value) -> Option<T>) -> Result<T> {
        // Without a resource version a watch begins with all that is there.
        let found = self.watch(path, "", |event| match event {
            Seen::There(object) => wanted(object),
            Seen::Gone(_) => None,
        });
        found.await.map_err(|error| format!("waiting for {what}: {error}").into())
    }

    /// Until none of a collection is there any more.
    pub async fn until_gone(&self, path: &str, what: &str) -> Result {
        let list = self.get(path).await?;
        let items = list["items"].as_array().map(Vec::as_slice).unwrap_or_default();
        let mut there: BTreeSet<String> = items.iter().map(identity).collect();
        if there.is_empty() {
            return Ok(());
        }
        let version = list["metadata"]["resourceVersion"].as_str().unwrap_or_default();
        let gone = self.watch(path, version, |event| {
            match event {
                Seen::There(object) => there.insert(identity(object)),
                Seen::Gone(object) => there.remove(&identity(object)),
            };
            there.is_empty().then_some(())
        });
        gone.await.map_err(|error| format!("waiting for the end of {what}: {error}").into())
    }

    async fn watch<T>(&self, path: &str, since: &str, mut see: impl FnMut(Seen<'_>) -> Option<T>) -> Result<T> {
        let joint = if path.contains('?') { '&' } else { '?' };
        let request = Request::get(format!("{path}{joint}watch=1&resourceVersion={since}")).body(Vec::new())?;
        let events = self.0.request_events::<Value>(request).await?;
        let mut events = std::pin::pin!(events);
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let event = tokio::time::timeout_at(deadline, events.try_next()).await;
            let event = event.map_err(|_| format!("not within {} s", PATIENCE.as_secs()))??;
            let found = match event.ok_or("the watch ended")? {
                WatchEvent::Added(object) | WatchEvent::Modified(object) => see(Seen::There(&object)),
                WatchEvent::Deleted(object) => see(Seen::Gone(&object)),
                WatchEvent::Bookmark(_) => None,
                WatchEvent::Error(status) => return Err(format!("{status:?}").into()),
            };
            if let Some(found) = found {
                return Ok(found);
            }
        }
    }
}

enum Seen<'a> {
    There(&'a Value),
    Gone(&'a Value),
}

fn identity(object: &Value) -> String {
    object["metadata"]["uid"].as_str().unwrap_or_default().to_owned()
}
