//! Headers are bytes: what stands there above 0x7f is read as Go reads it.

use super::checked;
use super::peer::{Peer, Reply, Shelf};

fn with(field: &'static [u8]) -> Peer {
    let mut shelf = Shelf::default();
    let manifest = shelf.good_image();
    shelf.tag(&manifest);
    Peer::start(move |asked| shelf.reply(asked).field(field))
}

fn asking(challenge: &'static [u8]) -> Peer {
    Peer::start(move |_| Reply::new("401 Unauthorized").field(challenge))
}

#[test]
fn fields_that_nobody_needs_may_hold_any_bytes() {
    for field in [&b"X-Owner: G\xc3\xa4ste"[..], b"Server: G\xe4ste", b"Date: \xff", b"Warning: 299 - \"G\xe4ste\""] {
        let (image, _) = checked(&with(field).image());
        assert_eq!(image["pullable"], true, "{}: {image:#}", String::from_utf8_lossy(field));
    }
}

#[test]
fn a_challenge_in_another_encoding_is_one() {
    for challenge in
        [&b"WWW-Authenticate: Basic realm=\"G\xc3\xa4ste\""[..], b"WWW-Authenticate: Basic realm=\"G\xe4ste\""]
    {
        let (image, _) = checked(&asking(challenge).image());
        assert_eq!((&image["pullable"], &image["cause"]), (&false.into(), &"credentials_missing".into()), "{image:#}");
    }
}

#[test]
fn what_cannot_be_repeated_to_a_token_service_leaves_the_answer_open() {
    let challenge = b"WWW-Authenticate: Bearer realm=\"http://127.0.0.1:1/token\",service=\"G\xe4ste\"";
    super::assert_limit(&checked(&asking(challenge).image()).0, "no UTF-8");
}
