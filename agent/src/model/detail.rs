//! How much the metrics show.

use std::str::FromStr;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Detail {
    /// What the shipped alerts and dashboards use.
    #[default]
    Standard,
    /// Everything.
    Full,
}

impl Detail {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Full => "full",
        }
    }
}

impl FromStr for Detail {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let all = [Self::Standard, Self::Full];
        all.into_iter().find(|detail| detail.as_str() == text).ok_or_else(|| "standard or full".to_owned())
    }
}
