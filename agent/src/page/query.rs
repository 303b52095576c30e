//! What the address of the page asks for: one state, and words that must occur. What cannot be understood is told, not guessed.

use maud::{Markup, html};
use url::form_urlencoded;

use super::markup::{Tone, note};
use crate::redact::clean::Clean;

/// Longer searches find nothing: no name is longer.
const LONGEST: usize = 512;
/// More parameters than these are not looked at, and no more than these are told.
const PARAMETERS: usize = 8;
/// Of a parameter that was not understood.
const TOLD: usize = 60;

/// How a target is, the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    Failing,
    Degraded,
    Unknown,
    /// Not looked at yet.
    Unseen,
    Good,
}

impl State {
    pub const ALL: [Self; 5] = [Self::Failing, Self::Degraded, Self::Unknown, Self::Unseen, Self::Good];

    /// As the address has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Failing => "failing",
            Self::Degraded => "degraded",
            Self::Unknown => "unknown",
            Self::Unseen => "unseen",
            Self::Good => "ok",
        }
    }

    pub const fn words(self) -> &'static str {
        match self {
            Self::Unseen => "not looked at yet",
            other => other.as_str(),
        }
    }

    pub const fn tone(self) -> Tone {
        match self {
            Self::Failing => Tone::Bad,
            Self::Degraded | Self::Unknown => Tone::Doubt,
            Self::Unseen => Tone::Quiet,
            Self::Good => Tone::Good,
        }
    }
}

/// Which targets are shown. The default: all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    pub state: Option<State>,
    /// Each of its words must occur.
    pub text: String,
    /// Parts of the address that were not understood.
    ignored: Vec<String>,
}

impl Query {
    /// Of the part of the address behind the question mark.
    pub fn parse(raw: &str) -> Self {
        let mut query = Self::default();
        for (key, value) in form_urlencoded::parse(raw.as_bytes()).take(PARAMETERS) {
            match (key.as_ref(), value.trim()) {
                ("state", "") => query.state = None,
                ("state", word) if State::ALL.iter().any(|state| state.as_str() == word) => {
                    query.state = State::ALL.into_iter().find(|state| state.as_str() == word);
                }
                ("q", text) if text.len() <= LONGEST => text.clone_into(&mut query.text),
                ("q", text) => query.ignored.push(format!("a search of {} bytes (at most {LONGEST})", text.len())),
                (key, value) => query.ignored.push(Clean::clipped(&format!("{key}={value}"), TOLD).into_string()),
            }
        }
        query
    }

    pub fn is_all(&self) -> bool {
        self.state.is_none() && self.text.is_empty()
    }

    /// The same search, in this state.
    #[must_use]
    pub fn in_state(&self, state: Option<State>) -> Self {
        Self { state, text: self.text.clone(), ignored: Vec::new() }
    }

    pub fn for_text(text: &str) -> Self {
        Self { text: text.to_owned(), ..Self::default() }
    }

    /// Relative: before the page there may be a proxy's path.
    pub fn link(&self) -> String {
        if self.is_all() {
            return "./".to_owned();
        }
        let mut link = form_urlencoded::Serializer::new("?".to_owned());
        if let Some(state) = self.state {
            link.append_pair("state", state.as_str());
        }
        if !self.text.is_empty() {
            link.append_pair("q", &self.text);
        }
        link.finish().replace("?&", "?")
    }

    /// Whether each word of the search occurs in one of these texts.
    pub fn finds<'a>(&self, texts: impl Iterator<Item = &'a str>) -> bool {
        let all = texts.collect::<Vec<_>>().join("\n").to_lowercase();
        self.text.to_lowercase().split_whitespace().all(|word| all.contains(word))
    }

    /// What was ignored.
    pub fn remarks(&self) -> Markup {
        html! { @for part in &self.ignored {
            (note(Tone::Doubt, &html! { "Ignored in the address: " code { (part) } }))
        } @if !self.ignored.is_empty() {
            p.none { "It knows q=TEXT and state=" @for (at, state) in State::ALL.iter().enumerate() { @if at > 0 { ", " } (state.as_str()) } "." }
        } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_leads_to_what_it_was_made_of() {
        for text in ["", "docker.io", "a b&c=d#e%f\"<'>", "ü+1", "state=ok"] {
            for state in State::ALL.into_iter().map(Some).chain([None]) {
                let query = Query { state, text: text.to_owned(), ignored: Vec::new() };
                let link = query.link();
                assert!(link.starts_with('?') || link == "./", "{link}");
                assert!(!link.contains(['"', '<', '\'', ' ', '#']), "{link}");
                assert_eq!(Query::parse(link.trim_start_matches("./").trim_start_matches('?')), query, "{link}");
            }
        }
    }

    #[test]
    fn what_is_not_understood_is_told_and_leaves_the_rest_in_force() {
        let query = Query::parse("state=bad&q=docker.io&page=2&q=%ff");
        assert_eq!((query.state, query.text.as_str()), (None, "\u{fffd}"));
        assert_eq!(query.ignored, ["state=bad", "page=2"]);
        assert_eq!(Query::parse("state=ok&state=").state, None, "the last one counts");
        let long = Query::parse(&format!("q={}&{}=1", "x".repeat(LONGEST + 1), "y".repeat(4_000)));
        assert!(long.text.is_empty() && long.ignored.len() == 2, "{long:?}");
        assert!(long.ignored.iter().all(|told| told.len() <= TOLD), "{long:?}");
        let many = Query::parse(&"a=b&".repeat(1_000));
        assert_eq!(many.ignored.len(), PARAMETERS);
        assert!(many.remarks().into_string().contains("state=failing, degraded, unknown, unseen, ok"));
        assert!(Query::parse("").remarks().into_string().is_empty());
    }

    #[test]
    fn each_word_must_occur_in_whatever_letters() {
        let finds = |text: &str| Query::for_text(text).finds(["docker.io/library/nginx:1", "tcp_timeout"].into_iter());
        assert!(finds("") && finds("NGINX") && finds("nginx timeout") && finds("  tcp "));
        assert!(!finds("nginx dns") && !finds("busybox") && !finds("1tcp"), "texts do not run together");
    }
}
