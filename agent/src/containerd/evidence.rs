//! The containerd version, as far as config.toml shows it, for when nobody gave one.

use go::toml::{self, Data, Dialect, Table, Value};

use super::config::migrate::IMAGES;
use super::reader::FILE_LIMIT;
use crate::host::root::HostRoot;
use crate::version::{Version, VersionSource};

/// The version that the file speaks for, else the newest.
///
/// Schema 4 came with 2.3. Schema 3, and the images plugin that came with it, are of 2.0 to 2.2; a
/// 2.3 reads them as well, with the same outcome but for drop-ins. A file of schema 1 or 2 is read
/// by every containerd and tells nothing.
pub fn version(root: &HostRoot, config: &std::path::Path) -> (Version, VersionSource) {
    let table = root.read_text(config, FILE_LIMIT).ok().and_then(|text| toml::parse(&text, "", Dialect::Two).ok());
    match table.as_ref().map_or(0, schema) {
        4.. => (Version::series(2, 3), VersionSource::Config),
        3 => (Version::series(2, 2), VersionSource::Config),
        _ if table.as_ref().and_then(|table| table.path(&["plugins", IMAGES])).is_some() => {
            (Version::series(2, 2), VersionSource::Config)
        }
        _ => (Version::NEWEST, VersionSource::Assumed),
    }
}

fn schema(table: &Table) -> i64 {
    match table.field("version", Dialect::Two) {
        Some(Value { data: Data::Integer(schema), .. }) => *schema,
        _ => 0,
    }
}
