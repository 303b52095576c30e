//! The certificates and keys that a host's configuration names, read and tried as containerd would.
//!
//! containerd reads them whenever it makes its list of hosts: one that is missing or broken fails
//! every pull from the registry, whichever host would have served it.

use super::gotext::quote;
use super::pem;
use super::reader::{Reader, read_words};
use crate::model::host::{ClientPair, HostTls, PemFile};
use crate::secret::Secret;

/// The TLS keys of one host, paths resolved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsKeys {
    /// `None`: the key is absent. An empty list still counts as a TLS setting.
    pub ca: Option<Vec<String>>,
    /// Certificate and key. `None` as the key: both are in the certificate's file.
    pub client: Vec<(String, Option<String>)>,
    pub skip_verify: Option<bool>,
}

/// Why the hosts of a registry cannot be made, in containerd's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFault {
    pub wording: String,
    /// The file at fault.
    pub path: String,
}

impl TlsKeys {
    pub const fn is_set(&self) -> bool {
        self.ca.is_some() || !self.client.is_empty() || self.skip_verify.is_some()
    }

    pub fn load(&self, reader: &mut Reader<'_>) -> Result<HostTls, TlsFault> {
        let mut tls = HostTls { skip_verify: self.skip_verify, ..HostTls::default() };
        for path in self.ca.iter().flatten() {
            let fault = |wording| TlsFault { wording, path: path.clone() };
            let bytes = reader.read(path).map_err(|error| {
                fault(format!("unable to read CA cert {}: {}", quote(path), read_words(path, &error)))
            })?;
            if !pem::holds_certificate(&bytes) {
                return Err(fault(format!("unable to load CA cert {}", quote(path))));
            }
            tls.ca.push(pem_file(path, &bytes));
        }
        for (certificate, key) in &self.client {
            tls.client.push(load_pair(reader, certificate, key.as_deref())?);
        }
        Ok(tls)
    }
}

fn load_pair(reader: &mut Reader<'_>, certificate: &str, key: Option<&str>) -> Result<ClientPair, TlsFault> {
    let mut read = |path: &str| {
        let fault = |error| TlsFault {
            wording: format!("unable to read CERT file {}: {}", quote(path), read_words(path, &error)),
            path: path.to_owned(),
        };
        reader.read(path).map_err(fault)
    };
    let certificate_pem = read(certificate)?;
    let key_pem = key.map(&mut read).transpose()?;
    let key_pem = key_pem.as_deref().unwrap_or(&certificate_pem);
    pem::check_pair(&certificate_pem, key_pem).map_err(|reason| TlsFault {
        wording: format!("failed to load X509 key pair: {reason}"),
        path: certificate.to_owned(),
    })?;
    let key = pem_file(key.unwrap_or(certificate), key_pem);
    Ok(ClientPair { certificate: pem_file(certificate, &certificate_pem), key })
}

pub fn pem_file(path: &str, bytes: &[u8]) -> PemFile {
    PemFile { path: path.to_owned(), pem: Secret::new(String::from_utf8_lossy(bytes)) }
}
