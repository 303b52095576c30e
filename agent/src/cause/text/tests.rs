//! Every cause has words that are whole, concrete and free of secrets; the page in docs is theirs.

use super::*;

/// What an engineer has on a node or beside it.
const TOOLS: &[&str] = &[
    "chronyc",
    "containerd",
    "crictl",
    "ctr",
    "curl",
    "df",
    "dig",
    "getent",
    "ip",
    "journalctl",
    "jq",
    "kubectl",
    "nc",
    "openssl",
    "ping",
    "pullprobe",
    "skopeo",
    "systemctl",
    "timedatectl",
];

fn all() -> impl Iterator<Item = (&'static str, Text)> {
    let causes = Cause::ALL.iter().map(|cause| (cause.as_str(), text(*cause)));
    let words = [(kubelet::BACK_OFF_NAME, kubelet::BACK_OFF)];
    causes.chain(words).chain(kubelet::STATES.map(|(name, _, words)| (name, words)))
}

/// What stands between backticks.
fn quoted(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

#[test]
fn every_text_is_made_of_whole_sentences() {
    for (cause, text) in all() {
        for (part, limit) in [(text.summary, 160), (text.evidence, 400), (text.confirm, 500), (text.fix, 500)] {
            assert!((20..=limit).contains(&part.len()), "{cause}: {} bytes: {part}", part.len());
            assert!(part.ends_with('.'), "{cause}: {part}");
            let opens = |c: char| c.is_uppercase() || c == '`';
            assert!(part.starts_with(opens) || part.starts_with("containerd"), "{cause}: {part}");
            assert!(!part.contains("  ") && !part.contains('\n'), "{cause}: {part}");
            assert_eq!(part.matches('`').count() % 2, 0, "{cause}: unpaired backtick in {part}");
        }
        assert_eq!(text.summary.matches(". ").count(), 0, "{cause}: more than one sentence: {}", text.summary);
    }
}

#[test]
fn every_cause_can_be_confirmed_with_a_command_and_fixed_at_a_named_place() {
    for (cause, text) in all() {
        let runs = |command: &&str| TOOLS.iter().any(|tool| command.split_whitespace().next() == Some(*tool));
        assert!(quoted(text.confirm).iter().any(&runs), "{cause}: no command in {}", text.confirm);
        assert!(quoted(text.fix).iter().any(|q| runs(q) || q.starts_with('/')), "{cause}: no place in {}", text.fix);
    }
}

#[test]
fn no_command_asks_for_a_secret_on_its_command_line() {
    for (cause, text) in all() {
        for command in quoted(text.confirm).into_iter().chain(quoted(text.fix)) {
            for shown in ["--docker-password", "--creds", "USER:", "PASSWORD", "SECRET", "base64 -d"] {
                assert!(!command.contains(shown), "{cause}: {command}");
            }
        }
    }
}

#[test]
fn no_two_causes_share_their_words() {
    for (at, (cause, text)) in all().enumerate() {
        for (other, another) in all().skip(at + 1) {
            assert_ne!(text.summary, another.summary, "{cause} and {other}");
            assert_ne!(text.evidence, another.evidence, "{cause} and {other}");
        }
    }
}

#[test]
fn the_page_in_docs_is_generated() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/causes.md");
    if std::env::var_os("UPDATE_DOCS").is_some_and(|value| value == "1") {
        std::fs::write(&path, markdown()).unwrap();
    }
    let page = std::fs::read_to_string(&path).unwrap();
    assert!(page == markdown(), "docs/causes.md is not what the program says: run the tests with UPDATE_DOCS=1");
}
