//! Settings of CRI that no pull needs, and that keep it from loading all the same: durations, and those of runtimes.

use go::text::duration;
use go::toml::{Data, Table};

use super::config::migrate::{OLD_CRI, RUNTIME};
use super::config::{ConfigFault, FaultKind, Merged};
use super::settings::section_id;
use crate::version::Version;

/// A key, and how the release words that it is refused.
struct Setting {
    sections: &'static [&'static str],
    key: &'static str,
    words: &'static str,
}

/// As 1.6.20, 1.7.24 and 2.1.9 were seen to refuse them. The first that is wrong is told.
fn settings(version: Version, is_carried: bool) -> Vec<Setting> {
    const IDLE: &str = "stream_idle_timeout";
    const DRAIN: &str = "drain_exec_sync_io_timeout";
    const OF_DRAIN: &str = "invalid plugin config: invalid `drain_exec_sync_io_timeout`";
    let idle = |words| Setting { sections: &[OLD_CRI], key: IDLE, words };
    let drain = |sections| Setting { sections, key: DRAIN, words: OF_DRAIN };
    match (version.major, version.minor) {
        (0 | 1, 0..=6) => vec![idle("invalid plugin config: invalid stream idle timeout")],
        (0 | 1, _) => vec![idle("invalid plugin config: invalid stream idle timeout"), drain(&[OLD_CRI])],
        _ => vec![
            drain(if is_carried { &[RUNTIME, OLD_CRI] } else { &[RUNTIME] }),
            idle("invalid cri image config: invalid stream idle timeout"),
        ],
    }
}

pub fn fault(merged: &Merged, version: Version) -> Option<ConfigFault> {
    of_durations(merged, version).or_else(|| of_runtimes(merged, version))
}

/// What a file of an older schema has in CRI's section is moved to the runtime's.
fn is_carried(merged: &Merged, version: Version) -> bool {
    merged.schema < i64::from(version.config_schema()) && !version.migrates_each_file()
}

fn of_durations(merged: &Merged, version: Version) -> Option<ConfigFault> {
    settings(version, is_carried(merged, version)).iter().find_map(|setting| {
        let value = setting.sections.iter().find_map(|section| {
            let section = if version.major < 2 { section_id(merged, version) } else { section };
            merged.plugins.table(section)?.field(setting.key, version.dialect())
        })?;
        let text = value.as_str().filter(|text| !text.is_empty())?;
        let reason = duration(text).err()?;
        let place = &value.at;
        Some(ConfigFault::new(FaultKind::InvalidValue, format!("{}: {reason}", setting.words), &place.file).at(place))
    })
}

/// Of any runtime, be it one that no pod asks for.
fn of_runtimes(merged: &Merged, version: Version) -> Option<ConfigFault> {
    let sections: &[&str] = match version.major {
        0 | 1 => &[section_id(merged, version)],
        _ if is_carried(merged, version) => &[OLD_CRI, RUNTIME],
        _ => &[RUNTIME],
    };
    let dialect = version.dialect();
    let runtimes = sections.iter().filter_map(|section| {
        merged.plugins.table(section)?.field("containerd", dialect)?.as_table()?.field("runtimes", dialect)?.as_table()
    });
    let runtimes = runtimes.flat_map(|all| all.entries.iter().filter_map(|(_, runtime)| runtime.as_table()));
    runtimes.into_iter().find_map(|runtime| of_runtime(runtime, version))
}

/// Seen of 1.7.24 and 2.1.9; 1.6.20 has neither.
fn of_runtime(runtime: &Table, version: Version) -> Option<ConfigFault> {
    let field = |name| runtime.field(name, version.dialect());
    let is_set = |name| field(name).is_some_and(|value| matches!(value.data, Data::Boolean(true)));
    let (all, privileged) = ("privileged_without_host_devices_all_devices_allowed", "privileged_without_host_devices");
    let fault = |words: &str, key| {
        let place = &field(key)?.at;
        let words = format!("invalid plugin config: {words}");
        Some(ConfigFault::new(FaultKind::InvalidValue, words, &place.file).at(place))
    };
    if (version.major, version.minor) >= (1, 7) && is_set(all) && !is_set(privileged) {
        return fault(&format!("`{all}` requires `{privileged}` to be enabled"), all);
    }
    let is_known = |text: &str| ["", "fifo", "streaming"].contains(&text);
    let io_type = field("io_type").filter(|_| version.major >= 2).and_then(|value| value.as_str());
    // The words name a value that it does not take.
    io_type
        .filter(|text| !is_known(text))
        .and_then(|_| fault("`io_type` can only be `streaming` or `named_pipe`", "io_type"))
}
