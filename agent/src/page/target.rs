//! A row of the table at the head of the page: a registry or an image, and how it is.

use jiff::Timestamp;

use super::history::Since;
use super::query::State;
use crate::cause::Cause;
use crate::model::namespace::Namespace;
use crate::model::report::ImageReport;

/// A row of the table.
pub struct Target<'a> {
    pub state: State,
    /// How it is, in its own words.
    pub word: &'static str,
    pub kind: &'static str,
    /// Unique on the page.
    pub id: String,
    pub name: String,
    pub cause: Option<Cause>,
    /// Since when it is so. `None`: not known.
    pub since: Option<Since>,
    /// When it was last looked at.
    pub seen: Option<Timestamp>,
    /// Other texts by which it is found.
    pub hosts: Vec<String>,
    pub what: What<'a>,
}

#[derive(Clone, Copy)]
pub enum What<'a> {
    Registry(&'a str, &'a Namespace),
    Image(&'a ImageReport),
    Waiting,
}
