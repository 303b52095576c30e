//! What holds of every report, whatever the world was: no verdict contradicts a line of its own report.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;

use serde_json::Value;

/// Stages of the walk, whose failures the attempts have to show.
const WALKED: [&str; 8] = ["dns", "tcp", "proxy", "tls", "ping", "token", "manifest", "blob"];
/// Causes that are concluded from more than one attempt, or from files.
const CONCLUDED: [&str; 3] = ["credentials_shadow_anonymous", "credentials_malformed", "credential_provider_failed"];
/// Only a login that was sent can have these faults.
const OF_A_SENT_LOGIN: [&str; 2] = ["credentials_rejected", "credentials_shadow_anonymous"];
/// Sentences that speak of a login that was sent.
const SPEAKS_OF_LOGIN: [&str; 4] =
    ["The login is good", "does not accept the user name", "It was sent as user", "this account may not"];
/// Endings of names that the tests give to servers.
const NAMES: [&str; 4] = [".example", ".demo", ".lab", ".test"];

/// Whose document it is.
#[derive(Clone, Copy, PartialEq)]
pub enum By {
    /// It lists every host that it asked.
    Check,
    /// It lists those that it watches.
    Run,
}

/// What a report was held against.
#[derive(Default)]
pub struct Held {
    pub statements: usize,
    pub contradictions: Vec<String>,
    /// What can be said of it, whether it applied or not.
    known: BTreeSet<&'static str>,
}

/// Of each image of a document.
pub fn of(document: &Value, by: By) -> Held {
    let mut held = Held::default();
    for image in list(&document["images"]) {
        let one = Report { image, document, by, statements: Cell::new(0), known: RefCell::default() };
        let found = one.contradictions();
        let name = text(&image["requested"]);
        held.contradictions
            .extend(found.into_iter().map(|what| format!("contradiction in the report on {name}: {what}")));
        held.statements += one.statements.get();
        held.known.extend(one.known.take());
    }
    held
}

struct Report<'d> {
    image: &'d Value,
    document: &'d Value,
    by: By,
    statements: Cell<usize>,
    known: RefCell<BTreeSet<&'static str>>,
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The status that a detail speaks of: of a second request, which another answer led to.
fn answered(detail: &str) -> Option<u64> {
    let (_, behind) = detail.split_once(" answered ")?;
    behind.split(' ').next()?.parse().ok()
}

impl Report<'_> {
    fn contradictions(&self) -> Vec<String> {
        [self.of_verdict(), self.of_attempts(), self.of_logins(), self.of_statuses(), self.of_limits(), self.of_names()]
            .concat()
    }

    /// `applies` and not `holds` is a contradiction; each that applies counts.
    fn check(&self, applies: bool, holds: bool, what: &'static str) -> Option<String> {
        self.known.borrow_mut().insert(what);
        self.statements.set(self.statements.get() + usize::from(applies));
        (applies && !holds).then(|| what.to_owned())
    }

    /// The same of something in particular.
    fn check_of(&self, subject: &str, holds: bool, what: &'static str) -> Option<String> {
        self.check(true, holds, what).map(|what| format!("{subject} {what}"))
    }

    fn cause(&self) -> &str {
        text(&self.image["cause"])
    }

    fn fails(&self) -> bool {
        self.image["pullable"] == false
    }

    fn attempts(&self) -> &[Value] {
        list(&self.image["attempts"])
    }

    fn sent(&self) -> bool {
        self.attempts().iter().any(|attempt| attempt["credential_sent"] == true)
    }

    /// What is said in sentences.
    fn said(&self) -> String {
        let details = self.attempts().iter().map(|attempt| text(&attempt["detail"]));
        let own = ["summary", "fix"].map(|field| text(&self.image[field]));
        own.into_iter().chain(details).collect::<Vec<_>>().join("\n")
    }

    fn of_verdict(&self) -> Vec<String> {
        let image = self.image;
        let pullable = image["pullable"].as_bool();
        let runs = image["runnable"] == true;
        let others = list(&image["also_possible"]);
        [
            self.check(runs, pullable == Some(true), "it would start, but it cannot be pulled"),
            self.check(pullable.is_none(), image["cause"].is_null(), "it is unknown, and yet there is a cause"),
            self.check(pullable.is_none(), image["kubelet_message"].is_null(), "it is unknown, and yet kubelet speaks"),
            self.check(pullable.is_none(), image["unknown_because"].is_string(), "it is unknown, and nothing says why"),
            self.check(pullable.is_some(), image["unknown_because"].is_null(), "it is known, and yet said to be open"),
            self.check(self.fails(), !image["cause"].is_null(), "it fails without a cause"),
            self.check(self.fails(), !image["owner"].is_null(), "it fails, and nobody can fix it"),
            self.check(self.fails(), !text(&image["fix"]).is_empty(), "it fails without a fix"),
            self.check(self.fails(), image["kubelet_message"].is_string(), "it fails, and kubelet says nothing"),
            self.check(
                !others.is_empty(),
                !others.contains(&image["cause"]),
                "the cause is also among its alternatives",
            ),
            self.check(true, self.cause() != "unclassified", "a failure is unclassified"),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    fn of_attempts(&self) -> Vec<String> {
        let attempts = self.attempts();
        let last = attempts.last();
        let pulled = self.image["pullable"] == true && last.is_some();
        let is_walked = self.fails() && WALKED.contains(&text(&self.image["stage"]));
        let (host, cause) = (text(&self.image["host"]), self.cause());
        let of_cause: Vec<&Value> = attempts.iter().filter(|attempt| attempt["cause"] == cause).collect();
        let is_concluded = CONCLUDED.contains(&cause);
        let at_manifest = is_walked && text(&self.image["stage"]) != "blob" && !is_concluded && !attempts.is_empty();
        let failed = attempts.iter().any(|attempt| attempt["ok"] == false);
        [
            self.check(
                pulled,
                last.is_some_and(|last| last["ok"] == true),
                "it can be pulled, and the last attempt failed",
            ),
            self.check(at_manifest && failed, !of_cause.is_empty(), "no attempt failed for the cause of the verdict"),
            self.check(is_walked && !host.is_empty(), self.knows(host), "the host of the verdict stands nowhere else"),
            self.check(
                self.fails() && cause == "head_refused",
                of_cause.iter().any(|attempt| text(&attempt["detail"]).contains("GET of the same is answered 200")),
                "HEAD is said to be refused, and no GET was answered",
            ),
            self.check(
                self.fails() && cause == "storage_refused",
                !["registry", "network"].iter().all(|owner| self.image["owner"] != **owner),
                "a storage refuses, and neither registry nor network can fix it",
            ),
            self.check(
                self.is_redirect(host),
                !["access_denied", "credentials_missing", "credentials_rejected", "not_found_or_denied"]
                    .contains(&cause),
                "the host of a redirect refuses, and the login is at fault",
            ),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    fn of_logins(&self) -> Vec<String> {
        let said = self.said();
        let about = SPEAKS_OF_LOGIN.iter().find(|words| said.contains(**words));
        let has_login = self.sent() || (self.attempts().is_empty() && !self.image["credential"].is_null());
        let missing = self.fails() && self.cause() == "credentials_missing";
        let sent_there =
            |attempt: &Value| attempt["cause"] == "credentials_missing" && attempt["credential_sent"] == true;
        let of_sent = self.fails() && OF_A_SENT_LOGIN.contains(&self.cause());
        [
            about.and_then(|words| self.check_of(words, has_login, "is said of a login, and none was sent")),
            self.check(of_sent, has_login, "a login is refused that was not sent"),
            self.check(missing, !self.attempts().iter().any(sent_there), "a login is missing, and one was sent"),
            self.check(
                said.contains("no login was sent"),
                !self.attempts().iter().all(|attempt| attempt["credential_sent"] == true),
                "no login was sent, and each attempt had one",
            ),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// Of each attempt: what its cause means, and the status that it met.
    fn of_statuses(&self) -> Vec<String> {
        let of_attempt = |attempt: &Value| {
            let status = answered(text(&attempt["detail"])).or(attempt["http_status"].as_u64())?;
            let cause = text(&attempt["cause"]);
            let fits = match cause {
                "" => status < 400,
                // A whole answer is no broken one.
                "response_invalid" => !(400..500).contains(&status),
                "registry_error" | "head_refused" | "storage_refused" | "status_unexpected" | "request_too_large"
                | "filter_blocked" | "legally_blocked" | "policy_blocked" | "access_denied" | "login_locked" => {
                    status >= 400
                }
                "rate_limited" | "throttled" => {
                    status == 429 || status < 400 || status == 403 || status == 503 || status == 401
                }
                _ => true,
            };
            self.check_of(&format!("{cause} of an answer {status}"), fits, "cannot be")
        };
        let ended = self.said().contains("ended in the middle") && self.cause() == "response_invalid";
        let clean =
            |attempt: &Value| attempt["http_status"].as_u64().is_some_and(|status| (400..500).contains(&status));
        let of_cause = self.attempts().iter().filter(|attempt| attempt["cause"] == self.cause());
        let broken =
            self.check(ended, !of_cause.clone().any(clean), "a whole answer is said to have ended in the middle");
        self.attempts().iter().filter_map(of_attempt).chain(broken).collect()
    }

    fn of_limits(&self) -> Vec<String> {
        let limit = &self.image["rate_limit"];
        let cause = self.cause();
        let left = limit["remaining"].as_u64();
        let is_there =
            text(&limit["endpoint"]).is_empty() || Self::is_at(text(&limit["endpoint"]), text(&self.image["host"]));
        let quota = self.fails() && cause == "rate_limited" && is_there;
        [
            self.check(quota, left.is_none_or(|left| left == 0), "the quota is used up, and pulls remain"),
            self.check(
                self.fails() && cause == "login_locked",
                limit["blocked_by"] != "quota",
                "the login is locked, and the quota is what blocks",
            ),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// Every host that the summary and the details name is one of the report's.
    fn of_names(&self) -> Vec<String> {
        let mut said = vec![text(&self.image["summary"])];
        said.extend(self.attempts().iter().map(|attempt| text(&attempt["detail"])));
        let is_name = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
        let words = said.iter().flat_map(|text| text.split(|c: char| !is_name(c)));
        let names: BTreeSet<&str> = words
            .map(|word| word.trim_matches('.'))
            .filter(|word| NAMES.iter().any(|end| word.ends_with(end)))
            .collect();
        // A proxy of which nothing is known stands in the node's files, and in words alone.
        let by_proxy = self.attempts().iter().any(|attempt| text(&attempt["cause"]) == "proxy_unreachable");
        let unknown = names.iter().filter_map(|name| {
            let is_elsewhere = self.stands_elsewhere(name) || (by_proxy && name.starts_with("proxy."));
            self.check_of(name, is_elsewhere, "is named, and stands nowhere else in the report")
        });
        unknown.collect()
    }

    /// In what is asked for, tried or found: not only in sentences.
    fn stands_elsewhere(&self, name: &str) -> bool {
        let name = &name.to_lowercase();
        let image = self.image;
        let fields =
            [&image["requested"], &image["image"], &image["host"], &image["credential"], &image["kubelet_message"]];
        let places = [&self.document["endpoints"], &self.document["findings"], &self.document["observations"]];
        let asked = self.attempts().iter().map(|attempt| &attempt["endpoint"]);
        fields.into_iter().chain(places).chain(asked).any(|value| value.to_string().to_lowercase().contains(name))
            || image["blob"].to_string().to_lowercase().contains(name)
            || image["candidates"].to_string().to_lowercase().contains(name)
    }

    fn is_at(endpoint: &str, host: &str) -> bool {
        let place = endpoint.split_once("://").map_or(endpoint, |(_, authority)| authority);
        host.is_empty() || host == place || host.rsplit_once(':').is_some_and(|(name, _)| name == place)
    }

    /// Whether a host is asked, tried, climbed to or spoken of by containerd.
    fn knows(&self, host: &str) -> bool {
        let name = host.rsplit_once(':').map_or(host, |(name, _)| name).trim_matches(['[', ']']).to_lowercase();
        let endpoints = list(&self.document["endpoints"]).iter();
        let mut places = self.attempts().iter().chain(endpoints).map(|one| text(&one["endpoint"]).to_lowercase());
        // An agent names a host of a blob or token once before it watches it.
        let is_led = ["blob", "token"].contains(&text(&self.image["stage"]));
        let watches_none = self.by == By::Run
            && is_led
            && list(&self.document["endpoints"]).iter().all(|one| one["role"] != "redirect" && one["role"] != "token");
        watches_none
            || places.any(|place| place.contains(&name))
            || self.document["endpoints"].to_string().to_lowercase().contains(&name)
            || text(&self.image["kubelet_message"]).to_lowercase().contains(&name)
    }

    fn is_redirect(&self, host: &str) -> bool {
        let redirects = list(&self.document["endpoints"]).iter().filter(|one| one["role"] == "redirect");
        let is_it = |one: &Value| !host.is_empty() && Self::is_at(text(&one["endpoint"]), host);
        let planned = list(&self.document["endpoints"]).iter().any(|one| one["role"] != "redirect" && is_it(one));
        // A registry may send to another registry, which has logins of its own.
        self.fails() && text(&self.image["stage"]) == "blob" && !planned && redirects.clone().any(is_it)
    }
}

#[cfg(test)]
mod tests;
