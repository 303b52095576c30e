//! The three ways in which the program is asked about one world.

use std::time::Duration;

use serde_json::Value;

use super::super::binary::{Agent, Finished, document, finish};
use super::super::exposition::Exposition;
use super::super::world::World;

/// The answers.
pub struct Said {
    pub json: Finished,
    pub text: Finished,
    pub agent: Daemon,
}

/// What `run` answers.
pub struct Daemon {
    pub metrics: Exposition,
    pub report: Value,
    log: String,
}

impl Said {
    /// One after the other: servers may count.
    pub fn of(world: &World, image: &str) -> Self {
        let check = |format: &str| {
            finish(world.command("check").args([image, "--format", format, "--color", "never", "--log-level", "warn"]))
        };
        let json = check("json");
        Self { text: check("text"), agent: Daemon::of(world), json }
    }

    /// The document, and its one image.
    pub fn image(&self) -> (Value, Value) {
        let document = document(&self.json);
        let image = document["images"][0].clone();
        (document, image)
    }

    /// For the message of a failed test.
    pub fn shown(&self) -> String {
        let named = |name: &str| name.starts_with("pullprobe_image_") || name.starts_with("pullprobe_endpoint_");
        let samples = self.agent.metrics.0.iter().filter(|sample| named(&sample.name));
        let samples = samples.map(|one| format!("{} {:?} {}", one.name, one.labels, one.value));
        let agent = format!("{}\n{}", samples.collect::<Vec<_>>().join("\n"), self.agent.log);
        format!(
            "--- json ({:?})\n{}{}\n--- text ({:?})\n{}{}\n--- run\n{agent}",
            self.json.code, self.json.stdout, self.json.stderr, self.text.code, self.text.stdout, self.text.stderr
        )
    }
}

impl Daemon {
    fn of(world: &World) -> Self {
        let mut agent = Agent::start(&mut world.command("run")).ready();
        let metrics = Exposition::read(&agent.get("/metrics").text());
        let report = serde_json::from_slice(&agent.get("/api/v1/report").body).unwrap();
        agent.terminate();
        assert!(agent.ended_within(Duration::from_secs(10)).is_some(), "it does not end:\n{}", agent.log());
        Self { metrics, report, log: agent.log() }
    }
}
