//! Certificates whose serial number is negative, as some intercepting proxies issue them.

use std::io;

use rcgen::{CertificateParams, KeyPair, SigningKey as _};

use super::{Issuer, Leaf, new_key};

const INTEGER: u8 = 2;
const BIT_STRING: u8 = 3;
const SEQUENCE: u8 = 0x30;

/// Issued as any other, then given a serial number below zero and signed anew.
pub fn sign(params: &CertificateParams, issuer: &Issuer) -> io::Result<Leaf> {
    let key = new_key()?;
    let certificate = params.signed_by(&key, issuer).map_err(io::Error::other)?;
    let der = with_negative_serial(certificate.der(), issuer.key())?;
    Ok(Leaf { chain: vec![der.into(), issuer.der().clone()], key: key.into() })
}

fn with_negative_serial(certificate: &[u8], issuer: &KeyPair) -> io::Result<Vec<u8>> {
    let malformed = || io::Error::other("no certificate of version 3");
    let (_, content) = element(certificate).ok_or_else(malformed)?;
    let (signed_length, signed_content) = element(content).ok_or_else(malformed)?;
    let (version_length, _) = element(signed_content).ok_or_else(malformed)?;
    let serial = &signed_content[version_length..];
    let (serial_length, digits) = element(serial).filter(|_| serial[0] == INTEGER).ok_or_else(malformed)?;
    let sign_at = signed_length - signed_content.len() + version_length + serial_length - digits.len();
    let mut signed = content[..signed_length].to_vec();
    signed[sign_at] |= 0x80;
    let (algorithm_length, _) = element(&content[signed_length..]).ok_or_else(malformed)?;
    let algorithm = &content[signed_length..signed_length + algorithm_length];
    let signature = issuer.sign(&signed).map_err(io::Error::other)?;
    let signature = wrapped(BIT_STRING, &[&[0], &*signature].concat());
    Ok(wrapped(SEQUENCE, &[&signed, algorithm, &signature].concat()))
}

/// How long the first element is in all, and what is in it.
fn element(der: &[u8]) -> Option<(usize, &[u8])> {
    let (first, rest) = der.get(1..)?.split_first()?;
    let (header, length) = if *first < 0x80 {
        (2, usize::from(*first))
    } else {
        let count = usize::from(first & 0x7f);
        let length = rest.get(..count)?.iter().fold(0, |length, byte| (length << 8) | usize::from(*byte));
        (2 + count, length)
    };
    Some((header + length, der.get(header..header + length)?))
}

fn wrapped(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let first = length.iter().position(|byte| *byte != 0).unwrap_or(length.len() - 1);
    let length = &length[first..];
    let header = match length {
        [short @ 0..0x80] => vec![tag, *short],
        long => [&[tag, 0x80 | u8::try_from(long.len()).unwrap_or_default()], long].concat(),
    };
    [header, content.to_vec()].concat()
}
