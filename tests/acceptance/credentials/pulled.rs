//! Holds what `check` says against pulls of a real containerd, one for each candidate as kubelet makes them.

use pullprobe_lab::registry::{Authorization, Kind, Request};
use serde_json::Value;

use super::configuration::{Candidate, Expect};
use super::planned::{in_order, list, named, written};
use crate::judge::cri::{AuthConfig, Cri, Refusal};

/// A login as a server received it: the endpoint, and `USER:PASSWORD` or what stood for them.
type Login = (String, String);

/// What kubelet and containerd made of the candidates.
pub struct Pulls {
    /// Of the daemon, as `2.1.9`.
    pub version: String,
    /// One for each pull, in order: whether it succeeded.
    pub succeeded: Vec<bool>,
    /// What the servers received, each once.
    pub logins: Vec<Login>,
}

/// Pulls with each candidate until one succeeds; without any candidate, once without a credential.
pub async fn pull_in_turn(cri: &mut Cri, image: &str, candidates: &[&Candidate]) -> Vec<Result<String, Refusal>> {
    if candidates.is_empty() {
        return vec![cri.pull(image, None).await];
    }
    let mut outcomes = Vec::new();
    for candidate in candidates {
        let (username, password) = candidate.user_and_password();
        let auth = AuthConfig { username: username.into(), password: password.into(), ..AuthConfig::default() };
        let outcome = cri.pull(image, Some(auth)).await;
        let succeeded = outcome.is_ok();
        outcomes.push(outcome);
        if succeeded {
            break;
        }
    }
    outcomes
}

/// The logins among requests, each once, in the order of their first use. What asks for no repository is
/// not of a pull: `check` also tells whether the registry itself lets this node in.
pub fn logins(requests: &[(String, Request)]) -> Vec<Login> {
    let mut found: Vec<Login> = Vec::new();
    for (endpoint, request) in requests.iter().filter(|(_, request)| is_of_pull(request)) {
        let Some(login) = login(request) else { continue };
        let login = (endpoint.clone(), login);
        if !found.contains(&login) {
            found.push(login);
        }
    }
    found
}

fn is_of_pull(request: &Request) -> bool {
    let asks_for_repository = |form: &str| {
        url::form_urlencoded::parse(form.as_bytes())
            .any(|(key, value)| key == "scope" && value.starts_with("repository:"))
    };
    match request.kind {
        Kind::Ping => false,
        Kind::Token => asks_for_repository(&request.query) || asks_for_repository(&request.body),
        _ => true,
    }
}

/// Tokens are no login: they stand for one that was seen where the token came from.
fn login(request: &Request) -> Option<String> {
    let form: Vec<(String, String)> = url::form_urlencoded::parse(request.body.as_bytes()).into_owned().collect();
    let field = |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    match (request.authorization(), field("grant_type")) {
        (Some(Authorization::Basic(user, password)), _) => Some(format!("{user}:{password}")),
        (Some(Authorization::Other(value)), _) => Some(value),
        (_, Some("refresh_token")) => Some(format!("refresh token {}", field("refresh_token").unwrap_or_default())),
        (_, Some("password")) => {
            Some(format!("{}:{}", field("username").unwrap_or_default(), field("password").unwrap_or_default()))
        }
        _ => None,
    }
}

/// Every difference between what containerd did and what pullprobe says and sends.
pub fn differences(
    expect: &Expect,
    tried: &[&Candidate],
    by_kubelet: &Pulls,
    report: &Value,
    sent: &[Login],
) -> Vec<String> {
    let image = &report["images"][0];
    let mut found = Vec::new();
    let mut compare = |what: &str, containerd: String, pullprobe: String| {
        if containerd != pullprobe {
            found.push(format!("check: {what}\n    containerd: {containerd}\n    pullprobe:  {pullprobe}"));
        }
    };
    let candidates = list(&image["candidates"]);
    compare(
        "candidates",
        in_order(expect.candidates.iter().map(written).collect(), expect.random),
        in_order(candidates.iter().map(named).collect(), expect.random),
    );
    let pulled = by_kubelet.succeeded.last() == Some(&true);
    compare("pullable", pulled.to_string(), image["pullable"].to_string());
    let ends = by_kubelet.succeeded.iter().filter(|_| !tried.is_empty()).map(ToString::to_string);
    let said = candidates.iter().filter(|one| one["tried"] == true).map(|one| one["pullable"].to_string());
    compare("pulls and their ends", ends.collect::<Vec<_>>().join(" "), said.collect::<Vec<_>>().join(" "));
    if let Some(cause) = &expect.cause {
        compare("cause", cause.clone(), image["cause"].as_str().unwrap_or_default().to_owned());
    }
    if pulled {
        let worked = tried.get(by_kubelet.succeeded.len() - 1);
        let wanted = worked.map(|one| format!("{} {} {}", one.source, one.key, one.kind)).unwrap_or_default();
        let used = &image["credential"];
        let used = if used.is_object() { named(used) } else { String::new() };
        compare("the credential that works", wanted, used);
    }
    compare("logins sent", format!("{:#?}", by_kubelet.logins), format!("{sent:#?}"));
    found
}
