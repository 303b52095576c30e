//! The pattern of `matchImages` that was probably meant for an image.

use crate::keyring::key::Parts;

/// A pattern that does not fit, though nearly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Near {
    pub pattern: String,
    pub why: String,
    /// What would fit.
    pub better: String,
    /// The smaller, the nearer.
    pub distance: usize,
}

/// So many labels may differ in the middle of a name.
const OTHER_LABELS: usize = 2;

/// `None`: no pattern has the end of the image's host.
pub fn nearest(patterns: &[String], image: &str) -> Option<Near> {
    let image = Parts::of(image)?;
    patterns.iter().filter_map(|pattern| judge(pattern, &image)).min_by_key(|near| near.distance)
}

fn judge(pattern: &str, image: &Parts) -> Option<Near> {
    let parts = Parts::of(pattern)?;
    let near = |why: String, better: String, distance| Near { pattern: pattern.to_owned(), why, better, distance };
    let with_port = |host: &str| if image.port.is_empty() { host.to_owned() } else { format!("{host}:{}", image.port) };
    if parts.host_matches(image) {
        let why = if parts.port == image.port {
            format!("it is for repositories that begin with `{}`", parts.path.trim_start_matches('/'))
        } else {
            "its port is another".to_owned()
        };
        return Some(near(why, with_port(&parts.host), 0));
    }
    let (own, wanted): (Vec<&str>, Vec<&str>) = (parts.host.split('.').collect(), image.host.split('.').collect());
    let is_alike = |(own, wanted): &(&&str, &&str)| own.contains('*') || own.eq_ignore_ascii_case(wanted);
    let end = own.iter().rev().zip(wanted.iter().rev()).take_while(is_alike).count();
    let is_literal = |label: &&&str| !label.contains('*');
    // Under a name that only says that it is one of the public suffixes everything would be near.
    if own.iter().rev().take(end).filter(is_literal).count() < 2 {
        return None;
    }
    if own.len() == wanted.len() {
        let differs: Vec<usize> = (0..own.len()).filter(|at| !is_alike(&(&own[*at], &wanted[*at]))).collect();
        if differs.len() > OTHER_LABELS {
            return None;
        }
        let labels = own.iter().enumerate().map(|(at, label)| if differs.contains(&at) { wanted[at] } else { label });
        let better = with_port(&labels.collect::<Vec<_>>().join("."));
        let first = differs.first()?;
        let why = format!("it has `{}` where the image has `{}`", own[*first], wanted[*first]);
        return Some(near(why, better, 10 * differs.len()));
    }
    let (ours, theirs) = (own.len(), wanted.len());
    let difference = ours.abs_diff(theirs);
    if difference > OTHER_LABELS {
        return None;
    }
    let why = format!("a `*` stands for one part of a name, and `{}` has {theirs} parts, not {ours}", image.host);
    let better =
        wanted.iter().enumerate().map(|(at, label)| if at == 0 && own[0].contains('*') { "*" } else { *label });
    Some(near(why, with_port(&better.collect::<Vec<_>>().join(".")), 10 * difference + 5))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(patterns: &[&str], image: &str) -> Option<(String, String)> {
        let patterns: Vec<String> = patterns.iter().map(|one| (*one).to_owned()).collect();
        nearest(&patterns, image).map(|near| (near.pattern, near.better))
    }

    fn both(pattern: &str, better: &str) -> (String, String) {
        (pattern.to_owned(), better.to_owned())
    }

    #[test]
    fn the_pattern_that_was_meant_is_found_with_what_would_fit() {
        let ecr = ["*.dkr.ecr.*.amazonaws.com", "*.dkr.ecr.*.amazonaws.com.cn", "*.dkr.ecr.*.on.aws"];
        assert_eq!(
            near(&ecr, "123456789012.dkr-ecr.eu-west-1.on.aws/app"),
            Some(both("*.dkr.ecr.*.on.aws", "*.dkr-ecr.eu-west-1.on.aws"))
        );
        assert_eq!(
            near(&ecr, "123456789012.dkr.ecr-fips.us-east-1.amazonaws.com/app"),
            Some(both("*.dkr.ecr.*.amazonaws.com", "*.dkr.ecr-fips.*.amazonaws.com"))
        );
        assert_eq!(
            near(&["*.azurecr.io"], "team.data.azurecr.io/app"),
            Some(both("*.azurecr.io", "*.data.azurecr.io"))
        );
        assert_eq!(near(&["r.example"], "r.example:5000/app"), Some(both("r.example", "r.example:5000")));
        assert_eq!(near(&["r.example/team"], "r.example/other/app"), Some(both("r.example/team", "r.example")));
    }

    #[test]
    fn what_has_only_its_last_label_in_common_is_not_near() {
        assert_eq!(near(&["*.pkg.dev", "gcr.io", "*.gcr.io"], "ghcr.io/app"), None);
        assert_eq!(near(&["*.dkr.ecr.*.amazonaws.com"], "registry.example/app"), None);
        assert_eq!(near(&["[", "", "https://"], "registry.example/app"), None);
    }
}
