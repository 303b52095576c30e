//! Whether an answer came from the registry, or from the proxy that was to pass on the request to it.
//!
//! Only a plain registry's requests are passed on one by one: there the proxy answers in its place.

use super::schemes;
use crate::cause::Cause;
use crate::http::Response;
use crate::model::outcome::Failure;
use crate::model::stage::Stage;
use crate::refusal::Errors;

/// The failure of a proxy that answered itself. `None`: the registry answered, or it is unknown who did.
pub fn refusal(response: &Response, errors: &Errors) -> Option<Failure> {
    let proxy = response.passed_on_by.as_deref()?;
    let code = response.status.as_u16();
    // No registry asks for a proxy's password.
    let is_own = code == 407 || (code >= 400 && names_itself(response) && !is_of_registry(response, errors));
    if !is_own {
        return None;
    }
    let (cause, meaning) = match code {
        407 => (Cause::ProxyAuthRequired, "asks for credentials"),
        500..=599 => (Cause::ProxyDenied, "cannot reach the registry"),
        _ => (Cause::ProxyDenied, "refuses to pass on the request"),
    };
    let why = response.header("x-squid-error").map(|why| format!(": {}", response.repeated(why))).unwrap_or_default();
    let detail = format!("the proxy {meaning}: it answered {} itself{why}", response.line());
    let challenges = response.headers.get_all("proxy-authenticate").iter();
    let challenges: Vec<String> =
        challenges.map(|value| response.repeated(&String::from_utf8_lossy(value.as_bytes()))).collect();
    Some(schemes::explained(Failure::new(Stage::Proxy, cause, detail).at(proxy), &challenges))
}

/// What else it may be: a refusal that says neither that it is the registry's nor that it is the proxy's.
pub fn or_the_proxy(response: &Response, errors: &Errors) -> Option<Cause> {
    let is_open = matches!(response.status.as_u16(), 403 | 500..=599) && !is_of_registry(response, errors);
    (response.passed_on_by.is_some() && is_open).then_some(Cause::ProxyDenied)
}

/// Headers of a hop, which a registry has no reason to send. `Via` stands on what was passed on, too,
/// and `Proxy-Status` is written by what stands in front of registries as well.
fn names_itself(response: &Response) -> bool {
    let names = |name: &str| name == "x-squid-error" || (name.starts_with("proxy-") && name != "proxy-status");
    response.headers.keys().any(|name| names(name.as_str()))
}

fn is_of_registry(response: &Response, errors: &Errors) -> bool {
    response.headers.contains_key("docker-distribution-api-version") || errors.has_code()
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue, StatusCode};

    use super::*;

    /// The cause that is certain, and the one that is possible.
    fn judged(proxied: bool, status: u16, headers: &[(&'static str, &'static str)], body: &str) -> [Option<Cause>; 2] {
        let headers =
            headers.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        let response = Response {
            status: StatusCode::from_u16(status).unwrap(),
            headers: headers.collect(),
            body: body.as_bytes().to_vec().into(),
            passed_on_by: proxied.then(|| "proxy.example:3128".to_owned()),
            ..Response::empty()
        };
        let errors = Errors::of(&response);
        let refusal = refusal(&response, &errors);
        assert!(refusal.iter().all(|failure| failure.host.as_deref() == Some("proxy.example:3128")));
        [refusal.map(|failure| failure.cause), or_the_proxy(&response, &errors)]
    }

    #[test]
    fn a_proxy_that_answers_itself_is_told_from_the_registry_behind_it() {
        let own = [("x-squid-error", "ERR_ACCESS_DENIED 0"), ("via", "1.1 lab (squid/5.7)")];
        let certain = |cause, other| [Some(cause), other];
        let possible = Some(Cause::ProxyDenied);
        assert_eq!(judged(true, 407, &[], ""), certain(Cause::ProxyAuthRequired, None));
        assert_eq!(judged(true, 403, &own, ""), certain(Cause::ProxyDenied, possible));
        assert_eq!(judged(true, 503, &own, ""), certain(Cause::ProxyDenied, possible));
        assert_eq!(judged(true, 400, &[("proxy-agent", "lab")], ""), certain(Cause::ProxyDenied, None));
        // Passed on, it has the proxy's name on it all the same.
        let passed_on = [("via", "1.1 lab (squid/5.7)"), ("docker-distribution-api-version", "registry/2.0")];
        assert_eq!(judged(true, 403, &passed_on, ""), [None, None]);
        let envelope = r#"{"errors":[{"code":"DENIED","message":"no"}]}"#;
        assert_eq!(judged(true, 403, &own, envelope), [None, None]);
        // Nothing tells.
        assert_eq!(judged(true, 403, &[("via", "1.1 lab")], ""), [None, possible]);
        assert_eq!(judged(true, 502, &[("proxy-status", "cdn; error=x")], "Bad Gateway"), [None, possible]);
        assert_eq!(judged(true, 404, &[], ""), [None, None]);
        // Through a tunnel, or without a proxy, it is the registry's.
        assert_eq!(judged(false, 407, &own, ""), [None, None]);
        assert_eq!(judged(false, 503, &own, ""), [None, None]);
    }
}
