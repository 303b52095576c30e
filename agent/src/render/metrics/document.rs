//! docs/metrics.md, written from the table of families.

use std::fmt::Write;

use super::detail::{Target, series};
use super::{Family, Standard, families};
use crate::model::detail::Detail;

/// What stands above the table. `SERIES` is where the one of series goes.
const HEAD: &str = include_str!("head.md");

const TAIL: &str = "
`process_*` (CPU, memory, threads, file descriptors, start time) are the same as in every Prometheus client library.
";

/// One endpoint is counted with its registry, one image by itself.
fn table() -> String {
    let of = |target| (series(target, Detail::Standard), series(target, Detail::Full));
    let (endpoint, image) = (of(Target::Endpoint), of(Target::Image));
    format!(
        "| target | standard, at most | full |\n|---|---|---|\n\
         | an endpoint, with its registry | {} | {}, and one for each stage and cause at which it failed |\n| an image | {} | {} |\n",
        endpoint.0, endpoint.1, image.0, image.1
    )
}

const fn part(family: &Family) -> &'static str {
    match &family.standard {
        Standard::Whole => "all",
        Standard::Part { which, .. } => which,
        Standard::Nothing => "–",
    }
}

fn counts(family: &Family) -> String {
    if family.target() == Target::Node {
        return String::new();
    }
    format!("{} / {}", family.series_in(Detail::Full), family.series_in(Detail::Standard))
}

pub fn document() -> String {
    let mut text = HEAD.replace("SERIES\n", &format!("{}\n", table()));
    for family in families() {
        let labels: Vec<String> = family.labels.iter().map(|label| format!("`{label}`")).collect();
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "| `{}` | {} | {} | {} | {} | {} |",
            family.name,
            family.kind.as_str(),
            labels.join(", "),
            part(family),
            counts(family),
            family.help
        );
    }
    text + TAIL
}
