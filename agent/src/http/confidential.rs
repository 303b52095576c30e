//! What a request tells a host in confidence, so that the answer can be shown without it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, header};
use percent_encoding::percent_decode_str;
use url::form_urlencoded;

use super::Request;
use crate::model::proxy::ProxyUrl;
use crate::redact::redactor::Redactor;
use crate::redact::secret::Secret;

/// What pullprobe and registries write into queries and forms, and everybody may know.
const PUBLIC: [&str; 9] =
    ["ns", "scope", "service", "client_id", "account", "grant_type", "username", "access_type", "offline_token"];

pub fn with(request: &Request, proxy: Option<&ProxyUrl>) -> Redactor {
    let mut told: Vec<Secret> = Vec::new();
    for (name, value) in &request.headers {
        if value.is_sensitive() || *name == header::AUTHORIZATION {
            told.extend(of_header(value));
        }
    }
    let form = request.form.as_deref().unwrap_or_default();
    for pairs in [request.url.query().unwrap_or_default(), form] {
        let secret = form_urlencoded::parse(pairs.as_bytes()).filter(|(name, _)| !PUBLIC.contains(&&**name));
        told.extend(secret.map(|(_, value)| Secret::new(value)));
    }
    if let Some(password) = request.url.password() {
        let decoded = percent_decoded(password);
        told.extend([Secret::new(password), decoded]);
    }
    told.extend(proxy.and_then(|proxy| proxy.credentials.as_ref()).map(|credentials| credentials.password.clone()));
    Redactor::over(told)
}

/// The whole value, what stands behind its scheme, and the password in it.
fn of_header(value: &HeaderValue) -> Vec<Secret> {
    // What comes back is read alike.
    let text = String::from_utf8_lossy(value.as_bytes());
    let mut told = vec![Secret::new(&*text)];
    if let Some((_, rest)) = text.split_once(' ') {
        told.push(Secret::new(rest));
    }
    if let Some(login) = text.strip_prefix("Basic ") {
        let decoded = STANDARD.decode(login).ok().and_then(|bytes| String::from_utf8(bytes).ok()).map(Secret::new);
        let password = decoded.as_ref().and_then(|login| login.expose().split_once(':'));
        told.extend(password.map(|(_, password)| Secret::new(password)));
    }
    told
}

fn percent_decoded(text: &str) -> Secret {
    Secret::new(percent_decode_str(text).decode_utf8_lossy())
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, Method};
    use url::Url;

    use super::*;

    #[test]
    fn everything_that_only_the_far_side_may_know_is_covered() {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, "Basic dXNlcjpodW50ZXIy".parse().unwrap());
        let mut key = HeaderValue::from_static("key-of-mirror");
        key.set_sensitive(true);
        headers.insert("x-key", key);
        headers.insert(header::ACCEPT, "application/json".parse().unwrap());
        let url = "https://u:pa%2Fss+w@cdn.example/x?ns=docker.io&X-Amz-Signature=0f0f0f";
        let form = Some("grant_type=password&username=user&password=form%2Fword".to_owned());
        let request = Request { method: Method::POST, url: Url::parse(url).unwrap(), headers, form, body_limit: 0 };
        let proxy = ProxyUrl::parse("http://u:of-proxy@proxy:3128");
        let redactor = with(&request, proxy.as_ref());
        for secret in [
            "hunter2",
            "dXNlcjpodW50ZXIy",
            "key-of-mirror",
            "pa/ss+w",
            "0f0f0f",
            "form/word",
            "form%2Fword",
            "of-proxy",
        ] {
            assert!(!redactor.hide(&format!("is {secret} yours?")).contains(secret), "{secret}");
        }
        for known in ["docker.io", "application/json", "user", "password"] {
            assert_eq!(redactor.hide(known), known);
        }
    }
}
