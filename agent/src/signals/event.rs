//! One event: what it is about, why, and what to do.

use crate::redact::clean::Clean;
use crate::redact::clip::clip_to;

/// The API refuses a longer one.
pub const MESSAGE_LIMIT: usize = 1024;
/// Of an object's name in the name of the event: the API refuses a name of more than 253 bytes.
const NAME_LIMIT: usize = 200;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Object {
    Node,
    Pod {
        namespace: Clean,
        name: Clean,
        uid: Clean,
        /// Of one of its containers, as kubelet writes it. `None`: the pod as a whole.
        field_path: Option<String>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    Normal,
    Warning,
}

impl Severity {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "Normal",
            Self::Warning => "Warning",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub object: Object,
    pub severity: Severity,
    /// In the words of Kubernetes: one word in upper camel case.
    pub reason: &'static str,
    /// What tells it from others of this reason about this object: a registry, an image and its cause.
    pub what: String,
    pub message: String,
}

/// Two events with the same one are one event that happened twice.
pub type Key = (Object, &'static str, String);

impl Event {
    pub fn new(object: Object, severity: Severity, reason: &'static str, what: impl Into<String>, text: &str) -> Self {
        Self { object, severity, reason, what: what.into(), message: clip_to(text, MESSAGE_LIMIT) }
    }

    pub fn key(&self) -> Key {
        (self.object.clone(), self.reason, self.what.clone())
    }

    /// The event's own name. It is the same after a restart of the agent, so that the API server finds the event again.
    pub fn name(&self, node: &str) -> String {
        let (subject, parts) = match &self.object {
            Object::Node => (node, [node, "", "", ""]),
            Object::Pod { namespace, name, uid, field_path } => {
                let field_path = field_path.as_deref().unwrap_or_default();
                (name.as_str(), [namespace.as_str(), name.as_str(), uid.as_str(), field_path])
            }
        };
        let mut hash = Fnv::default();
        parts.iter().chain(&[node, self.reason, self.what.as_str()]).for_each(|part| hash.add(part));
        format!("{}.{:016x}", &subject[..subject.floor_char_boundary(NAME_LIMIT)], hash.0)
    }
}

/// FNV-1a: the same number from every build of pullprobe. Not for secrets.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    /// One part; the byte behind it stands in no UTF-8.
    fn add(&mut self, part: &str) {
        for byte in part.bytes().chain([0xff]) {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(object: Object, what: &str) -> Event {
        Event::new(object, Severity::Warning, "ImageNotPullable", what, "text")
    }

    fn pod(name: &str, uid: &str) -> Object {
        Object::Pod {
            namespace: "shop".into(),
            name: name.into(),
            uid: uid.into(),
            field_path: Some("spec.containers{web}".to_owned()),
        }
    }

    #[test]
    fn the_name_of_an_event_is_known_after_a_restart_and_is_its_own() {
        let first = event(pod("web-0", "1"), "a").name("worker-3");
        assert_eq!(first, event(pod("web-0", "1"), "a").name("worker-3"));
        assert!(first.starts_with("web-0.") && first.len() == "web-0.".len() + 16, "{first}");
        let others = [
            event(pod("web-0", "2"), "a").name("worker-3"),
            event(pod("web-0", "1"), "b").name("worker-3"),
            event(pod("web-0", "1"), "a").name("worker-4"),
            event(Object::Node, "a").name("worker-3"),
        ];
        assert!(!others.contains(&first), "{others:?}");
    }

    #[test]
    fn texts_and_names_are_as_long_as_the_api_takes_them() {
        let long = event(pod(&"p".repeat(253), "1"), "a");
        assert!(long.name("worker-3").len() <= 253);
        let text = Event::new(Object::Node, Severity::Normal, "X", "", &"ä\u{1b}".repeat(2_000));
        assert!(text.message.len() <= MESSAGE_LIMIT && !text.message.contains('\u{1b}'));
    }
}
