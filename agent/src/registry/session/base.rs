//! The base of the API, `/v2/`: containerd never asks for it, and it tells a registry from everything else.

use http::{HeaderMap, HeaderValue, header};

use super::Session;
use crate::cause::Cause;
use crate::http::{Response, headers};
use crate::model::stage::Stage;
use crate::refusal::evidence::Party;
use crate::refusal::{self, Errors, Reading};
use crate::registry::{challenge, request};
use crate::route::usage::RequestKind;

/// Error pages may be some KiB.
const BODY_LIMIT: usize = 16 << 10;
/// Words in an address to which people are sent to sign in.
const SIGN_IN: [&str; 7] = ["login", "signin", "sign_in", "oauth", "saml", "sso", "auth"];

/// What is at the base of the API.
#[derive(Clone, Debug)]
pub enum Base {
    Registry,
    /// Something else, in words: `404 Not Found: no such route`; and what those mean, where they are known.
    Other {
        said: String,
        reading: Option<Reading>,
    },
    Unknown,
}

impl Session<'_> {
    /// Asks for the base at `path`, anonymously.
    pub async fn base(&self, path: &str) -> Base {
        let route = self.route().await;
        let Ok(client) = route.client.clone() else { return Base::Unknown };
        if self.host.unsendable.is_some() {
            return Base::Unknown;
        }
        let mut sent: HeaderMap = headers::of(self.host);
        sent.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
        let Ok(request) = request::base(&client, path, sent, BODY_LIMIT) else { return Base::Unknown };
        if self.allowed.take(Stage::Ping).is_err() {
            return Base::Unknown;
        }
        self.network.usage.request(client.endpoint(), RequestKind::Ping);
        client.send(request).await.map_or(Base::Unknown, |response| judge(&response))
    }
}

fn judge(response: &Response) -> Base {
    let errors = Errors::of(response);
    let is_api = errors.has_code() || response.headers.contains_key("docker-distribution-api-version");
    let other = || {
        let said = format!("{}{}", response.line(), refusal::behind(": ", response, &errors));
        let reading = Some(refusal::read(response, &errors, Party::Registry, "")).filter(Reading::is_by_words);
        let is_of_place = |reading: &Reading| matches!(reading.cause, Cause::FilterBlocked | Cause::NotARegistry);
        Base::Other { said, reading: reading.filter(is_of_place) }
    };
    let page = refusal::is_web_page(response);
    match response.status.as_u16() {
        _ if is_api => Base::Registry,
        200..=299 if page => other(),
        200..=299 => Base::Registry,
        401 if !challenge::of(response).is_empty() => Base::Registry,
        401 | 403 if page => other(),
        404 | 405 | 410 => other(),
        301 | 302 | 303 | 307 | 308 => {
            let location = response.header("location").unwrap_or_default().to_ascii_lowercase();
            let place = location.split('?').next().unwrap_or_default().to_owned();
            if SIGN_IN.iter().any(|word| place.contains(word)) { other() } else { Base::Unknown }
        }
        _ => Base::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;

    fn base(status: u16, header: Option<(&'static str, &'static str)>, body: &str) -> Base {
        let mut response = Response { body: body.as_bytes().to_vec().into(), ..Response::empty() };
        response.status = StatusCode::from_u16(status).unwrap();
        if let Some((name, value)) = header {
            response.headers.insert(name, value.parse().unwrap());
        }
        judge(&response)
    }

    #[test]
    fn the_base_of_the_api_tells_a_registry_from_everything_else() {
        let is_other = |base: Base| matches!(base, Base::Other { .. });
        assert!(matches!(base(200, None, ""), Base::Registry));
        assert!(matches!(base(200, None, "{}"), Base::Registry));
        assert!(matches!(base(401, Some(("www-authenticate", "Basic realm=\"r\"")), "<html>"), Base::Registry));
        assert!(matches!(base(404, Some(("docker-distribution-api-version", "registry/2.0")), ""), Base::Registry));
        assert!(matches!(base(404, None, r#"{"errors":[{"code":"NOT_FOUND","message":"x"}]}"#), Base::Registry));
        assert!(is_other(base(404, None, "default backend - 404")));
        assert!(is_other(base(200, None, "<!doctype html><title>Welcome to nginx!</title>")));
        assert!(is_other(base(302, Some(("location", "https://sso.example/login?next=x")), "")));
        assert!(matches!(base(302, Some(("location", "https://r.example/v2/")), ""), Base::Unknown));
        assert!(matches!(base(503, None, "no healthy upstream"), Base::Unknown));
    }

    #[test]
    fn a_filter_at_the_base_says_that_it_is_one() {
        let cause = |status, body: &str| match base(status, None, body) {
            Base::Other { reading, .. } => reading.map(|reading| reading.cause),
            _ => panic!("{body} is a registry's"),
        };
        let filter = "<html><title>Web Page Blocked</title>FortiGuard Intrusion Prevention";
        assert_eq!((cause(200, filter), cause(403, filter)), (Some(Cause::FilterBlocked), Some(Cause::FilterBlocked)));
        assert_eq!(cause(404, "default backend - 404"), None);
    }
}
