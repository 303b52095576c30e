//! The evidence that each stage leaves behind.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use go::address::Address;

use crate::cause::Cause;
use crate::redact::clean::Clean;

/// How the name became addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameSource {
    Dns,
    HostsFile,
    /// The host is an IP literal: nothing was looked up.
    Literal,
}

impl NameSource {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::HostsFile => "hosts-file",
            Self::Literal => "literal",
        }
    }
}

#[derive(Clone, Debug)]
pub struct DnsFacts {
    pub source: NameSource,
    /// The name that answered: another than was asked for when a search suffix was used. For a
    /// hosts file entry, its `file:line`. Empty when none answered.
    pub answered: Clean,
    /// In the order in which Go's dialer would try them.
    pub addresses: Vec<Address>,
    /// pullprobe did not wait for the end of the lookup: its result and duration are calculated from what each
    /// nameserver answered.
    pub reckoned: bool,
    /// Every nameserver of resolv.conf, each asked on its own, also for a name of the hosts file.
    /// Empty for a literal, and where nsswitch.conf leaves DNS out.
    pub nameservers: Vec<NameserverFacts>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    Udp,
    Tcp,
}

impl Transport {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
        }
    }
}

#[derive(Clone, Debug)]
pub struct NameserverFacts {
    pub server: SocketAddr,
    pub transport: Transport,
    /// The response code's mnemonic (`NOERROR`, `NXDOMAIN`). `None` when no answer came.
    pub rcode: Option<Clean>,
    /// How many A and AAAA records it gave.
    pub a: usize,
    pub aaaa: usize,
    pub addresses: Vec<IpAddr>,
    pub duration: Duration,
    /// Why this server alone would fail the lookup. `None` when it would not.
    pub cause: Option<Cause>,
    /// Why it gave no A record, and why no AAAA record: `DnsNoAddress` where the name has none.
    pub a_cause: Option<Cause>,
    pub aaaa_cause: Option<Cause>,
}

#[derive(Clone, Debug)]
pub struct TcpFacts {
    /// Every resolved address, each connected to.
    pub addresses: Vec<AddressFacts>,
    /// The one that Go's dialer would use. `None` when none connects.
    pub chosen: Option<SocketAddr>,
}

#[derive(Clone, Debug)]
pub struct AddressFacts {
    pub address: SocketAddr,
    /// `None` when it connects.
    pub cause: Option<Cause>,
    pub duration: Duration,
}

#[derive(Clone, Debug)]
pub struct ProxyFacts {
    /// The proxy's URL without user information. `None` when the host is reached directly.
    pub proxy: Option<Clean>,
    /// Which rule decided: `HTTPS_PROXY`, `NO_PROXY=.example`, `none`.
    pub rule: Clean,
    /// The status of the answer to CONNECT. `None` when none came or none was asked.
    pub connect_status: Option<u16>,
}

#[derive(Clone, Debug)]
pub struct TlsFacts {
    /// `TLSv1.3`. `None` when the handshake did not get that far; likewise the next two.
    pub version: Option<Clean>,
    pub cipher: Option<Clean>,
    pub alpn: Option<Clean>,
    /// Where the trusted roots come from: files as the node names them.
    pub trust: Vec<Clean>,
    /// Whether the presented chain verifies, also where `skip_verify` makes containerd not look.
    pub verified: bool,
    /// Why it does not, when `skip_verify` hid it.
    pub ignored: Option<Cause>,
    /// As presented, leaf first.
    pub chain: Arc<[CertificateFacts]>,
}

#[derive(Clone, Debug)]
pub struct CertificateFacts {
    pub subject: Clean,
    pub issuer: Clean,
    /// Unix seconds.
    pub not_before: i64,
    pub not_after: i64,
    /// DNS names and IP addresses it is for.
    pub names: Vec<Clean>,
    /// Lower-case hex of the DER's SHA-256.
    pub sha256: String,
    /// Whether it carries timestamps of public logs, as what public authorities issue does.
    pub logged: bool,
}

#[derive(Clone, Debug)]
pub struct PingFacts {
    pub http_status: u16,
    pub challenges: Vec<ChallengeFacts>,
}

/// A challenge as the registry wrote it, query and user information of the realm removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChallengeFacts {
    pub scheme: Clean,
    pub realm: Option<Clean>,
    pub service: Option<Clean>,
}

#[derive(Clone, Debug)]
pub struct TokenFacts {
    /// `host:port` of the token service.
    pub host: Clean,
    pub anonymous: bool,
    /// `None` when the service does not say.
    pub expires_in: Option<Duration>,
}
