//! Undoes what Go's transport undoes by itself: an answer in gzip, where nobody asked for an encoding or a part.

use std::io::{self, BufRead, ErrorKind, Read};

use flate2::bufread::MultiGzDecoder;
use http::{HeaderMap, Method, header};

use tokio::time::Instant;

use super::{BodyEnd, Request, Response, body};

/// No byte of gzip becomes more than so many.
const GROWTH: usize = 1_032;
/// What is unpacked between two pauses. A gzip may consist of members that take twenty bytes, become nothing, and cost
/// a new table each: all other work of the program waits for this many bytes and no longer.
const SIP: usize = 4 << 10;
/// What is written between two pauses.
const PIECE: usize = 64 << 10;

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
    let mut unpacked = Vec::new();
    let decoded = decode(&response.body, body_limit.saturating_add(1), &mut unpacked);
    let body_end = match tokio::time::timeout_at(deadline, decoded).await {
        Ok(Err(_)) => return response,
        Ok(Ok(())) if unpacked.len() <= body_limit => BodyEnd::Whole,
        Ok(Ok(())) => BodyEnd::Cut,
        Err(_) => BodyEnd::Stalled,
    };
    unpacked.truncate(body_limit);
    let body = room.filled(unpacked);
    let mut headers = response.headers;
    headers.remove(header::CONTENT_ENCODING);
    headers.remove(header::CONTENT_LENGTH);
    Response { headers, body, body_end, ..response }
}

/// What comes out before a gzip breaks: all that a reader sees who stops at the end of a document.
pub async fn readable_part(body: &[u8], limit: usize) -> Vec<u8> {
    let mut out = Vec::new();
    // What was read before the fault is kept.
    let _ = decode(body, limit, &mut out).await;
    out
}

/// Go looks at the first such header, and at nothing but the case in it.
pub fn is_gzip(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_ENCODING).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"gzip"))
}

/// Unpacks at most `most` bytes, and lets others work in between.
async fn decode(body: &[u8], most: usize, out: &mut Vec<u8>) -> io::Result<()> {
    let mut decoder = MultiGzDecoder::new(Sips { rest: body, left: SIP });
    let mut piece = Vec::new();
    loop {
        let wanted = PIECE.min(most - out.len());
        piece.clear();
        // What came before the fault or the pause is in it either way.
        let read = (&mut decoder).take(u64::try_from(wanted).unwrap_or(u64::MAX)).read_to_end(&mut piece);
        out.extend_from_slice(&piece);
        match read {
            Ok(_) if piece.len() < wanted || out.len() >= most => return Ok(()),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => decoder.get_mut().left = SIP,
            Err(error) => return Err(error),
        }
        tokio::task::yield_now().await;
    }
}

/// Bytes that are there, but want a pause after some of them.
struct Sips<'a> {
    rest: &'a [u8],
    left: usize,
}

impl Read for Sips<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let length = self.fill_buf()?.read(into)?;
        self.consume(length);
        Ok(length)
    }
}

impl BufRead for Sips<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.left == 0 && !self.rest.is_empty() {
            return Err(ErrorKind::WouldBlock.into());
        }
        Ok(&self.rest[..self.left.min(self.rest.len())])
    }

    fn consume(&mut self, length: usize) {
        self.rest = &self.rest[length..];
        self.left -= length;
    }
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

    #[tokio::test]
    async fn what_is_put_together_of_many_members_is_one_body_however_often_it_pauses() {
        let text: Vec<u8> = (0..40_000_u32).flat_map(|nth| nth.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
        let members: Vec<u8> = text.chunks(70_000).flat_map(|part| [packed(part), packed(b"")].concat()).collect();
        assert!(members.len() > 20 * SIP && text.len() > 2 * PIECE);
        for limit in [text.len(), text.len() + 1, PIECE, PIECE - 1, 0] {
            let whole = plain(answer("gzip", members.clone()), limit).await;
            let end = if limit < text.len() { BodyEnd::Cut } else { BodyEnd::Whole };
            assert!(*whole.body == text[..limit.min(text.len())] && whole.body_end == end, "{limit}");
        }
        // A fault in the last member: nothing was undone, and a reader sees what came before.
        let mut faulty = [members, packed(b"{}")].concat();
        let end = faulty.len() - 5;
        faulty[end] ^= 1;
        let kept = plain(answer("gzip", faulty.clone()), 1 << 20).await;
        assert_eq!((kept.body.len(), kept.headers.len(), kept.body_end), (faulty.len(), 1, BodyEnd::Whole));
        assert!(readable_part(&faulty, 1 << 20).await.starts_with(&text));
        assert_eq!(readable_part(&faulty, 100).await, &text[..100]);
    }

    #[tokio::test]
    async fn members_of_nothing_keep_nobody_waiting_and_end_at_the_deadline() {
        let members = answer("gzip", packed(b"").repeat(3_000));
        let decoded = tokio::spawn(plain(members, 10));
        let mut turns = 0;
        while !decoded.is_finished() {
            tokio::task::yield_now().await;
            turns += 1;
        }
        let decoded = decoded.await.unwrap();
        assert_eq!((decoded.body.len(), decoded.body_end), (0, BodyEnd::Whole));
        assert!(turns >= 3_000 * 20 / SIP, "others had {turns} turns meanwhile");
        let late = undone(answer("gzip", packed(b"").repeat(3_000)), 10, Instant::now()).await;
        assert_eq!(late.body_end, BodyEnd::Stalled, "nobody knows what the rest of it is");
    }
}
