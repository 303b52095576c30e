//! Tells the API what there is to tell, at its own pace: condition and events know nothing of each other's trouble.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::client::Access;
use super::pace::Pace;
use super::report::Reporter;
use super::trouble::Trouble;
use crate::signals::{Channel, Condition, EventResult, Missing, Outgoing, Signals};

/// Until the next event may be due although nothing new happened.
const LOOK: Duration = Duration::from_secs(5);

/// Where signals are laid down for the API, and what became of them.
pub type Desk = watch::Sender<Signals>;

/// Tells what is laid down, for ever.
pub async fn tell(access: Access, node: String, desk: Arc<Desk>, clock: fn() -> Timestamp) {
    let teller = |access| Teller { reporter: Reporter::new(access, node.clone()), pace: Pace::new(), clock };
    let (condition, events) = (teller(access.clone()), teller(access));
    tokio::join!(condition.conditions(&desk), events.events(&desk));
}

struct Teller {
    reporter: Reporter,
    pace: Pace,
    clock: fn() -> Timestamp,
}

impl Teller {
    async fn conditions(mut self, desk: &Desk) {
        let mut news = desk.subscribe();
        loop {
            let work = of_condition(&news.borrow_and_update(), (self.clock)());
            let result = match &work {
                ConditionWork::Nothing => {
                    let _ = news.changed().await;
                    continue;
                }
                ConditionWork::Begin => self.reporter.found().await,
                ConditionWork::Report(condition) => self.reporter.condition(condition).await.map(|()| None),
            };
            let now = (self.clock)();
            desk.send_modify(|signals| {
                let Some(reporting) = &mut signals.condition else { return };
                match (&work, &result) {
                    (ConditionWork::Begin, Ok(found)) => reporting.begin(*found),
                    (ConditionWork::Report(condition), Ok(_)) => reporting.sent(condition.clone()),
                    _ => {}
                }
                note(signals.delivery.condition.get_or_insert_default(), &result, now, "report the node's condition");
            });
            self.rest(result.err()).await;
        }
    }

    async fn events(mut self, desk: &Desk) {
        let mut news = desk.subscribe();
        loop {
            news.mark_unchanged();
            let Some(outgoing) = self.next_event(desk) else {
                let _ = timeout(LOOK, news.changed()).await;
                continue;
            };
            let result = self.reporter.event(&outgoing).await;
            let now = (self.clock)();
            let outcome = match &result {
                Ok(count) => EventResult::Taken { count: *count },
                Err(trouble) if trouble.may_pass() => EventResult::Later,
                Err(_) => EventResult::Refused,
            };
            desk.send_modify(|signals| {
                let Some(recorder) = &mut signals.events else { return };
                recorder.done(&outgoing.event.key(), outcome);
                if result.as_ref().is_err_and(Trouble::is_about_one) {
                    return;
                }
                note(signals.delivery.events.get_or_insert_default(), &result, now, "write events");
            });
            match result {
                // The next one may be taken.
                Err(trouble) if outcome == EventResult::Refused => tracing::debug!(%trouble, "an event was refused"),
                other => self.rest(other.err()).await,
            }
        }
    }

    fn next_event(&self, desk: &Desk) -> Option<Outgoing> {
        let (now, mut next) = ((self.clock)(), None);
        desk.send_if_modified(|signals| {
            next = signals.events.as_mut().and_then(|recorder| recorder.next(now));
            false
        });
        next
    }

    /// After trouble with new credentials, and no sooner than the API server wants it.
    async fn rest(&mut self, trouble: Option<Trouble>) {
        match trouble {
            None => self.pace.restart(),
            Some(trouble) => {
                self.reporter.start_over();
                sleep(self.pace.next(trouble.retry_after())).await;
            }
        }
    }
}

enum ConditionWork {
    Nothing,
    /// To learn what an earlier agent reported.
    Begin,
    Report(Condition),
}

fn of_condition(signals: &Signals, now: Timestamp) -> ConditionWork {
    match &signals.condition {
        None => ConditionWork::Nothing,
        Some(reporting) if !reporting.has_begun() => ConditionWork::Begin,
        Some(reporting) => reporting.due(now).map_or(ConditionWork::Nothing, ConditionWork::Report),
    }
}

/// Logs once when it begins to fail, and once when it works again.
fn note<T>(channel: &mut Channel, result: &Result<T, Trouble>, now: Timestamp, doing: &str) {
    let had_trouble = channel.trouble.is_some();
    match result {
        Ok(_) => {
            channel.succeeded(now);
            if had_trouble {
                tracing::info!("the agent can {doing} again");
            }
        }
        Err(trouble) => {
            let why = trouble.of(doing);
            if !had_trouble {
                tracing::warn!(%why, "the agent cannot {doing}");
            }
            let missing = if trouble.is_missing_right() { Missing::Right } else { Missing::Answer };
            channel.failed(now, &why, missing);
        }
    }
}

#[cfg(test)]
mod tests;
