//! Proxies: what they answer to CONNECT, and URLs of proxies that are none.

use crate::attack::{Attack, node};
use crate::peer::{ANY, Peer, Spec, on};
use crate::scene::SECRET;
use crate::script::{Script, answer, head, raw};

const FAMILY: &str = "proxies";

pub fn attacks() -> Vec<Attack> {
    [answers(), urls()].into_iter().flatten().collect()
}

fn unit(variable: &str, value: &str) -> String {
    format!("[Service]\nExecStart=/usr/bin/containerd\nEnvironment=\"{variable}={value}\"\n")
}

const UNIT: &str = "/etc/systemd/system/containerd.service";
const IMAGE: &str = "registry.example/demo/app:1.0";

/// The node's only way out is this proxy, which it knows with a password.
fn says(name: &str, script: Script) -> Attack {
    node(FAMILY, name, move |scene| {
        let proxy = Peer::start(on(ANY, script.clone()))?;
        scene.node.write(UNIT, unit("HTTPS_PROXY", &format!("http://robot:{SECRET}@{}", proxy.address)))?;
        scene.peers.push(proxy);
        scene.targets.push(IMAGE.to_owned());
        Ok(())
    })
}

fn answers() -> Vec<Attack> {
    let open = "HTTP/1.1 200 Connection established\r\n\r\n";
    vec![
        says("nothing, and the connection ends", Script::default()),
        says("a reset", Script::default().reset()),
        says("no HTTP", raw("SSH-2.0-OpenSSH\r\n")),
        says("letters without end", Script::default().endless("A")),
        says("a head without end", head("200 OK", &[]).endless("X-Field: y\r\n")),
        says("a line of status without end", raw("HTTP/1.1 200 ").endless("O")),
        says("100 Continue without end", Script::default().endless("HTTP/1.1 100 Continue\r\n\r\n")),
        says("a login is wanted, by NTLM", answer("407 No", &["Proxy-Authenticate: NTLM"], "")),
        says(
            "a login is wanted, in 5,000 ways",
            head("407 No", &[]).repeat("Proxy-Authenticate: Basic realm=\"x\"\r\n", 5_000).send("\r\n"),
        ),
        says("a refusal that steers", raw("HTTP/1.1 403 \u{1b}]0;x\u{7}\u{202e}\r\nContent-Length: 0\r\n\r\n")),
        says("a refusal that repeats its login", answer("403 ${authorization}", &[], "")),
        says("a page of 4 MB", answer("502 Bad Gateway", &["Content-Type: text/html"], "<p>no</p>".repeat(450_000))),
        says("a redirect", answer("307 Moved", &["Location: http://127.0.0.1:1/"], "")),
        says("200 with a length", raw("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello")),
        says("200 in chunks", raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")),
        says("a tunnel to nowhere", raw(open)),
        says("a tunnel that is reset", raw(open).reset()),
        says("a tunnel to zeros", raw(open).endless([0])),
        says("a tunnel to plain HTTP", raw([open, "HTTP/1.1 400 Bad Request\r\n\r\n"].concat())),
        says("a tunnel to a warning", raw(open).endless([21, 3, 3, 0, 2, 1, 90])),
        says("a status of two digits", raw("HTTP/1.1 20 OK\r\n\r\n")),
        says("silence", Script::default().stall()).slow(),
        says("a head that drips", raw("HTTP/1.1 200 OK\r\n").drip("X: y\r\n", 300)).slow(),
        says("a tunnel that says nothing", raw(open).stall()).slow(),
    ]
}

fn url(name: &str, variable: &'static str, value: impl Into<String>) -> Attack {
    let value = value.into();
    node(FAMILY, name, move |scene| {
        scene.node.write(UNIT, unit(variable, &value))?;
        scene.known(Spec::default()).map(drop)
    })
}

fn urls() -> Vec<Attack> {
    vec![
        url("a proxy of nothing", "HTTP_PROXY", "://"),
        url("a proxy in a file", "HTTP_PROXY", "file:///etc/passwd"),
        url("a proxy of 200 KB", "HTTP_PROXY", format!("http://{}.example:1", "x".repeat(200_000))),
        url("a proxy that steers", "HTTP_PROXY", "http://\u{202e}gnp\u{9b}.example:1"),
        url("a proxy at a port that is none", "HTTP_PROXY", "http://127.0.0.1:99999"),
        url("a socks that nobody knows", "HTTP_PROXY", "socks9://127.0.0.1:1"),
        url("100,000 exceptions", "NO_PROXY", "a.example,".repeat(100_000)),
        url("exceptions of all kinds", "NO_PROXY", "*,.,:,[::1,10.0.0.0/99,1.2.3.4/x,\u{202e}"),
    ]
}
