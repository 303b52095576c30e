//! Token services: what they answer in place of a token.

use super::bodies::gzip;
use crate::attack::{Attack, peer};
use crate::peer::{Spec, TOKEN, WITHOUT_LOGIN};
use crate::script::{Script, answer, head};
use crate::shelf::listed;

const FAMILY: &str = "tokens";

pub fn attacks() -> Vec<Attack> {
    [documents(), values(), services()].into_iter().flatten().collect()
}

/// A registry that is asked with a token; its service does this.
fn service(name: &str, script: Script) -> Attack {
    let challenge = "WWW-Authenticate: Bearer realm=\"${self}/token\",service=\"s\",scope=\"repository:demo/app:pull\"";
    let spec = Spec::default().on(TOKEN, script).on(WITHOUT_LOGIN, answer("401 Unauthorized", &[challenge], ""));
    peer(FAMILY, name, spec)
}

fn says(name: &str, body: impl AsRef<[u8]>) -> Attack {
    service(name, answer("200 OK", &["Content-Type: application/json"], body))
}

fn packed(name: &str, body: impl AsRef<[u8]>) -> Attack {
    service(name, answer("200 OK", &["Content-Type: application/json", "Content-Encoding: gzip"], body))
}

fn documents() -> Vec<Attack> {
    vec![
        says("nothing", ""),
        says("no JSON", "<html>sign in</html>"),
        says("null", "null"),
        says("a list", "[]"),
        says("an empty object", "{}"),
        says("two documents", "{\"token\":\"a\"}{\"token\":\"b\"}"),
        says("half a document", "{\"token\":\"abc"),
        says("lists in lists, a million deep", "[".repeat(1_000_000)),
        says(
            "objects in objects, 9,000 deep",
            format!("{{\"x\":{}1{},\"token\":\"t\"}}", "{\"a\":".repeat(9_000), "}".repeat(9_000)),
        ),
        says("a million objects beside the token", listed("{\"x\":[", b"{}", 300_000, "],\"token\":\"t\"}")),
        says("100,000 keys", listed("{", b"\"key\":0", 100_000, ",\"token\":\"t\"}")),
        says("UTF-16", b"\xff\xfe{\0}\0"),
        says("a byte order mark", "\u{feff}{\"token\":\"t\"}"),
        says("bytes that are no text", b"{\"token\":\"\xff\xfe\"}"),
        says("8 MiB of spaces", " ".repeat(8 << 20)),
        packed("10,000 members of nothing", gzip(b"").repeat(10_000)),
        // What is before the fault is read all the same.
        packed("10,000 members of nothing and a wrong checksum", {
            let mut members = gzip(b"").repeat(10_000);
            members.pop();
            [members, vec![1]].concat()
        }),
    ]
}

fn values() -> Vec<Attack> {
    vec![
        says("a token of 1 MB", format!("{{\"token\":\"{}\"}}", "t".repeat(1_000_000))),
        says("a token of 60 KB", format!("{{\"token\":\"{}\"}}", "t".repeat(60_000))),
        says("an empty token", "{\"token\":\"\"}"),
        says("a token that is a number", "{\"token\":1}"),
        says("a token that is null", "{\"token\":null,\"access_token\":null}"),
        says("a token with a line feed", "{\"token\":\"a\\r\\nX-Injected: yes\"}"),
        says("a token with ESC", "{\"token\":\"\\u001b[2J\"}"),
        says("a token with NUL", "{\"token\":\"a\\u0000b\"}"),
        says("a token beyond ASCII", "{\"token\":\"Gäste\u{202e}\"}"),
        says("the token twice", "{\"token\":\"a\",\"token\":\"b\"}"),
        says("two tokens by two names", "{\"token\":\"a\",\"access_token\":\"b\"}"),
        says("a token in capitals", "{\"TOKEN\":\"a\"}"),
        says("a token that lasts below zero", "{\"token\":\"t\",\"expires_in\":-1}"),
        says("a token that lasts for 1e400 s", "{\"token\":\"t\",\"expires_in\":1e400}"),
        says("a token that lasts for 2^63 s", "{\"token\":\"t\",\"expires_in\":9223372036854775807}"),
        says("a token of nowhen", "{\"token\":\"t\",\"issued_at\":\"99999-99-99T99:99:99Z\"}"),
        says("a token that looks like a JWT and is none", "{\"token\":\"eyJ.eyJleHAiOjFlNDAwfQ.x\"}"),
    ]
}

fn services() -> Vec<Attack> {
    let json = ["Content-Type: application/json"];
    vec![
        service("never", Script::default().stall()).slow(),
        service(
            "a token that drips",
            head("200 OK", &["Content-Length: 100000"]).send("\r\n").drip("{\"token\":", 200),
        )
        .slow(),
        service("a token without end", head("200 OK", &[]).send("\r\n{\"token\":\"").endless("t")),
        service("in a circle", answer("307 Moved", &["Location: ${path}"], "")),
        service("no longer here", answer("410 Gone", &json, "")),
        service("a challenge of its own", answer("401 No", &["WWW-Authenticate: Bearer realm=\"${self}/token\""], "")),
        service("too many, for a billion years", answer("429 No", &["Retry-After: 31557600000000000"], "")),
        service("a refusal that steers", answer("403 \u{202e}no", &json, "{\"details\":\"\\u001b]0;x\\u0007\\r\\n\"}")),
        service("204", answer("204 No Content", &[], "")),
        service("a reset", Script::default().reset()),
        service("the end of the connection", Script::default()),
        service("gzip that is none", answer("200 OK", &["Content-Encoding: gzip"], [0x1f, 0x8b, 8, 0])),
    ]
}
