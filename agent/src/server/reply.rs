//! One answer: its type, its compression where that is asked for, and the headers that keep a
//! browser from doing more with it than showing it.

use std::io::Write;

use axum::body::Body;
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::{Response, StatusCode};
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::Digest as _;

/// What is shorter gains nothing from compression.
const WORTH_COMPRESSING: usize = 1_024;

pub struct Reply {
    content_type: &'static str,
    body: String,
    tag: Option<HeaderValue>,
    /// What a browser may do with it. `None`: nothing.
    policy: Option<HeaderValue>,
}

impl Reply {
    pub fn new(content_type: &'static str, body: String) -> Self {
        Self { content_type, body, tag: None, policy: None }
    }

    /// With an entity tag (RFC 9110, section 8.8.3): whoever has this body already gets 304 and no body.
    pub fn tagged(mut self) -> Self {
        let digest = sha2::Sha256::digest(self.body.as_bytes());
        // Weak: the compressed body has the same one.
        self.tag = HeaderValue::from_str(&format!("W/\"{:.32}\"", format!("{digest:x}"))).ok();
        self
    }

    /// With a content security policy of its own.
    pub fn under(mut self, policy: &str) -> Self {
        self.policy = HeaderValue::from_str(policy).ok();
        self
    }

    pub fn text(body: &str) -> Self {
        Self::new("text/plain; charset=utf-8", body.to_owned())
    }

    pub fn status(self, status: StatusCode) -> Response<Body> {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = status;
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        if let Some(policy) = self.policy {
            response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
        }
        response
    }

    /// For whoever sent these headers.
    pub fn to(self, request: &HeaderMap) -> Response<Body> {
        let tag = self.tag.clone();
        let mut response = if tag.as_ref().is_some_and(|tag| has(request, tag)) {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            response
        } else {
            self.whole(request)
        };
        if let Some(tag) = tag {
            response.headers_mut().insert(header::ETAG, tag);
        }
        response
    }

    fn whole(self, request: &HeaderMap) -> Response<Body> {
        let compressed = if self.body.len() >= WORTH_COMPRESSING && accepts_gzip(request) {
            gzip(self.body.as_bytes()).ok()
        } else {
            None
        };
        let mut response = self.status(StatusCode::OK);
        response.headers_mut().insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
        if let Some(bytes) = compressed {
            response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            *response.body_mut() = Body::from(bytes);
        }
        response
    }
}

/// Whether `If-None-Match` names this tag (weak comparison, RFC 9110, section 13.1.2).
fn has(request: &HeaderMap, tag: &HeaderValue) -> bool {
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let Ok(tag) = tag.to_str() else { return false };
    let listed = request.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    listed.flat_map(|value| value.split(',')).any(|one| one.trim() == "*" || opaque(one) == opaque(tag))
}

fn gzip(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes)?;
    encoder.finish()
}

/// Whether `gzip` (or `*` and not `gzip`) is listed with another weight than 0.
fn accepts_gzip(request: &HeaderMap) -> bool {
    let listed = request.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    let codings: Vec<(String, bool)> = listed.flat_map(|value| value.split(',')).map(coding).collect();
    let accepts = |wanted: &str| codings.iter().find(|(name, _)| name == wanted).map(|(_, accepted)| *accepted);
    accepts("gzip").or_else(|| accepts("*")).unwrap_or(false)
}

fn coding(item: &str) -> (String, bool) {
    let (name, parameters) = item.split_once(';').unwrap_or((item, ""));
    let weight = parameters.trim().strip_prefix("q=").map_or(Ok(1.0), str::parse::<f32>);
    (name.trim().to_ascii_lowercase(), weight.is_ok_and(|weight| weight > 0.0))
}

/// For what is no page: no script, no style, no frame, no form, no other origin.
const POLICY: &str = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

pub fn harden(headers: &mut HeaderMap) {
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(POLICY));
    let fixed = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_used_where_it_is_accepted() {
        let accepts = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, value.parse().unwrap());
            accepts_gzip(&headers)
        };
        assert!(accepts("gzip") && accepts("br, GZIP;q=0.5") && accepts("*") && accepts("identity, gzip;q=1"));
        assert!(
            !accepts("br") && !accepts("gzip;q=0") && !accepts("*, gzip;q=0") && !accepts("gzip;q=x") && !accepts("")
        );
        assert!(!accepts_gzip(&HeaderMap::new()));
    }
}
