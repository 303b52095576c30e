//! Informational answers (1xx) that come before the answer: how many of them Go takes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::FutureExt as _;
use go::http1::head;
use tokio::sync::Notify;

use crate::cause::Cause;
use crate::model::host::Endpoint;
use crate::model::outcome::Failure;
use crate::model::stage::Stage;
use crate::version::Version;

/// Go's bound on the head of an answer, all informational ones together.
const BYTES: usize = 10 << 20;
/// What older versions take.
const COUNT: usize = 5;
/// Go's words for more.
const TOO_MANY: &str = "net/http: too many 1xx informational responses";
/// `HTTP/1.1 100 ` and the ends of two lines.
const SMALLEST: usize = 17;

#[derive(Clone, Copy, Debug)]
pub struct Informational {
    by_size: bool,
}

impl Informational {
    pub fn of(version: Version) -> Self {
        Self { by_size: version.go().bounds_informational_by_size() }
    }

    /// Counts those that come before the answer to this request.
    pub fn watch(self, request: &mut http::Request<String>) -> Heads {
        let heads = Heads::default();
        let (seen, over) = (AtomicUsize::new(0), Arc::clone(&heads.over));
        hyper::ext::on_informational(request, move |answer| {
            let (weight, bound) = if self.by_size { (size(answer.headers()), BYTES) } else { (1, COUNT) };
            if seen.fetch_add(weight, Ordering::Relaxed) + weight > bound {
                over.notify_one();
            }
        });
        heads
    }

    pub fn refusal(self, endpoint: &Endpoint) -> Failure {
        let (detail, words) = if self.by_size {
            let words = format!("net/http: server response headers exceeded {BYTES} bytes; aborted");
            ("informational answers (1xx) of more than 10 MiB come before the answer", words)
        } else {
            let words = format!("{}{TOO_MANY}", head::BROKEN);
            ("more than five informational answers (1xx) come before the answer", words)
        };
        Failure::new(Stage::Ping, Cause::ResponseInvalid, detail).with_go_message(words).at(endpoint.host_port())
    }
}

fn size(headers: &http::HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum::<usize>() + SMALLEST
}

/// Of one request.
#[derive(Debug, Default)]
pub struct Heads {
    over: Arc<Notify>,
}

impl Heads {
    /// What is sent for, unless there are more than Go takes: then `None`, also where the answer came with them.
    pub async fn bound<T>(&self, answer: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.over.notified() => None,
            answer = answer => self.over.notified().now_or_never().is_none().then_some(answer),
        }
    }
}
