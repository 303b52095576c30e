//! The grammar of references, part by part, so that an error says which part is wrong, and where.

use super::{Object, Reference};

/// The longest text that is looked at. The grammar itself does not bound the domain.
const TEXT_LIMIT: usize = 4096;
pub const REPOSITORY_LIMIT: usize = 255;
const TAG_LIMIT: usize = 128;

const DEFAULT_DOMAIN: &str = "docker.io";
const LEGACY_DOMAIN: &str = "index.docker.io";
const OFFICIAL: &str = "library/";
const DEFAULT_TAG: &str = "latest";

/// The hash functions of digests, and how many hex digits each has.
const ALGORITHMS: [(&str, usize); 3] = [("sha256", 64), ("sha384", 96), ("sha512", 128)];

/// A piece of the text and where it begins in it, in bytes: what comes before a fault is ASCII.
#[derive(Clone, Copy)]
struct Part<'a> {
    text: &'a str,
    start: usize,
}

impl Part<'_> {
    fn split(self, at: char) -> (Self, Option<Self>) {
        match self.text.split_once(at) {
            Some((left, right)) => {
                let start = self.start + left.len() + at.len_utf8();
                (Part { text: left, ..self }, Some(Part { text: right, start }))
            }
            None => (self, None),
        }
    }

    /// The first character that is not `allowed`, with its index in this part.
    fn first_not(self, allowed: impl Fn(char) -> bool) -> Option<(usize, char)> {
        self.text.char_indices().find(|(_, c)| !allowed(*c))
    }

    /// Positions are counted from 1, as editors do.
    fn position(self, index: usize) -> usize {
        self.start + index + 1
    }
}

pub fn reference(text: &str) -> Result<Reference, String> {
    if text.is_empty() {
        return Err("it is empty".into());
    }
    if text.len() > TEXT_LIMIT {
        return Err(format!("it has {} bytes, at most {TEXT_LIMIT} are read", text.len()));
    }
    if let Some((scheme, _)) = text.split_once("://") {
        return Err(format!("a reference has no scheme: leave out `{}://`", scheme.escape_debug()));
    }
    if is_identifier(text) {
        return Err("64 hex digits are taken for the identifier of an image: write `docker.io/` before them".into());
    }
    let (domain, rest) = split_domain(Part { text, start: 0 });
    domain.map_or(Ok(()), check_registry)?;
    let domain = match domain.map(|part| part.text) {
        None | Some(LEGACY_DOMAIN) => DEFAULT_DOMAIN,
        Some(other) => other,
    };
    let (named, digest) = rest.split('@');
    let (repository, tag) = named.split(':');
    check_repository(repository)?;
    let official = domain == DEFAULT_DOMAIN && !repository.text.contains('/');
    let repository = if official { format!("{OFFICIAL}{}", repository.text) } else { repository.text.to_owned() };
    if repository.len() > REPOSITORY_LIMIT {
        return Err(format!(
            "the repository has {} characters, at most {REPOSITORY_LIMIT} are allowed",
            repository.len()
        ));
    }
    tag.map_or(Ok(()), check_tag)?;
    digest.map_or(Ok(()), check_digest)?;
    let object = match (tag, digest) {
        (_, Some(digest)) => Object::Digest(digest.text.to_owned()),
        (Some(tag), None) => Object::Tag(tag.text.to_owned()),
        (None, None) => Object::Tag(DEFAULT_TAG.to_owned()),
    };
    Ok(Reference { domain: domain.to_owned(), repository, object })
}

/// What is taken for the identifier of an image.
pub fn is_identifier(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(is_lower_hex)
}

/// A text taken apart, whether it is a reference or not.
pub struct Parts {
    /// The repository with tag and digest, `library/` added where it is Docker Hub's.
    pub remainder: String,
    /// But for its length and its digest it fits the grammar.
    pub is_well_formed: bool,
    pub repository_is_too_long: bool,
}

pub fn parts(text: &str) -> Parts {
    let (domain, rest) = split_domain(Part { text, start: 0 });
    let of_hub = domain.is_none_or(|domain| [DEFAULT_DOMAIN, LEGACY_DOMAIN].contains(&domain.text));
    let official = if of_hub && !rest.text.contains('/') { OFFICIAL } else { "" };
    let (repository, tag) = rest.split('@').0.split(':');
    let checked = domain.map_or(Ok(()), check_registry).and_then(|()| check_repository(repository));
    Parts {
        remainder: format!("{official}{}", rest.text),
        is_well_formed: checked.and_then(|()| tag.map_or(Ok(()), check_tag)).is_ok(),
        repository_is_too_long: official.len() + repository.text.len() > REPOSITORY_LIMIT,
    }
}

/// `None`: the algorithm is not known.
pub fn hex_digits_of(algorithm: &str) -> Option<usize> {
    ALGORITHMS.iter().find(|(name, _)| *name == algorithm).map(|(_, length)| *length)
}

/// What stands before the first `/` is a domain only if it cannot be part of a repository or says
/// `localhost`.
fn split_domain(whole: Part<'_>) -> (Option<Part<'_>>, Part<'_>) {
    let (first, rest) = whole.split('/');
    let looks_like_one =
        first.text == "localhost" || first.text.contains(['.', ':']) || first.text.chars().any(char::is_uppercase);
    match rest {
        Some(rest) if looks_like_one => (Some(first), rest),
        _ => (None, whole),
    }
}

/// What is wrong with a registry's name: `host`, `host:port`, `[ipv6]` or `[ipv6]:port`.
pub fn domain(text: &str) -> Result<(), String> {
    check_registry(Part { text, start: 0 })
}

/// A name with an underscore is no domain. It parses as the first part of a repository without a domain, and is then
/// taken for the registry's name all the same.
fn check_registry(name: Part<'_>) -> Result<(), String> {
    check_domain(name).or_else(|fault| check_component(name).map_err(|_| fault))
}

fn check_domain(domain: Part<'_>) -> Result<(), String> {
    let (host, port) = if domain.text.starts_with('[') {
        let (inner, after) = Part { text: &domain.text[1..], start: domain.start + 1 }.split(']');
        let Some(after) = after else {
            return Err(format!("the IPv6 address at position {} has no closing bracket", domain.position(0)));
        };
        check_ipv6(inner)?;
        match after.split(':') {
            (Part { text: "", .. }, port) => (None, port),
            (other, _) => return Err(format!("position {}: only a port may follow the bracket", other.position(0))),
        }
    } else {
        let (host, port) = domain.split(':');
        (Some(host), port)
    };
    if let Some(port) = port {
        if port.text.is_empty() {
            return Err(format!("the port at position {} is empty", port.position(0)));
        }
        if let Some((at, found)) = port.first_not(|c| c.is_ascii_digit()) {
            return Err(unexpected(port, at, found, "the registry's port may have only digits"));
        }
    }
    host.map_or(Ok(()), check_host)
}

fn check_ipv6(address: Part<'_>) -> Result<(), String> {
    if address.text.is_empty() {
        return Err(format!("the IPv6 address at position {} is empty", address.position(0)));
    }
    match address.first_not(|c| c.is_ascii_hexdigit() || c == ':') {
        Some((at, found)) => {
            let rule = "an IPv6 address may have only hex digits and `:`, and no zone";
            Err(unexpected(address, at, found, rule))
        }
        None => Ok(()),
    }
}

fn check_host(host: Part<'_>) -> Result<(), String> {
    let mut rest = Some(host);
    while let Some(remaining) = rest {
        let (label, next) = remaining.split('.');
        rest = next;
        if label.text.is_empty() {
            return Err(format!("the registry's name has an empty label at position {}", label.position(0)));
        }
        if let Some((at, found)) = label.first_not(|c| c.is_ascii_alphanumeric() || c == '-') {
            return Err(unexpected(label, at, found, "the registry's name may have only letters, digits, `-` and `.`"));
        }
        if label.text.starts_with('-') || label.text.ends_with('-') {
            return Err(format!("the label `{}` of the registry's name begins or ends with `-`", label.text));
        }
    }
    Ok(())
}

fn check_repository(repository: Part<'_>) -> Result<(), String> {
    let mut rest = Some(repository);
    while let Some(remaining) = rest {
        let (component, next) = remaining.split('/');
        rest = next;
        check_component(component)?;
    }
    Ok(())
}

/// Runs of lower-case letters and digits, between each two of them `.`, `_`, `__` or any number of `-`.
fn check_component(component: Part<'_>) -> Result<(), String> {
    let text = component.text;
    if text.is_empty() {
        return Err(format!("the repository has an empty part at position {}", component.position(0)));
    }
    let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    if let Some((at, found)) = component.first_not(|c| is_word(c) || "._-".contains(c)) {
        let rule = if found.is_uppercase() {
            "the repository must be lower case"
        } else {
            "the repository may have only lower-case letters, digits, `.`, `_`, `-` and `/`"
        };
        return Err(unexpected(component, at, found, rule));
    }
    check_separators(component)
}

fn check_separators(component: Part<'_>) -> Result<(), String> {
    let text = component.text;
    let mut at = 0;
    while at < text.len() {
        let run = text[at..].bytes().take_while(|b| b"._-".contains(b)).count();
        let separator = &text[at..at + run];
        if run > 0 && (at == 0 || at + run == text.len()) {
            return Err(format!("the part `{text}` of the repository begins or ends with `{separator}`"));
        }
        if !matches!(separator, "" | "." | "_" | "__") && separator.bytes().any(|b| b != b'-') {
            let rule = "only one `.`, one or two `_` or any number of `-` may stand between letters";
            return Err(format!("found `{separator}` at position {}: {rule}", component.position(at)));
        }
        at += run.max(1);
    }
    Ok(())
}

fn check_tag(tag: Part<'_>) -> Result<(), String> {
    if tag.text.is_empty() {
        return Err(format!("the tag at position {} is empty", tag.position(0)));
    }
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if let Some((at, found)) = tag.first_not(|c| is_word(c) || c == '.' || c == '-') {
        return Err(unexpected(tag, at, found, "a tag may have only letters, digits, `_`, `.` and `-`"));
    }
    if !tag.text.starts_with(is_word) {
        return Err(format!("the tag `{}` begins with neither letter, digit nor `_`", tag.text));
    }
    if tag.text.len() > TAG_LIMIT {
        return Err(format!("the tag has {} characters, at most {TAG_LIMIT} are allowed", tag.text.len()));
    }
    Ok(())
}

fn check_digest(digest: Part<'_>) -> Result<(), String> {
    let (algorithm, hex) = digest.split(':');
    let Some((name, length)) = ALGORITHMS.iter().find(|(name, _)| *name == algorithm.text) else {
        let known = "sha256, sha384 and sha512 are known";
        return Err(format!("the digest at position {} has an unknown algorithm: {known}", digest.position(0)));
    };
    let Some(hex) = hex else {
        return Err(format!("the digest has nothing behind `{name}`: expected `:` and {length} hex digits"));
    };
    if let Some((at, found)) = hex.first_not(|c| u8::try_from(c).is_ok_and(is_lower_hex)) {
        return Err(unexpected(hex, at, found, "a digest may have only the digits 0 to 9 and a to f"));
    }
    if hex.text.len() != *length {
        return Err(format!("the digest has {} hex digits, {name} has {length}", hex.text.len()));
    }
    Ok(())
}

const fn is_lower_hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

fn unexpected(part: Part<'_>, at: usize, found: char, rule: &str) -> String {
    format!("found `{}` at position {}: {rule}", found.escape_debug(), part.position(at))
}
