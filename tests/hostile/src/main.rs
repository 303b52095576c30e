//! Hostile peers and files against the real program: what each costs, beside the bounds that it has to keep.
//!
//! An attack is a value: see `attack.rs`, and `families` for how they are written. It ends with 1 when one of them
//! breaks a bound or gets a wrong answer.

mod agent;
mod attack;
mod dns;
mod door;
mod families;
mod looks;
mod peer;
mod process;
mod scene;
mod script;
mod shelf;
mod siege;
mod table;
mod trial;

use std::io::{self, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use clap::Parser;
use pullprobe_lab::ca::Authority;

use attack::Attack;
use table::Row;
use trial::{Planted, Trials};

/// Plays hostile peers and files on pullprobe.
#[derive(Debug, Parser)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
struct Options {
    /// The program that is attacked
    #[arg(long)]
    pullprobe: PathBuf,
    /// Only `check`, and only what waits for no deadline; `run` meets all peers at once
    #[arg(long)]
    quick: bool,
    /// Only attacks whose family and name contain this
    #[arg(long, default_value = "")]
    only: String,
    /// Print the names, and attack nothing
    #[arg(long)]
    list: bool,
    /// Print what the program says, too
    #[arg(long)]
    verbose: bool,
    /// Attacks at a time
    #[arg(long, default_value_t = 4)]
    jobs: usize,
    /// How long all peers attack at once, in seconds; 0 = they do not [default: 600, or 45 if quick]
    #[arg(long)]
    siege: Option<u64>,
    /// No other attacks
    #[arg(long)]
    siege_only: bool,
    /// In place of each attack's bound on time, in seconds
    #[arg(long)]
    bound_time: Option<u64>,
    /// In place of each attack's bound on memory, in bytes
    #[arg(long)]
    bound_memory: Option<u64>,
    /// In place of each attack's bound on requests
    #[arg(long)]
    bound_requests: Option<usize>,
    /// In place of each attack's bound on output, in bytes
    #[arg(long)]
    bound_output: Option<usize>,
}

/// Set for the run in the namespace of its own.
const INSIDE: &str = "PULLPROBE_HOSTILE_INSIDE";

fn main() -> ExitCode {
    let options = Options::parse();
    if std::env::var_os(INSIDE).is_none() {
        // It returns only when it could not be done.
        let error = alone().exec();
        eprintln!("hostile: unshare: {error}: it needs root");
        return ExitCode::from(2);
    }
    match attack_all(&options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(problem) => {
            eprintln!("hostile: {problem}");
            ExitCode::from(2)
        }
    }
}

/// Itself again, in a network of its own: some attacks lead to addresses that must be nobody's.
fn alone() -> Command {
    let mut command = Command::new("unshare");
    command.args(["--net", "/bin/sh", "-c", "ip link set lo up && exec \"$0\" \"$@\""]);
    command.args(std::env::current_exe()).args(std::env::args_os().skip(1)).env(INSIDE, "1");
    command
}

fn attack_all(options: &Options) -> io::Result<bool> {
    let began = Instant::now();
    // Hundreds of peers with some connections each.
    let files = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let all = rustix::process::Rlimit { current: files.maximum, ..files };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, all)?;
    let authority = Arc::new(Authority::new("hostile")?);
    let (attacks, plain) = with_answers(&authority)?;
    let is_meant = |attack: &&Attack| {
        attack.full_name().contains(&options.only) && !(options.quick && attack.slow) && !options.siege_only
    };
    let chosen: Vec<&Attack> = attacks.iter().filter(is_meant).collect();
    if options.list {
        chosen.iter().for_each(|attack| say(&attack.full_name()));
        return Ok(true);
    }
    if chosen.is_empty() && !options.siege_only {
        return Err(io::Error::other("no attack has such a name"));
    }
    let trials = Trials {
        program: options.pullprobe.clone(),
        authority,
        idle: [0, 0],
        planted: Planted {
            time: options.bound_time.map(Duration::from_secs),
            memory: options.bound_memory,
            requests: options.bound_requests,
            output: options.bound_output,
        },
        quick: options.quick,
        verbose: options.verbose,
    };
    let trials = trials.at_rest()?;
    let [check, run] = trials.idle.map(table::tenths);
    say(&format!("== {} attacks; idle: {check} MiB in `check`, {run} MiB in `run`\n{}", chosen.len(), table::HEAD));
    let rows = play(&trials, &chosen, options.jobs);
    let usual = match (options.only.is_empty(), options.quick) {
        (true, true) => 45,
        (true, false) => 600,
        (false, _) => 0,
    };
    let siege = match options.siege.unwrap_or(usual) {
        0 => None,
        seconds => {
            let pace = if options.quick { siege::Pace::BUSY } else { siege::Pace::MEASURED };
            Some(trials.siege(&attacks[..plain], Duration::from_secs(seconds), pace)?)
        }
    };
    siege.iter().for_each(|siege| say(&siege.to_string()));
    say(&format!("\n{}", table::summary(&rows)));
    let broken: Vec<&Row> = rows.iter().filter(|row| !row.is_ok()).collect();
    for row in &broken {
        say(&format!("NOT OK: {}: {} ({}): {}", row.family, row.attack, row.by, row.faults.join("; ")));
    }
    say(&format!("{} rows, {} not ok, {} s", rows.len(), broken.len(), began.elapsed().as_secs()));
    Ok(broken.is_empty() && siege.is_none_or(|siege| siege.is_ok()))
}

/// All attacks with what is right of each, and how many of them come without TLS: the first.
fn with_answers(authority: &Arc<Authority>) -> io::Result<(Vec<Attack>, usize)> {
    let mut attacks = families::all(authority)?;
    let mut answers = attack::answers()?;
    attacks.iter_mut().for_each(|attack| attack.expect = answers.remove(&attack.full_name()));
    let plain = attacks.len();
    attacks.extend(families::over_tls(&attacks, authority)?);
    for attack in &mut attacks[plain..] {
        attack.expect = answers.remove(&attack.full_name()).or(attack.expect.take());
    }
    match answers.keys().next() {
        Some(name) => Err(io::Error::other(format!("answers.txt: there is no attack `{name}`"))),
        None => Ok((attacks, plain)),
    }
}

/// Some at a time; each row is printed when its attack is over.
fn play(trials: &Trials, attacks: &[&Attack], jobs: usize) -> Vec<Row> {
    let (next, rows) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            scope.spawn(|| {
                while let Some(attack) = attacks.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let of_attack = trials.of(attack);
                    of_attack.iter().for_each(|row| say(&row.to_string()));
                    rows.lock().unwrap_or_else(PoisonError::into_inner).extend(of_attack);
                }
            });
        }
    });
    rows.into_inner().unwrap_or_else(PoisonError::into_inner)
}

fn say(line: &str) {
    // Who no longer reads the table does not need it.
    drop(writeln!(io::stdout().lock(), "{line}"));
}
