//! Whether the agent is ready, and with `?verbose` how each of its parts is, in the form of Kubernetes' own components.

use std::fmt::Write as _;

/// One part of the agent. Everybody who reaches the port may read it, so it names nothing of the node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    pub name: &'static str,
    pub is_well: bool,
    /// Without it the agent is not ready.
    pub is_needed: bool,
    /// `ok`, or what else there is to say.
    pub message: String,
}

/// Looks at the parts when it is asked.
pub struct Readiness(Box<dyn Fn() -> Vec<Part> + Send + Sync>);

/// One look at them.
pub struct Look {
    pub is_ready: bool,
    /// In a word.
    pub brief: String,
    /// A line for each part.
    pub verbose: String,
}

impl Readiness {
    pub fn new(look: impl Fn() -> Vec<Part> + Send + Sync + 'static) -> Self {
        Self(Box::new(look))
    }

    pub fn look(&self) -> Look {
        let parts = (self.0)();
        let missing = parts.iter().find(|part| part.is_needed && !part.is_well);
        let brief = missing.map_or_else(|| "ok\n".to_owned(), |part| format!("{}: {}\n", part.name, part.message));
        let mut verbose = String::new();
        for part in &parts {
            let sign = if part.is_well { '+' } else { '-' };
            // Writing to a string cannot fail.
            let _ = writeln!(verbose, "[{sign}]{} {}", part.name, part.message);
        }
        verbose.push_str(if missing.is_none() { "readyz check passed\n" } else { "readyz check failed\n" });
        Look { is_ready: missing.is_none(), brief, verbose }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(name: &'static str, is_well: bool, is_needed: bool) -> Part {
        Part { name, is_well, is_needed, message: if is_well { "ok" } else { "is late" }.to_owned() }
    }

    #[test]
    fn only_what_is_needed_decides_and_every_part_has_its_line() {
        let look = Readiness::new(|| vec![part("port", true, true), part("cycle", false, false)]).look();
        assert!(look.is_ready);
        assert_eq!((&*look.brief, &*look.verbose), ("ok\n", "[+]port ok\n[-]cycle is late\nreadyz check passed\n"));
        let look = Readiness::new(|| vec![part("port", true, true), part("look", false, true)]).look();
        assert!(!look.is_ready);
        assert_eq!(
            (&*look.brief, &*look.verbose),
            ("look: is late\n", "[+]port ok\n[-]look is late\nreadyz check failed\n")
        );
    }
}
