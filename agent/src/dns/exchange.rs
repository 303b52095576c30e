//! One question to one nameserver: over UDP, and over TCP when the answer does not fit or TCP is asked for.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::{Instant, timeout};

use super::answer::{DnsAnswer, QueryError, Question, UDP_SIZE};
use crate::cause::Cause;
use crate::model::facts::Transport;
use crate::transport::errno::classify_io;

/// What one question to one server brought.
#[derive(Clone, Debug)]
pub(super) struct Exchange {
    pub transport: Transport,
    /// `None` when no answer came.
    pub rcode: Option<ResponseCode>,
    pub result: Result<Vec<IpAddr>, QueryError>,
    /// Without the time for questions that got no answer.
    took: Duration,
    /// For how long an answer was waited for at most.
    patience: Duration,
}

impl Exchange {
    /// Nobody answered before this was given up, after so long.
    pub fn silent(patience: Duration) -> Self {
        let result = Err(QueryError::silence("i/o timeout"));
        Self { transport: Transport::Udp, rcode: None, result, took: Duration::ZERO, patience }
    }

    /// For how long nothing came. `None`: something did.
    pub fn silence(&self) -> Option<Duration> {
        (self.is_in_vain() && self.rcode.is_none()).then_some(self.patience)
    }

    pub fn is_in_vain(&self) -> bool {
        self.result.as_ref().is_err_and(|trouble| trouble.in_vain)
    }

    /// How long it takes with this time for each question.
    pub fn cost(&self, timeout: Duration) -> Duration {
        if self.is_in_vain() { self.took + timeout } else { self.took }
    }
}

/// How the questions are put.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a rule on its own")]
pub(super) struct QueryOptions {
    /// For each transport anew, as Go counts it.
    pub timeout: Duration,
    pub tcp_only: bool,
    pub trust_ad: bool,
    pub edns: bool,
    pub reads_additionals: bool,
}

pub(super) async fn exchange(server: SocketAddr, fqdn: &str, kind: RecordType, options: QueryOptions) -> Exchange {
    let began = Instant::now();
    let (transport, answer) = ask(server, fqdn, kind, options).await;
    let (rcode, result) = match answer {
        Ok(answer) => (Some(answer.rcode), answer.result),
        Err(trouble) => (None, Err(trouble)),
    };
    let in_vain = result.as_ref().is_err_and(|trouble| trouble.in_vain);
    let took = began.elapsed().saturating_sub(if in_vain { options.timeout } else { Duration::ZERO });
    Exchange { transport, rcode, result, took, patience: options.timeout }
}

async fn ask(
    server: SocketAddr,
    fqdn: &str,
    kind: RecordType,
    options: QueryOptions,
) -> (Transport, Result<DnsAnswer, QueryError>) {
    let question = match Question::new(fqdn, kind, options.trust_ad, options.edns) {
        Ok(question) => Question { reads_additionals: options.reads_additionals, ..question },
        Err(trouble) => return (Transport::Udp, Err(trouble)),
    };
    if !options.tcp_only {
        match over_udp(server, &question, options.timeout).await {
            Ok(answer) if answer.truncated => {}
            answer => return (Transport::Udp, answer),
        }
    }
    // What is truncated over TCP too is taken as it is: so does Go since 1.23.
    (Transport::Tcp, over_tcp(server, &question, options.timeout).await)
}

/// As `dig` prints it.
pub(super) fn mnemonic(rcode: ResponseCode) -> String {
    use ResponseCode as Code;
    match rcode {
        Code::NoError => "NOERROR".into(),
        Code::FormErr => "FORMERR".into(),
        Code::ServFail => "SERVFAIL".into(),
        Code::NXDomain => "NXDOMAIN".into(),
        Code::NotImp => "NOTIMP".into(),
        Code::Refused => "REFUSED".into(),
        Code::NotAuth => "NOTAUTH".into(),
        // Both are 16; the other one is of signed messages, which ours are not.
        Code::BADVERS | Code::BADSIG => "BADVERS".into(),
        other => format!("RCODE{}", u16::from(other)),
    }
}

/// As Go's dialer: the kernel chooses the port when it connects.
fn connected(server: SocketAddr) -> io::Result<std::net::UdpSocket> {
    let family = if server.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(family, SocketType::DGRAM, flags, None)?;
    rustix::net::connect(&socket, &server)?;
    Ok(socket.into())
}

async fn over_udp(server: SocketAddr, question: &Question, limit: Duration) -> Result<DnsAnswer, QueryError> {
    let broken = |error: io::Error| lost("dial udp", server, "connect", &error);
    let socket = connected(server).map_err(broken)?;
    // Before anyone waits for the socket: there is nearly always room in a new one.
    let sent = socket.send(&question.bytes);
    let socket = UdpSocket::from_std(socket).map_err(broken)?;
    let pair = || pair(socket.local_addr(), server);
    let mut refusal = None;
    let talk = async {
        let sent = match sent {
            Err(full) if full.kind() == io::ErrorKind::WouldBlock => socket.send(&question.bytes).await,
            sent => sent,
        };
        sent.map_err(|error| lost("write udp", pair(), "write", &error))?;
        // What is longer is cut, as in Go.
        let mut buffer = vec![0; usize::from(UDP_SIZE)];
        loop {
            let size = socket.recv(&mut buffer).await.map_err(|error| lost("read udp", pair(), "read", &error))?;
            if let Some(answer) = question.answer(&buffer[..size]) {
                return Ok(answer);
            }
            refusal = refusal.or_else(|| question.bare_refusal(&buffer[..size]));
        }
    };
    let log = timeout(limit, talk).await;
    log.unwrap_or_else(|_| {
        let silence = silent("read udp", pair());
        match refusal {
            Some((rcode, cause)) => Ok(DnsAnswer::ignored(rcode, cause, silence.words)),
            None => Err(silence),
        }
    })
}

async fn over_tcp(server: SocketAddr, question: &Question, limit: Duration) -> Result<DnsAnswer, QueryError> {
    let deadline = Instant::now() + limit;
    let stream = tokio::time::timeout_at(deadline, TcpStream::connect(server)).await;
    let mut stream = match stream {
        Ok(stream) => stream.map_err(|error| lost("dial tcp", server, "connect", &error))?,
        Err(_) => return Err(silent("dial tcp", server)),
    };
    let pair = pair(stream.local_addr(), server);
    let talk = async {
        let size = u16::try_from(question.bytes.len()).unwrap_or_default();
        let message = [&size.to_be_bytes()[..], &question.bytes].concat();
        stream.write_all(&message).await.map_err(|error| lost("write tcp", &pair, "write", &error))?;
        let broken = |error: io::Error| lost("read tcp", &pair, "read", &error);
        let size = stream.read_u16().await.map_err(broken)?;
        let mut buffer = vec![0; usize::from(size)];
        stream.read_exact(&mut buffer).await.map_err(broken)?;
        let foreign = || QueryError::new(Cause::DnsServfail, "invalid DNS response");
        question.answer(&buffer).ok_or_else(foreign)
    };
    tokio::time::timeout_at(deadline, talk).await.unwrap_or_else(|_| Err(silent("read tcp", &pair)))
}

fn pair(local: io::Result<SocketAddr>, server: SocketAddr) -> String {
    local.map_or_else(|_| server.to_string(), |local| format!("{local}->{server}"))
}

fn silent(operation: &str, parties: impl std::fmt::Display) -> QueryError {
    QueryError::silence(format!("{operation} {parties}: i/o timeout"))
}

fn lost(operation: &str, parties: impl std::fmt::Display, call: &str, error: &io::Error) -> QueryError {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return QueryError::new(Cause::DnsUnreachable, "EOF");
    }
    let cause = match classify_io(error) {
        Cause::TcpTimeout => Cause::DnsTimeout,
        Cause::LimitReached => Cause::LimitReached,
        _ => Cause::DnsUnreachable,
    };
    QueryError::new(cause, format!("{operation} {parties}: {call}: {}", go::errno::words(error)))
}
