//! A name server over UDP and TCP on loopback whose records and faults are data, and which records
//! every query.

mod zone;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hickory_proto::op::{Edns, Message, ResponseCode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinSet;

pub use zone::{Config, Failure, Fault, Query, Records, Transport};

use crate::socket::{self, Task, accept_all, lock, loopback};
use zone::Zone;

/// Where a name server listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// Any free port of 127.0.0.1.
    AnyPort,
    /// Port 53 of a random loopback address, as resolv.conf needs it; asks for root.
    Port53,
    /// This address.
    Address(SocketAddr),
}

/// A running name server; it ends when dropped.
#[derive(Debug)]
pub struct NameServer {
    address: SocketAddr,
    zone: Arc<Mutex<Zone>>,
    queries: Arc<Mutex<Vec<Query>>>,
    _task: Task,
}

impl NameServer {
    /// Starts it; must be called within a tokio runtime.
    pub fn start(config: Config, at: At) -> io::Result<Self> {
        let (udp, tcp) = match at {
            At::AnyPort => bind_free(loopback)?,
            At::Port53 => bind_free(|| SocketAddr::new(IpAddr::V4(socket::random_loopback()), 53))?,
            At::Address(address) => bind(address)?,
        };
        let address = tcp.local_addr()?;
        let server = Server { zone: Arc::new(Mutex::new(Zone::new(config))), queries: Arc::default() };
        let (zone, queries) = (Arc::clone(&server.zone), Arc::clone(&server.queries));
        let task = Task::spawn(async move {
            tokio::join!(server.serve_udp(udp), server.serve_tcp(tcp));
        });
        Ok(Self { address, zone, queries, _task: task })
    }

    /// Where it listens, UDP and TCP alike.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its IPv4 address, as resolv.conf names it.
    pub fn ip(&self) -> IpAddr {
        self.address.ip()
    }

    /// Lets `name` have this address, besides others.
    pub fn add(&self, name: &str, address: IpAddr) {
        lock(&self.zone).add(name, address);
    }

    /// Adds a rule after the others.
    pub fn add_fault(&self, fault: Fault) {
        lock(&self.zone).add_fault(fault);
    }

    /// The queries so far, in order, also those without an answer.
    pub fn queries(&self) -> Vec<Query> {
        lock(&self.queries).clone()
    }
}

#[derive(Clone)]
struct Server {
    zone: Arc<Mutex<Zone>>,
    queries: Arc<Mutex<Vec<Query>>>,
}

impl Server {
    async fn serve_udp(&self, udp: UdpSocket) {
        let udp = Arc::new(udp);
        let mut answers = JoinSet::new();
        let mut packet = [0; 4096];
        loop {
            // An error is the echo of an answer that found nobody: the next query may do better.
            let Ok((length, from)) = udp.recv_from(&mut packet).await else {
                continue;
            };
            let (server, udp, query) = (self.clone(), Arc::clone(&udp), packet[..length].to_vec());
            answers.spawn(async move {
                if let Some(answer) = server.answer(&query, Transport::Udp).await {
                    let _ = udp.send_to(&answer, from).await;
                }
            });
            while answers.try_join_next().is_some() {}
        }
    }

    async fn serve_tcp(&self, tcp: TcpListener) {
        accept_all(tcp, |stream| {
            let server = self.clone();
            async move {
                // A client that leaves has what it wanted.
                let _ = server.converse(stream).await;
            }
        })
        .await;
    }

    async fn converse(&self, mut stream: TcpStream) -> io::Result<()> {
        loop {
            let length = stream.read_u16().await?;
            let mut query = vec![0; usize::from(length)];
            stream.read_exact(&mut query).await?;
            let Some(answer) = self.answer(&query, Transport::Tcp).await else {
                return Ok(());
            };
            let length = u16::try_from(answer.len()).map_err(io::Error::other)?;
            stream.write_u16(length).await?;
            stream.write_all(&answer).await?;
        }
    }

    /// `None` = silence.
    async fn answer(&self, packet: &[u8], transport: Transport) -> Option<Vec<u8>> {
        let request = Message::from_vec(packet).ok()?;
        let question = request.queries.first()?;
        let query = Query::new(question, transport);
        lock(&self.queries).push(query.clone());
        let failure = lock(&self.zone).pick(&query);
        let mut answer = Message::response(request.metadata.id, request.metadata.op_code);
        answer.add_query(question.clone());
        answer.metadata.recursion_desired = request.metadata.recursion_desired;
        answer.metadata.recursion_available = true;
        match failure {
            Some(Failure::Drop) => return None,
            Some(Failure::Servfail) => answer.metadata.response_code = ResponseCode::ServFail,
            Some(Failure::FormatError) => answer.metadata.response_code = ResponseCode::FormErr,
            Some(Failure::Refused) => answer.metadata.response_code = ResponseCode::Refused,
            Some(Failure::NotImplemented) => answer.metadata.response_code = ResponseCode::NotImp,
            Some(Failure::Nxdomain) => answer.metadata.response_code = ResponseCode::NXDomain,
            Some(Failure::NoData) => {}
            Some(Failure::Lame) => answer.metadata.recursion_available = false,
            Some(Failure::LameWithOpt) => {
                answer.metadata.recursion_available = false;
                answer.set_edns(Edns::new());
            }
            Some(Failure::Garbage) => return Some(garbage(packet)),
            Some(Failure::Truncate | Failure::TruncateAlways) if transport == Transport::Udp => {
                answer.metadata.truncation = true;
            }
            Some(Failure::TruncateAlways) => {
                lock(&self.zone).fill(question, &mut answer);
                answer.metadata.truncation = true;
            }
            Some(Failure::WrongId) => {
                answer.metadata.id ^= 0x5555;
                lock(&self.zone).fill(question, &mut answer);
            }
            Some(Failure::Delay(ms)) => {
                tokio::time::sleep(Duration::from_millis(ms)).await;
                lock(&self.zone).fill(question, &mut answer);
            }
            Some(Failure::Truncate) | None => lock(&self.zone).fill(question, &mut answer),
        }
        answer.to_vec().ok()
    }
}

/// The identifier of the query, so that it is taken for an answer, then bytes that are none.
fn garbage(packet: &[u8]) -> Vec<u8> {
    let mut answer = packet.get(..2).unwrap_or_default().to_vec();
    answer.extend([0x81, 0x80, 0xff, 0xff, 0xff]);
    answer
}

/// UDP and TCP at one address; others may hold one of the two, so it is tried with several.
fn bind_free(address: impl Fn() -> SocketAddr) -> io::Result<(UdpSocket, TcpListener)> {
    let mut result = bind(address());
    for _ in 0..64 {
        match &result {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => result = bind(address()),
            _ => break,
        }
    }
    result
}

fn bind(address: SocketAddr) -> io::Result<(UdpSocket, TcpListener)> {
    let tcp = socket::listen(address)?;
    let udp = std::net::UdpSocket::bind(tcp.local_addr()?)?;
    udp.set_nonblocking(true)?;
    Ok((UdpSocket::from_std(udp)?, tcp))
}
