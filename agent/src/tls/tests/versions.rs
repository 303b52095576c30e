//! Certificates that not every containerd takes, each as real ones did: Debian's 1.6.20, 1.7.24 and 2.1.9.

use go::release::GoDebug;
use go::x509::{certificate, p521};
use rcgen::CustomExtension;
use rustls_pki_types::pem::PemObject as _;

use super::*;
use crate::version::{Build, Maker};

const V1_6: Version = Version::new(1, 6, 20).built_by(Maker::Debian);
const V1_7: Version = Version::new(1, 7, 24).built_by(Maker::Debian);
const V2_1: Version = Version::new(2, 1, 9).built_by(Maker::Debian);

const UNHANDLED: &str = "x509: unhandled critical extension";

/// The causes and words of the three versions; empty words where the certificate is taken.
async fn told(root: &CertificateDer<'static>, address: std::net::SocketAddr) -> [String; 3] {
    told_by(&[V1_6, V1_7, V2_1], root, address).await.try_into().unwrap()
}

async fn told_by(versions: &[Version], root: &CertificateDer<'static>, address: std::net::SocketAddr) -> Vec<String> {
    let mut told = vec![String::new(); versions.len()];
    for (told, version) in told.iter_mut().zip(versions.iter().copied()) {
        let trust = trust(std::slice::from_ref(root));
        let setup = TlsSetup::new(version, false, &trust, &HostTls::default(), jiff::Timestamp::now()).unwrap();
        let step = shake_with(address, &setup).await;
        if let Some(failure) = step.failure() {
            let unusable = [Cause::TlsCertificateUnusable, Cause::TlsUnknownAuthority];
            assert!(unusable.contains(&failure.cause), "{failure:?}");
            *told = failure.go_message.replace("tls: failed to verify certificate: ", "");
        }
    }
    told
}

async fn told_of(kind: CertKind) -> [String; 3] {
    let authority = Authority::new("lab").unwrap();
    let address = serve_leaf(&authority.leaf(kind, &[HOST]).unwrap()).await;
    told(&authority.root_der(), address).await
}

#[tokio::test]
async fn what_a_version_does_not_take_is_told_in_its_words() {
    let access =
        "tls: failed to parse certificate from server: x509: authority info access incorrectly marked critical";
    let mapped = "tls: failed to parse certificate from server: x509: SAN iPAddress contains IPv4-mapped IPv6 address";
    let wildcard = "x509: a root or intermediate certificate is not authorized to sign for this name: DNS name \"*.example\" is excluded by constraint \"sub.example\"";
    let all = "x509: no valid chains built: all candidate chains have invalid policies";
    let one = "x509: no valid chains built: 1 candidate chains with invalid policies";
    let cases = [
        (CertKind::ExplicitPolicy, [UNHANDLED, all, one]),
        (CertKind::InhibitAnyPolicy, [UNHANDLED, "", ""]),
        (CertKind::CriticalAccess, ["", access, access]),
        (CertKind::MappedAddress, ["", "", mapped]),
        (CertKind::ExcludedWildcard, ["", "", wildcard]),
        (CertKind::NegativeSerial, ["", "", ""]),
    ];
    for (kind, expected) in cases {
        assert_eq!(told_of(kind).await, expected, "{kind:?}");
    }
}

/// As official builds of 1.7.27, 1.7.34, 2.0.11, 2.1.9, 2.2.7 and 2.3.4 do.
#[tokio::test]
async fn official_builds_go_by_their_own_go() {
    let versions = ["v1.7.27", "v1.7.34", "v2.0.11", "v2.1.9", "v2.2.7", "v2.3.4"].map(|text| text.parse().unwrap());
    let negative = "tls: failed to parse certificate from server: x509: negative serial number";
    let one = "x509: no valid chains built: 1 candidate chains with invalid policies";
    let cases = [
        (CertKind::NegativeSerial, ["", negative, negative, negative, negative, negative]),
        (CertKind::ExplicitPolicy, [UNHANDLED, one, one, one, one, one]),
        (CertKind::MappedAddress, [""; 6]),
    ];
    for (kind, expected) in cases {
        let authority = Authority::new("lab").unwrap();
        let address = serve_leaf(&authority.leaf(kind, &[HOST]).unwrap()).await;
        assert_eq!(told_by(&versions, &authority.root_der(), address).await, expected, "{kind:?}");
    }
}

/// What the environment says goes before what the build does by itself.
#[tokio::test]
async fn the_environment_turns_a_rule_of_go_either_way() {
    let with = |version: Version, text| version.with_build(Build { told: GoDebug::parse(text), ..Build::OPEN });
    let official = "v2.1.9".parse().unwrap();
    let versions = [
        with(V2_1, "x509negativeserial=0"),
        with(official, "x509negativeserial=1"),
        with(V1_6, "x509negativeserial=0"),
    ];
    let authority = Authority::new("lab").unwrap();
    let address = serve_leaf(&authority.leaf(CertKind::NegativeSerial, &[HOST]).unwrap()).await;
    let told = told_by(&versions, &authority.root_der(), address).await;
    assert!(told[0].ends_with("x509: negative serial number") && told[1].is_empty() && told[2].is_empty(), "{told:?}");
}

/// Without a word of whose build it is, only what both do is certain.
#[tokio::test]
async fn where_the_builds_differ_it_could_not_be_told() {
    let open = Version::new(2, 1, 9);
    for (kind, said) in [(CertKind::NegativeSerial, "refused"), (CertKind::MappedAddress, "taken")] {
        let authority = Authority::new("lab").unwrap();
        let address = serve_leaf(&authority.leaf(kind, &[HOST]).unwrap()).await;
        let trust = trust(&[authority.root_der()]);
        let setup = TlsSetup::new(open, false, &trust, &HostTls::default(), jiff::Timestamp::now()).unwrap();
        let step = shake_with(address, &setup).await;
        let failure = failure(&step);
        assert!(failure.inconclusive, "{failure:?}");
        assert!(failure.detail.contains(said) && failure.detail.contains("--containerd-version v2.1.9"), "{failure:?}");
    }
    // Both refuse it, and the words are those of the project's build.
    let authority = Authority::new("lab").unwrap();
    let address = serve_leaf(&authority.leaf(CertKind::UnknownCritical, &[HOST]).unwrap()).await;
    assert_eq!(told_by(&[open], &authority.root_der(), address).await, [UNHANDLED]);
}

fn extension(oid: &[u64], content: &[u8]) -> CustomExtension {
    CustomExtension::from_oid_content(oid, content.to_vec())
}

/// `requireExplicitPolicy` after so many certificates.
fn explicit(after: u8) -> CustomExtension {
    extension(&[2, 5, 29, 36], &[0x30, 3, 0x80, 1, after])
}

/// One policy: 1.2.`last`.
fn policy(last: u8) -> CustomExtension {
    extension(&[2, 5, 29, 32], &[0x30, 6, 0x30, 4, 6, 2, 0x2a, last])
}

fn any_policy() -> CustomExtension {
    extension(&[2, 5, 29, 32], &[0x30, 8, 0x30, 6, 6, 4, 0x55, 0x1d, 0x20, 0])
}

/// 1.2.`from` below is 1.2.`to`.
fn mapping(from: u8, to: u8) -> CustomExtension {
    extension(&[2, 5, 29, 33], &[0x30, 10, 0x30, 8, 6, 2, 0x2a, from, 6, 2, 0x2a, to])
}

fn inhibit_any(after: u8) -> CustomExtension {
    extension(&[2, 5, 29, 54], &[2, 1, after])
}

/// Whether 2.1 takes a leaf with these extensions, below an intermediate with those. Real daemons were shown the same.
async fn is_taken(of_intermediate: Vec<CustomExtension>, of_leaf: Vec<CustomExtension>) -> bool {
    let authority = |name: &str, extensions: Vec<CustomExtension>| {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.custom_extensions = extensions;
        params
    };
    let key = || KeyPair::generate().unwrap();
    let root = CertifiedIssuer::self_signed(authority("root", vec![]), key()).unwrap();
    let intermediate = CertifiedIssuer::signed_by(authority("intermediate", of_intermediate), key(), &root).unwrap();
    let mut params = CertificateParams::new(vec![HOST.to_owned()]).unwrap();
    params.custom_extensions = of_leaf;
    let key = key();
    let leaf = params.signed_by(&key, &intermediate).unwrap();
    let chain = vec![leaf.der().clone(), intermediate.der().clone()];
    let address = serve(server_config(chain, PrivateKeyDer::try_from(key.serialize_der()).unwrap())).await;
    told(root.der(), address).await[2].is_empty()
}

#[tokio::test]
async fn where_a_policy_is_required_the_whole_chain_must_have_it() {
    assert!(is_taken(vec![], vec![]).await);
    assert!(!is_taken(vec![explicit(0)], vec![]).await);
    assert!(!is_taken(vec![explicit(1)], vec![]).await);
    assert!(is_taken(vec![explicit(2)], vec![]).await);
    assert!(!is_taken(vec![], vec![explicit(0)]).await);
    assert!(is_taken(vec![], vec![explicit(1)]).await);
    assert!(is_taken(vec![explicit(0), policy(3)], vec![policy(3)]).await);
    assert!(!is_taken(vec![explicit(0), policy(3)], vec![policy(4)]).await);
    assert!(!is_taken(vec![explicit(0)], vec![policy(3)]).await);
    assert!(is_taken(vec![explicit(0), any_policy()], vec![policy(3)]).await);
    assert!(is_taken(vec![explicit(0), policy(3)], vec![any_policy()]).await);
    assert!(!is_taken(vec![explicit(0), policy(3), inhibit_any(0)], vec![any_policy()]).await);
    assert!(is_taken(vec![explicit(0), policy(3), mapping(3, 4)], vec![policy(4)]).await);
    assert!(!is_taken(vec![explicit(0), policy(3), mapping(3, 4)], vec![policy(3)]).await);
}

/// Runs openssl in `dir`.
fn openssl(dir: &std::path::Path, arguments: &str) {
    let made =
        std::process::Command::new("openssl").args(arguments.split_whitespace()).current_dir(dir).output().unwrap();
    assert!(made.status.success(), "{arguments}: {made:?}");
}

#[tokio::test]
async fn an_authority_on_p_224_could_not_be_told() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path();
    openssl(path, "ecparam -name secp224r1 -genkey -noout -out root.key");
    openssl(path, "req -x509 -new -key root.key -days 2 -subj /CN=root -out root.pem");
    openssl(path, "ecparam -name prime256v1 -genkey -noout -out leaf.key");
    openssl(path, "req -new -key leaf.key -subj /CN=leaf -addext subjectAltName=DNS:registry.example -out leaf.csr");
    openssl(
        path,
        "x509 -req -in leaf.csr -CA root.pem -CAkey root.key -CAcreateserial -copy_extensions copy -days 2 -out leaf.pem",
    );
    let certificate = |name: &str| CertificateDer::from_pem_slice(&std::fs::read(path.join(name)).unwrap()).unwrap();
    let (_child, address) = faults::openssl_with(&path.join("leaf.pem"), &path.join("leaf.key"), &[]).await;
    let step = shake_with(address, &setup(&[certificate("root.pem")])).await;
    assert!(failure(&step).inconclusive && failure(&step).detail.contains("P-224"), "{step:?}");
    // No root of its name: nothing speaks for a key that is not known.
    let step = shake_with(address, &setup(&[])).await;
    assert!(!failure(&step).inconclusive, "{step:?}");
}

/// A server that knows no other curve for the exchange of keys, and has a key on it.
async fn on_p521(version: &'static rustls::SupportedProtocolVersion) -> Step<TlsFacts> {
    let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P521_SHA512).unwrap();
    let certificate = CertificateParams::new(vec![HOST.to_owned()]).unwrap().self_signed(&key).unwrap();
    let mut provider = rustls::crypto::aws_lc_rs::default_provider();
    provider.kx_groups = vec![p521::SECP521R1];
    let private = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(provider)).with_protocol_versions(&[version]).unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], private).unwrap();
    shake_with(serve(config).await, &setup(&[certificate.der().clone()])).await
}

#[tokio::test]
async fn a_server_with_p521_alone_is_spoken_to_as_go_does() {
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let step = on_p521(version).await;
        assert!(step.passed(), "{version:?}: {:?}", step.failure());
    }
}

#[test]
fn a_negative_serial_number_is_refused_by_those_whose_go_does() {
    let leaf = Authority::new("lab").unwrap().leaf(CertKind::Good, &[HOST]).unwrap();
    let mut der = leaf.chain[0].to_vec();
    let serial = certificate::Certificate::parse(&der).unwrap().x509.tbs_certificate.raw_serial().to_vec();
    let at = der.windows(serial.len()).position(|window| window == serial).unwrap();
    der[at] |= 0x80;
    let judged = |build: &str| {
        let verifier = verifier::Verifier {
            roots: Arc::default(),
            good_chains: None,
            unread: None,
            version: build.parse().unwrap(),
            skip: false,
        };
        verifier.judge(vec![certificate::Certificate::parse(&der)], HOST, jiff::Timestamp::now()).err().unwrap().failure
    };
    let words = "tls: failed to parse certificate from server: x509: negative serial number";
    let certain = judged("v2.1.9");
    assert_eq!((certain.cause, certain.inconclusive), (Cause::TlsCertificateUnusable, false));
    assert_eq!(certain.go_message, words);
    assert!(certain.fix().contains("GODEBUG=x509negativeserial=1"), "{}", certain.fix());
    let open = judged("2.1.9");
    assert!(open.detail.contains("negative serial number"), "{open:?}");
    let old = "its signature is broken, and its serial number is none of the matter";
    assert_ne!(judged("2.1.9~ds1").go_message, words, "{old}");
    assert_ne!(judged("1.7.24").go_message, words, "{old}");
}
