//! The verdict about each image.

use super::{Family, Kind, Sample, Standard, truth, unix_seconds};
use crate::model::report::ImageReport;
use crate::state::snapshot::Snapshot;

const IMAGE: &[&str] = &["image"];

pub const FAMILIES: &[Family] = &[
    Family {
        name: "pullprobe_image_pullable",
        help: "Whether containerd's pull of this image would succeed on this node; absent when the answer is unknown.",
        kind: Kind::Gauge,
        labels: IMAGE,
        series: 1,
        standard: Standard::Whole,
        samples: |snapshot| each(snapshot, |image| image.verdict.pullable.map(truth)),
    },
    Family {
        name: "pullprobe_image_failure_info",
        help: "1 for the stage, cause and owner of why this image cannot be pulled or started; absent when it can.",
        kind: Kind::Gauge,
        labels: &["image", "stage", "cause", "owner"],
        series: 1,
        standard: Standard::Whole,
        samples: |view| failure_info(view),
    },
    Family {
        name: "pullprobe_image_platform_supported",
        help: "Whether the image would start on this node's platform; absent when the answer is unknown.",
        kind: Kind::Gauge,
        labels: IMAGE,
        series: 1,
        standard: Standard::Nothing,
        samples: |snapshot| each(snapshot, |image| image.verdict.runnable.map(truth)),
    },
    Family {
        name: "pullprobe_image_last_probe_timestamp_seconds",
        help: "When the last probe of this image began, in Unix seconds. Probes run on a schedule of their own, not at the scrape.",
        kind: Kind::Gauge,
        labels: IMAGE,
        series: 1,
        standard: Standard::Nothing,
        samples: |snapshot| each(snapshot, |image| Some(unix_seconds(image.started_at))),
    },
    Family {
        name: "pullprobe_image_probe_backoff_seconds",
        help: "Seconds between probes of this image while pullprobe backs off, because its registry fails, sent Retry-After or refuses a login; 0 when it is probed at its usual interval.",
        kind: Kind::Gauge,
        labels: IMAGE,
        series: 1,
        standard: Standard::Nothing,
        samples: |snapshot| {
            each(snapshot, |image| Some(snapshot.image_back_off(image).map_or(0.0, |held| held.wait.as_secs_f64())))
        },
    },
    Family {
        name: "pullprobe_images_dropped",
        help: "Images that were found but are not probed, because there are more than the cap.",
        kind: Kind::Gauge,
        labels: &[],
        series: 1,
        standard: Standard::Whole,
        samples: |snapshot| vec![Sample::new([], super::number(snapshot.targets.left_out.count as u64))],
    },
];

fn each(snapshot: &Snapshot, value: impl Fn(&ImageReport) -> Option<f64>) -> Vec<Sample> {
    snapshot.images.values().filter_map(|image| Some(Sample::new([&name(image)], value(image)?))).collect()
}

fn failure_info(snapshot: &Snapshot) -> Vec<Sample> {
    let of_image = |image: &ImageReport| {
        let cause = image.verdict.cause?;
        let stage = image.verdict.stage.map_or("unknown", |stage| stage.as_str());
        let owner = image.verdict.owner.unwrap_or_else(|| cause.owner());
        Some(Sample::new([&name(image), stage, cause.as_str(), owner.as_str()], 1.0))
    };
    snapshot.images.values().filter_map(|image| of_image(image)).collect()
}

/// As containerd writes it; as the user did where that is no reference at all.
fn name(report: &ImageReport) -> String {
    report.image.as_ref().map_or_else(|| report.requested.clone().into(), ToString::to_string)
}
