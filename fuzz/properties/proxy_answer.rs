//! What a proxy answers to CONNECT, over HTTP and over SOCKS: a tunnel only where it grants one, and no
//! password in what is said of it.

use std::io::Cursor;
use std::thread_local;
use std::time::Duration;

use jiff::Timestamp;
use pullprobe::model::host::HostTls;
use pullprobe::model::outcome::Outcome;
use pullprobe::model::proxy::{ProxyScheme, ProxyUrl};
use pullprobe::model::stage::Stage;
use pullprobe::route::proxy::{Target, tunnel};
use pullprobe::tls::{NodeTrust, TlsSetup};
use pullprobe::transport::connection::Connection;
use pullprobe::version::Version;
use tokio::runtime::{Builder, Runtime};

use super::answer::check_failure;

thread_local! {
    static RUNTIME: Runtime = Builder::new_current_thread().enable_time().build().unwrap();
    static TLS: TlsSetup =
        TlsSetup::new(Version::NEWEST, false, &NodeTrust::default(), &HostTls::default(), Timestamp::UNIX_EPOCH).unwrap();
}

pub fn holds(data: &[u8]) {
    for url in ["http://ann:hunter2@proxy.example:3128", "socks5://ann:hunter2@proxy.example:1080"] {
        let proxy = ProxyUrl::parse(url).unwrap();
        for bare_users in [false, true] {
            let target = Target { host_port: "registry.example:443", bare_users, plain: false };
            RUNTIME.with(|runtime| TLS.with(|tls| runtime.block_on(check(data, &proxy, target, tls))));
        }
    }
}

async fn check(data: &[u8], proxy: &ProxyUrl, target: Target<'_>, tls: &TlsSetup) {
    // Everything is there at once, and then the connection ends.
    let stream = tokio::io::join(Cursor::new(data.to_vec()), tokio::io::sink());
    let connection = Connection::inside(stream, None);
    let (step, tunnel) = tunnel(connection, proxy, "HTTPS_PROXY", target, tls, Duration::from_secs(5)).await;
    assert_eq!(tunnel.is_some(), matches!(step.outcome, Outcome::Passed(_)));
    match &step.outcome {
        Outcome::Passed(facts) if proxy.scheme == ProxyScheme::Socks5 => {
            assert!(data.starts_with(b"\x05") && facts.connect_status.is_none(), "{facts:?}");
        }
        Outcome::Passed(facts) => assert_eq!(facts.connect_status, Some(200), "{facts:?}"),
        Outcome::Failed(failure, _) => {
            assert_eq!(failure.stage, Stage::Proxy, "{failure:?}");
            check_failure(failure);
        }
        Outcome::Skipped(why) => panic!("a proxy was not asked: {why:?}"),
    }
}
