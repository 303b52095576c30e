//! Go's `filepath.Match`, for one label of a host name.
//!
//! A pattern that is malformed matches nothing: kubelet drops the error.

use std::iter::Peekable;
use std::str::Chars;

/// What one step of a pattern stands for.
enum Step {
    /// `*`: any run of characters, also none.
    Any,
    One(Class),
}

enum Class {
    /// `?`
    Anything,
    Literal(char),
    /// `[a-z]` or, negated, `[^a-z]`: the pairs are inclusive.
    Set {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
}

impl Class {
    fn holds(&self, c: char) -> bool {
        match self {
            Self::Anything => c != '/',
            Self::Literal(own) => *own == c,
            Self::Set { negated, ranges } => ranges.iter().any(|(low, high)| (*low..=*high).contains(&c)) != *negated,
        }
    }
}

pub fn matches(pattern: &str, text: &str) -> bool {
    let Some(steps) = parse(pattern) else { return false };
    let chars: Vec<char> = text.chars().collect();
    // The usual two-pointer walk: on a mismatch the last `*` takes one more character. Its time is
    // the product of both lengths at worst.
    let (mut step, mut at) = (0, 0);
    let mut last_any: Option<(usize, usize)> = None;
    loop {
        match (steps.get(step), chars.get(at)) {
            (None, None) => return true,
            (Some(Step::Any), _) => {
                last_any = Some((step, at));
                step += 1;
                continue;
            }
            (Some(Step::One(class)), Some(c)) if class.holds(*c) => {
                step += 1;
                at += 1;
                continue;
            }
            _ => {}
        }
        match last_any {
            Some((any, from)) if from < chars.len() && chars[from] != '/' => {
                last_any = Some((any, from + 1));
                step = any + 1;
                at = from + 1;
            }
            _ => return false,
        }
    }
}

/// `None`: malformed.
fn parse(pattern: &str) -> Option<Vec<Step>> {
    let mut chars = pattern.chars().peekable();
    let mut steps = Vec::new();
    while let Some(c) = chars.next() {
        steps.push(match c {
            '*' => Step::Any,
            '?' => Step::One(Class::Anything),
            '\\' => Step::One(Class::Literal(chars.next()?)),
            '[' => Step::One(parse_set(&mut chars)?),
            c => Step::One(Class::Literal(c)),
        });
    }
    Some(steps)
}

fn parse_set(chars: &mut Peekable<Chars<'_>>) -> Option<Class> {
    let negated = chars.next_if_eq(&'^').is_some();
    let mut ranges = Vec::new();
    loop {
        if !ranges.is_empty() && chars.next_if_eq(&']').is_some() {
            return Some(Class::Set { negated, ranges });
        }
        let low = set_member(chars)?;
        let high = if chars.next_if_eq(&'-').is_some() { set_member(chars)? } else { low };
        ranges.push((low, high));
    }
}

fn set_member(chars: &mut Peekable<Chars<'_>>) -> Option<char> {
    match chars.next()? {
        '-' | ']' => None,
        '\\' => chars.next(),
        c => Some(c),
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    // The rules are those of Go's documentation of path.Match.
    #[test]
    fn shell_patterns_stay_within_a_label() {
        for (pattern, text) in [
            ("", ""),
            ("abc", "abc"),
            ("*", ""),
            ("*", "abc"),
            ("a*c", "abbc"),
            ("a*c*e", "abcde"),
            ("*.x", "a.x"),
            ("?", "ü"),
            ("a?c", "abc"),
            ("[a-c]x", "bx"),
            ("[^a-c]x", "dx"),
            ("[abc]", "c"),
            ("[\\]]", "]"),
            ("\\*", "*"),
            ("a*b*c*d", "axxbxxcxxd"),
            ("**", "x"),
        ] {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn what_does_not_fit_or_is_malformed_does_not_match() {
        for (pattern, text) in [
            ("", "a"),
            ("a", ""),
            ("a*c", "ab"),
            ("?", ""),
            ("[a-c]", "d"),
            ("[^a]", "a"),
            ("[", "["),
            ("[a", "a"),
            ("[]a]", "]"),
            ("[a-]", "a"),
            ("[-a]", "a"),
            ("\\", "\\"),
            ("*", "a/b"),
            ("?", "/"),
            ("ABC", "abc"),
        ] {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn many_stars_do_not_cost_exponential_time() {
        assert!(!matches(&"*a".repeat(60), &"a".repeat(59)));
        assert!(!matches(&("*a".repeat(60) + "b"), &"a".repeat(5000)));
    }
}
