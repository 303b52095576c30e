//! The Kubernetes API as the agent asks it: a list, then a watch, of the pods of its node; and what the node tells it.

mod client;
mod events;
mod list;
mod pace;
mod report;
mod tell;
#[cfg(test)]
mod tests;
mod trouble;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use crate::pods::{Book, Listed};
use client::Client;
pub use client::{Access, NoAccess};
use events::Event;
use list::Version;
use pace::Pace;
pub use tell::{Desk, tell};
use trouble::Trouble;

/// A watch that ends sooner says that something is wrong, even if it ends in good order.
const SHORT_WATCH: Duration = Duration::from_secs(5);

/// Lists that follow each other faster are a sign of trouble, however well each goes.
const OFTEN: Duration = Duration::from_mins(1);

/// Where the pods of the node are kept, for whoever wants to know.
pub type Pods = watch::Sender<Arc<Book>>;

/// Follows the pods of a node, for ever. Whatever goes wrong is written into the book, and tried again.
pub async fn follow(access: Access, node: String, pods: Arc<Pods>, clock: fn() -> Timestamp) {
    let mut following = Following::new(access, node, pods, clock);
    loop {
        following.step().await;
    }
}

struct Following {
    access: Access,
    node: String,
    pods: Arc<Pods>,
    clock: fn() -> Timestamp,
    /// `None`: to be made anew, with the token and the authorities as they lie there then.
    client: Option<Client>,
    version: Version,
    pace: Pace,
    /// When the pods were last listed.
    listed: Option<Instant>,
}

impl Following {
    fn new(access: Access, node: String, pods: Arc<Pods>, clock: fn() -> Timestamp) -> Self {
        let (client, version, pace, listed) = (None, Version::Any, Pace::new(), None);
        Self { access, node, pods, clock, client, version, pace, listed }
    }

    /// One list where one is needed, and one watch.
    async fn step(&mut self) {
        let began = Instant::now();
        let trouble = match self.list_and_watch().await {
            Ok(()) if began.elapsed() >= SHORT_WATCH => return self.pace.restart(),
            Ok(()) => None,
            Err(trouble) => Some(trouble),
        };
        if began.elapsed() >= SHORT_WATCH && matches!(trouble, Some(Trouble::Ended(_))) {
            self.pace.restart();
        }
        match &trouble {
            Some(Trouble::Expired) => self.version = self.version.expired(),
            // It may have been the connection alone: the next request tells.
            Some(Trouble::Ended(_)) | None => self.client = None,
            Some(trouble) => {
                self.client = None;
                self.tell_down(trouble);
            }
        }
        sleep(self.pace.next(trouble.as_ref().and_then(Trouble::retry_after))).await;
    }

    async fn list_and_watch(&mut self) -> Result<(), Trouble> {
        let client = match &self.client {
            Some(client) => client.clone(),
            None => self.client.insert(Client::new(&self.access)?).clone(),
        };
        let version = match &self.version {
            Version::Watched(version) => version.clone(),
            unknown => {
                let list = list::list(&client, &self.node, unknown).await?;
                // What was wrong is over: a version that is forgotten hours later is no further failure.
                if self.listed.is_none_or(|before| before.elapsed() >= OFTEN) {
                    self.pace.restart();
                }
                self.listed = Some(Instant::now());
                let now = (self.clock)();
                self.change(|book| book.replace(list.pods, list.left_out, now));
                self.version = Version::Watched(list.version.clone());
                list.version
            }
        };
        let mut watch = events::watch(&client, &self.node, &version).await?;
        self.tell_up();
        while let Some(event) = watch.next().await? {
            self.take(event);
        }
        Ok(())
    }

    fn take(&mut self, event: Event) {
        let now = (self.clock)();
        let version = match event {
            Event::Put(pod) => {
                self.change(|book| book.put(Listed::from(&*pod), now));
                pod.metadata.resource_version.to_string()
            }
            Event::Gone(pod) => {
                self.change(|book| book.remove(&pod.key()));
                pod.metadata.resource_version.to_string()
            }
            Event::Bookmark(version) => version,
        };
        if !version.is_empty() {
            self.version = Version::Watched(version);
        }
    }

    fn change(&self, edit: impl FnOnce(&mut Book)) {
        self.pods.send_modify(|book| edit(Arc::make_mut(book)));
    }

    fn tell_up(&self) {
        let now = (self.clock)();
        let is_news = !self.pods.borrow().is_up();
        if is_news {
            self.change(|book| book.up(now));
        }
    }

    fn tell_down(&self, trouble: &Trouble) {
        let (now, why) = ((self.clock)(), trouble.to_string());
        if self.pods.borrow().is_up() {
            tracing::warn!(%why, "the Kubernetes API does not tell of the pods of this node any more");
        }
        self.change(|book| book.down(now, &why));
    }
}
