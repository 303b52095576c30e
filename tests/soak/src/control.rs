//! The process of the agent: told when a cycle begins, asked for its pages, and looked at from outside.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use jiff::Timestamp;

use crate::agent::Seen;
use crate::measure::Taken;

/// Whatever is longer hangs.
const PATIENCE: Duration = Duration::from_mins(2);

pub struct Child {
    process: std::process::Child,
    write: TcpStream,
    read: BufReader<TcpStream>,
    address: SocketAddr,
}

impl Child {
    pub fn start(root: &Path) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        let mut command = Command::new(std::env::current_exe()?);
        // The lab's certificates are of the machine's time, so the agent's begins there.
        let morning = Timestamp::now().as_second();
        let (name, value) = pullprobe_lab::RELEASED_WITH;
        command.env(name, value);
        let process = command.arg("--agent").arg(root).args([port.to_string(), morning.to_string()]).spawn()?;
        let (stream, _) = listener.accept()?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut read = BufReader::new(stream.try_clone()?);
        let mut line = String::new();
        read.read_line(&mut line)?;
        let address = line.trim().parse().map_err(|_| io::Error::other("the agent did not start"))?;
        Ok(Self { process, write: stream, read, address })
    }

    /// One cycle, in which these never answer.
    pub fn cycle(&mut self, silent: &[String]) -> io::Result<Seen> {
        self.write.write_all(format!("{}\n", silent.join(",")).as_bytes())?;
        let mut line = String::new();
        if self.read.read_line(&mut line)? == 0 {
            return Err(io::Error::other(format!("the agent ended: {:?}", self.process.try_wait()?)));
        }
        Ok(serde_json::from_str(&line)?)
    }

    /// The body of an answer that has to be 200.
    pub fn get(&self, path: &str) -> io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: {}\r\n\r\n", self.address).as_bytes())?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or(answer.len());
        let (head, body) = answer.split_at(end);
        if head.starts_with(b"HTTP/1.0 200 ") || head.starts_with(b"HTTP/1.1 200 ") {
            Ok(body.get(4..).unwrap_or_default().to_vec())
        } else {
            Err(io::Error::other(format!("{path}: {}", String::from_utf8_lossy(head))))
        }
    }

    /// What it takes now, as the kernel says it.
    pub fn taken(&self) -> io::Result<Taken> {
        let of = format!("/proc/{}", self.process.id());
        let status = std::fs::read_to_string(format!("{of}/status"))?;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
            line.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or(0)
        };
        let fds = std::fs::read_dir(format!("{of}/fd"))?.count();
        Ok(Taken {
            rss_kib: field("VmRSS:"),
            own_kib: field("RssAnon:"),
            peak_kib: field("VmHWM:"),
            fds,
            ..Taken::default()
        })
    }

    /// It ends when nobody drives it any more.
    pub fn end(mut self) -> io::Result<()> {
        self.write.shutdown(std::net::Shutdown::Both)?;
        let status = self.process.wait()?;
        if status.success() { Ok(()) } else { Err(io::Error::other(format!("the agent ended with {status}"))) }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // It has ended where all went well.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
