//! The requests that a registry has seen, in order, credentials included: tests assert which host
//! was given which.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::route::{Kind, Route};
use crate::socket::lock;

/// Counts over all registries of the process, so that requests to different hosts have an order.
static SEQUENCE: AtomicU64 = AtomicU64::new(0);

/// One request as it arrived.
#[derive(Clone, Debug)]
pub struct Request {
    /// Its place among the requests of all registries of this process.
    pub sequence: u64,
    /// When its head had been read.
    pub time: SystemTime,
    /// As `GET`.
    pub method: String,
    /// Without the query.
    pub path: String,
    /// As sent, without the question mark; empty = none.
    pub query: String,
    /// Names in lower case, values as sent, in order.
    pub headers: Vec<(String, String)>,
    /// The body, at most 64 KiB of it.
    pub body: String,
    /// What it asks for.
    pub kind: Kind,
    /// Empty where the kind has none.
    pub repository: String,
    /// Tag or digest; empty where the kind has none.
    pub reference: String,
    /// What was answered; `None` = nothing, or not yet.
    pub status: Option<u16>,
    /// The registry counted it as a pull.
    pub counted: bool,
    /// How many bytes of the answer's body were handed to the connection so far.
    pub body_sent: Arc<AtomicU64>,
}

/// The credential that a request carried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authorization {
    /// User name and password.
    Basic(String, String),
    /// The token.
    Bearer(String),
    /// Anything else, as sent.
    Other(String),
}

impl Request {
    pub(crate) fn new(
        method: &str,
        (path, query): (&str, &str),
        headers: Vec<(String, String)>,
        body: String,
        route: Route,
    ) -> Self {
        Self {
            sequence: SEQUENCE.fetch_add(1, Ordering::Relaxed),
            time: SystemTime::now(),
            method: method.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            headers,
            body,
            kind: route.kind,
            repository: route.repository,
            reference: route.reference,
            status: None,
            counted: false,
            body_sent: Arc::default(),
        }
    }

    /// `METHOD path?query`: enough to compare sequences.
    pub fn line(&self) -> String {
        let mark = if self.query.is_empty() { "" } else { "?" };
        format!("{} {}{mark}{}", self.method, self.path, self.query)
    }

    /// The first header of this (lower-case) name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The first value of this query parameter.
    pub fn parameter(&self, name: &str) -> Option<String> {
        form_values(&self.query, name).into_iter().next()
    }

    /// The registry for which containerd asks a mirror: the `ns` parameter.
    pub fn namespace(&self) -> Option<String> {
        self.parameter("ns")
    }

    /// The credential it carried; `None` = it was anonymous.
    pub fn authorization(&self) -> Option<Authorization> {
        let value = self.header("authorization")?;
        let (scheme, rest) = value.split_once(' ').unwrap_or((value, ""));
        if scheme.eq_ignore_ascii_case("bearer") {
            return Some(Authorization::Bearer(rest.to_owned()));
        }
        let basic = || {
            let text = String::from_utf8(STANDARD.decode(rest).ok()?).ok()?;
            let (user, password) = text.split_once(':')?;
            Some(Authorization::Basic(user.to_owned(), password.to_owned()))
        };
        let known = if scheme.eq_ignore_ascii_case("basic") { basic() } else { None };
        Some(known.unwrap_or_else(|| Authorization::Other(value.to_owned())))
    }
}

/// The values of `name` in a query or form, decoded.
pub(crate) fn form_values(form: &str, name: &str) -> Vec<String> {
    form.split('&')
        .filter_map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(key) == name).then(|| decode(value))
        })
        .collect()
}

fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        let hex = tail.get(..2).and_then(|hex| u8::from_str_radix(str::from_utf8(hex).ok()?, 16).ok());
        match (first, hex) {
            (b'+', _) => bytes.push(b' '),
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            _ => bytes.push(*first),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The requests of one registry.
#[derive(Debug, Default)]
pub(crate) struct Log(Mutex<Vec<Request>>);

impl Log {
    pub(crate) fn record(&self, request: Request) {
        lock(&self.0).push(request);
    }

    /// Notes the answer to the request of this sequence number.
    pub(crate) fn answered(&self, sequence: u64, status: u16, counted: bool) {
        let mut requests = lock(&self.0);
        if let Some(request) = requests.iter_mut().rfind(|request| request.sequence == sequence) {
            request.status = Some(status);
            request.counted = counted;
        }
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        lock(&self.0).clone()
    }

    pub(crate) fn clear(&self) {
        lock(&self.0).clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_decoded() {
        let form = "scope=repository%3Aa%2Fb%3Apull&service=x+y&scope=two&flag";
        assert_eq!(form_values(form, "scope"), ["repository:a/b:pull", "two"]);
        assert_eq!(form_values(form, "service"), ["x y"]);
        assert_eq!(form_values(form, "flag"), [""]);
        assert_eq!(decode("100%"), "100%");
    }
}
