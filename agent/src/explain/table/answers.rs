//! What registries answer, and what is wrong with what they serve.

use super::{Meaning, Row, STATUS_WORDS, means, of};
#[allow(clippy::enum_glob_use, reason = "a table of causes: their names say what they are")]
use crate::cause::Cause::*;

/// Manifests, blobs, platforms.
pub const CONTENT: &[Row] = &[
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
    of(&[ManifestUnknown, BlobUnknown], &["content at "]).with(&["not found"]).general(),
    of(&[ManifestInvalid, ManifestUnknown], &["unexpected end of JSON input"]).general(),
    of(
        &[ResponseInvalid],
        &[
            "failed to read expected number of bytes",
            "short read: expected",
            "gzip: invalid header",
            "unsupported Content-Encoding",
            "in header not a valid digest",
        ],
    )
    .general(),
    of(&[ManifestInvalid, RegistryError], &["looking for beginning of value"]).general(),
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
    )
    .general(),
];

/// What the registry itself answered.
pub const STATUS: &[Row] = &[
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
    of(&[RegistryTimeout], &[": 408 "]).with(STATUS_WORDS),
    of(&[LegallyBlocked], &[": 451 "]).with(STATUS_WORDS),
    of(&[QuotaExceeded], &[": 402 "]).with(STATUS_WORDS),
    of(&[FilterBlocked], &[": 511 "])
        .with(STATUS_WORDS)
        .note("A captive portal: the network between the node and the registry wants somebody to sign in first."),
    of(&[PolicyBlocked], &[": 412 "]).with(STATUS_WORDS),
    of(&[RequestTooLarge], &[": 413 ", ": 414 ", ": 431 ", ": 494 "]).with(STATUS_WORDS),
    of(&[TlsClientCertificateRequired], &[": 495 ", ": 496 "]).with(STATUS_WORDS),
    of(&[RedirectInvalid], &[": 301 ", ": 302 ", ": 303 ", ": 304 ", ": 307 ", ": 308 "]).with(STATUS_WORDS),
    of(&[StorageRefused, RegistryError], &[": 400 Bad Request"]).with(&["failed open"]),
    of(&[RegistryError, RequestTooLarge, TlsClientCertificateRequired, CredentialsRejected], &[": 400 Bad Request"])
        .note(
            "The words stand in the body of the answer, which the message does not have: `pullprobe check` reads them.",
        ),
    of(&[RegistryError, HeadRefused], &[": 50", ": 52", ": 53", ": 56", ": 59"])
        .with(STATUS_WORDS)
        .note("A server error; or one that only HEAD meets, where `curl` of the same URL succeeds."),
    of(
        &[StatusUnexpected, HeadRefused],
        &["unexpected status", "failed with status code", "failed with unexpected status"],
    )
    .note("A status that registries do not use: look at what is in front of the registry."),
];

/// The words of Docker and CRI-O, and what is left.
pub const OTHERS: &[Row] = &[
    of(&[RepositoryUnknown], &["name unknown", "repository name not known", "name_unknown", "NAME_UNKNOWN"]),
    of(&[ManifestUnknown], &["manifest unknown", "MANIFEST_UNKNOWN"]),
    of(&[CredentialsRejected], &["invalid username/password", "incorrect username or password"]),
    of(&[NotFoundOrDenied], &["requested access to the resource is denied", "pull access denied"])
        .note("The registry gives the same answer for a missing and for a private repository."),
    of(&[CredentialsMissing, CredentialsRejected], &["authentication required", "unauthorized: "]).general(),
    of(&[ManifestUnknown, RepositoryUnknown, NotARegistry], &[": not found"]).with(&["failed to resolve"]),
    of(&[PolicyBlocked], &["SignatureValidationFailed"]).note(
        "The policy for signatures of this node's container runtime refuses the image: containerd has none of its own.",
    ),
    of(&[RegistryError, RegistryTimeout, TcpRefused, TcpTimeout, DnsNxdomain, DnsTimeout], &["RegistryUnavailable"])
        .note("kubelet's word for a registry that gave no usable answer. The message of the pod's event tells more."),
    means(Meaning::BackOff, &["Back-off pulling image", "ImagePullBackOff", "ErrImagePull"]),
];
