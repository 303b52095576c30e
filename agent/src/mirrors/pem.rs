//! PEM files as Go's crypto/tls reads them: is there a certificate, do certificate and key fit?

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

struct Block {
    kind: String,
    has_headers: bool,
    der: Vec<u8>,
}

/// Whether Go's certificate pool would take at least one certificate from the file.
pub fn holds_certificate(pem: &[u8]) -> bool {
    let usable = |block: &Block| block.kind == "CERTIFICATE" && !block.has_headers && parses(&block.der);
    blocks(pem).iter().any(usable)
}

fn parses(der: &[u8]) -> bool {
    x509_parser::parse_x509_certificate(der).is_ok()
}

/// `tls.X509KeyPair`; the error has its words.
pub fn check_pair(certificate: &[u8], key: &[u8]) -> Result<(), String> {
    let (chain, others): (Vec<Block>, Vec<Block>) =
        blocks(certificate).into_iter().partition(|block| block.kind == "CERTIFICATE");
    if chain.is_empty() {
        return Err(match others.as_slice() {
            [] => "tls: failed to find any PEM data in certificate input".into(),
            [one] if one.kind.ends_with("PRIVATE KEY") => {
                "tls: failed to find certificate PEM data in certificate input, but did find a private key; PEM inputs may have been switched".into()
            }
            many => format!(
                "tls: failed to find \"CERTIFICATE\" PEM block in certificate input after skipping PEM blocks of the following types: {}",
                kinds(many)
            ),
        });
    }
    let key = private_key(key)?;
    fit(&chain, &key.der)
}

fn private_key(pem: &[u8]) -> Result<Block, String> {
    let mut skipped = Vec::new();
    for block in blocks(pem) {
        if block.kind == "PRIVATE KEY" || block.kind.ends_with(" PRIVATE KEY") {
            return Ok(block);
        }
        skipped.push(block);
    }
    Err(match skipped.as_slice() {
        [] => "tls: failed to find any PEM data in key input".into(),
        [one] if one.kind == "CERTIFICATE" => {
            "tls: found a certificate rather than a key in the PEM for the private key".into()
        }
        many => format!(
            "tls: failed to find PEM block with type ending in \"PRIVATE KEY\" in key input after skipping PEM blocks of the following types: {}",
            kinds(many)
        ),
    })
}

fn kinds(blocks: &[Block]) -> String {
    format!("[{}]", blocks.iter().map(|block| block.kind.as_str()).collect::<Vec<_>>().join(" "))
}

fn fit(chain: &[Block], key: &[u8]) -> Result<(), String> {
    if !chain.first().is_some_and(|leaf| parses(&leaf.der)) {
        return Err("x509: malformed certificate".into());
    }
    let unusable = || "tls: failed to parse private key".to_owned();
    let key = PrivateKeyDer::try_from(key).map_err(|_| unusable())?;
    let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&key).map_err(|_| unusable())?;
    let chain = chain.iter().map(|block| CertificateDer::from(block.der.clone())).collect();
    match rustls::sign::CertifiedKey::new(chain, key).keys_match() {
        Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::KeyMismatch)) => {
            Err("tls: private key does not match public key".into())
        }
        _ => Ok(()),
    }
}

/// `pem.Decode` over the whole file: what is not a whole block is passed over.
fn blocks(pem: &[u8]) -> Vec<Block> {
    let text = String::from_utf8_lossy(pem);
    let mut lines = text.lines().map(str::trim_end);
    let mut found = Vec::new();
    while let Some(line) = lines.next() {
        let Some(kind) = line.strip_prefix("-----BEGIN ").and_then(|rest| rest.strip_suffix("-----")) else { continue };
        let end = format!("-----END {kind}-----");
        let mut rest = lines.clone();
        let body: Vec<&str> = rest.by_ref().take_while(|line| !line.starts_with("-----")).collect();
        let closed = text_after(&lines, body.len()).is_some_and(|line| line == end);
        let (headers, data): (Vec<&str>, Vec<&str>) = body.iter().partition(|line| line.contains(':'));
        let data: String = data.concat().chars().filter(|c| !c.is_whitespace()).collect();
        if let (true, Ok(der)) = (closed, STANDARD.decode(data)) {
            found.push(Block { kind: kind.to_owned(), has_headers: !headers.is_empty(), der });
            lines = rest;
        }
    }
    found
}

fn text_after<'a>(lines: &(impl Iterator<Item = &'a str> + Clone), skip: usize) -> Option<&'a str> {
    lines.clone().nth(skip)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (String, String) {
        let made = rcgen::generate_simple_self_signed(["client.example".to_owned()]).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    #[test]
    fn a_certificate_is_found_among_other_text_and_rubbish_is_not_one() {
        let (certificate, key) = pair();
        assert!(holds_certificate(format!("Subject: x\n{certificate}").as_bytes()));
        assert!(!holds_certificate(key.as_bytes()));
        assert!(!holds_certificate(b"-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n"));
        assert!(!holds_certificate(b"hello"));
    }

    #[test]
    fn a_pair_that_does_not_fit_is_told_in_gos_words() {
        let (certificate, key) = pair();
        let (_, other) = pair();
        let check = |c: &str, k: &str| check_pair(c.as_bytes(), k.as_bytes());
        assert_eq!(check(&certificate, &key), Ok(()));
        assert_eq!(check(&format!("{certificate}{key}"), &format!("{certificate}{key}")), Ok(()));
        assert_eq!(check(&certificate, &other), Err("tls: private key does not match public key".into()));
        assert_eq!(
            check(&certificate, &certificate).unwrap_err(),
            "tls: found a certificate rather than a key in the PEM for the private key"
        );
        assert_eq!(check("x", &key).unwrap_err(), "tls: failed to find any PEM data in certificate input");
        assert!(check(&key, &key).unwrap_err().ends_with("PEM inputs may have been switched"));
        let twice = format!("{certificate}{certificate}");
        assert!(check(&twice, &twice).unwrap_err().ends_with("of the following types: [CERTIFICATE CERTIFICATE]"));
    }
}
