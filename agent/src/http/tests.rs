//! Answers of servers that keep to HTTP in their own way, which Go's client takes all the same.

use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use pullprobe_lab::ca::Authority;
use pullprobe_lab::tls::Tls;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;

use super::*;
use crate::model::host::HostTls;
use crate::model::trust::TrustStore;
use crate::tls::{NodeTrust, TlsSetup};
use crate::transport::connection::Connection;
use crate::version::Version;

const LIMIT: Duration = Duration::from_secs(10);

fn get(url: &str) -> Request {
    let url = Url::parse(url).unwrap();
    Request { method: Method::GET, url, headers: HeaderMap::new(), form: None, body_limit: 1 << 20 }
}

/// To an address of the test, with TLS where it is trusted.
#[derive(Debug)]
struct Direct(SocketAddr, Option<rustls::ClientConfig>);

impl Direct {
    async fn open(&self) -> Connection {
        let stream = TcpStream::connect(self.0).await.unwrap();
        let Some(tls) = &self.1 else { return stream.into() };
        let name = "registry.example".try_into().unwrap();
        let stream = TlsConnector::from(Arc::new(tls.clone())).connect(name, stream).await.unwrap();
        Connection::inside(stream, None)
    }
}

impl Dial for Direct {
    fn dial(&self) -> BoxFuture<'_, Result<Connection, Failure>> {
        async { Ok(self.open().await) }.boxed()
    }
}

fn client(line: Direct, connections: Connections, version: &str) -> HttpClient {
    let scheme = if line.1.is_some() { Scheme::Https } else { Scheme::Http };
    HttpClient::new(Binding {
        endpoint: Endpoint::new(scheme, "registry.example".to_owned()),
        address: line.0,
        proxy: None,
        connections,
        line: Arc::new(line),
        limit: LIMIT,
        patience: None,
        informational: Informational::of(version.parse().unwrap()),
    })
}

/// With a connection that is open, or without.
async fn plain(address: SocketAddr, is_open: bool) -> HttpClient {
    let (line, pool) = (Direct(address, None), IdlePool::default());
    let connections =
        if is_open { Connections::over(line.open().await, &pool).await } else { Connections::none(&pool) };
    client(line, connections, "2.1.9")
}

fn trusting(authority: &Authority) -> rustls::ClientConfig {
    let store = TrustStore { certificates: vec![authority.root_der()], ..TrustStore::default() };
    let setup =
        TlsSetup::new(Version::NEWEST, false, &NodeTrust::from(&store), &HostTls::default(), jiff::Timestamp::now());
    setup.unwrap().client_config()
}

async fn read_head(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
}

/// A server that answers each connection once, and ends it without a word of TLS.
async fn cutting(authority: &Authority, answer: &'static str) -> SocketAddr {
    let acceptor = Tls::acceptor(authority, "registry.example").unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            read_head(&mut stream).await;
            stream.write_all(answer.as_bytes()).await.unwrap();
            stream.flush().await.unwrap();
        }
    });
    address
}

/// What both ways to send make of the answer: on the connection at hand, and on one dialled for it.
async fn both(answer: &'static str) -> [Result<Response, Failure>; 2] {
    let authority = Authority::new("lab").unwrap();
    let address = cutting(&authority, answer).await;
    let (tls, pool) = (trusting(&authority), IdlePool::default());
    let line = || Direct(address, Some(tls.clone()));
    let at_hand = Connections::over(line().open().await, &pool).await;
    let [first, other] = [at_hand, Connections::none(&pool)].map(|connections| client(line(), connections, "2.1.9"));
    let url = format!("https://registry.example:{}/v2/", address.port());
    [first.send(get(&url)).await, other.send(get(&url)).await]
}

#[tokio::test]
async fn a_body_without_a_length_ends_with_the_connection_be_it_closed_in_form_or_not() {
    for sent in both("HTTP/1.0 200 OK\r\n\r\nwhole").await {
        let response = sent.unwrap();
        assert_eq!((&*response.body, response.body_end), (&b"whole"[..], BodyEnd::Whole));
    }
    for sent in both("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\npart").await {
        assert_eq!(sent.unwrap().body_end, BodyEnd::Broken);
    }
}

#[tokio::test]
async fn a_field_may_go_on_in_the_next_line() {
    for sent in both("HTTP/1.1 200 OK\r\nX-Long: 1\r\n 2\r\nX : y\r\nContent-Length: 0\r\n\r\n").await {
        assert_eq!(sent.unwrap().status, StatusCode::OK);
    }
}

#[tokio::test]
async fn a_framing_that_go_refuses_is_refused() {
    for sent in both("HTTP/1.1 200 OK\r\nContent-Length: 0, 0\r\n\r\n").await {
        let failure = sent.unwrap_err();
        let go_message = "net/http: HTTP/1.x transport connection broken: bad Content-Length \"0, 0\"";
        assert_eq!((failure.cause, &*failure.go_message), (Cause::ResponseInvalid, go_message));
    }
}

/// The first connection serves once, and is reset under the second request: what is unread when it is
/// closed makes a reset of it.
#[tokio::test]
async fn a_connection_that_served_and_is_reset_then_is_followed_by_another() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        for resets in [true, false] {
            let (mut stream, _) = listener.accept().await.unwrap();
            read_head(&mut stream).await;
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.unwrap();
            if resets {
                stream.read_u8().await.unwrap();
            }
        }
    });
    let client = plain(address, true).await;
    let url = format!("http://registry.example:{}/v2/", address.port());
    for _ in 0..2 {
        assert_eq!(client.send(get(&url)).await.unwrap().status, StatusCode::OK);
    }
}

/// What a redirect says besides its Location is nobody's business, and may never end.
#[tokio::test]
async fn the_body_of_a_redirect_is_not_waited_for() {
    for length in ["Content-Length: 9", "Content-Length: 900000", "Transfer-Encoding: chunked"] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                read_head(&mut stream).await;
                let head = format!("HTTP/1.1 307 Temporary Redirect\r\nLocation: /elsewhere\r\n{length}\r\n\r\n");
                stream.write_all(head.as_bytes()).await.unwrap();
                // The body never comes, and the connection stays.
                let _ = stream.read_u8().await;
            }
        });
        let client = plain(address, false).await;
        let began = std::time::Instant::now();
        let url = format!("http://registry.example:{}/v2/", address.port());
        let response = client.send(get(&url)).await.unwrap();
        assert_eq!((response.status.as_u16(), response.body_end), (307, BodyEnd::Stalled), "{length}");
        assert!(began.elapsed() < LIMIT / 2, "{length}: {:?}", began.elapsed());
    }
}

/// Each takes some 50 KB as long as it is open, and two hundred hosts may be asked within a second.
#[tokio::test]
async fn few_idle_connections_are_kept_of_many_hosts_and_who_lost_one_connects_anew() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (open, mut count) = tokio::sync::watch::channel(0_usize);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let open = open.clone();
            open.send_modify(|open| *open += 1);
            tokio::spawn(async move {
                let mut head = Vec::new();
                while let Ok(byte) = stream.read_u8().await {
                    head.push(byte);
                    if head.ends_with(b"\r\n\r\n") {
                        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.unwrap();
                        head.clear();
                    }
                }
                open.send_modify(|open| *open -= 1);
            });
        }
    });
    let pool = IdlePool::default();
    let url = format!("http://registry.example:{}/v2/", address.port());
    let mut clients = Vec::new();
    for _ in 0..100 {
        let client = client(Direct(address, None), Connections::none(&pool), "2.1.9");
        assert_eq!(client.send(get(&url)).await.unwrap().status, StatusCode::OK);
        clients.push(client);
    }
    let few = timeout(LIMIT, count.wait_for(|open| *open == connections::HOSTS)).await;
    few.expect("the others are closed").unwrap();
    assert_eq!(clients[0].send(get(&url)).await.unwrap().status, StatusCode::OK);
}

/// Of each layer one byte is read, and there may be hundreds.
#[tokio::test]
async fn a_short_answer_that_is_not_read_to_its_end_leaves_the_connection_open() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    // Another connection is not taken.
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        loop {
            read_head(&mut stream).await;
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n").await.unwrap();
            stream.write_all(&[b'x'; 2000]).await.unwrap();
        }
    });
    let client = plain(address, true).await;
    let url = format!("http://registry.example:{}/v2/", address.port());
    for _ in 0..20 {
        let response = client.send(Request { body_limit: 1, ..get(&url) }).await.unwrap();
        assert_eq!((response.body.len(), response.body_end), (1, BodyEnd::Cut));
    }
}

/// A server that sends informational answers and, at last, one of its own.
async fn hinting(count: usize, version: &str, is_open: bool) -> Result<Response, Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_head(&mut stream).await;
        let link = "a".repeat(4_000);
        let hint = format!("HTTP/1.1 103 Early Hints\r\nLink: <{link}>\r\n\r\n");
        for _ in 0..count / 100 {
            // It is hung up on.
            if stream.write_all(hint.repeat(100).as_bytes()).await.is_err() {
                return;
            }
        }
        // What comes at once is seen at once: the last ones do not get ahead of the answer.
        let rest = format!("{}HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", hint.repeat(count % 100));
        let _ = stream.write_all(rest.as_bytes()).await;
    });
    let (line, pool) = (Direct(address, None), IdlePool::default());
    let connections =
        if is_open { Connections::over(line.open().await, &pool).await } else { Connections::none(&pool) };
    client(line, connections, version).send(get(&format!("http://registry.example:{}/v2/", address.port()))).await
}

#[tokio::test]
async fn as_many_informational_answers_are_taken_as_go_takes() {
    for (count, version) in [(5, "1.6.20"), (5, "2.1.9"), (6, "2.1.9"), (1_000, "2.1.9")] {
        for is_open in [true, false] {
            let answer = hinting(count, version, is_open).await.unwrap();
            assert_eq!(answer.status, StatusCode::OK, "{count} on {version}");
        }
    }
    let go_message = "net/http: HTTP/1.x transport connection broken: net/http: too many 1xx informational responses";
    for nth in 0..20 {
        let failure = hinting(6, "1.6.20", nth % 2 == 0).await.unwrap_err();
        assert_eq!((failure.cause, &*failure.go_message), (Cause::ResponseInvalid, go_message));
    }
}

#[tokio::test]
async fn informational_answers_without_end_are_hung_up_on() {
    for is_open in [true, false] {
        let began = std::time::Instant::now();
        let failure = hinting(usize::MAX / 2, "2.1.9", is_open).await.unwrap_err();
        assert!(failure.go_message.contains("exceeded 10485760 bytes"), "{failure:?}");
        assert!(began.elapsed() < LIMIT, "{:?}", began.elapsed());
    }
}
