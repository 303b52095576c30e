//! tcpdump on the loopback of a namespace: which name server was asked for what, in which order, and which
//! address the first bytes for port 443 went to. Packets that a firewall drops on arrival count too.

use std::fs::File;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::super::binary::eventually;

const PATIENCE: Duration = Duration::from_secs(30);
/// Nobody listens there; a packet to it says how far the notes go.
const MARK: &str = "127.0.0.1:9";

pub struct Witness {
    process: Child,
    notes: PathBuf,
    /// How many lines were taken already.
    taken: usize,
}

/// What was on the wire.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// In order, each once.
    pub questions: Vec<Question>,
    /// Where the first bytes for port 443 went; where none went, the only address that was called on.
    pub address: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    pub server: String,
    pub tcp: bool,
    pub name: String,
    /// `A` or `AAAA`.
    pub kind: String,
}

impl Witness {
    /// Writes its notes to this file.
    pub fn start(notes: &Path) -> Self {
        let output = File::create(notes).unwrap();
        let process = Command::new("tcpdump")
            .args(["-i", "lo", "-n", "-l", "--immediate-mode", "-Z", "root", "-s", "1024"])
            .arg("dst port 53 or tcp dst port 443 or udp dst port 9")
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("tcpdump: {error}; run tests/tools/install.sh"));
        let mut witness = Self { process, notes: notes.to_owned(), taken: 0 };
        witness.take();
        witness
    }

    /// What was seen since the last time.
    pub fn take(&mut self) -> Seen {
        let lines = eventually(PATIENCE, || {
            UdpSocket::bind("127.0.0.1:0").unwrap().send_to(b"mark", MARK).unwrap();
            let text = std::fs::read_to_string(&self.notes).unwrap();
            let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
            let lines: Vec<String> = whole.lines().skip(self.taken).map(str::to_owned).collect();
            lines.iter().any(|line| line.contains(" > 127.0.0.1.9: ")).then_some(lines)
        });
        let lines = lines.unwrap_or_else(|| panic!("tcpdump notes nothing"));
        self.taken += lines.len();
        Seen::of_lines(&lines)
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

impl Seen {
    fn of_lines(lines: &[String]) -> Self {
        let mut seen = Self::default();
        let mut called = std::collections::BTreeSet::new();
        for line in lines {
            let Some(to) = line.split(" > ").nth(1).and_then(|rest| rest.split(": ").next()) else { continue };
            if let Some(server) = to.strip_suffix(".53") {
                if let Some(question) = question(server, line).filter(|one| !seen.questions.contains(one)) {
                    seen.questions.push(question);
                }
            } else if let Some(address) = to.strip_suffix(".443") {
                called.insert(address);
                if seen.address.is_none() && line.contains("Flags [P.]") {
                    seen.address = Some(address.to_owned());
                }
            }
        }
        // Whether anything is sent before a reset arrives is a race.
        if called.len() == 1 {
            seen.address = called.pop_first().map(str::to_owned);
        }
        seen
    }

    /// Each server that was asked, once.
    pub fn servers(&self) -> std::collections::BTreeSet<&str> {
        self.questions.iter().map(|one| one.server.as_str()).collect()
    }

    /// Whom each question about the first name was put to first.
    pub fn beginnings(&self) -> Vec<&str> {
        let mut kinds = Vec::new();
        let mut servers = Vec::new();
        let first = self.questions.first().map(|one| one.name.as_str());
        for one in self.questions.iter().filter(|one| Some(one.name.as_str()) == first) {
            if !kinds.contains(&one.kind) {
                kinds.push(one.kind.clone());
                servers.push(one.server.as_str());
            }
        }
        servers
    }

    /// What one server was asked, name by name. The types of a name come in no order, unless in turn.
    pub fn of(&self, server: &str, in_turn: bool) -> Vec<(bool, String, Vec<String>)> {
        let mut names: Vec<(bool, String, Vec<String>)> = Vec::new();
        for one in self.questions.iter().filter(|one| one.server == server) {
            match names.iter_mut().find(|(tcp, name, _)| (*tcp, name) == (one.tcp, &one.name)) {
                Some((.., kinds)) => kinds.push(one.kind.clone()),
                None => names.push((one.tcp, one.name.clone(), vec![one.kind.clone()])),
            }
        }
        if !in_turn {
            names.iter_mut().for_each(|(.., kinds)| kinds.sort());
        }
        names
    }
}

/// `… 49722+ [1au] AAAA? registry.example. (57)`.
fn question(server: &str, line: &str) -> Option<Question> {
    let (before, after) = line.split_once("? ")?;
    let kind = before.rsplit(' ').next()?.to_owned();
    let name = after.split(' ').next()?.to_lowercase();
    Some(Question { server: server.to_owned(), tcp: line.contains("Flags ["), name, kind })
}

#[test]
fn one_call_without_bytes_is_noted_and_several_are_not() {
    let call = |address: &str| format!("05:30:39.698607 IP 192.0.2.1.4243 > {address}.443: Flags [S], seq 1, length 0");
    assert_eq!(Seen::of_lines(&[call("192.0.2.10")]).address.as_deref(), Some("192.0.2.10"));
    assert_eq!(Seen::of_lines(&[call("192.0.2.10"), call("192.0.2.11")]).address, None);
}

#[test]
fn notes_are_read() {
    let lines = [
        "05:30:39.698604 IP 192.0.2.53.57030 > 192.0.2.53.53: 49722+ [1au] A? registry.example. (57)",
        "05:30:39.698605 IP 192.0.2.53.57031 > 192.0.2.53.53: 49723+ [1au] AAAA? registry.example. (57)",
        "05:30:39.698606 IP6 ::1.4242 > ::1.53: Flags [P.], seq 1:60, ack 1, win 512, length 59 1+ [1au] A? a.b. (57)",
        "05:30:39.698607 IP 192.0.2.10.4243 > 192.0.2.10.443: Flags [S], seq 1, win 512, length 0",
        "05:30:39.698608 IP6 2001:db8::10.4243 > 2001:db8::10.443: Flags [P.], seq 1:1500, ack 1, length 1499",
    ];
    let seen = Seen::of_lines(&lines.map(str::to_owned));
    assert_eq!(seen.address.as_deref(), Some("2001:db8::10"));
    assert_eq!(seen.servers().into_iter().collect::<Vec<_>>(), ["192.0.2.53", "::1"]);
    assert_eq!(seen.beginnings(), ["192.0.2.53", "192.0.2.53"]);
    let both = vec!["A".to_owned(), "AAAA".to_owned()];
    assert_eq!(seen.of("192.0.2.53", false), [(false, "registry.example.".to_owned(), both)]);
    assert_eq!(seen.of("::1", true), [(true, "a.b.".to_owned(), vec!["A".to_owned()])]);
}
