//! The snapshot as a page for people: one file, a script of its own that it can do without, nothing from elsewhere.
//!
//! Whatever came from a registry or a file is escaped; it makes no judgement of its own. [`POLICY`] lets a browser run and apply
//! what is in the files beside this one, and nothing else.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use maud::{Markup, html};
use sha2::Digest as _;

use crate::state::snapshot::Snapshot;

mod dates;
mod dns;
mod history;
mod image;
mod markup;
mod node;
mod pods;
mod query;
mod registry;
mod stages;
mod table;
mod target;

pub use query::Query;

const STYLE: &str = include_str!("page/page.css");
const SCRIPT: &str = include_str!("page/page.js");

/// The page's own style and script by their hashes: nothing that others wrote can be taken for them, and a policy without a nonce can
/// stand in a file. The script may ask the agent, the form may lead to it, and no text may become markup in the browser.
pub static POLICY: LazyLock<String> = LazyLock::new(|| {
    format!(
        "default-src 'none'; style-src '{}'; script-src '{}'; connect-src 'self'; form-action 'self'; base-uri 'none'; \
         frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
        hash(STYLE),
        hash(SCRIPT)
    )
});

fn hash(text: &str) -> String {
    format!("sha256-{}", STANDARD.encode(sha2::Sha256::digest(text)))
}

pub fn html(snapshot: &Snapshot, now: Timestamp, query: &Query) -> String {
    let title = markup::finished(html! { (snapshot.node) " · pullprobe" });
    let body = markup::finished(html! {
        header #head { (head(snapshot, now)) }
        main #main {
            (table::section(snapshot, query, now))
            (pods::section(snapshot, now))
            (node::findings(snapshot, now))
            (dates::section(snapshot, now))
            (node::facts(snapshot, now))
        }
        (foot())
    });
    // Style and script go around what is done to the text of others: they are ours, and byte for byte what the policy allows.
    [
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">",
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">",
        "<meta name=\"color-scheme\" content=\"light dark\"><title>",
        &title,
        "</title><style>",
        STYLE,
        "</style></head><body>",
        &body,
        "<script>",
        SCRIPT,
        "</script></body></html>\n",
    ]
    .concat()
}

fn head(snapshot: &Snapshot, now: Timestamp) -> Markup {
    let waiting = snapshot.pods.waiting().count();
    html! {
        p.mark { "pullprobe" }
        h1 { (snapshot.node) }
        p.lead {
            "containerd " b { (snapshot.state.containerd.version) } " · " (snapshot.state.platform) " · "
            @if snapshot.last_cycle.is_none() { "the first cycle is running" } @else { "as seen " (markup::utc(now)) }
        }
        @if waiting > 0 { p.waiting { a href="#pods" {
            (waiting) @if waiting == 1 { " container waits for its image" } @else { " containers wait for their image" }
        } } }
    }
}

fn foot() -> Markup {
    html! { footer {
        nav aria-label="Formats" {
            a href="api/v1/report" { "report as JSON" } " " a href="metrics" { "metrics" } " "
            a href="api/v1/summary" { "summary" } " " a href="api/v1/schema" { "schema" }
        }
        p #status role="status" {}
        noscript { "Reload the page to see what is new." }
        label hidden { input #wanted type="checkbox" checked; " update every 15 s" }
        p { "pullprobe " (env!("CARGO_PKG_VERSION")) }
    } }
}

#[cfg(test)]
mod tests;
