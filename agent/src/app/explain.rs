//! `pullprobe explain [CAUSE]`.

use serde::Serialize;

use super::{Ending, complain, print};
use crate::cli::Format;
use crate::model::cause::Cause;
use crate::model::cause::text::text;
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

impl From<Cause> for Explained {
    fn from(cause: Cause) -> Self {
        let text = text(cause);
        Self {
            cause: cause.as_str(),
            owner: cause.owner().as_str(),
            summary: text.summary,
            evidence: text.evidence,
            confirm: text.confirm,
            fix: text.fix,
        }
    }
}

pub fn run(wanted: Option<&str>, format: Format) -> Ending {
    let Some(wanted) = wanted else {
        let all: Vec<Explained> = Cause::ALL.iter().copied().map(Explained::from).collect();
        match format {
            Format::Json => print(&json::text(&all)),
            Format::Text => {
                let lines: Vec<String> =
                    all.iter().map(|one| format!("{:<34} {:<12} {}\n", one.cause, one.owner, one.summary)).collect();
                print(&lines.concat());
            }
        }
        return Ending::Well;
    };
    let Ok(cause) = wanted.parse::<Cause>() else {
        let near = nearest(wanted, Cause::ALL.iter().map(|cause| cause.as_str()))
            .map(|name| format!("; did you mean `{name}`?"))
            .unwrap_or_default();
        let wanted = without_credentials(wanted);
        complain(&format!("`{wanted}` is no cause{near} `pullprobe explain` lists them all"));
        return Ending::Refused;
    };
    let one = Explained::from(cause);
    match format {
        Format::Json => print(&json::text(&one)),
        Format::Text => print(&format!(
            "{} (who can fix it: {})\n\n{}\n\nEvidence\n  {}\n\nConfirm by hand\n  {}\n\nFix\n  {}\n",
            one.cause, one.owner, one.summary, one.evidence, one.confirm, one.fix
        )),
    }
    Ending::Well
}
