//! A long line: bytes and datagrams arrive later than they were sent, in both directions.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

/// How late everything arrives; may change between measurements.
pub type Delay = Arc<std::sync::RwLock<Duration>>;

pub fn now(delay: &Delay) -> Duration {
    delay.read().map(|delay| *delay).unwrap_or_default()
}

/// Connections to the returned port end at `server`.
pub async fn tcp(server: SocketAddr, delay: Delay) -> io::Result<u16> {
    let listener = TcpListener::bind((crate::world::LOOPBACK, 0)).await?;
    let port = listener.local_addr()?.port();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(join(client, server, now(&delay)));
        }
    });
    Ok(port)
}

/// Loopback finishes the TCP handshake at once. On a long line it takes one round trip before the
/// first byte may leave: so long it waits here.
async fn join(client: TcpStream, server: SocketAddr, delay: Duration) {
    let opened = Instant::now() + delay * 2;
    let Ok(server) = TcpStream::connect(server).await else { return };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    tokio::join!(carry(from_client, to_server, delay, opened), carry(from_server, to_client, delay, opened));
}

async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, delay: Duration, opened: Instant) {
    let (sender, mut line) = mpsc::unbounded_channel::<(Instant, Vec<u8>)>();
    let read = async move {
        let mut buffer = vec![0; 65_536];
        while let Ok(length) = from.read(&mut buffer).await {
            let arrives = Instant::now().max(opened) + delay;
            // Zero bytes are the end, which travels as long as the rest.
            if sender.send((arrives, buffer[..length].to_vec())).is_err() || length == 0 {
                return;
            }
        }
    };
    let write = async move {
        while let Some((arrives, bytes)) = line.recv().await {
            sleep_until(arrives).await;
            if bytes.is_empty() || to.write_all(&bytes).await.is_err() {
                break;
            }
        }
        let _ = to.shutdown().await;
    };
    tokio::join!(read, write);
}

/// Datagrams to `here` are answered by `server`.
pub async fn udp(here: SocketAddr, server: SocketAddr, delay: Delay) -> io::Result<()> {
    let socket = Arc::new(UdpSocket::bind(here).await?);
    tokio::spawn(async move {
        let mut buffer = vec![0; 4_096];
        while let Ok((length, client)) = socket.recv_from(&mut buffer).await {
            let (socket, query, delay) = (Arc::clone(&socket), buffer[..length].to_vec(), now(&delay));
            tokio::spawn(async move {
                tokio::time::sleep(delay).await;
                let Ok(answer) = ask(&query, server).await else { return };
                tokio::time::sleep(delay).await;
                let _ = socket.send_to(&answer, client).await;
            });
        }
    });
    Ok(())
}

async fn ask(query: &[u8], server: SocketAddr) -> io::Result<Vec<u8>> {
    let socket = UdpSocket::bind((crate::world::LOOPBACK, 0)).await?;
    socket.connect(server).await?;
    socket.send(query).await?;
    let mut answer = vec![0; 4_096];
    let length = socket.recv(&mut answer).await?;
    answer.truncate(length);
    Ok(answer)
}
