//! What a report of an agent says of one image, picked out while it is decoded: no other line of it is kept.
//!
//! The agent's pod may be somebody else's by now. Whatever it sends, its answer takes no more than one line.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::agent::CheckedImage;
use crate::image::reference::Reference;
use crate::pods::Text;
use crate::redact::clean::Clean;

/// Of images and of registries. An agent watches five hundred images, and the registries of the node's certs.d.
pub const LINES: usize = 4096;

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct Registry {
    pub registry: Clean,
    pub pullable: Option<bool>,
    pub cause: Option<Clean>,
    pub owner: Option<Clean>,
    pub failing_since: Option<Clean>,
}

/// Why a document of an agent says nothing of its node.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// An agent that is gone may have left its address to another. And an agent may be given any name.
    #[error(
        "its agent calls itself `{own}`, and the pod's node is `{node}`: either the agent of another node answers at its address, or \
         `node.name` (NODE_NAME) of the agent is to be set to the node's name"
    )]
    AnotherNode { own: Clean, node: Clean },
    #[error("its agent does not say which node it is on: it is too old or too new")]
    Nameless,
    #[error("its answer is no report: it is too old or too new")]
    NoReport,
}

impl Unusable {
    /// The first one where many nodes are told of together, without their names.
    pub const ANOTHER_NODE: &str = "its agent calls itself by another name than the node: either the agent of another node answers at \
                                    its address, or `node.name` (NODE_NAME) of the agent is to be set to the node's name";

    pub const fn is_another_node(&self) -> bool {
        matches!(self, Self::AnotherNode { .. })
    }
}

impl CheckedImage {
    /// Of the report of `check` about one image.
    pub fn of_check(report: &[u8]) -> Option<Self> {
        let picked = Picked::of(report, None)?;
        let image = picked.image?.whole();
        Some(if picked.left_out > 0 { image.unknown("its answer is about more than one image") } else { image })
    }

    /// The image of a report about many, or else what it says of the image's registry. `None`: neither is probed.
    pub fn of_report(report: &[u8], image: &Reference, node: &Clean) -> Result<Option<Self>, Unusable> {
        let picked = Picked::of(report, Some(image)).ok_or(Unusable::NoReport)?;
        match &picked.node {
            Some(own) if own == node => Ok(Self::picked(picked, image)),
            Some(own) => Err(Unusable::AnotherNode { own: own.clone(), node: node.clone() }),
            None => Err(Unusable::Nameless),
        }
    }

    fn picked(picked: Picked<'_>, image: &Reference) -> Option<Self> {
        if let Some(found) = picked.image {
            return Some(found.whole().worded());
        }
        if picked.left_out > 0 {
            let more = picked.left_out;
            return Some(Self::default().unknown(&format!("its report has {more} lines more than pullprobe reads")));
        }
        let registry = picked.registry?;
        // A registry that can be reached may still not have the image.
        let is_dead = registry.pullable == Some(false);
        let found = Self {
            pullable: is_dead.then_some(false),
            cause: registry.cause.filter(|_| is_dead),
            owner: registry.owner.filter(|_| is_dead),
            failing_since: registry.failing_since.filter(|_| is_dead),
            unknown_because: (!is_dead).then(|| {
                format!("the agent does not probe this image by itself, and {} can be reached", image.domain).into()
            }),
            ..Self::default()
        };
        Some(found.worded())
    }

    /// What is cut is no answer.
    fn whole(self) -> Self {
        if self.attempts.left_out + self.also_possible.left_out == 0 {
            return self;
        }
        self.unknown("its answer has more attempts or causes than a check has")
    }

    fn unknown(self, because: &str) -> Self {
        Self {
            pullable: None,
            runnable: None,
            cause: None,
            owner: None,
            summary: format!("Whether the node can pull it is unknown: {because}.").into(),
            fix: Clean::default(),
            kubelet_message: None,
            unknown_because: Some(because.into()),
            ..self
        }
    }
}

/// Which line is wanted, and what was found.
pub struct Picked<'a> {
    /// `None`: the first image.
    wanted: Option<&'a Reference>,
    /// Whose report it is.
    pub node: Option<Clean>,
    pub image: Option<CheckedImage>,
    pub registry: Option<Registry>,
    /// How many lines were not read.
    pub left_out: usize,
}

impl<'a> Picked<'a> {
    /// `None`: it is no report.
    pub fn of(report: &[u8], wanted: Option<&'a Reference>) -> Option<Self> {
        let mut picked = Self { wanted, node: None, image: None, registry: None, left_out: 0 };
        let mut json = serde_json::Deserializer::from_slice(report);
        (&mut picked).deserialize(&mut json).ok()?;
        json.end().ok().map(|()| picked)
    }

    fn image(&mut self, line: CheckedImage) {
        let is_wanted = |wanted: &Reference| {
            line.image.as_deref().and_then(|name| Reference::parse(name).ok()).as_ref() == Some(wanted)
        };
        if self.image.is_none() && self.wanted.is_none_or(is_wanted) {
            self.image = Some(line);
        }
    }

    fn registry(&mut self, line: Registry) {
        if self.registry.is_none() && self.wanted.is_some_and(|wanted| *line.registry == *wanted.domain) {
            self.registry = Some(line);
        }
    }
}

impl<'de> DeserializeSeed<'de> for &mut Picked<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for &mut Picked<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a report")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut report: A) -> Result<(), A::Error> {
        while let Some(key) = report.next_key::<Text<64>>()? {
            match &*key {
                "node" => self.node = report.next_value()?,
                "images" => self.left_out += report.next_value_seed(Lines::new(|line| self.image(line)))?,
                "registries" => self.left_out += report.next_value_seed(Lines::new(|line| self.registry(line)))?,
                _ => drop(report.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

/// A list whose entries are handed out one by one. Its value is how many were not.
struct Lines<T, F> {
    take: F,
    line: PhantomData<T>,
}

impl<T, F: FnMut(T)> Lines<T, F> {
    const fn new(take: F) -> Self {
        Self { take, line: PhantomData }
    }
}

impl<'de, T: Deserialize<'de>, F: FnMut(T)> DeserializeSeed<'de> for Lines<T, F> {
    type Value = usize;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<usize, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, T: Deserialize<'de>, F: FnMut(T)> Visitor<'de> for Lines<T, F> {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_unit<E>(self) -> Result<usize, E> {
        Ok(0)
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<usize, A::Error> {
        for _ in 0..LINES {
            let Some(line) = list.next_element()? else { return Ok(0) };
            (self.take)(line);
        }
        let mut left_out = 0;
        while list.next_element::<IgnoredAny>()?.is_some() {
            left_out += 1;
        }
        Ok(left_out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image() -> Reference {
        Reference::parse("registry.example/demo/app:1.0").unwrap()
    }

    fn found(report: &str) -> Option<CheckedImage> {
        CheckedImage::of_report(report.as_bytes(), &image(), &"a".into()).unwrap()
    }

    #[test]
    fn a_report_counts_for_the_node_that_it_names_wherever_it_names_it() {
        let images = r#""images": [{"image": "registry.example/demo/app:1.0", "pullable": true}]"#;
        let of = |report: String| {
            let found = CheckedImage::of_report(report.as_bytes(), &image(), &"a".into());
            found.map(|found| found.and_then(|found| found.pullable))
        };
        assert_eq!(of(format!(r#"{{"node": "a", {images}}}"#)), Ok(Some(true)));
        assert_eq!(of(format!(r#"{{{images}, "node": "a"}}"#)), Ok(Some(true)));
        for other in ["b", "", "A", "a.example"] {
            let wrong = Unusable::AnotherNode { own: other.into(), node: "a".into() };
            assert_eq!(of(format!(r#"{{"node": "{other}", {images}}}"#)), Err(wrong.clone()), "{other}");
            assert_eq!(of(format!(r#"{{{images}, "node": "{other}"}}"#)), Err(wrong), "{other}");
        }
        for nobody in [format!(r#"{{"node": null, {images}}}"#), format!("{{{images}}}")] {
            assert_eq!(of(nobody), Err(Unusable::Nameless), "no agent leaves it out");
        }
        assert_eq!(of(format!(r#"{{"node": 5, {images}}}"#)), Err(Unusable::NoReport));
    }

    #[test]
    fn the_wanted_line_is_found_among_others_and_a_list_may_be_null() {
        let line = r#"{"image": "registry.example/demo/app:1.0", "pullable": false, "cause": "tcp_refused"}"#;
        let told = found(&format!(r#"{{"node": "a", "images": [{{}}, {{"image": "b:1"}}, {line}, {{}}]}}"#)).unwrap();
        assert_eq!((told.pullable, told.cause.as_deref()), (Some(false), Some("tcp_refused")));
        assert!(!told.summary.is_empty());
        assert!(found(r#"{"node": "a", "images": null, "registries": null}"#).is_none());
        for other in ["", "[]", "{", r#"{"images": {}}"#, r#"{"images": [5]}"#, "{} {}"] {
            let read = CheckedImage::of_report(other.as_bytes(), &image(), &"a".into());
            assert_eq!(read.err(), Some(Unusable::NoReport), "{other}");
        }
        let registry = r#"{"node": "a", "registries": [{"registry": "registry.example", "pullable": false, "cause": "dns_nxdomain"}]}"#;
        assert_eq!(found(registry).unwrap().pullable, Some(false));
    }

    /// The line that matters may be among those that are not read.
    #[test]
    fn of_a_report_that_is_cut_nothing_follows() {
        let many = vec!["{}"; LINES + 7].join(",");
        let registry = r#"{"registry": "registry.example", "pullable": false, "cause": "dns_nxdomain"}"#;
        let told = found(&format!(r#"{{"node": "a", "images": [{many}], "registries": [{registry}]}}"#)).unwrap();
        assert_eq!((told.pullable, told.cause), (None, None));
        assert!(told.unknown_because.unwrap().contains("7 lines more than pullprobe reads"));
    }

    #[test]
    fn an_answer_with_more_attempts_than_a_check_makes_is_no_answer() {
        let attempts = vec!["{}"; 65].join(",");
        let report =
            |attempts: &str| format!(r#"{{"images": [{{"pullable": true, "attempts": [{attempts}]}}, {{}}]}}"#);
        assert_eq!(CheckedImage::of_check(report("{}").as_bytes()).unwrap().pullable, Some(true));
        let told = CheckedImage::of_check(report(&attempts).as_bytes()).unwrap();
        assert_eq!((told.pullable, told.starts(), told.attempts.len()), (None, None, 64));
        assert!(told.unknown_because.unwrap().contains("more attempts or causes than a check has"));
    }
}
