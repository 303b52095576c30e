//! For the bench: what a TLS handshake and one request of each server cost, made with rustls and nothing else.
//!
//! `pullprobe-bare ROOTS COUNT INTERVAL [NAME=ADDRESS ...]` connects once to each server, one after the other, prints `warm` and waits
//! for a line. Then it connects COUNT times to each, all of them once in INTERVAL milliseconds, prints `done` and waits for the end of
//! its input. So its CPU time can be read in between.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, ClientConnection, RootCertStore, Stream};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};

fn main() -> ExitCode {
    match run(&std::env::args().skip(1).collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pullprobe-bare: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> io::Result<()> {
    let [roots, count, interval, servers @ ..] = arguments else {
        return Err(io::Error::other("usage: pullprobe-bare ROOTS COUNT INTERVAL [NAME=ADDRESS ...]"));
    };
    let config = Arc::new(config(roots)?);
    let all = || {
        servers.iter().try_for_each(|server| {
            let (name, address) = server.split_once('=').ok_or_else(|| io::Error::other("NAME=ADDRESS"))?;
            ask(&config, name, address).map_err(|error| io::Error::other(format!("{server}: {error}")))
        })
    };
    all()?;
    println!("warm");
    io::stdin().read_line(&mut String::new())?;
    let interval = Duration::from_millis(interval.parse().map_err(io::Error::other)?);
    for _ in 0..count.parse().map_err(io::Error::other)? {
        let began = Instant::now();
        all()?;
        // Pauses as the agent's, in which others use the processor's caches.
        sleep(interval.saturating_sub(began.elapsed()));
    }
    println!("done");
    io::stdin().read_to_end(&mut Vec::new()).map(drop)
}

/// The same handshake as pullprobe makes for containerd 2.1: each in full, X25519MLKEM768 first, no ALPN.
fn config(roots: &str) -> io::Result<ClientConfig> {
    let mut store = RootCertStore::empty();
    let certificates = CertificateDer::pem_file_iter(roots).map_err(io::Error::other)?;
    store.add_parsable_certificates(certificates.filter_map(Result::ok));
    let mut config = ClientConfig::builder_with_provider(aws_lc_rs::default_provider().into())
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(store)
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    Ok(config)
}

fn ask(config: &Arc<ClientConfig>, name: &str, address: &str) -> io::Result<()> {
    let mut socket = TcpStream::connect(address)?;
    socket.set_nodelay(true)?;
    let server = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
    let mut session = ClientConnection::new(Arc::clone(config), server).map_err(io::Error::other)?;
    let mut stream = Stream::new(&mut session, &mut socket);
    // One record.
    stream.write_all(format!("GET /v2/ HTTP/1.1\r\nHost: {name}\r\nAccept: */*\r\n\r\n").as_bytes())?;
    let mut answer = Vec::new();
    let mut piece = [0; 4096];
    while !is_whole(&answer) {
        let length = stream.read(&mut piece)?;
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        answer.extend_from_slice(&piece[..length]);
    }
    session.send_close_notify();
    session.write_tls(&mut socket).map(drop)
}

/// The head, and as much of the body as it announces.
fn is_whole(answer: &[u8]) -> bool {
    let Some(end) = answer.windows(4).position(|window| window == b"\r\n\r\n") else { return false };
    let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
    answer.len() >= end + 4 + length.unwrap_or(0)
}
