//! What each cause means and what to do about it: the only place where these words stand.
//!
//! In commands, words in capitals (`IMAGE`, `REGISTRY`, `SERVER`) stand for what the report names.

use std::fmt::Write as _;

use super::Cause;

mod config;
mod credentials;
mod dns;
mod image;
pub mod kubelet;
mod network;
mod node;
mod refused;
mod registry;
mod tls;

/// The words for one cause.
#[derive(Clone, Copy, Debug)]
pub struct Text {
    /// One sentence: what is wrong.
    pub summary: &'static str,
    /// What pullprobe saw that tells this cause from its neighbours.
    pub evidence: &'static str,
    /// A command to see it by hand on the node.
    pub confirm: &'static str,
    /// What to change, naming a command or a file.
    pub fix: &'static str,
}

impl Cause {
    /// What is wrong, in one sentence.
    pub const fn summary(self) -> &'static str {
        text(self).summary
    }

    /// What to change, naming a command or a file.
    pub const fn fix(self) -> &'static str {
        text(self).fix
    }
}

#[allow(clippy::too_many_lines, reason = "a table: one line for each cause")]
pub const fn text(cause: Cause) -> Text {
    match cause {
        Cause::ReferenceInvalid => image::REFERENCE_INVALID,
        Cause::RepositoryUnknown => image::REPOSITORY_UNKNOWN,
        Cause::ManifestUnknown => image::MANIFEST_UNKNOWN,
        Cause::NotFoundOrDenied => image::NOT_FOUND_OR_DENIED,
        Cause::PlatformMismatch => image::PLATFORM_MISMATCH,
        Cause::ManifestUnsupported => image::MANIFEST_UNSUPPORTED,
        Cause::ManifestInvalid => image::MANIFEST_INVALID,
        Cause::BlobUnknown => image::BLOB_UNKNOWN,
        Cause::DigestMismatch => image::DIGEST_MISMATCH,
        Cause::PolicyBlocked => image::POLICY_BLOCKED,
        Cause::ImageNeverPulled => kubelet::IMAGE_NEVER_PULLED,
        Cause::CredentialsMissing => credentials::CREDENTIALS_MISSING,
        Cause::CredentialsRejected => credentials::CREDENTIALS_REJECTED,
        Cause::CredentialsExpired => credentials::CREDENTIALS_EXPIRED,
        Cause::CredentialsShadowAnonymous => credentials::CREDENTIALS_SHADOW_ANONYMOUS,
        Cause::CredentialsMalformed => credentials::CREDENTIALS_MALFORMED,
        Cause::CredentialProviderFailed => credentials::CREDENTIAL_PROVIDER_FAILED,
        Cause::LoginLocked => refused::LOGIN_LOCKED,
        Cause::AccessDenied => credentials::ACCESS_DENIED,
        Cause::RateLimited => registry::RATE_LIMITED,
        Cause::Throttled => registry::THROTTLED,
        Cause::QuotaExceeded => registry::QUOTA_EXCEEDED,
        Cause::RegistryError => registry::REGISTRY_ERROR,
        Cause::RegistryTimeout => registry::REGISTRY_TIMEOUT,
        Cause::ResponseInvalid => registry::RESPONSE_INVALID,
        Cause::StatusUnexpected => refused::STATUS_UNEXPECTED,
        Cause::HeadRefused => refused::HEAD_REFUSED,
        Cause::StorageRefused => refused::STORAGE_REFUSED,
        Cause::RequestTooLarge => refused::REQUEST_TOO_LARGE,
        Cause::FilterBlocked => refused::FILTER_BLOCKED,
        Cause::NotARegistry => config::NOT_A_REGISTRY,
        Cause::LegallyBlocked => registry::LEGALLY_BLOCKED,
        Cause::RedirectInvalid => registry::REDIRECT_INVALID,
        Cause::ConfigInvalid => config::CONFIG_INVALID,
        Cause::HostsFileInvalid => config::HOSTS_FILE_INVALID,
        Cause::CaUnusable => config::CA_UNUSABLE,
        Cause::DnsNxdomain => dns::DNS_NXDOMAIN,
        Cause::DnsNoAddress => dns::DNS_NO_ADDRESS,
        Cause::DnsServfail => dns::DNS_SERVFAIL,
        Cause::DnsRefused => dns::DNS_REFUSED,
        Cause::DnsTimeout => dns::DNS_TIMEOUT,
        Cause::DnsUnreachable => dns::DNS_UNREACHABLE,
        Cause::TcpRefused => network::TCP_REFUSED,
        Cause::TcpTimeout => network::TCP_TIMEOUT,
        Cause::TcpUnreachable => network::TCP_UNREACHABLE,
        Cause::TcpReset => network::TCP_RESET,
        Cause::ProxyUnreachable => network::PROXY_UNREACHABLE,
        Cause::ProxyAuthRequired => network::PROXY_AUTH_REQUIRED,
        Cause::ProxyDenied => network::PROXY_DENIED,
        Cause::TlsUnknownAuthority => tls::TLS_UNKNOWN_AUTHORITY,
        Cause::TlsIncompleteChain => tls::TLS_INCOMPLETE_CHAIN,
        Cause::TlsSelfSigned => tls::TLS_SELF_SIGNED,
        Cause::TlsExpired => tls::TLS_EXPIRED,
        Cause::TlsNotYetValid => tls::TLS_NOT_YET_VALID,
        Cause::TlsCertificateUnusable => tls::TLS_CERTIFICATE_UNUSABLE,
        Cause::TlsNameMismatch => tls::TLS_NAME_MISMATCH,
        Cause::TlsProtocol => tls::TLS_PROTOCOL,
        Cause::TlsClientCertificateRequired => tls::TLS_CLIENT_CERTIFICATE_REQUIRED,
        Cause::TlsTimeout => tls::TLS_TIMEOUT,
        Cause::TlsClosed => tls::TLS_CLOSED,
        Cause::TlsPlainHttp => tls::TLS_PLAIN_HTTP,
        Cause::HttpToTlsPort => tls::HTTP_TO_TLS_PORT,
        Cause::ChallengeInvalid => registry::CHALLENGE_INVALID,
        Cause::TokenInvalid => registry::TOKEN_INVALID,
        Cause::ClockSkew => node::CLOCK_SKEW,
        Cause::DiskFull => node::DISK_FULL,
        Cause::InodesExhausted => node::INODES_EXHAUSTED,
        Cause::ContainerdUnreachable => node::CONTAINERD_UNREACHABLE,
        Cause::OwnFault => node::OWN_FAULT,
        Cause::LimitReached => node::LIMIT_REACHED,
        Cause::Unclassified => node::UNCLASSIFIED,
    }
}

/// `docs/causes.md`: every cause with its words.
pub fn markdown() -> String {
    let mut page = String::from(
        "# Causes\n\n\
         One word says why a pull fails. `pullprobe explain CAUSE` prints the same as this page, which is\n\
         generated from the program. In commands, words in capitals (`IMAGE`, `REGISTRY`, `SERVER`) stand for\n\
         what the report names. The owner is the party that can usually fix it.\n\n\
         | cause | owner | meaning |\n|---|---|---|\n",
    );
    for cause in Cause::ALL {
        let owner = cause.owner().as_str();
        let _ = writeln!(page, "| [`{cause}`](#{cause}) | {owner} | {} |", cause.summary().replace('|', "\\|"));
    }
    for cause in Cause::ALL {
        let Text { summary, evidence, confirm, fix } = text(*cause);
        let _ = write!(
            page,
            "\n## `{cause}`\n\n{summary}\n\n- **Evidence.** {evidence}\n- **Confirm.** {confirm}\n- **Fix.** {fix}\n"
        );
    }
    page.push_str(
        "\n## What else is in a container's way\n\n\
         Metrics, `needed_by` in the report and `waiting_cause` of `pullprobe why` have three words beside the causes.\n\
         `pullprobe explain` takes them, too.\n",
    );
    for (name, _, Text { summary, evidence, confirm, fix }) in kubelet::STATES {
        let _ = write!(
            page,
            "\n### `{name}`\n\n{summary}\n\n- **Evidence.** {evidence}\n- **Confirm.** {confirm}\n- **Fix.** {fix}\n"
        );
    }
    page
}

#[cfg(test)]
mod tests;
