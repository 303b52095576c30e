//! From single looks to a status that does not flap.

use std::collections::VecDeque;

/// What one look saw of the registries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// At least one can be reached.
    Reached,
    /// None can, and each was tried.
    NotReached,
    /// pullprobe cannot tell.
    Unknown,
}

/// The status of a condition, as Kubernetes writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    True,
    False,
    Unknown,
}

impl Status {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::True, Self::False, Self::Unknown].into_iter().find(|status| status.as_str() == text)
    }
}

/// How many looks decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// So many looks in a row make the status worse. So many of the last ones make it `True` again.
    pub alike: usize,
    /// How many looks are remembered.
    pub of: usize,
}

#[derive(Debug)]
pub struct Damping {
    rule: Rule,
    looks: VecDeque<Seen>,
    /// `None`: nothing is decided yet.
    status: Option<Status>,
}

impl Damping {
    pub fn new(rule: Rule) -> Self {
        let alike = rule.alike.max(1);
        Self { rule: Rule { alike, of: rule.of.max(alike) }, looks: VecDeque::new(), status: None }
    }

    /// An agent that was here before decided this.
    pub fn begin_with(&mut self, status: Status) {
        self.status.get_or_insert(status);
    }

    pub const fn status(&self) -> Option<Status> {
        self.status
    }

    /// One more look; what follows from all of them. `None`: it is too early to say anything.
    pub fn look(&mut self, seen: Seen) -> Option<Status> {
        self.looks.push_back(seen);
        while self.looks.len() > self.rule.of {
            self.looks.pop_front();
        }
        self.status = self.decided(seen);
        self.status
    }

    fn decided(&self, seen: Seen) -> Option<Status> {
        let alike = self.rule.alike;
        if seen == Seen::Reached {
            let reached = self.looks.iter().filter(|look| **look == Seen::Reached).count();
            // A new node need not wait; one that was in trouble has to prove itself.
            let is_enough = self.status != Some(Status::False) || reached >= alike;
            return if is_enough { Some(Status::True) } else { self.status };
        }
        let count = |wanted| self.looks.iter().rev().take(alike).filter(|look| **look == wanted).count();
        let (lost, unknown) = (count(Seen::NotReached), count(Seen::Unknown));
        match (lost, unknown) {
            _ if lost == alike => Some(Status::False),
            _ if unknown == alike => Some(Status::Unknown),
            // Nothing was reached for long, and not each look could tell.
            _ if lost + unknown == alike && self.status != Some(Status::False) => Some(Status::Unknown),
            _ => self.status,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: Rule = Rule { alike: 3, of: 5 };

    /// `+` reached, `-` not reached, `?` unknown; the status after each: `T`, `F`, `U`, `.` for none.
    fn history(rule: Rule, before: Option<Status>, looks: &str) -> String {
        let mut damping = Damping::new(rule);
        before.into_iter().for_each(|status| damping.begin_with(status));
        let status = |look| {
            let seen = match look {
                '+' => Seen::Reached,
                '-' => Seen::NotReached,
                _ => Seen::Unknown,
            };
            damping.look(seen).map_or(".", |status| &status.as_str()[..1])
        };
        looks.chars().map(status).collect()
    }

    #[test]
    fn only_looks_in_a_row_that_all_reach_nothing_make_it_false() {
        for (looks, expected) in [
            ("+--+--+--", "TTTTTTTTT"),
            ("+---", "TTTF"),
            ("---", "..F"),
            ("+--?", "TTTU"),
            ("+-?-", "TTTU"),
            ("+???", "TTTU"),
            ("??-", "..U"),
            ("?-?---", "..UUUF"),
        ] {
            assert_eq!(history(RULE, None, looks), expected, "{looks}");
        }
    }

    #[test]
    fn it_is_true_again_when_enough_of_the_last_looks_reached_something() {
        for (looks, expected) in [
            ("---+++", "..FFFT"),
            ("---+-+-+", "..FFFFFT"),
            ("---+--+--+", "..FFFFFFFF"),
            ("---?", "..FF"),
            ("---???", "..FFFU"),
            ("---+?", "..FFF"),
            ("???+", "..UT"),
        ] {
            assert_eq!(history(RULE, None, looks), expected, "{looks}");
        }
        assert_eq!(history(Rule { alike: 3, of: 3 }, None, "---+-++"), "..FFFFF");
        assert_eq!(history(Rule { alike: 4, of: 1 }, None, "----++++"), "...FFFFT", "the smaller window grows");
    }

    #[test]
    fn what_an_earlier_agent_said_holds_until_enough_looks_say_otherwise() {
        assert_eq!(history(RULE, Some(Status::False), "+++"), "FFT");
        assert_eq!(history(RULE, Some(Status::True), "---"), "TTF");
        assert_eq!(history(RULE, Some(Status::Unknown), "+"), "T");
        let mut damping = Damping::new(RULE);
        damping.look(Seen::Reached);
        damping.begin_with(Status::False);
        assert_eq!(damping.status(), Some(Status::True), "it has decided itself already");
    }

    #[test]
    fn statuses_are_those_of_kubernetes() {
        for status in [Status::True, Status::False, Status::Unknown] {
            assert_eq!(Status::parse(status.as_str()), Some(status));
        }
        assert_eq!(Status::parse("true"), None);
    }
}
