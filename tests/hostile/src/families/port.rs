//! The agent's own port: whoever comes there.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::agent;
use crate::attack::{Attack, visitor};

const FAMILY: &str = "port";

/// For `/healthz` while others keep the agent and this machine busy.
const SOON: Duration = Duration::from_secs(5);

/// Says this, and reads what comes until nothing does. Refusals are as good as answers.
fn say(address: SocketAddr, bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    let mut answer = Vec::new();
    // Whoever is hung up on has its answer.
    if stream.write_all(bytes).is_ok() {
        drop(stream.read_to_end(&mut answer));
    }
    Ok(answer)
}

/// While others hold connections, kubelet has to be answered.
fn is_served(address: SocketAddr) -> io::Result<()> {
    let began = Instant::now();
    agent::get(address, "/healthz")?;
    let took = began.elapsed();
    if took < SOON { Ok(()) } else { Err(io::Error::other(format!("/healthz took {took:?}"))) }
}

fn bytes(name: &str, bytes: impl Into<Vec<u8>>) -> Attack {
    let bytes = bytes.into();
    visitor(FAMILY, name, move |address| {
        say(address, &bytes)?;
        is_served(address)
    })
}

/// So many connections that each say this and are held.
fn held(name: &str, count: usize, bytes: impl Into<Vec<u8>>) -> Attack {
    let bytes = bytes.into();
    visitor(FAMILY, name, move |address| {
        let mut open = Vec::new();
        for _ in 0..count {
            let mut stream = TcpStream::connect(address)?;
            // The oldest are hung up on.
            drop(stream.write_all(&bytes));
            open.push(stream);
            // The machine's own limit of open files is not what is tried.
            if open.len() > 300 {
                open.remove(0);
            }
        }
        is_served(address)
    })
}

#[expect(clippy::too_many_lines, reason = "it is a list")]
pub fn attacks() -> Vec<Attack> {
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let mut all = vec![
        bytes("nothing that is HTTP", vec![0xff; 100_000]),
        bytes("a head of 10 MB", [b"GET / HTTP/1.1\r\n".to_vec(), b"X: y\r\n".repeat(1_700_000)].concat()),
        bytes("a path of 1 MB", get(&format!("/{}", "x".repeat(1 << 20)))),
        bytes("a field of 1 MB", format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "x".repeat(1 << 20))),
        bytes("1,000 fields", format!("GET / HTTP/1.1\r\nHost: localhost\r\n{}\r\n", "X: y\r\n".repeat(1_000))),
        bytes("a query that is slow", get(&format!("/api/v1/report?{}", "a=b&".repeat(1_000)))),
        bytes("a path out of the pages", get("/../../../../etc/shadow")),
        bytes("a path with NUL, escaped", get("/%00%1b%5b2J%e2%80%ae")),
        bytes(
            "a body of 10 MB",
            format!("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10000000\r\n\r\n{}", "x".repeat(10_000_000)),
        ),
        bytes(
            "chunks without an end",
            format!(
                "POST /metrics HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n{}",
                "1\r\nx\r\n".repeat(200_000)
            ),
        ),
        bytes("a method that is none", "EVIL\u{1b}[2J / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        bytes("a tunnel", "CONNECT 169.254.169.254:80 HTTP/1.1\r\nHost: 169.254.169.254:80\r\n\r\n"),
        bytes("a request for elsewhere", "GET http://169.254.169.254/latest HTTP/1.1\r\nHost: 169.254.169.254\r\n\r\n"),
        bytes("another name of the node", "GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"),
        bytes("two names", "GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n"),
        bytes(
            "a length and chunks",
            "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n",
        ),
        bytes("HTTP/2 with what one knows", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        bytes(
            "an upgrade",
            "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: h2c, websocket\r\nConnection: Upgrade\r\n\r\n",
        ),
        bytes("a hello of TLS", vec![22, 3, 1, 0, 5, 1, 0, 0, 1, 0]),
        bytes("1,000 requests at once", get("/metrics").replace("close", "keep-alive").repeat(1_000)),
        held("2,000 connections that say nothing", 2_000, ""),
        held("1,000 connections with half a head", 1_000, "GET / HTTP/1.1\r\nHost: loc"),
        held(
            "200 connections that do not read their answers",
            200,
            get("/metrics").replace("close", "keep-alive").repeat(20),
        ),
        held("200 connections that do not read the page", 200, get("/").replace("close", "keep-alive").repeat(20)),
    ];
    all.push(visitor(FAMILY, "heads that drip, for a while", |address| {
        let mut open: Vec<TcpStream> = (0..30).map(|_| TcpStream::connect(address)).collect::<io::Result<_>>()?;
        for _ in 0..20 {
            open.iter_mut().for_each(|stream| drop(stream.write_all(b"G")));
            std::thread::sleep(Duration::from_millis(100));
        }
        is_served(address)
    }));
    all.push(visitor(FAMILY, "resets in the middle of answers", |address| {
        for _ in 0..500 {
            let mut stream = TcpStream::connect(address)?;
            drop(stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"));
            rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO))?;
        }
        is_served(address)
    }));
    all
}
