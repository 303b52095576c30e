//! Reads what an answer says of a pull quota. The forecast is an alert rule's business.

use std::time::Duration;

use http::StatusCode;
use jiff::Timestamp;

use super::Errors;
use super::evidence::Party;
use crate::cause::Cause;
use crate::http::Response;
use crate::model::ratelimit::{LimitState, Limiter, RateLimit};
use crate::redact::clip::clip;
use crate::refusal;

/// The longest pause that is believed: a day.
const PAUSE_LIMIT: Duration = Duration::from_secs(86_400);

const LIMIT: &str = "ratelimit-limit";
const REMAINING: &str = "ratelimit-remaining";

/// Whether an answer speaks of a limit on pulls, be it in numbers or, as Docker Hub sometimes does, without.
pub fn announces(response: &Response) -> bool {
    [LIMIT, REMAINING].iter().any(|name| response.headers.contains_key(*name))
}

/// The limits that the headers announce. `now` is for a `Retry-After` that is a date.
pub fn read(response: &Response, now: Timestamp) -> RateLimit {
    let (limit, window) = quantity(response, LIMIT);
    let (remaining, other_window) = quantity(response, REMAINING);
    let refused = response.status == StatusCode::TOO_MANY_REQUESTS;
    let state = match (limit, remaining) {
        _ if refused => LimitState::Blocked,
        (_, Some(0)) => LimitState::Blocked,
        (Some(_), _) | (_, Some(_)) => LimitState::Limited,
        (None, None) if response.status.is_success() && !announces(response) => LimitState::Unlimited,
        (None, None) => LimitState::Unknown,
    };
    RateLimit {
        state,
        limit,
        remaining,
        window: window.or(other_window),
        source: response.header("docker-ratelimit-source").map(|source| clip(source.to_owned())).map(Into::into),
        retry_after: retry_after(response, now),
        blocked_by: (remaining == Some(0)).then_some(Limiter::Quota),
    }
}

/// What a whole answer of `by` tells: a 429 says in its words which limit it is, and sometimes for how long.
/// `about`: registry and repository that were asked for, whose names are no reasons.
pub fn of(response: &Response, now: Timestamp, by: Party, about: &str) -> RateLimit {
    let mut seen = read(response, now);
    seen.source = seen.source.map(|source| response.repeated(&source)).map(Into::into);
    if response.status != StatusCode::TOO_MANY_REQUESTS {
        return seen;
    }
    let errors = Errors::of(response);
    let reading = refusal::read(response, &errors, by, about);
    let blocked_by = match (reading.cause, reading.others) {
        (Cause::Throttled, _) => Some(Limiter::Burst),
        (Cause::RateLimited | Cause::QuotaExceeded, []) => Some(Limiter::Quota),
        _ => None,
    };
    RateLimit { retry_after: pause(response, now), blocked_by, ..seen }
}

/// The same of an answer to `/v2/`, which is no pull: that it announces nothing tells nothing.
pub fn of_ping(response: &Response, now: Timestamp, namespace: &str) -> RateLimit {
    match of(response, now, Party::Registry, namespace) {
        silent if silent.state == LimitState::Unlimited => RateLimit::default(),
        told => told,
    }
}

/// `100;w=21600`. The number may be missing (`;w=21600`): there is a limit, and nothing tells which.
fn quantity(response: &Response, name: &str) -> (Option<u64>, Option<Duration>) {
    let Some(value) = response.header(name) else { return (None, None) };
    let mut parts = value.split(';').map(str::trim);
    let number = parts.next().and_then(|number| number.parse().ok());
    let window = parts.find_map(|part| part.strip_prefix("w=")?.parse().ok()).map(Duration::from_secs);
    (number, window)
}

/// For how long an answer asks to be left alone, in its header or in its words.
pub fn pause(response: &Response, now: Timestamp) -> Option<Duration> {
    retry_after(response, now).or_else(|| retry_after_in(&Errors::of(response).text()))
}

/// Whether an answer may be followed by another request at once, as containerd does whatever it says: it asks for
/// no pause, or for so short a one that one request more is no burden, and whether one is served then is what counts.
pub fn may_follow_at_once(response: &Response, now: Timestamp) -> bool {
    const SOON: Duration = Duration::from_secs(2);
    pause(response, now).is_none_or(|pause| pause <= SOON)
}

/// Seconds, or an HTTP date (RFC 9110, 10.2.3): that of the far side's clock, which need not be the node's.
fn retry_after(response: &Response, now: Timestamp) -> Option<Duration> {
    let value = response.header("retry-after")?.trim();
    let pause = if let Ok(seconds) = value.parse::<u64>() {
        Duration::from_secs(seconds)
    } else {
        let until = jiff::fmt::rfc2822::parse(value).ok()?.timestamp();
        let sent = response.date().unwrap_or(now);
        Duration::try_from(until.duration_since(sent)).unwrap_or_default()
    };
    Some(pause.min(PAUSE_LIMIT))
}

/// GHCR writes the pause into its message, as Go prints durations: `retry-after: 880.092µs, allowed: …`.
fn retry_after_in(message: &str) -> Option<Duration> {
    let (_, behind) = message.split_once("retry-after:")?;
    let text = behind.split(',').next()?.trim();
    let pause = Duration::try_from(text.parse::<jiff::SignedDuration>().ok()?).ok()?;
    let seconds = pause.as_secs() + u64::from(pause.subsec_nanos() > 0);
    Some(Duration::from_secs(seconds).min(PAUSE_LIMIT))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(status: u16, lines: &[(&'static str, &str)], body: &str) -> Response {
        let mut headers = http::HeaderMap::new();
        for (name, value) in lines {
            headers.insert(*name, value.parse().unwrap());
        }
        let status = StatusCode::from_u16(status).unwrap();
        Response { status, headers, body: Vec::from(body).into(), ..Response::empty() }
    }

    #[test]
    fn a_short_pause_is_one_in_words_too() {
        let envelope = |words: &str| format!(r#"{{"errors":[{{"code":"TOOMANYREQUESTS","message":"{words}"}}]}}"#);
        let soon = |lines: &[(&'static str, &str)], words: &str| {
            may_follow_at_once(&response(429, lines, &envelope(words)), Timestamp::UNIX_EPOCH)
        };
        assert!(soon(&[], "retry-after: 880.092\u{b5}s, allowed: 44000/minute") && soon(&[("retry-after", "2")], ""));
        assert!(!soon(&[("retry-after", "3")], "") && !soon(&[], "retry-after: 3s, allowed: 44000/minute"));
        assert!(soon(&[], "slow down"), "no pause is asked for");
    }

    fn read_all(status: u16, lines: &[(&'static str, &str)]) -> RateLimit {
        read(&response(status, lines, ""), "2026-11-21T10:00:00Z".parse().unwrap())
    }

    #[test]
    fn limits_are_read_with_their_window() {
        let seen = read_all(200, &[("ratelimit-limit", "100;w=21600"), ("ratelimit-remaining", "42;w=21600")]);
        assert_eq!((seen.state, seen.limit, seen.remaining), (LimitState::Limited, Some(100), Some(42)));
        assert_eq!(seen.window, Some(Duration::from_secs(21_600)));
    }

    #[test]
    fn nothing_left_is_blocked_and_no_header_is_unlimited() {
        assert_eq!(read_all(200, &[("ratelimit-remaining", "0;w=21600")]).state, LimitState::Blocked);
        assert_eq!(read_all(200, &[]).state, LimitState::Unlimited);
        assert_eq!(read_all(401, &[]).state, LimitState::Unknown);
    }

    #[test]
    fn a_limit_without_its_number_is_one_that_is_not_known() {
        let answer = response(200, &[("ratelimit-limit", ";w=21600"), ("ratelimit-remaining", ";w=21600")], "");
        assert!(announces(&answer));
        let seen = read(&answer, "2026-11-21T10:00:00Z".parse().unwrap());
        assert_eq!((seen.state, seen.limit, seen.remaining), (LimitState::Unknown, None, None));
        assert_eq!(read_all(200, &[("ratelimit-remaining", "some")]).state, LimitState::Unknown);
    }

    #[test]
    fn a_ping_tells_of_a_limit_but_not_that_there_is_none() {
        let now = "2026-11-21T10:00:00Z".parse().unwrap();
        let ping = |status, lines: &[_]| of_ping(&response(status, lines, ""), now, "");
        assert_eq!(ping(200, &[]), RateLimit::default());
        assert_eq!(ping(429, &[]).state, LimitState::Blocked);
        assert_eq!(ping(200, &[("ratelimit-remaining", "42;w=21600")]).state, LimitState::Limited);
    }

    #[test]
    fn a_quota_that_is_used_up_is_told_from_too_much_at_once() {
        let now = "2026-11-21T10:00:00Z".parse().unwrap();
        let seen = |status, lines: &[_], body: &str| of(&response(status, lines, body), now, Party::Registry, "");
        let words = |text: &str| format!(r#"{{"errors":[{{"code":"TOOMANYREQUESTS","message":"{text}"}}]}}"#);
        let none_left = [("ratelimit-limit", "100;w=21600"), ("ratelimit-remaining", "0;w=21600")];
        let some_left = [("ratelimit-limit", "100;w=21600"), ("ratelimit-remaining", "42;w=21600")];
        for (status, lines, text, expected) in [
            (429, &none_left[..], "too many requests", Some(Limiter::Quota)),
            (200, &none_left, "", Some(Limiter::Quota)),
            (429, &[], "You have reached your pull rate limit.", Some(Limiter::Quota)),
            (429, &some_left, "too many requests", Some(Limiter::Burst)),
            (429, &[], "Rate exceeded", Some(Limiter::Burst)),
            (429, &[("retry-after", "5")], "", Some(Limiter::Burst)),
            (429, &[], "too many requests", None),
            (200, &some_left, "", None),
        ] {
            assert_eq!(seen(status, lines, &words(text)).blocked_by, expected, "{status} {lines:?} {text}");
        }
        let about_it = response(429, &[], &words("too many requests for unpaid/app"));
        let of_it = |about| of(&about_it, now, Party::Registry, about).blocked_by;
        assert_eq!((of_it("r.example/unpaid/app"), of_it("r.example/app")), (None, Some(Limiter::Quota)));
        let hinted = seen(429, &[], &words("retry-after: 880.092µs, allowed: 44000/minute"));
        assert_eq!((hinted.blocked_by, hinted.retry_after), (Some(Limiter::Burst), Some(Duration::from_secs(1))));
    }

    #[test]
    fn a_pause_is_seconds_or_a_date() {
        let pause = |value| read_all(429, &[("retry-after", value)]).retry_after;
        assert_eq!(pause("120"), Some(Duration::from_secs(120)));
        assert_eq!(pause("Sat, 21 Nov 2026 10:01:00 GMT"), Some(Duration::from_secs(60)));
        assert_eq!(pause("Sat, 21 Nov 2026 09:00:00 GMT"), Some(Duration::ZERO));
        assert_eq!(pause("soon"), None);
        assert_eq!(pause("-1"), None);
        assert_eq!(pause("99999999"), Some(PAUSE_LIMIT));
    }

    #[test]
    fn a_date_is_measured_from_the_date_of_the_answer_and_not_by_the_clock_of_the_node() {
        let until = ("retry-after", "Sat, 21 Nov 2026 15:10:00 GMT");
        let pause = |lines: &[_]| read_all(429, lines).retry_after;
        assert_eq!(pause(&[until, ("date", "Sat, 21 Nov 2026 15:00:00 GMT")]), Some(Duration::from_mins(10)));
        assert_eq!(pause(&[until, ("date", "yesterday")]), Some(Duration::from_mins(310)));
    }

    #[test]
    fn a_pause_in_the_message_is_rounded_up() {
        let pause = |text| retry_after_in(text).map(|pause| pause.as_secs());
        assert_eq!(pause("TOOMANYREQUESTS retry-after: 880.092µs, allowed: 44000/minute"), Some(1));
        assert_eq!(pause("retry-after: 1m3.5s, allowed: 1"), Some(64));
        assert_eq!(pause("retry-after: later"), None);
        assert_eq!(pause("Rate exceeded"), None);
    }
}
