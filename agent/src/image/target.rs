//! What a person names on the command line: an image, or a registry as a whole.
//!
//! The rule: a text without `/` and `@` whose name has a dot, is `localhost` or is a bracketed IPv6
//! address, and behind whose colon, if it has one, are only digits, is a registry: `docker.io`,
//! `r.example:5000`, `localhost:5000`. All else is an image: `nginx`, `nginx:1.25`, `my.app:v1`.
//! In a pod `r.example:5000` would be an image of Docker Hub; who means that writes
//! `library/r.example:5000`.

use std::fmt;

use super::reference::{Reference, ReferenceError, check_domain};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    Image(Reference),
    /// The registry's name as in references, `docker.io`, with the port if it has one.
    Registry(String),
}

impl Target {
    pub fn parse(text: &str) -> Result<Self, ReferenceError> {
        let (name, port) = split_port(text);
        if !names_registry(text, name, port) {
            return Reference::parse(text).map(Self::Image);
        }
        check_domain(text).map_err(|reason| ReferenceError::new(text, &reason))?;
        if port.is_some_and(|digits| digits.parse::<u16>().map_or(true, |number| number == 0)) {
            return Err(ReferenceError::new(text, "the registry's port must be a number from 1 to 65535"));
        }
        // As in references, where the two are one registry.
        let domain = if text == "index.docker.io" { "docker.io" } else { text };
        Ok(Self::Registry(domain.to_owned()))
    }

    /// The registry's name: what the plan is made for.
    pub fn domain(&self) -> &str {
        match self {
            Self::Image(image) => &image.domain,
            Self::Registry(domain) => domain,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Image(image) => image.fmt(f),
            Self::Registry(domain) => f.write_str(domain),
        }
    }
}

fn split_port(text: &str) -> (&str, Option<&str>) {
    match text.rsplit_once(':') {
        // The last colon of `[::1]` is part of the address.
        Some((name, port)) if !port.contains(']') => (name, Some(port)),
        _ => (text, None),
    }
}

fn names_registry(text: &str, name: &str, port: Option<&str>) -> bool {
    let named_so = name.contains('.') || name == "localhost" || (name.starts_with('[') && name.ends_with(']'));
    let digits = port.is_none_or(|port| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()));
    !text.contains(['/', '@']) && named_so && digits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_registries_and_the_rest_are_images() {
        for (text, domain) in [
            ("docker.io", "docker.io"),
            ("index.docker.io", "docker.io"),
            ("registry-1.docker.io", "registry-1.docker.io"),
            ("r.example:5000", "r.example:5000"),
            ("localhost", "localhost"),
            ("localhost:5000", "localhost:5000"),
            ("192.0.2.1", "192.0.2.1"),
            ("192.0.2.1:5000", "192.0.2.1:5000"),
            ("[::1]", "[::1]"),
            ("[::1]:5000", "[::1]:5000"),
            // containerd takes it for a registry's name, though only without a port.
            ("a_b.example", "a_b.example"),
        ] {
            assert_eq!(Target::parse(text), Ok(Target::Registry(domain.to_owned())), "{text}");
        }
        for (text, image) in [
            ("nginx", "docker.io/library/nginx:latest"),
            ("nginx:1.25", "docker.io/library/nginx:1.25"),
            ("nginx:125", "docker.io/library/nginx:125"),
            ("my.app:v1", "docker.io/library/my.app:v1"),
            ("docker.io/nginx", "docker.io/library/nginx:latest"),
            ("library/r.example:5000", "docker.io/library/r.example:5000"),
            ("localhost:5000/x", "localhost:5000/x:latest"),
        ] {
            let target = Target::parse(text).unwrap();
            assert!(matches!(target, Target::Image(_)), "{text}");
            assert_eq!(target.to_string(), image);
        }
    }

    #[test]
    fn what_is_neither_is_refused() {
        for text in [
            "",
            "r.example:0",
            "r.example:65536",
            "https://r.example",
            "a_b.example:5000",
            "r..example",
            "r.example/",
            ".",
        ] {
            assert!(Target::parse(text).is_err(), "{text}");
        }
    }
}
