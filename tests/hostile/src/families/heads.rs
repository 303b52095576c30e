//! Heads of answers: endless, broken, dripping, or of another protocol.

use crate::attack::{Attack, peer};
use crate::peer::{ANY, MANIFEST, PING, Spec, on};
use crate::script::{Script, head, raw};

const FAMILY: &str = "heads";

fn to_all(name: &str, script: Script) -> Attack {
    peer(FAMILY, name, on(ANY, script))
}

/// The head of a good answer with something in it, for manifests.
fn with_field(name: &str, field: impl AsRef<[u8]>) -> Attack {
    let script = raw([b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n", field.as_ref(), b"\r\n\r\n"].concat());
    peer(FAMILY, name, on(MANIFEST, script))
}

fn greets(name: &str, script: Script) -> Attack {
    peer(FAMILY, name, Spec { greeting: Some(script), ..Spec::default() })
}

pub fn attacks() -> Vec<Attack> {
    [not_http(), endless(), broken(), fields(), informational(), lines()].into_iter().flatten().collect()
}

fn not_http() -> Vec<Attack> {
    vec![
        to_all("nothing, and the connection ends", raw("")),
        to_all("HTTP/0.9: a body without a head", raw("<html>hello</html>\n")),
        to_all("frames of HTTP/2", raw([&[0, 0, 18, 4, 0, 0, 0, 0, 0][..], &[0; 18]].concat())),
        to_all("HTTP/2 announced in words", raw("HTTP/2 200 OK\r\n\r\n")),
        to_all("HTTP/3 announced in words", raw("HTTP/3.0 200 OK\r\nContent-Length: 0\r\n\r\n")),
        to_all("an answer of RTSP", raw("RTSP/1.0 200 OK\r\n\r\n")),
        to_all("zeros without end", Script::default().endless([0])),
        to_all("all bytes there are", raw((0..=255).collect::<Vec<u8>>())),
        greets("a greeting of SSH", raw("SSH-2.0-OpenSSH_9.2\r\n")),
        greets("a greeting of SMTP that waits", raw("220 mail.example ESMTP\r\n").stall()),
        greets("a greeting of MySQL", raw(b"\x4a\0\0\0\x0a8.0.36\0\x08\0\0\0".as_slice())),
        greets("a reset before anything is asked", Script::default().reset()),
        greets("letters without end before anything is asked", Script::default().endless("A")),
    ]
}

fn endless() -> Vec<Attack> {
    vec![
        to_all("a line of status without end", raw("HTTP/1.1 200 ").endless("O")),
        to_all("a field's name without end", head("200 OK", &[]).endless("X")),
        to_all("a field's value without end", head("200 OK", &[]).send("X: ").endless("x")),
        to_all("fields without end", head("200 OK", &[]).endless("X-Field: some value\r\n")),
        to_all("one field folded without end", head("200 OK", &["X: a"]).endless(" and more\r\n")),
        to_all("cookies without end", head("200 OK", &[]).endless("Set-Cookie: a=b; Path=/\r\n")),
        to_all("empty lines without end before the head", Script::default().endless("\r\n")),
        to_all(
            "999 fields, which Go takes",
            head("200 OK", &["Content-Length: 0"]).repeat("X: y\r\n", 999).send("\r\n"),
        ),
        to_all("100,000 fields", head("200 OK", &[]).repeat("X-Field: y\r\n", 100_000).send("\r\n")),
        to_all(
            "a value of 390 KB",
            head("200 OK", &["Content-Length: 0"]).send("X: ").repeat("x", 390_000).send("\r\n\r\n"),
        ),
        to_all(
            "a value of 2 MB",
            head("200 OK", &["Content-Length: 0"]).send("X: ").repeat("x", 2_000_000).send("\r\n\r\n"),
        ),
        to_all(
            "a line of status of 300 KB",
            raw("HTTP/1.1 403 ").repeat("Forbidden ", 30_000).send("\r\nContent-Length: 0\r\n\r\n"),
        ),
        to_all("a head that drips", raw("HTTP/1.1 200 OK\r\n").drip("X-Slow: yes\r\n", 400)).slow(),
        to_all("a head that stops in the middle", raw("HTTP/1.1 200 OK\r\nContent-Le").stall()).slow(),
        to_all("no answer", Script::default().stall()).slow(),
        to_all("no answer, and then a reset", Script::default().wait(2_000).reset()).slow(),
    ]
}

fn broken() -> Vec<Attack> {
    vec![
        to_all("a head cut off", raw("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-")),
        to_all("a status of two digits", raw("HTTP/1.1 20 OK\r\n\r\n")),
        to_all("a status of four digits", raw("HTTP/1.1 2000 OK\r\n\r\n")),
        to_all("a status of letters", raw("HTTP/1.1 OK OK\r\n\r\n")),
        to_all("a status below zero", raw("HTTP/1.1 -20 OK\r\n\r\n")),
        to_all("status 000", raw("HTTP/1.1 000 None\r\nContent-Length: 0\r\n\r\n")),
        to_all("status 999", raw("HTTP/1.1 999 Denied\r\nContent-Length: 0\r\n\r\n")),
        to_all("no reason", raw("HTTP/1.1 503\r\nContent-Length: 0\r\n\r\n")),
        to_all("a version of many digits", raw("HTTP/1111111111.1 200 OK\r\n\r\n")),
        to_all("ends of lines without CR", raw("HTTP/1.1 503 No\nContent-Length: 0\n\n")),
        to_all("ends of lines without LF", raw("HTTP/1.1 503 No\rContent-Length: 0\r\r")),
        to_all("a space before the colon", raw("HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n")),
        to_all("a line without a colon", raw("HTTP/1.1 200 OK\r\nnonsense\r\n\r\n")),
        to_all("a field without a name", raw("HTTP/1.1 200 OK\r\n: nothing\r\n\r\n")),
        to_all("the first field folded", raw("HTTP/1.1 200 OK\r\n folded: yes\r\n\r\n")),
        to_all("a reset in the middle of the head", raw("HTTP/1.1 200 OK\r\nX: y\r\n").reset()),
    ]
}

fn fields() -> Vec<Attack> {
    let long = |name: &str, length: usize| [name.as_bytes(), b": ", "x".repeat(length).as_bytes()].concat();
    vec![
        with_field("NUL in a value", b"X: a\0b"),
        with_field("ESC in a value", b"X: \x1b[31mred"),
        with_field("ESC in a name", b"X-\x1b[31m: red"),
        with_field("bytes beyond ASCII in a name", b"X-\xc3\xa4: y"),
        with_field("a digest with ESC", b"Docker-Content-Digest: sha256:\x1b]8;;http://evil.example\x07"),
        with_field("a digest with bytes beyond ASCII", b"Docker-Content-Digest: sha256:\xc3\xa9"),
        with_field("a digest of another algorithm", b"Docker-Content-Digest: md5:d41d8cd98f00b204e9800998ecf8427e"),
        with_field("a digest of 300 KB", long("Docker-Content-Digest", 300_000)),
        with_field("a media type of 300 KB", long("Content-Type", 300_000)),
        with_field("a media type with marks of direction", "Content-Type: application/\u{202e}nosj".as_bytes()),
        with_field("a warning of 300 KB", long("Warning", 300_000)),
        with_field("a warning with C1 codes", "Warning: 299 - \"\u{9b}2J\u{85}gone\"".as_bytes()),
        with_field("a date of nowhen", b"Date: Xyz, 99 Foo 9999999999 99:99:99 GMT"),
        with_field("a limit of pulls that is huge", b"RateLimit-Limit: 99999999999999999999999;w=99999999999999999999"),
        with_field("two lengths that differ", b"Content-Length: 7"),
        with_field("a length below zero", b"Content-Length: -1"),
        with_field("a length of 40 digits", b"Content-Length: 9999999999999999999999999999999999999999"),
        with_field("a length in hexadecimal", b"Content-Length: 0x10"),
        with_field("an unknown transfer encoding", b"Transfer-Encoding: magic"),
        with_field("two transfer encodings", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
    ]
}

fn informational() -> Vec<Attack> {
    let continued = "HTTP/1.1 100 Continue\r\n\r\n";
    vec![
        to_all("100 Continue without end", Script::default().endless(continued)),
        to_all(
            "103 with fields without end",
            Script::default().endless("HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n"),
        ),
        to_all(
            "150 with a long field each",
            Script::default().endless(format!("HTTP/1.1 150 X\r\nX: {}\r\n\r\n", "x".repeat(4_000))),
        ),
        to_all("100 Continue that drips", Script::default().drip(continued, 50)).slow(),
        to_all(
            "101 to another protocol",
            raw("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"),
        ),
        to_all("204 with a body", raw("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello")),
        to_all("304 for what nobody has", raw("HTTP/1.1 304 Not Modified\r\n\r\n")),
    ]
}

fn lines() -> Vec<Attack> {
    let ping = |name: &str, status: &str| peer(FAMILY, name, on(PING, crate::script::answer(status, &[], "")));
    vec![
        ping("a reason with ESC at /v2/", "503 \u{1b}[2J"),
        ping("a reason with marks of direction at /v2/", "503 \u{202e}gnihton"),
        to_all(
            "a reason of bytes that are no text",
            raw(b"HTTP/1.1 403 \xff\xfe\xfd\r\nContent-Length: 0\r\n\r\n".as_slice()),
        ),
        to_all(
            "a reason with a bell and a link",
            raw("HTTP/1.1 403 \u{7}\u{1b}]8;;http://evil.example\u{1b}\\x\r\nContent-Length: 0\r\n\r\n"),
        ),
    ]
}
