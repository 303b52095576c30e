//! Certificates that Go refuses, and some that only webpki would.

use super::*;

struct Case {
    kind: CertKind,
    names: &'static [&'static str],
    cause: Cause,
    also: &'static [Cause],
    /// What Go says, behind `tls: failed to verify certificate: `.
    go_message: &'static str,
}

fn case(
    kind: CertKind,
    names: &'static [&'static str],
    cause: Cause,
    also: &'static [Cause],
    go_message: &'static str,
) -> Case {
    Case { kind, names, cause, also, go_message }
}

#[tokio::test]
async fn each_broken_certificate_has_its_cause_and_the_words_of_go() {
    let unknown = "x509: certificate signed by unknown authority";
    let cases = [
        case(
            CertKind::WrongName,
            &[HOST],
            Cause::TlsNameMismatch,
            &[],
            "x509: certificate is valid for wrong-name.invalid, not registry.example",
        ),
        case(
            CertKind::CommonNameOnly,
            &[HOST],
            Cause::TlsNameMismatch,
            &[],
            "x509: certificate relies on legacy Common Name field, use SANs instead",
        ),
        case(
            CertKind::CommonNameOnly,
            &["other"],
            Cause::TlsNameMismatch,
            &[],
            "x509: certificate is not valid for any names, but wanted to match registry.example",
        ),
        case(CertKind::SelfSigned, &[HOST], Cause::TlsSelfSigned, &[], unknown),
        case(CertKind::IncompleteChain, &[HOST], Cause::TlsIncompleteChain, &[Cause::TlsUnknownAuthority], unknown),
        case(
            CertKind::UnknownAuthority,
            &[HOST],
            Cause::TlsUnknownAuthority,
            &[],
            "x509: certificate signed by unknown authority (possibly because of \"x509: ECDSA verification failure\" while trying to verify candidate authority certificate \"lab root\")",
        ),
    ];
    let authority = Authority::new("lab").unwrap();
    let setup = setup(&[authority.root_der()]);
    for case in cases {
        let leaf = authority.leaf(case.kind, case.names).unwrap();
        let step = shake_with(serve_leaf(&leaf).await, &setup).await;
        let failure = failure(&step);
        assert_eq!(failure.cause, case.cause, "{:?}: {}", case.kind, failure.detail);
        assert_eq!(
            failure.go_message,
            format!("tls: failed to verify certificate: {}", case.go_message),
            "{:?}",
            case.kind
        );
        assert_eq!(failure.also_possible, case.also, "{:?}", case.kind);
        let facts = step.facts().unwrap();
        assert!(!facts.verified && facts.ignored.is_none());
        assert_eq!(facts.chain.len(), leaf.chain.len());
    }
}

#[tokio::test]
async fn dates_are_told_with_both_times() {
    let authority = Authority::new("lab").unwrap();
    let setup = setup(&[authority.root_der()]);
    for (kind, cause, relation) in [
        (CertKind::Expired, Cause::TlsExpired, " is after "),
        (CertKind::ExpiredIntermediate, Cause::TlsExpired, " is after "),
        (CertKind::NotYetValid, Cause::TlsNotYetValid, " is before "),
    ] {
        let step = shake_with(serve_leaf(&authority.leaf(kind, &[HOST]).unwrap()).await, &setup).await;
        let failure = failure(&step);
        assert_eq!(failure.cause, cause);
        let prefix =
            "tls: failed to verify certificate: x509: certificate has expired or is not yet valid: current time ";
        let (now, bound) = failure.go_message.strip_prefix(prefix).unwrap().split_once(relation).unwrap();
        for time in [now, bound] {
            assert!(
                time.len() == "2026-01-01T00:00:00Z".len()
                    && time.ends_with('Z')
                    && time.parse::<jiff::Timestamp>().is_ok(),
                "{time}"
            );
        }
    }
}

/// Its signatures are known to be good by then.
#[tokio::test]
async fn a_chain_that_was_good_is_judged_anew_each_time() {
    let authority = Authority::new("lab").unwrap();
    let setup = setup(&[authority.root_der()]);
    let address = serve_leaf(&authority.leaf(CertKind::Good, &[HOST]).unwrap()).await;
    assert!(shake_with(address, &setup).await.passed());
    let later = setup.at(jiff::Timestamp::now() + SignedDuration::from_hours(40 * 366 * 24)).unwrap();
    assert_eq!(failure(&shake_with(address, &later).await).cause, Cause::TlsExpired);
    let (step, _) = handshake(TcpStream::connect(address).await.unwrap(), "other.example", &setup, LIMIT).await;
    assert_eq!(failure(&step).cause, Cause::TlsNameMismatch);
}

/// Go looks at the leaf's dates, then its name, then its issuers.
#[tokio::test]
async fn of_several_faults_go_tells_the_date_then_the_name() {
    let (trusted, other) = (Authority::new("trusted").unwrap(), Authority::new("other").unwrap());
    let setup = setup(&[trusted.root_der()]);
    let cause = async |kind, name: &str| {
        let leaf = other.leaf(kind, &[name]).unwrap();
        failure(&shake_with(serve_leaf(&leaf).await, &setup).await).cause
    };
    assert_eq!(cause(CertKind::Expired, "wrong.example").await, Cause::TlsExpired);
    assert_eq!(cause(CertKind::Good, "wrong.example").await, Cause::TlsNameMismatch);
    assert_eq!(cause(CertKind::Good, HOST).await, Cause::TlsUnknownAuthority);
}

#[tokio::test]
async fn a_self_signed_leaf_that_is_trusted_itself_is_fine() {
    let authority = Authority::new("lab").unwrap();
    let leaf = authority.leaf(CertKind::SelfSigned, &[HOST]).unwrap();
    let step = shake_with(serve_leaf(&leaf).await, &setup(&leaf.chain)).await;
    assert!(step.passed() && step.facts().unwrap().verified, "{step:?}");
}

#[tokio::test]
async fn an_intermediate_among_the_roots_ends_the_chain() {
    let authority = Authority::new("lab").unwrap();
    let leaf = authority.leaf(CertKind::Good, &[HOST]).unwrap();
    let step = shake_with(serve_leaf(&leaf).await, &setup(&leaf.chain[1..])).await;
    assert!(step.passed(), "{step:?}");
}

#[tokio::test]
async fn an_address_needs_an_address_in_the_certificate() {
    let authority = Authority::new("lab").unwrap();
    let setup = setup(&[authority.root_der()]);
    let at = async |names: &[&str]| {
        let address = serve_leaf(&authority.leaf(CertKind::Good, names).unwrap()).await;
        handshake(TcpStream::connect(address).await.unwrap(), "127.0.0.1", &setup, LIMIT).await.0
    };
    assert!(at(&["127.0.0.1"]).await.passed());
    let step = at(&["localhost"]).await;
    assert_eq!(
        failure(&step).go_message,
        "tls: failed to verify certificate: x509: cannot validate certificate for 127.0.0.1 because it doesn't contain any IP SANs"
    );
    let step = at(&["192.0.2.1", "2001:db8::1"]).await;
    assert_eq!(
        failure(&step).go_message,
        "tls: failed to verify certificate: x509: certificate is valid for 192.0.2.1, 2001:db8::1, not 127.0.0.1"
    );
}

/// An authority with these constraints, and a server's leaf for [`HOST`] under it.
fn constrained(
    change: impl Fn(&mut CertificateParams),
    leaf: impl Fn(&mut CertificateParams),
) -> (CertificateDer<'static>, ServerConfig) {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "constrained root");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    change(&mut params);
    let root = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let mut params = CertificateParams::new(vec![HOST.to_owned()]).unwrap();
    leaf(&mut params);
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, &root).unwrap();
    let config = server_config(vec![certificate.der().clone()], PrivateKeyDer::try_from(key.serialize_der()).unwrap());
    (root.der().clone(), config)
}

async fn verdict(root: CertificateDer<'static>, config: ServerConfig) -> Result<(), String> {
    let step = shake_with(serve(config).await, &setup(&[root])).await;
    step.failure().map_or(Ok(()), |failure| Err(failure.go_message.replace("tls: failed to verify certificate: ", "")))
}

#[tokio::test]
async fn name_constraints_and_key_usage_are_held_to() {
    let permit = |domain: &'static str| {
        move |params: &mut CertificateParams| {
            params.name_constraints = Some(NameConstraints {
                permitted_subtrees: vec![GeneralSubtree::DnsName(domain.into())],
                excluded_subtrees: vec![],
            });
        }
    };
    let nothing = |_: &mut CertificateParams| {};
    let (root, config) = constrained(permit("example"), nothing);
    assert_eq!(verdict(root, config).await, Ok(()));
    let (root, config) = constrained(permit("corp.internal"), nothing);
    let expected = "x509: a root or intermediate certificate is not authorized to sign for this name: DNS name \"registry.example\" is not permitted by any constraint";
    assert_eq!(verdict(root, config).await, Err(expected.into()));
    let client_only = |params: &mut CertificateParams| {
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    };
    let (root, config) = constrained(nothing, client_only);
    assert_eq!(verdict(root, config).await, Err("x509: certificate specifies an incompatible key usage".into()));
    let crl_only = |params: &mut CertificateParams| params.key_usages = vec![rcgen::KeyUsagePurpose::CrlSign];
    let (root, config) = constrained(crl_only, nothing);
    let expected = "x509: certificate signed by unknown authority (possibly because of \"x509: invalid signature: parent certificate cannot sign this kind of certificate\" while trying to verify candidate authority certificate \"constrained root\")";
    assert_eq!(verdict(root, config).await, Err(expected.into()));
}

#[tokio::test]
async fn an_authority_may_be_among_the_roots_that_pullprobe_does_not_read() {
    let authority = Authority::new("lab").unwrap();
    let unread = "pullprobe does not read /etc/ssl/cert.pem: larger than 5 bytes, and containerd does";
    let store = TrustStore { unread: Some(unread.to_owned()), ..TrustStore::default() };
    let setup =
        TlsSetup::new(Version::NEWEST, false, &NodeTrust::from(&store), &HostTls::default(), jiff::Timestamp::now());
    let setup = setup.unwrap();
    for (kind, is_open) in [(CertKind::Good, true), (CertKind::SelfSigned, true), (CertKind::WrongName, false)] {
        let leaf = authority.leaf(kind, &[HOST]).unwrap();
        let step = shake_with(serve_leaf(&leaf).await, &setup).await;
        let failure = failure(&step);
        assert_eq!(failure.inconclusive, is_open, "{kind:?}: {failure:?}");
        assert_eq!(failure.detail.starts_with(unread), is_open, "{kind:?}: {failure:?}");
    }
}
