//! The one table from the words of a refusal to its cause. The first rule that fits decides.
//!
//! Where the words are from stands beside each group: what registries, storages and filters were seen to say.

use crate::cause::{Cause, Owner};
use crate::model::outcome::Failure;

mod rules;
pub mod storage;

use rules::RULES;

/// Who refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Party {
    Registry,
    TokenService,
    /// Where a redirect of the registry leads, and what is there is no registry.
    Storage,
}

/// One row.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// The products that send this answer. Empty: any.
    by: &'static [Party],
    /// With which status; empty: any.
    codes: &'static [u16],
    /// One of these, in lower case. ` + ` joins what has to be there together, ` ~ ` what stands close together. A
    /// word begins where one begins, and ends where one ends, unless it ends in `*`.
    says: &'static [&'static str],
    /// Only in a web page.
    page: bool,
    pub cause: Cause,
    owner: Option<Owner>,
    /// Empty: that of the cause.
    summary: &'static str,
    fix: &'static str,
}

/// What a rule is held against.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    pub code: u16,
    pub by: Party,
    /// In lower case.
    pub words: &'a str,
    pub is_page: bool,
}

impl Rule {
    const fn of(cause: Cause) -> Self {
        Self { by: &[], codes: REFUSALS, says: &[], page: false, cause, owner: None, summary: "", fix: "" }
    }

    fn fits(&self, seen: &Seen<'_>) -> bool {
        (self.by.is_empty() || self.by.contains(&seen.by))
            && (self.codes.is_empty() || self.codes.contains(&seen.code))
            && (!self.page || seen.is_page)
            && self.says.iter().any(|phrase| holds(seen.words, phrase))
    }

    /// Whether it speaks of a login, of what it lacks or that it is past its time: nobody who sent none is told so.
    pub fn is_about_a_login(&self) -> bool {
        match self.cause {
            Cause::AccessDenied => self.owner != Some(Owner::Network),
            cause => cause == Cause::CredentialsExpired,
        }
    }

    pub fn tell(&self, failure: Failure) -> Failure {
        let failure = self.owner.into_iter().fold(failure, Failure::owned_by);
        let failure = if self.summary.is_empty() { failure } else { failure.summarized(self.summary) };
        if self.fix.is_empty() { failure } else { failure.fixed_by(self.fix) }
    }
}

/// So many bytes at most are between what stands close together: within a sentence.
const NEAR: usize = 48;

/// How ECR and others say that a login, or a token, was good once.
const EXPIRED: &[&str] = &[
    "token has expired",
    "token is expired",
    "token expired",
    "expired token",
    "credentials have expired",
    "credential has expired",
    "credentials are expired",
    "expired credentials",
    "password has expired",
    "password is expired",
    "password expired",
    "expired password",
];

/// Statuses that refuse without saying that something is missing or too often asked for.
const REFUSALS: &[u16] = &[400, 401, 402, 403, 405, 406, 409, 412, 418, 421, 423, 428, 451];

pub fn find(seen: &Seen<'_>) -> Option<&'static Rule> {
    let own = if seen.by == Party::Storage { storage::RULES } else { &[] };
    own.iter().chain(RULES).find(|rule| rule.fits(seen))
}

/// Whether the words, in lower case, say that a login or a token is past its time.
pub fn says_expired(words: &str) -> bool {
    EXPIRED.iter().any(|phrase| holds(words, phrase))
}

fn holds(words: &str, phrase: &str) -> bool {
    phrase.split(" + ").all(|part| match part.split_once(" ~ ") {
        None => places(words, part).next().is_some(),
        Some((one, other)) => {
            let others: Vec<_> = places(words, other).collect();
            let is_near = |(start, end): (usize, usize)| {
                others.iter().any(|(other_start, other_end)| start <= other_end + NEAR && *other_start <= end + NEAR)
            };
            places(words, one).any(is_near)
        }
    })
}

/// Where the words hold the part as whole words: from and to.
fn places(words: &str, part: &str) -> impl Iterator<Item = (usize, usize)> {
    let (part, open) = part.strip_suffix('*').map_or((part, false), |part| (part, true));
    let is_of_word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    let begins_word = is_of_word(part.chars().next());
    let ends_word = is_of_word(part.chars().next_back());
    words.match_indices(part).map(|(at, found)| (at, at + found.len())).filter(move |(start, end)| {
        let before = words[..*start].chars().next_back();
        let after = words[*end..].chars().next();
        !(begins_word && is_of_word(before)) && (open || !(ends_word && is_of_word(after)))
    })
}

/// A repository may be called `sso` or `billing`, and refusals repeat what was asked for.
pub fn without_names(words: &str, about: &str) -> String {
    let names = about.split('/').map(str::to_lowercase).filter(|name| !name.is_empty());
    names.fold(words.to_owned(), |words, name| {
        let is_name = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || "-_.".contains(c));
        let mut kept = String::new();
        let mut from = 0;
        for (at, _) in words.match_indices(&name) {
            let (before, after) = (words[..at].chars().next_back(), words[at + name.len()..].chars().next());
            // At the end of a sentence a name has a full stop behind it.
            let ends = !is_name(after.filter(|c| *c != '.'));
            if at >= from && !is_name(before) && ends {
                kept.push_str(&words[from..at]);
                from = at + name.len();
            }
        }
        kept.push_str(&words[from..]);
        kept
    })
}

#[cfg(test)]
mod tests;
