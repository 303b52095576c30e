//! `WWW-Authenticate`, a line of input each header line: what is kept is bounded by what was sent.

use http::header::{HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use pullprobe::registry::challenge::{Challenge, parse};

/// As many lines as the agent looks at.
const LINES: usize = 16;

pub fn holds(data: &[u8]) {
    let mut headers = HeaderMap::new();
    for line in data.split(|byte| *byte == b'\n').take(4 * LINES) {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            headers.append(WWW_AUTHENTICATE, value);
        }
    }
    let challenges = parse(&headers);
    assert!(challenges.len() <= LINES.min(headers.len()), "{challenges:?}");
    assert!(challenges.is_sorted_by_key(|challenge| challenge.scheme), "{challenges:?}");
    let kept = challenges.iter().flat_map(|one| &one.parameters).map(|(name, value)| name.len() + value.len());
    // A byte that is no text is kept as U+FFFD, which has three.
    assert!(kept.sum::<usize>() <= 3 * data.len(), "{challenges:?}");
    challenges.iter().for_each(check);
}

fn check(challenge: &Challenge) {
    for (name, value) in &challenge.parameters {
        assert!(!name.is_empty() && !name.bytes().any(|byte| byte.is_ascii_uppercase()), "{challenge:?}");
        let last = challenge.parameter(name).expect("a parameter that is there is found");
        assert!(challenge.parameters.iter().any(|(known, kept)| known == name && kept == last));
        // Go takes no others. Controls beyond ASCII are made safe where the value is shown.
        assert!(!value.chars().any(|c| c.is_ascii_control() && c != '\t'), "{challenge:?}");
    }
    // What is written is text, whatever bytes it came as.
    let text = Challenge { is_lossy: false, ..challenge.clone() };
    assert_eq!(parse(&written(challenge)).as_slice(), std::slice::from_ref(&text), "it reads back as itself");
    let facts = challenge.facts();
    for shown in [&facts.realm, &facts.service].into_iter().flatten() {
        assert!(!shown.chars().any(char::is_control), "{facts:?}");
        assert!(shown.len() <= 1024, "{} bytes are shown", shown.len());
    }
    let address = challenge.parameter("realm").is_some_and(|realm| realm.contains("://"));
    let query = facts.realm.is_some_and(|shown| shown.contains('?'));
    assert!(!(address && query), "the query of a realm is shown: {challenge:?}");
}

/// The challenge as a header line.
fn written(challenge: &Challenge) -> HeaderMap {
    let quoted = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
    let parameters = challenge.parameters.iter().map(|(name, value)| format!("{name}=\"{}\"", quoted(value)));
    let line = format!("{} {}", challenge.scheme.as_str(), parameters.collect::<Vec<_>>().join(", "));
    let value = HeaderValue::from_bytes(line.as_bytes()).expect("what was in a header fits in one");
    [(WWW_AUTHENTICATE, value)].into_iter().collect()
}
