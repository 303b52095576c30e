//! The web configuration file of Prometheus' exporter-toolkit: TLS, client certificates, passwords and headers of the agent's port.
//!
//! What the agent cannot do as the file says is refused, never passed over. No problem shows a password, a hash or a key.

use std::collections::BTreeMap;
use std::path::PathBuf;

use axum::http::{HeaderName, HeaderValue};
use rustls::SupportedCipherSuite;
use rustls::crypto::SupportedKxGroup;

use crate::redact::secret::Secret;

pub mod in_force;
mod names;
pub mod own_client;
pub mod passwords;
mod read;
mod tls;

pub use read::parse;
pub use tls::Tls;

/// What the file says. Without anything: plain HTTP for everybody.
#[derive(Clone, Debug, Default)]
pub struct WebConfig {
    pub tls: Option<TlsServer>,
    /// For every answer.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The bcrypt hash of each user's password.
    pub users: BTreeMap<String, Secret>,
}

/// `tls_server_config`, with paths that do not depend on a directory.
#[derive(Clone, Debug)]
pub struct TlsServer {
    pub cert_file: PathBuf,
    pub key_file: PathBuf,
    pub clients: Clients,
    /// Oldest and newest.
    pub versions: (TlsVersion, TlsVersion),
    /// Of TLS 1.2, in order of preference. `None`: all that there are.
    pub suites: Option<Vec<SupportedCipherSuite>>,
    /// In order of preference. `None`: the usual ones.
    pub groups: Option<Vec<&'static dyn SupportedKxGroup>>,
    pub own_order: bool,
}

/// Whose certificates are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Clients {
    #[default]
    Anybody,
    /// Who shows a certificate shows a good one.
    IfGiven(Authorities),
    Required(Authorities),
}

/// Who vouches for clients, and for which of them. Without names: for all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authorities {
    pub ca_file: PathBuf,
    pub allowed_names: Vec<String>,
}

impl Clients {
    pub fn authorities(&self) -> Option<&Authorities> {
        match self {
            Self::Anybody => None,
            Self::IfGiven(authorities) | Self::Required(authorities) => Some(authorities),
        }
    }
}

/// The versions that rustls has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    Tls12,
    Tls13,
}

impl WebConfig {
    /// Can somebody show who they are?
    pub fn authenticates(&self) -> bool {
        !self.users.is_empty() || self.tls.as_ref().is_some_and(|tls| tls.clients.authorities().is_some())
    }
}
