//! Patterns of paths and names: `*` stands for any text, everything else for itself.

/// Whether `text` fits `pattern`.
pub(crate) fn fits(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(mut text) = text.strip_prefix(head) else {
        return false;
    };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let tail = parts.pop().unwrap_or_default();
    for part in parts {
        let Some(at) = text.find(part) else {
            return false;
        };
        text = &text[at + part.len()..];
    }
    text.ends_with(tail)
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn a_star_stands_for_any_text() {
        assert!(fits("*", ""));
        assert!(fits("/v2/*/manifests/*", "/v2/a/b/manifests/latest"));
        assert!(fits("*.demo", "registry.demo"));
        assert!(fits("a*a", "aa"));
        assert!(!fits("a*a", "a"));
        assert!(!fits("/v2/*/blobs/*", "/v2/a/manifests/latest"));
        assert!(!fits("demo", "demos"));
    }
}
