//! config.toml in ever so many spellings, beside what real containerds made of it (`tests/fixtures/toml`); an acceptance
//! test asks the daemons again.

use serde::Deserialize;

use super::Containerd;
use super::cases_tests::load;
use crate::mirrors::hosts_toml::{self, Rejection};

const MAIN: &str = "/etc/containerd/config.toml";
/// The patch of each series that was asked.
const DAEMONS: [(&str, &str); 3] = [("1.6", "1.6.20"), ("1.7", "1.7.24"), ("2.1", "2.1.9")];

#[derive(Deserialize)]
struct Fixture {
    variant: Vec<Variant>,
}

#[derive(Deserialize)]
struct Variant {
    name: String,
    text: String,
    #[serde(flatten)]
    answers: std::collections::BTreeMap<String, toml::Value>,
}

fn variants(name: &str) -> Vec<Variant> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/toml").join(name);
    let text = std::fs::read_to_string(path).unwrap();
    toml::from_str::<Fixture>(&text).unwrap().variant
}

/// How far pullprobe agrees with a daemon.
#[derive(Debug, PartialEq, Eq)]
enum Agreement {
    Reads,
    InItsWords,
    InOurs,
    Open,
}

fn compare(containerd: &Containerd, answer: &str) -> Result<Agreement, String> {
    let fault = containerd.fatal.as_ref();
    let said = || format!("{answer:?} here: {fault:?}, config_path {:?}", containerd.config_path);
    if fault.is_some_and(|fault| fault.kind == super::FaultKind::Unread) {
        return Ok(Agreement::Open);
    }
    let stops = fault.filter(|fault| fault.kind.stops_containerd());
    if let Some(read) = answer.strip_prefix("reads ") {
        let same = stops.is_none() && (read == "?" || containerd.config_path.join(":") == read);
        return if same { Ok(Agreement::Reads) } else { Err(said()) };
    }
    let words = answer.strip_prefix("refused: ").unwrap().replace("FILE", MAIN);
    match stops {
        // Of words over several lines the first was kept.
        Some(fault) if fault.message.lines().next() == Some(words.as_str()) => Ok(Agreement::InItsWords),
        // Or the value may be a secret.
        Some(fault) if fault.message.starts_with("it does not read ") || fault.message.contains("***") => {
            Ok(Agreement::InOurs)
        }
        _ => Err(said()),
    }
}

#[test]
fn every_spelling_of_config_toml_is_read_as_real_containerds_read_it() {
    let mut wrong = Vec::new();
    let mut counts = std::collections::BTreeMap::<String, usize>::new();
    for variant in variants("config.toml") {
        for (series, version) in DAEMONS {
            let containerd = load(&[(MAIN, &variant.text)], version);
            match compare(&containerd, variant.answers[series].as_str().unwrap()) {
                Ok(Agreement::Open) if !variant.answers.contains_key("open") || series == "1.6" || series == "1.7" => {
                    wrong.push(format!("{} {series}: open: {:?}", variant.name, containerd.fatal));
                }
                Ok(agreement) => *counts.entry(format!("{series} {agreement:?}")).or_default() += 1,
                Err(why) => wrong.push(format!("{} {series}: {why}", variant.name)),
            }
        }
    }
    assert!(wrong.is_empty(), "{} disagreements:\n{}\n{counts:?}", wrong.len(), wrong.join("\n"));
    // go-toml 1 is read to the letter.
    let told = |key: &str| counts.get(key).copied().unwrap_or_default();
    for series in ["1.6", "1.7"] {
        let (quoted, own) = (told(&format!("{series} InItsWords")), told(&format!("{series} InOurs")));
        assert!(quoted > 100 && own <= 12, "{counts:?}");
    }
    assert!(told("2.1 Reads") > 60, "{counts:?}");
}

/// The hosts that a hosts.toml of `r.example` makes containerd ask.
fn asked(text: &str, version: &str) -> Result<Vec<String>, Rejection> {
    let file = hosts_toml::parse(text.as_bytes(), "hosts.toml", "/d", version.parse().unwrap())?;
    let mut asked: Vec<String> = Vec::new();
    for url in file.hosts.iter().map(|host| host.url.as_ref()).chain([file.server.url.as_ref()]) {
        let url = url.map_or("https://r.example".to_owned(), |url| format!("{}://{}", url.scheme, url.authority));
        if !asked.contains(&url) {
            asked.push(url);
        }
    }
    Ok(asked)
}

#[test]
fn every_spelling_of_hosts_toml_is_read_as_real_containerds_read_it() {
    let mut quoted = 0;
    for variant in variants("hosts.toml") {
        for (series, version) in DAEMONS {
            let answer = variant.answers[series].as_str().unwrap();
            match (asked(&variant.text, version), answer.strip_prefix("asks ")) {
                (Err(rejection), _) if rejection.open => {
                    assert!(series == "2.1" && variant.answers.contains_key("open"), "{} {series}", variant.name);
                }
                (Ok(asked), Some(hosts)) => assert_eq!(asked.join(" "), hosts, "{} {series}", variant.name),
                (Err(rejection), None) => {
                    // Words of go-toml 1, to the letter.
                    if let Some(words) = answer.strip_prefix("rejected: failed to parse TOML: ") {
                        assert_eq!(rejection.reason, words, "{} {series}", variant.name);
                        quoted += 1;
                    }
                }
                (found, _) => panic!("{} {series}: {answer}, here {found:?}", variant.name),
            }
        }
    }
    assert!(quoted >= 14, "{quoted}");
}

/// The daemons have no such limits: only pullprobe gives up there.
#[test]
fn what_nests_deeper_than_pullprobe_looks_leaves_the_answer_open() {
    let deep = |open: &str, close: &str, count: usize| format!("{}{}", open.repeat(count), close.repeat(count));
    let long = vec!["a"; 300].join(".");
    for (_, version) in DAEMONS {
        for text in [
            format!("x = {}", deep("[", "]", 300)),
            format!("x = {}", deep("{ a = ", "}", 300).replacen('}', "1 }", 1)),
            format!("{long} = 1"),
            format!("[{long}]\nb = 1"),
            format!("[{}]\nb = 1", vec!["a"; 450_000].join(".")),
        ] {
            let version_of_file = "version = 2\n";
            let found = load(&[(MAIN, &format!("{version_of_file}{text}\n"))], version);
            let fault = found.fatal.unwrap_or_else(|| panic!("{version} reads {}", &text[..40]));
            assert_eq!(fault.kind, super::FaultKind::Unread, "{version} {}: {}", &text[..40], fault.message);
            let rejected = hosts_toml::parse(text.as_bytes(), "/h", "/", version.parse().unwrap()).unwrap_err();
            assert!(rejected.open, "{version} {}: {}", &text[..40], rejected.reason);
        }
    }
}
