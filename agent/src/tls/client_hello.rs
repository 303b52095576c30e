//! What Go offers in TLS 1.2, offered by hand: which cipher suite a server takes that refused rustls's.

use std::time::Duration;

use go::release::Go;
use go::x509::signature;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::error::Elapsed;

use crate::transport::connection::Connection;

mod certificates;

pub use certificates::certificates;

/// What Go offers for TLS 1.2, each with its name. The last block, whose keys are exchanged under the
/// server's RSA key, and 3DES depend on the release that containerd was built with and its `GODEBUG`.
const SUITES: [(u16, &str); 16] = [
    (0xc02b, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"),
    (0xc02f, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"),
    (0xc02c, "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"),
    (0xc030, "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"),
    (0xcca9, "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"),
    (0xcca8, "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256"),
    (0xc009, "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA"),
    (0xc013, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA"),
    (0xc00a, "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA"),
    (0xc014, "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA"),
    (0x009c, "TLS_RSA_WITH_AES_128_GCM_SHA256"),
    (0x009d, "TLS_RSA_WITH_AES_256_GCM_SHA384"),
    (0x002f, "TLS_RSA_WITH_AES_128_CBC_SHA"),
    (0x0035, "TLS_RSA_WITH_AES_256_CBC_SHA"),
    (0xc012, "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA"),
    (0x000a, "TLS_RSA_WITH_3DES_EDE_CBC_SHA"),
];
/// The first so many are rustls's too.
const OURS: usize = 6;
/// A `ServerHello` up to its cipher suite, with the longest session identifier.
const ANSWER_LIMIT: usize = 5 + 4 + 2 + 32 + 1 + 32 + 2;

/// What a Go offers a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    suites: Vec<u16>,
    schemes: Vec<u16>,
    /// A key share that withstands quantum computers. It goes with TLS 1.3 only, and makes the hello larger.
    has_mlkem: bool,
}

impl Offer {
    pub fn of(go: Go) -> Self {
        let refused = |name: &str| {
            (name.starts_with("TLS_RSA_") && go.refuses_rsa_key_exchange())
                || (name.contains("3DES") && go.refuses_triple_des())
        };
        Self {
            suites: SUITES.iter().filter(|(_, name)| !refused(name)).map(|(suite, _)| *suite).collect(),
            schemes: signature::offered_by(go).into_iter().map(u16::from).collect(),
            has_mlkem: go.offers_mlkem(),
        }
    }

    /// Whether both differ in nothing but their cipher suites.
    pub fn has_same_keys_and_signatures(&self, other: &Self) -> bool {
        (self.has_mlkem, &self.schemes) == (other.has_mlkem, &other.schemes)
    }

    /// How this one differs for a server that takes it, and not the other. `suite`: what the server took.
    pub fn beyond(&self, other: &Self, suite: Option<u16>) -> String {
        let without = (other.has_mlkem && !self.has_mlkem).then_some("a ClientHello without X25519MLKEM768");
        let signed = (self.schemes != other.schemes).then_some("a handshake signed with SHA-1");
        match suite.filter(|suite| !other.suites.contains(suite)) {
            Some(suite) => name(suite).to_owned(),
            None if suite.is_some() => signed.unwrap_or("another ClientHello").to_owned(),
            None => [without, signed].into_iter().flatten().collect::<Vec<_>>().join(", or "),
        }
    }
}

/// The suite that the server takes for TLS 1.2 of those that are offered. `None` when it takes none. An error: it did not
/// tell in time.
pub async fn choice(
    connection: Connection,
    server_name: &str,
    offer: &Offer,
    limit: Duration,
) -> Result<Option<u16>, Elapsed> {
    let mut connection = connection;
    let mut answer = Vec::new();
    let talk = async {
        connection.write_all(&client_hello(server_name, offer)).await.ok()?;
        connection.flush().await.ok()?;
        while answer.len() < ANSWER_LIMIT && suite_of(&answer).is_none() {
            let mut chunk = [0; ANSWER_LIMIT];
            match connection.read(&mut chunk).await.ok()? {
                0 => break,
                read => answer.extend_from_slice(&chunk[..read]),
            }
        }
        suite_of(&answer)
    };
    Ok(tokio::time::timeout(limit, talk).await?.filter(|suite| offer.suites.contains(suite)))
}

/// Whether Go knows the suite, and rustls does not.
pub fn is_beyond_us(suite: u16) -> bool {
    SUITES[OURS..].iter().any(|(known, _)| *known == suite)
}

pub fn name(suite: u16) -> &'static str {
    SUITES.iter().find(|(known, _)| *known == suite).map_or("an unknown suite", |(_, name)| name)
}

/// The suite in a record that begins with a `ServerHello` of TLS 1.2.
fn suite_of(answer: &[u8]) -> Option<u16> {
    let [22, 3, _, _, _, 2, _, _, _, 3, 3, rest @ ..] = answer else { return None };
    let (session, rest) = rest.get(32..)?.split_first()?;
    let suite = rest.get(usize::from(*session)..)?.first_chunk::<2>()?;
    Some(u16::from_be_bytes(*suite))
}

/// A `ClientHello` of TLS 1.2 in one record. Nothing secret follows from it: the handshake ends with the
/// answer, so that its random bytes need not be random.
fn client_hello(server_name: &str, offer: &Offer) -> Vec<u8> {
    let mut extensions = Vec::new();
    if server_name.parse::<std::net::IpAddr>().is_err() {
        let name = counted(server_name.as_bytes());
        extension(&mut extensions, 0, &counted(&[&[0][..], &name].concat()));
    }
    // Groups X25519, P-256, P-384, P-521; uncompressed points; Go's signature schemes.
    extension(&mut extensions, 10, &[0, 8, 0, 0x1d, 0, 0x17, 0, 0x18, 0, 0x19]);
    extension(&mut extensions, 11, &[1, 0]);
    let listed = |numbers: &[u16]| counted(&numbers.iter().flat_map(|number| number.to_be_bytes()).collect::<Vec<_>>());
    extension(&mut extensions, 13, &listed(&offer.schemes));
    // Extended master secret, and no renegotiation.
    extension(&mut extensions, 23, &[]);
    extension(&mut extensions, 0xff01, &[0]);
    let body = [&[3, 3][..], &[0x55; 32], &[0], &listed(&offer.suites), &[1, 0], &counted(&extensions)].concat();
    let length = u32::try_from(body.len()).unwrap_or_default().to_be_bytes();
    let message = [&[1][..], &length[1..], &body].concat();
    [&[22, 3, 1][..], &counted(&message)].concat()
}

fn extension(all: &mut Vec<u8>, kind: u16, content: &[u8]) {
    all.extend(kind.to_be_bytes());
    all.extend(counted(content));
}

/// Behind its length in two bytes.
fn counted(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).unwrap_or_default();
    [&length.to_be_bytes()[..], bytes].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::version::Version;

    #[test]
    fn a_suite_is_read_from_the_servers_answer() {
        let hello = |session: &[u8]| {
            let length = u8::try_from(session.len()).unwrap();
            [&[22, 3, 3, 0, 90, 2, 0, 0, 86, 3, 3][..], &[7; 32], &[length], session, &[0xc0, 0x13, 0, 0]].concat()
        };
        assert_eq!(suite_of(&hello(&[])), Some(0xc013));
        assert_eq!(suite_of(&hello(&[9; 32])), Some(0xc013));
        assert_eq!(suite_of(&hello(&[9; 32])[..60]), None, "the rest may still come");
        assert_eq!(suite_of(&[21, 3, 3, 0, 2, 2, 40]), None);
        assert!(hello(&[9; 32]).len() >= ANSWER_LIMIT);
    }

    #[test]
    fn what_is_offered_goes_by_go() {
        let offer = |build: &str| Offer::of(build.parse::<Version>().unwrap().go());
        assert_eq!(offer("1.6.20~ds1").suites.len(), SUITES.len());
        for newer in ["v1.7.34", "v2.1.9", "2.1.9~ds1", "v2.3.4"] {
            let suites = offer(newer).suites;
            assert!(!suites.contains(&0x009c) && suites.contains(&0xc013), "{newer}");
        }
        let takes_sha_1 = |build: &str| [0x0201, 0x0203].map(|scheme| offer(build).schemes.contains(&scheme));
        for newer in ["v1.7.34", "v2.2.5", "v2.3.4"] {
            assert_eq!(takes_sha_1(newer), [false; 2], "{newer}");
        }
        for older in ["1.6.20~ds1", "2.1.9~ds1", "v2.1.9", "v2.2.4"] {
            assert_eq!(takes_sha_1(older), [true; 2], "{older}");
        }
    }

    #[test]
    fn what_one_build_offers_beyond_another_is_named() {
        let offer = |build: &str| Offer::of(build.parse::<Version>().unwrap().go());
        let (newest, oldest) = (offer("v2.3.4"), offer("1.6.20~ds1"));
        assert_eq!(oldest.beyond(&newest, Some(0x009c)), "TLS_RSA_WITH_AES_128_GCM_SHA256");
        assert_eq!(oldest.beyond(&newest, Some(0xc02f)), "a handshake signed with SHA-1");
        let all = "a ClientHello without X25519MLKEM768, or a handshake signed with SHA-1";
        assert_eq!(oldest.beyond(&newest, None), all);
    }

    #[test]
    fn a_hello_is_as_long_as_it_says() {
        for name in ["registry.example", "192.0.2.1"] {
            let hello = client_hello(name, &Offer::of(Version::NEWEST.go()));
            assert_eq!(usize::from(u16::from_be_bytes([hello[3], hello[4]])), hello.len() - 5);
            assert_eq!(usize::from(u16::from_be_bytes([hello[7], hello[8]])), hello.len() - 9);
        }
        assert!(!is_beyond_us(0xc030) && is_beyond_us(0xc009) && is_beyond_us(0x000a));
    }
}
