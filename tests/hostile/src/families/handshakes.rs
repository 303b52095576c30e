//! The agent's own port where it speaks TLS: handshakes that do not end, by the thousand. Somebody else scrapes
//! meanwhile, and the agent goes on probing.

use std::io::{self, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::attack::{Attack, visitor_over_tls};
use crate::door::{CROWD, Door, OTHER};

const FAMILY: &str = "handshakes";

/// Half of the ten seconds that Prometheus waits by default: other tests keep this machine busy.
const SOON: Duration = Duration::from_secs(5);
/// Above what it has before: places at the port, and what the agent needs besides.
const DESCRIPTORS: usize = 32 + 64 + 64;
/// Scrapes while it goes on.
const SCRAPES: usize = 10;
/// The machine's own limit of open files is not what is tried.
const HELD: usize = 6_000;

/// So many connections that each do this; then they begin again, until the scrapes are over.
fn flood<C>(
    name: &str,
    count: usize,
    open: impl Fn(&Door) -> io::Result<C> + Send + Sync + 'static,
    act: impl Fn(&mut C) + Send + Sync + 'static,
) -> Attack {
    visitor_over_tls(FAMILY, name, move |door| {
        let before = door.probed(None, Duration::from_secs(30))?;
        // Servers of other attacks may have left it some of theirs.
        let idle = door.descriptors()?;
        let (begun, over) = (AtomicBool::new(false), AtomicBool::new(false));
        let scraped = std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut held = Vec::new();
                while !over.load(Ordering::Relaxed) {
                    for _ in 0..count {
                        // Whoever is refused comes again.
                        if let Ok(mut connection) = open(door) {
                            act(&mut connection);
                            held.push(connection);
                        }
                        if over.load(Ordering::Relaxed) {
                            break;
                        }
                    }
                    begun.store(true, Ordering::Relaxed);
                    let surplus = held.len().saturating_sub(HELD);
                    held.drain(..surplus);
                    // Who holds all that it wants goes on with what is open.
                    held.iter_mut().for_each(&act);
                }
            });
            let scraped = scrapes(door, &begun, idle);
            over.store(true, Ordering::Relaxed);
            scraped
        });
        scraped?;
        door.probed(Some(&before), Duration::from_secs(20)).map(drop)
    })
    .time(Duration::from_secs(60))
}

/// From elsewhere, one after the other: at the beginning, and once the crowd is there.
fn scrapes(door: &Door, begun: &AtomicBool, idle: usize) -> io::Result<()> {
    let mut waited = Duration::ZERO;
    for nth in 0..SCRAPES {
        let took = door.scraped(OTHER).map_err(|error| io::Error::other(format!("scrape {nth}: {error}")))?;
        if took > SOON {
            return Err(io::Error::other(format!("a scrape took {took:?}")));
        }
        let open = door.descriptors()?;
        if open > idle + DESCRIPTORS {
            return Err(io::Error::other(format!("{open} descriptors are open, and {idle} were before")));
        }
        while nth == SCRAPES / 2 && !begun.load(Ordering::Relaxed) && waited < Duration::from_secs(20) {
            std::thread::sleep(Duration::from_millis(100));
            waited += Duration::from_millis(100);
        }
    }
    Ok(())
}

/// Each says this and nothing more.
fn says(name: &str, count: usize, bytes: impl Fn(&Door) -> io::Result<Vec<u8>> + Send + Sync + 'static) -> Attack {
    let say = move |door: &Door| {
        let mut stream = door.connect(CROWD)?;
        // Who is hung up on at once was answered.
        drop(stream.write_all(&bytes(door)?));
        Ok(stream)
    };
    flood(name, count, say, |_: &mut TcpStream| {})
}

/// A record with a part of a handshake.
fn record(body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).unwrap_or(u16::MAX).to_be_bytes();
    [&[22, 3, 1], &length[..], body].concat()
}

/// A greeting that says to be so long, and of which so much comes.
fn long(length: u32, sent: usize) -> Vec<u8> {
    let [_, high, middle, low] = length.to_be_bytes();
    let body = [&[1, high, middle, low, 3, 3][..], &vec![0; sent]].concat();
    body.chunks(16_000).flat_map(record).collect()
}

pub fn attacks() -> Vec<Attack> {
    let fixed = |name: &str, count: usize, bytes: Vec<u8>| says(name, count, move |_| Ok(bytes.clone()));
    vec![
        fixed("5,000 connections that say nothing", 5_000, Vec::new()),
        fixed("5,000 connections that say one byte", 5_000, vec![22]).slow(),
        fixed("5,000 greetings that are none", 5_000, record(&[0xff; 200])).slow(),
        fixed("5,000 requests without TLS", 5_000, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n".to_vec()).slow(),
        fixed("1,000 greetings of 16 MiB", 1_000, long(0x00ff_ffff, 200_000)).slow(),
        fixed("1,000 greetings of 64 KiB, but for the end", 1_000, long(0xffff, 65_000)),
        says("5,000 greetings and nothing more", 5_000, Door::hello),
        says("2,000 greetings, twice each", 2_000, |door| Ok(door.hello()?.repeat(2))).slow(),
        flood(
            "500 greetings that come byte by byte",
            500,
            |door| Ok((door.connect(CROWD)?, door.hello()?.into_iter())),
            |(stream, bytes)| drop(bytes.next().map(|byte| stream.write_all(&[byte]))),
        )
        .slow(),
        flood("300 handshakes and nothing more", 300, |door| door.shaken(CROWD), |_| {}),
        flood(
            "300 handshakes, each with new keys again and again",
            300,
            |door| door.shaken(CROWD),
            |stream| {
                let changed = stream.conn.refresh_traffic_keys();
                drop(changed.map(|()| stream.conn.write_tls(&mut stream.sock)));
            },
        )
        .slow(),
    ]
}
