//! A certificate with the fields that Go's `crypto/x509` looks at, and the facts that are reported.

use std::net::IpAddr;

use aws_lc_rs::digest;
use rustls_pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, NameConstraints, ParsedExtension};
use x509_parser::oid_registry::OID_CT_LIST_SCT;
use x509_parser::prelude::FromDer;
use x509_parser::x509::X509Name;

use crate::model::facts::CertificateFacts;
use crate::model::outcome::DETAIL_LIMIT;
use crate::redact::clean::Clean;
use crate::version::Version;

/// More names than a report needs; a certificate may have tens of thousands.
const NAMES_LIMIT: usize = 100;

pub struct Certificate<'a> {
    pub der: &'a [u8],
    pub x509: X509Certificate<'a>,
    pub dns_names: Vec<&'a str>,
    pub addresses: Vec<IpAddr>,
    pub emails: Vec<&'a str>,
    pub uris: Vec<&'a str>,
    pub has_names: bool,
}

impl<'a> Certificate<'a> {
    /// `Err`: why Go would not read it, as near as can be told.
    pub fn parse(der: &'a [u8]) -> Result<Self, String> {
        let (rest, x509) = X509Certificate::from_der(der).map_err(|_| "malformed certificate".to_owned())?;
        if !rest.is_empty() {
            return Err("trailing data".into());
        }
        let mut certificate =
            Self { der, x509, dns_names: vec![], addresses: vec![], emails: vec![], uris: vec![], has_names: false };
        certificate.read_names()?;
        Ok(certificate)
    }

    fn read_names(&mut self) -> Result<(), String> {
        let mut names: Vec<GeneralName<'a>> = Vec::new();
        for extension in self.x509.extensions() {
            match extension.parsed_extension() {
                ParsedExtension::SubjectAlternativeName(san) => {
                    self.has_names = true;
                    names.extend(san.general_names.iter().cloned());
                }
                ParsedExtension::ParseError { .. } => return Err(format!("invalid extension {}", extension.oid)),
                _ => {}
            }
        }
        for name in names {
            match name {
                GeneralName::DNSName(name) => self.dns_names.push(name),
                GeneralName::RFC822Name(name) => self.emails.push(name),
                GeneralName::URI(name) => self.uris.push(name),
                GeneralName::IPAddress(bytes) => self.addresses.push(to_ip(bytes).ok_or("invalid IP address in SAN")?),
                GeneralName::Invalid(..) => return Err("SAN is malformed".into()),
                _ => {}
            }
        }
        Ok(())
    }

    pub fn has_negative_serial(&self) -> bool {
        self.x509.tbs_certificate.raw_serial().first().is_some_and(|first| *first >= 0x80)
    }

    pub fn subject(&self) -> &'a [u8] {
        self.x509.tbs_certificate.subject.as_raw()
    }

    pub fn issuer(&self) -> &'a [u8] {
        self.x509.tbs_certificate.issuer.as_raw()
    }

    pub fn is_self_issued(&self) -> bool {
        self.subject() == self.issuer()
    }

    /// Go takes the last of several.
    pub fn common_name(&self) -> &str {
        last_text(self.x509.subject().iter_common_name())
    }

    /// How Go names a candidate authority in a hint.
    pub fn short_name(&self) -> String {
        let first_text =
            |name: &X509Name<'_>| name.iter_organization().next().and_then(|o| o.as_str().ok()).map(str::to_owned);
        match self.common_name() {
            "" => first_text(self.x509.subject())
                .unwrap_or_else(|| format!("serial:{}", self.x509.tbs_certificate.serial)),
            name => name.to_owned(),
        }
    }

    /// `None`: no such extension. The inner `None`: no limit on the path.
    pub fn basic_constraints(&self) -> Option<(bool, Option<u32>)> {
        self.extension(|parsed| match parsed {
            ParsedExtension::BasicConstraints(constraints) => Some((constraints.ca, constraints.path_len_constraint)),
            _ => None,
        })
    }

    /// Whether key usage is stated and leaves out signing certificates.
    pub fn forbids_signing(&self) -> bool {
        let usage = self.extension(|parsed| match parsed {
            ParsedExtension::KeyUsage(usage) => Some((usage.flags, usage.key_cert_sign())),
            _ => None,
        });
        usage.is_some_and(|(flags, signs)| flags != 0 && !signs)
    }

    /// Whether extended key usage is absent or allows to authenticate a server.
    pub fn allows_server_auth(&self) -> bool {
        let usage = self.extension(|parsed| match parsed {
            ParsedExtension::ExtendedKeyUsage(usage) => Some(usage.any || usage.server_auth),
            _ => None,
        });
        usage.unwrap_or(true)
    }

    pub fn name_constraints(&self) -> Option<&NameConstraints<'a>> {
        self.x509.extensions().iter().find_map(|extension| match extension.parsed_extension() {
            ParsedExtension::NameConstraints(constraints) => Some(constraints),
            _ => None,
        })
    }

    pub fn subject_key_id(&self) -> &[u8] {
        let found = self.x509.extensions().iter().find_map(|extension| match extension.parsed_extension() {
            ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0),
            _ => None,
        });
        found.unwrap_or_default()
    }

    pub fn authority_key_id(&self) -> &[u8] {
        let found = self.x509.extensions().iter().find_map(|extension| match extension.parsed_extension() {
            ParsedExtension::AuthorityKeyIdentifier(id) => id.key_identifier.as_ref().map(|id| id.0),
            _ => None,
        });
        found.unwrap_or_default()
    }

    /// Whether it says where its issuer's certificate can be fetched, as those of public CAs do.
    pub fn points_to_issuer(&self) -> bool {
        let found = self.extension(|parsed| match parsed {
            ParsedExtension::AuthorityInfoAccess(access) => {
                Some(access.accessdescs.iter().any(|entry| entry.access_method.to_id_string() == "1.3.6.1.5.5.7.48.2"))
            }
            _ => None,
        });
        found.unwrap_or(false)
    }

    /// Why Go of this containerd does not read it, although it is well-formed.
    pub fn check_readable(&self, version: Version) -> Result<(), String> {
        let wrongly_critical = |parsed: &ParsedExtension<'a>| match parsed {
            ParsedExtension::AuthorityInfoAccess(_) => Some("authority info access"),
            ParsedExtension::AuthorityKeyIdentifier(_) => Some("authority key identifier"),
            ParsedExtension::SubjectKeyIdentifier(_) => Some("subject key identifier"),
            _ => None,
        };
        let mut critical = self.x509.extensions().iter().filter(|extension| extension.critical);
        if let Some(what) = critical.find_map(|extension| wrongly_critical(extension.parsed_extension()))
            && version.go().refuses_wrongly_critical()
        {
            return Err(format!("{what} incorrectly marked critical"));
        }
        let is_mapped = |ip: &IpAddr| *ip != ip.to_canonical();
        if version.go().refuses_mapped_addresses() && self.addresses.iter().any(is_mapped) {
            return Err("SAN iPAddress contains IPv4-mapped IPv6 address".into());
        }
        Ok(())
    }

    /// A critical extension that Go does not handle.
    pub fn has_unhandled_critical(&self, version: Version) -> bool {
        self.x509.extensions().iter().filter(|extension| extension.critical).any(|extension| {
            match extension.parsed_extension() {
                ParsedExtension::KeyUsage(_)
                | ParsedExtension::BasicConstraints(_)
                | ParsedExtension::CRLDistributionPoints(_)
                | ParsedExtension::AuthorityKeyIdentifier(_)
                | ParsedExtension::ExtendedKeyUsage(_)
                | ParsedExtension::SubjectKeyIdentifier(_)
                | ParsedExtension::CertificatePolicies(_)
                | ParsedExtension::AuthorityInfoAccess(_) => false,
                ParsedExtension::PolicyMappings(_)
                | ParsedExtension::PolicyConstraints(_)
                | ParsedExtension::InhibitAnyPolicy(_) => !version.go().follows_certificate_policies(),
                ParsedExtension::SubjectAlternativeName(_) => {
                    self.dns_names.is_empty()
                        && self.addresses.is_empty()
                        && self.emails.is_empty()
                        && self.uris.is_empty()
                }
                ParsedExtension::NameConstraints(constraints) => {
                    let subtrees = [&constraints.permitted_subtrees, &constraints.excluded_subtrees];
                    let mut bases = subtrees.into_iter().flatten().flatten().map(|subtree| &subtree.base);
                    bases.any(|base| {
                        !matches!(
                            base,
                            GeneralName::DNSName(_)
                                | GeneralName::IPAddress(_)
                                | GeneralName::RFC822Name(_)
                                | GeneralName::URI(_)
                        )
                    })
                }
                _ => true,
            }
        })
    }

    pub fn extension<T>(&self, pick: impl Fn(&ParsedExtension<'a>) -> Option<T>) -> Option<T> {
        self.x509.extensions().iter().find_map(|extension| pick(extension.parsed_extension()))
    }

    fn facts(&self) -> CertificateFacts {
        let validity = self.x509.validity();
        let addresses = self.addresses.iter().map(|address| Clean::from(address.to_string()));
        let names = self.dns_names.iter().map(|name| Clean::clipped(name, DETAIL_LIMIT)).chain(addresses);
        CertificateFacts {
            subject: Clean::clipped(&self.x509.subject().to_string(), DETAIL_LIMIT),
            issuer: Clean::clipped(&self.x509.issuer().to_string(), DETAIL_LIMIT),
            not_before: validity.not_before.timestamp(),
            not_after: validity.not_after.timestamp(),
            names: names.take(NAMES_LIMIT).collect(),
            sha256: sha256(self.der),
            logged: self.is_logged(),
        }
    }

    /// Whether signed certificate timestamps (RFC 6962) are embedded.
    fn is_logged(&self) -> bool {
        self.x509.extensions().iter().any(|extension| extension.oid == OID_CT_LIST_SCT)
    }
}

/// The facts of a certificate as presented. One that cannot be read still has its fingerprint.
pub fn facts(der: &CertificateDer<'_>) -> CertificateFacts {
    Certificate::parse(der).map_or_else(
        |why| CertificateFacts {
            subject: format!("({why})").into(),
            issuer: Clean::default(),
            not_before: 0,
            not_after: 0,
            names: Vec::new(),
            sha256: sha256(der),
            logged: false,
        },
        |certificate| certificate.facts(),
    )
}

fn sha256(der: &[u8]) -> String {
    let digits = |byte: &u8| [byte >> 4, byte & 15].map(|nibble| char::from_digit(nibble.into(), 16).unwrap_or('0'));
    digest::digest(&digest::SHA256, der).as_ref().iter().flat_map(digits).collect()
}

fn last_text<'a>(values: impl Iterator<Item = &'a x509_parser::x509::AttributeTypeAndValue<'a>>) -> &'a str {
    values.last().and_then(|value| value.as_str().ok()).unwrap_or_default()
}

fn to_ip(bytes: &[u8]) -> Option<IpAddr> {
    <[u8; 4]>::try_from(bytes).map(IpAddr::from).or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
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
            facts(certificate.der()).logged
        };
        assert!(logged(vec![timestamps()]) && !logged(vec![]));
    }
}
