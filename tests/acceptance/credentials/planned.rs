//! Holds what `plan` lists against what was written by hand.

use serde_json::Value;

use super::configuration::{Candidate, Expect};

/// Every difference; `directory` is where pull secrets are mounted.
pub fn differences(expect: &Expect, plan: &Value, directory: &str) -> Vec<String> {
    let image = &plan["images"][0];
    let text = |value: &Value| value.as_str().unwrap_or_default().replace(directory, "");
    let mut found = Vec::new();
    let mut compare = |what: &str, by_hand: String, planned: String| {
        if by_hand != planned {
            found.push(format!("plan: {what}\n    by hand: {by_hand}\n    planned: {planned}"));
        }
    };
    let own = expect.candidates.iter().filter(|candidate| !candidate.is_of_provider());
    let by_hand: Vec<String> = own.map(with_origin).collect();
    let listed = list(&image["credentials"]).iter().map(|one| format!("{} at {}", named(one), text(&one["origin"])));
    compare("candidates", in_order(by_hand, expect.random), in_order(listed.collect(), expect.random));
    compare("providers", format!("{:?}", expect.providers), format!("{:?}", texts(&image["credential_providers"])));
    let near = &image["nearest_key"];
    compare(
        "nearest key",
        expect.nearest.as_ref().map(|near| near.key.clone()).unwrap_or_default(),
        text(&near["key"]),
    );
    let reason = text(&near["reason"]);
    if let Some(wanted) = expect.nearest.as_ref().filter(|near| !reason.contains(&near.reason)) {
        compare("reason of the nearest key", wanted.reason.clone(), reason);
    }
    let error = text(&image["credential_error"]);
    match &expect.no_pull {
        Some(words) if error.contains(words) => {}
        other => compare("why there is no pull", other.clone().unwrap_or_default(), error),
    }
    let mut findings: Vec<String> = list(&plan["findings"]).iter().filter_map(|one| finding(one, directory)).collect();
    findings.sort();
    compare("findings", format!("{:#?}", expect.findings), format!("{findings:#?}"));
    for (endpoint, wanted) in &expect.offered {
        let host = list(&image["hosts"]).iter().find(|host| host["endpoint"] == endpoint.as_str());
        let offered = host.map(|host| &host["credential_offered"]).filter(|offered| offered.is_object());
        let offered = offered.map(|one| format!("{} {}", text(&one["source"]), text(&one["key"])));
        compare(&format!("offered to {endpoint}"), wanted.clone(), offered.unwrap_or_default());
    }
    found
}

/// `SOURCE KEY KIND`, with a word where containerd asks anonymously all the same.
pub fn named(candidate: &Value) -> String {
    let text = |key: &str| candidate[key].as_str().unwrap_or_default();
    let anonymous = if candidate["anonymous"] == true { " anonymous" } else { "" };
    format!("{} {} {}{anonymous}", text("source"), text("key"), text("kind"))
}

pub fn written(candidate: &Candidate) -> String {
    let anonymous = if candidate.is_anonymous() { " anonymous" } else { "" };
    format!("{} {} {}{anonymous}", candidate.source, candidate.key, candidate.kind)
}

fn with_origin(candidate: &Candidate) -> String {
    format!("{} at {}", written(candidate), candidate.origin)
}

pub fn in_order(mut names: Vec<String>, random: bool) -> String {
    if random {
        names.sort();
    }
    format!("{names:#?}")
}

pub fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn texts(value: &Value) -> Vec<&str> {
    list(value).iter().filter_map(Value::as_str).collect()
}

/// Those about credentials; a node of the tests has others.
fn finding(one: &Value, directory: &str) -> Option<String> {
    let code = one["code"].as_str()?;
    if !["credential", "pull_secret", "containerd_auth"].iter().any(|begin| code.starts_with(begin)) {
        return None;
    }
    let file = one["file"].as_str().unwrap_or_default().replace(directory, "");
    let line = one["line"].as_u64().map(|line| format!(":{line}")).unwrap_or_default();
    Some(format!("{code} {file}{line}"))
}
