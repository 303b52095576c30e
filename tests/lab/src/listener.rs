//! Addresses that fail below TLS: refused, hanging, reset, closed, or swallowing every SYN.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::socket::{self, Socket, Switch, Task, accept_all, loopback};

/// What an address does to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Behaviour {
    /// The port is closed: connection refused.
    Refuse,
    /// It accepts, reads and never answers.
    Hang,
    /// It accepts and resets at once.
    Reset,
    /// It accepts and closes at once.
    Close,
    /// SYNs get no answer: connecting times out.
    BlackHole,
}

/// An address with one behaviour, until dropped.
#[derive(Debug)]
pub struct Listener {
    address: SocketAddr,
    _holder: Holder,
}

/// What keeps the behaviour alive.
#[derive(Debug)]
enum Holder {
    /// A bound socket that does not listen: nobody else can be given the port.
    Bound {
        _socket: TcpSocket,
    },
    Serving {
        _task: Task,
    },
    /// A listener whose queue is full of these connections.
    Full {
        _listener: tokio::net::TcpListener,
        _queue: Vec<TcpStream>,
    },
}

impl Listener {
    /// An address of 127.0.0.1 that behaves so.
    pub async fn start(behaviour: Behaviour) -> io::Result<Self> {
        Self::start_at(behaviour, loopback()).await
    }

    /// As [`Listener::start`], at this address; port 0 = any.
    pub async fn start_at(behaviour: Behaviour, address: SocketAddr) -> io::Result<Self> {
        match behaviour {
            Behaviour::Refuse => {
                let socket = bound(address)?;
                Ok(Self { address: socket.local_addr()?, _holder: Holder::Bound { _socket: socket } })
            }
            Behaviour::BlackHole => Self::black_hole(address).await,
            Behaviour::Hang | Behaviour::Reset | Behaviour::Close => {
                let listener = socket::listen(address)?;
                let address = listener.local_addr()?;
                let task = Task::spawn(accept_all(listener, move |tcp| meet(behaviour, tcp)));
                Ok(Self { address, _holder: Holder::Serving { _task: task } })
            }
        }
    }

    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A listener that accepts nothing and whose queue is full: the kernel drops further SYNs.
    async fn black_hole(address: SocketAddr) -> io::Result<Self> {
        let listener = bound(address)?.listen(0)?;
        let address = listener.local_addr()?;
        let mut queue = Vec::new();
        // The first connection that gets no answer proves that the queue is full. On loopback an
        // answer takes microseconds, and the kernel repeats a SYN after a second only.
        for _ in 0..16 {
            let connecting = timeout(Duration::from_millis(300), TcpStream::connect(address));
            let Ok(connected) = connecting.await else {
                let holder = Holder::Full { _listener: listener, _queue: queue };
                return Ok(Self { address, _holder: holder });
            };
            queue.push(connected?);
        }
        Err(io::Error::other("the kernel goes on accepting connections for a full queue"))
    }
}

fn bound(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.bind(address)?;
    Ok(socket)
}

async fn meet(behaviour: Behaviour, tcp: TcpStream) {
    let switch = std::sync::Arc::new(Switch::default());
    let mut socket = Socket { tcp, switch };
    match behaviour {
        Behaviour::Reset => socket.switch.reset_at_end(),
        Behaviour::Hang => {
            let mut sink = [0; 4096];
            while matches!(socket.read(&mut sink).await, Ok(n) if n > 0) {}
        }
        Behaviour::Close | Behaviour::Refuse | Behaviour::BlackHole => {}
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use super::*;

    async fn connect(behaviour: Behaviour) -> (Listener, io::Result<TcpStream>) {
        let listener = Listener::start(behaviour).await.unwrap();
        let connected = timeout(Duration::from_millis(700), TcpStream::connect(listener.address()));
        let connected = connected.await.unwrap_or(Err(ErrorKind::TimedOut.into()));
        (listener, connected)
    }

    #[tokio::test]
    async fn a_closed_port_refuses() {
        let (_listener, connected) = connect(Behaviour::Refuse).await;
        assert_eq!(connected.unwrap_err().kind(), ErrorKind::ConnectionRefused);
    }

    #[tokio::test]
    async fn a_black_hole_does_not_answer_a_syn() {
        let (_listener, connected) = connect(Behaviour::BlackHole).await;
        assert_eq!(connected.unwrap_err().kind(), ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn connections_end_as_asked() {
        let (_listener, closing) = connect(Behaviour::Close).await;
        assert_eq!(closing.unwrap().read(&mut [0; 1]).await.unwrap(), 0);
        let (_listener, resetting) = connect(Behaviour::Reset).await;
        let error = resetting.unwrap().read(&mut [0; 1]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        let (_listener, hanging) = connect(Behaviour::Hang).await;
        let mut hanging = hanging.unwrap();
        assert!(timeout(Duration::from_millis(50), hanging.read(&mut [0; 1])).await.is_err());
    }
}
