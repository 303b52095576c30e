//! `pullprobe explain [CAUSE]`: a cause, or kubelet's message about a limit on pulls.

use serde::Serialize;

use super::{Ending, complain, print};
use crate::cli::Format;
use crate::model::cause::text::kubelet::{self, Told};
use crate::model::cause::text::{Text, text};
use crate::model::cause::{Cause, Owner};
use crate::model::nearest::nearest;
use crate::model::shown::without_credentials;
use crate::render::json;

#[derive(Serialize)]
struct Explained {
    cause: &'static str,
    owner: &'static str,
    summary: &'static str,
    evidence: &'static str,
    confirm: &'static str,
    fix: &'static str,
}

impl Explained {
    const fn new(cause: &'static str, owner: Owner, text: Text) -> Self {
        let Text { summary, evidence, confirm, fix } = text;
        Self { cause, owner: owner.as_str(), summary, evidence, confirm, fix }
    }
}

impl From<Cause> for Explained {
    fn from(cause: Cause) -> Self {
        Self::new(cause.as_str(), cause.owner(), text(cause))
    }
}

impl From<Told> for Explained {
    fn from(told: Told) -> Self {
        match told {
            Told::Cause(cause) => cause.into(),
            Told::OwnLimit => Self::new(kubelet::OWN_LIMIT_NAME, Owner::Node, told.text()),
        }
    }
}

pub fn run(wanted: Option<&str>, format: Format) -> Ending {
    let Some(wanted) = wanted else {
        let all: Vec<Explained> = Cause::ALL.iter().copied().map(Explained::from).collect();
        let line = |one: &Explained| format!("{:<34} {:<12} {}\n", one.cause, one.owner, one.summary);
        let told = match format {
            Format::Json => json::text(&all),
            Format::Text => all.iter().map(line).collect(),
        };
        return print(&told, Ending::Well);
    };
    let by_name = wanted.parse::<Cause>().ok().map(Explained::from);
    let Some(one) = by_name.or_else(|| kubelet::told(wanted).map(Explained::from)) else {
        let near = nearest(wanted, Cause::ALL.iter().map(|cause| cause.as_str()))
            .map_or_else(|| ".".to_owned(), |name| format!("; did you mean `{name}`?"));
        let wanted = without_credentials(wanted);
        complain(&format!(
            "`{wanted}` is no cause{near} `pullprobe explain` lists them all, `pullprobe check IMAGE` finds an image's"
        ));
        return Ending::Refused;
    };
    let told = match format {
        Format::Json => json::text(&one),
        Format::Text => format!(
            "{} (who can fix it: {})\n\n{}\n\nEvidence\n  {}\n\nConfirm by hand\n  {}\n\nFix\n  {}\n",
            one.cause, one.owner, one.summary, one.evidence, one.confirm, one.fix
        ),
    };
    print(&told, Ending::Well)
}
