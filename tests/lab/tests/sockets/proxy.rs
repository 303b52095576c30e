//! The proxy: tunnels, plain requests, refusals.

use std::time::Duration;

use pullprobe_lab::listener::{Behaviour, Listener};
use pullprobe_lab::proxy::{Config, Mode, Proxy};
use pullprobe_lab::{Lab, registry};
use tokio::net::TcpStream;

use crate::client::{PATIENCE, SILENCE, exchange, request};

async fn ask(proxy: &Proxy, text: &str) -> (String, std::io::Result<()>) {
    ask_for(PATIENCE, proxy, text).await
}

async fn ask_for(time: Duration, proxy: &Proxy, text: &str) -> (String, std::io::Result<()>) {
    let stream = TcpStream::connect(proxy.address()).await.unwrap();
    let (bytes, result) = exchange(stream, text, time).await;
    (String::from_utf8(bytes).unwrap(), result)
}

#[tokio::test]
async fn requests_are_tunnelled_and_forwarded() {
    let registry = Lab::new().unwrap().registry(registry::Config::default()).unwrap();
    let port = registry.address().port();
    let config = Config {
        credential: Some("Basic dTpw".to_owned()),
        hosts: [("registry.test".to_owned(), "127.0.0.1".to_owned())].into(),
        ..Config::default()
    };
    let proxy = Proxy::start(config).unwrap();
    let authority = format!("registry.test:{port}");
    let connect = format!("CONNECT {authority} HTTP/1.1\r\n");
    let credential = "Proxy-Authorization: Basic dTpw\r\n";
    let inner = request("GET /v2/", &[], "");
    let (answer, _) = ask(&proxy, &format!("{connect}{credential}\r\n{inner}")).await;
    let (established, answer) = answer.split_once("\r\n\r\n").unwrap();
    assert!(established.starts_with("HTTP/1.1 200 "));
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"));

    let plain = request(&format!("GET http://{authority}/v2/?ns=a"), &[("proxy-authorization", "Basic dTpw")], "");
    let (answer, _) = ask(&proxy, &plain).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"));
    let forwarded = &registry.requests()[1];
    assert_eq!(forwarded.line(), "GET /v2/?ns=a");
    assert_eq!(forwarded.header("proxy-authorization"), None);

    let (answer, _) = ask(&proxy, &format!("{connect}\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 407 ") && answer.contains("proxy-authenticate: Basic"));
    let seen = proxy.seen();
    assert_eq!((&*seen[0].method, &*seen[0].target), ("CONNECT", &*authority));
    assert_eq!(seen[0].authorization.as_deref(), Some("Basic dTpw"));
    assert_eq!(seen[2].authorization, None);
}

#[tokio::test]
async fn tunnels_are_refused_as_asked() {
    let connect = "CONNECT registry.invalid:443 HTTP/1.1\r\n\r\n";
    let answer = async |mode| {
        let proxy = Proxy::start(Config { mode, ..Config::default() }).unwrap();
        ask(&proxy, connect).await
    };
    assert!(answer(Mode::Status(403)).await.0.starts_with("HTTP/1.1 403 Forbidden\r\n"));
    assert!(answer(Mode::Status(502)).await.0.starts_with("HTTP/1.1 502 Bad Gateway\r\n"));
    let hanging = Proxy::start(Config { mode: Mode::Hang, ..Config::default() }).unwrap();
    let (text, result) = ask_for(SILENCE, &hanging, connect).await;
    assert!(text.is_empty() && result.is_err());
    assert_eq!(hanging.seen().len(), 1);
    let (text, result) = answer(Mode::Close).await;
    assert!(text.is_empty() && result.is_ok());
    assert!(!answer(Mode::Garbage).await.0.starts_with("HTTP/"));
    let closed = Listener::start(Behaviour::Refuse).await.unwrap();
    let hosts = [("registry.invalid".to_owned(), closed.address().to_string())].into();
    let proxy = Proxy::start(Config { hosts, ..Config::default() }).unwrap();
    assert!(ask(&proxy, connect).await.0.starts_with("HTTP/1.1 502 "));
}
