//! What a rule makes of an answer, and the answer as HTTP sends it.

use std::io::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use flate2::write::GzEncoder;
use http::{HeaderName, HeaderValue};

use super::body::{Ending, Payload};
use super::fault::{DigestHeader, Then};
use super::record::Request;
use super::reply::Reply;
use super::store::sha256;

/// What a rule answers in place of the registry.
pub(super) fn replacement(then: &Then) -> Option<Reply> {
    let status = then.status.or(then.redirect.as_ref().map(|_| 307))?;
    let body = then.body.clone().unwrap_or_default();
    let reply = match &then.error {
        Some((code, message)) => Reply::error(status, code, message),
        None => Reply::new(status, "text/plain; charset=utf-8", body),
    };
    Some(match &then.redirect {
        Some(location) => reply.with("location", location),
        None => reply,
    })
}

pub(super) fn alter(mut reply: Reply, then: &Then, expand: impl Fn(&str) -> String) -> Reply {
    if let Some(body) = &then.body {
        reply.body = expand(body).into();
    }
    if then.corrupt || then.pad > 0 {
        let mut body = reply.body.to_vec();
        let middle = body.len() / 2;
        if let Some(byte) = body.get_mut(middle).filter(|_| then.corrupt) {
            *byte ^= 0x01;
        }
        body.resize(body.len() + then.pad, b' ');
        reply.body = body.into();
    }
    if then.gzip {
        let mut body = packed(&reply.body).to_vec();
        // Four bytes of checksum stand before four of the length.
        let checksum = body.len().saturating_sub(8);
        if let Some(byte) = body.get_mut(checksum).filter(|_| then.wrong_checksum) {
            *byte ^= 0x01;
        }
        reply.body = body.into();
        reply.set("content-encoding", "gzip");
    }
    if let Some(content_type) = &then.content_type {
        reply.set("content-type", content_type);
    }
    match &then.digest_header {
        None => {}
        Some(DigestHeader::Omitted) => reply.remove("docker-content-digest"),
        Some(DigestHeader::Wrong) => reply.set("docker-content-digest", &sha256(b"other bytes")),
        Some(DigestHeader::Text(text)) => reply.set("docker-content-digest", text),
    }
    for name in &then.remove_headers {
        reply.remove(name);
    }
    for (name, value) in &then.headers {
        reply = reply.with(name, value);
    }
    for (_, value) in &mut reply.headers {
        *value = expand(value);
    }
    reply
}

fn packed(body: &[u8]) -> Bytes {
    // Into memory nothing fails.
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(body).and_then(|()| encoder.finish()).unwrap_or_default().into()
}

pub(super) fn respond(request: &Request, mut reply: Reply, then: &Then) -> http::Response<Payload> {
    let full = reply.body.len();
    let announce = !then.chunked && !then.endless;
    let bodiless = request.method == "HEAD" || matches!(reply.status, 204 | 304);
    if announce && !reply.has("content-length") && !matches!(reply.status, 204 | 304) {
        reply.headers.push(("content-length".to_owned(), full.to_string()));
    }
    let (data, ending) = match (then.truncate_at, then.stall_at) {
        _ if bodiless => (Bytes::new(), Ending::Complete),
        (Some(at), _) => (reply.body.slice(..at.min(full)), Ending::Cut),
        (None, Some(at)) => (reply.body.slice(..at.min(full)), Ending::Stall),
        (None, None) if then.endless => (reply.body, Ending::Repeat),
        (None, None) => (reply.body, Ending::Complete),
    };
    let mut response = http::Response::new(Payload::new(data, ending, announce && !bodiless, &request.body_sent));
    match http::StatusCode::from_u16(reply.status) {
        Ok(status) => *response.status_mut() = status,
        Err(_) => return unsendable("a status outside 100 to 999"),
    }
    for (name, value) in &reply.headers {
        let name = HeaderName::from_bytes(name.as_bytes());
        let value = HeaderValue::from_bytes(value.as_bytes());
        let (Ok(name), Ok(value)) = (name, value) else {
            return unsendable("a header that HTTP cannot carry; use `raw`");
        };
        response.headers_mut().append(name, value);
    }
    response
}

/// A rule that asks for what cannot be sent shows itself to the client.
fn unsendable(what: &str) -> http::Response<Payload> {
    let body = Bytes::from(format!("the lab's rule asks for {what}\n"));
    let mut response = http::Response::new(Payload::new(body, Ending::Complete, true, &Arc::default()));
    *response.status_mut() = http::StatusCode::INTERNAL_SERVER_ERROR;
    response
}
