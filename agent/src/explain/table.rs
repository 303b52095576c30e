//! Which words come of which cause: the messages that `diagnose::message` and the probe write, read backwards,
//! and beside them the words of kubelet, Docker and CRI-O.
//!
//! The first row that fits decides. So what is special stands before what is general.

#[allow(clippy::enum_glob_use, reason = "a table of causes: their names say what they are")]
use crate::model::cause::Cause::{self, *};

/// What a message comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// The likeliest first.
    Causes(&'static [Cause]),
    /// kubelet's own limit: no registry was asked.
    OwnLimit,
    /// kubelet waits before it tries again: the reason stands elsewhere.
    BackOff,
    /// The pod forbids the pull, and the image is not on the node.
    NeverPulled,
}

pub struct Row {
    /// One of these is in the message.
    any: &'static [&'static str],
    /// And all of these.
    all: &'static [&'static str],
    pub meaning: Meaning,
    pub note: &'static str,
}

impl Row {
    /// Tells rows apart.
    pub fn name(&self) -> &'static str {
        self.any[0]
    }

    fn fits(&self, message: &str) -> bool {
        self.any.iter().any(|words| message.contains(words)) && self.all.iter().all(|words| message.contains(words))
    }

    const fn with(self, all: &'static [&'static str]) -> Self {
        Self { all, ..self }
    }

    const fn note(self, note: &'static str) -> Self {
        Self { note, ..self }
    }
}

const fn means(meaning: Meaning, any: &'static [&'static str]) -> Row {
    Row { any, all: &[], meaning, note: "" }
}

const fn of(causes: &'static [Cause], any: &'static [&'static str]) -> Row {
    means(Meaning::Causes(causes), any)
}

/// The row of a message. `None`: it tells of no failed pull.
pub fn row(message: &str) -> Option<&'static Row> {
    TABLES.iter().flat_map(|rows| rows.iter()).find(|row| row.fits(message))
}

#[cfg(test)]
pub fn all() -> impl Iterator<Item = &'static Row> {
    TABLES.iter().flat_map(|rows| rows.iter())
}

#[cfg(test)]
impl Row {
    /// A message of all the words that it wants.
    pub fn example(&self) -> String {
        let words: Vec<&str> = self.all.iter().chain(self.any.first()).copied().collect();
        words.join(" … ")
    }
}

const TABLES: [&[Row]; 8] = [KUBELET, FILES, TOKEN, PROXY, NETWORK, CONTENT, STATUS, OTHERS];

const TOKEN_WORDS: &[&str] = &["failed to authorize"];
const OAUTH: &[&str] = &["failed to fetch oauth token"];
const ANONYMOUS: &[&str] = &["failed to fetch anonymous token"];

/// kubelet's own, before any registry is asked.
const KUBELET: &[Row] = &[
    means(Meaning::OwnLimit, &["pull QPS exceeded"]),
    means(Meaning::NeverPulled, &["not present with pull policy of Never", "ErrImageNeverPull"]),
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
    of(&[ConfigInvalid, ContainerdUnreachable], &["unknown service runtime.v1", "connection error: desc ="]).note(
        "Nobody serves CRI at the socket: the CRI plugin of a running containerd did not load, or containerd does not run.",
    ),
    of(&[ContainerdUnreachable], &["containerd.sock: connect:"]),
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
        .note("The message names the node's clock: if that time is wrong, mend the clock."),
    of(&[TlsNotYetValid], &["certificate has expired or is not yet valid"])
        .with(&[" is before "])
        .note("The message names the node's clock: if that time is wrong, mend the clock."),
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

/// Manifests, blobs, platforms.
const CONTENT: &[Row] = &[
    of(
        &[PlatformMismatch],
        &[
            "no match for platform in manifest",
            "no matching manifest for ",
            "no image found in manifest list for architecture",
            "no image found in image index for architecture",
            "exec format error",
        ],
    ),
    of(&[PlatformMismatch], &["get image config descriptor: content digest"]),
    of(&[NotARegistry], &["unexpected media type text/html"]),
    of(&[ManifestUnsupported], &["content digest sha256:", "no processor for media-type"])
        .with(&["failed to unpack image"]),
    of(
        &[ManifestUnsupported, ManifestInvalid, ManifestUnknown],
        &[
            "is no longer supported since containerd",
            "image manifests are no longer supported",
            "media type \"application/vnd.docker.distribution.manifest.v1",
        ],
    )
    .note("The tag holds an image of Docker's old format, or a document without a media type that looks like one."),
    of(&[ManifestInvalid], &["failed size validation"]).with(&["!= -"]),
    of(&[DigestMismatch], &["unexpected commit digest", "failed size validation"]),
    of(&[BlobUnknown, ManifestUnknown], &["could not fetch content descriptor"])
        .note("The message names the media type: that of a layer or a configuration is a blob, any other a manifest."),
    of(&[ManifestUnknown, BlobUnknown], &["content at "]).with(&["not found"]),
    of(&[ManifestInvalid, ManifestUnknown], &["unexpected end of JSON input"]),
    of(
        &[ResponseInvalid],
        &[
            "failed to read expected number of bytes",
            "short read: expected",
            "gzip: invalid header",
            "unsupported Content-Encoding",
            "in header not a valid digest",
        ],
    ),
    of(&[ManifestInvalid, RegistryError], &["looking for beginning of value"]),
    of(
        &[ManifestInvalid],
        &[
            "number of layers and diffIDs don't match",
            "mismatched image rootfs and manifest layers",
            "content size of zero",
            "rejecting ",
            "cannot unmarshal",
            "invalid character ",
            "parsing time ",
            "Time.UnmarshalJSON",
            "no signatures",
            "children: invalid desc",
            "failed to unpack image on snapshotter",
            "get image diffIDs",
        ],
    ),
];

/// What the registry itself answered.
const STATUS: &[Row] = &[
    of(&[RateLimited], &["pull rate limit", "pull quota", "pull limit"]),
    of(&[RateLimited, Throttled], &[": 429 Too Many Requests"])
        .with(&["failed open"])
        .note("A pull quota or a limit on how fast: `pullprobe check` reads the registry's announcement."),
    of(&[Throttled, RateLimited], &[": 429 Too Many Requests", "toomanyrequests"])
        .note("A limit on how fast or a pull quota: `pullprobe check` reads the registry's announcement."),
    of(&[CredentialsMissing, CredentialsRejected, ChallengeInvalid], &[": 401 Unauthorized"]).note(
        "No login was sent, or one that the registry refuses, or the registry does not say which login it wants.",
    ),
    of(&[CredentialsExpired], &["token has expired", "token is expired", "credentials have expired"]),
    of(
        &[PolicyBlocked],
        &[
            "blocking policy",
            "policy violation",
            "organization's policy",
            "signature was required",
            "Source image rejected",
        ],
    ),
    of(&[StorageRefused, AccessDenied, NotFoundOrDenied, FilterBlocked], &[": 403 Forbidden"])
        .with(&["failed open"])
        .note("The URL says who refuses: the registry, or the storage to which it sends the node on."),
    of(
        &[NotFoundOrDenied, AccessDenied, HeadRefused, PolicyBlocked, FilterBlocked, LegallyBlocked, QuotaExceeded],
        &[": 403 Forbidden"],
    )
    .note("The registry refuses without saying why in this message: `pullprobe check` reads its whole answer."),
    of(&[ManifestUnknown, RepositoryUnknown, NotARegistry], &[": 404 Not Found", ": 410 Gone"]).note(
        "Other tags of the repository tell whether it is the name or the tag; `/v2/` tells whether it is a registry.",
    ),
    of(&[RegistryTimeout], &[": 408 "]),
    of(&[LegallyBlocked], &[": 451 "]),
    of(&[QuotaExceeded], &[": 402 "]),
    of(&[PolicyBlocked], &[": 412 "]),
    of(&[RequestTooLarge], &[": 413 ", ": 414 ", ": 431 ", ": 494 "]),
    of(&[TlsClientCertificateRequired], &[": 495 ", ": 496 "]),
    of(&[RedirectInvalid], &[": 301 ", ": 302 ", ": 303 ", ": 304 ", ": 307 ", ": 308 "]),
    of(&[StorageRefused, RegistryError], &[": 400 Bad Request"]).with(&["failed open"]),
    of(&[RegistryError, RequestTooLarge, TlsClientCertificateRequired, CredentialsRejected], &[": 400 Bad Request"])
        .note(
            "The words stand in the body of the answer, which the message does not have: `pullprobe check` reads them.",
        ),
    of(&[RegistryError, HeadRefused], &[": 50", ": 52", ": 53", ": 56", ": 59"])
        .note("A server error; or one that only HEAD meets, where `curl` of the same URL succeeds."),
    of(
        &[StatusUnexpected, HeadRefused],
        &["unexpected status", "failed with status code", "failed with unexpected status"],
    )
    .note("A status that registries do not use: look at what stands before the registry."),
];

/// The words of Docker and CRI-O, and what is left.
const OTHERS: &[Row] = &[
    of(&[RepositoryUnknown], &["name unknown", "repository name not known", "name_unknown", "NAME_UNKNOWN"]),
    of(&[ManifestUnknown], &["manifest unknown", "MANIFEST_UNKNOWN"]),
    of(&[CredentialsRejected], &["invalid username/password", "incorrect username or password"]),
    of(&[NotFoundOrDenied], &["requested access to the resource is denied", "pull access denied"])
        .note("The registry gives the same answer for a missing and for a private repository."),
    of(&[CredentialsMissing, CredentialsRejected], &["authentication required", "unauthorized: "]),
    of(&[ManifestUnknown, RepositoryUnknown, NotARegistry], &[": not found"]).with(&["failed to resolve"]),
    means(Meaning::BackOff, &["Back-off pulling image", "ImagePullBackOff", "ErrImagePull"]),
];
