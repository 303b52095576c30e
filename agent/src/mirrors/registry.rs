//! Where this containerd finds the hosts of a registry, with the deprecated per-host settings of
//! config.toml made ready for use.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::certs_d::{self, CertsRoot};
use super::pem;
use super::tls_files::{TlsFault, pem_file};
use crate::cause::Cause;
use crate::containerd::pull_mode::directories;
use crate::containerd::reader::{Reader, read_words, unread};
pub use crate::containerd::settings::Mirror;
use go::place::SourceLocation;
use go::text::quote;

use crate::containerd::settings::{Auth, Settings, TlsSettings};
use crate::model::credential::{Credential, CredentialSource, CredentialValue};
use crate::model::finding::{Finding, Severity};
use crate::model::host::{ClientPair, HostTls};
use crate::model::outcome::Failure;
use crate::model::stage::Stage;
use crate::redact::secret::Secret;
use crate::redact::urls;
use crate::version::{PullMode, Version};

/// Everything about registries that is read from containerd's files.
#[derive(Clone, Debug)]
pub struct RegistrySettings {
    pub source: HostSource,
    /// `registry.headers`: sent to every registry host, before the host's own.
    pub headers: Vec<(String, Secret)>,
    /// `registry.configs.*.auth` and `registry.auths`, by the host that is contacted.
    pub credentials: BTreeMap<String, Credential>,
    /// Those that containerd fails on when the host asks for one.
    pub unusable_credentials: BTreeMap<String, Unusable>,
    /// `registry.configs.*.tls` by the host that is contacted. Empty from containerd 2.0 on.
    pub tls: BTreeMap<String, Result<HostTls, TlsFault>>,
}

/// A login that containerd cannot read.
#[derive(Clone, Debug)]
pub struct Unusable {
    pub place: SourceLocation,
    pub failure: Failure,
}

/// Which of containerd's two list makers is at work.
#[derive(Clone, Debug)]
pub enum HostSource {
    /// Directories with hosts.toml; none of them: the registry itself.
    CertsD { roots: Vec<CertsRoot> },
    /// `registry.mirrors`, also when there are none: containerd up to 2.1 without `config_path`.
    Mirrors { mirrors: Vec<Mirror> },
}

impl RegistrySettings {
    /// The registries that the configuration names: directories of certs.d and exact mirrors.
    pub fn namespaces(&self) -> Vec<String> {
        match &self.source {
            HostSource::Mirrors { mirrors } => {
                mirrors.iter().map(|mirror| mirror.name.clone()).filter(|host| host != "*").collect()
            }
            HostSource::CertsD { roots } => roots.iter().flat_map(CertsRoot::registries).collect(),
        }
    }
}

impl Default for RegistrySettings {
    fn default() -> Self {
        let source = HostSource::CertsD { roots: Vec::new() };
        Self {
            source,
            headers: Vec::new(),
            credentials: BTreeMap::new(),
            unusable_credentials: BTreeMap::new(),
            tls: BTreeMap::new(),
        }
    }
}

pub fn load(
    reader: &mut Reader<'_>,
    settings: &Settings,
    config_path: &str,
    mode: PullMode,
    version: Version,
    findings: &mut Vec<Finding>,
) -> RegistrySettings {
    let source = if config_path.is_empty() && mode == PullMode::Local {
        HostSource::Mirrors { mirrors: settings.mirrors.clone() }
    } else {
        // A relative directory starts at containerd's own, which is the root.
        let rooted = |path: &String| crate::containerd::config::rooted(path);
        let roots = directories(config_path, mode);
        HostSource::CertsD {
            roots: roots.iter().map(rooted).map(|path| certs_d::load_root(reader, &path, version)).collect(),
        }
    };
    let mut credentials = BTreeMap::new();
    let mut unusable_credentials = BTreeMap::new();
    let configs = settings.configs.iter().filter_map(|config| Some((config.host.clone(), config.auth.as_ref()?)));
    let auths = settings.auths.iter().map(|(url, auth)| (host_of_auths(url), auth));
    for (host, auth) in configs.chain(auths) {
        unusable_credentials.remove(&host);
        match credential(&host, auth) {
            Ok(Some(credential)) => drop(credentials.insert(host, credential)),
            Ok(None) => drop(credentials.remove(&host)),
            Err(reason) => {
                credentials.remove(&host);
                findings.push(unusable_auth(&host, auth, &reason));
                let detail = format!("{}: {reason}", auth.place);
                let failure = Failure::new(Stage::Token, Cause::ConfigInvalid, detail).with_go_message(reason);
                unusable_credentials.insert(host, Unusable { place: auth.place.clone(), failure });
            }
        }
    }
    let tls = settings
        .configs
        .iter()
        .filter_map(|config| Some((config.host.clone(), load_tls(reader, config.tls.as_ref()?))));
    RegistrySettings {
        source,
        headers: settings.headers.clone(),
        credentials,
        unusable_credentials,
        tls: tls.collect(),
    }
}

fn unusable_auth(host: &str, auth: &Auth, reason: &str) -> Finding {
    let message = format!(
        "the credential for {host} is unusable: containerd fails with `{reason}` when the registry asks for it"
    );
    let fix = "write `auth` as base64 of user:password, or use `username` and `password`";
    let place = &auth.place;
    Finding::new(Severity::Error, "containerd_auth_invalid", message, fix).located(place).about(host)
}

/// `auths` are keyed by URL; what has no scheme is taken as it is.
fn host_of_auths(url: &str) -> String {
    match urls::parse(url) {
        Ok(parsed) if !parsed.scheme.is_empty() => parsed.host,
        _ => url.to_owned(),
    }
}

/// What containerd offers: a user name first, an identity token next, `auth` last.
fn credential(host: &str, auth: &Auth) -> Result<Option<Credential>, String> {
    let value = if !auth.username.is_empty() {
        CredentialValue::Basic { username: auth.username.clone(), password: auth.password.clone() }
    } else if !auth.identity_token.is_empty() {
        CredentialValue::IdentityToken(auth.identity_token.clone())
    } else if !auth.encoded.is_empty() {
        basic_of(auth.encoded.expose())?
    } else {
        return Ok(None);
    };
    Ok(Some(Credential {
        source: CredentialSource::ContainerdConfig,
        key: host.to_owned(),
        origin: Some(auth.place.clone()),
        value,
        renews: None,
    }))
}

fn basic_of(auth: &str) -> Result<CredentialValue, String> {
    // Go passes over line ends in base64.
    let text: String = auth.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
    let decoded = STANDARD.decode(&text).map_err(|error| {
        let at = match error {
            base64::DecodeError::InvalidByte(at, _) | base64::DecodeError::InvalidLastSymbol(at, _) => at,
            _ => text.len() / 4 * 4,
        };
        format!("illegal base64 data at input byte {at}")
    })?;
    let decoded = String::from_utf8_lossy(&decoded).into_owned();
    // containerd's own words would show the decoded text.
    let (user, password) = decoded.split_once(':').ok_or("invalid decoded auth: no colon")?;
    let password = Secret::new(password.trim_matches('\0'));
    // What has no user is a refresh token for containerd's authorizer.
    Ok(match user {
        "" => CredentialValue::IdentityToken(password),
        user => CredentialValue::Basic { username: user.to_owned(), password },
    })
}

/// `getTLSConfig` of containerd 1.x. An authority's file without a certificate is not noticed.
fn load_tls(reader: &mut Reader<'_>, tls: &TlsSettings) -> Result<HostTls, TlsFault> {
    let mut read = |path: &str, what: &str| {
        reader.read(path).map_err(|error| match unread(path, &error) {
            Some(why) => TlsFault { unread: true, ..TlsFault::new(path, why) },
            None => TlsFault::new(path, format!("failed to load {what} file: {}", read_words(path, &error))),
        })
    };
    let mut loaded = HostTls { skip_verify: Some(tls.insecure_skip_verify), ..HostTls::default() };
    match (tls.cert_file.as_str(), tls.key_file.as_str()) {
        ("", "") => {}
        (cert, "") => {
            let words = format!("cert file {} was specified, but no corresponding key file was specified", quote(cert));
            return Err(TlsFault::new(cert, words));
        }
        ("", key) => {
            let words = format!("key file {} was specified, but no corresponding cert file was specified", quote(key));
            return Err(TlsFault::new(key, words));
        }
        (cert, key) => {
            let (certificate, key_pem) = (read(cert, "cert")?, read(key, "cert")?);
            pem::check_pair(&certificate, &key_pem)
                .map_err(|reason| TlsFault::new(cert, format!("failed to load cert file: {reason}")))?;
            loaded.client.push(ClientPair { certificate: pem_file(cert, &certificate), key: pem_file(key, &key_pem) });
        }
    }
    if !tls.ca_file.is_empty() {
        let bytes = read(&tls.ca_file, "CA")?;
        if pem::holds_certificate(&bytes) {
            loaded.ca.push(pem_file(&tls.ca_file, &bytes));
        }
    }
    Ok(loaded)
}
