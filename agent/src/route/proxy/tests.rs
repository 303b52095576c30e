//! Tunnels through a real squid, and through proxies that misbehave.

use std::net::SocketAddr;
use std::process::Stdio;

use jiff::Timestamp;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::model::host::HostTls;
use crate::model::trust::TrustStore;
use crate::tls::NodeTrust;
use crate::version::Version;

const LIMIT: Duration = Duration::from_secs(10);

fn tls() -> TlsSetup {
    TlsSetup::new(Version::NEWEST, false, &NodeTrust::default(), &HostTls::default(), Timestamp::now()).unwrap()
}

async fn through(proxy: &str, target: &str) -> (Step<ProxyFacts>, Option<Connection>) {
    let proxy = ProxyUrl::parse(proxy).unwrap();
    let stream = TcpStream::connect((proxy.host.as_str(), proxy.port)).await.unwrap();
    tunnel(stream, &proxy, "HTTPS_PROXY", Target { host_port: target, bare_users: true, plain: false }, &tls(), LIMIT)
        .await
}

fn told(step: &Step<ProxyFacts>) -> (Cause, &str, Option<u16>) {
    let failure = step.failure().unwrap_or_else(|| panic!("expected a failure: {step:?}"));
    (failure.cause, failure.go_message.as_str(), step.facts().unwrap().connect_status)
}

/// A server that sends back what it gets.
async fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut read, mut write) = stream.into_split();
                tokio::io::copy(&mut read, &mut write).await
            });
        }
    });
    address
}

async fn echoes(mut connection: Connection) -> bool {
    connection.write_all(b"ping").await.unwrap();
    let mut back = [0; 4];
    connection.read_exact(&mut back).await.unwrap();
    &back == b"ping"
}

/// A proxy that reads a request and sends these bytes.
async fn canned(answer: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 4096];
        let _ = stream.read(&mut request).await;
        let _ = stream.write_all(answer).await;
        let _ = stream.shutdown().await;
        while matches!(stream.read(&mut request).await, Ok(1..)) {}
    });
    address
}

#[tokio::test]
async fn an_answer_other_than_200_is_told_by_its_reason_alone() {
    let cases: [(&'static [u8], Cause, &str, Option<u16>); 11] = [
        (b"HTTP/1.1 403 Forbidden\r\nX: y\r\n\r\n", Cause::ProxyDenied, "Forbidden", Some(403)),
        (b"HTTP/1.1 502 Bad Gateway\r\n\r\n", Cause::ProxyDenied, "Bad Gateway", Some(502)),
        (
            b"HTTP/1.0 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"x\"\r\n\r\n",
            Cause::ProxyAuthRequired,
            "Proxy Authentication Required",
            Some(407),
        ),
        (b"HTTP/1.1 403\r\n\r\n", Cause::ProxyDenied, "unknown status code", Some(403)),
        (b"HTTP/1.1 201 Created\r\n\r\n", Cause::ProxyDenied, "Created", Some(201)),
        (b"", Cause::ProxyUnreachable, "unexpected EOF", None),
        (b"HTTP/1.1 200 OK\r\n", Cause::ProxyUnreachable, "unexpected EOF", None),
        (b"this is not http\r\n\r\n", Cause::ProxyUnreachable, "malformed HTTP status code \"is\"", None),
        (b"HTTP/1.1 20", Cause::ProxyUnreachable, "malformed HTTP status code \"20\"", None),
        (
            b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
            Cause::ProxyUnreachable,
            "malformed MIME header: missing colon: \"no colon\"",
            None,
        ),
        (b"nonsense\r\n", Cause::ProxyUnreachable, "malformed HTTP response \"nonsense\"", None),
    ];
    for (answer, cause, go_message, status) in cases {
        let address = canned(answer).await;
        let (step, tunnel) = through(&format!("http://{address}"), "r.example:443").await;
        assert_eq!(told(&step), (cause, go_message, status));
        assert!(tunnel.is_none());
        assert_eq!(step.failure().unwrap().host, Some(address.to_string().into()));
    }
}

/// Seen on containerd 1.6, 1.7 and 2.1: any version, lines that go on, and a body that came together with the
/// head, which is dropped with it.
#[tokio::test]
async fn a_tunnel_is_opened_by_whatever_go_reads_as_200() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/2.0 200 OK\r\n\r\n",
        "HTTP/1.2 200 OK\r\nA: b\r\n c\r\n\r\n",
        "HTTP/1.0 200\n\n",
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            stream.write_all(answer.as_bytes()).await.unwrap();
            let (mut read, mut write) = stream.into_split();
            let _ = tokio::io::copy(&mut read, &mut write).await;
        });
        let (step, tunnel) = through(&format!("http://{address}"), "r.example:443").await;
        assert!(echoes(tunnel.unwrap_or_else(|| panic!("{answer}: {step:?}"))).await, "{answer}");
    }
}

#[tokio::test]
async fn an_endless_head_is_cut_off() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n").await;
        while stream.write_all(b"X-Filler: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n").await.is_ok() {}
    });
    let (step, _) = through(&format!("http://{address}"), "r.example:443").await;
    assert_eq!(told(&step).0, Cause::ProxyUnreachable);
}

/// A running squid, on a port that was free a moment ago; it has no way to be given port 0.
struct Squid {
    address: SocketAddr,
    process: std::process::Child,
    _dir: tempfile::TempDir,
}

/// Asked to end, squid takes its shared memory with it; killed, it would leave it behind.
impl Drop for Squid {
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.process);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _ = self.process.wait();
    }
}

impl Squid {
    /// With a user `probe` of password `p:w@1` when `basic`.
    async fn start(basic: bool) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name).display().to_string();
        let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let access = if basic {
            std::fs::write(at("users.sh"), "while read -r user word; do case \"$user $word\" in 'probe p%3Aw%401' | 'probe p:w%401' | 'probe p:w@1') echo OK ;; *) echo ERR ;; esac; done\n").unwrap();
            // Started by root, squid runs as a user of its own.
            std::process::Command::new("chmod").args(["-R", "a+rx"]).arg(dir.path()).status().unwrap();
            format!(
                "auth_param basic program /bin/sh {}\nauth_param basic realm lab\nacl known proxy_auth REQUIRED\nhttp_access allow known\n",
                at("users.sh")
            )
        } else {
            "acl blocked dstdomain blocked.example\nhttp_access deny blocked\nhttp_access allow all\n".to_owned()
        };
        let config = format!(
            "http_port {address}\n{access}pid_filename none\naccess_log none\ncache_log /dev/null\ncache deny all\n\
             coredump_dir {0}\nshutdown_lifetime 0 seconds\ndns_nameservers 127.0.0.1\nvisible_hostname lab\n",
            dir.path().display()
        );
        std::fs::write(at("squid.conf"), config).unwrap();
        // The name keeps squids that run at the same time apart.
        let process = std::process::Command::new("squid")
            .args(["-N", "-n", &format!("lab{}", address.port()), "-f", &at("squid.conf")])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let squid = Self { address, process, _dir: dir };
        let listens = async {
            while TcpStream::connect(address).await.is_err() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), listens).await.expect("squid does not listen");
        squid
    }
}

/// A SOCKS 5 proxy for one connection: asks for this user and password, answers with this code.
async fn socks(user: Option<&'static str>, code: u8) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut methods = vec![0; 2];
        stream.read_exact(&mut methods).await.unwrap();
        let mut offered = vec![0; usize::from(methods[1])];
        stream.read_exact(&mut offered).await.unwrap();
        let wanted = if user.is_some() { 2 } else { 0 };
        let chosen = if offered.contains(&wanted) { wanted } else { 0xff };
        stream.write_all(&[5, chosen]).await.unwrap();
        if let Some(user) = user.filter(|_| chosen == 2) {
            let mut given = vec![0; user.len() + 2];
            stream.read_exact(&mut given).await.unwrap();
            let given = String::from_utf8_lossy(&given[2..]).replace(['\u{2}', '\u{1}', '\u{0}'], ":");
            stream.write_all(&[1, u8::from(given != user)]).await.unwrap();
        }
        let mut request = [0; 7 + 13];
        let Ok(_) = stream.read_exact(&mut request[..20]).await else { return };
        assert_eq!(&request[..5], &[5, 1, 0, 3, 13]);
        assert_eq!(&request[5..18], b"r.example.org");
        stream.write_all(&[5, code, 0, 1, 0, 0, 0, 0, 0, 0]).await.unwrap();
        let (mut read, mut write) = stream.into_split();
        let _ = tokio::io::copy(&mut read, &mut write).await;
    });
    address
}

#[tokio::test]
async fn a_socks_proxy_resolves_the_name_and_opens_a_tunnel() {
    let address = socks(None, 0).await;
    let (step, tunnel) = through(&format!("socks5://{address}"), "r.example.org:443").await;
    assert!(echoes(tunnel.unwrap()).await, "{step:?}");
    let address = socks(None, 2).await;
    let (step, _) = through(&format!("socks5://{address}"), "r.example.org:443").await;
    let go_message =
        format!("socks connect tcp {address}->r.example.org:443: unknown error connection not allowed by ruleset");
    assert_eq!(told(&step), (Cause::ProxyDenied, go_message.as_str(), None));
}

#[tokio::test]
async fn a_socks_proxy_may_ask_for_user_and_password() {
    let address = socks(Some("me:pw"), 0).await;
    let (step, tunnel) = through(&format!("socks5://me:pw@{address}"), "r.example.org:443").await;
    assert!(echoes(tunnel.unwrap()).await, "{step:?}");
    let address = socks(Some("me:pw"), 0).await;
    let (step, _) = through(&format!("socks5://{address}"), "r.example.org:443").await;
    let go_message = format!("socks connect tcp {address}->r.example.org:443: no acceptable authentication methods");
    assert_eq!(told(&step), (Cause::ProxyAuthRequired, go_message.as_str(), None));
}

/// Seen on containerd 1.6, 1.7 and 2.1.
#[tokio::test]
async fn a_socks_proxy_may_choose_any_method_where_there_is_nothing_to_sign_in_with() {
    for (credentials, passes) in [("", true), ("me:pw@", false)] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut read = [0; 64];
            let _ = stream.read(&mut read).await;
            stream.write_all(&[5, 1]).await.unwrap();
            let _ = stream.read(&mut read).await;
            let _ = stream.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await;
        });
        let (step, _) = through(&format!("socks5://{credentials}{address}"), "r.example.org:443").await;
        assert_eq!(step.passed(), passes, "{step:?}");
    }
}

#[tokio::test]
async fn a_user_without_a_password_signs_in_where_go_lets_it() {
    for bare_users in [true, false] {
        let address = socks(Some("me:"), 0).await;
        let proxy = ProxyUrl::parse(&format!("socks5://me@{address}")).unwrap();
        let target = Target { host_port: "r.example.org:443", bare_users, plain: false };
        let stream = TcpStream::connect(address).await.unwrap();
        let (step, _) = tunnel(stream, &proxy, "HTTPS_PROXY", target, &tls(), LIMIT).await;
        assert_eq!(step.passed(), bare_users, "{step:?}");
        let refused = format!("socks connect tcp {address}->r.example.org:443: invalid username/password");
        assert!(step.failure().is_none_or(|failure| failure.go_message == refused), "{step:?}");
    }
}

#[tokio::test]
async fn a_proxy_that_was_not_waited_for_is_not_called_dead() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap();
    let target = Target { host_port: "r.example:443", bare_users: true, plain: false };
    for scheme in ["http", "https", "socks5"] {
        let proxy = ProxyUrl::parse(&format!("{scheme}://{address}")).unwrap();
        let stream = TcpStream::connect(address).await.unwrap();
        let limit = Duration::from_millis(50);
        let (step, _) = tunnel(stream, &proxy, "HTTPS_PROXY", target, &tls(), limit).await;
        let failure = step.failure().unwrap();
        assert!(failure.inconclusive && failure.fix().contains("probe.timeouts.http"), "{scheme}: {failure:?}");
    }
}

#[tokio::test]
async fn an_https_proxy_is_spoken_to_in_tls() {
    let authority = pullprobe_lab::ca::Authority::new("lab").unwrap();
    let leaf = authority.leaf(pullprobe_lab::ca::CertKind::Good, &["127.0.0.1"]).unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(leaf.chain.clone(), leaf.key())
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = ProxyUrl::parse(&format!("https://{}", listener.local_addr().unwrap())).unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(std::sync::Arc::new(config));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut request = [0; 1024];
            let read = stream.read(&mut request).await.unwrap();
            assert!(request[..read].starts_with(b"CONNECT r.example:443 HTTP/1.1\r\n"));
            stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.unwrap();
            stream.flush().await.unwrap();
            let (mut read, mut write) = tokio::io::split(stream);
            let _ = tokio::io::copy(&mut read, &mut write).await;
        }
    });
    let trust = NodeTrust::from(&TrustStore { certificates: vec![authority.root_der()], ..TrustStore::default() });
    let trusting = TlsSetup::new(Version::NEWEST, false, &trust, &HostTls::default(), Timestamp::now()).unwrap();
    let dial = || TcpStream::connect((proxy.host.as_str(), proxy.port));
    let target = Target { host_port: "r.example:443", bare_users: true, plain: false };
    let (step, tunnel_) = tunnel(dial().await.unwrap(), &proxy, "HTTPS_PROXY", target, &trusting, LIMIT).await;
    assert!(echoes(tunnel_.unwrap_or_else(|| panic!("{step:?}"))).await);
    let (step, _) = tunnel(dial().await.unwrap(), &proxy, "HTTPS_PROXY", target, &tls(), LIMIT).await;
    let go_message =
        "proxyconnect tcp: tls: failed to verify certificate: x509: certificate signed by unknown authority";
    assert_eq!(told(&step), (Cause::ProxyUnreachable, go_message, None));
}

#[test]
fn what_may_be_a_proxy_before_a_password_is_not_called_dead_unasked() {
    let garbled_of = |url: &str| garbled(&ProxyUrl::parse(url).unwrap());
    let open = garbled_of("http://127.0.0.1:1/?mail=a@b").unwrap();
    assert!(open.inconclusive);
    assert!(garbled_of("http://127.0.0.1:1/?mail=a").is_none());
    let certain = garbled_of("http://user:99999#ss@proxy:3128").unwrap();
    assert!(!certain.inconclusive);
}

mod needs_tools {
    use super::*;

    #[tokio::test]
    async fn squid_opens_a_tunnel_and_denies_by_name() {
        let squid = Squid::start(false).await;
        let url = format!("http://{}", squid.address);
        let (step, tunnel) = through(&url, &echo().await.to_string()).await;
        assert_eq!(step.facts().unwrap().connect_status, Some(200), "{step:?}");
        assert_eq!(step.facts().unwrap().proxy.as_deref(), Some(url.as_str()));
        assert!(echoes(tunnel.unwrap()).await);
        let (step, _) = through(&url, "blocked.example:443").await;
        assert_eq!(told(&step), (Cause::ProxyDenied, "Forbidden", Some(403)));
    }

    #[tokio::test]
    async fn squid_asks_for_credentials_and_takes_the_right_ones() {
        let squid = Squid::start(true).await;
        let target = echo().await.to_string();
        let (step, _) = through(&format!("http://{}", squid.address), &target).await;
        assert_eq!(told(&step), (Cause::ProxyAuthRequired, "Proxy Authentication Required", Some(407)));
        let (step, _) = through(&format!("http://probe:wrong@{}", squid.address), &target).await;
        assert_eq!(told(&step).0, Cause::ProxyAuthRequired);
        let (step, tunnel) = through(&format!("http://probe:p%3Aw%401@{}", squid.address), &target).await;
        assert!(echoes(tunnel.unwrap()).await, "{step:?}");
        assert!(!format!("{step:?}").contains("p:w"));
    }
}
