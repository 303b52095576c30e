//! Verifies a signature as Go does: its set of algorithms, neither SHA-1 nor MD5.

use aws_lc_rs::signature as lc;
use rustls::SignatureScheme;
use x509_parser::oid_registry as oid;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

use super::certificate::Certificate;
use super::verified::Verified;
use crate::release::Go;

type Algorithm = &'static dyn lc::VerificationAlgorithm;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Key {
    Rsa,
    P256,
    P384,
    P521,
    Ed25519,
    Other,
}

impl Key {
    fn of(spki: &SubjectPublicKeyInfo<'_>) -> Self {
        let algorithm = &spki.algorithm.algorithm;
        if *algorithm == oid::OID_PKCS1_RSAENCRYPTION {
            return Self::Rsa;
        }
        if *algorithm == oid::OID_SIG_ED25519 {
            return Self::Ed25519;
        }
        if *algorithm != oid::OID_KEY_TYPE_EC_PUBLIC_KEY {
            return Self::Other;
        }
        match spki.algorithm.parameters.as_ref().and_then(|any| any.as_oid().ok()) {
            Some(curve) if curve == oid::OID_EC_P256 => Self::P256,
            Some(curve) if curve == oid::OID_NIST_EC_P384 => Self::P384,
            Some(curve) if curve == oid::OID_NIST_EC_P521 => Self::P521,
            _ => Self::Other,
        }
    }

    const fn is_ecdsa(self) -> bool {
        matches!(self, Self::P256 | Self::P384 | Self::P521)
    }

    /// How Go names the type of such a key.
    const fn go_type(self) -> &'static str {
        match self {
            Self::Rsa => "*rsa.PublicKey",
            Self::Ed25519 => "ed25519.PublicKey",
            Self::P256 | Self::P384 | Self::P521 | Self::Other => "*ecdsa.PublicKey",
        }
    }
}

/// Whether `parent` may sign certificates and signed this one. `Err` has Go's words.
pub fn check_signed_by(child: &Certificate<'_>, parent: &Certificate<'_>, verified: &Verified) -> Result<(), String> {
    let is_v3 = parent.x509.version().0 == 2;
    let may_sign = match parent.basic_constraints() {
        None => !is_v3,
        Some((is_ca, _)) => is_ca,
    };
    if !may_sign || parent.forbids_signing() {
        return Err("x509: invalid signature: parent certificate cannot sign this kind of certificate".into());
    }
    let spki = parent.x509.public_key();
    verified.once(child, spki, || verify_signature(child, spki))
}

fn verify_signature(child: &Certificate<'_>, spki: &SubjectPublicKeyInfo<'_>) -> Result<(), String> {
    let algorithms = algorithms(child, Key::of(spki))?;
    let key = spki.subject_public_key.data.as_ref();
    let signed = child.x509.tbs_certificate.as_ref();
    let signature = child.x509.signature_value.data.as_ref();
    let verifies =
        |algorithm: &Algorithm| lc::UnparsedPublicKey::new(*algorithm, key).verify(signed, signature).is_ok();
    if algorithms.iter().any(verifies) {
        return Ok(());
    }
    Err(match Key::of(spki) {
        Key::Rsa => "crypto/rsa: verification error",
        Key::Ed25519 => "x509: Ed25519 verification failure",
        Key::P256 | Key::P384 | Key::P521 | Key::Other => "x509: ECDSA verification failure",
    }
    .into())
}

/// The algorithms that the child's signature may be made with, given the parent's key.
fn algorithms(child: &Certificate<'_>, key: Key) -> Result<Vec<Algorithm>, String> {
    let signed_with = &child.x509.signature_algorithm.algorithm;
    let insecure = |name: &str| Err(format!("x509: cannot verify signature: insecure algorithm {name}"));
    let wrong_key = |name: &str| {
        Err(format!(
            "x509: signature algorithm specifies an {name} public key, but have public key of type {}",
            key.go_type()
        ))
    };
    let hash = hash_of(signed_with);
    match signed_with.to_id_string().as_str() {
        "1.2.840.113549.1.1.4" => insecure("MD5-RSA"),
        "1.2.840.113549.1.1.5" | "1.3.14.3.2.29" => insecure("SHA1-RSA"),
        "1.2.840.10045.4.1" => insecure("ECDSA-SHA1"),
        "1.2.840.113549.1.1.10" if key == Key::Rsa => {
            Ok(vec![&lc::RSA_PSS_2048_8192_SHA256, &lc::RSA_PSS_2048_8192_SHA384, &lc::RSA_PSS_2048_8192_SHA512])
        }
        "1.3.101.112" if key == Key::Ed25519 => Ok(vec![&lc::ED25519]),
        "1.3.101.112" => wrong_key("Ed25519"),
        "1.2.840.113549.1.1.10" => wrong_key("RSA"),
        id if id.starts_with("1.2.840.113549.1.1.") => match hash {
            Some(_) if key != Key::Rsa => wrong_key("RSA"),
            Some(hash) => Ok(vec![rsa(hash)]),
            None => Err(UNIMPLEMENTED.into()),
        },
        id if id.starts_with("1.2.840.10045.4.3.") => match hash {
            Some(_) if key != Key::Other && !key.is_ecdsa() => wrong_key("ECDSA"),
            Some(hash) => ecdsa(key, hash).map(|algorithm| vec![algorithm]).ok_or_else(|| UNIMPLEMENTED.into()),
            None => Err(UNIMPLEMENTED.into()),
        },
        _ => Err(UNIMPLEMENTED.into()),
    }
}

const UNIMPLEMENTED: &str = "x509: cannot verify signature: algorithm unimplemented";

fn hash_of(algorithm: &oid::Oid<'_>) -> Option<Hash> {
    match algorithm.to_id_string().as_str() {
        "1.2.840.113549.1.1.11" | "1.2.840.10045.4.3.2" => Some(Hash::Sha256),
        "1.2.840.113549.1.1.12" | "1.2.840.10045.4.3.3" => Some(Hash::Sha384),
        "1.2.840.113549.1.1.13" | "1.2.840.10045.4.3.4" => Some(Hash::Sha512),
        _ => None,
    }
}

/// Keys from 1024 bits on: Go asks for no more.
fn rsa(hash: Hash) -> Algorithm {
    match hash {
        Hash::Sha256 => &lc::RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
        Hash::Sha384 => &lc::RSA_PKCS1_2048_8192_SHA384,
        Hash::Sha512 => &lc::RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY,
    }
}

fn ecdsa(key: Key, hash: Hash) -> Option<Algorithm> {
    Some(match (key, hash) {
        (Key::P256, Hash::Sha256) => &lc::ECDSA_P256_SHA256_ASN1,
        (Key::P256, Hash::Sha384) => &lc::ECDSA_P256_SHA384_ASN1,
        (Key::P256, Hash::Sha512) => &lc::ECDSA_P256_SHA512_ASN1,
        (Key::P384, Hash::Sha256) => &lc::ECDSA_P384_SHA256_ASN1,
        (Key::P384, Hash::Sha384) => &lc::ECDSA_P384_SHA384_ASN1,
        (Key::P384, Hash::Sha512) => &lc::ECDSA_P384_SHA512_ASN1,
        (Key::P521, Hash::Sha256) => &lc::ECDSA_P521_SHA256_ASN1,
        (Key::P521, Hash::Sha384) => &lc::ECDSA_P521_SHA384_ASN1,
        (Key::P521, Hash::Sha512) => &lc::ECDSA_P521_SHA512_ASN1,
        (Key::Rsa | Key::Ed25519 | Key::Other, _) => return None,
    })
}

/// What the handshake may be signed with, in the order in which Go offers it; the last two in TLS 1.2 alone.
const SCHEMES: [SignatureScheme; 12] = [
    SignatureScheme::RSA_PSS_SHA256,
    SignatureScheme::ECDSA_NISTP256_SHA256,
    SignatureScheme::ED25519,
    SignatureScheme::RSA_PSS_SHA384,
    SignatureScheme::RSA_PSS_SHA512,
    SignatureScheme::RSA_PKCS1_SHA256,
    SignatureScheme::RSA_PKCS1_SHA384,
    SignatureScheme::RSA_PKCS1_SHA512,
    SignatureScheme::ECDSA_NISTP384_SHA384,
    SignatureScheme::ECDSA_NISTP521_SHA512,
    SignatureScheme::RSA_PKCS1_SHA1,
    SignatureScheme::ECDSA_SHA1_Legacy,
];
const OF_SHA_1: [SignatureScheme; 2] = [SignatureScheme::RSA_PKCS1_SHA1, SignatureScheme::ECDSA_SHA1_Legacy];

/// What this Go lets the handshake be signed with.
pub fn offered_by(go: Go) -> Vec<SignatureScheme> {
    let refused = |scheme: &SignatureScheme| go.refuses_sha1_signatures() && OF_SHA_1.contains(scheme);
    SCHEMES.into_iter().filter(|scheme| !refused(scheme)).collect()
}

/// Go verifies with keys on the curve P-224, and nothing here does: `Some` where such a key may have signed.
pub fn is_authority_beyond_us(child: &Certificate<'_>, parent: &Certificate<'_>) -> Option<String> {
    let spki = &parent.x509.public_key().algorithm;
    let curve = spki.parameters.as_ref().and_then(|any| any.as_oid().ok()).map(|oid| oid.to_id_string());
    let signed_with = &child.x509.signature_algorithm.algorithm;
    let fits = hash_of(signed_with).is_some() && signed_with.to_id_string().starts_with("1.2.840.10045.4.3.");
    (fits && curve.as_deref() == Some(P224)).then(|| {
        format!(
            "the key of {} is on the curve P-224: containerd verifies with it, and pullprobe cannot",
            parent.x509.subject()
        )
    })
}

const P224: &str = "1.3.132.0.33";

/// Go takes RSA keys from 1024 bits on, and no verifier here one of less than 2048 for every scheme.
pub fn is_beyond_us(leaf: &SubjectPublicKeyInfo<'_>) -> Option<String> {
    let Ok(PublicKey::RSA(key)) = leaf.parsed() else { return None };
    let bits = key.modulus.iter().skip_while(|byte| **byte == 0).count() * 8;
    (1024..2048).contains(&bits).then(|| {
        format!(
            "the server's RSA key has {bits} bits: containerd takes it, and pullprobe cannot verify with so short a one"
        )
    })
}

/// Whether the server signed the handshake with the key of its certificate. Unlike webpki's, this reads
/// any certificate that Go reads: of version 1, with unknown extensions.
pub fn check_handshake(
    leaf: &SubjectPublicKeyInfo<'_>,
    scheme: SignatureScheme,
    message: &[u8],
    signature: &[u8],
    tls13: bool,
) -> bool {
    let key = Key::of(leaf);
    let algorithm: Option<Algorithm> = match scheme {
        SignatureScheme::RSA_PSS_SHA256 => Some(&lc::RSA_PSS_2048_8192_SHA256),
        SignatureScheme::RSA_PSS_SHA384 => Some(&lc::RSA_PSS_2048_8192_SHA384),
        SignatureScheme::RSA_PSS_SHA512 => Some(&lc::RSA_PSS_2048_8192_SHA512),
        SignatureScheme::RSA_PKCS1_SHA256 if !tls13 => Some(rsa(Hash::Sha256)),
        SignatureScheme::RSA_PKCS1_SHA384 if !tls13 => Some(rsa(Hash::Sha384)),
        SignatureScheme::RSA_PKCS1_SHA512 if !tls13 => Some(rsa(Hash::Sha512)),
        SignatureScheme::RSA_PKCS1_SHA1 if !tls13 => Some(&lc::RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY),
        SignatureScheme::ECDSA_SHA1_Legacy if !tls13 && key == Key::P256 => Some(&lc::ECDSA_P256_SHA1_ASN1),
        SignatureScheme::ECDSA_SHA1_Legacy if !tls13 && key == Key::P521 => Some(&lc::ECDSA_P521_SHA1_ASN1),
        SignatureScheme::ED25519 => Some(&lc::ED25519),
        // In TLS 1.3 the scheme names the curve; in 1.2 only the hash.
        SignatureScheme::ECDSA_NISTP256_SHA256 => ecdsa(if tls13 { Key::P256 } else { key }, Hash::Sha256),
        SignatureScheme::ECDSA_NISTP384_SHA384 => ecdsa(if tls13 { Key::P384 } else { key }, Hash::Sha384),
        SignatureScheme::ECDSA_NISTP521_SHA512 => ecdsa(if tls13 { Key::P521 } else { key }, Hash::Sha512),
        _ => None,
    };
    let fits = match scheme {
        SignatureScheme::ED25519 => key == Key::Ed25519,
        SignatureScheme::ECDSA_NISTP256_SHA256
        | SignatureScheme::ECDSA_NISTP384_SHA384
        | SignatureScheme::ECDSA_NISTP521_SHA512
        | SignatureScheme::ECDSA_SHA1_Legacy => key.is_ecdsa(),
        _ => key == Key::Rsa,
    };
    let key = leaf.subject_public_key.data.as_ref();
    fits && algorithm
        .is_some_and(|algorithm| lc::UnparsedPublicKey::new(algorithm, key).verify(message, signature).is_ok())
}
