//! The stages of a pull as they are drawn: each one reached, failed, or not reached.

use maud::{Markup, html};

use super::markup::{Tone, millis};
use crate::model::outcome::Skip;
use crate::model::report::{ContentSource, EndpointReport, ImageReport, StageLine, StageResult, Stages};
use crate::model::stage::Stage;
use crate::state::snapshot::Snapshot;

/// Those of an image, in the order of the walk.
const OF_IMAGE: [Stage; 9] = [
    Stage::Dns,
    Stage::Tcp,
    Stage::Proxy,
    Stage::Tls,
    Stage::Ping,
    Stage::Token,
    Stage::Manifest,
    Stage::Platform,
    Stage::Blob,
];

#[derive(Debug, PartialEq, Eq)]
pub struct StageCell {
    pub stage: Stage,
    pub tone: Tone,
    pub said: String,
}

pub fn draw(cells: &[StageCell]) -> Markup {
    html! { ol.ladder { @for cell in cells {
        li.(cell.tone.class()) { i { (cell.tone.sign()) } " " b { (cell.stage.as_str()) } " " span { (cell.said) } }
    } } }
}

/// Of one host, as its probe saw it.
pub fn of_host(stages: &Stages) -> Vec<StageCell> {
    stages.shown().map(|line| measured(&line)).collect()
}

fn measured(line: &StageLine<'_>) -> StageCell {
    let took = line.duration.map(millis).unwrap_or_default();
    let (tone, said) = match line.result {
        StageResult::Passed => (Tone::Good, took),
        StageResult::Failed(_) if took.is_empty() => (Tone::Bad, "failed".to_owned()),
        StageResult::Failed(_) => (Tone::Bad, format!("failed, {took}")),
        StageResult::Skipped(why) => (Tone::Quiet, why.as_str().replace('_', " ")),
    };
    StageCell { stage: line.stage, tone, said }
}

/// Of an image: what its own walk shows, with the times of the host that decided where its probe agrees.
pub fn of_image(snapshot: &Snapshot, image: &ImageReport) -> Vec<StageCell> {
    let host = deciding_host(snapshot, image);
    let lines = host.map(|report| report.stages.lines());
    let is_direct = host.is_some_and(|report| report.stages.shown().all(|line| line.stage != Stage::Proxy));
    let line = |stage| lines.as_ref().and_then(|lines| lines.iter().find(|line| line.stage == stage));
    let cell = |stage: Stage| {
        let (tone, said) = match (reach(image, stage), line(stage)) {
            (Reach::Reached, Some(line)) if agrees(line) => return measured(line),
            (Reach::Reached, _) => (Tone::Good, "reached"),
            (Reach::Failed, _) => (Tone::Bad, "failed"),
            (Reach::Open, _) => (Tone::Doubt, "not known"),
            (Reach::NotReached, _) => (Tone::Quiet, "not reached"),
        };
        StageCell { stage, tone, said: said.to_owned() }
    };
    OF_IMAGE.into_iter().filter(|stage| *stage != Stage::Proxy || !is_direct).map(cell).collect()
}

enum Reach {
    Reached,
    Failed,
    /// The walk ended here, and whether containerd's would is not known.
    Open,
    NotReached,
}

fn reach(image: &ImageReport, stage: Stage) -> Reach {
    let verdict = &image.verdict;
    let is_refuted = verdict.pullable == Some(false) || verdict.runnable == Some(false);
    match verdict.stage.filter(|ended| OF_IMAGE.contains(ended)) {
        Some(ended) if stage < ended => Reach::Reached,
        Some(ended) if stage == ended && is_refuted => Reach::Failed,
        Some(ended) if stage == ended => Reach::Open,
        // An image for another platform may be pulled all the same.
        Some(ended) if ended != Stage::Platform => Reach::NotReached,
        _ if was_seen(image, stage) => Reach::Reached,
        _ => Reach::NotReached,
    }
}

/// Whether the report itself shows that the walk came past this stage.
fn was_seen(image: &ImageReport, stage: Stage) -> bool {
    match stage {
        Stage::Manifest => image.source.is_some(),
        Stage::Platform => image.platform.selected.is_some() || image.verdict.runnable == Some(true),
        Stage::Blob => image.blob.as_ref().is_some_and(|blob| blob.failure.is_none()),
        _ => image.source.is_some_and(|source| source != ContentSource::ContentStore) && image.verdict.stage.is_none(),
    }
}

/// The host that the verdict names, else the one that served.
fn deciding_host<'a>(snapshot: &'a Snapshot, image: &ImageReport) -> Option<&'a EndpointReport> {
    let namespace = image.image.as_ref()?.domain.as_str();
    let served = || image.blob.as_ref().map(|blob| blob.endpoint.host_port());
    let wanted = image.verdict.host.as_ref().map(ToString::to_string).or_else(served)?;
    let mut hosts = snapshot.endpoints.values().filter(|report| report.namespace == namespace);
    hosts.find(|report| report.endpoint.host_port() == wanted).map(AsRef::as_ref)
}

const fn agrees(line: &StageLine<'_>) -> bool {
    matches!(line.result, StageResult::Passed | StageResult::Skipped(Skip::NotNeeded | Skip::LeftToProxy))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::sample;

    fn drawn(image: &ImageReport) -> String {
        let sign = |cell: &StageCell| cell.tone.sign();
        of_image(&sample::rich(), image).iter().map(sign).collect()
    }

    fn of(requested: &str) -> ImageReport {
        sample::rich().images[requested].as_ref().clone()
    }

    #[test]
    fn an_image_shows_the_stage_where_it_failed_and_none_behind_it() {
        assert_eq!(drawn(&of("ghcr.io/example/private:1")), "✓✓–✓✓✗–––");
        assert_eq!(drawn(&of("quay.io/example/amd64-only:2")), "✓✓✓✓✓✓✓✗✓");
        assert_eq!(drawn(&of("busybox:1.36")), "✓✓–✓✓✓✓✓✓");
    }

    #[test]
    fn an_open_answer_is_no_failure_and_what_fails_before_any_host_reaches_none() {
        let mut image = of("ghcr.io/example/private:1");
        image.verdict.pullable = None;
        assert_eq!(drawn(&image), "✓✓–✓✓!–––");
        image.verdict.pullable = Some(false);
        image.verdict.stage = Some(Stage::Config);
        (image.source, image.blob) = (None, None);
        assert_eq!(drawn(&image), "–––––––––");
    }

    #[test]
    fn what_the_node_has_was_asked_of_no_host() {
        let mut image = of("busybox:1.36");
        (image.source, image.blob) = (Some(ContentSource::ContentStore), None);
        assert_eq!(drawn(&image), "––––––✓✓–");
    }

    #[test]
    fn times_are_those_of_the_host_that_decided() {
        let snapshot = sample::rich();
        let cells = of_image(&snapshot, &of("ghcr.io/example/private:1"));
        let said: Vec<&str> = cells.iter().map(|cell| cell.said.as_str()).collect();
        assert_eq!(said[..4], ["4 ms", "11 ms", "not needed", "23 ms"]);
        assert_eq!(said[5..], ["failed", "not reached", "not reached", "not reached"]);
        assert_eq!(of_host(&snapshot.endpoints.first_key_value().unwrap().1.stages)[1].said, "failed, 5.0 s");
    }
}
