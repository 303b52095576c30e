//! Fields of a certificate, found without reading the rest.

use x509_parser::prelude::FromDer as _;
use x509_parser::x509::SubjectPublicKeyInfo;

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const VERSION: u8 = 0xa0;

/// With its own tag and length, as it stands in the certificate. `None`: the bytes are no certificate in DER. A node trusts some 140
/// roots and looks at two or three.
pub fn subject(der: &[u8]) -> Option<&[u8]> {
    Some(subject_element(der)?.whole)
}

/// `None`: the bytes are no certificate in DER, or the key cannot be read.
pub fn public_key(der: &[u8]) -> Option<SubjectPublicKeyInfo<'_>> {
    let key = Element::first(subject_element(der)?.rest)?.of(SEQUENCE)?;
    SubjectPublicKeyInfo::from_der(key.whole).ok().map(|(_, key)| key)
}

fn subject_element(der: &[u8]) -> Option<Element<'_>> {
    let certificate = Element::first(der).filter(|certificate| certificate.rest.is_empty())?.of(SEQUENCE)?;
    let signed = Element::first(certificate.contents)?.of(SEQUENCE)?;
    let mut next = Element::first(signed.contents)?;
    if next.tag == VERSION {
        next = Element::first(next.rest)?;
    }
    // The serial number, then the algorithm, the issuer and the dates.
    next = next.of(INTEGER)?;
    for _ in 0..3 {
        next = Element::first(next.rest)?.of(SEQUENCE)?;
    }
    Element::first(next.rest)?.of(SEQUENCE)
}

/// One element of DER (X.690, section 8.1), and what comes behind it.
struct Element<'a> {
    tag: u8,
    contents: &'a [u8],
    whole: &'a [u8],
    rest: &'a [u8],
}

impl<'a> Element<'a> {
    fn first(bytes: &'a [u8]) -> Option<Self> {
        let (&[tag, first], behind) = bytes.split_first_chunk()?;
        let (length, contents) = if first < 0x80 {
            (usize::from(first), behind)
        } else {
            let (length, contents) = behind.split_at_checked(usize::from(first & 0x7f))?;
            // Four bytes say 4 GiB; none stands for a length that is not known.
            if !(1..=4).contains(&length.len()) {
                return None;
            }
            (length.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), contents)
        };
        let (contents, rest) = contents.split_at_checked(length)?;
        Some(Self { tag, contents, whole: &bytes[..bytes.len() - rest.len()], rest })
    }

    fn of(self, tag: u8) -> Option<Self> {
        (self.tag == tag).then_some(self)
    }
}

#[cfg(test)]
mod tests {
    use rustls_pki_types::CertificateDer;
    use rustls_pki_types::pem::PemObject as _;

    use super::super::certificate::Certificate;
    use super::*;

    /// Debian's package ca-certificates, as on a node.
    #[test]
    fn they_are_those_of_the_whole_certificate() {
        let bundle = CertificateDer::pem_file_iter("/etc/ssl/certs/ca-certificates.crt").unwrap();
        let mut count = 0;
        for der in bundle.map(Result::unwrap) {
            let whole = Certificate::parse(&der).unwrap();
            assert_eq!(subject(&der), Some(whole.subject()));
            assert_eq!(public_key(&der).as_ref(), Some(whole.x509.public_key()));
            count += 1;
            for end in 0..der.len() {
                assert_eq!((subject(&der[..end]), public_key(&der[..end])), (None, None), "cut at {end}");
            }
        }
        assert!(count > 100, "{count} certificates");
    }
}
