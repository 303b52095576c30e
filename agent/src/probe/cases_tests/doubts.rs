//! What is unknown stays unknown, whatever is seen after it.

use pullprobe_lab::listener::{Behaviour, Listener};
use pullprobe_lab::proxy::{self, Mode, Proxy};
use pullprobe_lab::registry::{Auth, Basic, DigestHeader, Then, When};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::resolving::silent_once;
use super::*;

fn v(text: &str) -> Version {
    text.parse().unwrap()
}

fn assert_untold(report: &ImageReport, part: &str, name: &str) {
    assert_eq!(report.verdict.pullable, None, "{name}: {:?}", report.verdict);
    assert!(report.verdict.summary.contains(part), "{name}: no `{part}` in {}", report.verdict.summary);
}

/// A manifest that is told by no header comes to no end, with GET after HEAD and in place of it.
async fn of_part(then: &Then, refuses_head: bool) -> ImageReport {
    let lab = lab();
    let get = Fault::on(Kind::Manifest).then(Then { digest_header: Some(DigestHeader::Omitted), ..then.clone() });
    let head = refuses_head.then(|| Fault::on(Kind::Manifest).method("HEAD").status(405));
    let registry = registry(&lab, head.into_iter().chain([get]).collect());
    Node::new(v("v2.1.9")).asking(&[registry.endpoint()]).impatient().pulls(IMAGE).await
}

#[tokio::test]
async fn a_part_of_a_manifest_has_no_digest() {
    for refuses_head in [false, true] {
        for at in [0, 20] {
            let name = format!("after {at}, HEAD refused: {refuses_head}");
            let stalled = of_part(&Then { stall_at: Some(at), ..Then::default() }, refuses_head).await;
            assert_untold(&stalled, &format!("{at} bytes of the manifest arrived"), &name);
            assert!(!stalled.verdict.summary.contains("the silence lasts"), "{name}: {}", stalled.verdict.summary);
            let broken = of_part(&Then { truncate_at: Some(at), ..Then::default() }, refuses_head).await;
            assert_fails_with(&broken, &["unexpected EOF"], &name);
            assert_eq!(broken.verdict.cause, Some(Cause::ResponseInvalid), "{name}");
        }
    }
}

/// A mirror that keeps silent for longer than pullprobe waits, and a registry at which containerd's walk would end.
#[tokio::test]
async fn what_ends_at_a_later_host_is_not_certain() {
    let ends = [
        Fault::on(Kind::Manifest)
            .then(Then { digest_header: Some(DigestHeader::Text("sha256:short".to_owned())), ..Then::default() }),
        Fault::on(Kind::Manifest).method("GET").then(Then { truncate_at: Some(20), ..Then::default() }),
    ];
    for (nth, end) in ends.into_iter().enumerate() {
        let lab = lab();
        let method = if nth == 0 { "HEAD" } else { "GET" };
        let silent = Fault::on(Kind::Manifest).method(method).then(Then { hang: true, ..Then::default() });
        let (mirror, registry) = (registry(&lab, vec![silent]), registry(&lab, vec![end.clone()]));
        let alone = Node::new(v("v2.3.4")).asking(&[registry.endpoint()]).impatient().pulls(IMAGE).await;
        assert_eq!(alone.verdict.pullable, Some(false), "{nth}: {:?}", alone.verdict);
        let endpoints = [mirror.endpoint(), registry.endpoint()];
        let both = Node::new(v("v2.3.4")).asking(&endpoints).impatient().pulls(IMAGE).await;
        assert_untold(&both, "no answer within", &nth.to_string());
        assert!(both.attempts.iter().any(|attempt| attempt.endpoint.to_string() == registry.endpoint()), "{nth}");
    }
}

/// The first handshake meets silence, and later ones do not. 2.3.2 tries the last host again, and older ones do not.
#[tokio::test]
async fn a_handshake_that_passes_the_next_time_is_certain_only_for_those_that_try_once() {
    for (version, certain) in [("v2.1.9", true), ("v2.3.1", true), ("v2.3.2", false), ("v2.3.4", false)] {
        let lab = lab();
        let registry = with(&lab, Config { tls: Some(pullprobe_lab::tls::Tls::default()), ..Config::default() });
        let address = silent_once(registry.address()).await;
        let text = format!(
            "server = 'https://{address}'\nskip_verify = true\n[host.'https://{address}']\nskip_verify = true\n"
        );
        let report = Node::new(v(version)).hosts(DOMAIN, text).pulls(IMAGE).await;
        if certain {
            assert_eq!(report.verdict.cause, Some(Cause::TlsTimeout), "{version}: {:?}", report.verdict);
        } else {
            assert_untold(&report, "the same passed a moment later", version);
        }
    }
}

/// containerd waits for longer: 30 s for a connection, and 10 s for a handshake.
#[tokio::test]
async fn where_pullprobe_stops_before_containerd_nothing_is_certain() {
    for behaviour in [Behaviour::BlackHole, Behaviour::Hang] {
        let silent = Listener::start(behaviour).await.unwrap();
        let https = format!("https://{}", silent.address());
        let report = Node::new(v("v2.1.9")).asking(&[&https]).impatient().pulls(IMAGE).await;
        assert_untold(&report, "pullprobe stops", &format!("{behaviour:?}"));
    }
}

/// It takes a suite of Go's alone, and takes its time for each answer: to rustls it says no, and to containerd yes.
#[tokio::test]
async fn a_slow_server_is_asked_for_gos_suites_too() {
    const REFUSED: [u8; 7] = [21, 3, 3, 0, 2, 2, 40];
    let taken = [&[22, 3, 3, 0, 42, 2, 0, 0, 38, 3, 3][..], &[7; 32], &[0, 0xc0, 0x13, 0]].concat();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let https = format!("https://{}", listener.local_addr().unwrap());
    let serving = async {
        let mut answer = &REFUSED[..];
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut hello = [0; 2048];
            let _ = stream.read(&mut hello).await.unwrap();
            // The time is what is tested.
            tokio::time::sleep(Duration::from_millis(2500)).await;
            stream.write_all(answer).await.unwrap();
            stream.flush().await.unwrap();
            let _ = stream.read(&mut hello).await;
            answer = &taken;
        }
    };
    let node = Node { limit: Duration::from_secs(10), ..Node::new(v("v2.1.9")) }.asking(&[&https]);
    let report = tokio::select! { report = node.pulls(IMAGE) => report, () = serving => unreachable!() };
    assert_untold(&report, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", "slow");
}

/// 2.3.2 tries the last host again where a proxy closes the connection upon CONNECT.
#[tokio::test]
async fn a_proxy_that_closes_once_is_certain_only_for_those_that_try_once() {
    let closes = "the proxy closed the connection on CONNECT";
    for (version, times, certain) in
        [("v2.1.9", Some(1), true), ("v2.3.1", Some(1), true), ("v2.3.2", Some(1), false), ("v2.3.4", None, true)]
    {
        let lab = lab();
        let registry = with(&lab, Config { tls: Some(pullprobe_lab::tls::Tls::default()), ..Config::default() });
        let hosts = [(DOMAIN.to_owned(), registry.address().to_string())].into();
        let proxy =
            Proxy::start(proxy::Config { mode: Mode::Close, times, hosts, ..proxy::Config::default() }).unwrap();
        let text = format!("server = 'https://{DOMAIN}'\nskip_verify = true\n[host]\n");
        let report = Node::new(v(version)).hosts(DOMAIN, text).through(proxy.url()).pulls(IMAGE).await;
        if certain {
            assert_eq!(report.verdict.cause, Some(Cause::ProxyUnreachable), "{version}: {:?}", report.verdict);
            assert!(report.verdict.summary.contains(closes), "{version}: {}", report.verdict.summary);
        } else {
            assert_untold(&report, "the same passed a moment later", version);
        }
    }
}

/// A storage to which there is no way is not asked for again: its way stays as it is.
#[tokio::test]
async fn a_dead_host_behind_a_redirect_is_led_to_once() {
    let lab = lab();
    let closes = proxy::Config { mode: Mode::Close, ..proxy::Config::default() };
    let proxy = Proxy::start(closes).unwrap();
    let storage = Fault::on(Kind::Manifest).method("HEAD").redirect("https://storage.example/x");
    let registry = registry(&lab, vec![storage]);
    let node = Node::new(v("v2.3.4")).asking(&[registry.endpoint()]).through(proxy.url());
    let report = node.pulls(IMAGE).await;
    assert_eq!(report.verdict.cause, Some(Cause::ProxyUnreachable), "{:?}", report.verdict);
    assert_eq!(count(&registry, Kind::Manifest, "HEAD"), 1, "{:?}", lines(&registry));
}

#[tokio::test]
async fn what_was_asked_before_the_time_was_over_is_in_the_report() {
    let lab = lab();
    let mirror = registry(&lab, vec![Fault::on(Kind::Manifest).status(404)]);
    let silent = registry(&lab, vec![Fault::on(Kind::Any).then(Then { hang: true, ..Then::default() })]);
    let endpoints = [mirror.endpoint(), silent.endpoint()];
    let report = Node::new(v("v2.1.9")).asking(&endpoints).hasty().pulls(IMAGE).await;
    assert_untold(&report, "No answer within 1s", "cut off");
    let attempts: Vec<_> =
        report.attempts.iter().map(|attempt| (attempt.endpoint.to_string(), attempt.http_status)).collect();
    assert_eq!((report.cut_off, attempts), (true, vec![(mirror.endpoint().to_owned(), Some(404))]));
}

/// The look without the login, which would explain the failure, hangs until the time is over.
#[tokio::test]
async fn a_login_that_is_refused_is_told_of_whatever_becomes_of_the_look_without_it() {
    let lab = lab();
    let users = [("user".to_owned(), "password".to_owned())].into();
    let auth = Auth::Basic(Basic { users, ..Basic::default() });
    let hang = Then { hang: true, ..Then::default() };
    // The first request of the pull itself is sent without a login, too.
    let look = Fault::on(Kind::Manifest).nth(2).count(9).then(hang);
    let look = Fault { when: When { authorized: Some(false), ..look.when }, ..look };
    let registry = with(&lab, Config { auth, faults: vec![look], ..Config::default() });
    let file = format!(r#"{{"auths":{{"{DOMAIN}":{{"username":"user","password":"wrong"}}}}}}"#);
    let node = Node::new(v("v2.1.9")).asking(&[registry.endpoint()]).file("/var/lib/kubelet/config.json", file);
    let report = node.hasty().pulls(IMAGE).await;
    assert_eq!(report.verdict.cause, Some(Cause::CredentialsRejected), "{:?}", report.verdict);
    let statuses: Vec<_> = report.attempts.iter().map(|attempt| attempt.http_status).collect();
    assert_eq!((report.cut_off, statuses), (false, vec![Some(401)]));
}
