//! The process that is measured: the agent of `run`, in time that passes when the other process says so.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use clap::Parser as _;
use jiff::Timestamp;
use pullprobe::agent::driven::{Driven, HeldTime};
use pullprobe::cli::{Cli, NodeArgs, Verb};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

/// The shortest interval, so that each target is due once in a cycle.
pub const INTERVAL: Duration = Duration::from_secs(5);
/// What is silent is given so much time at once.
const STEP: Duration = Duration::from_secs(1);
/// How long what is silent is left to itself before: it is to get as far as its silence.
const BEFORE_A_STEP: Duration = Duration::from_millis(10);
/// Of the agent, in seconds since 1970.
static NOW: AtomicI64 = AtomicI64::new(0);

fn clock() -> Timestamp {
    Timestamp::from_second(NOW.load(Ordering::SeqCst)).unwrap_or_default()
}

async fn pass(time: Duration) {
    NOW.fetch_add(i64::try_from(time.as_secs()).unwrap_or_default(), Ordering::SeqCst);
    tokio::time::advance(time).await;
}

/// Said after each cycle.
#[derive(Debug, Serialize, Deserialize)]
pub struct Seen {
    pub tasks: usize,
    /// Of the agent itself, since its start.
    pub faults: u64,
    pub images: Vec<Told>,
    pub hosts: Vec<Told>,
}

/// What was told of a target.
#[derive(Debug, Serialize, Deserialize)]
pub struct Told {
    pub name: String,
    pub well: Option<bool>,
    pub cause: Option<String>,
    pub summary: String,
    /// It was probed in this cycle.
    pub is_new: bool,
}

/// Does what it is told over a connection to that port, until it closes.
pub fn live(root: &Path, control: &Path, morning: &Path) -> io::Result<()> {
    let number = |text: &Path| text.to_string_lossy().parse::<i64>().map_err(io::Error::other);
    NOW.store(number(morning)?, Ordering::SeqCst);
    let control = u16::try_from(number(control)?).map_err(io::Error::other)?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).event_interval(1).build()?;
    let ended = runtime.block_on(serve(root, control));
    runtime.shutdown_background();
    ended
}

fn arguments(root: &Path) -> io::Result<NodeArgs> {
    let config = root.join("pullprobe.yaml");
    let words = [
        "pullprobe".as_ref(),
        "run".as_ref(),
        "--config".as_ref(),
        config.as_os_str(),
        "--host-root".as_ref(),
        root.as_os_str(),
    ];
    match Cli::try_parse_from(words).map_err(io::Error::other)?.verb {
        Verb::Run { node, .. } => Ok(node),
        _ => Err(io::Error::other("it was told to run")),
    }
}

async fn serve(root: &Path, control: u16) -> io::Result<()> {
    let _held = HeldTime::new();
    let (read, mut write) = TcpStream::connect(("127.0.0.1", control)).await?.into_split();
    let mut lines = BufReader::new(read).lines();
    let driven = Driven::start(&arguments(root)?, clock).await.map_err(|why| io::Error::other(format!("{why:?}")))?;
    let address = driven.addresses().first().map(ToString::to_string).unwrap_or_default();
    write.write_all(format!("{address}\n").as_bytes()).await?;
    // The targets that only the passing of time ends, with commas between them.
    while let Some(silent) = lines.next_line().await? {
        let silent: Vec<String> = silent.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
        let seen = cycle(&driven, &silent).await;
        let text = serde_json::to_string(&seen)?;
        write.write_all(format!("{text}\n").as_bytes()).await?;
    }
    driven.end().await;
    Ok(())
}

async fn cycle(driven: &Driven, silent: &[String]) -> Seen {
    pass(INTERVAL).await;
    let began = clock();
    loop {
        let waited = tokio::select! {
            biased;
            () = driven.under_way().quiet() => break,
            waited = tokio::task::spawn_blocking(|| std::thread::sleep(BEFORE_A_STEP)), if !silent.is_empty() => waited.is_ok(),
        };
        // Time is put forward only where nobody else would miss it.
        if waited && driven.under_way().names().iter().all(|name| silent.contains(name)) {
            pass(STEP).await;
        }
    }
    look(driven, began)
}

fn look(driven: &Driven, began: Timestamp) -> Seen {
    let snapshot = driven.snapshot();
    let images = snapshot.images.iter().map(|(name, report)| Told {
        name: name.clone(),
        well: report.verdict.pullable,
        cause: report.verdict.cause.map(|cause| cause.to_string()),
        summary: report.verdict.summary.to_string(),
        is_new: report.started_at >= began,
    });
    let hosts = snapshot.endpoints.iter().map(|((namespace, _), report)| Told {
        name: namespace.clone(),
        well: report.up(),
        cause: report.failure().map(|failure| failure.cause.to_string()),
        summary: report.failure().map(|failure| failure.detail.to_string()).unwrap_or_default(),
        is_new: report.started_at >= began,
    });
    let (images, hosts) = (images.collect(), hosts.collect());
    let faults = snapshot.faults;
    Seen { faults, tasks: tokio::runtime::Handle::current().metrics().num_alive_tasks(), images, hosts }
}
