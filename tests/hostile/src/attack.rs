//! An attack as data: what is done to the program, which answer is right, and what it may cost.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use crate::peer::Spec;
use crate::scene::Scene;

/// What the program may cost, whatever comes. A measured value has to be below.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Wall time to the end of a verb.
    pub time: Duration,
    /// Resident memory at its highest, above what a good image takes, in bytes.
    pub memory: u64,
    /// What all servers of the attack were asked together.
    pub requests: usize,
    /// Everything that was printed, or the longest page that was served, in bytes.
    pub output: usize,
}

impl Bounds {
    pub const USUAL: Self = Self { time: Duration::from_secs(15), memory: 64 << 20, requests: 80, output: 64 << 10 };
}

impl fmt::Display for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (time, memory) = (self.time.as_secs(), self.memory >> 20);
        write!(f, "{time} s, {memory} MiB, {} rq, {} KiB", self.requests, self.output >> 10)
    }
}

/// The right answer: containerd's, or "unknown" where pullprobe alone has a limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expect {
    /// The image can be pulled.
    Pulls,
    /// It cannot, for this cause.
    Fails(&'static str),
    /// Nothing is claimed, and the summary has these words: mostly the limit that was reached.
    Unknown(&'static str),
    /// The verb ends with this code.
    Exit(i32),
}

impl fmt::Display for Expect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pulls => f.write_str("yes"),
            Self::Fails(cause) => write!(f, "no: {cause}"),
            Self::Unknown(words) => write!(f, "unknown: {words}"),
            Self::Exit(code) => write!(f, "exit {code}"),
        }
    }
}

pub type Build = Box<dyn Fn(&mut Scene) -> io::Result<()> + Send + Sync>;
pub type Visit = Box<dyn Fn(SocketAddr) -> io::Result<()> + Send + Sync>;

/// What is done.
pub enum How {
    /// A registry behaves so. `check` and `run` ask it for an image, alone and all at once.
    Peer(Box<Spec>),
    /// A node is like this: its files, its name servers, its proxy. `check`, `lint` and `run` look at it.
    Node(Build),
    /// A verb is started with these arguments, after the node was made; `@` in them is the node's root.
    Verb(Vec<&'static str>, Build),
    /// Somebody does this to the agent's port.
    Port(Visit),
}

/// One attack.
pub struct Attack {
    pub family: &'static str,
    pub name: String,
    pub how: How,
    pub expect: Expect,
    pub bounds: Bounds,
    /// It waits for a deadline: not for the quick part.
    pub slow: bool,
}

impl Attack {
    pub fn new(family: &'static str, name: impl Into<String>, how: How) -> Self {
        Self { family, name: name.into(), how, expect: Expect::Pulls, bounds: Bounds::USUAL, slow: false }
    }

    #[must_use]
    pub fn pulls(self) -> Self {
        Self { expect: Expect::Pulls, ..self }
    }

    #[must_use]
    pub fn fails(self, cause: &'static str) -> Self {
        Self { expect: Expect::Fails(cause), ..self }
    }

    #[must_use]
    pub fn unknown(self, words: &'static str) -> Self {
        Self { expect: Expect::Unknown(words), ..self }
    }

    #[must_use]
    pub fn exits(self, code: i32) -> Self {
        Self { expect: Expect::Exit(code), ..self }
    }

    #[must_use]
    pub fn slow(self) -> Self {
        Self { slow: true, ..self }
    }

    /// As many requests, where an image really needs more.
    #[must_use]
    pub fn requests(mut self, most: usize) -> Self {
        self.bounds.requests = most;
        self
    }

    /// As much output, where there really is more to say.
    #[must_use]
    pub fn output(mut self, most: usize) -> Self {
        self.bounds.output = most;
        self
    }
}

/// A registry of plain HTTP that behaves so.
pub fn peer(family: &'static str, name: impl Into<String>, spec: Spec) -> Attack {
    Attack::new(family, name, How::Peer(Box::new(spec)))
}

/// A node that is like this.
pub fn node(
    family: &'static str,
    name: impl Into<String>,
    build: impl Fn(&mut Scene) -> io::Result<()> + Send + Sync + 'static,
) -> Attack {
    Attack::new(family, name, How::Node(Box::new(build)))
}

/// A verb with arguments, beside such files.
pub fn verb(
    family: &'static str,
    name: impl Into<String>,
    arguments: &[&'static str],
    build: impl Fn(&mut Scene) -> io::Result<()> + Send + Sync + 'static,
) -> Attack {
    Attack::new(family, name, How::Verb(arguments.to_vec(), Box::new(build)))
}

/// Somebody who comes to the agent's port.
pub fn visitor(
    family: &'static str,
    name: impl Into<String>,
    visit: impl Fn(SocketAddr) -> io::Result<()> + Send + Sync + 'static,
) -> Attack {
    Attack::new(family, name, How::Port(Box::new(visit)))
}
