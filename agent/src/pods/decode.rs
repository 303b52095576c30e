//! Texts and lists of a pod, bounded while they are decoded: what is beyond the limit is never kept.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use jiff::Timestamp;
use serde::de::{Deserialize, Deserializer, IgnoredAny, SeqAccess, Visitor};

use crate::redact::clean::Clean;

/// The most entries of a list that are kept: pods have fewer containers.
pub const LIST_LIMIT: usize = 64;

/// One line of at most so many bytes, fit to be shown. `null` is the empty text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text<const LIMIT: usize>(Clean);

/// At most so many entries; `null` has none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextList<T, const LIMIT: usize = LIST_LIMIT> {
    entries: Vec<T>,
    /// How many more there were.
    pub left_out: usize,
}

impl<const LIMIT: usize> Text<LIMIT> {
    pub fn clean(&self) -> Clean {
        self.0.clone()
    }
}

impl<const LIMIT: usize> Deref for Text<LIMIT> {
    type Target = str;

    fn deref(&self) -> &str {
        self.0.as_str()
    }
}

impl<'de, const LIMIT: usize> Deserialize<'de> for Text<LIMIT> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Words<const LIMIT: usize>;

        impl<const LIMIT: usize> Visitor<'_> for Words<LIMIT> {
            type Value = Text<LIMIT>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Clean::clipped(text, LIMIT)))
            }

            fn visit_unit<E: serde::de::Error>(self) -> Result<Self::Value, E> {
                Ok(Text::default())
            }
        }

        deserializer.deserialize_any(Words)
    }
}

impl<T, const LIMIT: usize> TextList<T, LIMIT> {
    pub fn into_entries(self) -> Vec<T> {
        self.entries
    }
}

impl<T, const LIMIT: usize> Default for TextList<T, LIMIT> {
    fn default() -> Self {
        Self { entries: Vec::new(), left_out: 0 }
    }
}

impl<T, const LIMIT: usize> Deref for TextList<T, LIMIT> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.entries
    }
}

impl<'de, T: Deserialize<'de>, const LIMIT: usize> Deserialize<'de> for TextList<T, LIMIT> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries<T, const LIMIT: usize>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>, const LIMIT: usize> Visitor<'de> for Entries<T, LIMIT> {
            type Value = TextList<T, LIMIT>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_unit<E: serde::de::Error>(self) -> Result<Self::Value, E> {
                Ok(TextList::default())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut found = TextList::default();
                while found.entries.len() < LIMIT {
                    let Some(entry) = list.next_element()? else { return Ok(found) };
                    found.entries.push(entry);
                }
                while list.next_element::<IgnoredAny>()?.is_some() {
                    found.left_out += 1;
                }
                Ok(found)
            }
        }

        deserializer.deserialize_any(Entries(PhantomData))
    }
}

/// `null` is what is not there.
pub fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// A time that cannot be read is not known.
pub fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    let text: Option<Text<64>> = Option::deserialize(deserializer)?;
    Ok(text.and_then(|text| text.parse().ok()))
}
