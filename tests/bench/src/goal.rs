//! What was measured, mostly a ratio, and how large it may be.

use std::fmt;

#[derive(Debug)]
pub struct Goal {
    pub what: &'static str,
    pub measured: f64,
    pub at_most: f64,
}

impl Goal {
    pub fn is_met(&self) -> bool {
        self.measured <= self.at_most
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.is_met() { "met" } else { "MISSED" };
        write!(f, "{:<62} {:>5.2}  (goal: at most {:.2})  {verdict}", self.what, self.measured, self.at_most)
    }
}
