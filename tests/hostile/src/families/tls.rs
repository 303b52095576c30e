//! TLS: certificates without measure, handshakes that never end, records that are none.

use std::io;
use std::sync::Arc;

use pullprobe_lab::ca::{Authority, CertKind};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::server::WebPkiClientVerifier;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::attack::{Attack, node, peer};
use crate::peer::{ANY, BLOB, GET, Spec};
use crate::scene::NAME;
use crate::script::{Script, head, raw};

const FAMILY: &str = "tls";

pub fn attacks(authority: &Arc<Authority>) -> io::Result<Vec<Attack>> {
    Ok([records(), kinds(authority)?, measures(authority)?, inside(authority)?].into_iter().flatten().collect())
}

fn greets(name: &str, script: Script) -> Attack {
    peer(FAMILY, name, Spec { greeting: Some(script), ..Spec::default() })
}

/// A record with its head.
fn record(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).unwrap_or(u16::MAX).to_be_bytes();
    [&[kind, 3, 3], &length[..], body].concat()
}

const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const DATA: u8 = 23;

fn records() -> Vec<Attack> {
    let alert = |name: &str, level: u8, number: u8| greets(name, raw(record(ALERT, &[level, number])));
    let piece = record(HANDSHAKE, &[11, 0xff, 0xff, 0xff]);
    vec![
        alert("alert: handshake failure", 2, 40),
        alert("alert: protocol version", 2, 70),
        alert("alert: unrecognised name", 2, 112),
        alert("alert: internal error", 2, 80),
        alert("alert: a number that nobody knows", 2, 255),
        alert("alert: a level that nobody knows", 9, 40),
        alert("alert: the end, before anything", 1, 0),
        greets("warnings without end", Script::default().endless(record(ALERT, &[1, 90]))),
        greets("an alert of three bytes", raw(record(ALERT, &[2, 40, 0]))),
        greets("empty records without end", Script::default().endless(record(HANDSHAKE, &[]))),
        greets("data before a handshake", Script::default().endless(record(DATA, &[0; 1000]))),
        greets("a record of 65,535 bytes", raw([&[HANDSHAKE, 3, 3, 0xff, 0xff][..], &[0; 65_535]].concat())),
        greets("a record of a version that is none", raw(vec![HANDSHAKE, 9, 9, 0, 1, 2])),
        greets("a kind of record that is none", raw(record(99, &[0; 10]))),
        greets("a message of 16 MiB in records", raw(piece).endless(record(HANDSHAKE, &[0; 16_000]))),
        greets("a hello for the client", raw(record(HANDSHAKE, &[1, 0, 0, 2, 3, 3]))),
        greets("SSL 2", raw([0x80, 4, 4, 0, 1, 0])),
        greets("half a hello", raw(record(HANDSHAKE, &[2, 0, 0, 70, 3, 3]))),
        greets("a hello of zeros", raw(record(HANDSHAKE, &[&[2, 0, 0, 38, 3, 3][..], &[0; 36]].concat()))),
        greets("a handshake that stops", raw([HANDSHAKE, 3]).stall()).slow(),
        greets("a handshake that drips", Script::default().drip(record(HANDSHAKE, &[2, 0, 0, 70, 3, 3]), 300)).slow(),
        greets("silence", Script::default().stall()).slow(),
    ]
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// A server with this chain, whatever it is like.
fn server(
    chain: Vec<CertificateDer<'static>>,
    key: &PrivateKeyDer<'static>,
    asks: Option<&Authority>,
) -> io::Result<ServerConfig> {
    let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(key).map_err(io::Error::other)?;
    let builder = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS12, &rustls::version::TLS13])
        .map_err(io::Error::other)?;
    let builder = if let Some(authority) = asks {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(authority.root_der()).map_err(io::Error::other)?;
        let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider()).build();
        builder.with_client_cert_verifier(verifier.map_err(io::Error::other)?)
    } else {
        builder.with_no_client_auth()
    };
    Ok(builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(CertifiedKey::new(chain, key)))))
}

pub fn good(authority: &Authority) -> io::Result<ServerConfig> {
    let leaf = authority.leaf(CertKind::Good, &["127.0.0.1", NAME])?;
    let key = leaf.key();
    server(leaf.chain, &key, None)
}

/// Under a name: of loopback itself containerd takes any certificate.
fn speaks(name: &str, config: ServerConfig) -> Attack {
    let spec = Spec { tls: Some(Arc::new(config)), ..Spec::default() };
    node(FAMILY, name, move |scene| scene.known(spec.clone()).map(drop))
}

fn kinds(authority: &Authority) -> io::Result<Vec<Attack>> {
    let kinds = [
        ("a good certificate", CertKind::Good),
        ("a certificate that has expired", CertKind::Expired),
        ("a certificate of tomorrow", CertKind::NotYetValid),
        ("a certificate for another name", CertKind::WrongName),
        ("a certificate that signs itself", CertKind::SelfSigned),
        ("an unknown authority of the same name", CertKind::UnknownAuthority),
        ("no intermediate", CertKind::IncompleteChain),
        ("an expired intermediate", CertKind::ExpiredIntermediate),
        ("a whole bundle behind the certificate", CertKind::WholeBundle),
        ("a certificate for clients", CertKind::ClientOnly),
        ("a critical extension that nobody knows", CertKind::UnknownCritical),
        ("a serial number below zero", CertKind::NegativeSerial),
    ];
    kinds
        .into_iter()
        .map(|(name, kind)| {
            let leaf = authority.leaf(kind, &[NAME])?;
            let key = leaf.key();
            Ok(speaks(name, server(leaf.chain, &key, None)?))
        })
        .collect()
}

fn measures(authority: &Authority) -> io::Result<Vec<Attack>> {
    let leaf = |names: &[&str]| -> io::Result<_> {
        let leaf = authority.leaf(CertKind::Good, names)?;
        let key = leaf.key();
        Ok((leaf.chain, key))
    };
    let names: Vec<String> = (0..10_000).map(|nth| format!("n{nth}.example")).collect();
    let mut many: Vec<&str> = names.iter().map(String::as_str).collect();
    many.push(NAME);
    let (of_names, names_key) = leaf(&many)?;
    let (mut repeated, repeated_key) = leaf(&[NAME])?;
    let last = repeated.last().cloned().into_iter().cycle().take(60);
    repeated.extend(last);
    let (mut garbage, garbage_key) = leaf(&[NAME])?;
    garbage.push(CertificateDer::from(vec![0x30, 0x82, 0xff, 0xff, 0]));
    let (_, empty_key) = leaf(&[NAME])?;
    let (chain, chain_key) = long_chain(12)?;
    let (_, wrong_key) = leaf(&[NAME])?;
    let (of_zeros, zeros_key) = (vec![CertificateDer::from(vec![0; 100_000])], leaf(&[NAME])?.1);
    let mut tickets = good(authority)?;
    tickets.send_tls13_tickets = 2_000;
    let mut h2 = good(authority)?;
    h2.alpn_protocols = vec![b"h2".to_vec()];
    Ok(vec![
        speaks("a certificate with 10,000 names", server(of_names, &names_key, None)?),
        speaks("an intermediate sixty times", server(repeated, &repeated_key, None)?),
        speaks("a chain of twelve authorities", server(chain, &chain_key, None)?),
        speaks("bytes that are none among the certificates", server(garbage, &garbage_key, None)?),
        speaks("100 KB of zeros as a certificate", server(of_zeros, &zeros_key, None)?),
        speaks("an empty certificate", server(vec![CertificateDer::from(Vec::new())], &empty_key, None)?),
        speaks("the key of another", server(leaf(&[NAME])?.0, &wrong_key, None)?),
        speaks("a login by certificate", {
            let (chain, key) = leaf(&[NAME])?;
            server(chain, &key, Some(authority))?
        }),
        speaks("2,000 tickets", tickets),
        speaks("HTTP/2 only", h2),
    ])
}

/// A leaf under so many authorities in a row, the first of which nobody knows.
fn long_chain(length: usize) -> io::Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
    let key = || KeyPair::generate().map_err(io::Error::other);
    let authority = |nth: usize| -> io::Result<CertificateParams> {
        let mut params = CertificateParams::new(Vec::new()).map_err(io::Error::other)?;
        params.distinguished_name.push(rcgen::DnType::CommonName, format!("authority {nth}"));
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Ok(params)
    };
    let mut above = CertifiedIssuer::self_signed(authority(0)?, key()?).map_err(io::Error::other)?;
    let mut chain = vec![above.der().clone()];
    for nth in 1..length {
        above = CertifiedIssuer::signed_by(authority(nth)?, key()?, &above).map_err(io::Error::other)?;
        chain.insert(0, above.der().clone());
    }
    let own = key()?;
    let params = CertificateParams::new(vec![NAME.to_owned()]).map_err(io::Error::other)?;
    let leaf = params.signed_by(&own, &above).map_err(io::Error::other)?;
    chain.insert(0, leaf.der().clone());
    Ok((chain, PrivatePkcs8KeyDer::from(own.serialize_der()).into()))
}

/// What comes once TLS is up.
fn inside(authority: &Authority) -> io::Result<Vec<Attack>> {
    let config = Arc::new(good(authority)?);
    let after = |name: &str, spec: Spec| peer(FAMILY, name, Spec { tls: Some(Arc::clone(&config)), ..spec });
    let all = |script: Script| Spec::default().on(ANY, script);
    Ok(vec![
        after(
            "the end without a word of it",
            Spec::default().on(GET, head("200 OK", &[]).send("\r\n{\"manifests\":[")),
        ),
        after("a reset inside", all(Script::default().reset())),
        after("no HTTP inside", all(raw([0xff; 64]))),
        after("a head without end inside", all(head("200 OK", &[]).endless("X: y\r\n"))),
        after(
            "informational answers without end inside",
            all(Script::default().endless("HTTP/1.1 100 Continue\r\n\r\n")),
        ),
        after("blobs without end inside", Spec::default().on(BLOB, head("200 OK", &[]).send("\r\n").endless("layer"))),
        after("silence inside", all(Script::default().stall())).slow(),
        after("a body that drips inside", Spec::default().on(GET, head("200 OK", &[]).send("\r\n").drip("{}", 300)))
            .slow(),
    ])
}
