//! Undoes what Go's transport undoes by itself: an answer in gzip, where nobody asked for an encoding or a part.

use std::io::{self, BufRead, ErrorKind, Read};

use flate2::bufread::MultiGzDecoder;
use http::{HeaderMap, Method, header};
use tokio::time::Instant;

use super::body::{Body, Room, SMALL};
use super::{BodyEnd, Request, Response, body};

/// No byte of gzip becomes more than so many.
const GROWTH: usize = 1_032;
/// What is unpacked at once by the thread of all probes, and between two looks at the time: a gzip may consist of members that
/// take twenty bytes, become nothing, and cost a new table each.
const SIP: usize = 4 << 10;

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
    let Some(Unpacked { body, is_more, end }) = unpack(&response.body, body_limit, deadline).await else {
        return Response { body_end: BodyEnd::NoRoom, ..response };
    };
    let body_end = match end {
        Ok(()) if is_more => BodyEnd::Cut,
        Ok(()) => BodyEnd::Whole,
        Err(error) if error.kind() == ErrorKind::TimedOut => BodyEnd::Stalled,
        Err(_) => return response,
    };
    let mut headers = response.headers;
    headers.remove(header::CONTENT_ENCODING);
    headers.remove(header::CONTENT_LENGTH);
    Response { headers, body, body_end, ..response }
}

/// What comes out before a gzip breaks: all that a reader sees who stops at the end of a document. `None`: there was no room for it, or
/// no time.
pub async fn readable_part(body: &Body, limit: usize, deadline: Instant) -> Option<Body> {
    let unpacked = unpack(body, limit, deadline).await?;
    let is_late = unpacked.end.is_err_and(|error| error.kind() == ErrorKind::TimedOut);
    (!is_late).then_some(unpacked.body)
}

/// Go looks at the first such header, and at nothing but the case in it.
pub fn is_gzip(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_ENCODING).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"gzip"))
}

/// What came out, and how that ended.
struct Unpacked {
    body: Body,
    /// It goes on.
    is_more: bool,
    end: io::Result<()>,
}

/// At most `limit` bytes. `None`: there was no room for them before the deadline, or others were before it.
async fn unpack(packed: &Body, limit: usize, deadline: Instant) -> Option<Unpacked> {
    // A refusal is no longer than that, and its words must not be lost behind others.
    let at_once = if limit <= SMALL { 4 * SIP } else { SIP };
    if packed.len() <= at_once {
        let small = unpacked(packed, limit.min(SMALL), Room::NONE, deadline);
        if !small.is_more || limit <= SMALL {
            return Some(small);
        }
    }
    let room = body::room(limit.min(packed.len().saturating_mul(GROWTH)), deadline).await?;
    let packed = packed.clone();
    body::beside_before(deadline, move || unpacked(&packed, limit, room, deadline)).await
}

fn unpacked(packed: &[u8], limit: usize, room: Room, deadline: Instant) -> Unpacked {
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    // What came before the fault is in it.
    let read = MultiGzDecoder::new(Sips { rest: packed, left: 0, deadline }).take(most).read_to_end(&mut bytes);
    let is_more = bytes.len() > limit;
    bytes.truncate(limit);
    Unpacked { body: room.filled(bytes), is_more, end: read.map(drop) }
}

/// Bytes that are there, and whose time may be over after some of them.
struct Sips<'a> {
    rest: &'a [u8],
    left: usize,
    deadline: Instant,
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
            if self.deadline <= Instant::now() {
                return Err(ErrorKind::TimedOut.into());
            }
            self.left = SIP;
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
    async fn what_is_put_together_of_many_members_is_one_body() {
        let text: Vec<u8> = (0..40_000_u32).flat_map(|nth| nth.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
        let members: Vec<u8> = text.chunks(70_000).flat_map(|part| [packed(part), packed(b"")].concat()).collect();
        assert!(members.len() > 20 * SIP);
        for limit in [text.len(), text.len() + 1, 1 << 16, 1, 0] {
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
        let deadline = Instant::now() + std::time::Duration::from_secs(10);
        assert!(readable_part(&faulty.clone().into(), 1 << 20, deadline).await.unwrap().starts_with(&text));
        assert_eq!(*readable_part(&faulty.into(), 100, deadline).await.unwrap(), text[..100]);
    }

    #[tokio::test]
    async fn members_of_nothing_keep_nobody_waiting_and_end_at_the_deadline() {
        let decoded = plain(answer("gzip", packed(b"").repeat(3_000)), 10);
        tokio::pin!(decoded);
        assert!(futures::poll!(&mut decoded).is_pending(), "the others had no turn meanwhile");
        let decoded = decoded.await;
        assert_eq!((decoded.body.len(), decoded.body_end), (0, BodyEnd::Whole));
        let late = undone(answer("gzip", packed(b"").repeat(3_000)), 10, Instant::now()).await;
        assert_eq!(late.body_end, BodyEnd::Stalled, "nobody knows what the rest of it is");
        let (end, before_it) = std::sync::mpsc::channel::<()>();
        let other = tokio::spawn(body::beside(move || before_it.recv().is_ok()));
        tokio::task::yield_now().await;
        let soon = Instant::now() + std::time::Duration::from_millis(50);
        let late = undone(answer("gzip", packed(b"").repeat(3_000)), 10, soon).await;
        assert_eq!(late.body_end, BodyEnd::NoRoom, "another one had the turn until after the deadline");
        drop(end);
        other.await.unwrap();
    }
}
