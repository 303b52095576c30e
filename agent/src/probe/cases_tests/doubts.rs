//! What is unknown stays unknown, whatever is seen after it.

use pullprobe_lab::registry::{DigestHeader, Then};

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
        let report = Node::new(v(version)).hosts(DOMAIN, text).impatient().pulls(IMAGE).await;
        if certain {
            assert_eq!(report.verdict.cause, Some(Cause::TlsTimeout), "{version}: {:?}", report.verdict);
        } else {
            assert_untold(&report, "the same passed a moment later", version);
        }
    }
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
