//! Faults as data: which request, and what becomes of its answer.

use serde::Deserialize;

use super::record::Request;
use super::route::Kind;
use crate::pattern::fits;

/// One rule.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Fault {
    /// Which requests; empty = all.
    pub when: When,
    /// What happens to them.
    pub then: Then,
}

/// Which requests a rule is about: those that meet every condition given.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct When {
    /// As `HEAD`.
    pub method: Option<String>,
    /// `None` and [`Kind::Any`] = all kinds.
    pub kind: Option<Kind>,
    /// The path without query; `*` stands for any text.
    pub path: Option<String>,
    /// The query; `*` stands for any text.
    pub query: Option<String>,
    /// Whether it carries an `Authorization` header.
    pub authorized: Option<bool>,
    /// From the nth such request on, the first being 1.
    pub nth: Option<u32>,
    /// For so many of them; `None` = all, or one if `nth` is given.
    pub count: Option<u32>,
}

impl When {
    fn meets(&self, request: &Request) -> bool {
        let is = |wanted: &Option<String>, text: &str| wanted.as_ref().is_none_or(|pattern| fits(pattern, text));
        self.kind.is_none_or(|kind| kind == Kind::Any || kind == request.kind)
            && self.method.as_ref().is_none_or(|method| method.eq_ignore_ascii_case(&request.method))
            && is(&self.path, &request.path)
            && is(&self.query, &request.query)
            && self.authorized.is_none_or(|wanted| wanted == request.header("authorization").is_some())
    }

    /// Whether the rule is in force for the `number`th request that meets it.
    fn in_force(&self, number: u32) -> bool {
        let first = self.nth.unwrap_or(1);
        let count = self.count.unwrap_or(if self.nth.is_some() { 1 } else { u32::MAX });
        number >= first && number - first < count
    }
}

/// What happens to an answer. Without `status`, `redirect` and `raw` the registry's own answer is
/// made first and then altered; text may name other parts of the lab as `${name}`, the registry as
/// `${self}` and the request's path with its query as `${path}`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(clippy::struct_excessive_bools, reason = "each is one independent fault of a data file")]
pub struct Then {
    /// Answer this in place of everything the registry would do.
    pub status: Option<u16>,
    /// Error document of the distribution API: code and message.
    pub error: Option<(String, String)>,
    /// The body as it stands.
    pub body: Option<String>,
    /// Headers added, each also more than once.
    pub headers: Vec<(String, String)>,
    /// Headers taken away.
    pub remove_headers: Vec<String>,
    /// `Content-Type` in place of the right one.
    pub content_type: Option<String>,
    /// `Location` of a redirect, absolute or relative; `"${path}"` is a loop.
    pub redirect: Option<String>,
    /// Wait before answering.
    pub delay_ms: u64,
    /// The connection ends after so many bytes of the body; the length announced is the full one.
    pub truncate_at: Option<usize>,
    /// Nothing comes after so many bytes of the body.
    pub stall_at: Option<usize>,
    /// The body is repeated without end, without a length.
    pub endless: bool,
    /// So many spaces are added to the body.
    pub pad: usize,
    /// One byte in the middle of the body is changed.
    pub corrupt: bool,
    /// The body is sent in gzip, whether anybody asked for that or not.
    pub gzip: bool,
    /// With `gzip`: the checksum at its end is another.
    pub wrong_checksum: bool,
    /// No length is announced.
    pub chunked: bool,
    /// The whole is sent, whichever part of it was asked for.
    pub ignore_range: bool,
    /// What becomes of `Docker-Content-Digest`.
    pub digest_header: Option<DigestHeader>,
    /// Close the connection without an answer.
    pub close_early: bool,
    /// Reset the connection without an answer.
    pub reset: bool,
    /// Never answer.
    pub hang: bool,
    /// These bytes in place of an HTTP response, then close.
    pub raw: Option<String>,
}

/// Faults of the `Docker-Content-Digest` header.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DigestHeader {
    /// It is not sent.
    Omitted,
    /// It is the digest of other bytes.
    Wrong,
    /// It is this text.
    Text(String),
}

/// Rules are written in Rust as `Fault::on(Kind::Token).method("POST").status(404)`.
impl Fault {
    /// Rule about requests of one kind.
    pub fn on(kind: Kind) -> Self {
        Self { when: When { kind: Some(kind), ..When::default() }, then: Then::default() }
    }

    /// Only requests with this method.
    #[must_use]
    pub fn method(mut self, method: &str) -> Self {
        self.when.method = Some(method.to_owned());
        self
    }

    /// Only paths like this; `*` stands for any text.
    #[must_use]
    pub fn path(mut self, pattern: &str) -> Self {
        self.when.path = Some(pattern.to_owned());
        self
    }

    /// Only the nth of them, the first being 1.
    #[must_use]
    pub fn nth(mut self, nth: u32) -> Self {
        self.when.nth = Some(nth);
        self
    }

    /// Only so many of them.
    #[must_use]
    pub fn count(mut self, count: u32) -> Self {
        self.when.count = Some(count);
        self
    }

    /// Answer with this status.
    #[must_use]
    pub fn status(mut self, status: u16) -> Self {
        self.then.status = Some(status);
        self
    }

    /// Answer with this status and an error document.
    #[must_use]
    pub fn error(mut self, status: u16, code: &str, message: &str) -> Self {
        self.then.status = Some(status);
        self.then.error = Some((code.to_owned(), message.to_owned()));
        self
    }

    /// Add a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.then.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// This body in place of the right one.
    #[must_use]
    pub fn body(mut self, body: &str) -> Self {
        self.then.body = Some(body.to_owned());
        self
    }

    /// Answer with a redirect.
    #[must_use]
    pub fn redirect(mut self, location: &str) -> Self {
        self.then.redirect = Some(location.to_owned());
        self
    }

    /// This action in place of what was said so far.
    #[must_use]
    pub fn then(mut self, then: Then) -> Self {
        self.then = then;
        self
    }
}

/// The rules of one registry with how often each was met.
#[derive(Debug)]
pub(crate) struct Faults(Vec<(Fault, u32)>);

impl Faults {
    pub(crate) fn new(faults: Vec<Fault>) -> Self {
        Self(faults.into_iter().map(|fault| (fault, 0)).collect())
    }

    pub(crate) fn add(&mut self, fault: Fault) {
        self.0.push((fault, 0));
    }

    /// The action of the first rule in force; every rule counts what meets it.
    pub(crate) fn pick(&mut self, request: &Request) -> Option<Then> {
        let mut picked = None;
        for (fault, seen) in &mut self.0 {
            if fault.when.meets(request) {
                *seen += 1;
                if picked.is_none() && fault.when.in_force(*seen) {
                    picked = Some(fault.then.clone());
                }
            }
        }
        picked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_in_force_for_its_window() {
        let window = |nth, count| {
            let when = When { nth, count, ..When::default() };
            (1..=5).filter(|number| when.in_force(*number)).collect::<Vec<_>>()
        };
        assert_eq!(window(None, None), [1, 2, 3, 4, 5]);
        assert_eq!(window(None, Some(2)), [1, 2]);
        assert_eq!(window(Some(3), None), [3]);
        assert_eq!(window(Some(2), Some(2)), [2, 3]);
    }

    #[test]
    fn unknown_fields_are_refused() {
        assert!(toml::from_str::<Fault>("when = {kind = 'blob'}\nthen = {status = 404}").is_ok());
        assert!(toml::from_str::<Fault>("then = {stauts = 404}").is_err());
        assert!(toml::from_str::<Fault>("when = {kind = 'blobs'}").is_err());
    }
}
