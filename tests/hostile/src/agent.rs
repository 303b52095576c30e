//! `pullprobe run` on a scene: started, asked for its pages, and ended.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::looks;
use crate::process::Running;
use crate::scene::Scene;
use crate::trial::Trials;

const PAGES: [&str; 3] = ["/", "/metrics", "/api/v1/report"];
const LOOK: Duration = Duration::from_millis(50);

pub struct Agent {
    pub running: Running,
    pub address: SocketAddr,
}

/// What was served.
#[derive(Default)]
pub struct Pages {
    pub report: Option<Value>,
    pub longest: usize,
}

/// Settings of `run` for these images, each every five seconds.
pub fn settings(scene: &Scene) -> String {
    let images: Vec<String> =
        scene.targets.iter().map(|image| format!("{{image: \"{image}\", interval: 5s}}")).collect();
    format!(
        "node: {{name: worker-71}}\ntargets:\n  images: [{}]\n  discover: {{certs_d: false, sandbox_image: false}}\n\
         probe:\n  interval: 5s\n  spread_start: false\n  timeouts: {{dns: 3s, tcp: 3s, tls: 10s, http: 4s}}\nweb: {{listen: [\"127.0.0.1:0\"]{}}}\n{}",
        images.join(", "),
        scene.web,
        scene.settings
    )
}

impl Agent {
    pub fn start(trials: &Trials, scene: &Scene) -> io::Result<Self> {
        let file = scene.node.path("/pullprobe.yaml");
        std::fs::write(&file, settings(scene))?;
        let mut command = trials.on_node(&["run"], scene);
        Self::spawn(command.arg("--config").arg(file))
    }

    /// Waits until its log says where it listens.
    pub fn spawn(command: &mut Command) -> io::Result<Self> {
        let mut running = Running::start(command)?;
        let deadline = Instant::now() + Duration::from_mins(1);
        while Instant::now() < deadline {
            let log = running.log();
            if let Some(address) = log.lines().find_map(listening) {
                return Ok(Self { running, address });
            }
            if let Some(status) = running.ended()? {
                return Err(io::Error::other(format!("the agent ended with {status}: {}", running.log())));
            }
            std::thread::sleep(LOOK);
        }
        Err(io::Error::other(format!("the agent does not say where it listens: {}", running.log())))
    }

    /// Until its first image was probed: how long that took, and its pages.
    pub fn first_answer(&mut self, limit: Duration) -> io::Result<(Duration, Pages, Vec<String>)> {
        let began = Instant::now();
        loop {
            let report = get(self.address, "/api/v1/report").ok();
            let report = report.and_then(|body| serde_json::from_slice::<Value>(&body).ok());
            let is_told = report.is_some_and(|report| !report["images"][0]["probed_at"].is_null());
            if is_told || began.elapsed() > limit || self.running.ended()?.is_some() {
                let time = began.elapsed();
                let (pages, mut faults) = self.pages();
                if !is_told {
                    faults.push("the image was never probed".to_owned());
                }
                return Ok((time, pages, faults));
            }
            std::thread::sleep(LOOK);
        }
    }

    /// What it serves now, looked through.
    pub fn pages(&self) -> (Pages, Vec<String>) {
        let (mut pages, mut faults) = (Pages::default(), Vec::new());
        for path in PAGES {
            match get(self.address, path) {
                Ok(body) => {
                    faults.extend(looks::faults(path, &body));
                    pages.longest = pages.longest.max(body.len());
                    pages.report = serde_json::from_slice(&body).ok().or(pages.report);
                }
                Err(error) => faults.push(format!("{path}: {error}")),
            }
        }
        (pages, faults)
    }
}

/// The address of a line such as `… listening on 127.0.0.1:10048 …`.
fn listening(line: &str) -> Option<SocketAddr> {
    let (_, rest) = line.split_once("listening on ")?;
    let end = rest.find(|c: char| c.is_whitespace() || c == '"').unwrap_or(rest.len());
    rest.get(..end)?.parse().ok()
}

/// The body of an answer that has to be 200.
pub fn get(server: SocketAddr, path: &str) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(server)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: {server}\r\n\r\n").as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or(answer.len());
    let (head, body) = answer.split_at(end);
    let status = String::from_utf8_lossy(head).split(' ').nth(1).unwrap_or_default().to_owned();
    if status == "200" {
        Ok(body.get(4..).unwrap_or_default().to_vec())
    } else {
        Err(io::Error::other(format!("status {status}")))
    }
}
