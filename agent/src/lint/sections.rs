//! Findings about the sections of config.toml: which of them a containerd reads, and by whose `version`.

use go::place::SourceLocation;
use go::toml::Value;

use super::{Lint, error, info, warning, whole};
use crate::containerd::config::ConfigFile;
use crate::containerd::config::migrate::{IMAGES, OLD_CRI};
use crate::containerd::settings::section_id;
use crate::model::finding::{Finding, Severity};
use crate::version::{Version, VersionSource};

impl Lint<'_, '_> {
    /// A version of containerd for which pullprobe has no rules.
    pub(super) fn version(&self, found: &mut Vec<Finding>) {
        let Version { major, minor, .. } = self.version;
        let known = Version::SERIES.map(|series| (series.major, series.minor));
        if known.contains(&(major, minor)) {
            return;
        }
        let before = known.iter().rev().find(|series| **series < (major, minor));
        let (nearest, which) = match before {
            Some(series) if *series == known[known.len() - 1] => (series, "the newest known"),
            Some(series) => (series, "the nearest known"),
            None => (&known[0], "the oldest known"),
        };
        let message = format!(
            "pullprobe has no rules for containerd {}: it applies those of {}.{}, {which}",
            self.version, nearest.0, nearest.1
        );
        let (severity, fix) = if self.source == VersionSource::Flag {
            (Severity::Warning, "give the version that the node runs, as `containerd --version` says it")
        } else {
            (Severity::Info, "look for a release of pullprobe that knows it")
        };
        found.push(Finding::new(severity, "version_unknown", message, fix));
    }

    /// Sections with registry settings that nothing reads, and sections that were replaced.
    pub(super) fn sections(&self, found: &mut Vec<Finding>) {
        let dialect = self.version.dialect();
        // What containerd refuses outright is said once.
        let stopped = self.fatal.is_some_and(|fault| fault.kind.hides_settings());
        for file in &self.merged.files {
            let plugins = file.table.field("plugins", dialect).and_then(Value::as_table);
            for (id, section) in plugins.into_iter().flat_map(|plugins| &plugins.entries) {
                let counts = ["cri", OLD_CRI, IMAGES].contains(&id.as_str());
                if counts && has_registry(section) && !stopped && !self.reads(id, file) {
                    found.push(self.unread_section(id, &section.key, file));
                }
            }
            if file.schema <= 1 {
                found.push(self.of_schema_one(file));
            }
        }
        if self.merged.schema > i64::from(self.version.config_schema()) && self.fatal.is_none() {
            let message = format!(
                "schema {} is newer than containerd {}, which reads it as schema 2",
                self.merged.schema, self.version
            );
            found.push(warning(
                "schema_newer",
                &whole(self.config),
                message,
                "write `version = 2` and its plugin names",
            ));
        }
        for (path, place) in &self.merged.circular {
            let message = format!("{path} leads back here: containerd reads each file once and skips this entry");
            found.push(info("import_circular", place, message, "take the entry out of `imports`"));
        }
        let id = section_id(self.merged, self.version);
        for (_, earlier, later) in self.merged.replaced.iter().filter(|(replaced, ..)| replaced == id) {
            let message = format!(
                "this section replaces the whole of the one at {earlier}: containerd {} does not merge plugin sections",
                self.version
            );
            found.push(error("section_replaced", later, message, "write all settings of the plugin in one file"));
        }
    }

    /// Where this node's registry settings are to be written.
    pub(super) fn registry_section(&self) -> String {
        let dialect = self.version.dialect();
        // Where the section of containerd 1.x has registry settings, they replace those of the new one.
        let carried = self.version.major >= 2
            && self.merged.files.iter().any(|file| {
                let plugins = file.table.field("plugins", dialect).and_then(Value::as_table);
                let old = plugins.and_then(|plugins| plugins.get(OLD_CRI));
                old.is_some_and(has_registry) && self.reads(OLD_CRI, file)
            });
        let id = if carried { OLD_CRI } else { section_id(self.merged, self.version) };
        let section = format!("[plugins.\"{id}\".registry]");
        if self.merged.files.is_empty() {
            return format!(
                "{section} of a {} that begins with `version = {}`",
                self.config,
                self.version.config_schema()
            );
        }
        section
    }

    /// Whether the section of that name in that file has a say.
    fn reads(&self, id: &str, file: &ConfigFile) -> bool {
        let newest = i64::from(self.version.config_schema());
        if self.version.major < 2 {
            return id == section_id(self.merged, self.version);
        }
        let schema = if self.version.migrates_each_file() { file.schema } else { self.merged.schema };
        match id {
            IMAGES => true,
            OLD_CRI => schema < newest,
            // Only a file of schema 1 has its short names made long.
            _ => file.schema <= 1 && schema < newest,
        }
    }

    fn unread_section(&self, id: &str, place: &SourceLocation, file: &ConfigFile) -> Finding {
        let one = self.version.major < 2;
        let message = if !one && file.schema <= 1 {
            format!(
                "containerd {} takes this file without `version` for schema 1 and never carries the settings of `{id}` over: its registry settings are lost",
                self.version
            )
        } else {
            let raised = self.decided_elsewhere(file);
            let why = raised.map(|place| format!(", for {place} sets the `version` of all files"));
            format!(
                "containerd {} does not read the registry settings of `{id}` here: it reads those of `{}`{}",
                self.version,
                section_id(self.merged, self.version),
                why.unwrap_or_default()
            )
        };
        let (wanted, schema) = if one { (OLD_CRI, 2) } else { (IMAGES, self.version.config_schema()) };
        let fix = if file.schema <= 1 {
            format!(
                "write `version = {schema}` at the top and every plugin by its long name, this section as [plugins.\"{wanted}\".registry]"
            )
        } else {
            format!("write it as [plugins.\"{wanted}\".registry]")
        };
        error("wrong_plugin_section", place, message, fix)
    }

    /// The `version` of another file, where that is what counts for this one.
    fn decided_elsewhere(&self, file: &ConfigFile) -> Option<&SourceLocation> {
        let others = self.merged.files.iter().rev().filter(|other| other.path != file.path);
        let decides = |other: &&ConfigFile| other.schema == self.merged.schema && other.schema != file.schema;
        let version = others.filter(decides).find_map(|other| other.table.field("version", self.version.dialect()))?;
        Some(&version.key)
    }

    fn of_schema_one(&self, file: &ConfigFile) -> Finding {
        let what =
            if file.schema == 1 { "`version = 1` makes it" } else { "the file has no `version`, which makes it" };
        let elsewhere = self.decided_elsewhere(file).filter(|_| !self.version.migrates_each_file());
        let message = match (self.version.major, elsewhere) {
            (..2, None) => format!("{what} one of schema 1: containerd reads only the short plugin name `cri` in it"),
            (..2, Some(place)) => format!(
                "{what} one of schema 1, but {place} makes all files schema {}: containerd reads only the long plugin name `{OLD_CRI}`",
                self.merged.schema
            ),
            _ if self.reads("cri", file) => format!("{what} one of schema 1: its plugins get their long names"),
            _ => format!("{what} one of schema 1: of the sections about images containerd reads only `{IMAGES}` in it"),
        };
        // A drop-in must not say more than the file that imports it.
        let root = self.merged.files.first().map_or(0, |root| root.schema);
        let schema = match self.version.major {
            ..2 => 2,
            _ if root >= 2 => root,
            _ => 3,
        };
        let fix = format!("write `version = {schema}` and the long plugin names");
        info("schema_deprecated", &whole(&file.path), message, fix)
    }
}

fn has_registry(section: &Value) -> bool {
    let registry = section.as_table().and_then(|section| section.table("registry"));
    registry.is_some_and(|registry| !registry.entries.is_empty())
}
