//! The end of a message, as people remember it and paste it. It counts only where it is all that was handed over and
//! no row with more words fits.

use super::{Row, of};
#[allow(clippy::enum_glob_use, reason = "a table of causes: their names say what they are")]
use crate::cause::Cause::*;

/// What would tell more.
const WHOLE: &str =
    "These words alone leave much open. The whole message tells more: `kubectl describe pod POD | pullprobe explain`.";

pub const FRAGMENTS: &[Row] = &[
    of(&[TcpRefused, DnsUnreachable, ProxyUnreachable, ContainerdUnreachable], &["onnection refused"]).note(WHOLE),
    of(&[TcpUnreachable, DnsUnreachable, ProxyUnreachable], &["no route to host", "etwork is unreachable"]).note(WHOLE),
    of(&[TcpTimeout, DnsTimeout, TlsTimeout, RegistryTimeout, ProxyUnreachable], &["i/o timeout", "timed out"])
        .note(WHOLE),
    of(&[TlsExpired, TlsNotYetValid], &["ertificate has expired", "ertificate expired"]).note(WHOLE),
    of(&[TlsUnknownAuthority, TlsIncompleteChain, TlsSelfSigned], &["unknown authority", "self-signed", "self signed"])
        .note(WHOLE),
    of(&[TlsUnknownAuthority, TlsExpired, TlsNameMismatch, TlsIncompleteChain, TlsSelfSigned], &["x509"]).note(WHOLE),
    of(&[RateLimited, Throttled], &["oo many requests", "oo Many Requests"]).note(WHOLE),
    of(&[ProxyAuthRequired], &["407 Proxy"]).note(WHOLE),
    of(&[CredentialsMissing, CredentialsRejected, CredentialsExpired, NotFoundOrDenied], &["401 Un", "nauthorized"])
        .note(WHOLE),
    of(
        &[NotFoundOrDenied, AccessDenied, CredentialsMissing, StorageRefused, PolicyBlocked],
        &["orbidden", "access denied"],
    )
    .note(WHOLE),
    of(
        &[RegistryError, RegistryTimeout, ProxyDenied],
        &["nternal Server Error", "ad gateway", "ad Gateway", "ervice Unavailable", "ateway Timeout"],
    )
    .note(WHOLE),
    of(&[ManifestUnknown, RepositoryUnknown, NotFoundOrDenied, BlobUnknown], &["404 Not", "not found"]).note(WHOLE),
    of(&[ResponseInvalid, TlsClosed], &["EOF"]).note(WHOLE),
];
