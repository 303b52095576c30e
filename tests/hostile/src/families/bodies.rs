//! Bodies: longer or shorter than announced, in bad chunks, dripping, endless, or a bomb once unpacked.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder};

use crate::attack::{Attack, peer};
use crate::peer::{ANY, BLOB, GET, HEAD, MANIFEST, on};
use crate::script::{Script, answer, head, raw};
use crate::shelf::INDEX;

const FAMILY: &str = "bodies";

pub fn attacks() -> Vec<Attack> {
    [lengths(), chunks(), packed(), refusals(), blobs()].into_iter().flatten().collect()
}

fn manifest(name: &str, script: Script) -> Attack {
    peer(FAMILY, name, on(GET, script))
}

/// A good head for a document, of this length.
fn said(length: &str) -> Script {
    let length = format!("Content-Length: {length}");
    head("200 OK", &[&format!("Content-Type: {INDEX}"), &length]).send("\r\n")
}

fn chunked() -> Script {
    head("200 OK", &[&format!("Content-Type: {INDEX}"), "Transfer-Encoding: chunked"]).send("\r\n")
}

fn lengths() -> Vec<Attack> {
    vec![
        manifest("one byte less than announced", said("3").send("{}")),
        manifest("one byte more than announced", said("1").send("{}").keep()),
        manifest(
            "an answer that nobody asked for behind it",
            said("2").send("{}HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}").keep(),
        ),
        manifest("an exbibyte announced", said("1152921504606846976").send("{}").stall()).slow(),
        manifest("an exbibyte announced, and the end", said("1152921504606846976").send("{}")),
        manifest("letters without end, and no length", head("200 OK", &[]).send("\r\n").endless("{\"a\":")),
        manifest("a body that stops", said("100").send("{").stall()).slow(),
        manifest("a body that drips", said("100000").drip("{}", 300)).slow(),
        manifest("a reset in the middle", said("100000").send("{\"manifests\":[").reset()),
        manifest("4.2 MiB and one byte", said("4393300").send("{\"x\":\"").repeat("x", 4_393_292).send("\"}").keep()),
        peer(FAMILY, "a body for HEAD", on(HEAD, said("2").send("{}").keep())),
        peer(FAMILY, "a body without end for HEAD", on(HEAD, head("200 OK", &[]).send("\r\n").endless("x"))),
        peer(FAMILY, "HEAD announces an exbibyte", on(HEAD, said("1152921504606846976").keep())),
        peer(FAMILY, "HEAD is never answered, GET is", on(HEAD, Script::default().stall())).slow(),
    ]
}

fn chunks() -> Vec<Attack> {
    vec![
        manifest("chunks of one byte, 200,000", chunked().repeat("1\r\n \r\n", 200_000).send("0\r\n\r\n").keep()),
        manifest("a chunk's size of sixteen F", chunked().send("FFFFFFFFFFFFFFFF\r\n{}")),
        manifest("a chunk's size of forty digits", chunked().send("1111111111111111111111111111111111111111\r\n{}")),
        manifest("a chunk's size below zero", chunked().send("-1\r\n{}\r\n0\r\n\r\n")),
        manifest("a chunk's size of letters", chunked().send("size\r\n{}\r\n0\r\n\r\n")),
        manifest("a chunk's size without end", chunked().endless("0")),
        manifest("a chunk's extension without end", chunked().send("2;").endless("a=b;")),
        manifest(
            "many extensions",
            chunked().repeat("1;aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n \r\n", 100_000).send("0\r\n\r\n").keep(),
        ),
        manifest("trailers without end", chunked().send("2\r\n{}\r\n0\r\n").endless("X-Trailer: yes\r\n")),
        manifest("a trailer with ESC", chunked().send("2\r\n{}\r\n0\r\nX: \u{1b}[2J\r\n\r\n").keep()),
        manifest("no last chunk", chunked().send("2\r\n{}\r\n")),
        manifest("no end of a chunk", chunked().send("2\r\n{}XX0\r\n\r\n")),
        manifest(
            "a length besides chunks",
            head("200 OK", &["Content-Length: 2", "Transfer-Encoding: chunked"])
                .send("\r\n2\r\n{}\r\n0\r\n\r\n")
                .keep(),
        ),
        manifest("chunks that stop", chunked().send("2\r\n{}\r\n").stall()).slow(),
    ]
}

/// So many zeros, packed.
fn zeros(mebibytes: usize) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::best());
    for _ in 0..mebibytes {
        // Into memory nothing fails.
        drop(packer.write_all(&vec![0; 1 << 20]));
    }
    packer.finish().unwrap_or_default()
}

/// One member of so many stored blocks, each without a byte.
fn blocks_of_nothing(count: usize) -> Vec<u8> {
    let block = [0, 0, 0, 0xff, 0xff];
    [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3][..], &block.repeat(count), &[1, 0, 0, 0xff, 0xff], &[0; 8]].concat()
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    drop(packer.write_all(bytes));
    packer.finish().unwrap_or_default()
}

fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut packer = DeflateEncoder::new(Vec::new(), Compression::fast());
    drop(packer.write_all(bytes));
    packer.finish().unwrap_or_default()
}

fn encoded(name: &str, encoding: &str, body: &[u8]) -> Attack {
    let fields = [&format!("Content-Type: {INDEX}")[..], &format!("Content-Encoding: {encoding}")];
    manifest(name, answer("200 OK", &fields, body))
}

fn packed() -> Vec<Attack> {
    let bomb = zeros(64);
    let mut broken = gzip(b"{\"manifests\":[]}");
    if let Some(last) = broken.last_mut() {
        *last ^= 1;
    }
    let named = [&[0x1f, 0x8b, 8, 8, 0, 0, 0, 0, 0, 3][..], &vec![b'n'; 300_000]].concat();
    vec![
        encoded("64 MiB of zeros in gzip", "gzip", &bomb),
        encoded("a bomb in a bomb", "gzip", &gzip(&bomb)),
        encoded("gzip twice over", "gzip, gzip", &gzip(&gzip(b"{}"))),
        encoded("gzip cut off", "gzip", bomb.get(..bomb.len() / 2).unwrap_or_default()),
        encoded("gzip with a wrong checksum", "gzip", &broken),
        encoded("gzip that is none", "gzip", b"{\"manifests\":[]}"),
        encoded("gzip with a name of 300 KB", "gzip", &named),
        encoded("100,000 members of nothing", "gzip", &gzip(b"").repeat(100_000)),
        encoded("800,000 blocks of nothing", "gzip", &blocks_of_nothing(800_000)),
        encoded("nothing, said to be gzip", "gzip", b""),
        encoded("deflate", "deflate", &deflate(b"{}")),
        encoded("zstd that is none", "zstd", b"\x28\xb5\x2f\xfd\xff\xff\xff\xff"),
        encoded("an encoding with ESC", "\u{9b}2J", b"{}"),
        encoded("an encoding of 100 KB", &"x".repeat(100_000), b"{}"),
        peer(FAMILY, "a bomb as an error", on(MANIFEST, answer("403 Forbidden", &["Content-Encoding: gzip"], &bomb))),
        manifest("gzip without end", head("200 OK", &["Content-Encoding: gzip"]).send("\r\n").endless(zeros(1))),
    ]
}

fn refused(name: &str, status: &str, fields: &[&str], body: impl AsRef<[u8]>) -> Attack {
    peer(FAMILY, name, on(MANIFEST, answer(status, fields, body)))
}

#[expect(clippy::too_many_lines, reason = "it is a list")]
fn refusals() -> Vec<Attack> {
    let json = ["Content-Type: application/json"];
    let errors = |item: &[u8], times| crate::shelf::listed("{\"errors\":[", item, times, "]}");
    let endless = head("403 Forbidden", &["Content-Type: text/html"]).send("\r\n").endless("<p>no</p>");
    vec![
        refused("500,000 errors", "403 Forbidden", &json, errors(b"{}", 500_000)),
        refused(
            "an error of 4 MB",
            "403 Forbidden",
            &json,
            errors(format!("{{\"message\":\"{}\"}}", "no ".repeat(1_300_000)).as_bytes(), 1),
        ),
        refused("errors in errors, 50,000 deep", "403 Forbidden", &json, "{\"errors\":[".repeat(50_000)),
        refused(
            "a detail of 100,000 lists",
            "403 Forbidden",
            &json,
            format!(
                "{{\"errors\":[{{\"code\":\"DENIED\",\"detail\":{}{}}}]}}",
                "[".repeat(100_000),
                "]".repeat(100_000)
            ),
        ),
        refused(
            "an error that steers",
            "403 Forbidden",
            &json,
            r#"{"errors":[{"code":"DENIED","message":"\u001b]0;x\u0007\u202e\r\n\u2028gone\u0000"}]}"#,
        ),
        refused(
            "a page that steers",
            "403 Forbidden",
            &["Content-Type: text/html"],
            "<title>\u{1b}[2J\u{202e}no</title>",
        ),
        refused(
            "a page without end of a title",
            "403 Forbidden",
            &["Content-Type: text/html"],
            format!("<title>{}", "x".repeat(1_000_000)),
        ),
        refused("XML with a billion laughs", "403 Forbidden", &["Content-Type: application/xml"], LAUGHS),
        refused("bytes that are no text", "403 Forbidden", &json, [0xff; 4096]),
        refused("UTF-16", "403 Forbidden", &json, b"\xff\xfe{\0}\0"),
        refused(
            "too many requests for ten million years",
            "429 Too Many Requests",
            &["Retry-After: 315360000000000"],
            "",
        ),
        refused(
            "too many requests until a date that is none",
            "429 Too Many Requests",
            &["Retry-After: Xyz, 99 Foo 99999 99:99:99 GMT"],
            "",
        ),
        refused("too many requests, again at once", "429 Too Many Requests", &["Retry-After: 0"], ""),
        refused("out of order for a while below zero", "503 Service Unavailable", &["Retry-After: -5"], ""),
        peer(FAMILY, "a refusal without end", on(ANY, endless)),
        peer(
            FAMILY,
            "a refusal that stops",
            on(MANIFEST, head("403 Forbidden", &["Content-Length: 100"]).send("\r\n{").stall()),
        )
        .slow(),
        peer(
            FAMILY,
            "a refusal that drips",
            on(GET, head("500 No", &["Content-Length: 100000"]).send("\r\n").drip("no ", 200)),
        )
        .slow(),
    ]
}

const LAUGHS: &str = "<?xml version=\"1.0\"?><!DOCTYPE l [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\">\
    <!ENTITY c \"&b;&b;&b;&b;&b;&b;&b;&b;\"><!ENTITY d \"&c;&c;&c;&c;&c;&c;&c;&c;\">]><Error><Code>&d;</Code></Error>";

fn blob(name: &str, script: Script) -> Attack {
    peer(FAMILY, name, on(BLOB, script))
}

fn blobs() -> Vec<Attack> {
    vec![
        blob("blobs without end", head("200 OK", &[]).send("\r\n").endless("layer")),
        blob("blobs that stop", head("200 OK", &["Content-Length: 5"]).send("\r\nla").stall()).slow(),
        blob("another range than asked", raw("HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 7-9/1\r\nContent-Length: 3\r\n\r\nabc").keep()),
        blob("a range that is none", raw("HTTP/1.1 206 Partial Content\r\nContent-Range: lines 1-2/*\r\nContent-Length: 1\r\n\r\na").keep()),
        blob("a range of more than there is", raw("HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-0/18446744073709551616\r\nContent-Length: 1\r\n\r\na").keep()),
        blob("ranges in many parts", raw("HTTP/1.1 206 Partial Content\r\nContent-Type: multipart/byteranges; boundary=x\r\nContent-Length: 5\r\n\r\n--x--").keep()),
        blob("a range that cannot be", answer("416 Range Not Satisfiable", &["Content-Range: bytes */0"], "")),
        blob("nothing of a layer", answer("200 OK", &[], "")),
        blob("a refusal by XML that steers", answer("403 Forbidden", &["Content-Type: application/xml"], "<Error><Code>\u{1b}[2J\u{202e}</Code></Error>")),
    ]
}
