//! Which words come of which cause: the messages that `diagnose::message` and the probe write, read backwards,
//! and beside them the words of kubelet, Docker and CRI-O.
//!
//! The first row that fits decides, so special rows come before general ones.

mod answers;
mod fragments;

#[allow(clippy::enum_glob_use, reason = "a table of causes: their names say what they are")]
use crate::cause::Cause;
#[allow(clippy::enum_glob_use, reason = "a table of causes: their names say what they are")]
use crate::cause::Cause::*;
use answers::{CONTENT, OTHERS, STATUS};
use fragments::FRAGMENTS;

/// What a message comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// The likeliest first.
    Causes(&'static [Cause]),
    /// kubelet's own limit: no registry was asked.
    OwnLimit,
    /// kubelet waits before it tries again: the reason stands elsewhere.
    BackOff,
}

pub struct Row {
    /// One of these is in the message.
    any: &'static [&'static str],
    /// And all of these.
    all: &'static [&'static str],
    /// Others than those who pull say it too.
    general: bool,
    pub meaning: Meaning,
    pub note: &'static str,
}

impl Row {
    /// Several rows begin with the same words.
    pub fn is(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }

    fn fits(&self, message: &str) -> bool {
        self.any.iter().any(|words| message.contains(words)) && self.all.iter().all(|words| message.contains(words))
    }

    const fn with(self, all: &'static [&'static str]) -> Self {
        Self { all, ..self }
    }

    const fn general(self) -> Self {
        Self { general: true, ..self }
    }

    const fn note(self, note: &'static str) -> Self {
        Self { note, ..self }
    }
}

const fn means(meaning: Meaning, any: &'static [&'static str]) -> Row {
    Row { any, all: &[], general: false, meaning, note: "" }
}

const fn of(causes: &'static [Cause], any: &'static [&'static str]) -> Row {
    means(Meaning::Causes(causes), any)
}

/// The row of a message. `None`: it tells of no failed pull. `alone`: somebody asks about this very message, and so about
/// a pull; of many, those count that say so.
pub fn row(message: &str, alone: bool) -> Option<&'static Row> {
    let says = |words: &[&str]| words.iter().any(|words| message.contains(words));
    if says(&OF_OTHERS) && !says(&OF_A_PULL_ALONE) {
        return None;
    }
    let found = TABLES.iter().find_map(|(rows, general)| Some((rows.iter().find(|row| row.fits(message))?, *general)));
    let Some((row, general)) = found else {
        return if alone && message.len() <= FRAGMENT { FRAGMENTS.iter().find(|row| row.fits(message)) } else { None };
    };
    let is_general = row.general || general;
    (alone || !is_general || says(&OF_A_PULL)).then_some(row)
}

#[cfg(test)]
pub fn all() -> impl Iterator<Item = &'static Row> {
    TABLES.iter().flat_map(|(rows, _)| rows.iter())
}

#[cfg(test)]
impl Row {
    /// A message of all the words that it wants.
    pub fn example(&self) -> String {
        let words: Vec<&str> = self.all.iter().chain(self.any.first()).copied().collect();
        words.join(" … ")
    }
}

/// And whether others than those who pull say the words of the whole table too.
const TABLES: [(&[Row], bool); 8] = [
    (KUBELET, false),
    (FILES, false),
    (TOKEN, false),
    (PROXY, true),
    (NETWORK, true),
    (CONTENT, false),
    (STATUS, true),
    (OTHERS, false),
];

/// The end of a message is at most so long, in bytes.
const FRAGMENT: usize = 64;

/// One of these is in what is said of a pull.
const OF_A_PULL: [&str; 16] = [
    "pull",
    "Pull",
    "image",
    "Image",
    "registry",
    "/v2/",
    "failed to resolve",
    "failed to do request",
    "failed to authorize",
    "failed to fetch",
    "failed open",
    "toomanyrequests",
    "manifest",
    "blob",
    "layer",
    "docker login",
];
/// Nobody else says these.
const OF_A_PULL_ALONE: [&str; 5] =
    ["failed to pull", "Failed to pull", "pull and unpack image", "ErrImagePull", "PullImage"];
/// Events and lines of logs that have the same words and tell of something else.
const OF_OTHERS: [&str; 21] = [
    "probe failed",
    "probe errored",
    "MountVolume",
    "FailedMount",
    "AttachVolume",
    "attach or mount volumes",
    "failed calling webhook",
    "FailedScheduling",
    "containerPort",
    "failed to setup network for sandbox",
    "failed to set up sandbox container",
    "failed (add)",
    "Could not process manifest file",
    "node status",
    "node lease",
    "Failed to watch",
    "csi.sock",
    // What kubectl and the shell say of the command that was to be explained.
    "Error from server",
    "Unable to connect to the server",
    "command not found",
    "error: context ",
];

/// A number alone may be a port.
const STATUS_WORDS: &[&str] = &["status"];
const TOKEN_WORDS: &[&str] = &["failed to authorize"];
const OAUTH: &[&str] = &["failed to fetch oauth token"];
const ANONYMOUS: &[&str] = &["failed to fetch anonymous token"];

/// kubelet's own, before any registry is asked.
const KUBELET: &[Row] = &[
    means(Meaning::OwnLimit, &["pull QPS exceeded"]),
    of(&[ImageNeverPulled], &["not present with pull policy of Never", "ErrImageNeverPull"]),
    of(
        &[ReferenceInvalid],
        &[
            "invalid reference format",
            "couldn't parse image",
            "InvalidImageName",
            "cannot specify 64-byte hexadecimal strings",
            "short-name ",
        ],
    ),
    of(&[ConfigInvalid, ManifestInvalid], &["illegal base64 data at input byte"])
        .with(&["failed to pull and unpack image"])
        .note("An `auth` of config.toml is not base64, or the manifest holds data that is not."),
    of(
        &[CredentialsMalformed],
        &[
            "illegal base64 data at input byte",
            "unable to parse auth field",
            "of type credentialprovider.",
            "struct field DockerConfig",
        ],
    )
    .note("A pull secret that the pod names does not parse. kubelet tries no pull at all."),
    of(&[CredentialsMissing], &["Unable to retrieve some image pull secrets", "FailedToRetrieveImagePullSecret"])
        .note("The pod names a pull secret that is not in its namespace. kubelet pulls without a login."),
];

/// containerd's files, and containerd itself.
const FILES: &[Row] = &[
    of(&[ConfigInvalid, ContainerdUnreachable], &["unknown service runtime.v1"]).note(
        "Nobody serves CRI at the socket: the CRI plugin of a running containerd did not load, or containerd does not run.",
    ),
    of(&[ContainerdUnreachable], &["containerd.sock: connect:"]),
    of(&[ContainerdUnreachable, ConfigInvalid], &["connection error: desc ="]).with(&["containerd"]),
    of(
        &[CaUnusable],
        &[
            "unable to read CA cert",
            "unable to load CA cert",
            "unable to read CERT file",
            "failed to load X509 key pair",
            "get TLSConfig for registry",
        ],
    ),
    of(&[ConfigInvalid], &["get registry endpoints:", "unable to initialize unpacker"]),
    of(&[HostsFileInvalid], &["no resolve hosts", "hosts.toml: "]),
    of(&[DiskFull, InodesExhausted], &["no space left on device"])
        .general()
        .note("`df -h` tells a full disk, `df -i` a disk without free inodes."),
];

/// The token service.
const TOKEN: &[Row] = &[
    of(&[TokenInvalid], &["did not include a token in the response", "unable to decode token response"]),
    of(&[TokenInvalid], &["net/http: invalid header field value"]).with(TOKEN_WORDS),
    of(&[ChallengeInvalid], &["unsupported protocol scheme", "no Host in request URL"]).with(TOKEN_WORDS),
    of(&[ChallengeInvalid], &["invalid token auth challenge realm", "no realm specified for token auth challenge"]),
    of(&[CredentialsRejected, CredentialsShadowAnonymous], &[": 401 Unauthorized"])
        .with(OAUTH)
        .note("The login was sent and refused. `pullprobe check` tells whether the image can be had without one."),
    of(&[CredentialsRejected, NotFoundOrDenied, TokenInvalid, AccessDenied, LoginLocked], &[": 403 Forbidden"]).with(OAUTH).note(
        "The token service refuses the login, or what it asks for. `pullprobe check` reads the words of the answer.",
    ),
    of(&[CredentialsRejected], &[": 400 Bad Request"]).with(OAUTH),
    of(&[CredentialsMissing, NotFoundOrDenied], &[": 401 Unauthorized"])
        .with(ANONYMOUS)
        .note("No login was sent: the pod brings none, or none whose key matches the image."),
    of(&[NotFoundOrDenied, CredentialsMissing], &[": 403 Forbidden"])
        .with(ANONYMOUS)
        .note("No login was sent: the pod brings none, or none whose key matches the image."),
    of(&[LoginLocked, Throttled, RateLimited], &[": 429 Too Many Requests"])
        .with(TOKEN_WORDS)
        .note("Too many token requests, too many pulls, or too many failed logins: the words of the answer tell."),
    of(&[TokenInvalid], &[": 404 Not Found"])
        .with(TOKEN_WORDS)
        .note("The token service is not at the address that the registry names."),
    of(&[RegistryError, TokenInvalid], &["unexpected status: 5", ": 50", ": 400 Bad Request"]).with(TOKEN_WORDS),
    of(&[StatusUnexpected, TokenInvalid, RequestTooLarge], &["unexpected status"]).with(TOKEN_WORDS),
    of(&[CredentialsMissing], &["no basic auth credentials"]).note(
        "The registry wants a login, and none was sent: the pod brings none, or none whose key matches the image.",
    ),
    of(&[TokenInvalid], &["invalid_token"]).note("The registry does not trust the tokens of its own token service."),
    of(&[NotFoundOrDenied], &["insufficient_scope"])
        .note("The registry gives the same answer for a missing and for a private repository."),
];

/// A proxy on the way. It says a status without its number.
const PROXY: &[Row] = &[
    of(&[ProxyAuthRequired], &["\": Proxy Authentication Required", "407 Proxy Authentication"]),
    of(&[ProxyUnreachable], &["proxyconnect tcp:", "refusing to use HTTP_PROXY", "socks connect "]),
    of(
        &[ProxyDenied],
        &[
            "\": Forbidden",
            "\": Not Found",
            "\": Bad Gateway",
            "\": Service Unavailable",
            "\": Method Not Allowed",
            "\": Gateway Timeout",
            "\": Internal Server Error",
            "\": Bad Request",
            "\": Unauthorized",
        ],
    )
    .with(&["failed to"]),
    of(&[ProxyUnreachable], &["\": malformed HTTP ", "\": unexpected EOF"]),
];

/// Names, addresses, TLS and HTTP itself.
const NETWORK: &[Row] = &[
    of(&[DnsNxdomain, DnsNoAddress], &["no such host", "nodename nor servname"])
        .note("Ask the nameserver that the message names: no such name, or a name without an address."),
    of(&[DnsServfail, DnsRefused], &["server misbehaving"])
        .note("The nameserver answered SERVFAIL or REFUSED: `dig` at that nameserver tells which."),
    of(&[DnsServfail], &["lame referral"]),
    of(&[DnsServfail, DnsTimeout], &["Temporary failure in name resolution"]),
    of(&[DnsTimeout], &["i/o timeout", "connection timed out"]).with(&["lookup "]),
    of(&[DnsUnreachable], &["connection refused", "is unreachable", "no route to host"]).with(&["lookup "]),
    of(&[HostsFileInvalid, ReferenceInvalid], &[": invalid port"]),
    of(&[TcpRefused], &["connect: connection refused"]),
    of(&[TcpUnreachable], &["connect: network is unreachable", "connect: no route to host", "host is unreachable"]),
    of(&[TcpTimeout], &["i/o timeout", "connect: connection timed out"]).with(&["dial tcp"]),
    of(&[TcpReset], &["connect: connection reset by peer"]),
    of(&[TlsTimeout], &["TLS handshake timeout"]),
    of(&[TcpTimeout, TlsTimeout, RegistryTimeout], &["request canceled while waiting for connection"])
        .note("The connection was not there in time. `pullprobe check` tells whether address, handshake or answer is missing."),
    of(&[RegistryTimeout, TcpTimeout, TlsTimeout], &["Client.Timeout exceeded", "context deadline exceeded", "context canceled"])
        .note("Nothing came in time. `pullprobe check` tells whether address, handshake or answer is missing."),
    of(&[RegistryTimeout], &["timeout awaiting response headers"]),
    of(&[TlsExpired], &["certificate has expired or is not yet valid"])
        .with(&[" is after "])
        .note("The message names the node's clock: if that time is wrong, set the clock."),
    of(&[TlsNotYetValid], &["certificate has expired or is not yet valid"])
        .with(&[" is before "])
        .note("The message names the node's clock: if that time is wrong, set the clock."),
    of(&[TlsExpired, TlsNotYetValid], &["certificate has expired or is not yet valid"]),
    of(&[TlsUnknownAuthority], &["is not authorized to sign for this name"]),
    of(&[TlsUnknownAuthority, TlsIncompleteChain, TlsSelfSigned], &["certificate signed by unknown authority"]).note(
        "The node does not know the authority, the server leaves an intermediate certificate out, or the certificate is its own \
         authority.",
    ),
    of(
        &[TlsNameMismatch],
        &[
            "certificate is valid for ",
            "certificate is not valid for any names",
            "relies on legacy Common Name",
            "doesn't contain any IP SANs",
            "doesn't contain any DNS SANs",
        ],
    ),
    of(&[TlsPlainHttp], &["server gave HTTP response to HTTPS client"]),
    of(
        &[TlsClientCertificateRequired],
        &["remote error: tls: certificate required", "remote error: tls: bad certificate", "No required SSL certificate"],
    ),
    of(&[TlsCertificateUnusable], &["x509: "]),
    of(
        &[TlsProtocol],
        &["remote error: tls: ", "first record does not look like a TLS handshake", "unsupported protocol version", "tls: handshake"],
    ),
    of(&[HttpToTlsPort], &["malformed HTTP response \"\\x15", "malformed HTTP response \"\u{15}"]),
    of(&[HttpToTlsPort], &["HTTP request to an HTTPS server", "plain HTTP request was sent to HTTPS port"]),
    of(&[HttpToTlsPort, ResponseInvalid], &["malformed HTTP response"]),
    of(&[TlsClosed, ResponseInvalid], &["connection reset by peer", "broken pipe"])
        .note("Something between the node and the registry cut the connection, or the registry did."),
    of(&[ResponseInvalid, TlsClosed], &["\": EOF"])
        .note("The connection ended without an answer, in the handshake or behind it."),
    of(&[HostsFileInvalid, TokenInvalid], &["net/http: invalid header field value"]),
    of(
        &[RedirectInvalid],
        &["stopped after 10 redirects", "Location header", "no Host in request URL", "unsupported protocol scheme"],
    ),
    of(&[ResponseInvalid], &["transport connection broken", "http2: ", "stream error"]),
];
