//! The keys of config.toml itself that have no part in a pull: what is wrong with one of them still ends containerd.

use go::text::duration;
use go::toml::{Data, Table, Value};

use super::{ConfigFault, FaultKind, Merged, top_level_type};
use crate::version::Version;

/// What a key takes.
enum Wanted {
    Text,
    Whole,
    Flag,
    Texts,
    /// Texts by name.
    Map,
    Struct(&'static str, &'static [Key]),
    /// Structs by name.
    Each(&'static str, &'static [Key]),
}

struct Key {
    name: &'static str,
    /// The field that it is decoded into.
    field: &'static str,
    wanted: Wanted,
}

const fn key(name: &'static str, field: &'static str, wanted: Wanted) -> Key {
    Key { name, field, wanted }
}

const KEYS: [Key; 10] = [
    key("state", "State", Wanted::Text),
    key("temp", "TempDir", Wanted::Text),
    key("oom_score", "OOMScore", Wanted::Whole),
    key("grpc", "GRPC", Wanted::Struct("config.GRPCConfig", &GRPC)),
    key("ttrpc", "TTRPC", Wanted::Struct("config.TTRPCConfig", &TTRPC)),
    key("debug", "Debug", Wanted::Struct("config.Debug", &DEBUG)),
    key("metrics", "Metrics", Wanted::Struct("config.MetricsConfig", &METRICS)),
    key("cgroup", "Cgroup", Wanted::Struct("config.CgroupConfig", &[key("path", "Path", Wanted::Text)])),
    key("timeouts", "Timeouts", Wanted::Map),
    key("proxy_plugins", "ProxyPlugins", Wanted::Each("config.ProxyPlugin", &PROXY_PLUGIN)),
];
const GRPC: [Key; 10] = [
    key("address", "Address", Wanted::Text),
    key("tcp_address", "TCPAddress", Wanted::Text),
    key("tcp_tls_ca", "TCPTLSCA", Wanted::Text),
    key("tcp_tls_cert", "TCPTLSCert", Wanted::Text),
    key("tcp_tls_key", "TCPTLSKey", Wanted::Text),
    key("tcp_tls_common_name", "TCPTLSCName", Wanted::Text),
    key("uid", "UID", Wanted::Whole),
    key("gid", "GID", Wanted::Whole),
    key("max_recv_message_size", "MaxRecvMsgSize", Wanted::Whole),
    key("max_send_message_size", "MaxSendMsgSize", Wanted::Whole),
];
const TTRPC: [Key; 3] =
    [key("address", "Address", Wanted::Text), key("uid", "UID", Wanted::Whole), key("gid", "GID", Wanted::Whole)];
const DEBUG: [Key; 6] = [
    key("address", "Address", Wanted::Text),
    key("uid", "UID", Wanted::Whole),
    key("gid", "GID", Wanted::Whole),
    key("level", "Level", Wanted::Text),
    key("format", "Format", Wanted::Text),
    key("log_trace_id", "LogTraceID", Wanted::Flag),
];
/// Keys that not every release has.
const SINCE: [(&str, (u32, u32, u32)); 2] = [("tcp_tls_common_name", (2, 2, 0)), ("log_trace_id", (2, 3, 0))];
const METRICS: [Key; 2] =
    [key("address", "Address", Wanted::Text), key("grpc_histogram", "GRPCHistogram", Wanted::Flag)];
const PROXY_PLUGIN: [Key; 2] = [key("type", "Type", Wanted::Text), key("address", "Address", Wanted::Text)];
const STREAM_PROCESSORS: Key =
    key("stream_processors", "StreamProcessors", Wanted::Each("config.StreamProcessor", &STREAM));
const STREAM: [Key; 5] = [
    key("accepts", "Accepts", Wanted::Texts),
    key("returns", "Returns", Wanted::Text),
    key("path", "Path", Wanted::Text),
    key("args", "Args", Wanted::Texts),
    key("env", "Env", Wanted::Texts),
];
/// containerd 1.x only.
const PLUGIN_DIR: Key = key("plugin_dir", "PluginDir", Wanted::Text);

/// What else is wanted of the values, once all files are in one.
const LATER: [&str; 3] = ["timeouts", "debug", "proxy_plugins"];
/// What a plugin behind a socket may be.
const PROXIED: [&str; 4] = ["snapshot", "content", "sandbox", "diff"];

/// Refuses a value of the wrong type.
pub fn check_types(table: &Table, version: Version) -> Result<(), ConfigFault> {
    let old = (version.major < 2).then_some(&PLUGIN_DIR);
    for key in KEYS.iter().chain([&STREAM_PROCESSORS]).chain(old) {
        key.check(table, "config.Config", version)?;
    }
    let Some(plugins) = table.field("plugins", version.dialect()).and_then(Value::as_table) else { return Ok(()) };
    // containerd 2.x does not look at sections that are no plugin's.
    let odd = plugins.entries.iter().filter(|_| version.major < 2).find(|(_, section)| section.as_table().is_none());
    odd.map_or(Ok(()), |(_, section)| Err(top_level_type(section, version, "", "toml.Tree")))
}

/// Takes over what is only checked when all files are in one.
pub fn keep(table: &Table, version: Version, kept: &mut Table) {
    for key in LATER {
        if let Some(value) = table.field(key, version.dialect()) {
            let mut over = Table::default();
            over.set(key, value.clone());
            kept.merge(over);
        }
    }
}

/// Refuses a value that has the right type and cannot be used.
pub fn check_values(merged: &Merged, version: Version) -> Result<(), ConfigFault> {
    let refused = |value: &Value, message: String| {
        Err(ConfigFault::new(FaultKind::Refused, message, &value.at.file).at(&value.at))
    };
    let format = merged.service.table("debug").and_then(|debug| debug.field("format", version.dialect()));
    if let Some((value, text)) = format.and_then(|value| Some((value, value.as_str()?)))
        && !["", "text", "json"].contains(&text)
    {
        return refused(value, format!("unknown log format: {text}"));
    }
    for (_, value) in merged.service.table("timeouts").into_iter().flat_map(|timeouts| &timeouts.entries) {
        let text = value.as_str().unwrap_or_default();
        if duration(text).is_err() {
            return refused(value, format!("unable to parse {text} into a time duration"));
        }
    }
    for (name, value) in merged.service.table("proxy_plugins").into_iter().flat_map(|proxied| &proxied.entries) {
        let kind = value.as_table().and_then(|plugin| plugin.field("type", version.dialect()));
        let kind = kind.and_then(Value::as_str).unwrap_or_default();
        if !PROXIED.contains(&kind) && !kind.starts_with("io.containerd.") {
            return refused(value, format!("panic: plugin: no type (proxy_plugins.{name})"));
        }
    }
    Ok(())
}

impl Key {
    fn check(&self, table: &Table, owner: &str, version: Version) -> Result<(), ConfigFault> {
        let came_later = |(name, first): &(&str, _)| *name == self.name && !version.since(&[*first]);
        let found = table.field(self.name, version.dialect()).filter(|_| !SINCE.iter().any(came_later));
        let Some(value) = found else { return Ok(()) };
        let wrong = |wanted: &str| Err(top_level_type(value, version, &format!("{owner}.{}", self.field), wanted));
        match (&self.wanted, &value.data) {
            (Wanted::Text, Data::String(_)) | (Wanted::Whole, Data::Integer(_)) | (Wanted::Flag, Data::Boolean(_)) => {
                Ok(())
            }
            (Wanted::Texts, Data::Array(items)) if items.iter().all(|item| item.as_str().is_some()) => Ok(()),
            (Wanted::Map, Data::Table(map)) => match map.entries.iter().find(|(_, value)| value.as_str().is_none()) {
                Some((_, value)) => Err(top_level_type(value, version, "", "string")),
                None => Ok(()),
            },
            (Wanted::Struct(name, keys), Data::Table(inner)) => {
                keys.iter().try_for_each(|key| key.check(inner, name, version))
            }
            (Wanted::Each(name, keys), Data::Table(map)) => map.entries.iter().try_for_each(|(_, entry)| {
                let Some(inner) = entry.as_table() else { return Err(top_level_type(entry, version, "", name)) };
                keys.iter().try_for_each(|key| key.check(inner, name, version))
            }),
            (Wanted::Text, _) => wrong("string"),
            (Wanted::Whole, _) => wrong("int"),
            (Wanted::Flag, _) => wrong("bool"),
            (Wanted::Texts, _) => wrong("[]string"),
            (Wanted::Map, _) => wrong("map[string]string"),
            (Wanted::Struct(name, _), _) => wrong(name),
            (Wanted::Each(name, _), _) => wrong(&format!("map[string]{name}")),
        }
    }
}
