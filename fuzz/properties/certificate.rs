//! Certificates, one behind the other as in a handshake: read or refused, and none is good for a name that it
//! does not have.

use go::x509::certificate::Certificate;
use go::x509::names::check_host;
use go::x509::verify::{Roots, verify};
use jiff::Timestamp;
use pullprobe::mirrors::pem;
use pullprobe::redact::clean::is_hostile;
use pullprobe::tls::facts::facts;
use pullprobe::version::Version;
use rustls_pki_types::CertificateDer;

const HOSTS: [&str; 4] = ["registry.example", "192.0.2.1", "a.b.example", "::1"];
/// A chain of a registry has three.
const LONGEST: usize = 8;

pub fn holds(data: &[u8]) {
    // A bundle: of any text, a pair or a reason.
    for words in [pem::check_pair(data, data)].into_iter().filter_map(Result::err) {
        assert!(!words.is_empty() && words.len() <= 512 + data.len(), "{words:?}");
    }
    let _ = pem::holds_certificate(data);
    let ders = split(data);
    for der in &ders {
        let shown = facts(&CertificateDer::from(*der), &Certificate::parse(der));
        assert!(shown.names.len() <= 100 && shown.sha256.len() == 64, "{shown:?}");
        for text in shown.names.iter().chain([&shown.subject, &shown.issuer]) {
            assert!(text.len() <= 512 && !text.contains(is_hostile), "{text:?}");
        }
    }
    let chain: Result<Vec<_>, _> = ders.iter().map(|der| Certificate::parse(der)).collect();
    let chain = match chain {
        Ok(chain) => chain,
        Err(why) => return assert!(!why.is_empty() && why.len() <= 512, "{why:?}"),
    };
    // Whoever stands last is trusted, as where a node has the authority's certificate.
    let mut roots = Roots::default();
    ders.last().iter().for_each(|der| roots.add(CertificateDer::from(der.to_vec())));
    for version in super::VERSIONS {
        let go = version.parse::<Version>().unwrap().go();
        for host in HOSTS {
            let named = chain.first().map(|leaf| check_host(leaf, host));
            let at = |now: Timestamp| verify(&roots, &chain, host, now, go);
            match at(Timestamp::from_second(1_800_000_000).unwrap()) {
                Ok(until) => {
                    assert_eq!(named, Some(Ok(())), "good for {host}, which it does not name");
                    assert_eq!(at(until).ok(), Some(until), "good until then, and not then");
                }
                Err(invalid) => assert!(!invalid.to_string().is_empty(), "{invalid:?}"),
            }
        }
        assert!(verify(&Roots::default(), &chain, HOSTS[0], Timestamp::UNIX_EPOCH, go).is_err(), "trusted by nobody");
    }
}

/// By the length that each says it has.
fn split(data: &[u8]) -> Vec<&[u8]> {
    let mut ders = Vec::new();
    let mut rest = data;
    while !rest.is_empty() && ders.len() < LONGEST {
        let length = match rest {
            [0x30, short @ ..=0x7f, ..] => 2 + usize::from(*short),
            [0x30, 0x81, length, ..] => 3 + usize::from(*length),
            [0x30, 0x82, high, low, ..] => 4 + usize::from(u16::from_be_bytes([*high, *low])),
            all => all.len(),
        };
        let (der, behind) = rest.split_at(length.min(rest.len()));
        ders.push(der);
        rest = behind;
    }
    ders
}
