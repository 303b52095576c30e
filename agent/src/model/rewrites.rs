//! The `rewrite` of k3s and RKE2: their containerd asks a mirror for a repository of another name.

use regex::Regex;

/// Patterns and their replacements, in the syntax of Go's `regexp`. Their containerd keeps them in a map, so their
/// order is random. The first pattern that changes the name is the only one that is applied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rewrites(pub Vec<(String, String)>);

impl Rewrites {
    /// The repository to ask for. `Err`: the result depends on the random order, or pullprobe cannot read the pattern.
    pub fn apply(&self, repository: &str) -> Result<String, String> {
        let mut changed: Option<String> = None;
        for (pattern, replacement) in &self.0 {
            let Ok(expression) = Regex::new(pattern) else {
                return Err(format!("the pattern `{pattern}` of `rewrite` is none that pullprobe can read"));
            };
            let found = expression.replace_all(repository, replacement.as_str());
            match &changed {
                _ if found == repository => {}
                Some(other) if *other != found => {
                    return Err(format!(
                        "`rewrite` makes both {other} and {found} of {repository}, and chance decides"
                    ));
                }
                _ => changed = Some(found.into_owned()),
            }
        }
        Ok(changed.unwrap_or_else(|| repository.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(rewrites: &[(&str, &str)], repository: &str) -> Result<String, String> {
        let owned = |(pattern, replacement): &(&str, &str)| ((*pattern).to_owned(), (*replacement).to_owned());
        Rewrites(rewrites.iter().map(owned).collect()).apply(repository)
    }

    #[test]
    fn a_repository_is_rewritten_as_go_replaces() {
        let one = ("^rancher/(.*)", "mirror-project/rancher/$1");
        assert_eq!(applied(&[one], "rancher/pause").as_deref(), Ok("mirror-project/rancher/pause"));
        assert_eq!(applied(&[one], "library/nginx").as_deref(), Ok("library/nginx"));
        assert_eq!(applied(&[("(.*)", "all/${1}")], "a/b").as_deref(), Ok("all/a/b"));
        assert_eq!(applied(&[("^(?P<r>.+)$", "p/$r"), ("^x/", "y/")], "a").as_deref(), Ok("p/a"));
        assert_eq!(applied(&[], "a").as_deref(), Ok("a"));
    }

    #[test]
    fn what_chance_decides_is_not_told() {
        assert!(applied(&[("^a/", "b/"), ("^a/", "c/")], "a/x").is_err_and(|why| why.contains("chance")));
        assert!(applied(&[("(", "b")], "a").is_err());
    }
}
