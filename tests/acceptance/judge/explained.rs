//! Whether `pullprobe explain` reads what containerds said: does it name the cause that pullprobe found?

use pullprobe::explain;

/// Of a hundred messages so many must name the cause.
const NAMED: usize = 95;
/// Of ten sets nine have at most so many members.
const SMALL: usize = 3;

#[derive(Default)]
pub struct Figures {
    messages: usize,
    /// The cause is the likeliest, or at least among those that are named.
    first: usize,
    named: usize,
    small: usize,
    /// What was not named, as `cause: message`.
    missed: Vec<String>,
}

impl Figures {
    /// Each message of a daemon with the cause that pullprobe found on the same node.
    pub fn of<'a>(told: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        let mut figures = Self::default();
        for (cause, message) in told {
            let readings = explain::read(message);
            let causes: Vec<&str> =
                readings.readings.iter().flat_map(explain::Reading::causes).map(|cause| cause.as_str()).collect();
            figures.messages += 1;
            figures.first += usize::from(causes.first() == Some(&cause));
            figures.small += usize::from(causes.len() <= SMALL);
            if causes.contains(&cause) {
                figures.named += 1;
            } else {
                figures.missed.push(format!("{cause} is not among {causes:?}: {message}"));
            }
        }
        figures
    }

    pub fn print(&self) {
        let Self { messages, first, named, small, missed } = self;
        missed.iter().for_each(|one| println!("NOT EXPLAINED {one}"));
        println!(
            "explain: {messages} messages, cause named in {named} (first in {first}), at most {SMALL} causes in {small}"
        );
    }

    /// Shares count of all messages alone: those of a few scenarios are of one kind.
    pub fn judge(&self) {
        let Self { messages, named, small, .. } = self;
        assert!(named * 100 >= messages * NAMED, "explain names the cause of too few messages");
        assert!(small * 10 >= messages * 9, "explain names too many causes");
    }
}
