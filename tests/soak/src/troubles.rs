//! What can be wrong with a registry, and what is true then: containerd's answer.

use pullprobe_lab::registry::{Content, DigestHeader, Fault, Image, Kind, Then};

/// One state of a registry.
pub struct Trouble {
    pub name: &'static str,
    pub by: By,
    /// What is true of its image.
    pub image: Truth,
    /// What is true of the registry's host.
    pub host: Truth,
    pub silence: Silence,
}

/// Whose probes only end because time passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Silence {
    Nobody,
    Image,
    All,
}

/// How it is made.
pub enum By {
    /// Nothing is wrong.
    Nothing,
    /// Rules of the registry.
    Rules(fn() -> Vec<Fault>),
    /// What the tag points to.
    Content(fn() -> Content),
    /// hosts.toml leads elsewhere.
    Elsewhere(Elsewhere),
}

/// Servers that all registries share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Elsewhere {
    Closed,
    Reset,
    Unknown,
    FailingName,
    NoAddress,
    Expired,
    OtherAuthority,
    SelfSigned,
    OtherName,
    Alert,
    NoTls,
    PlainHttp,
}

/// containerd's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truth {
    Well,
    Fails(&'static str),
    /// The pull succeeds, and nothing starts.
    PullsInVain(&'static str),
    /// It depends on how long containerd waits, or pullprobe stops at a limit of its own.
    Unknown,
}

impl Truth {
    /// Whether this was told.
    pub fn is(self, well: Option<bool>, cause: Option<&str>) -> bool {
        match self {
            Self::Well => well == Some(true) && cause.is_none(),
            Self::PullsInVain(why) => well == Some(true) && cause == Some(why),
            Self::Fails(why) => well == Some(false) && cause == Some(why),
            Self::Unknown => well.is_none(),
        }
    }
}

const fn trouble(name: &'static str, by: By, image: Truth, host: Truth) -> Trouble {
    Trouble { name, by, image, host, silence: Silence::Nobody }
}

/// The host is well, the image is not.
const fn answers(name: &'static str, rules: fn() -> Vec<Fault>, image: Truth) -> Trouble {
    trouble(name, By::Rules(rules), image, Truth::Well)
}

const fn elsewhere(name: &'static str, place: Elsewhere, cause: &'static str) -> Trouble {
    trouble(name, By::Elsewhere(place), Truth::Fails(cause), Truth::Fails(cause))
}

/// Nothing wrong.
pub const WELL: Trouble = trouble("well", By::Nothing, Truth::Well, Truth::Well);

pub const ALL: &[Trouble] = &[
    elsewhere("a dead port", Elsewhere::Closed, "tcp_refused"),
    elsewhere("a reset", Elsewhere::Reset, "tcp_reset"),
    elsewhere("a name that is unknown", Elsewhere::Unknown, "dns_nxdomain"),
    elsewhere("a name server that fails", Elsewhere::FailingName, "dns_servfail"),
    elsewhere("a name without an address", Elsewhere::NoAddress, "dns_no_address"),
    elsewhere("a certificate that expired", Elsewhere::Expired, "tls_expired"),
    elsewhere("another authority", Elsewhere::OtherAuthority, "tls_unknown_authority"),
    elsewhere("a certificate that signs itself", Elsewhere::SelfSigned, "tls_self_signed"),
    elsewhere("another name in the certificate", Elsewhere::OtherName, "tls_name_mismatch"),
    elsewhere("an alert", Elsewhere::Alert, "tls_protocol"),
    elsewhere("bytes that are no TLS", Elsewhere::NoTls, "tls_protocol"),
    elsewhere("HTTP where TLS is spoken", Elsewhere::PlainHttp, "tls_plain_http"),
    answers("slow", || delayed(Kind::Manifest, 20), Truth::Well),
    answers("401", unauthorized, Truth::Fails("credentials_missing")),
    answers(
        "404 of the tag",
        || all(Kind::Manifest, |on| on.error(404, "MANIFEST_UNKNOWN", "manifest unknown")),
        Truth::Fails("manifest_unknown"),
    ),
    answers(
        "404 of the repository",
        || all(Kind::Manifest, |on| on.error(404, "NAME_UNKNOWN", "no such repository")),
        Truth::Fails("repository_unknown"),
    ),
    answers(
        "a pull limit",
        || all(Kind::Manifest, |on| on.error(429, "TOOMANYREQUESTS", "You have reached your pull rate limit.")),
        Truth::Fails("rate_limited"),
    ),
    answers("too many at once", || all(Kind::Manifest, |on| on.status(429)), Truth::Fails("throttled")),
    answers(
        "429 for a minute",
        || all(Kind::Manifest, |on| on.status(429).header("retry-after", "60")),
        Truth::Fails("throttled"),
    ),
    trouble(
        "503",
        By::Rules(|| all(Kind::Any, |on| on.status(503))),
        Truth::Fails("registry_error"),
        Truth::Fails("registry_error"),
    ),
    answers("503 of the documents", || all(Kind::Manifest, |on| on.status(503)), Truth::Fails("registry_error")),
    trouble(
        "another platform",
        By::Content(|| Content::image("linux/s390x")),
        Truth::PullsInVain("platform_mismatch"),
        Truth::Well,
    ),
    trouble(
        "an index of other platforms",
        By::Content(|| Content::platforms(&["linux/s390x", "windows/amd64"])),
        Truth::Fails("platform_mismatch"),
        Truth::Well,
    ),
    trouble("a layer that is missing", By::Content(without_layers), Truth::Fails("blob_unknown"), Truth::Well),
    trouble("an index of 20,000 entries", By::Content(huge_index), Truth::Unknown, Truth::Well),
    trouble(
        "a document that is none",
        By::Content(|| raw_document("{\"schemaVersion\":2,\"layers\":[")),
        Truth::Fails("manifest_invalid"),
        Truth::Well,
    ),
    trouble(
        "a list in lists",
        By::Content(|| raw_document(&"[".repeat(20_000))),
        Truth::Fails("manifest_invalid"),
        Truth::Well,
    ),
    answers(
        "other bytes than the digest says",
        || got(Then { corrupt: true, ..Then::default() }),
        Truth::Fails("digest_mismatch"),
    ),
    answers(
        "another digest in the header",
        || heads(Then { digest_header: Some(DigestHeader::Text("sha256:zz".into())), ..Then::default() }),
        Truth::Fails("response_invalid"),
    ),
    answers(
        "a body that ends early",
        || got(Then { truncate_at: Some(40), ..Then::default() }),
        Truth::Fails("response_invalid"),
    ),
    answers(
        "a redirect in a circle",
        || all(Kind::Manifest, |on| on.redirect("${path}")),
        Truth::Fails("redirect_invalid"),
    ),
    hostile("bytes that are no HTTP", || raw("\u{0}\u{1}\u{2} garbage \u{7f}\r\n\r\n"), "response_invalid"),
    hostile(
        "frames of HTTP/2",
        || {
            raw(
                "\u{0}\u{0}\u{12}\u{4}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{3}\u{0}\u{0}\u{0}d\u{0}\u{4}\u{0}\u{10}\u{0}\u{0}\u{0}\u{6}\u{0}\u{0}@\u{0}",
            )
        },
        "response_invalid",
    ),
    // No more than the agent reads without waiting for its turn: here no time passes (agent/src/http/fair.rs).
    hostile("100 Continue 5,000 times", || raw(&"HTTP/1.1 100 Continue\r\n\r\n".repeat(5_000)), "response_invalid"),
    hostile(
        "no answer, and the end",
        || vec![Fault::default().then(Then { close_early: true, ..Then::default() })],
        "response_invalid",
    ),
    Trouble {
        name: "documents that never come",
        by: By::Rules(|| vec![Fault::on(Kind::Manifest).then(Then { hang: true, ..Then::default() })]),
        image: Truth::Unknown,
        host: Truth::Well,
        silence: Silence::Image,
    },
    Trouble {
        name: "a body that stops",
        by: By::Rules(|| got(Then { stall_at: Some(40), ..Then::default() })),
        image: Truth::Unknown,
        host: Truth::Well,
        silence: Silence::Image,
    },
    Trouble {
        name: "a registry that never answers",
        by: By::Rules(|| vec![Fault::default().then(Then { hang: true, ..Then::default() })]),
        image: Truth::Unknown,
        host: Truth::Unknown,
        silence: Silence::All,
    },
];

const fn hostile(name: &'static str, rules: fn() -> Vec<Fault>, cause: &'static str) -> Trouble {
    trouble(name, By::Rules(rules), Truth::Fails(cause), Truth::Fails(cause))
}

fn all(kind: Kind, rule: fn(Fault) -> Fault) -> Vec<Fault> {
    vec![rule(Fault::on(kind))]
}

fn delayed(kind: Kind, delay_ms: u64) -> Vec<Fault> {
    vec![Fault::on(kind).then(Then { delay_ms, ..Then::default() })]
}

fn got(then: Then) -> Vec<Fault> {
    vec![Fault::on(Kind::Manifest).method("GET").then(then)]
}

fn heads(then: Then) -> Vec<Fault> {
    vec![Fault::on(Kind::Manifest).method("HEAD").then(then)]
}

fn raw(text: &str) -> Vec<Fault> {
    vec![Fault::default().then(Then { raw: Some(text.to_owned()), ..Then::default() })]
}

fn unauthorized() -> Vec<Fault> {
    all(Kind::Manifest, |on| {
        on.error(401, "UNAUTHORIZED", "authentication required").header("www-authenticate", "Basic realm=\"soak\"")
    })
}

fn without_layers() -> Content {
    Content::Image(Image { layers: vec!["nowhere".into()], missing_layers: true, ..Image::default() })
}

const INDEX: &str = "application/vnd.oci.image.index.v1+json";

fn huge_index() -> Content {
    let entries = vec!["{}"; 20_000].join(",");
    Content::Raw(INDEX.into(), format!("{{\"schemaVersion\":2,\"mediaType\":\"{INDEX}\",\"manifests\":[{entries}]}}"))
}

fn raw_document(text: &str) -> Content {
    Content::Raw("application/vnd.oci.image.manifest.v1+json".into(), text.into())
}
