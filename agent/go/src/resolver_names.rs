//! The full names that Go's resolver tries for a host, in its order.

/// The longest name with its trailing dot.
const NAME_LIMIT: usize = 254;

/// RFC 7686: names below it are kept from DNS. Go heeds it in lower case only.
const TOR: &str = ".onion";

/// Each with its trailing dot: the name itself first when it has `ndots` dots, else last.
pub fn candidates(host: &str, search: &[String], ndots: usize) -> Vec<String> {
    if host.ends_with('.') {
        return Some(host.to_owned()).filter(|name| may_be_asked(name)).into_iter().collect();
    }
    let bare = format!("{host}.");
    let mut names: Vec<String> = search.iter().map(|suffix| format!("{bare}{suffix}")).collect();
    let place = if host.matches('.').count() >= ndots { 0 } else { names.len() };
    names.insert(place, bare);
    names.retain(|name| may_be_asked(name));
    names
}

fn may_be_asked(name: &str) -> bool {
    name.len() <= NAME_LIMIT && !name.strip_suffix('.').unwrap_or(name).ends_with(TOR)
}

/// Go's own idea of a domain name: underscores pass, a name of digits and dots alone does not.
pub fn is_domain_name(name: &str) -> bool {
    let bare = name.strip_suffix('.').unwrap_or(name);
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    let numeric = bare.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    bare.len() < NAME_LIMIT && bare.split('.').all(label) && !numeric
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(host: &str, ndots: usize) -> Vec<String> {
        candidates(host, &["a.example.".into(), "b.".into()], ndots)
    }

    #[test]
    fn dots_decide_whether_the_name_itself_comes_first() {
        let table: &[(&str, usize, &[&str])] = &[
            ("r.io", 1, &["r.io.", "r.io.a.example.", "r.io.b."]),
            ("r.io", 2, &["r.io.a.example.", "r.io.b.", "r.io."]),
            ("r", 0, &["r.", "r.a.example.", "r.b."]),
            ("r", 1, &["r.a.example.", "r.b.", "r."]),
            ("r.io.", 5, &["r.io."]),
            ("r.onion", 1, &["r.onion.a.example.", "r.onion.b."]),
            ("r.onion.", 1, &[]),
        ];
        for (host, ndots, expected) in table {
            assert_eq!(of(host, *ndots), *expected, "{host} {ndots}");
        }
        let long = format!("{}.io", "a".repeat(60));
        let suffix = vec!["b".repeat(200)];
        assert_eq!(candidates(&long, &suffix, 1), [format!("{long}.")]);
    }

    #[test]
    fn what_go_takes_for_no_domain_name_is_not_asked_for() {
        for good in ["r", "r.io", "r.io.", "_x.r-1.io", "1.r", "xn--bcher-kva.example"] {
            assert!(is_domain_name(good), "{good}");
        }
        let (label, name) = ("a".repeat(64), "a.".repeat(128));
        for bad in ["", ".", "r..io", "-r.io", "r-.io", "r io", "10.0.0", "10.0.0.1.", "r_%eth0", &label, &name] {
            assert!(!is_domain_name(bad), "{bad}");
        }
    }
}
