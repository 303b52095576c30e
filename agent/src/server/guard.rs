//! Who must show who they are, and how: passwords and certificates of the web configuration file.
//!
//! They protect every route, as in the exporter-toolkit. One thing is exempt: the node itself may ask for the agent's health, so that
//! kubelet's probes need neither.

use std::sync::Arc;

use axum::extract::{Extension, Request, State};
use axum::http::header::{AUTHORIZATION, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::readers::Caller;
use super::reply::{self, Reply};
use super::{Content, HEALTH};
use crate::redact::secret::Secret;
use crate::web_config::in_force::{InForce, WebConfigFile};
use crate::web_config::passwords::Answer;

/// Of a request whose sender showed who they are.
#[derive(Clone, Copy, Debug)]
pub struct Known;

pub async fn protect(
    State(content): State<Arc<Content>>,
    Extension(caller): Extension<Caller>,
    mut request: Request,
    next: Next,
) -> Response {
    let Some(file) = &content.web else {
        let mut response = next.run(request).await;
        reply::harden(response.headers_mut());
        return response;
    };
    let in_force = file.now().await;
    let exempt = caller.is_of_node() && HEALTH.contains(&request.uri().path());
    let shown = if exempt { Ok(false) } else { shows(file, &in_force, &caller, request.headers()).await };
    let mut response = match shown {
        Ok(known) => {
            if known {
                request.extensions_mut().insert(Known);
            }
            next.run(request).await
        }
        Err(refusal) => refusal,
    };
    let headers = response.headers_mut();
    reply::harden(headers);
    for (name, value) in &in_force.config.headers {
        headers.insert(name, value.clone());
    }
    response
}

/// `Ok`: goes on, known or not. `Err`: what is answered instead.
async fn shows(
    file: &WebConfigFile,
    in_force: &InForce,
    caller: &Caller,
    headers: &HeaderMap,
) -> Result<bool, Response> {
    // Without one nobody gets here but from the node.
    if in_force.tls.as_ref().is_some_and(|tls| tls.certificate_required) && !caller.certified {
        return Err(Reply::text("this needs a client certificate; without one there is the agent's health alone\n")
            .status(StatusCode::FORBIDDEN));
    }
    let users = &in_force.config.users;
    if users.is_empty() {
        return Ok(caller.certified);
    }
    let Some((name, password)) = credentials(headers) else { return Err(unauthorized()) };
    match file.passwords.check(users, &name, &password).await {
        Answer::Right => Ok(true),
        Answer::Wrong => Err(unauthorized()),
        Answer::Busy => {
            let text = "too many passwords wait to be checked: ask again\n";
            let mut response = Reply::text(text).status(StatusCode::SERVICE_UNAVAILABLE);
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
            Err(response)
        }
    }
}

fn unauthorized() -> Response {
    let mut response = Reply::text("this needs a user and a password\n").status(StatusCode::UNAUTHORIZED);
    let challenge = HeaderValue::from_static("Basic realm=\"pullprobe\", charset=\"UTF-8\"");
    response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    response
}

/// Name and password of Basic authentication (RFC 7617).
fn credentials(headers: &HeaderMap) -> Option<(String, Secret)> {
    let (scheme, encoded) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = Zeroizing::new(STANDARD.decode(encoded.trim()).ok()?);
    let (name, password) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    Some((name.to_owned(), Secret::new(password)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn basic_credentials_are_read_as_they_are_written_and_nothing_else_is() {
        let read = |value: &str| {
            let headers: HeaderMap = [(AUTHORIZATION, value.parse().unwrap())].into_iter().collect();
            credentials(&headers).map(|(name, password)| (name, password.expose().to_owned()))
        };
        let both = |name: &str, password: &str| Some((name.to_owned(), password.to_owned()));
        assert_eq!(read(&format!("Basic {}", STANDARD.encode("alice:a:b"))), both("alice", "a:b"));
        assert_eq!(read(&format!("bAsIc  {}", STANDARD.encode("ä:"))), both("ä", ""));
        for wrong in ["Basic", "Basic !", "Bearer YTpi", &format!("Basic {}", STANDARD.encode("alice"))] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
        assert!(credentials(&HeaderMap::new()).is_none());
    }
}
