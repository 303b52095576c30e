//! Why a pull fails: the closed set of causes, who can fix each, and the words for people.
//!
//! The words for people (meaning, evidence, how to confirm, how to fix) are in [`text`].

use std::fmt;
use std::str::FromStr;

pub mod text;

/// Who can fix it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Owner {
    Image,
    Credentials,
    Config,
    Node,
    Network,
    Registry,
}

impl Owner {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Credentials => "credentials",
            Self::Config => "config",
            Self::Node => "node",
            Self::Network => "network",
            Self::Registry => "registry",
        }
    }
}

macro_rules! causes {
    ($($variant:ident $name:literal $owner:ident;)*) => {
        /// The closed set. When each occurs is told by [`text::meaning`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Cause { $($variant),* }

        impl Cause {
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The value of every `cause` label and field.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            pub const fn owner(self) -> Owner {
                match self { $(Self::$variant => Owner::$owner),* }
            }
        }
    };
}

causes! {
    ReferenceInvalid "reference_invalid" Image;
    RepositoryUnknown "repository_unknown" Image;
    ManifestUnknown "manifest_unknown" Image;
    NotFoundOrDenied "not_found_or_denied" Image;
    PlatformMismatch "platform_mismatch" Image;
    ManifestUnsupported "manifest_unsupported" Image;
    ManifestInvalid "manifest_invalid" Registry;
    BlobUnknown "blob_unknown" Registry;
    DigestMismatch "digest_mismatch" Registry;
    PolicyBlocked "policy_blocked" Image;
    ImageNeverPulled "image_never_pulled" Image;
    CredentialsMissing "credentials_missing" Credentials;
    CredentialsRejected "credentials_rejected" Credentials;
    CredentialsExpired "credentials_expired" Credentials;
    CredentialsShadowAnonymous "credentials_shadow_anonymous" Credentials;
    CredentialsMalformed "credentials_malformed" Credentials;
    CredentialProviderFailed "credential_provider_failed" Credentials;
    LoginLocked "login_locked" Credentials;
    AccessDenied "access_denied" Credentials;
    RateLimited "rate_limited" Registry;
    Throttled "throttled" Registry;
    QuotaExceeded "quota_exceeded" Registry;
    RegistryError "registry_error" Registry;
    RegistryTimeout "registry_timeout" Registry;
    ResponseInvalid "response_invalid" Registry;
    StatusUnexpected "status_unexpected" Registry;
    HeadRefused "head_refused" Registry;
    StorageRefused "storage_refused" Registry;
    RequestTooLarge "request_too_large" Registry;
    FilterBlocked "filter_blocked" Network;
    NotARegistry "not_a_registry" Config;
    LegallyBlocked "legally_blocked" Registry;
    RedirectInvalid "redirect_invalid" Registry;
    ConfigInvalid "config_invalid" Config;
    HostsFileInvalid "hosts_file_invalid" Config;
    CaUnusable "ca_unusable" Config;
    DnsNxdomain "dns_nxdomain" Network;
    DnsNoAddress "dns_no_address" Network;
    DnsServfail "dns_servfail" Network;
    DnsRefused "dns_refused" Network;
    DnsTimeout "dns_timeout" Network;
    DnsUnreachable "dns_unreachable" Network;
    TcpRefused "tcp_refused" Network;
    TcpTimeout "tcp_timeout" Network;
    TcpUnreachable "tcp_unreachable" Network;
    TcpReset "tcp_reset" Network;
    ProxyUnreachable "proxy_unreachable" Network;
    ProxyAuthRequired "proxy_auth_required" Network;
    ProxyDenied "proxy_denied" Network;
    TlsUnknownAuthority "tls_unknown_authority" Registry;
    TlsIncompleteChain "tls_incomplete_chain" Registry;
    TlsSelfSigned "tls_self_signed" Registry;
    TlsExpired "tls_expired" Registry;
    TlsNotYetValid "tls_not_yet_valid" Node;
    TlsNameMismatch "tls_name_mismatch" Registry;
    TlsCertificateUnusable "tls_certificate_unusable" Registry;
    TlsProtocol "tls_protocol" Registry;
    TlsClientCertificateRequired "tls_client_certificate_required" Config;
    TlsTimeout "tls_timeout" Network;
    TlsClosed "tls_closed" Network;
    TlsPlainHttp "tls_plain_http" Config;
    HttpToTlsPort "http_to_tls_port" Config;
    ChallengeInvalid "challenge_invalid" Registry;
    TokenInvalid "token_invalid" Registry;
    ClockSkew "clock_skew" Node;
    DiskFull "disk_full" Node;
    InodesExhausted "inodes_exhausted" Node;
    ContainerdUnreachable "containerd_unreachable" Node;
    LimitReached "limit_reached" Node;
    OwnFault "own_fault" Node;
    Unclassified "unclassified" Registry;
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Cause {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.iter().copied().find(|cause| cause.as_str() == text).ok_or(())
    }
}
