//! What the file of the history may say.

use super::*;

#[test]
fn a_text_of_somebody_else_or_of_another_time_is_refused_or_says_nothing() {
    for text in ["", "[]", "{}", "1795255200\n", "{\"pullprobe_history\":1}", "\u{0}"] {
        assert!(Histories::from_text(text, at(0)).is_err(), "{text}");
    }
    let other = r#"{"pullprobe_history":2,"written_at":"2026-11-20T00:00:00Z","targets":[],"journal":[]}"#;
    assert_eq!(Histories::from_text(other, at(0)).unwrap_err(), "it has version 2, expected 1");
    let text = with(&[(0, well())]).to_text(at(0));
    assert_eq!(Histories::from_text(&text, at(25 * HOUR)).unwrap().histories.records.len(), 0);
    let words = text.replace("\"ok\":true", "\"ok\":false,\"cause\":\"of_tomorrow\"");
    assert_eq!(Histories::from_text(&words, at(0)).unwrap().histories.records.len(), 0, "a word of another version");
}

#[test]
fn a_file_cannot_say_more_than_an_agent_would_and_nothing_that_steers_a_terminal() {
    let change = r#"{"since":"2030-01-01T00:00:00Z","ok":false,"host":"a\u001b[31m"}"#;
    let changes = vec![change; 1_000].join(",");
    let target = |number: usize| format!(r#"{{"image":"i{number}\u202e","changes":[{changes}]}}"#);
    let targets: Vec<String> = (0..300).map(target).collect();
    let line = r#"{"at":"2030-01-01T00:00:00Z","what":"file","detail":"\u001b]8;;x"}"#;
    let text = format!(
        r#"{{"pullprobe_history":1,"written_at":"2026-11-21T00:00:00Z","targets":[{}],"journal":[{}]}}"#,
        targets.join(","),
        vec![line; 2_000].join(",")
    );
    let restored = Histories::from_text(&text, at(0)).unwrap().histories;
    let entries = || restored.records.values().flat_map(|record| &record.entries);
    assert_eq!(entries().count(), TOTAL);
    assert!(entries().all(|entry| entry.since == at(0) && !entry.state.host.as_ref().unwrap().contains('\u{1b}')));
    assert!(restored.records.keys().all(|subject| !format!("{subject:?}").contains('\u{202e}')));
    assert!(restored.journal().all().all(|happening| happening.at == at(0) && !happening.detail.contains('\u{1b}')));
    assert!(bytes(&restored) < 1 << 20);
}
