//! The certificates and keys that a host's configuration names, read and tried as containerd would.
//!
//! containerd reads them whenever it makes its list of hosts: one that is missing or broken fails
//! every pull from the registry, whichever host would have served it.

use go::place::SourceLocation;
use go::text::{join, quote};
use go::toml::{Data, Dialect, Table, Value};

use super::pem;
use crate::containerd::reader::{Reader, read_words, unread};
use crate::host::root::ReadError;
use crate::model::host::{ClientPair, HostTls, PemFile};
use crate::redact::secret::Secret;

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
    pub go_message: String,
    /// The file at fault.
    pub path: String,
    /// Where it is named; `None`: found by its name alone.
    pub place: Option<SourceLocation>,
    /// pullprobe does not read a file that containerd may well read: the result is unknown.
    pub unread: bool,
}

impl TlsFault {
    pub fn new(path: &str, go_message: impl Into<String>) -> Self {
        Self { go_message: go_message.into(), path: path.to_owned(), place: None, unread: false }
    }

    fn reading(path: &str, what: &str, error: &ReadError) -> Self {
        match unread(path, error) {
            Some(why) => Self { unread: true, ..Self::new(path, why) },
            None => Self::new(path, format!("unable to read {what} {}: {}", quote(path), read_words(path, error))),
        }
    }
}

impl TlsKeys {
    pub const fn is_set(&self) -> bool {
        self.ca.is_some() || !self.client.is_empty() || self.skip_verify.is_some()
    }

    pub fn load(&self, reader: &mut Reader<'_>) -> Result<HostTls, TlsFault> {
        let mut tls = HostTls { skip_verify: self.skip_verify, ..HostTls::default() };
        for path in self.ca.iter().flatten() {
            let bytes = reader.read(path).map_err(|error| TlsFault::reading(path, "CA cert", &error))?;
            if !pem::holds_certificate(&bytes) {
                return Err(TlsFault::new(path, format!("unable to load CA cert {}", quote(path))));
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
    let mut read = |path: &str| reader.read(path).map_err(|error| TlsFault::reading(path, "CERT file", &error));
    let certificate_pem = read(certificate)?;
    let key_pem = key.map(&mut read).transpose()?;
    let key_pem = key_pem.as_deref().unwrap_or(&certificate_pem);
    pem::check_pair(&certificate_pem, key_pem)
        .map_err(|reason| TlsFault::new(certificate, format!("failed to load X509 key pair: {reason}")))?;
    let key = pem_file(key.unwrap_or(certificate), key_pem);
    Ok(ClientPair { certificate: pem_file(certificate, &certificate_pem), key })
}

/// Where the host's `ca` or `client` names the file.
pub fn named_at(keys: &Table, dialect: Dialect, dir: &str, path: &str) -> Option<SourceLocation> {
    let named = ["ca", "client"].into_iter().filter_map(|key| keys.field(key, dialect)).flat_map(texts);
    let is_it = |text: &str| if text.starts_with('/') { text == path } else { join(dir, text) == path };
    named.into_iter().find(|(text, _)| is_it(text)).map(|(_, place)| place.clone())
}

/// All texts in a value, however deep in arrays.
pub fn texts(value: &Value) -> Vec<(&str, &SourceLocation)> {
    match &value.data {
        Data::String(text) => vec![(text, &value.at)],
        Data::Array(items) => items.iter().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

pub fn pem_file(path: &str, bytes: &[u8]) -> PemFile {
    PemFile { path: path.to_owned(), pem: Secret::new(String::from_utf8_lossy(bytes)) }
}
