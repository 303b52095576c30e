//! The snapshot in Prometheus' text format, made anew for each scrape.
//!
//! Absent means not measured; zero means measured and bad. Every family is one row of a table, which
//! is also the source of docs/metrics.md.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::LazyLock;

use prometheus::TextEncoder;
use prometheus::core::Collector;
use prometheus::process_collector::ProcessCollector;
use prometheus::proto::{Bucket, Counter, Gauge, LabelPair, Metric, MetricFamily, MetricType};

use crate::model::detail::Detail;
use crate::model::namespace::Health;
use crate::model::tally::Histogram;
use crate::redact::clean::{has_hostile, is_hostile};
use crate::state::snapshot::Snapshot;

mod detail;
pub mod document;
mod endpoint;
mod image;
mod namespace;
mod node;
mod pods;
mod traffic;

/// The media type of what [`exposition`] gives.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// It reads the process anew each time, and knows what it reads from the start.
static PROCESS: LazyLock<ProcessCollector> = LazyLock::new(ProcessCollector::for_self);

/// The longest label value, in bytes: an image reference may have 383.
const LABEL_LIMIT: usize = 512;

/// One metric: its words, and how its samples are read off a snapshot.
pub struct Family {
    pub name: &'static str,
    pub help: &'static str,
    pub kind: Kind,
    pub labels: &'static [&'static str],
    /// Of one target in `full`, at most; those that a fault adds are not counted.
    pub series: usize,
    pub standard: Standard,
    samples: fn(&View<'_>) -> Vec<Sample>,
}

/// The snapshot, with what several families need of it worked out once.
pub struct View<'a> {
    snapshot: &'a Snapshot,
    health: BTreeMap<&'a str, Health>,
    nameservers: BTreeMap<SocketAddr, namespace::Asked<'a>>,
}

impl<'a> View<'a> {
    fn of(snapshot: &'a Snapshot) -> Self {
        let namespaces = snapshot.targets.namespaces.iter();
        let health = namespaces.map(|(name, found)| (name.as_str(), found.health(name, &snapshot.endpoints)));
        Self { snapshot, health: health.collect(), nameservers: namespace::nameservers(snapshot) }
    }
}

impl Deref for View<'_> {
    type Target = Snapshot;

    fn deref(&self) -> &Snapshot {
        self.snapshot
    }
}

/// What `metrics.detail: standard` has of a family.
pub enum Standard {
    Whole,
    /// Those series alone that this function gives, which are some of the family's.
    Part {
        /// Of one target.
        at_most: usize,
        /// In words.
        which: &'static str,
        samples: fn(&View<'_>) -> Vec<Sample>,
    },
    Nothing,
}

/// How the snapshot is shown.
#[derive(Clone, Copy, Debug, Default)]
pub struct Shape {
    /// Stamp every series with the node's name, for those who cannot have the scrape add it.
    pub node_label: bool,
    pub detail: Detail,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Gauge,
    Counter,
    Histogram,
}

impl Kind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gauge => "gauge",
            Self::Counter => "counter",
            Self::Histogram => "histogram",
        }
    }

    const fn field_type(self) -> MetricType {
        match self {
            Self::Gauge => MetricType::GAUGE,
            Self::Counter => MetricType::COUNTER,
            Self::Histogram => MetricType::HISTOGRAM,
        }
    }
}

/// One series: a value for each label of its family, in the family's order.
pub struct Sample {
    labels: Vec<String>,
    value: Value,
}

enum Value {
    Number(f64),
    Distribution(Histogram),
}

impl Sample {
    fn new<const N: usize>(labels: [&str; N], value: f64) -> Self {
        Self { labels: labels.map(label_value).into(), value: Value::Number(value) }
    }
}

/// Every family, in the order of the documentation.
pub fn families() -> impl Iterator<Item = &'static Family> {
    let of_node =
        [node::BUILD, endpoint::FAMILIES, namespace::FAMILIES, image::FAMILIES, pods::FAMILIES, node::FAMILIES];
    of_node.into_iter().chain([traffic::FAMILIES]).flatten()
}

/// What a scrape gets.
pub fn exposition(snapshot: &Snapshot, shape: Shape) -> Result<String, prometheus::Error> {
    let stamp = shape.node_label.then(|| pair("node", label_value(&snapshot.node)));
    let view = View::of(snapshot);
    let ours = families().filter_map(|family| family.encode(&view, shape.detail));
    let mut text = String::new();
    // One family at a time: all of them at once would be the most memory that the agent ever takes.
    for mut family in ours.chain(PROCESS.collect()) {
        if let Some(stamp) = &stamp {
            family.mut_metric().iter_mut().for_each(|metric| add_label(metric, stamp));
        }
        TextEncoder::new().encode_utf8(&[family], &mut text)?;
    }
    Ok(text)
}

fn add_label(metric: &mut Metric, label: &LabelPair) {
    let mut labels = metric.take_label();
    labels.push(label.clone());
    metric.set_label(labels);
}

impl Family {
    /// `None` without a single sample: a family that says nothing is not shown.
    fn encode(&self, view: &View<'_>, detail: Detail) -> Option<MetricFamily> {
        // Sorted, and each series once: two targets that are written differently may be one.
        let series: BTreeMap<Vec<String>, Value> =
            self.shown(view, detail).into_iter().map(|sample| (sample.labels, sample.value)).collect();
        if series.is_empty() {
            return None;
        }
        let mut family = MetricFamily::default();
        family.set_name(self.name.to_owned());
        family.set_help(self.help.to_owned());
        family.set_field_type(self.kind.field_type());
        family.set_metric(series.into_iter().map(|(labels, value)| self.metric(labels, value)).collect());
        Some(family)
    }

    fn shown(&self, view: &View<'_>, detail: Detail) -> Vec<Sample> {
        match (detail, &self.standard) {
            (Detail::Standard, Standard::Nothing) => Vec::new(),
            (Detail::Standard, Standard::Part { samples, .. }) => samples(view),
            (Detail::Full, _) | (Detail::Standard, Standard::Whole) => (self.samples)(view),
        }
    }

    fn metric(&self, labels: Vec<String>, value: Value) -> Metric {
        let labels = self.labels.iter().zip(labels).map(|(name, value)| pair(name, value)).collect();
        let mut metric = Metric::from_label(labels);
        match value {
            Value::Number(number) if self.kind == Kind::Counter => {
                let mut counter = Counter::default();
                counter.set_value(number);
                metric.set_counter(counter);
            }
            Value::Number(number) => {
                let mut gauge = Gauge::default();
                gauge.set_value(number);
                metric.set_gauge(gauge);
            }
            Value::Distribution(histogram) => metric.set_histogram(distribution(&histogram)),
        }
        metric
    }
}

fn distribution(histogram: &Histogram) -> prometheus::proto::Histogram {
    let bucket = |(bound, count)| {
        let mut bucket = Bucket::default();
        bucket.set_upper_bound(bound);
        bucket.set_cumulative_count(count);
        bucket
    };
    let mut encoded = prometheus::proto::Histogram::default();
    encoded.set_bucket(histogram.cumulative().map(bucket).collect());
    encoded.set_sample_count(histogram.count);
    encoded.set_sample_sum(histogram.sum.as_secs_f64());
    encoded
}

fn pair(name: &str, value: String) -> LabelPair {
    let mut pair = LabelPair::default();
    pair.set_name(name.to_owned());
    pair.set_value(value);
    pair
}

/// Bounded and without control characters; the encoder escapes the rest.
fn label_value(text: &str) -> String {
    if text.len() <= LABEL_LIMIT && !has_hostile(text) {
        return text.to_owned();
    }
    let mut value = String::new();
    for c in text.chars().filter(|c| !is_hostile(*c)) {
        if value.len() + c.len_utf8() > LABEL_LIMIT {
            break;
        }
        value.push(c);
    }
    value
}

const fn truth(value: bool) -> f64 {
    if value { 1.0 } else { 0.0 }
}

/// A count as Prometheus has it: exact up to 2⁵³, which no count of ours reaches.
#[expect(clippy::cast_precision_loss, reason = "Prometheus has no other numbers")]
const fn number(count: u64) -> f64 {
    count as f64
}

fn unix_seconds(at: jiff::Timestamp) -> f64 {
    at.as_duration().as_secs_f64()
}

#[cfg(test)]
mod tests;
