//! A certificate with the fields that Go's `crypto/x509` looks at.

use std::net::IpAddr;

use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, NameConstraints, ParsedExtension};
use x509_parser::oid_registry::OID_CT_LIST_SCT;
use x509_parser::prelude::FromDer;
use x509_parser::x509::X509Name;

use crate::release::Go;

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
    pub fn check_readable(&self, go: Go) -> Result<(), String> {
        let wrongly_critical = |parsed: &ParsedExtension<'a>| match parsed {
            ParsedExtension::AuthorityInfoAccess(_) => Some("authority info access"),
            ParsedExtension::AuthorityKeyIdentifier(_) => Some("authority key identifier"),
            ParsedExtension::SubjectKeyIdentifier(_) => Some("subject key identifier"),
            _ => None,
        };
        let mut critical = self.x509.extensions().iter().filter(|extension| extension.critical);
        if let Some(what) = critical.find_map(|extension| wrongly_critical(extension.parsed_extension()))
            && go.refuses_wrongly_critical()
        {
            return Err(format!("{what} incorrectly marked critical"));
        }
        let is_mapped = |ip: &IpAddr| *ip != ip.to_canonical();
        if go.refuses_mapped_addresses() && self.addresses.iter().any(is_mapped) {
            return Err("SAN iPAddress contains IPv4-mapped IPv6 address".into());
        }
        Ok(())
    }

    /// A critical extension that Go does not handle.
    pub fn has_unhandled_critical(&self, go: Go) -> bool {
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
                | ParsedExtension::InhibitAnyPolicy(_) => !go.follows_certificate_policies(),
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

    /// Whether signed certificate timestamps (RFC 6962) are embedded.
    pub fn is_logged(&self) -> bool {
        self.x509.extensions().iter().any(|extension| extension.oid == OID_CT_LIST_SCT)
    }
}

fn last_text<'a>(values: impl Iterator<Item = &'a x509_parser::x509::AttributeTypeAndValue<'a>>) -> &'a str {
    values.last().and_then(|value| value.as_str().ok()).unwrap_or_default()
}

fn to_ip(bytes: &[u8]) -> Option<IpAddr> {
    <[u8; 4]>::try_from(bytes).map(IpAddr::from).or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}
