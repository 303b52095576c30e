//! One attack on the real program: what it cost, what it said, and whether that holds.

use std::io;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pullprobe_lab::ca::Authority;
use serde_json::Value;

use crate::agent::Agent;
use crate::attack::{Attack, Bounds, Expect, How};
use crate::door::{self, Door};
use crate::looks;
use crate::process::{self, Finished};
use crate::scene::Scene;
use crate::table::{Measured, Row};

/// What `check` is given for a target.
const TIMEOUT: &str = "6s";
/// The longest that the agent takes for its first answer about an image: it gives each handshake ten seconds, and without TLS it may try
/// once more.
const FIRST_ANSWER: Duration = Duration::from_secs(30);
/// Longer than any bound: what takes more is killed and counted as that.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the program takes in any case.
const LEAST: u64 = 4 << 20;
/// To see it.
const TRIES: usize = 5;

/// What all trials share.
pub struct Trials {
    pub program: PathBuf,
    pub authority: Arc<Authority>,
    /// What `check` and `run` take for a good image.
    pub idle: [u64; 2],
    /// In place of the bounds of the attacks.
    pub planted: Planted,
    pub quick: bool,
    /// What the program says is printed.
    pub verbose: bool,
}

/// Bounds that are given on the command line, for all attacks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Planted {
    pub time: Option<Duration>,
    pub memory: Option<u64>,
    pub requests: Option<usize>,
    pub output: Option<usize>,
}

impl Planted {
    fn over(self, usual: Bounds) -> Bounds {
        Bounds {
            time: self.time.unwrap_or(usual.time),
            memory: self.memory.unwrap_or(usual.memory),
            requests: self.requests.unwrap_or(usual.requests),
            output: self.output.unwrap_or(usual.output),
        }
    }
}

impl Trials {
    /// The rows of one attack.
    pub fn of(&self, attack: &Attack) -> Vec<Row> {
        let began = Instant::now();
        let tried = match &attack.how {
            How::Peer(_) | How::Node(_) => self.looked_at(attack),
            How::Verb(arguments, build) => self.scene(attack).and_then(|mut scene| {
                build(&mut scene)?;
                Ok(vec![self.verb(attack, &scene, arguments)?])
            }),
            How::Port(visit) => self.visited(attack, visit).map(|row| vec![row]),
            How::TlsPort(visit) => self.visited_over_tls(attack, visit).map(|row| vec![row]),
        };
        tried.unwrap_or_else(|error| {
            let measured = Measured { time: began.elapsed(), ..Measured::default() };
            vec![Row::new(
                attack,
                "",
                self.planted.over(attack.bounds),
                measured,
                String::new(),
                vec![format!("the trial itself failed: {error}")],
            )]
        })
    }

    fn scene(&self, attack: &Attack) -> io::Result<Scene> {
        let mut scene = Scene::new(&self.authority)?;
        match &attack.how {
            How::Peer(spec) => scene.peer((**spec).clone())?,
            How::Node(build) => build(&mut scene)?,
            How::Verb(..) | How::Port(_) | How::TlsPort(_) => {}
        }
        Ok(scene)
    }

    fn looked_at(&self, attack: &Attack) -> io::Result<Vec<Row>> {
        let is_node = matches!(attack.how, How::Node(_));
        let scene = self.scene(attack)?;
        let mut rows = vec![self.check(attack, &scene, "json")?];
        if !attack.slow && !self.quick {
            rows.push(self.check(attack, &scene, "text")?);
        }
        if is_node {
            rows.push(self.lint(attack, &scene)?);
        }
        if !self.quick {
            rows.push(self.run(attack, &scene)?);
        }
        Ok(rows)
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).args(arguments);
        command
    }

    /// The same for all verbs that read the node.
    pub fn on_node(&self, arguments: &[&str], scene: &Scene) -> Command {
        let mut command = self.command(arguments);
        command.args(["--containerd-version", "2.1", "--platform", "linux/amd64", "--host-root"]);
        command.arg(scene.node.root()).args(&scene.arguments);
        command
    }

    fn check(&self, attack: &Attack, scene: &Scene, format: &'static str) -> io::Result<Row> {
        let mut command = self.on_node(&["check", "--timeout", TIMEOUT, "--format", format], scene);
        command.args(&scene.targets);
        let (finished, requests) = seen(&mut command, scene)?;
        let said = serde_json::from_slice(&finished.stdout.text).ok().filter(|_| format == "json");
        let told = said.as_ref().map_or_else(|| code(&finished), told);
        let mut faults = ended(&finished, &[0, 1, 2, 3]);
        if format == "json" {
            faults.extend(wrong(attack.expect.as_ref(), &finished, said.as_ref()));
        }
        let by = if format == "json" { "check" } else { "text" };
        Ok(self.row(attack, by, &finished, requests, told, faults))
    }

    fn lint(&self, attack: &Attack, scene: &Scene) -> io::Result<Row> {
        let mut command = self.on_node(&["lint"], scene);
        let (finished, _) = seen(&mut command, scene)?;
        let faults = ended(&finished, &[0, 1, 2, 3]);
        Ok(self.row(attack, "lint", &finished, 0, code(&finished), faults))
    }

    fn verb(&self, attack: &Attack, scene: &Scene, arguments: &[&str]) -> io::Result<Row> {
        let root = scene.node.root().to_string_lossy();
        let arguments: Vec<String> = arguments.iter().map(|argument| argument.replace('@', &root)).collect();
        let mut command = self.command(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
        command.args(&scene.targets);
        let (finished, requests) = seen(&mut command, scene)?;
        let mut faults = ended(&finished, &[0, 1, 2, 3]);
        faults.extend(wrong(attack.expect.as_ref(), &finished, None));
        let by = if arguments.first().is_some_and(|verb| verb == "explain") { "explain" } else { "verb" };
        Ok(self.row(attack, by, &finished, requests, code(&finished), faults))
    }

    fn row(
        &self,
        attack: &Attack,
        by: &'static str,
        finished: &Finished,
        requests: usize,
        told: String,
        mut faults: Vec<String>,
    ) -> Row {
        if self.verbose {
            let said = [&finished.stdout.text, &finished.stderr.text].map(|text| String::from_utf8_lossy(text));
            crate::say(&said.concat());
        }
        faults.extend(looks::faults("standard output", &finished.stdout.text));
        faults.extend(looks::faults("standard error", &finished.stderr.text));
        let measured = Measured {
            time: finished.time,
            memory: finished.peak.saturating_sub(self.idle[0]),
            requests,
            output: finished.stdout.length + finished.stderr.length,
        };
        Row::new(attack, by, self.planted.over(attack.bounds), measured, told, faults)
    }

    fn run(&self, attack: &Attack, scene: &Scene) -> io::Result<Row> {
        let before = scene.requests();
        let mut agent = Agent::start(self, scene)?;
        let (time, pages, mut faults) = agent.first_answer(PATIENCE)?;
        let requests = scene.requests() - before;
        let told = pages.report.as_ref().map(told).unwrap_or_default();
        if let Some(report) = &pages.report {
            faults.extend(contradicts(attack.expect.as_ref(), &report["images"][0]));
        }
        self.end(attack, "run", agent, (time, requests, pages.longest), told, faults)
    }

    fn visited(&self, attack: &Attack, visit: &crate::attack::Visit) -> io::Result<Row> {
        let mut scene = Scene::new(&self.authority)?;
        scene.peer(crate::peer::Spec::default())?;
        let mut agent = Agent::start(self, &scene)?;
        let (_, _, mut faults) = agent.first_answer(PATIENCE)?;
        let began = Instant::now();
        visit(agent.address)?;
        let (pages, more) = agent.pages();
        faults.extend(more);
        let time = began.elapsed();
        self.end(attack, "port", agent, (time, 0, pages.longest), "served".to_owned(), faults)
    }

    fn visited_over_tls(&self, attack: &Attack, visit: &crate::attack::TlsVisit) -> io::Result<Row> {
        let mut scene = Scene::new(&self.authority)?;
        scene.peer(crate::peer::Spec::default())?;
        door::install(&mut scene)?;
        let agent = Agent::start(self, &scene)?;
        let door = Door::new(agent.address, agent.running.id(), &self.authority)?;
        door.probed(None, PATIENCE)?;
        let began = Instant::now();
        visit(&door)?;
        let time = began.elapsed();
        let metrics = door.get(door::OTHER, "/metrics")?;
        let faults = looks::faults("/metrics", &metrics);
        self.end(attack, "port", agent, (time, 0, metrics.len()), "served".to_owned(), faults)
    }

    /// The agent has to end when it is asked to.
    fn end(
        &self,
        attack: &Attack,
        by: &'static str,
        mut agent: Agent,
        (time, requests, output): (Duration, usize, usize),
        told: String,
        mut faults: Vec<String>,
    ) -> io::Result<Row> {
        let peak = process::peak(agent.running.id()).unwrap_or_default();
        if agent.running.ended()?.is_some() {
            faults.push("the agent ended by itself".to_owned());
        } else if !agent.running.terminate(Duration::from_secs(10))?.is_some_and(|status| status.success()) {
            faults.push("the agent does not end when it is asked to".to_owned());
        }
        let log = agent.running.log();
        faults.extend(looks::faults("its log", log.as_bytes()));
        let memory = peak.saturating_sub(self.idle[1]);
        let measured = Measured { time, memory, requests, output: output.max(log.len()) };
        let mut bounds = attack.bounds;
        if by == "run" {
            bounds.time = bounds.time.max(FIRST_ANSWER);
        }
        Ok(Row::new(attack, by, self.planted.over(bounds), measured, told, faults))
    }
}

/// A run to the end, of which somebody saw how much memory it took: on a busy machine one that is over in a moment may not
/// be looked at in between.
fn seen(command: &mut Command, scene: &Scene) -> io::Result<(Finished, usize)> {
    let mut tries = 0;
    loop {
        let before = scene.requests();
        let finished = process::finish(command, &scene.stdin, PATIENCE)?;
        tries += 1;
        if finished.peak > LEAST || finished.time > Duration::from_secs(1) || tries == TRIES {
            return Ok((finished, scene.requests() - before));
        }
    }
}

/// By itself, with one of these codes.
fn ended(finished: &Finished, codes: &[i32]) -> Vec<String> {
    match finished.status.map(|status| status.code()) {
        None => vec![format!("it does not end within {PATIENCE:?}")],
        Some(None) => vec![format!("a signal ended it: {:?}", finished.status)],
        Some(Some(code)) if !codes.contains(&code) => vec![format!("it ended with {code}")],
        Some(Some(_)) => vec![],
    }
}

fn code(finished: &Finished) -> String {
    finished.status.and_then(|status| status.code()).map_or("killed".to_owned(), |code| format!("exit {code}"))
}

/// The verdict of the first image.
fn told(report: &Value) -> String {
    let image = &report["images"][0];
    let text = |key: &str| image[key].as_str().unwrap_or_default().to_owned();
    match image["pullable"].as_bool() {
        Some(true) => "yes".to_owned(),
        Some(false) => format!("no: {}", text("cause")),
        None => format!("unknown: {}", text("summary").trim_start_matches("The answer is unknown: ")),
    }
}

fn wrong(expect: Option<&Expect>, finished: &Finished, report: Option<&Value>) -> Vec<String> {
    let Some(expect) = expect else { return vec!["nobody has written down what is right".to_owned()] };
    let is_right = match (expect, report) {
        (Expect::Any, _) => true,
        (Expect::Exit(code), _) => finished.status.and_then(|status| status.code()) == Some(*code),
        (_, None) => false,
        (Expect::Unknown(words), Some(report)) => {
            told(report).strip_prefix("unknown: ").is_some_and(|summary| summary.contains(words))
        }
        (expect, Some(report)) => told(report) == expect.to_string(),
    };
    if is_right { vec![] } else { vec![format!("`{expect}` was expected")] }
}

/// The agent may know less than `check`, never the contrary.
fn contradicts(expect: Option<&Expect>, image: &Value) -> Vec<String> {
    let told = image["pullable"].as_bool();
    let is_wrong = match expect {
        Some(Expect::Pulls) => told == Some(false),
        Some(Expect::Fails(cause)) => told == Some(true) || told == Some(false) && image["cause"] != **cause,
        // The agent's deadlines are longer than those that `check` is given here.
        Some(Expect::Unknown(words)) => told.is_some() && !words.starts_with("No answer within"),
        Some(Expect::Exit(_) | Expect::Any) | None => false,
    };
    match expect.filter(|_| is_wrong) {
        Some(expect) => vec![format!("`{expect}` was expected of the agent, not {told:?}")],
        None => vec![],
    }
}

impl Trials {
    /// With what a good image takes.
    pub fn at_rest(mut self) -> io::Result<Self> {
        let mut scene = Scene::new(&self.authority)?;
        scene.peer(crate::peer::Spec::default())?;
        let mut command = self.on_node(&["check", "--format", "json"], &scene);
        let (finished, _) = seen(command.args(&scene.targets), &scene)?;
        let report: Value = serde_json::from_slice(&finished.stdout.text)?;
        if told(&report) != "yes" {
            return Err(io::Error::other(format!("a good image is not pullable: {}", told(&report))));
        }
        let mut agent = Agent::start(&self, &scene)?;
        agent.first_answer(PATIENCE)?;
        self.idle = [finished.peak, process::peak(agent.running.id()).unwrap_or_default()];
        Ok(self)
    }
}
