//! What a GET of a manifest costs at each host, and the one way to make one.
//!
//! A registry that announces no limit counts nothing. Most tell of theirs with a HEAD, which is free. Where
//! the answer to a GET is the first to tell, one pull is spent by then: it is booked at once, and from then
//! on this host is asked only within the budget.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

use tokio::sync::Mutex;

use super::super::ratelimit;
use super::super::session::{Answer, Ask, NoAnswer};
use super::{Pull, Stop};
use crate::model::host::Endpoint;
use crate::model::ratelimit::{LimitState, RateLimit};

/// More hosts than a node names; any further one is as new at each GET.
const HOSTS_LIMIT: usize = 4_096;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Price {
    /// No GET was made there yet.
    #[default]
    Unknown,
    /// What the host says to a HEAD is all there is.
    AsTold,
    /// It has a limit that a HEAD does not tell of.
    Hidden,
}

/// What was learnt of the hosts, for as long as the process lives.
#[derive(Debug, Default)]
pub struct Prices {
    hosts: std::sync::Mutex<BTreeMap<Endpoint, Arc<Mutex<Price>>>>,
}

impl Prices {
    fn of(&self, host: &Endpoint) -> Arc<Mutex<Price>> {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if hosts.len() >= HOSTS_LIMIT && !hosts.contains_key(host) {
            return Arc::default();
        }
        Arc::clone(hosts.entry(host.clone()).or_default())
    }
}

impl Pull<'_> {
    /// Whether a manifest that is got there is known to be counted.
    pub(super) async fn is_counted(&mut self, index: usize) -> bool {
        let price = self.budget.prices().of(&self.sessions[index].host.endpoint);
        let price = *price.lock().await;
        self.note_price(index, price);
        self.counts[index]
    }

    fn note_price(&mut self, index: usize, price: Price) {
        if price != Price::Hidden || self.counts[index] {
            return;
        }
        self.counts[index] = true;
        if self.limits[index].state == LimitState::Unlimited {
            // That a HEAD was silent tells nothing here.
            self.limits[index] = RateLimit::default();
        }
    }

    /// Where it is counted, one pull is taken from the budget first.
    pub(super) async fn get_manifest(&mut self, index: usize, ask: &Ask) -> Result<Result<Answer, NoAnswer>, Stop> {
        let host = self.sessions[index].host.endpoint.clone();
        let price = self.budget.prices().of(&host);
        let known = price.lock().await;
        self.note_price(index, *known);
        let paid = self.counts[index];
        // At a host that nobody knows one asks, and the others go by what it is told.
        let alone = (!paid && *known == Price::Unknown).then_some(known);
        if paid {
            if !self.budget.spend() {
                return Err(Stop::OverBudget);
            }
            self.network.usage.counted_pull(&host);
        }
        let sent = self.sessions[index].ask(ask).await;
        let counted = |answer: &Answer| answer.response.status.is_success() && ratelimit::announces(&answer.response);
        let found_out = !paid && sent.as_ref().is_ok_and(counted);
        if found_out {
            self.budget.book();
            self.network.usage.counted_pull(&host);
        }
        match alone {
            Some(mut known) => *known = if found_out { Price::Hidden } else { Price::AsTold },
            None if found_out => *price.lock().await = Price::Hidden,
            None => {}
        }
        if let Ok(answer) = &sent {
            self.learn_limit(index, answer);
        }
        Ok(sent)
    }

    pub(super) fn learn_limit(&mut self, index: usize, answer: &Answer) {
        self.book.warned(answer);
        let told = ratelimit::of(&answer.response, self.network.clock());
        self.counts[index] |= ratelimit::announces(&answer.response);
        let silent = match told.state {
            // Announced once, a limit is not gone because one answer does not repeat it.
            LimitState::Unlimited => self.counts[index],
            LimitState::Unknown => self.limits[index].state != LimitState::Unknown,
            LimitState::Limited | LimitState::Blocked => false,
        };
        if !silent {
            self.limits[index] = told;
        }
    }
}
