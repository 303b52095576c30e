//! The certificate, key and authorities of the file, ready for handshakes.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ServerConfig, WebPkiClientVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme,
    SupportedProtocolVersion,
};
use x509_parser::extensions::GeneralName;
use zeroize::Zeroizing;

use super::{Authorities, Clients, TlsServer, TlsVersion};
use crate::file;

/// Of a certificate chain, a key or a bundle of authorities.
pub const FILE_LIMIT: u64 = 1 << 20;

/// How hands are shaken.
#[derive(Clone, Debug)]
pub struct Tls {
    pub with_others: Arc<ServerConfig>,
    /// With the node itself: without a certificate it may ask for the agent's health.
    pub with_node: Arc<ServerConfig>,
    /// Everything but that needs a certificate.
    pub certificate_required: bool,
}

impl Tls {
    /// `Err`: which file is not as it should be.
    pub fn of(server: &TlsServer) -> Result<Self, String> {
        let provider = Arc::new(provider(server));
        let config = |verifier: Arc<dyn ClientCertVerifier>| config(server, &provider, verifier).map(Arc::new);
        let verifier = |must: bool| verifier(&server.clients, &provider, must);
        let required = matches!(server.clients, Clients::Required(_));
        let with_node = config(verifier(false)?)?;
        let with_others = if required { config(verifier(true)?)? } else { Arc::clone(&with_node) };
        Ok(Self { with_others, with_node, certificate_required: required })
    }
}

fn provider(server: &TlsServer) -> CryptoProvider {
    let mut provider = aws_lc_rs::default_provider();
    if let Some(chosen) = &server.suites {
        // As in Go, those of TLS 1.3 are no choice.
        let newest = provider.cipher_suites.iter().filter(|suite| suite.tls13().is_some()).copied();
        let older = chosen.iter().filter(|suite| suite.tls13().is_none()).copied();
        provider.cipher_suites = newest.chain(older).collect();
    }
    if let Some(chosen) = &server.groups {
        provider.kx_groups.clone_from(chosen);
    }
    provider
}

fn config(
    server: &TlsServer,
    provider: &Arc<CryptoProvider>,
    verifier: Arc<dyn ClientCertVerifier>,
) -> Result<ServerConfig, String> {
    let all: [(TlsVersion, &'static SupportedProtocolVersion); 2] =
        [(TlsVersion::Tls12, &rustls::version::TLS12), (TlsVersion::Tls13, &rustls::version::TLS13)];
    let (oldest, newest) = server.versions;
    let versions: Vec<_> =
        all.iter().filter(|(version, _)| (oldest..=newest).contains(version)).map(|(_, version)| *version).collect();
    let (chain, key) = (certificates(&server.cert_file)?, key(&server.key_file)?);
    let mut config = ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(&versions)
        .map_err(|error| format!("the versions and cipher_suites of tls_server_config leave nothing: {error}"))?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)
        .map_err(|error| format!("{} and {}: {error}", server.cert_file.display(), server.key_file.display()))?;
    config.ignore_client_order = server.own_order;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // Each handshake goes by what the files say now.
    config.send_tls13_tickets = 0;
    Ok(config)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let bytes = read(path)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    match chain {
        Ok(chain) if !chain.is_empty() => Ok(chain),
        _ => Err(format!("{}: found no certificate in PEM form, or a damaged one", path.display())),
    }
}

fn key(path: &Path) -> Result<PrivateKeyDer<'static>, String> {
    PrivateKeyDer::from_pem_slice(&read(path)?)
        .map_err(|_| format!("{}: found no private key in PEM form, or an encrypted or damaged one", path.display()))
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, String> {
    file::read(path, FILE_LIMIT).map(Zeroizing::new).map_err(|error| format!("{}: {error}", path.display()))
}

fn verifier(
    clients: &Clients,
    provider: &Arc<CryptoProvider>,
    must: bool,
) -> Result<Arc<dyn ClientCertVerifier>, String> {
    let Some(Authorities { ca_file, allowed_names }) = clients.authorities() else {
        return Ok(WebPkiClientVerifier::no_client_auth());
    };
    let mut roots = RootCertStore::empty();
    for certificate in certificates(ca_file)? {
        roots.add(certificate).map_err(|error| format!("{}: {error}", ca_file.display()))?;
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
    let builder = if must { builder } else { builder.allow_unauthenticated() };
    let chain = builder.build().map_err(|error| format!("{}: {error}", ca_file.display()))?;
    if allowed_names.is_empty() {
        return Ok(chain);
    }
    Ok(Arc::new(Named { chain, allowed: allowed_names.clone() }))
}

/// Of the certificates of an authority, only those with one of these names.
#[derive(Debug)]
struct Named {
    chain: Arc<dyn ClientCertVerifier>,
    allowed: Vec<String>,
}

impl Named {
    fn allows(&self, certificate: &[u8]) -> bool {
        let Ok((_, parsed)) = x509_parser::parse_x509_certificate(certificate) else { return false };
        let Ok(Some(names)) = parsed.subject_alternative_name() else { return false };
        names.value.general_names.iter().filter_map(text).any(|name| self.allowed.contains(&name))
    }
}

/// A name of a certificate as Go writes it. `None`: of a kind that cannot be allowed.
fn text(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(text) | GeneralName::RFC822Name(text) | GeneralName::URI(text) => Some((*text).to_owned()),
        GeneralName::IPAddress(bytes) => match bytes.len() {
            4 => Some(std::net::IpAddr::from(<[u8; 4]>::try_from(*bytes).ok()?).to_string()),
            _ => Some(std::net::IpAddr::from(<[u8; 16]>::try_from(*bytes).ok()?).to_string()),
        },
        _ => None,
    }
}

impl ClientCertVerifier for Named {
    fn offer_client_auth(&self) -> bool {
        self.chain.offer_client_auth()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.chain.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.chain.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.chain.verify_client_cert(certificate, intermediates, now)?;
        if self.allows(certificate) {
            Ok(verified)
        } else {
            Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, Error> {
        self.chain.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, Error> {
        self.chain.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}
