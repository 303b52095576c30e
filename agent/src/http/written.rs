//! A request as it goes over the wire.

use http::{HeaderValue, header};
use percent_encoding::percent_decode_str;

use super::Request;
use crate::model::proxy::{ProxyCredentials, ProxyUrl};
use crate::redact::secret::Secret;

/// `via`: the proxy that passes it on. `None`: it is none of HTTP, or too long for the library.
pub fn written(request: &Request, via: Option<&ProxyUrl>) -> Option<http::Request<String>> {
    let url = &request.url;
    let host = match url.port() {
        Some(port) => format!("{}:{port}", url.host_str()?),
        None => url.host_str()?.to_owned(),
    };
    let path = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    let mut written = http::Request::new(request.form.clone().unwrap_or_default());
    *written.method_mut() = request.method.clone();
    let target = if via.is_some() { format!("{}://{host}{path}", url.scheme()) } else { path };
    *written.uri_mut() = target.parse().ok()?;
    let headers = written.headers_mut();
    headers.insert(header::HOST, HeaderValue::from_str(&host).ok()?);
    headers.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
    if !url.username().is_empty() || url.password().is_some() {
        let decoded = |text: &str| Secret::new(percent_decode_str(text).decode_utf8_lossy());
        let (username, password) = (decoded(url.username()), decoded(url.password().unwrap_or_default()));
        headers.insert(header::AUTHORIZATION, sensitive(&ProxyCredentials { username, password })?);
    }
    if let Some(credentials) = via.and_then(|proxy| proxy.credentials.as_ref()) {
        headers.insert(header::PROXY_AUTHORIZATION, sensitive(credentials)?);
    }
    // What the caller set takes the place of these; a name may stand there more than once.
    for name in request.headers.keys() {
        headers.remove(name);
    }
    headers.extend(request.headers.clone());
    Some(written)
}

fn sensitive(credentials: &ProxyCredentials) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(&credentials.basic()).ok()?;
    value.set_sensitive(true);
    Some(value)
}
