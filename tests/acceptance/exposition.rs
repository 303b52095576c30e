//! Prometheus' text format, read back: which samples are there, with which labels and values.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation is how a test fails")]

use std::collections::BTreeMap;

/// One sample.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    pub name: String,
    pub labels: BTreeMap<String, String>,
    pub value: f64,
}

impl Sample {
    /// A label's value; empty = it has no such label, as Prometheus sees it.
    pub fn label(&self, name: &str) -> &str {
        self.labels.get(name).map_or("", String::as_str)
    }
}

/// What one scrape gave.
#[derive(Clone, Debug)]
pub struct Exposition(pub Vec<Sample>);

impl Exposition {
    /// Reads every line; one that is neither comment nor sample fails the test.
    pub fn read(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        Self(lines.map(|line| sample(line).unwrap_or_else(|| panic!("no sample: {line:?}"))).collect())
    }

    /// The samples of this name that have all these labels.
    pub fn of(&self, name: &str, labels: &[(&str, &str)]) -> Vec<&Sample> {
        let has =
            |sample: &&Sample| sample.name == name && labels.iter().all(|(label, value)| sample.label(label) == *value);
        self.0.iter().filter(has).collect()
    }

    /// The value of the one sample of this name with these labels; `None` = there is none.
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let found = self.of(name, labels);
        assert!(found.len() < 2, "{name} {labels:?} is not one series: {found:?}");
        found.first().map(|sample| sample.value)
    }
}

fn sample(line: &str) -> Option<Sample> {
    let (name, rest) = line.split_at(line.find(['{', ' '])?);
    let mut labels = BTreeMap::new();
    let value = match rest.strip_prefix('{') {
        None => rest,
        Some(mut inside) => loop {
            if let Some(value) = inside.strip_prefix('}') {
                break value;
            }
            let (label, quoted) = inside.split_once("=\"")?;
            let (text, after) = unquoted(quoted)?;
            labels.insert(label.to_owned(), text);
            inside = after.strip_prefix(',').unwrap_or(after);
        },
    };
    let value = value.trim().split(' ').next()?.parse().ok()?;
    Some(Sample { name: name.to_owned(), labels, value })
}

/// The text up to the closing quote, and what follows it.
fn unquoted(text: &str) -> Option<(String, &str)> {
    let mut out = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((out, &text[at + 1..])),
            '\\' => match characters.next()?.1 {
                'n' => out.push('\n'),
                other => out.push(other),
            },
            other => out.push(other),
        }
    }
    None
}

#[test]
fn samples_are_read_with_quotes_and_without_labels() {
    let text = "# HELP a b\na{x=\"1\",y=\"say \\\"}\\\" {\"} 2.5\nb 0\n";
    let read = Exposition::read(text);
    assert_eq!(read.value("a", &[("y", "say \"}\" {")]), Some(2.5));
    assert_eq!((read.value("b", &[]), read.value("c", &[])), (Some(0.0), None));
}
