//! The server over real sockets.

use std::io::Read;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::model::sample;
use crate::state::store::Store;

mod needs_tools;

struct Server {
    address: SocketAddr,
    /// Whether the first look has begun.
    begun: Arc<AtomicBool>,
    stop: CancellationToken,
    task: JoinHandle<()>,
    _store: Store,
}

fn readiness(begun: &Arc<AtomicBool>) -> Readiness {
    let begun = Arc::clone(begun);
    Readiness::new(move || {
        let is_well = begun.load(Ordering::SeqCst);
        let message = if is_well { "ok" } else { "has not begun yet" }.to_owned();
        vec![Part { name: "first-look", is_well, is_needed: true, message }]
    })
}

fn content(store: &Store, readiness: Readiness) -> Content {
    Content {
        snapshots: store.subscribe(),
        readiness,
        report: Box::new(|snapshot| format!("{{\"node\":\"{}\"}}", snapshot.node)),
        schema: "{}".into(),
        shape: metrics::Shape::default(),
        clock: sample::now,
        readers: Readers { names: Names::of("x", &[]), ..Readers::default() },
        web: None,
    }
}

async fn start() -> Server {
    let store = Store::new(sample::rich());
    let begun = Arc::default();
    let bound = bind(&["127.0.0.1:0".parse().unwrap()]).await.unwrap();
    let (address, stop) = (bound.addresses()[0], CancellationToken::new());
    let task = tokio::spawn(bound.serve(content(&store, readiness(&begun)), stop.clone()));
    Server { address, begun, stop, task, _store: store }
}

/// Head and body of the answer to one request on a connection of its own.
async fn ask(server: &Server, method: &str, path: &str, headers: &str) -> (String, Vec<u8>) {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let request = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    tokio::time::timeout(Duration::from_secs(30), stream.read_to_end(&mut answer)).await.unwrap().unwrap();
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let body = answer.split_off(end + 4);
    (String::from_utf8(answer).unwrap().to_ascii_lowercase(), body)
}

/// What a browser would send for a page of somebody else that gave its own name this node's address.
#[tokio::test]
async fn page_and_report_are_for_who_asks_by_a_name_of_the_node_and_the_rest_is_for_any_name() {
    let server = start().await;
    let status = |path: &'static str, host: &'static str| {
        let address = server.address;
        async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = Vec::new();
            tokio::time::timeout(Duration::from_secs(30), stream.read_to_end(&mut answer)).await.unwrap().unwrap();
            let answer = String::from_utf8_lossy(&answer).into_owned();
            (answer[9..12].to_owned(), answer)
        }
    };
    for path in ["/", "/api/v1/report"] {
        for own in ["x", "X:10048", "localhost:10048", "127.0.0.1", "[::1]:10048"] {
            assert_eq!(status(path, own).await.0, "200", "{path} {own}");
        }
        for foreign in ["evil.example", "localhost.evil.example:10048", "x.evil.example"] {
            let (code, answer) = status(path, foreign).await;
            assert_eq!(code, "421", "{path} {foreign}");
            assert!(answer.contains("web.hosts") && !answer.contains("busybox"), "{answer}");
        }
    }
    for path in ["/metrics", "/livez", "/readyz", "/healthz", "/-/healthy", "/-/ready", "/api/v1/schema"] {
        let (code, _) = status(path, "pod-proxy.example").await;
        assert_ne!(code, "421", "{path}");
    }
}

#[tokio::test]
async fn every_route_answers_with_its_type_and_the_headers_that_tie_a_browsers_hands() {
    let server = start().await;
    let routes = [
        ("/", "text/html; charset=utf-8", "<!doctype html>"),
        ("/metrics", "text/plain; version=0.0.4; charset=utf-8", "# HELP pullprobe_build_info"),
        ("/api/v1/report", "application/json", r#"{"node":"worker-3"}"#),
        ("/api/v1/schema", "application/schema+json", "{}"),
        ("/api/v1/summary", "application/json", r#"{"schema_version":1,"node":"worker-3""#),
        ("/livez", "text/plain; charset=utf-8", "ok"),
        ("/healthz", "text/plain; charset=utf-8", "ok"),
        ("/-/healthy", "text/plain; charset=utf-8", "ok"),
    ];
    for (path, content_type, begins) in routes {
        let (head, body) = ask(&server, "GET", path, "").await;
        assert!(head.starts_with("http/1.1 200 "), "{path}: {head}");
        assert!(head.contains(&format!("content-type: {content_type}\r\n")), "{path}: {head}");
        for header in [
            "content-security-policy: default-src 'none'",
            "x-content-type-options: nosniff",
            "cache-control: no-store",
        ] {
            assert!(head.contains(header), "{path}: {head}");
        }
        assert_eq!(head.contains("script-src 'sha256-"), path == "/", "{path}: {head}");
        assert!(!head.contains("unsafe"), "{path}: {head}");
        assert!(String::from_utf8(body).unwrap().starts_with(begins), "{path}");
    }
}

#[tokio::test]
async fn the_page_takes_what_it_knows_of_an_address_and_tells_the_rest() {
    let server = start().await;
    let page = async |query: &str| String::from_utf8(ask(&server, "GET", query, "").await.1).unwrap();
    let all = page("/").await.matches("<details class=").count();
    let failing = page("/?state=failing&q=ghcr.io").await;
    assert!(all > 2 && failing.matches("<details class=").count() == 2, "{all}");
    for bad in ["/?state=%3Cscript%3E", "/?%00=%ff", "/?&&==&%", "/?q", &format!("/?q={}", "%3C".repeat(2_000))] {
        let shown = page(bad).await;
        assert_eq!(shown.matches("<details class=").count(), all, "{bad}");
        assert_eq!(shown.contains("Ignored in the address"), bad != "/?q", "{bad}: {shown}");
    }
}

#[tokio::test]
async fn it_is_ready_when_the_first_look_has_begun_and_alive_before() {
    let server = start().await;
    for path in ["/readyz", "/-/ready"] {
        let (head, body) = ask(&server, "GET", path, "").await;
        assert!(head.starts_with("http/1.1 503 ") && body == b"first-look: has not begun yet\n", "{head}");
    }
    assert!(ask(&server, "GET", "/livez", "").await.0.starts_with("http/1.1 200 "));
    server.begun.store(true, Ordering::SeqCst);
    for (path, said) in [
        ("/readyz", "ok\n"),
        ("/-/ready", "ok\n"),
        ("/readyz?verbose", "[+]first-look ok\nreadyz check passed\n"),
        ("/readyz?exclude=x&verbose=", "[+]first-look ok\nreadyz check passed\n"),
    ] {
        let (head, body) = ask(&server, "GET", path, "").await;
        assert!(head.starts_with("http/1.1 200 "), "{path}: {head}");
        assert_eq!(String::from_utf8(body).unwrap(), said, "{path}");
    }
}

#[tokio::test]
async fn only_get_and_head_are_allowed_and_only_known_paths() {
    let server = start().await;
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "BREW"] {
        let (head, _) = ask(&server, method, "/metrics", "").await;
        assert!(head.starts_with("http/1.1 405 ") && head.contains("\r\nallow: get,head\r\n"), "{method}: {head}");
    }
    let (head, body) = ask(&server, "HEAD", "/metrics", "").await;
    assert!(head.starts_with("http/1.1 200 ") && head.contains("content-length: ") && body.is_empty());
    for path in ["/probe?target=http://127.0.0.1", "/metrics/", "/../etc/passwd", "/api/v1"] {
        let (head, _) = ask(&server, "GET", path, "").await;
        assert!(head.starts_with("http/1.1 404 ") && head.contains("nosniff"), "{path}: {head}");
    }
}

#[tokio::test]
async fn what_is_compressed_is_the_same_as_what_is_not() {
    let server = start().await;
    let (_, plain) = ask(&server, "GET", "/", "").await;
    let (head, compressed) = ask(&server, "GET", "/", "Accept-Encoding: gzip\r\n").await;
    assert!(head.contains("content-encoding: gzip") && head.contains("vary: accept-encoding"));
    let mut inflated = Vec::new();
    flate2::read::GzDecoder::new(compressed.as_slice()).read_to_end(&mut inflated).unwrap();
    assert!(compressed.len() < plain.len() && inflated == plain);
}

#[tokio::test]
async fn a_summary_that_did_not_change_is_not_sent_again() {
    let server = start().await;
    let (head, body) = ask(&server, "GET", "/api/v1/summary", "").await;
    let tag = head.lines().find_map(|line| line.strip_prefix("etag: ")).unwrap().to_ascii_uppercase();
    let (_, again) = ask(&server, "GET", "/api/v1/summary", "If-None-Match: W/\"1\"\r\n").await;
    assert!(!body.is_empty() && again == body);
    let tag = tag.to_ascii_lowercase().replace("w/", "W/");
    for known in [tag.clone(), format!("\"1\", {tag}"), tag.replace("W/", ""), "*".into()] {
        let (head, body) = ask(&server, "GET", "/api/v1/summary", &format!("If-None-Match: {known}\r\n")).await;
        assert!(head.starts_with("http/1.1 304 ") && head.contains("etag: ") && body.is_empty(), "{known}: {head}");
    }
}

#[tokio::test]
async fn a_head_that_is_too_long_is_refused() {
    let server = start().await;
    let (head, _) = ask(&server, "GET", "/livez", &format!("X-Long: {}\r\n", "x".repeat(9_000))).await;
    assert!(head.starts_with("http/1.1 431 "), "{head}");
}

#[tokio::test]
async fn a_request_on_a_kept_connection_is_answered_and_shutdown_ends_the_connection() {
    let server = start().await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut first = [0; 12];
    stream.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    server.stop.cancel();
    tokio::time::timeout(Duration::from_secs(30), server.task).await.unwrap().unwrap();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.unwrap();
    assert!(rest.ends_with(b"ok\n"));
    assert!(TcpStream::connect(server.address).await.is_err());
}

#[tokio::test]
async fn a_port_that_is_taken_is_named_with_what_to_do() {
    let server = start().await;
    let error = bind(&[server.address]).await.unwrap_err().to_string();
    assert!(error.contains(&server.address.to_string()) && error.contains("web.listen"), "{error}");
}

#[tokio::test]
async fn every_address_means_both_families() {
    let bound = bind(&["[::]:0".parse().unwrap()]).await.unwrap();
    let port = bound.addresses()[0].port();
    TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    if bound.addresses()[0].is_ipv6() {
        TcpStream::connect(("::1", port)).await.unwrap();
    }
}

#[tokio::test]
async fn who_holds_many_connections_keeps_nobody_out() {
    let server = start().await;
    let mut held = Vec::new();
    for _ in 0..2 * places::CONNECTIONS {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(b"GET /livez HTTP/1.1\r\nX-Slow: ").await.unwrap();
        held.push(stream);
    }
    let asked = tokio::time::timeout(Duration::from_secs(5), ask(&server, "GET", "/livez", ""));
    assert!(asked.await.unwrap().0.starts_with("http/1.1 200 "));
    let mut said = Vec::new();
    // An end or a reset: either way it was cut, without an answer.
    let _ = tokio::time::timeout(Duration::from_secs(5), held[0].read_to_end(&mut said)).await.unwrap();
    assert!(said.is_empty());
}

#[tokio::test]
async fn who_asks_and_does_not_read_costs_little_memory() {
    let store = Store::new(sample::rich());
    let made = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&made);
    let report = move |_: &Snapshot| {
        count.fetch_add(1, Ordering::SeqCst);
        "x".repeat(256 << 10)
    };
    let content = Content { report: Box::new(report), ..content(&store, readiness(&Arc::default())) };
    let bound = bind(&["127.0.0.1:0".parse().unwrap()]).await.unwrap();
    let (address, stop) = (bound.addresses()[0], CancellationToken::new());
    let task = tokio::spawn(bound.serve(content, stop.clone()));
    let server = Server { address, begun: Arc::default(), stop, task, _store: store };
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(2_048).unwrap();
    let mut greedy = socket.connect(address).await.unwrap();
    greedy.write_all("GET /api/v1/report HTTP/1.1\r\nHost: x\r\n\r\n".repeat(100).as_bytes()).await.unwrap();
    // Whatever the other connection can do meanwhile it does.
    for _ in 0..50 {
        ask(&server, "GET", "/livez", "").await;
    }
    assert_eq!(made.load(Ordering::SeqCst), 1, "answers that nobody takes");
}

#[tokio::test]
async fn each_of_many_addresses_is_served() {
    let any = "127.0.0.1:0".parse().unwrap();
    let bound = bind(&vec![any; places::CONNECTIONS + 1]).await.unwrap();
    let (addresses, stop) = (bound.addresses(), CancellationToken::new());
    let store = Store::new(sample::rich());
    let task = tokio::spawn(bound.serve(content(&store, readiness(&Arc::default())), stop.clone()));
    let mut server = Server { address: addresses[0], begun: Arc::default(), stop, task, _store: store };
    for address in addresses.into_iter().rev() {
        server.address = address;
        let asked = tokio::time::timeout(Duration::from_secs(5), ask(&server, "GET", "/livez", ""));
        assert!(asked.await.unwrap().0.starts_with("http/1.1 200 "));
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_says_nothing_is_hung_up_on() {
    let server = start().await;
    let mut silent = TcpStream::connect(server.address).await.unwrap();
    let began = tokio::time::Instant::now();
    let mut rest = Vec::new();
    let _ = silent.read_to_end(&mut rest).await;
    assert!(began.elapsed() >= Duration::from_secs(10) && began.elapsed() < Duration::from_secs(70));
}
