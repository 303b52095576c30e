//! The cases of distribution/reference and containerd, and what an error tells of the fault.

use super::*;
use crate::cases::Cases;

fn parse(text: &str) -> Result<Reference, ReferenceError> {
    Reference::parse(text)
}

fn image(case: &crate::cases::Case) -> String {
    case.input["image"].as_str().unwrap().to_owned()
}

#[test]
fn names_are_normalised_as_kubelet_and_containerd_do() {
    for case in Cases::of_kind("reference_normalize") {
        assert_eq!(parse(&image(&case)).unwrap().to_string(), case.expected["normalized"], "{}", case.id);
    }
}

#[test]
fn the_registry_and_the_repository_are_told_apart() {
    for case in Cases::of_kind("reference_split") {
        let reference = parse(&image(&case)).unwrap();
        assert_eq!(reference.domain, case.expected["host"], "{}", case.id);
        assert_eq!(reference.repository, case.expected["repository"], "{}", case.id);
    }
}

#[test]
fn what_upstream_refuses_is_refused_and_nothing_else() {
    for case in Cases::of_kind("reference_valid") {
        assert_eq!(parse(&image(&case)).is_ok(), case.expected["valid"], "{} {}", case.id, image(&case));
    }
}

#[test]
fn the_second_parser_of_containerd_splits_alike() {
    for case in Cases::of_kind("reference_spec") {
        let parsed = parse(case.input["ref"].as_str().unwrap());
        if case.expected.get("error").is_some() {
            assert!(parsed.is_err(), "{}", case.id);
            continue;
        }
        let reference = parsed.unwrap();
        assert_eq!(reference.name(), case.expected["locator"], "{}", case.id);
        assert_eq!(reference.domain, case.expected["host"], "{}", case.id);
        // Our references always have an object: the default tag is filled in before.
        let object = case.expected["object"].as_str().filter(|text| !text.is_empty()).unwrap_or("latest");
        assert_eq!(reference.object(), object, "{}", case.id);
    }
}

#[test]
fn an_error_names_the_part_and_the_position() {
    let digest = "a".repeat(64);
    let upper = format!("nginx@sha256:{}A", "a".repeat(63));
    let (wrong_algorithm, short) =
        (format!("nginx@md5:{}", "a".repeat(32)), format!("nginx@sha256:{}", "a".repeat(63)));
    for (text, expected) in [
        ("", "it is empty"),
        ("https://ghcr.io/a/b", "leave out `https://`"),
        (digest.as_str(), "64 hex digits"),
        ("docker/Docker", "found `D` at position 8: the repository must be lower case"),
        ("ghcr.io/a/b c", "found ` ` at position 12"),
        ("ghcr.io/a/bü", "found `ü` at position 12"),
        ("ghcr.io//b", "empty part at position 9"),
        ("ghcr.io/a/", "empty part at position 11"),
        ("ghcr.io./a", "empty label at position 9"),
        ("my_host:5000/a", "found `_` at position 3"),
        ("-a.example/x", "the label `-a`"),
        ("r.example:/x", "the port at position 11 is empty"),
        ("r.example:5o/x", "found `o` at position 12"),
        ("[fe80::1%eth0]:5000/x", "found `%` at position 9"),
        ("[fe80::1/x", "no closing bracket"),
        ("[::1]x:5/x", "position 6: only a port"),
        ("a..b/c", "empty label at position 3"),
        ("x/a..b", "found `..` at position 4"),
        ("x/a___b", "found `___` at position 4"),
        ("x/a-", "begins or ends with `-`"),
        ("nginx:", "the tag at position 7 is empty"),
        ("nginx:.1", "begins with neither"),
        ("nginx:1:2", "found `:` at position 8"),
        ("nginx@", "unknown algorithm"),
        (wrong_algorithm.as_str(), "the digest at position 7 has an unknown algorithm"),
        (short.as_str(), "63 hex digits, sha256 has 64"),
        (upper.as_str(), "found `A` at position 77"),
    ] {
        let error = parse(text).unwrap_err();
        assert!(error.reason.contains(expected), "{text}: {}", error.reason);
    }
}

#[test]
fn each_part_has_its_limit() {
    let path = |n: usize| format!("r.example/{}", "a".repeat(n));
    assert!(parse(&path(255)).is_ok() && parse(&path(256)).is_err());
    let tag = |n: usize| format!("nginx:{}", "a".repeat(n));
    assert!(parse(&tag(128)).is_ok() && parse(&tag(129)).is_err());
    // `library/` counts.
    assert!(parse(&"a".repeat(247)).is_ok() && parse(&"a".repeat(248)).is_err());
    assert!(parse(&"a/".repeat(1_000_000)).unwrap_err().to_string().len() < 600);
}

#[test]
fn every_known_algorithm_has_its_own_length() {
    for (algorithm, length) in [("sha256", 64), ("sha384", 96), ("sha512", 128)] {
        let text = format!("r.example/a:1@{algorithm}:{}", "0".repeat(length));
        let reference = parse(&text).unwrap();
        assert_eq!(reference.to_string(), text.replace(":1@", "@"), "the tag is dropped");
        assert!(parse(&text[..text.len() - 1]).is_err());
    }
}

#[test]
fn an_error_shows_no_control_characters_of_the_text() {
    let error = parse("a\u{1b}[31m").unwrap_err();
    assert!(!error.to_string().contains('\u{1b}'), "{error:?}");
}

#[test]
fn an_error_is_short_whatever_the_text() {
    for text in [format!("{}://x", "\u{1b}".repeat(1000)), format!("{}://x", "é".repeat(2000)), "é".repeat(3000)] {
        let error = parse(&text).unwrap_err();
        assert!(error.to_string().len() <= 1024, "{} bytes", error.to_string().len());
    }
}

#[test]
fn the_oldest_containerd_takes_less() {
    let (old, new) = ("1.6.20".parse().unwrap(), "1.7.24".parse().unwrap());
    let literal = parse("[::1]:5000/a").unwrap();
    assert!(literal.refused_by(old).is_some() && literal.refused_by(new).is_none());
    let long = parse(&format!("r.example/{}", "a".repeat(250))).unwrap();
    assert!(long.refused_by(old).is_some() && long.refused_by(new).is_none());
    assert_eq!(parse("nginx").unwrap().refused_by(old), None);
}

/// oci-client has a parser of its own for the same grammar.
#[test]
fn another_parser_takes_apart_alike_what_both_take() {
    use oci_client::Reference as Other;
    let digest = format!("@sha256:{}", "0f".repeat(32));
    let objects = ["", ":1", ":V_1.0-x", ":", &digest, &format!(":1{digest}"), "@sha256:0f"];
    let domains =
        ["", "docker.io/", "index.docker.io/", "localhost/", "localhost:5000/", "R.example:443/", "a_b.c/", "team/"];
    let mut both = 0;
    for domain in domains {
        for repository in ["nginx", "a/b", "a.b/c_d", "x__y-z", "a..b", "A", "library/nginx", "nginx-"] {
            for object in objects {
                let text = format!("{domain}{repository}{object}");
                let (Ok(ours), Ok(other)) = (parse(&text), text.parse::<Other>()) else { continue };
                assert_eq!((&*ours.domain, &*ours.repository), (other.registry(), other.repository()), "{text}");
                assert_eq!(Some(ours.object()), other.digest().or(other.tag()), "{text}");
                both += 1;
            }
        }
    }
    assert!(both >= 150, "{both}");
    // Why it is not the one that decides: containerd takes the one, and refuses the other.
    assert!(parse("[::1]:5000/a").is_ok() && "[::1]:5000/a".parse::<Other>().is_err());
    let upper = format!("a@sha256:{}", "0F".repeat(32));
    assert!(parse(&upper).is_err() && upper.parse::<Other>().is_ok());
    let identifier = "0f".repeat(32);
    assert!(parse(&identifier).is_err() && identifier.parse::<Other>().is_ok());
}
