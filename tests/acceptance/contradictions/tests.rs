use serde_json::json;

use super::*;

/// Refused with a login, and nothing in it contradicts itself.
fn report() -> Value {
    json!({"images": [{
        "requested": "registry.example/app:1", "pullable": false, "runnable": null, "cause": "access_denied",
        "also_possible": [], "stage": "manifest", "host": "registry.example:443", "owner": "credentials",
        "summary": "registry.example:443: The login is good, but this account may not pull this image.", "fix": "x",
        "kubelet_message": "x", "credential": {"key": "registry.example"}, "rate_limit": {},
        "attempts": [{"operation": "resolve", "endpoint": "https://registry.example", "ok": false,
            "cause": "access_denied", "http_status": 403, "detail": "HEAD", "credential_sent": true}],
    }], "endpoints": [], "findings": []})
}

/// What else the report says: places in it, below the image unless they begin with the document.
type Changes = Vec<(&'static str, Value)>;

fn changed(changes: &Changes) -> Value {
    let mut report = report();
    for (place, value) in changes {
        let place = if place.starts_with("/endpoints") { (*place).to_owned() } else { format!("/images/0{place}") };
        let (above, key) = place.rsplit_once('/').unwrap();
        report.pointer_mut(above).unwrap()[key] = value.clone();
    }
    report
}

/// A cause as the verdict has it and as its attempt has it.
fn of_cause(cause: &str, status: u64, more: Changes) -> Changes {
    let mut changes = vec![
        ("/cause", json!(cause)),
        ("/attempts/0/cause", json!(cause)),
        ("/attempts/0/http_status", json!(status)),
        ("/summary", json!("It cannot be pulled.")),
    ];
    changes.extend(more);
    changes
}

fn at_blob(host: &str) -> Changes {
    vec![("/stage", json!("blob")), ("/host", json!(host))]
}

/// Each contradiction there is: what makes it, and words that tell it.
fn contradictions() -> Vec<(Changes, &'static str)> {
    let one = |place, value, what| (vec![(place, value)], what);
    vec![
        one("/runnable", json!(true), "it would start, but it cannot be pulled"),
        one("/pullable", Value::Null, "it is unknown, and yet there is a cause"),
        one("/pullable", Value::Null, "it is unknown, and yet kubelet speaks"),
        one("/pullable", Value::Null, "it is unknown, and nothing says why"),
        one("/unknown_because", json!("x"), "it is known, and yet said to be open"),
        one("/cause", Value::Null, "it fails without a cause"),
        one("/owner", Value::Null, "it fails, and nobody can fix it"),
        one("/fix", json!(""), "it fails without a fix"),
        one("/kubelet_message", Value::Null, "it fails, and kubelet says nothing"),
        one("/also_possible", json!(["access_denied"]), "the cause is also among its alternatives"),
        one("/cause", json!("unclassified"), "a failure is unclassified"),
        one("/pullable", json!(true), "it can be pulled, and the last attempt failed"),
        one("/cause", json!("legally_blocked"), "no attempt failed for the cause of the verdict"),
        one("/host", json!("other.example:443"), "the host of the verdict stands nowhere else"),
        (of_cause("head_refused", 403, vec![]), "HEAD is said to be refused, and no GET was answered"),
        (
            of_cause("storage_refused", 403, vec![("/owner", json!("image"))]),
            "a storage refuses, and neither registry nor network can fix it",
        ),
        (
            [
                at_blob("cdn.example:443"),
                vec![("/endpoints", json!([{"endpoint": "https://cdn.example", "role": "redirect"}]))],
            ]
            .concat(),
            "the host of a redirect refuses, and the login is at fault",
        ),
        one("/attempts/0/credential_sent", json!(false), "The login is good is said of a login, and none was sent"),
        (
            of_cause("credentials_rejected", 401, vec![("/attempts/0/credential_sent", json!(false))]),
            "a login is refused that was not sent",
        ),
        (of_cause("credentials_missing", 401, vec![]), "a login is missing, and one was sent"),
        one("/attempts/0/detail", json!("no login was sent"), "no login was sent, and each attempt had one"),
        one("/attempts/0/http_status", json!(200), "access_denied of an answer 200 cannot be"),
        (vec![("/attempts/0/ok", json!(true)), ("/attempts/0/cause", Value::Null)], "of an answer 403 cannot be"),
        (of_cause("response_invalid", 404, vec![]), "response_invalid of an answer 404 cannot be"),
        (of_cause("throttled", 404, vec![]), "throttled of an answer 404 cannot be"),
        one("/attempts/0/detail", json!("GET answered 200 OK"), "access_denied of an answer 200 cannot be"),
        (
            of_cause("response_invalid", 404, vec![("/attempts/0/detail", json!("the answer ended in the middle"))]),
            "a whole answer is said to have ended in the middle",
        ),
        (
            of_cause(
                "rate_limited",
                429,
                vec![("/rate_limit", json!({"remaining": 7, "endpoint": "https://registry.example"}))],
            ),
            "the quota is used up, and pulls remain",
        ),
        (
            of_cause("login_locked", 429, vec![("/rate_limit", json!({"blocked_by": "quota"}))]),
            "the login is locked, and the quota is what blocks",
        ),
        one("/summary", json!("cdn.example refuses"), "cdn.example is named, and stands nowhere else in the report"),
    ]
}

#[test]
fn a_report_that_agrees_with_itself_has_no_contradiction() {
    for by in [By::Check, By::Run] {
        let held = of(&report(), by);
        assert_eq!(held.contradictions, Vec::<String>::new());
        assert!(held.statements >= 9, "{}", held.statements);
    }
}

#[test]
fn each_contradiction_is_found() {
    let mut known = BTreeSet::new();
    let mut seen = BTreeSet::new();
    for (changes, what) in contradictions() {
        for by in [By::Check, By::Run] {
            let held = of(&changed(&changes), by);
            assert!(held.contradictions.iter().any(|one| one.ends_with(what)), "{what}: {:?}", held.contradictions);
            seen.extend(held.known.iter().filter(|known| what.ends_with(**known)));
            known.extend(held.known);
        }
    }
    let unseen: Vec<_> = known.difference(&seen).collect();
    assert!(unseen.is_empty(), "no test makes these contradictions: {unseen:?}");
    assert!(seen.len() > 20, "{seen:?}");
}

/// `check` lists every host that it asked; an agent watches one that it is led to later.
#[test]
fn a_host_that_is_led_to_stands_among_those_of_check() {
    let changes = [at_blob("cdn.example:443"), vec![("/summary", json!("It cannot be pulled."))]].concat();
    let elsewhere = |by| {
        let held = of(&changed(&changes), by);
        held.contradictions.iter().filter(|one| one.contains("stands nowhere else")).count()
    };
    assert_eq!((elsewhere(By::Check), elsewhere(By::Run)), (1, 0));
    let watched = json!([{"endpoint": "https://other.example", "role": "redirect"}]);
    let changes = [changes, vec![("/endpoints", watched)]].concat();
    let held = of(&changed(&changes), By::Run);
    assert!(held.contradictions.iter().any(|one| one.contains("stands nowhere else")), "{:?}", held.contradictions);
}
