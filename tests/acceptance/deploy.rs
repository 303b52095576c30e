//! What users deploy is true: each file is put before the real tool that reads it.
//!
//! Helm renders the chart, the schemas of Kubernetes judge the objects, promtool and Prometheus the
//! rules and the dashboard, buildah and containerd the image. `tests/tools/install.sh` brings them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed expectation is how a test fails")]

mod admission;
mod alertmanager;
mod alerts;
mod chart;
mod containerd;
mod daemon;
mod dashboard;
mod dockerfile;
mod fleet_faults;
mod image;
mod kubernetes;
mod layouts;
mod manifest;
mod metric_names;
mod operator;
mod options;
mod pod;
mod presets;
mod prometheus;
mod readme;
mod refused;
mod release;
mod rules;
mod runbooks;
mod scripts;
mod signals;
mod tools;
mod web;
