//! How long the certificates of a server are that are too many for rustls: in TLS 1.2 they come in the clear.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{Offer, client_hello};
use crate::transport::connection::Connection;

const HANDSHAKE: u8 = 22;
const SERVER_HELLO: u8 = 2;
const CERTIFICATE: u8 = 11;
/// More than any Go reads.
const LIMIT: usize = 1 << 20;
/// The end of the random bytes of a server that speaks TLS 1.3 and was asked for 1.2 (RFC 8446, 4.1.3).
const DOWNGRADED: &[u8] = b"DOWNGRD\x01";

/// The length of the message that holds the certificates, as the server would send it to Go. `None`: it does
/// not show.
pub async fn certificates(
    mut connection: Connection,
    server_name: &str,
    offer: &Offer,
    limit: Duration,
) -> Option<usize> {
    let talk = async {
        connection.write_all(&client_hello(server_name, offer)).await.ok()?;
        connection.flush().await.ok()?;
        let mut messages = Vec::new();
        while messages.len() < LIMIT {
            let mut header = [0; 5];
            connection.read_exact(&mut header).await.ok()?;
            let mut content = vec![0; usize::from(u16::from_be_bytes([header[3], header[4]]))];
            connection.read_exact(&mut content).await.ok()?;
            if header[0] != HANDSHAKE {
                return None;
            }
            messages.extend_from_slice(&content);
            if let Some(length) = length_of(&messages) {
                return Some(length);
            }
        }
        None
    };
    tokio::time::timeout(limit, talk).await.ok().flatten()
}

/// `None` while the certificates are not whole.
fn length_of(messages: &[u8]) -> Option<usize> {
    let (kind, hello, rest) = message(messages)?;
    let (next, listed, _) = message(rest)?;
    if (kind, next) != (SERVER_HELLO, CERTIFICATE) {
        return None;
    }
    let random = hello.get(2..34)?;
    if !random.ends_with(DOWNGRADED) {
        return Some(listed.len());
    }
    // TLS 1.3 has an empty context before them, and empty extensions behind each.
    let mut certificates = listed.get(3..)?;
    let mut count = 0;
    while let [a, b, c, rest @ ..] = certificates {
        certificates = rest.get(length([*a, *b, *c])..)?;
        count += 1;
    }
    Some(listed.len() + 1 + 2 * count)
}

/// The first whole message: its type, its content, and what follows.
fn message(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let [kind, a, b, c, rest @ ..] = bytes else { return None };
    let (content, rest) = rest.split_at_checked(length([*a, *b, *c]))?;
    Some((*kind, content, rest))
}

fn length([a, b, c]: [u8; 3]) -> usize {
    usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_message(kind: u8, content: &[u8]) -> Vec<u8> {
        let length = u32::try_from(content.len()).unwrap().to_be_bytes();
        [&[kind][..], &length[1..], content].concat()
    }

    #[test]
    fn the_length_is_that_of_the_version_which_the_server_would_take() {
        let list =
            in_message(0, &[in_message(0, &[7; 40])[1..].to_vec(), in_message(0, &[8; 50])[1..].to_vec()].concat());
        let certificates = in_message(CERTIFICATE, &list[1..]);
        let hello = |end: &[u8]| in_message(SERVER_HELLO, &[&[3, 3][..], &[1; 24], end, &[0, 0xc0, 0x2b, 0]].concat());
        let answer = |end: &[u8]| [hello(end), certificates.clone()].concat();
        assert_eq!(length_of(&answer(&[1; 8])), Some(3 + 43 + 53));
        assert_eq!(length_of(&answer(DOWNGRADED)), Some(3 + 43 + 53 + 1 + 4));
        assert_eq!(length_of(&answer(DOWNGRADED)[..60]), None, "the rest may still come");
        assert_eq!(length_of(&certificates), None);
    }
}
