//! What is reported of a certificate.

use go::x509::certificate::Certificate;
use rustls_pki_types::CertificateDer;
use sha2::{Digest as _, Sha256};

use crate::model::facts::CertificateFacts;
use crate::redact::clean::Clean;
use crate::redact::clip::DETAIL_LIMIT;

/// More names than a report needs; a certificate may have tens of thousands.
const NAMES_LIMIT: usize = 100;

/// The facts of a certificate as presented, and what reading it gave. One that cannot be read still has its fingerprint.
pub fn facts(der: &CertificateDer<'_>, read: &Result<Certificate<'_>, String>) -> CertificateFacts {
    read.as_ref().map_or_else(
        |why| CertificateFacts {
            subject: format!("({why})").into(),
            issuer: Clean::default(),
            not_before: 0,
            not_after: 0,
            names: Vec::new(),
            sha256: sha256(der),
            logged: false,
        },
        of,
    )
}

fn of(certificate: &Certificate<'_>) -> CertificateFacts {
    let validity = certificate.x509.validity();
    let addresses = certificate.addresses.iter().map(|address| Clean::from(address.to_string()));
    let names = certificate.dns_names.iter().map(|name| Clean::clipped(name, DETAIL_LIMIT)).chain(addresses);
    CertificateFacts {
        subject: Clean::clipped(&certificate.x509.subject().to_string(), DETAIL_LIMIT),
        issuer: Clean::clipped(&certificate.x509.issuer().to_string(), DETAIL_LIMIT),
        not_before: validity.not_before.timestamp(),
        not_after: validity.not_after.timestamp(),
        names: names.take(NAMES_LIMIT).collect(),
        sha256: sha256(certificate.der),
        logged: certificate.is_logged(),
    }
}

fn sha256(der: &[u8]) -> String {
    format!("{:x}", Sha256::digest(der))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A list of one timestamp of RFC 6962, 3.3, that no log signed.
    fn timestamps() -> rcgen::CustomExtension {
        let timestamp = [&[0][..], &[7; 32], &[0; 8], &[0, 0], &[4, 3], &[0, 2], &[1, 2]].concat();
        let sized = |bytes: &[u8]| [&[0, u8::try_from(bytes.len()).unwrap()], bytes].concat();
        let list = sized(&sized(&timestamp));
        let octets = [&[4, u8::try_from(list.len()).unwrap()], &list[..]].concat();
        rcgen::CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 11129, 2, 4, 2], octets)
    }

    #[test]
    fn a_certificate_with_timestamps_of_a_public_log_is_told_from_one_without() {
        let logged = |extensions: Vec<rcgen::CustomExtension>| {
            let mut params = rcgen::CertificateParams::new(vec!["r.example".into()]).unwrap();
            params.custom_extensions = extensions;
            let certificate = params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap();
            facts(certificate.der(), &Certificate::parse(certificate.der())).logged
        };
        assert!(logged(vec![timestamps()]) && !logged(vec![]));
    }
}
