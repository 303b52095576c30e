//! A throw-away certificate authority: a root, an intermediate, and leaves that are good or broken
//! in one known way.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CustomExtension, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, KeyPair, KeyUsagePurpose, NameConstraints, SanType, SerialNumber,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use serde::Deserialize;

mod negative;

const DAY: Duration = Duration::from_hours(24);
/// Of [`CertKind::WholeBundle`], in bytes.
const BUNDLE: usize = 70_000;

/// What is wrong with a server's certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CertKind {
    /// Nothing: leaf and intermediate are sent, the root is [`Authority::root_pem`].
    #[default]
    Good,
    /// Its time ended yesterday.
    Expired,
    /// Its time begins tomorrow.
    NotYetValid,
    /// It names `wrong-name.invalid` only.
    WrongName,
    /// It signs itself and is no authority.
    SelfSigned,
    /// It is signed under another root, of the same names.
    UnknownAuthority,
    /// As good, but the server does not send the intermediate.
    IncompleteChain,
    /// The names stand in the subject's common name only, there is no subject alternative name.
    CommonNameOnly,
    /// The intermediate that signed it has expired, the leaf itself has not.
    ExpiredIntermediate,
    /// The root that it leads to has expired: [`Authority::expired_root_pem`].
    ExpiredRoot,
    /// The root is also sent as signed by [`Authority::expired_root_pem`], as new authorities are introduced by old ones.
    CrossSigned,
    /// A bundle of roots is sent behind it, more than 64 KiB of certificates in all.
    WholeBundle,
    /// It may authenticate clients only.
    ClientOnly,
    /// It has a critical extension that nobody knows.
    UnknownCritical,
    /// It asks for a certificate policy, critically, and has none.
    ExplicitPolicy,
    /// It inhibits the policy that stands for all, critically.
    InhibitAnyPolicy,
    /// It says where its issuer answers, critically.
    CriticalAccess,
    /// Besides the right names it has an IPv4 address written as an IPv6 one.
    MappedAddress,
    /// Its serial number is below zero.
    NegativeSerial,
    /// Besides the right names it has `*.example`, and the intermediate may not sign for `sub.example`.
    ExcludedWildcard,
}

/// A certificate chain as a server or client presents it, with the leaf's key.
#[derive(Debug)]
pub struct Leaf {
    /// In the order in which they are sent, the leaf first.
    pub chain: Vec<CertificateDer<'static>>,
    key: PrivatePkcs8KeyDer<'static>,
}

impl Leaf {
    /// The chain as PEM, in sending order.
    pub fn cert_pem(&self) -> String {
        self.chain.iter().map(|certificate| pem("CERTIFICATE", certificate)).collect()
    }

    /// The key as PKCS#8 PEM.
    pub fn key_pem(&self) -> String {
        pem("PRIVATE KEY", self.key.secret_pkcs8_der())
    }

    /// The key as rustls takes it.
    pub fn key(&self) -> PrivateKeyDer<'static> {
        self.key.clone_key().into()
    }

    /// Writes `STEM.cert` and `STEM.key` into `dir` and returns their paths.
    pub fn write(&self, dir: &Path, stem: &str) -> io::Result<(PathBuf, PathBuf)> {
        std::fs::create_dir_all(dir)?;
        let cert = dir.join(format!("{stem}.cert"));
        let key = dir.join(format!("{stem}.key"));
        std::fs::write(&cert, self.cert_pem())?;
        std::fs::write(&key, self.key_pem())?;
        Ok((cert, key))
    }
}

/// A root with its intermediates.
#[derive(Debug)]
pub struct Authority {
    name: String,
    root: Issuer,
    intermediate: Issuer,
    expired_intermediate: Issuer,
    expired_root: Issuer,
}

type Issuer = CertifiedIssuer<'static, KeyPair>;

impl Authority {
    /// A new root whose common name begins with `name`; nothing of it is ever reused.
    pub fn new(name: &str) -> io::Result<Self> {
        let now = SystemTime::now();
        let root =
            Issuer::self_signed(authority_params(&format!("{name} root")), new_key()?).map_err(io::Error::other)?;
        let intermediate = signed_issuer(authority_params(&format!("{name} intermediate")), &root)?;
        let mut ended = authority_params(&format!("{name} expired intermediate"));
        ended.not_after = (now - DAY).into();
        let expired_intermediate = signed_issuer(ended, &root)?;
        let mut ended = authority_params(&format!("{name} expired root"));
        ended.not_after = (now - DAY).into();
        let expired_root = Issuer::self_signed(ended, new_key()?).map_err(io::Error::other)?;
        Ok(Self { name: name.to_owned(), root, intermediate, expired_intermediate, expired_root })
    }

    /// The root as PEM: what a node must trust.
    pub fn root_pem(&self) -> String {
        pem("CERTIFICATE", self.root.der())
    }

    /// The root of [`CertKind::ExpiredRoot`] as PEM.
    pub fn expired_root_pem(&self) -> String {
        pem("CERTIFICATE", self.expired_root.der())
    }

    /// The intermediate as PEM: what a server of [`CertKind::IncompleteChain`] forgets.
    pub fn intermediate_pem(&self) -> String {
        pem("CERTIFICATE", self.intermediate.der())
    }

    /// The root as rustls takes it.
    pub fn root_der(&self) -> CertificateDer<'static> {
        self.root.der().clone()
    }

    /// A server certificate of `kind` for `names`, each a DNS name or an IP address.
    pub fn leaf(&self, kind: CertKind, names: &[&str]) -> io::Result<Leaf> {
        let mut params = leaf_params(names, ExtendedKeyUsagePurpose::ServerAuth)?;
        let now = SystemTime::now();
        match kind {
            CertKind::Expired => params.not_after = (now - DAY).into(),
            CertKind::NotYetValid => params.not_before = (now + DAY).into(),
            CertKind::WrongName => {
                params.subject_alt_names = subject_names(&["wrong-name.invalid"])?;
            }
            CertKind::CommonNameOnly => params.subject_alt_names.clear(),
            CertKind::ClientOnly => params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth],
            // Under the arc of examples (RFC 9039, 2).
            CertKind::UnknownCritical => params.custom_extensions.push(critical(&[2, 999, 1], vec![5, 0])),
            CertKind::ExplicitPolicy => {
                params.custom_extensions.push(critical(&[2, 5, 29, 36], vec![0x30, 3, 0x80, 1, 0]));
            }
            CertKind::InhibitAnyPolicy => params.custom_extensions.push(critical(&[2, 5, 29, 54], vec![2, 1, 0])),
            CertKind::CriticalAccess => params.custom_extensions.push(critical(&ACCESS, access())),
            CertKind::MappedAddress => {
                let mapped = Ipv4Addr::new(192, 0, 2, 200).to_ipv6_mapped();
                params.subject_alt_names.push(SanType::IpAddress(mapped.into()));
            }
            CertKind::ExcludedWildcard => params.subject_alt_names.extend(subject_names(&["*.example"])?),
            CertKind::Good
            | CertKind::SelfSigned
            | CertKind::UnknownAuthority
            | CertKind::IncompleteChain
            | CertKind::ExpiredIntermediate
            | CertKind::ExpiredRoot
            | CertKind::CrossSigned
            | CertKind::WholeBundle
            | CertKind::NegativeSerial => {}
        }
        match kind {
            CertKind::SelfSigned => self_signed(&params),
            CertKind::UnknownAuthority => sign(&params, &Self::new(&self.name)?.intermediate),
            CertKind::ExpiredIntermediate => sign(&params, &self.expired_intermediate),
            CertKind::ExpiredRoot => sign(&params, &self.expired_root),
            CertKind::CrossSigned => self.followed_by(&params, vec![self.crossed_root()?]),
            CertKind::WholeBundle => {
                let root = self.root_der();
                let count = BUNDLE / root.len() + 1;
                self.followed_by(&params, vec![root; count])
            }
            CertKind::NegativeSerial => negative::sign(&params, &self.intermediate),
            CertKind::ExcludedWildcard => {
                let mut constrained = authority_params(&format!("{} constrained intermediate", self.name));
                let excluded_subtrees = vec![GeneralSubtree::DnsName("sub.example".to_owned())];
                constrained.name_constraints =
                    Some(NameConstraints { permitted_subtrees: Vec::new(), excluded_subtrees });
                sign(&params, &signed_issuer(constrained, &self.root)?)
            }
            CertKind::IncompleteChain => {
                let mut leaf = sign(&params, &self.intermediate)?;
                leaf.chain.truncate(1);
                Ok(leaf)
            }
            _ => sign(&params, &self.intermediate),
        }
    }

    /// As a good one, and then these.
    fn followed_by(&self, params: &CertificateParams, others: Vec<CertificateDer<'static>>) -> io::Result<Leaf> {
        let mut leaf = sign(params, &self.intermediate)?;
        leaf.chain.extend(others);
        Ok(leaf)
    }

    /// The root's name and key, signed by the expired root.
    fn crossed_root(&self) -> io::Result<CertificateDer<'static>> {
        let params = authority_params(&format!("{} root", self.name));
        params.signed_by(self.root.key(), &self.expired_root).map(Into::into).map_err(io::Error::other)
    }

    /// A client certificate with this common name.
    pub fn client(&self, common_name: &str) -> io::Result<Leaf> {
        let params = leaf_params(&[common_name], ExtendedKeyUsagePurpose::ClientAuth)?;
        sign(&params, &self.intermediate)
    }

    /// Writes `root.pem` and `intermediate.pem` into `dir`.
    pub fn write(&self, dir: &Path) -> io::Result<()> {
        std::fs::create_dir_all(dir)?;
        std::fs::write(dir.join("root.pem"), self.root_pem())?;
        std::fs::write(dir.join("intermediate.pem"), self.intermediate_pem())
    }
}

fn authority_params(common_name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = subject(common_name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.not_before = (SystemTime::now() - 30 * DAY).into();
    params.not_after = (SystemTime::now() + 365 * DAY).into();
    params
}

fn critical(oid: &[u64], content: Vec<u8>) -> CustomExtension {
    let mut extension = CustomExtension::from_oid_content(oid, content);
    extension.set_criticality(true);
    extension
}

/// Authority information access (RFC 5280, 4.2.2.1).
const ACCESS: [u64; 9] = [1, 3, 6, 1, 5, 5, 7, 1, 1];

/// One description of it: OCSP at a URI.
fn access() -> Vec<u8> {
    let method = [6, 8, 0x2b, 6, 1, 5, 5, 7, 0x30, 1];
    [&[0x30, 23, 0x30, 21], &method[..], &[0x86, 9], b"http://a/"].concat()
}

fn leaf_params(names: &[&str], usage: ExtendedKeyUsagePurpose) -> io::Result<CertificateParams> {
    let mut params = CertificateParams::default();
    params.distinguished_name = subject(names.first().copied().unwrap_or("nameless"));
    params.subject_alt_names = subject_names(names)?;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![usage];
    params.use_authority_key_identifier_extension = true;
    params.serial_number = Some(SerialNumber::from(crate::socket::random() >> 1));
    params.not_before = (SystemTime::now() - 10 * DAY).into();
    params.not_after = (SystemTime::now() + 90 * DAY).into();
    Ok(params)
}

fn subject(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    name
}

fn subject_names(names: &[&str]) -> io::Result<Vec<SanType>> {
    names
        .iter()
        .map(|name| match name.parse::<IpAddr>() {
            Ok(address) => Ok(SanType::IpAddress(address)),
            Err(_) => Ok(SanType::DnsName((*name).try_into().map_err(io::Error::other)?)),
        })
        .collect()
}

fn new_key() -> io::Result<KeyPair> {
    KeyPair::generate().map_err(io::Error::other)
}

fn signed_issuer(params: CertificateParams, root: &Issuer) -> io::Result<Issuer> {
    Issuer::signed_by(params, new_key()?, root).map_err(io::Error::other)
}

fn sign(params: &CertificateParams, issuer: &Issuer) -> io::Result<Leaf> {
    let key = new_key()?;
    let certificate = params.signed_by(&key, issuer).map_err(io::Error::other)?;
    Ok(Leaf { chain: vec![certificate.into(), issuer.der().clone()], key: key.into() })
}

fn self_signed(params: &CertificateParams) -> io::Result<Leaf> {
    let key = new_key()?;
    let certificate = params.self_signed(&key).map_err(io::Error::other)?;
    Ok(Leaf { chain: vec![certificate.into()], key: key.into() })
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> = text.as_bytes().chunks(64).map(|line| str::from_utf8(line).unwrap_or_default()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}
