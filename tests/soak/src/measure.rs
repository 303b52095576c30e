//! What the agent takes at a few cycles, and whether that grows.

use std::fmt;

/// Of a moment the smallest of so many cycles counts: what was just read is freed again, what leaks is not.
const WINDOW: u64 = 25;
/// What is allowed from the first mark to the last.
const KIB: u64 = 1024;
/// Of fewer nothing is said.
const SHORTEST: u64 = 300;
/// A shorter run says nothing of memory: each trouble is met for the first time in it, and the allocator has not settled.
const SETTLED: u64 = 10_000;
const FDS: usize = 8;
const TASKS: usize = 8;
const SERIES: usize = 40;

#[derive(Clone, Copy, Debug, Default)]
pub struct Taken {
    pub rss_kib: u64,
    /// Of it what no file is behind: heap and stacks.
    pub own_kib: u64,
    pub peak_kib: u64,
    pub fds: usize,
    pub tasks: usize,
    /// Of the metrics, if these were read in this cycle.
    pub series: Option<usize>,
    pub seconds: u64,
}

impl Taken {
    fn smaller(self, other: Self) -> Self {
        Self {
            rss_kib: self.rss_kib.min(other.rss_kib),
            own_kib: self.own_kib.min(other.own_kib),
            peak_kib: other.peak_kib,
            fds: self.fds.min(other.fds),
            tasks: self.tasks.min(other.tasks),
            series: self.series.into_iter().chain(other.series).min(),
            seconds: other.seconds,
        }
    }
}

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    cycle: u64,
    taken: Taken,
}

const HEAD: &str =
    "| cycle | RSS | of it heap and stacks | peak | fds | tasks | series | s |\n|---|---|---|---|---|---|---|---|";

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Taken { rss_kib, own_kib, peak_kib, fds, tasks, series, seconds } = self.taken;
        let series = series.map_or("–".to_owned(), |series| series.to_string());
        write!(
            f,
            "| {} | {rss_kib} KiB | {own_kib} KiB | {peak_kib} KiB | {fds} | {tasks} | {series} | {seconds} |",
            self.cycle
        )
    }
}

pub struct Marks {
    at: Vec<u64>,
    made: Vec<Mark>,
    window: Option<Taken>,
}

impl Marks {
    /// At 1,000, 10,000 and 100,000; of a short run at the third, two thirds and the end.
    pub fn new(cycles: u64) -> Self {
        let at = if cycles >= 10_000 { vec![1_000, 10_000, cycles] } else { vec![cycles / 3, cycles * 2 / 3, cycles] };
        Self { at, made: Vec::new(), window: None }
    }

    /// The mark, if one is complete with this cycle.
    pub fn note(&mut self, cycle: u64, now: Taken) -> Option<Mark> {
        let at = *self.at.iter().find(|at| cycle <= **at)?;
        if at - cycle >= WINDOW {
            return None;
        }
        let taken = self.window.map_or(now, |before| before.smaller(now));
        self.window = Some(taken);
        if cycle < at {
            return None;
        }
        self.window = None;
        self.made.push(Mark { cycle, taken });
        self.made.last().copied()
    }

    pub fn table(&self) -> String {
        let rows = self.made.iter().map(Mark::to_string);
        [HEAD.to_owned()].into_iter().chain(rows).collect::<Vec<_>>().join("\n")
    }

    /// What is not flat.
    pub fn growth(&self) -> Vec<String> {
        let (Some(first), Some(last)) = (self.made.first(), self.made.last()) else { return Vec::new() };
        if last.cycle < SHORTEST {
            return Vec::new();
        }
        let (before, after) = (first.taken, last.taken);
        let mut problems = Vec::new();
        let mut grew = |what: &str, before: u64, after: u64, allowed: u64| {
            if after > before + allowed {
                let cycle = last.cycle;
                problems.push(format!("{what}: {before} at cycle {}, {after} at cycle {cycle}", first.cycle));
            }
        };
        let many = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        if last.cycle >= SETTLED {
            grew("KiB of memory", before.own_kib, after.own_kib, KIB);
        }
        grew("descriptors", many(before.fds), many(after.fds), many(FDS));
        grew("tasks", many(before.tasks), many(after.tasks), many(TASKS));
        let series = |taken: Taken| many(taken.series.unwrap_or_default());
        grew("series", series(before), series(after), many(SERIES));
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(cycles: u64, own_kib: impl Fn(u64) -> u64, fds: impl Fn(u64) -> usize) -> Marks {
        let mut marks = Marks::new(cycles);
        for cycle in 1..=cycles {
            marks.note(cycle, Taken { own_kib: own_kib(cycle), fds: fds(cycle), ..Taken::default() });
        }
        marks
    }

    #[test]
    fn what_comes_and_goes_is_flat_and_what_stays_is_not() {
        let spikes = |cycle: u64| if cycle.is_multiple_of(7) { 90_000 } else { 10_000 };
        let marks = run(100_000, spikes, |cycle| if cycle.is_multiple_of(3) { 40 } else { 12 });
        assert_eq!(marks.growth(), Vec::<String>::new());
        assert_eq!(marks.made.iter().map(|mark| mark.cycle).collect::<Vec<_>>(), [1_000, 10_000, 100_000]);
        let leaking = run(100_000, |cycle| 10_000 + cycle / 50, |_| 12);
        assert_eq!(leaking.growth(), ["KiB of memory: 10019 at cycle 1000, 11999 at cycle 100000"]);
        let leaking = run(300, |_| 10_000, |cycle| if cycle > 150 { 25 } else { 12 });
        assert_eq!(leaking.growth(), ["descriptors: 12 at cycle 100, 25 at cycle 300"]);
    }
}
