//! The token service: who asks for what, and a token that every registry of this process can check.

use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::auth::{Bearer, Refusal, TokenField};
use super::record::{Authorization, Request, form_values};
use super::reply::Reply;
use super::store::sha256;

/// Known to this process alone, so that a token of an earlier run is not good.
static SECRET: LazyLock<String> =
    LazyLock::new(|| format!("{:016x}{:016x}", crate::socket::random(), crate::socket::random()));

/// What a token says; shaped as the claims of a real registry's token.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Claims {
    sub: String,
    aud: String,
    exp: u64,
    access: Vec<Access>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Access {
    #[serde(rename = "type")]
    kind: String,
    name: String,
    actions: Vec<String>,
}

impl Claims {
    /// The claims of a token of this process for `service` whose time has not ended.
    pub(crate) fn verify(token: &str, service: &str) -> Option<Self> {
        let (body, signature) = token.rsplit_once('.')?;
        if sign(body) != signature {
            return None;
        }
        let claims = URL_SAFE_NO_PAD.decode(body.split_once('.')?.1).ok()?;
        let claims: Self = serde_json::from_slice(&claims).ok()?;
        (claims.aud == service && claims.exp > now()).then_some(claims)
    }

    pub(crate) fn allows(&self, repository: &str) -> bool {
        self.access.iter().any(|access| {
            access.kind == "repository"
                && access.name == repository
                && access.actions.iter().any(|action| action == "pull")
        })
    }

    fn token(&self) -> String {
        let head = URL_SAFE_NO_PAD.encode(json!({"alg": "lab", "typ": "JWT"}).to_string());
        let claims = serde_json::to_string(self).unwrap_or_default();
        let body = format!("{head}.{}", URL_SAFE_NO_PAD.encode(claims));
        let signature = sign(&body);
        format!("{body}.{signature}")
    }
}

fn sign(body: &str) -> String {
    URL_SAFE_NO_PAD.encode(sha256(format!("{0}{body}{0}", *SECRET).as_bytes()))
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Who asks.
enum Caller {
    Anonymous,
    User(String),
    Stranger,
}

impl Bearer {
    /// The answer of the token service.
    pub(crate) fn token(&self, request: &Request) -> Reply {
        // A POST says in its body what a GET says in its query.
        let form = if request.method == "POST" { &request.body } else { &request.query };
        let scopes = form_values(form, "scope").join(" ");
        let (user, may_read_private) = match self.caller(request) {
            Caller::Stranger => {
                let reply = Reply::error(self.wrong_password, "UNAUTHORIZED", "incorrect user name or password");
                return self.wrong_password_words.of(reply);
            }
            Caller::Anonymous => (String::new(), false),
            Caller::User(user) => {
                let allowed = !self.denied.contains(&user);
                (user, allowed)
            }
        };
        let asked: Vec<Access> = scopes.split_whitespace().filter_map(parse_scope).collect();
        let count = asked.len();
        let access: Vec<Access> =
            asked.into_iter().filter(|access| self.grants(&access.name, may_read_private)).collect();
        match self.refusal {
            Refusal::Unauthorized if access.len() < count => {
                self.refusal_words.of(Reply::error(401, "UNAUTHORIZED", "authentication required"))
            }
            Refusal::Forbidden if access.len() < count => {
                self.refusal_words.of(Reply::error(403, "DENIED", "requested access to the resource is denied"))
            }
            _ => self.issue(user, access),
        }
    }

    fn issue(&self, sub: String, access: Vec<Access>) -> Reply {
        let claims = Claims { sub, aud: self.service.clone(), exp: now() + self.lifetime, access };
        let token = claims.token();
        let mut document = json!({"issued_at": Timestamp::now().to_string()});
        let fields: &[&str] = match self.field {
            TokenField::Both => &["token", "access_token"],
            TokenField::Token => &["token"],
            TokenField::AccessToken => &["access_token"],
            TokenField::Neither => &[],
        };
        for field in fields {
            document[*field] = json!(token);
        }
        if let Some(seconds) = self.expires_in {
            document["expires_in"] = json!(seconds);
        }
        Reply::json(&document)
    }

    fn caller(&self, request: &Request) -> Caller {
        let one = |name| form_values(&request.body, name).into_iter().next().unwrap_or_default();
        if request.method == "POST" && one("grant_type") == "refresh_token" {
            let known = self.identity_tokens.contains(&one("refresh_token"));
            return if known { Caller::User("identity".to_owned()) } else { Caller::Stranger };
        }
        let (user, password) = if request.method == "POST" && one("grant_type") == "password" {
            (one("username"), one("password"))
        } else {
            match request.authorization() {
                None => return Caller::Anonymous,
                Some(Authorization::Basic(user, password)) => (user, password),
                Some(_) => return Caller::Stranger,
            }
        };
        if self.users.get(&user) == Some(&password) { Caller::User(user) } else { Caller::Stranger }
    }
}

/// Reads `type:name:actions`; the name may hold colons itself.
fn parse_scope(text: &str) -> Option<Access> {
    let (kind, rest) = text.split_once(':')?;
    let (name, actions) = rest.rsplit_once(':')?;
    Some(Access {
        kind: kind.to_owned(),
        name: name.to_owned(),
        actions: actions.split(',').map(str::to_owned).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(exp: u64) -> Claims {
        let access = parse_scope("repository:host:5000/a:pull,push").into_iter().collect();
        Claims { sub: String::new(), aud: "s".to_owned(), exp, access }
    }

    #[test]
    fn a_token_is_good_for_its_service_time_and_repository() {
        let token = claims(now() + 60).token();
        let verified = Claims::verify(&token, "s").unwrap();
        assert!(verified.allows("host:5000/a"));
        assert!(!verified.allows("host:5000/b"));
        assert_eq!(Claims::verify(&token, "t"), None);
        assert_eq!(Claims::verify(&format!("{token}x"), "s"), None);
        assert_eq!(Claims::verify(&claims(now()).token(), "s"), None);
    }
}
