//! A URL as the errors of containerd show it, without secrets.

use url::Url;

/// The URL with every query value hidden but the `ns` that pullprobe added itself, and who signs in with it:
/// in that of a redirect these may be a signature and a password, which containerd's errors show and
/// pullprobe's never do.
pub fn without_signatures(url: &Url) -> String {
    masked(url, |name| name != "ns")
}

/// Newer containerds hide every query value.
pub fn redacted(url: &Url) -> String {
    masked(url, |_| true)
}

fn masked(url: &Url, hides: impl Fn(&str) -> bool) -> String {
    let mut shown = url.clone();
    shown.set_fragment(None);
    if !url.username().is_empty() || url.password().is_some() {
        // Both fail only for URLs without a host.
        let _ = shown.set_password(None);
        let _ = shown.set_username("***");
    }
    if !url.query_pairs().any(|(name, _)| hides(&name)) {
        return shown.to_string();
    }
    let mut pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    pairs.sort();
    for (name, value) in &mut pairs {
        if hides(name) {
            "[REDACTED]".clone_into(value);
        }
    }
    shown.query_pairs_mut().clear().extend_pairs(pairs);
    shown.to_string()
}
