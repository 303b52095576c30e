//! The lookup against unbound on port 53, configured by a node's files. Asks for root and unbound.

use std::process::{Child, Command, Stdio};

use super::*;
use crate::host::root::HostRoot;

/// More A records than fit into 1232 bytes.
const MANY: usize = 120;

struct Unbound {
    child: Child,
    _dir: tempfile::TempDir,
}

impl Drop for Unbound {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Its address is taken from the process id: parallel test runs do not meet.
fn address() -> String {
    let id = std::process::id().to_be_bytes();
    format!("127.{}.{}.{}", 64 + id[1] % 64, id[2], 1 + id[3] % 254)
}

fn start(address: &str) -> Unbound {
    let dir = tempfile::tempdir().unwrap();
    let many: Vec<_> = (0..MANY).map(|n| format!("  local-data: \"many.example. A 192.0.2.{n}\"\n")).collect();
    let many = many.concat();
    let config = format!(
        "server:\n  interface: {address}\n  port: 53\n  do-daemonize: no\n  chroot: \"\"\n  username: \"\"\n  \
         directory: \"{dir}\"\n  pidfile: \"\"\n  use-syslog: no\n  access-control: 127.0.0.0/8 allow\n  \
         local-zone: \"example.\" static\n  \
         local-data: \"r.example. A 192.0.2.1\"\n  local-data: \"r.example. AAAA 2001:db8::1\"\n  \
         local-data: \"text.example. TXT here\"\n  local-zone: \"closed.\" refuse\n{many}\
         remote-control:\n  control-enable: no\n",
        dir = dir.path().display()
    );
    let file = dir.path().join("unbound.conf");
    std::fs::write(&file, config).unwrap();
    let child = Command::new("unbound")
        .args(["-d", "-c"])
        .arg(&file)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("unbound is needed: apt install unbound");
    Unbound { child, _dir: dir }
}

fn node(address: &str) -> Names {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("etc")).unwrap();
    std::fs::write(
        dir.path().join("etc/resolv.conf"),
        format!("nameserver {address}\nsearch example\noptions timeout:1 attempts:1\n"),
    )
    .unwrap();
    Names::load(&HostRoot::open(dir.path()).unwrap())
}

/// Until it answers.
async fn ready(names: &Names, unbound: &mut Unbound) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !lookup(names, "r.example", LIMIT).await.passed() {
        let ended = unbound.child.try_wait().unwrap();
        assert!(ended.is_none(), "unbound ended with {ended:?}: port 53 asks for root");
        assert!(Instant::now() < deadline, "unbound does not answer");
        tokio::task::yield_now().await;
    }
}

/// Port 53 is for root, and unbound may not be installed.
mod needs_root {
    use super::*;

    #[tokio::test]
    async fn a_real_nameserver_is_understood() {
        let address = address();
        let names = node(&address);
        let mut unbound = start(&address);
        ready(&names, &mut unbound).await;

        let step = lookup(&names, "r", LIMIT).await;
        let facts = step.facts().unwrap();
        assert_eq!((facts.source, facts.answered.as_str()), (NameSource::Dns, "r.example"));
        assert_eq!(told(&step), [(Some("NOERROR"), 1, 1, None)]);

        let on = format!("on {address}:53");
        let table = [
            ("gone.example.", Cause::DnsNxdomain, "no such host"),
            ("text.example.", Cause::DnsNoAddress, "no such host"),
            ("r.closed.", Cause::DnsRefused, "server misbehaving"),
        ];
        for (host, cause, words) in table {
            let expected = format!("dial tcp: lookup {host} {on}: {words}");
            assert_eq!(failed(&lookup(&names, host, LIMIT).await), (cause, expected));
        }

        let step = lookup(&names, "many.example", LIMIT).await;
        assert_eq!(found(&step).len(), MANY);
        assert_eq!(step.facts().unwrap().nameservers[0].transport, crate::model::facts::Transport::Tcp);
    }
}
