//! A server's process: started, waited for, killed on drop.

use std::fs::File;
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::super::super::binary::eventually;

/// Every one of these servers is there in a second; a busy machine may need far longer.
const PATIENCE: Duration = Duration::from_secs(30);
/// A question for the root's name servers, which every name server answers with something.
const QUESTION: [u8; 17] = [0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 1];

#[derive(Debug)]
pub struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts it with its output in `log`.
    pub fn start(command: &mut Command, log: &Path) -> Self {
        let output = File::create(log).unwrap();
        command.stdin(Stdio::null()).stdout(output.try_clone().unwrap()).stderr(output);
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Self { child, log: log.to_owned() }
    }

    /// Waits until it accepts connections.
    pub fn accepting(self, at: SocketAddr) -> Self {
        self.ready(|| TcpStream::connect_timeout(&at, Duration::from_secs(1)).ok().map(drop))
    }

    /// Waits until it answers questions.
    pub fn answering(self, at: SocketAddr) -> Self {
        self.ready(|| {
            let any = if at.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
            let socket = UdpSocket::bind(any).ok()?;
            socket.set_read_timeout(Some(Duration::from_millis(200))).ok()?;
            socket.connect(at).ok()?;
            socket.send(&QUESTION).ok()?;
            socket.recv(&mut [0; 4096]).ok().map(drop)
        })
    }

    fn ready(mut self, mut ask: impl FnMut() -> Option<()>) -> Self {
        let ready = eventually(PATIENCE, || match self.child.try_wait().unwrap() {
            Some(status) => Some(Err(status)),
            None => ask().map(Ok),
        });
        let said = || std::fs::read_to_string(&self.log).unwrap_or_default();
        match ready {
            Some(Ok(())) => self,
            Some(Err(status)) => panic!("the server has ended ({status}):\n{}", said()),
            None => panic!("the server does not become ready:\n{}", said()),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
