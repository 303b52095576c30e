//! Redirects: in circles, without end, to where nobody has business, and with bodies that never end.

use crate::attack::{Attack, peer};
use crate::peer::{ANY, BLOB, GET, MANIFEST, Spec, on};
use crate::script::{Script, answer, head, raw};

const FAMILY: &str = "redirects";

pub fn attacks() -> Vec<Attack> {
    [circles(), bodies(), places(), private(), others()].into_iter().flatten().collect()
}

fn to(location: &str) -> Script {
    answer("307 Temporary Redirect", &[&format!("Location: {location}")], "")
}

fn manifest(name: &str, location: &str) -> Attack {
    peer(FAMILY, name, on(MANIFEST, to(location)))
}

fn circles() -> Vec<Attack> {
    let there_and_back = on(MANIFEST, to("${other}${path}"));
    let with_status = |status: &str| on(MANIFEST, answer(status, &["Location: ${path}"], ""));
    vec![
        manifest("to itself", "${path}"),
        manifest("to another path each time", "${self}/hop/${n}"),
        manifest("a query that grows", "${path}&again=yes&again=yes"),
        peer(FAMILY, "there and on to another path", there_and_back.other(on(ANY, to("/v2/x/manifests/${n}")))),
        peer(FAMILY, "a circle of 301", with_status("301 Moved Permanently")),
        peer(FAMILY, "a circle of 303", with_status("303 See Other")),
        peer(FAMILY, "a circle of 308", with_status("308 Permanent Redirect")),
        peer(FAMILY, "300 with a place", with_status("300 Multiple Choices")),
        peer(FAMILY, "305, to use a proxy", with_status("305 Use Proxy")),
        peer(FAMILY, "/v2/ and all else in a circle", on(ANY, to("${path}"))),
        peer(FAMILY, "blobs in a circle", on(BLOB, to("${path}"))),
    ]
}

fn bodies() -> Vec<Attack> {
    let moved = |more: &[&str]| {
        let fields = [&["Location: ${other}${path}"][..], more].concat();
        head("307 Temporary Redirect", &fields).send("\r\n")
    };
    let with = |name: &str, script: Script| {
        peer(FAMILY, name, on(GET, script).on(MANIFEST, to("${other}${path}")).other(Spec::default()))
    };
    vec![
        with("a body that drips", moved(&["Content-Length: 100000"]).drip("moved ", 300)),
        with("a body that stops", moved(&["Content-Length: 100"]).send("moved").stall()),
        with("a body without end", moved(&[]).endless("moved ")),
        with("chunks that stop", moved(&["Transfer-Encoding: chunked"]).send("5\r\nmoved\r\n").stall()),
        with("a body cut off", moved(&["Content-Length: 100"]).send("moved")),
        with(
            "a body of gzip that is none",
            answer("307 Moved", &["Location: ${other}${path}", "Content-Encoding: gzip"], "moved"),
        ),
    ]
}

fn places() -> Vec<Attack> {
    let long = format!("http://evil.example/{}", "x".repeat(300_000));
    let two = answer("307 Moved", &["Location: ${other}${path}", "Location: http://127.0.0.1:1/"], "");
    vec![
        manifest("a place of 300 KB", &long),
        manifest("a host of 100 KB", &format!("http://{}.example/", "x".repeat(100_000))),
        manifest("a file of the node", "file:///etc/shadow"),
        manifest("FTP", "ftp://127.0.0.1/x"),
        manifest("a script", "javascript:alert(1)"),
        manifest("data", "data:application/json,{}"),
        manifest("a socket of the node", "unix:///run/containerd/containerd.sock"),
        manifest("no host", "http:///v2/"),
        manifest("nowhere", ""),
        manifest("half an address", "http://[::1/"),
        manifest("port 99999", "http://127.0.0.1:99999/"),
        manifest("port 0", "http://127.0.0.1:0/"),
        manifest("a port of letters", "http://127.0.0.1:http/"),
        manifest("a bad escape", "http://127.0.0.1:1/%zz"),
        manifest("C1 codes and marks of direction", "http://127.0.0.1:1/\u{9b}2J\u{202e}\u{2028}"),
        manifest("a host with marks of direction", "http://\u{202e}gnp.example:1/"),
        manifest("a host with a line feed, escaped", "http://127.0.0.1%0d%0aX:1/"),
        manifest("a user and a password", "http://user:hunter2@127.0.0.1:1/"),
        manifest("a space in front", "   http://127.0.0.1:1/"),
        manifest("TLS where there is none", "https://${n}.invalid:1/"),
        peer(FAMILY, "no place", on(MANIFEST, answer("307 Moved", &[], ""))),
        peer(FAMILY, "two places", on(MANIFEST, two).other(Spec::default())),
        peer(
            FAMILY,
            "ESC in the place",
            on(MANIFEST, raw("HTTP/1.1 307 Moved\r\nLocation: /\u{1b}[2J\r\nContent-Length: 0\r\n\r\n")),
        ),
    ]
}

/// `check` goes there, as containerd does: nobody is there in this network.
fn private() -> Vec<Attack> {
    vec![
        manifest("the metadata service", "http://169.254.169.254/latest/meta-data/"),
        manifest("the metadata service in IPv6", "http://[fd00:ec2::254]/latest/"),
        manifest("the metadata service as one number", "http://2852039166/latest/"),
        manifest("the metadata service in octal", "http://0251.0376.0251.0376/"),
        manifest("the metadata service as a mapped address", "http://[::ffff:169.254.169.254]/"),
        manifest("the unspecified address", "http://0.0.0.0:1/"),
        manifest("loopback in short", "http://127.1:1/"),
        manifest("a zone of a link", "http://[fe80::1%25lo]:1/"),
        manifest("a broadcast address", "http://255.255.255.255/"),
        manifest("a multicast address", "http://224.0.0.1/"),
    ]
}

fn others() -> Vec<Attack> {
    let away = |name: &str, script: Script| peer(FAMILY, name, on(BLOB, to("${other}${path}")).other(on(ANY, script)));
    vec![
        away("a store that says nothing", Script::default().stall()).slow(),
        away("a store that resets", Script::default().reset()),
        away("a store that is no HTTP", raw("220 ftp.example\r\n")),
        away("a store that asks for a login", answer("401 No", &["WWW-Authenticate: Basic realm=\"give\""], "")),
        away(
            "a store that repeats what it is given",
            answer("403 No", &["Content-Type: text/plain"], "you sent ${authorization}"),
        ),
        away(
            "a store whose refusal steers",
            answer("403 \u{202e}no", &["Content-Type: application/json"], "{\"message\":\"\\u001b[2J\"}"),
        ),
        peer(
            FAMILY,
            "a login that is wanted elsewhere",
            Spec::default()
                .on(
                    |asked| asked.field("authorization").is_empty(),
                    answer("401 No", &["WWW-Authenticate: Basic realm=\"r\""], ""),
                )
                .on(MANIFEST, to("${other}${path}"))
                .other(on(ANY, answer("403 No", &[], "you sent ${authorization}")))
                .login(),
        ),
    ]
}
