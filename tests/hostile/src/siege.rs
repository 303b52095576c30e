//! As many hostile registries as the settings take, all at once, on an agent that lives in the memory of the chart;
//! and a healthy one beside them, which has to keep its interval.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::agent::{self, Agent};
use crate::attack::{Attack, How};
use crate::looks;
use crate::peer::Spec;
use crate::scene::Scene;
use crate::table::tenths;
use crate::trial::Trials;

/// The limit of the chart.
const MEMORY: u64 = 128 << 20;
/// What the settings take, but for the healthy one.
const AT_ONCE: usize = 255;
/// How often the healthy one is to be probed.
const INTERVAL: Duration = Duration::from_secs(5);
/// An interval and a fifth.
const LATEST: Duration = Duration::from_secs(6);
/// Of the hostile ones.
const HOSTILE_INTERVAL: &str = "30s";

/// How it went.
pub struct Siege {
    peers: usize,
    of: usize,
    time: Duration,
    peak: u64,
    kills: u64,
    /// Between two probes of the healthy image: when it ended after the start, and how long it was.
    gaps: Vec<(Duration, Duration)>,
    faults: Vec<String>,
}

impl Siege {
    pub fn is_ok(&self) -> bool {
        self.faults.is_empty()
    }

    fn latest(&self) -> (Duration, Duration) {
        self.gaps.iter().max_by_key(|(_, gap)| *gap).copied().unwrap_or_default()
    }
}

impl fmt::Display for Siege {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut gaps: Vec<Duration> = self.gaps.iter().map(|(_, gap)| *gap).collect();
        gaps.sort();
        let median = gaps.get(gaps.len() / 2).copied().unwrap_or_default().as_secs_f64();
        let verdict = if self.is_ok() { "ok".to_owned() } else { format!("NOT OK: {}", self.faults.join("; ")) };
        write!(
            f,
            "| siege: {} of {} peers at once for {} s | run | cgroup of {} MiB; healthy every {} s + 20 % | peak {} MiB, {} OOM \
             kills; {} probes, every {median:.2} s, at the latest after {:.2} s | | {verdict} |",
            self.peers,
            self.of,
            self.time.as_secs(),
            MEMORY >> 20,
            INTERVAL.as_secs(),
            tenths(self.peak),
            self.kills,
            self.gaps.len() + 1,
            self.latest().1.as_secs_f64(),
        )
    }
}

/// How late a probe of the healthy image, and an answer of the agent's port, may be.
#[derive(Clone, Copy)]
pub struct Pace {
    probe: Duration,
    answer: Duration,
}

impl Pace {
    /// An interval and a fifth, on a machine that does nothing else.
    pub const MEASURED: Self = Self { probe: LATEST, answer: Duration::from_secs(1) };
    /// Beside other tests: the agent still lives, and starves nobody.
    pub const BUSY: Self = Self { probe: Duration::from_secs(20), answer: Duration::from_secs(10) };
}

impl Trials {
    /// `pace`: how late things may be.
    pub fn siege(&self, attacks: &[Attack], time: Duration, pace: Pace) -> io::Result<Siege> {
        let mut scene = Scene::new(&self.authority)?;
        scene.peer(Spec::default())?;
        let specs: Vec<&Spec> = attacks
            .iter()
            .filter_map(|attack| if let How::Peer(spec) = &attack.how { Some(&**spec) } else { None })
            .collect();
        for nth in 0..specs.len().min(AT_ONCE) {
            // Evenly of all families.
            scene.peer(specs[nth * specs.len() / specs.len().min(AT_ONCE)].clone())?;
        }
        let cgroup = Cgroup::limited(MEMORY)?;
        let file = scene.node.path("/pullprobe.yaml");
        let settings = agent::settings(&scene).replace("interval: 5s}", &format!("interval: {HOSTILE_INTERVAL}}}"));
        std::fs::write(&file, settings.replacen(HOSTILE_INTERVAL, "5s", 1))?;
        let mut command = self.on_node(&["run"], &scene);
        let agent = Agent::spawn(&mut cgroup.holding(command.arg("--config").arg(file)))?;
        watched(&scene, agent, &cgroup, (time, pace), specs.len())
    }
}

/// Until the time is over, or the agent is.
fn watched(
    scene: &Scene,
    mut agent: Agent,
    cgroup: &Cgroup,
    (time, pace): (Duration, Pace),
    of: usize,
) -> io::Result<Siege> {
    let began = Instant::now();
    let mut faults = Vec::new();
    while began.elapsed() < time {
        if let Some(status) = agent.running.ended()? {
            faults.push(format!("the agent ended: {status}"));
            break;
        }
        let asked = Instant::now();
        let is_answered = agent::get(agent.address, "/healthz").is_ok();
        if (!is_answered || asked.elapsed() > pace.answer) && faults.len() < 3 {
            faults.push(format!("/healthz took {:.1?} after {} s", asked.elapsed(), began.elapsed().as_secs()));
        }
        std::thread::sleep(Duration::from_secs(1));
    }
    let (pages, more) = agent.pages();
    faults.extend(more);
    let healthy = scene.targets.first().cloned().unwrap_or_default();
    let report = pages.report.unwrap_or_default();
    let image =
        report["images"].as_array().and_then(|images| images.iter().find(|image| image["requested"] == healthy));
    if image.is_none_or(|image| image["pullable"] != true) {
        faults.push("the healthy image is not known to be pullable".to_owned());
    }
    let probes = scene.peers.first().map(crate::peer::Peer::probes).unwrap_or_default();
    let ends = probes.iter().copied().skip(1).chain([Instant::now()]);
    let gaps = probes.iter().zip(ends).map(|(from, to)| (to - began, to - *from)).collect();
    faults.extend(looks::faults("its log", agent.running.log().as_bytes()));
    let siege = Siege {
        peers: scene.peers.len() - 1,
        of,
        time: began.elapsed(),
        peak: cgroup.peak()?,
        kills: cgroup.kills()?,
        gaps,
        faults,
    };
    Ok(siege.judged(pace))
}

impl Siege {
    fn judged(mut self, pace: Pace) -> Self {
        if self.gaps.len() < 2 {
            self.faults.push("the healthy image was hardly probed".to_owned());
        }
        let (at, gap) = self.latest();
        if gap > pace.probe {
            self.faults.push(format!(
                "the healthy image was late: probed after {gap:.1?}, {} s after the start",
                at.as_secs()
            ));
        }
        if self.kills > 0 {
            self.faults.push("the kernel killed it for its memory".to_owned());
        }
        self
    }
}

/// A memory cgroup, of the first or the second version; removed when dropped.
struct Cgroup {
    place: PathBuf,
    unified: bool,
}

impl Cgroup {
    fn limited(bytes: u64) -> io::Result<Self> {
        let unified = Path::new("/sys/fs/cgroup/cgroup.controllers").exists();
        let above = if unified { "/sys/fs/cgroup" } else { "/sys/fs/cgroup/memory" };
        let place = Path::new(above).join(format!("pullprobe-siege-{}", std::process::id()));
        std::fs::create_dir(&place).map_err(|error| io::Error::other(format!("no memory cgroup: {error}")))?;
        let cgroup = Self { place, unified };
        let (limit, with_swap) = if unified {
            ("memory.max", "memory.swap.max")
        } else {
            ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes")
        };
        std::fs::write(cgroup.place.join(limit), bytes.to_string())?;
        // Not there where the kernel accounts for no swap.
        drop(std::fs::write(cgroup.place.join(with_swap), if unified { "0".to_owned() } else { bytes.to_string() }));
        Ok(cgroup)
    }

    /// The same command, started inside.
    fn holding(&self, command: &Command) -> Command {
        let mut shell = Command::new("/bin/sh");
        let procs = self.place.join("cgroup.procs");
        shell.arg("-c").arg(format!("echo $$ > {} && exec \"$0\" \"$@\"", procs.display()));
        shell.arg(command.get_program()).args(command.get_args()).env_clear();
        shell.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        let (name, value) = pullprobe_lab::RELEASED_WITH;
        shell.env(name, value);
        shell
    }

    fn peak(&self) -> io::Result<u64> {
        let file = if self.unified { "memory.peak" } else { "memory.max_usage_in_bytes" };
        let text = std::fs::read_to_string(self.place.join(file))?;
        text.trim().parse().map_err(io::Error::other)
    }

    /// How often the kernel killed something in it.
    fn kills(&self) -> io::Result<u64> {
        let file = if self.unified { "memory.events" } else { "memory.oom_control" };
        let text = std::fs::read_to_string(self.place.join(file))?;
        let line = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
        line.ok_or_else(|| io::Error::other(format!("{file} does not count kills: {text}")))?
            .trim()
            .parse()
            .map_err(io::Error::other)
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // The process in it may take a moment to be gone.
        for _ in 0..250 {
            if std::fs::remove_dir(&self.place).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
