//! The table: attack, bound, measured, ok; and its summary by family.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::attack::{Attack, Bounds};

/// What one run of a verb took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Measured {
    pub time: Duration,
    /// Above idle.
    pub memory: u64,
    pub requests: usize,
    pub output: usize,
}

impl Measured {
    fn most(self, other: Self) -> Self {
        Self {
            time: self.time.max(other.time),
            memory: self.memory.max(other.memory),
            requests: self.requests.max(other.requests),
            output: self.output.max(other.output),
        }
    }
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (time, memory) = (self.time.as_secs_f64(), tenths(self.memory));
        write!(f, "{time:>5.1} s, {memory:>4} MiB, {:>2} rq, {:>3} KiB", self.requests, self.output.div_ceil(1024))
    }
}

/// Mebibytes with one digit behind the point.
pub fn tenths(bytes: u64) -> String {
    let tenths = (bytes * 10) >> 20;
    format!("{}.{}", tenths / 10, tenths % 10)
}

/// One line.
#[derive(Clone, Debug)]
pub struct Row {
    pub family: &'static str,
    pub attack: String,
    /// Which verb it was.
    pub by: &'static str,
    bounds: Bounds,
    measured: Measured,
    told: String,
    pub faults: Vec<String>,
}

impl Row {
    /// Whatever is not below its bound becomes a fault.
    pub fn new(
        attack: &Attack,
        by: &'static str,
        bounds: Bounds,
        measured: Measured,
        told: String,
        mut faults: Vec<String>,
    ) -> Self {
        let over = |name: &str, is_over: bool| is_over.then(|| format!("over its bound: {name}"));
        faults.extend(over("time", measured.time >= bounds.time));
        faults.extend(over("memory", measured.memory >= bounds.memory));
        faults.extend(over("requests", measured.requests >= bounds.requests));
        faults.extend(over("output", measured.output >= bounds.output));
        Self { family: attack.family, attack: attack.name.clone(), by, bounds, measured, told, faults }
    }

    pub fn is_ok(&self) -> bool {
        self.faults.is_empty()
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let attack = format!("{}: {}", self.family, self.attack);
        let told: String = self.told.chars().map(|c| if c.is_control() { '?' } else { c }).take(200).collect();
        let verdict = if self.is_ok() { "ok".to_owned() } else { format!("NOT OK: {}", self.faults.join("; ")) };
        write!(f, "| {attack:<64} | {:<7} | {} | {} | {told} | {verdict} |", self.by, self.bounds, self.measured)
    }
}

pub const HEAD: &str = "| attack | by | bound | measured | answer | ok |\n|---|---|---|---|---|---|";

/// A line for each family: how many attacks, and the worst of each measure.
pub fn summary(rows: &[Row]) -> String {
    let mut families = BTreeMap::<&str, (BTreeMap<&str, bool>, Measured)>::new();
    for row in rows {
        let (attacks, most) = families.entry(row.family).or_default();
        let is_ok = attacks.entry(&row.attack).or_insert(true);
        *is_ok &= row.is_ok();
        *most = most.most(row.measured);
    }
    let mut text = "| family | attacks | ok | longest | most memory above idle | most requests | longest output |\n\
                    |---|---|---|---|---|---|---|\n"
        .to_owned();
    let line = |name: &str, attacks: usize, ok: usize, most: Measured| {
        let (time, memory, output) = (most.time.as_secs_f64(), tenths(most.memory), most.output.div_ceil(1024));
        format!("| {name} | {attacks} | {ok} | {time:.1} s | {memory} MiB | {} | {output} KiB |\n", most.requests)
    };
    let (mut attacks, mut ok, mut worst) = (0, 0, Measured::default());
    for (name, (of_family, most)) in &families {
        let of_family_ok = of_family.values().filter(|ok| **ok).count();
        text.push_str(&line(name, of_family.len(), of_family_ok, *most));
        attacks += of_family.len();
        ok += of_family_ok;
        worst = worst.most(*most);
    }
    text + &line("**all**", attacks, ok, worst)
}
