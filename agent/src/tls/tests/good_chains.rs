//! A chain that was good is not judged again as long as nothing can have changed. That it was not shows where the roots are gone.

use std::cell::RefCell;

use go::x509::certificate::Certificate;
use go::x509::verify::Roots;
use rustls::client::danger::ServerCertVerifier as _;
use rustls_pki_types::{ServerName, UnixTime};

use super::super::verifier::Verifier;
use super::*;

struct World {
    authority: Authority,
    leaf: Leaf,
    verifier: Verifier,
}

impl World {
    fn new() -> Self {
        let authority = Authority::new("lab").unwrap();
        let mut roots = Roots::default();
        roots.add(authority.root_der());
        let leaf = authority.leaf(CertKind::Good, &[HOST, "other.example"]).unwrap();
        let verifier = Verifier {
            roots: Arc::new(roots),
            good_chains: Some(Arc::default()),
            unread: None,
            version: "v2.1.9".parse().unwrap(),
            skip: false,
        };
        Self { authority, leaf, verifier }
    }

    /// The same memory, and no root.
    fn rootless(&self) -> Verifier {
        Verifier { roots: Arc::default(), ..self.verifier.clone() }
    }

    /// When the first certificate up to the root expires, in seconds.
    fn until(&self) -> i64 {
        let root = self.authority.root_der();
        let ends = |der: &CertificateDer<'_>| Certificate::parse(der).unwrap().x509.validity().not_after.timestamp();
        self.leaf.chain.iter().chain([&root]).map(ends).min().unwrap()
    }

    /// Whether it is taken, and what is shown.
    fn judge(&self, verifier: &Verifier, host: &str, now: i64) -> (bool, Presented) {
        let (leaf, intermediates) = self.leaf.chain.split_first().unwrap();
        let now = UnixTime::since_unix_epoch(Duration::from_secs(now.try_into().unwrap()));
        let name = ServerName::try_from(host).unwrap();
        PRESENTED.sync_scope(RefCell::default(), || {
            let judged = verifier.verify_server_cert(leaf, intermediates, &name, &[], now);
            (judged.is_ok(), PRESENTED.with(RefCell::take))
        })
    }
}

fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

#[test]
fn a_good_chain_is_good_until_its_first_certificate_expires() {
    let (world, now) = (World::new(), now());
    assert!(!world.judge(&world.rootless(), HOST, now).0);
    let (taken, first) = world.judge(&world.verifier, HOST, now);
    assert!(taken && first.refused.is_none());
    let (taken, second) = world.judge(&world.rootless(), HOST, now);
    assert!(taken && second.refused.is_none());
    assert_eq!(second.chain.len(), world.leaf.chain.len());
    assert!(Arc::ptr_eq(&first.chain, &second.chain));
    assert!(world.judge(&world.rootless(), HOST, world.until()).0);
    let (taken, expired) = world.judge(&world.verifier, HOST, world.until() + 1);
    assert_eq!((taken, expired.refused.unwrap().cause), (false, Cause::TlsExpired));
}

#[test]
fn a_clock_that_was_set_back_another_name_and_another_containerd_are_judged_anew() {
    let (world, now) = (World::new(), now());
    let (_, kept) = world.judge(&world.verifier, HOST, now);
    assert!(world.judge(&world.rootless(), HOST, now).0);
    let elsewhere = [
        (world.rootless(), HOST, now - 1),
        (world.rootless(), "other.example", now),
        (Verifier { version: "v1.7.34".parse().unwrap(), ..world.rootless() }, HOST, now),
    ];
    for (verifier, host, now) in elsewhere {
        let (taken, shown) = world.judge(&verifier, host, now);
        assert!(!taken && shown.refused.is_some(), "{verifier:?}");
    }
    drop(kept);
}

#[test]
fn what_no_report_has_any_more_is_judged_anew() {
    let (world, now) = (World::new(), now());
    drop(world.judge(&world.verifier, HOST, now));
    assert!(!world.judge(&world.rootless(), HOST, now).0);
}

#[test]
fn a_verdict_that_was_passed_over_is_not_one_for_who_looks() {
    let (world, now) = (World::new(), now());
    let careless = Verifier { skip: true, ..world.verifier.clone() };
    let kept = world.judge(&careless, HOST, now);
    assert!(kept.0 && !world.judge(&world.rootless(), HOST, now).0);
    let kept = world.judge(&world.verifier, HOST, now);
    let (taken, shown) = world.judge(&Verifier { skip: true, ..world.rootless() }, HOST, now);
    assert!(kept.0 && taken && shown.refused.is_some());
}

#[tokio::test]
async fn one_hosts_own_roots_say_nothing_of_another_host() {
    let authority = Authority::new("lab").unwrap();
    let address = serve_leaf(&authority.leaf(CertKind::Good, &[HOST]).unwrap()).await;
    let (trust, now) = (trust(&[]), jiff::Timestamp::now());
    let with = |ca: Vec<PemFile>| {
        let tls = HostTls { ca, ..HostTls::default() };
        TlsSetup::new("v2.1.9".parse().unwrap(), false, &trust, &tls, now).unwrap()
    };
    let pem = PemFile { path: "/ca.pem".into(), pem: Secret::new(authority.root_pem()) };
    let kept = shake_with(address, &with(vec![pem])).await;
    assert!(kept.passed(), "{:?}", kept.failure());
    assert!(!shake_with(address, &with(Vec::new())).await.passed());
}
