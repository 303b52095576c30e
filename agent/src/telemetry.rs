//! The log: one line for each event on standard error, as logfmt or JSON.

use std::fmt;

use jiff::Timestamp;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::{FmtSpan, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::redact::clean::Clean;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    #[default]
    Logfmt,
    Json,
}

/// The longest value of a field, in characters.
const VALUE_LIMIT: usize = 2_048;

/// From now on events of pullprobe of this level and above are written, and of libraries those that
/// matter. A second call changes nothing.
pub fn init(level: impl Into<Level>, format: impl Into<Format>) {
    let level: Level = level.into();
    // The client of the Kubernetes API logs whole answers that it cannot decode, and some are secrets. Its errors are told by who asks.
    let filter = EnvFilter::new(format!("warn,kube_client=off,pullprobe={level}"));
    // A span is told when it is over, with the time that it took.
    let spans = if level == Level::TRACE { FmtSpan::CLOSE } else { FmtSpan::NONE };
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false)
        .with_span_events(spans)
        .with_writer(std::io::stderr);
    let result = match format.into() {
        Format::Logfmt => builder.event_format(Line(logfmt)).finish().try_init(),
        Format::Json => builder.event_format(Line(json)).finish().try_init(),
    };
    // Only a test starts it twice.
    drop(result);
}

/// Pairs in order: time, level and message first.
type Pairs = Vec<(&'static str, String)>;

struct Line(fn(&Pairs) -> String);

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut fields = Fields { message: String::new(), others: Vec::new() };
        event.record(&mut fields);
        let time = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string();
        let level = event.metadata().level().as_str().to_ascii_lowercase();
        let mut pairs = vec![("ts", time), ("level", level), ("msg", fields.message)];
        if !event.metadata().target().starts_with("pullprobe") {
            pairs.push(("library", event.metadata().target().to_owned()));
        }
        pairs.extend(fields.others);
        if let Some(spans) = spans(context) {
            pairs.push(("span", spans));
        }
        writeln!(writer, "{}", (self.0)(&pairs))
    }
}

/// Within which spans it happens, the outermost first: `probe{target=docker.io}:dns{name="docker.io"}`.
fn spans<S, N>(context: &FmtContext<'_, S, N>) -> Option<String>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    let named = context.event_scope()?.from_root().map(|span| {
        let extensions = span.extensions();
        let fields = extensions.get::<FormattedFields<N>>().filter(|fields| !fields.is_empty());
        fields.map_or_else(|| span.name().to_owned(), |fields| format!("{}{{{fields}}}", span.name()))
    });
    let named: Vec<String> = named.collect();
    Some(Clean::line(&named.join(":")).into_string())
}

struct Fields {
    message: String,
    others: Pairs,
}

impl Fields {
    fn add(&mut self, field: &Field, value: &str) {
        let value: String = value.chars().take(VALUE_LIMIT).collect();
        let value = Clean::lines(&value).into_string();
        if field.name() == "message" {
            self.message = value;
        } else {
            self.others.push((field.name(), value));
        }
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, &format!("{value:?}"));
    }
}

fn json(pairs: &Pairs) -> String {
    let map: serde_json::Map<String, serde_json::Value> =
        pairs.iter().map(|(name, value)| ((*name).to_owned(), value.as_str().into())).collect();
    serde_json::Value::Object(map).to_string()
}

fn logfmt(pairs: &Pairs) -> String {
    let written: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={}", logfmt_value(value))).collect();
    written.join(" ")
}

/// Bare if nothing in it could be taken for the end of it, else quoted in one line, as JSON is.
fn logfmt_value(value: &str) -> String {
    let bare = |c: char| !c.is_whitespace() && !c.is_control() && !"\"=\\".contains(c);
    if !value.is_empty() && value.chars().all(bare) {
        return value.to_owned();
    }
    serde_json::Value::from(value).to_string()
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What two events look like.
    fn written(line: fn(&Pairs) -> String) -> String {
        let sink = Sink::default();
        let writer = sink.clone();
        let log = tracing_subscriber::fmt()
            .with_ansi(false)
            .event_format(Line(line))
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::with_default(log, || {
            let _within = tracing::info_span!("probe", target = %"a\u{202e}b").entered();
            tracing::warn!(endpoint = "https://r.example", tries = 3, error = %"a \"b\"\n\u{1b}[31m", "it \u{e9}nds");
            tracing::info!(password = ?crate::redact::secret::Secret::new("hunter2"), "plain");
        });
        let bytes = sink.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_line_of_logfmt_is_one_line_whatever_is_in_it() {
        let text = written(logfmt);
        let (first, second) = text.trim_end().split_once('\n').unwrap();
        let rest = r#"level=warn msg="it énds" endpoint=https://r.example tries=3 error="a \"b\"\n�[31m" span="probe{target=a�b}""#;
        assert!(first.starts_with("ts=20") && first.ends_with(rest), "{first}");
        assert!(second.ends_with("level=info msg=plain password=Secret(***) span=\"probe{target=a�b}\""), "{second}");
    }

    #[test]
    fn a_line_of_json_is_an_object() {
        let text = written(json);
        let events: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(events[0]["error"], "a \"b\"\n\u{fffd}[31m");
        assert_eq!((&events[1]["level"], &events[1]["msg"]), (&"info".into(), &"plain".into()));
        assert!(!text.contains("hunter2"));
    }
}
