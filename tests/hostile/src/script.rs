//! What a peer does with a connection, step by step.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// Nobody is kept longer: what still waits then has missed its deadline.
const LIFE: Duration = Duration::from_mins(2);

#[derive(Clone, Debug)]
pub enum Step {
    Send(Vec<u8>),
    /// A head without its length and its end, and a body.
    Answer(String, Vec<u8>),
    /// The same bytes, so many times.
    Repeat(Vec<u8>, usize),
    /// The same bytes, one at a time, with a pause before each, for ever.
    Drip(Vec<u8>, Duration),
    Wait(Duration),
    /// Nothing more, and the connection stays.
    Stall,
    /// The connection is reset, not closed.
    Reset,
    /// The connection is kept for the next request.
    Keep,
}

/// Steps; after the last the connection is closed.
#[derive(Clone, Debug, Default)]
pub struct Script(pub Vec<Step>);

impl Script {
    pub fn send(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.0.push(Step::Send(bytes.into()));
        self
    }

    pub fn repeat(mut self, bytes: impl Into<Vec<u8>>, times: usize) -> Self {
        self.0.push(Step::Repeat(bytes.into(), times));
        self
    }

    /// For ever.
    pub fn endless(self, bytes: impl Into<Vec<u8>>) -> Self {
        self.repeat(bytes, usize::MAX)
    }

    pub fn drip(mut self, bytes: impl Into<Vec<u8>>, every_ms: u64) -> Self {
        self.0.push(Step::Drip(bytes.into(), Duration::from_millis(every_ms)));
        self
    }

    pub fn wait(mut self, ms: u64) -> Self {
        self.0.push(Step::Wait(Duration::from_millis(ms)));
        self
    }

    pub fn stall(mut self) -> Self {
        self.0.push(Step::Stall);
        self
    }

    pub fn reset(mut self) -> Self {
        self.0.push(Step::Reset);
        self
    }

    pub fn keep(mut self) -> Self {
        self.0.push(Step::Keep);
        self
    }
}

/// Bytes that are sent as they stand.
pub fn raw(bytes: impl Into<Vec<u8>>) -> Script {
    Script::default().send(bytes)
}

/// An answer with a length, and without the body where HEAD is asked: status, `Name: value` each, body.
pub fn answer(status: &str, fields: &[&str], body: impl AsRef<[u8]>) -> Script {
    let fields: String = fields.iter().flat_map(|field| [field, "\r\n"]).collect();
    Script(vec![Step::Answer(format!("HTTP/1.1 {status}\r\n{fields}"), body.as_ref().to_vec()), Step::Keep])
}

/// The head of an answer without a length, as far as the line that would end it.
pub fn head(status: &str, fields: &[&str]) -> Script {
    let fields: String = fields.iter().flat_map(|field| [field, "\r\n"]).collect();
    raw(format!("HTTP/1.1 {status}\r\n{fields}"))
}

/// What a script is played on: a connection, and what is under it.
pub struct Line<'l> {
    pub io: &'l mut dyn Talk,
    pub tcp: &'l TcpStream,
}

pub trait Talk: Read + Write {}
impl<T: Read + Write> Talk for T {}

impl Line<'_> {
    /// Whether the connection is kept.
    pub fn play(&mut self, script: &Script, is_head: bool, expand: &dyn Fn(&[u8]) -> Vec<u8>) -> io::Result<bool> {
        let ends = Instant::now() + LIFE;
        for step in &script.0 {
            match step {
                Step::Send(bytes) => self.io.write_all(&expand(bytes))?,
                Step::Answer(head, body) => {
                    let body = expand(body);
                    let length = format!("Content-Length: {}\r\n\r\n", body.len());
                    let body: &[u8] = if is_head { &[] } else { &body };
                    // At once: what comes in pieces is held back by the kernel for a while.
                    self.io.write_all(&[&expand(head.as_bytes()), length.as_bytes(), body].concat())?;
                }
                Step::Repeat(bytes, times) => self.repeat(&expand(bytes), *times, ends)?,
                Step::Drip(bytes, pause) => self.drip(&expand(bytes), *pause, ends)?,
                Step::Wait(time) => std::thread::sleep(*time),
                Step::Stall => self.wait_for_the_end()?,
                Step::Reset => {
                    // Without a word the kernel resets a connection whose input was not read.
                    reset(self.tcp);
                    return Ok(false);
                }
                Step::Keep => {
                    self.io.flush()?;
                    return Ok(true);
                }
            }
            self.io.flush()?;
        }
        Ok(false)
    }

    fn repeat(&mut self, bytes: &[u8], times: usize, ends: Instant) -> io::Result<()> {
        // In pieces of some size: a write for each of a million bytes is slow, not hostile.
        let together = (16_384 / bytes.len().max(1)).clamp(1, times.max(1));
        let piece = bytes.repeat(together);
        for _ in 0..times / together {
            self.io.write_all(&piece)?;
            if Instant::now() > ends {
                return Ok(());
            }
        }
        self.io.write_all(&bytes.repeat(times % together))
    }

    fn drip(&mut self, bytes: &[u8], pause: Duration, ends: Instant) -> io::Result<()> {
        for byte in bytes.iter().cycle() {
            std::thread::sleep(pause);
            self.io.write_all(&[*byte])?;
            self.io.flush()?;
            if Instant::now() > ends {
                break;
            }
        }
        Ok(())
    }

    fn wait_for_the_end(&mut self) -> io::Result<()> {
        self.io.flush()?;
        self.tcp.set_read_timeout(Some(LIFE))?;
        let mut sink = [0; 4096];
        while matches!(self.io.read(&mut sink), Ok(count) if count > 0) {}
        Ok(())
    }
}

fn reset(tcp: &TcpStream) {
    // Where that is not possible it is closed, which the row shows.
    let _ = rustix::net::sockopt::set_socket_linger(tcp, Some(Duration::ZERO));
}
