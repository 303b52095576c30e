//! A name server that answers whatever bytes it is told to.

use std::io::{self, Read as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;

use crate::script::{Line, Script};

pub const A: u16 = 1;
pub const CNAME: u16 = 5;
pub const AAAA: u16 = 28;

/// A question as it came.
#[derive(Clone, Debug)]
pub struct Query {
    pub id: [u8; 2],
    /// The section as sent.
    pub question: Vec<u8>,
    pub record_type: u16,
    pub tcp: bool,
}

/// What is answered.
#[derive(Clone, Debug, Default)]
pub struct Reply {
    /// Over UDP each is a packet, over TCP each has its length before it.
    pub messages: Vec<Vec<u8>>,
    /// Over TCP this in place of it.
    pub script: Option<Script>,
}

impl From<Message> for Reply {
    fn from(message: Message) -> Self {
        Self { messages: vec![message.bytes()], script: None }
    }
}

/// A message under construction, right or wrong.
#[derive(Clone, Debug)]
pub struct Message {
    id: [u8; 2],
    flags: u16,
    counts: [u16; 4],
    question: Vec<u8>,
    records: Vec<u8>,
}

/// A pointer to the name in the question.
pub const ASKED: &[u8] = &[0xc0, 12];

impl Message {
    pub fn to(query: &Query) -> Self {
        Self { id: query.id, flags: 0x8180, counts: [1, 0, 0, 0], question: query.question.clone(), records: vec![] }
    }

    pub fn flags(mut self, flags: u16) -> Self {
        self.flags = flags;
        self
    }

    /// What the head says of the number of questions, answers, authorities and others.
    pub fn counts(mut self, counts: [u16; 4]) -> Self {
        self.counts = counts;
        self
    }

    pub fn record(mut self, name: &[u8], record_type: u16, data: &[u8]) -> Self {
        self.records.extend_from_slice(name);
        self.records.extend(record_type.to_be_bytes());
        // The class IN, and a minute.
        self.records.extend([0, 1, 0, 0, 0, 60]);
        self.records.extend(u16::try_from(data.len()).unwrap_or(u16::MAX).to_be_bytes());
        self.records.extend_from_slice(data);
        self.counts[1] = self.counts[1].saturating_add(1);
        self
    }

    pub fn a(self, address: [u8; 4]) -> Self {
        self.record(ASKED, A, &address)
    }

    /// Bytes behind the records.
    pub fn and(mut self, bytes: &[u8]) -> Self {
        self.records.extend_from_slice(bytes);
        self
    }

    pub fn bytes(&self) -> Vec<u8> {
        let counts = self.counts.iter().flat_map(|count| count.to_be_bytes());
        let head = self.id.into_iter().chain(self.flags.to_be_bytes()).chain(counts);
        head.chain(self.question.iter().copied()).chain(self.records.iter().copied()).collect()
    }
}

/// A name in labels.
pub fn labels(name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for label in name.split('.') {
        bytes.push(u8::try_from(label.len()).unwrap_or(63));
        bytes.extend_from_slice(label.as_bytes());
    }
    bytes.push(0);
    bytes
}

/// The address of loopback where registries are, for A; nothing for other types.
pub fn right(query: &Query) -> Reply {
    let message = Message::to(query);
    if query.record_type == A { message.a([127, 0, 0, 1]).into() } else { message.into() }
}

type Answers = dyn Fn(&Query) -> Reply + Send + Sync;

/// A running one; it ends when dropped.
pub struct NameServer {
    pub ip: IpAddr,
    asked: Arc<AtomicUsize>,
    stops: Arc<AtomicBool>,
}

/// No two have the same address.
static NEXT: AtomicU32 = AtomicU32::new(1);

impl NameServer {
    pub fn start(answers: impl Fn(&Query) -> Reply + Send + Sync + 'static) -> io::Result<Self> {
        let (ip, udp, tcp) = bind()?;
        let answers: Arc<Answers> = Arc::new(answers);
        let server = Self { ip, asked: Arc::default(), stops: Arc::default() };
        let (asked, stops, say) = (Arc::clone(&server.asked), Arc::clone(&server.stops), Arc::clone(&answers));
        std::thread::spawn(move || {
            let mut packet = [0; 4096];
            while let Ok((length, from)) = udp.recv_from(&mut packet) {
                if stops.load(Ordering::Relaxed) {
                    return;
                }
                asked.fetch_add(1, Ordering::Relaxed);
                for message in query(&packet[..length], false).map(|query| say(&query).messages).unwrap_or_default() {
                    // Who left has no more need of it.
                    drop(udp.send_to(&message, from));
                }
            }
        });
        let (asked, stops) = (Arc::clone(&server.asked), Arc::clone(&server.stops));
        std::thread::spawn(move || {
            for stream in tcp.incoming().flatten() {
                if stops.load(Ordering::Relaxed) {
                    return;
                }
                let (say, asked) = (Arc::clone(&answers), Arc::clone(&asked));
                std::thread::spawn(move || drop(converse(&stream, &*say, &asked)));
            }
        });
        Ok(server)
    }

    pub fn queries(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.stops.store(true, Ordering::Relaxed);
        let here = SocketAddr::new(self.ip, 53);
        drop(TcpStream::connect_timeout(&here, Duration::from_secs(1)));
        drop(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|socket| socket.send_to(&[0], here)));
    }
}

/// Port 53 of an address of loopback that nobody else has.
fn bind() -> io::Result<(IpAddr, UdpSocket, TcpListener)> {
    let base = std::process::id() % 200;
    loop {
        let [_, _, high, low] = NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        let ip = IpAddr::V4(Ipv4Addr::new(127, u8::try_from(40 + base).unwrap_or(40), high, low.max(1)));
        match (UdpSocket::bind((ip, 53)), TcpListener::bind((ip, 53))) {
            (Ok(udp), Ok(tcp)) => return Ok((ip, udp, tcp)),
            (Err(error), _) | (_, Err(error)) if error.kind() == io::ErrorKind::AddrInUse => {}
            (Err(error), _) | (_, Err(error)) => return Err(error),
        }
    }
}

fn query(bytes: &[u8], tcp: bool) -> Option<Query> {
    let end = bytes.get(12..)?.iter().position(|byte| *byte == 0)? + 12;
    let question = bytes.get(12..end + 5)?.to_vec();
    let record_type = u16::from_be_bytes([*bytes.get(end + 1)?, *bytes.get(end + 2)?]);
    Some(Query { id: [bytes[0], bytes[1]], question, record_type, tcp })
}

fn converse(stream: &TcpStream, answers: &Answers, asked: &AtomicUsize) -> io::Result<()> {
    let mut io = stream;
    loop {
        let mut length = [0; 2];
        io.read_exact(&mut length)?;
        let mut bytes = vec![0; usize::from(u16::from_be_bytes(length))];
        io.read_exact(&mut bytes)?;
        asked.fetch_add(1, Ordering::Relaxed);
        let Some(query) = query(&bytes, true) else { return Ok(()) };
        let reply = answers(&query);
        let framed = reply.messages.iter().fold(Script::default(), |script, message| {
            let length = u16::try_from(message.len()).unwrap_or(u16::MAX).to_be_bytes();
            script.send([&length[..], message].concat())
        });
        let script = reply.script.unwrap_or_else(|| framed.keep());
        if !(Line { io: &mut io, tcp: stream }).play(&script, false, &<[u8]>::to_vec)? {
            return Ok(());
        }
    }
}
