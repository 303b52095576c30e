//! containerd's socket: what answers there in place of containerd.

use std::io;
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Duration;

use super::files::pipe;
use crate::attack::{Attack, node};
use crate::peer::Spec;
use crate::script::{Line, Script, Step, raw};

const FAMILY: &str = "sockets";
const SOCKET: &str = "/run/containerd/containerd.sock";

/// The preface of HTTP/2 from a server: empty settings.
const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];

/// The version is looked for there.
fn says(name: &str, script: Script) -> Attack {
    node(FAMILY, name, move |scene| {
        scene.peer(Spec::default())?;
        let path = scene.node.path(SOCKET);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        let listener = UnixListener::bind(path)?;
        let script = script.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let script = script.clone();
                std::thread::spawn(move || play(stream, &script));
            }
        });
        Ok(())
    })
}

/// As on a connection of TCP, whose end is watched for by reading.
fn play(mut stream: UnixStream, script: &Script) -> io::Result<()> {
    for step in &script.0 {
        match step {
            Step::Stall => {
                stream.set_read_timeout(Some(Duration::from_mins(2)))?;
                return io::copy(&mut stream, &mut io::sink()).map(drop);
            }
            step => {
                // No step but these needs what is under the line.
                let under = std::net::TcpListener::bind("127.0.0.1:0")?;
                let tcp = std::net::TcpStream::connect(under.local_addr()?)?;
                Line { io: &mut stream, tcp: &tcp }.play(&Script(vec![step.clone()]), false, &<[u8]>::to_vec)?;
            }
        }
    }
    Ok(())
}

fn frame(kind: u8, flags: u8, body: &[u8]) -> Vec<u8> {
    let [_, high, middle, low] = u32::try_from(body.len()).unwrap_or(0).to_be_bytes();
    [&[high, middle, low, kind, flags, 0, 0, 0, 0], body].concat()
}

pub fn attacks() -> Vec<Attack> {
    let (ping, goaway) = (frame(6, 0, &[0; 8]), frame(7, 0, &[0, 0, 0, 0, 0, 0, 0, 11]));
    let greeted = || raw(SETTINGS);
    let mut all = vec![
        says("the end of the connection", Script::default()),
        says("HTTP/1", raw("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")),
        says("zeros without end", Script::default().endless([0])),
        says("letters without end", Script::default().endless("A")),
        says("settings, and the end", greeted()),
        says("settings without end", Script::default().endless(SETTINGS)),
        says("pings without end", greeted().endless(ping)),
        says("go away", greeted().send(goaway)),
        says("a frame of 16 MiB", greeted().send([0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1]).repeat([0], 1 << 24)),
        says("heads that go on without end", greeted().send(frame(1, 0, b"\x88")).endless(frame(9, 0, &[0; 16_000]))),
        says("a window of zero", raw(frame(4, 0, &[0, 4, 0, 0, 0, 0])).stall()).slow(),
        says("silence", Script::default().stall()).slow(),
        says("settings, and silence", greeted().stall()).slow(),
        says("a drip", Script::default().drip([0], 300)).slow(),
    ];
    all.push(node(FAMILY, "a pipe in its place", |scene| {
        scene.peer(Spec::default())?;
        pipe(&scene.node.path(SOCKET))
    }));
    all.push(node(FAMILY, "a file in its place", |scene| {
        scene.peer(Spec::default())?;
        scene.node.write(SOCKET, "socket")
    }));
    all
}
