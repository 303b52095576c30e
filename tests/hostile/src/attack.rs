//! An attack as data: what is done to the program, which answer is right, and what it may cost.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use crate::door::Door;
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
    /// `yes`: the image can be pulled.
    Pulls,
    /// `no: CAUSE`: it cannot.
    Fails(String),
    /// `unknown: WORDS`: nothing is claimed, and the summary has these words: mostly the limit that was reached.
    Unknown(String),
    /// `exit N`: the verb ends with this code.
    Exit(i32),
    /// `any`: the agent's port was visited, or what wins a race decides. The bounds hold all the same.
    Any,
}

impl Expect {
    /// As `answers.txt` has it.
    fn parse(text: &str) -> Option<Self> {
        Some(match text.split_once([':', ' ']) {
            None if text == "yes" => Self::Pulls,
            None if text == "any" => Self::Any,
            Some(("no", cause)) => Self::Fails(cause.trim().to_owned()),
            Some(("unknown", words)) => Self::Unknown(words.trim().to_owned()),
            Some(("exit", code)) => Self::Exit(code.parse().ok()?),
            _ => return None,
        })
    }
}

impl fmt::Display for Expect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pulls => f.write_str("yes"),
            Self::Fails(cause) => write!(f, "no: {cause}"),
            Self::Unknown(words) => write!(f, "unknown: {words}"),
            Self::Exit(code) => write!(f, "exit {code}"),
            Self::Any => f.write_str("any"),
        }
    }
}

/// What is right of each attack.
const ANSWERS: &str = include_str!("../answers.txt");

/// The answers by family and name.
pub fn answers() -> io::Result<BTreeMap<String, Expect>> {
    let lines = ANSWERS.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let (name, answer) = line.rsplit_once(" = ").unwrap_or((line, ""));
            let answer = Expect::parse(answer);
            let answer = answer.ok_or_else(|| io::Error::other(format!("answers.txt: no answer in `{line}`")))?;
            Ok((name.to_owned(), answer))
        })
        .collect()
}

pub type Build = Box<dyn Fn(&mut Scene) -> io::Result<()> + Send + Sync>;
pub type Visit = Box<dyn Fn(SocketAddr) -> io::Result<()> + Send + Sync>;

pub type TlsVisit = Box<dyn Fn(&Door) -> io::Result<()> + Send + Sync>;

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
    /// The same where the port speaks TLS.
    TlsPort(TlsVisit),
}

/// One attack.
pub struct Attack {
    pub family: &'static str,
    pub name: String,
    pub how: How,
    /// `None`: nobody has written down what is right.
    pub expect: Option<Expect>,
    pub bounds: Bounds,
    /// It waits for a deadline: not for the quick part.
    pub slow: bool,
}

impl Attack {
    pub fn new(family: &'static str, name: impl Into<String>, how: How) -> Self {
        Self { family, name: name.into(), how, expect: None, bounds: Bounds::USUAL, slow: false }
    }

    /// As `answers.txt` and the table have it.
    pub fn full_name(&self) -> String {
        format!("{}: {}", self.family, self.name)
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

    /// As much time, where the attack itself needs it.
    #[must_use]
    pub fn time(mut self, most: Duration) -> Self {
        self.bounds.time = most;
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

/// Somebody who comes there, where it speaks TLS.
pub fn visitor_over_tls(
    family: &'static str,
    name: impl Into<String>,
    visit: impl Fn(&Door) -> io::Result<()> + Send + Sync + 'static,
) -> Attack {
    Attack::new(family, name, How::TlsPort(Box::new(visit)))
}
