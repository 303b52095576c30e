//! The known name that a misspelled one was probably meant to be.

/// No known name is longer; the rest of a longer text is not looked at.
const LENGTH_LIMIT: usize = 64;

/// The candidate that was probably meant: at most three letters and half of it are wrong. Two letters that
/// changed places count once. Capitals, and `-` for `_`, are no mistakes.
pub fn nearest<'a>(found: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let found = plain(found);
    let distances =
        candidates.into_iter().map(|candidate| (strsim::osa_distance(&found, &plain(candidate)), candidate));
    distances
        .filter(|(distance, candidate)| *distance <= candidate.len().div_ceil(2).min(3))
        .min()
        .map(|(_, candidate)| candidate)
}

fn plain(text: &str) -> String {
    let letters = text.chars().take(LENGTH_LIMIT).map(|c| c.to_ascii_lowercase());
    letters.map(|c| if matches!(c, '-' | ' ') { '_' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_the_one_that_was_mistyped_and_none_if_all_are_far() {
        let names = ["interval", "timeouts", "concurrency"];
        assert_eq!(nearest("intervall", names), Some("interval"));
        assert_eq!(nearest("timeout", names), Some("timeouts"));
        assert_eq!(nearest("tpc", ["dns", "tcp"]), Some("tcp"));
        assert_eq!(nearest("frequency", ["interval", "timeouts"]), None);
        assert_eq!(nearest(&"x".repeat(100_000), names), None);
    }

    #[test]
    fn a_dash_or_a_capital_is_the_nearest_of_all() {
        let known = ["capabilities", "ca", "skip_verify"];
        assert_eq!(nearest("Skip-Verify", known), Some("skip_verify"));
        assert_eq!(nearest("capabilites", known), Some("capabilities"));
        assert_eq!(nearest("password", known), None);
    }
}
