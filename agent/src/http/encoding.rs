//! Undoes what Go's transport undoes by itself: an answer in gzip, where nobody asked for an encoding or a part.

use std::io::Read as _;

use flate2::read::MultiGzDecoder;
use http::{HeaderMap, Method, header};

use tokio::time::Instant;

use super::{BodyEnd, Request, Response, body};

/// No byte of gzip becomes more than so many.
const GROWTH: usize = 1_032;

/// Whether Go offers gzip for this request on its own account, and so undoes it.
pub fn is_gos_own(request: &Request) -> bool {
    let names = [header::ACCEPT_ENCODING, header::RANGE];
    request.method != Method::HEAD && names.iter().all(|name| !request.headers.contains_key(name))
}

/// With the body as it was before; a body that is no gzip, or not there as a whole, stays as it came.
pub async fn undone(response: Response, body_limit: usize, deadline: Instant) -> Response {
    if response.body_end != BodyEnd::Whole || !is_gzip(&response.headers) {
        return response;
    }
    let Some(room) = body::room(body_limit.min(response.body.len().saturating_mul(GROWTH)), deadline).await else {
        return Response { body_end: BodyEnd::NoRoom, ..response };
    };
    let Some((body, body_end)) = decoded(&response.body, body_limit) else { return response };
    let body = room.filled(body);
    let mut headers = response.headers;
    headers.remove(header::CONTENT_ENCODING);
    headers.remove(header::CONTENT_LENGTH);
    Response { headers, body, body_end, ..response }
}

/// What comes out before a gzip breaks: all that a reader sees who stops at the end of a document.
pub fn readable_part(body: &[u8], limit: usize) -> Vec<u8> {
    let mut out = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX);
    // What was read before the fault is kept.
    let _ = MultiGzDecoder::new(body).take(most).read_to_end(&mut out);
    out
}

/// Go looks at the first such header, and at nothing but the case in it.
pub fn is_gzip(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_ENCODING).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"gzip"))
}

/// `None`: it is no gzip.
fn decoded(body: &[u8], limit: usize) -> Option<(Vec<u8>, BodyEnd)> {
    let mut out = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    MultiGzDecoder::new(body).take(most).read_to_end(&mut out).ok()?;
    if out.len() <= limit {
        return Some((out, BodyEnd::Whole));
    }
    out.truncate(limit);
    Some((out, BodyEnd::Cut))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use http::HeaderValue;

    use super::*;

    fn packed(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn answer(encoding: &'static str, body: Vec<u8>) -> Response {
        let headers = [(header::CONTENT_ENCODING, HeaderValue::from_static(encoding))].into_iter().collect();
        Response { headers, body: body.into(), ..Response::empty() }
    }

    async fn plain(response: Response, body_limit: usize) -> Response {
        undone(response, body_limit, Instant::now() + std::time::Duration::from_secs(10)).await
    }

    #[tokio::test]
    async fn gzip_alone_is_undone_and_no_more_is_unpacked_than_is_kept() {
        let whole = plain(answer("GZip", packed(b"{}")), 10).await;
        assert_eq!((&*whole.body, whole.headers.len(), whole.body_end), (&b"{}"[..], 0, BodyEnd::Whole));
        let bomb = plain(answer("gzip", packed(&vec![0; 1 << 20])), 1000).await;
        assert_eq!((bomb.body.len(), bomb.body_end), (1000, BodyEnd::Cut));
        for (encoding, body) in [("gzip", b"{}".to_vec()), ("zstd", packed(b"{}")), ("gzip, gzip", packed(b"{}"))] {
            let kept = plain(answer(encoding, body.clone()), 10).await;
            assert_eq!((kept.body.to_vec(), kept.headers.len()), (body, 1), "{encoding}");
        }
        let broken = Response { body_end: BodyEnd::Broken, ..answer("gzip", packed(b"{}")) };
        assert_eq!(plain(broken, 10).await.headers.len(), 1, "the rest may still be asked for");
    }
}
