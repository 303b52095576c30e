//! Whom a registry lets pull: nobody asked, Basic, or Bearer with its token service.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::record::{Authorization, Request};
use super::reply::Reply;
use super::route::Kind;
use super::token;
use super::words::Words;
use crate::pattern::fits;

/// How a registry authenticates.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(clippy::large_enum_variant, reason = "there is one for each registry")]
pub enum Auth {
    /// Not at all.
    #[default]
    Open,
    /// User name and password with every request.
    Basic(Basic),
    /// Tokens of a token service.
    Bearer(Bearer),
}

/// Basic authentication.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Basic {
    /// Empty = `lab`.
    pub realm: String,
    /// Passwords by user name.
    pub users: BTreeMap<String, String>,
    /// Users that may sign in but not pull: 403 `DENIED`.
    pub denied: Vec<String>,
    /// The challenge as it stands, a line for each header; empty = `Basic realm="…"`.
    pub challenge: Vec<String>,
    /// How it refuses one without a good password.
    pub refusal: Words,
}

/// Bearer authentication. The registry serves `/token` itself; `realm` sends clients elsewhere, for
/// example to another registry of the lab with the same `service`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Bearer {
    /// URL of the token service, `${name}` standing for another part's endpoint; empty = `/token`
    /// of the host that the client asked.
    pub realm: String,
    /// The registry's name at the token service.
    pub service: String,
    /// Passwords by user name.
    pub users: BTreeMap<String, String>,
    /// Identity tokens (refresh tokens) that stand for a user.
    pub identity_tokens: Vec<String>,
    /// Users that may sign in but not pull what is private.
    pub denied: Vec<String>,
    /// Repositories that only users may pull; `*` stands for any text.
    pub private: Vec<String>,
    /// Repositories that no token is good for, as where the missing are not told from the private.
    pub nobody: Vec<String>,
    /// The challenge as it stands, a line for each header; empty = as the specification writes it.
    /// `${realm}` stands for the URL of the service, `${,scope}` and `${,error}` for these parameters
    /// behind a comma, or for nothing.
    pub challenge: Vec<String>,
    /// What the token service says to a request for what is not allowed.
    pub refusal: Refusal,
    /// In which words, where it does not answer 200.
    pub refusal_words: Words,
    /// What it says to a wrong password.
    pub wrong_password: u16,
    /// In which words.
    pub wrong_password_words: Words,
    /// How the registry refuses a token that is not good for what is asked.
    pub denial: Words,
    /// In which fields the token is.
    pub field: TokenField,
    /// What `expires_in` says, in seconds; `None` = it is left out.
    pub expires_in: Option<u64>,
    /// How long a token is really good, in seconds.
    pub lifetime: u64,
}

impl Default for Bearer {
    fn default() -> Self {
        Self {
            realm: String::new(),
            service: "registry.lab".to_owned(),
            users: BTreeMap::new(),
            identity_tokens: Vec::new(),
            denied: Vec::new(),
            private: Vec::new(),
            nobody: Vec::new(),
            challenge: Vec::new(),
            refusal: Refusal::EmptyAccess,
            refusal_words: Words::default(),
            wrong_password: 401,
            wrong_password_words: Words::default(),
            denial: Words::default(),
            field: TokenField::Both,
            expires_in: Some(300),
            lifetime: 300,
        }
    }
}

impl Bearer {
    pub(crate) fn is_private(&self, repository: &str) -> bool {
        self.private.iter().any(|pattern| fits(pattern, repository))
    }

    /// Whether a token for this repository is given.
    pub(crate) fn grants(&self, repository: &str, may_read_private: bool) -> bool {
        let closed = self.nobody.iter().any(|pattern| fits(pattern, repository));
        !closed && (may_read_private || !self.is_private(repository))
    }
}

/// How a token service refuses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// 200 with a token for nothing: the registry then answers 401 `insufficient_scope`.
    #[default]
    EmptyAccess,
    /// 401.
    Unauthorized,
    /// 403.
    Forbidden,
}

/// In which fields of the answer a token is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenField {
    /// `token` and `access_token`.
    #[default]
    Both,
    /// `token`.
    Token,
    /// `access_token`.
    AccessToken,
    /// Neither.
    Neither,
}

impl Auth {
    /// `Some` = what to answer in place of what was asked for.
    pub(crate) fn refuses(&self, request: &Request, realm: &str) -> Option<Reply> {
        match self {
            Self::Open => None,
            Self::Basic(basic) => basic.refuses(request),
            Self::Bearer(bearer) => bearer.refuses(request, realm),
        }
    }
}

impl Basic {
    fn refuses(&self, request: &Request) -> Option<Reply> {
        match request.authorization() {
            Some(Authorization::Basic(user, password)) if self.users.get(&user) == Some(&password) => {
                let denied = self.denied.contains(&user) && request.kind != Kind::Ping;
                denied.then(|| Reply::error(403, "DENIED", "this user may not pull"))
            }
            _ => {
                let realm = if self.realm.is_empty() { "lab" } else { &self.realm };
                let standard = vec![format!("Basic realm=\"{realm}\"")];
                let lines = if self.challenge.is_empty() { &standard } else { &self.challenge };
                let reply = Reply::error(401, "UNAUTHORIZED", "authentication required");
                let reply = lines.iter().fold(reply, |reply, line| reply.with("www-authenticate", line));
                Some(self.refusal.of(reply))
            }
        }
    }
}

impl Bearer {
    fn refuses(&self, request: &Request, realm: &str) -> Option<Reply> {
        let error = match request.authorization() {
            None => "",
            Some(Authorization::Bearer(text)) => match token::Claims::verify(&text, &self.service) {
                None => "invalid_token",
                Some(claims) if request.repository.is_empty() || claims.allows(&request.repository) => {
                    return None;
                }
                Some(_) => "insufficient_scope",
            },
            Some(_) => "invalid_token",
        };
        let scope = match &*request.repository {
            "" => String::new(),
            repository => format!(",scope=\"repository:{repository}:pull\""),
        };
        let problem = if error.is_empty() { String::new() } else { format!(",error=\"{error}\"") };
        let standard = vec![format!("Bearer realm=\"${{realm}}\",service=\"{}\"${{,scope}}${{,error}}", self.service)];
        let lines = if self.challenge.is_empty() { &standard } else { &self.challenge };
        let written =
            |line: &String| line.replace("${realm}", realm).replace("${,scope}", &scope).replace("${,error}", &problem);
        let reply = Reply::error(401, "UNAUTHORIZED", "authentication required");
        let reply = lines.iter().fold(reply, |reply, line| reply.with("www-authenticate", &written(line)));
        Some(if error == "insufficient_scope" { self.denial.of(reply) } else { reply })
    }
}
