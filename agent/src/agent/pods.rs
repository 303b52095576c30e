//! The pods of the node, followed through the Kubernetes API while the agent runs.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Notify;
use tokio::time::sleep;

use super::pull_budget::Clock;
use crate::cluster::{self, Access, NoAccess, Pods};
use crate::pods::Book;
use crate::redact::clean::Clean;
use crate::settings::Discovery;
use crate::state::changes::Changes;
use crate::state::store::Store;

/// However many pods come and go, what is shown changes no more often.
const PACE: Duration = Duration::from_millis(500);

pub struct NodePods {
    /// `None`: the API is not asked.
    access: Option<Access>,
    known: Arc<Pods>,
    /// There is an image that a pod waits for and did not wait for before.
    changed: Notify,
    probes_waiting: bool,
}

impl NodePods {
    /// As the settings want it, where this is a pod with a token.
    pub fn of(discover: &Discovery, now: Timestamp) -> Self {
        let access = Access::in_cluster(|name| std::env::var(name).ok(), Path::new(Access::DIRECTORY));
        Self::with(access, discover, now)
    }

    pub fn with(access: Result<Access, NoAccess>, discover: &Discovery, now: Timestamp) -> Self {
        let is_wanted = discover.waiting_pods != Some(false) || discover.node_pods;
        let is_asked_for = discover.waiting_pods == Some(true) || discover.node_pods;
        let is_asked = is_asked_for || (is_wanted && access.is_ok());
        let mut book = if is_asked { Book::asking(now) } else { Book::default() };
        if let (Err(why), true) = (&access, is_asked_for) {
            book.down(now, &why.to_string());
        }
        let access = access.ok().filter(|_| is_wanted);
        let probes_waiting = discover.waiting_pods != Some(false);
        Self { access, known: Arc::new(Pods::new(Arc::new(book))), changed: Notify::new(), probes_waiting }
    }

    pub fn book(&self) -> Arc<Book> {
        Arc::clone(&self.known.borrow())
    }

    pub const fn probes_waiting(&self) -> bool {
        self.probes_waiting
    }

    /// Ends when a pod waits for an image that none waited for before.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Follows the pods of the node, and puts what is known into the store.
    pub async fn run(self: Arc<Self>, node: String, shown: Shown) {
        shown.put(self.book());
        let Some(access) = self.access.clone() else { return };
        let follow = cluster::follow(access, node, Arc::clone(&self.known), shown.clock);
        tokio::join!(follow, self.publish(&shown));
    }

    async fn publish(&self, shown: &Shown) {
        let mut known = self.known.subscribe();
        let mut before: BTreeSet<Clean> = BTreeSet::new();
        while known.changed().await.is_ok() {
            sleep(PACE).await;
            let book = Arc::clone(&known.borrow_and_update());
            let waiting: BTreeSet<Clean> = book.waiting().map(|need| need.image.clone()).collect();
            shown.put(book);
            if !waiting.is_subset(&before) {
                self.changed.notify_one();
            }
            before = waiting;
        }
    }
}

/// Where the pods are shown, and where it is told what that changes.
pub struct Shown {
    pub store: Arc<Store>,
    pub changes: Arc<Changes>,
    pub clock: Clock,
}

impl Shown {
    fn put(&self, book: Arc<Book>) {
        let changed = self.store.apply_pods(book, (self.clock)());
        self.changes.images(&changed, &self.store.snapshot());
    }
}

#[cfg(test)]
mod tests;
