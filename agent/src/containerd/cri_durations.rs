//! Durations among CRI's settings, beside the one of image pulls: where one is none, CRI does not load, whatever it is for.

use go::text::duration;

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
            // What a file of an older schema has in CRI's section is moved to the runtime's.
            drain(if is_carried { &[RUNTIME, OLD_CRI] } else { &[RUNTIME] }),
            idle("invalid cri image config: invalid stream idle timeout"),
        ],
    }
}

pub fn fault(merged: &Merged, version: Version) -> Option<ConfigFault> {
    let dialect = version.dialect();
    let is_carried = merged.schema < i64::from(version.config_schema()) && !version.migrates_each_file();
    settings(version, is_carried).iter().find_map(|setting| {
        let value = setting.sections.iter().find_map(|section| {
            let section = if version.major < 2 { section_id(merged, version) } else { section };
            merged.plugins.table(section)?.field(setting.key, dialect)
        })?;
        let text = value.as_str().filter(|text| !text.is_empty())?;
        let reason = duration(text).err()?;
        let place = &value.at;
        Some(ConfigFault::new(FaultKind::InvalidValue, format!("{}: {reason}", setting.words), &place.file).at(place))
    })
}
