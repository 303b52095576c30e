//! config.toml with its imports, merged and migrated as containerd of each version does it.
//!
//! The outcome is the table of plugin sections under the names that this containerd reads; what the
//! sections say is for [`super::settings`].

pub mod imports;
pub mod migrate;
pub mod top_level;
mod words;

use std::collections::{HashMap, VecDeque};

use go::place::SourceLocation;
use go::text::{clean, quote};
use go::toml::{self, Data, Dialect, Table, Value};

use super::reader::{Reader, read_words, unread};
use crate::host::root::ReadError;
use crate::version::Version;
use imports::Import;
use words::{not_toml, top_level_type};
pub use words::{other_type, type_words};

/// More files than any node imports; bounds a glob over a hostile directory.
const FILE_COUNT_LIMIT: usize = 512;
/// More findings of one kind tell nothing new.
const CIRCLE_LIMIT: usize = 16;

/// Why containerd does not serve CRI at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigFault {
    pub kind: FaultKind,
    /// containerd's words.
    pub message: String,
    pub place: SourceLocation,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// containerd ends at once.
    Syntax,
    WrongType,
    Import,
    SchemaVersion,
    PluginName,
    /// A value or a plugin that containerd does not go without.
    Refused,
    /// containerd runs, but its CRI plugin does not load.
    CriDisabled,
    MirrorsAndConfigPath,
    ConfigsTlsAndConfigPath,
    InvalidValue,
    /// pullprobe does not read what containerd would read: what containerd does with it is unknown.
    Unread,
}

impl FaultKind {
    /// Whether containerd does not start at all. If false, only its CRI plugin does not load.
    pub const fn stops_containerd(self) -> bool {
        matches!(
            self,
            Self::Syntax | Self::WrongType | Self::Import | Self::SchemaVersion | Self::PluginName | Self::Refused
        )
    }

    /// Whether the files say nothing of any containerd's settings.
    pub const fn hides_settings(self) -> bool {
        (self.stops_containerd() && !matches!(self, Self::Refused)) || matches!(self, Self::Unread)
    }
}

/// One file as it is written.
#[derive(Clone, Debug)]
pub struct ConfigFile {
    pub path: String,
    pub table: Table,
    /// Its `version`; 0 when it has none.
    pub schema: i64,
}

/// All files in one.
#[derive(Clone, Debug, Default)]
pub struct Merged {
    /// In the order they were read.
    pub files: Vec<ConfigFile>,
    /// The schema that decides which plugin names are read; 1 when no file says.
    pub schema: i64,
    pub plugins: Table,
    /// What the files say of containerd itself, as far as a value can end it.
    pub service: Table,
    pub root: Option<String>,
    pub disabled: Vec<(String, SourceLocation)>,
    pub required: Vec<(String, SourceLocation)>,
    /// Plugin sections of an earlier file that a later one replaced as a whole (containerd 1.x).
    pub replaced: Vec<(String, SourceLocation, SourceLocation)>,
    /// Imports by name that lead back to where they come from: the file and the place.
    pub circular: Vec<(String, SourceLocation)>,
    /// containerd 2.x could not carry a section over to the plugin that has it now.
    pub migration: Option<ConfigFault>,
}

impl ConfigFault {
    pub fn new(kind: FaultKind, message: impl Into<String>, file: &str) -> Self {
        Self { kind, message: message.into(), place: SourceLocation::whole(file) }
    }

    #[must_use]
    pub fn at(mut self, place: &SourceLocation) -> Self {
        self.place = place.clone();
        self
    }
}

/// Reads the file and all it imports, breadth first, each path once. With a fault comes what was
/// read before it.
pub fn load(reader: &mut Reader<'_>, path: &str, version: Version) -> (Merged, Option<ConfigFault>) {
    let mut merged = Merged { schema: i64::from(version.default_schema()), ..Merged::default() };
    let fault = load_into(&mut merged, reader, path, version).err();
    (merged, fault)
}

fn load_into(merged: &mut Merged, reader: &mut Reader<'_>, path: &str, version: Version) -> Result<(), ConfigFault> {
    let mut pending = VecDeque::from([Import { path: path.to_owned(), place: None, by_pattern: false }]);
    // Each file that is or will be read, with the one that names it first.
    let mut known: HashMap<String, Option<String>> = HashMap::from([(path.to_owned(), None)]);
    let mut root_schema = 0;
    while let Some(import) = pending.pop_front() {
        let path = import.path.as_str();
        let named = |fault: ConfigFault| match &import.place {
            Some(place) if matches!(fault.kind, FaultKind::Import | FaultKind::Unread) => fault.at(place),
            _ => fault,
        };
        let file = read_file(reader, path, version).map_err(named)?;
        if version.refuses_newer_drop_in() {
            root_schema = if root_schema == 0 { file.schema } else { root_schema };
            if file.schema > root_schema {
                let message =
                    format!("drop-in config version {} higher than root config version {root_schema}", file.schema);
                return Err(ConfigFault::new(FaultKind::SchemaVersion, message, path));
            }
        }
        let imports = imports::resolve(reader, path, &file.table, version)?;
        merged.add(file, version)?;
        for next in imports {
            if known.contains_key(&next.path) {
                merged.note_circle(next, path, &known);
            } else if known.len() == FILE_COUNT_LIMIT {
                let message = format!("pullprobe does not read more than {FILE_COUNT_LIMIT} imported files");
                return Err(ConfigFault::new(FaultKind::Unread, message, path));
            } else {
                known.insert(next.path.clone(), Some(path.to_owned()));
                pending.push_back(next);
            }
        }
    }
    if merged.schema == 0 {
        merged.schema = 1;
    }
    // containerd names the file that it has read last.
    let last = merged.files.last().map_or_else(|| path.to_owned(), |file| file.path.clone());
    merged.validate(&last, version)?;
    if version.major >= 2 && !version.migrates_each_file() {
        let schema = merged.schema;
        let done = migrate::sections(&mut merged.plugins, schema, version);
        merged.note_migration(done);
    }
    Ok(())
}

impl Version {
    /// The schema that the settings have before any file is read.
    fn default_schema(self) -> u32 {
        if self.major >= 2 { self.config_schema() } else { 0 }
    }

    /// A drop-in may not have a higher schema than the main file. It was taken back after 2.3.4.
    fn refuses_newer_drop_in(self) -> bool {
        (self.major, self.minor) == (2, 3) && (self.patch < 5 || self.patch == u32::MAX)
    }

    /// A schema that is too new is refused; before, it was read like schema 2.
    fn refuses_newer_schema(self) -> bool {
        match (self.major, self.minor) {
            (1, 6) => self.patch >= 32,
            (1, 7) => self.patch >= 17,
            (major, _) => major >= 2,
        }
    }
}

fn read_file(reader: &mut Reader<'_>, path: &str, version: Version) -> Result<ConfigFile, ConfigFault> {
    let one = version.dialect() == Dialect::One;
    let bytes = reader.read(path).map_err(|error| {
        if let Some(reason) = unread(path, &error) {
            return ConfigFault::new(FaultKind::Unread, reason, path);
        }
        let words = read_words(path, &error);
        let message = match error {
            _ if one => format!("failed to load TOML: {path}: {words}"),
            // The newer library opens a directory, and fails when it decodes.
            ReadError::IsDirectory(_) => format!("failed to unmarshal TOML: toml: {words}"),
            _ => words,
        };
        ConfigFault::new(FaultKind::Import, message, path)
    })?;
    reader.weigh(path, &bytes).map_err(|reason| ConfigFault::new(FaultKind::Unread, reason, path))?;
    let table = toml::read(&bytes, path, version.dialect()).map_err(|error| not_toml(path, &error, version))?;
    let schema = match table.field("version", version.dialect()) {
        None => 0,
        Some(Value { data: Data::Integer(number), .. }) => *number,
        Some(value) => return Err(top_level_type(value, version, "config.Config.Version", "int")),
    };
    Ok(ConfigFile { path: path.to_owned(), table, schema })
}

impl Merged {
    /// An import by name of the file that names it, or of one that led there.
    fn note_circle(&mut self, import: Import, by: &str, known: &HashMap<String, Option<String>>) {
        let led_here = std::iter::successors(Some(by), |file| known.get(*file)?.as_deref());
        let circular = !import.by_pattern && led_here.into_iter().any(|file| file == import.path);
        if circular && self.circular.len() < CIRCLE_LIMIT {
            self.circular.extend(import.place.map(|place| (import.path, place)));
        }
    }

    fn add(&mut self, file: ConfigFile, version: Version) -> Result<(), ConfigFault> {
        let dialect = version.dialect();
        let mut plugins = match file.table.field("plugins", dialect) {
            None => Table::default(),
            Some(Value { data: Data::Table(plugins), .. }) => plugins.clone(),
            Some(value) => {
                let wanted = if dialect == Dialect::One { "map[string]toml.Tree" } else { "map[string]interface {}" };
                return Err(top_level_type(value, version, "config.Config.Plugins", wanted));
            }
        };
        let mut disabled = names(&file.table, "disabled_plugins", "DisabledPlugins", version)?;
        let mut required = names(&file.table, "required_plugins", "RequiredPlugins", version)?;
        let mut schema = file.schema;
        if version.major >= 2 && schema < 0 {
            let words = format!("panic: runtime error: index out of range [{schema}]");
            return Err(ConfigFault::new(FaultKind::SchemaVersion, words, &file.path));
        }
        if version.major >= 2 && (schema <= 1 || version.migrates_each_file()) {
            if schema <= 1 {
                migrate::short_names(&mut plugins, &mut disabled, &mut required);
            }
            // Since 2.3 every file is migrated by itself. Before, a file without a version is only
            // given the number, and its CRI section stays where nothing reads it.
            if version.migrates_each_file() {
                let done = migrate::sections(&mut plugins, schema, version);
                self.note_migration(done);
            }
            schema = if version.migrates_each_file() { schema.max(self.schema) } else { self.schema };
        }
        if schema != 0 {
            self.schema = schema;
        }
        match file.table.field("root", dialect) {
            None => {}
            Some(Value { data: Data::String(root), .. }) if root.is_empty() => {}
            Some(Value { data: Data::String(root), .. }) => self.root = Some(root.clone()),
            Some(value) => return Err(top_level_type(value, version, "config.Config.Root", "string")),
        }
        top_level::check_types(&file.table, version)?;
        top_level::keep(&file.table, version, &mut self.service);
        self.unite(disabled, required, dialect);
        self.add_plugins(plugins, version);
        self.files.push(file);
        Ok(())
    }

    fn note_migration(&mut self, done: Result<(), (SourceLocation, String)>) {
        if let (None, Err((place, words))) = (&self.migration, done) {
            self.migration = Some(ConfigFault::new(FaultKind::WrongType, words, &place.file).at(&place));
        }
    }

    fn unite(
        &mut self,
        disabled: Vec<(String, SourceLocation)>,
        required: Vec<(String, SourceLocation)>,
        dialect: Dialect,
    ) {
        for (list, more) in [(&mut self.disabled, disabled), (&mut self.required, required)] {
            for (name, place) in more {
                if dialect == Dialect::One || !list.iter().any(|(known, _)| *known == name) {
                    list.push((name, place));
                }
            }
        }
    }

    fn add_plugins(&mut self, plugins: Table, version: Version) {
        if version.merges_plugins_deeply() {
            self.plugins.merge(plugins);
            return;
        }
        for (id, section) in plugins.entries {
            if let Some(earlier) = self.plugins.get(&id) {
                self.replaced.push((id.clone(), earlier.key.clone(), section.key.clone()));
            }
            self.plugins.set(&id, section);
        }
    }

    /// The checks that end containerd.
    fn validate(&self, path: &str, version: Version) -> Result<(), ConfigFault> {
        let failed =
            |kind, reason: String| ConfigFault::new(kind, format!("failed to load TOML from {path}: {reason}"), path);
        let highest = i64::from(version.config_schema());
        if self.schema > highest && version.refuses_newer_schema() {
            let reason = if version.major >= 2 {
                format!("expected containerd config version equal to or less than `{highest}`, got `{}`", self.schema)
            } else {
                format!("unsupported config version `{}`", self.schema)
            };
            let place = self
                .files
                .iter()
                .rev()
                .find(|file| file.schema == self.schema)
                .and_then(|file| file.table.field("version", version.dialect()));
            let fault = failed(FaultKind::SchemaVersion, reason);
            return Err(place.map_or(fault.clone(), |value| fault.at(&value.at)));
        }
        if version.major < 2 && self.schema < 2 {
            return Ok(());
        }
        let plugins =
            self.plugins.entries.iter().filter(|_| version.major < 2).map(|(id, value)| ("plugin key", id, &value.key));
        let disabled = self.disabled.iter().map(|(id, place)| ("disabled plugin", id, place));
        let required = self.required.iter().map(|(id, place)| ("required plugin", id, place));
        for (what, id, place) in disabled.chain(required).chain(plugins) {
            if !is_plugin_name(id, version) {
                let reason = format!("invalid {what} URI {} expect io.containerd.x.vx", quote(id));
                return Err(failed(FaultKind::PluginName, reason).at(place));
            }
        }
        Ok(())
    }
}

fn is_plugin_name(id: &str, version: Version) -> bool {
    match (version.major, version.minor) {
        (2.., _) => id.contains('.'),
        (1, 7) => id.starts_with("io.containerd.") && id.split('.').count() >= 4,
        _ => id.split('.').count() >= 4,
    }
}

fn names(
    table: &Table,
    key: &str,
    field: &str,
    version: Version,
) -> Result<Vec<(String, SourceLocation)>, ConfigFault> {
    let Some(value) = table.field(key, version.dialect()) else { return Ok(Vec::new()) };
    let wrong = || top_level_type(value, version, &format!("config.Config.{field}"), "[]string");
    let Data::Array(items) = &value.data else { return Err(wrong()) };
    items.iter().map(|item| Ok((item.as_str().ok_or_else(wrong)?.to_owned(), item.at.clone()))).collect()
}

/// The path as containerd gives it to the operating system, whose current directory is `/`.
pub fn rooted(path: &str) -> String {
    if path.starts_with('/') { clean(path) } else { clean(&format!("/{path}")) }
}
