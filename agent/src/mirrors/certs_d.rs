//! The directories of `config_path`: what each registry's directory makes of its hosts.
//!
//! Everything is read once, so that planning a pull needs no file. Which directory serves which
//! registry is decided here too: it is a lookup by name.

use std::collections::BTreeMap;

use go::place::{Position, SourceLocation};
use go::text::join;
use go::toml::{Table, Value};

use super::hosts_toml::{self, HostSpec, Rejection};
use super::tls_files::{self, TlsFault, TlsKeys};
use crate::containerd::reader::{Reader, read_words, unread};
use crate::host::root::{EntryKind, HostRoot, ReadError};
use crate::model::host::{Capabilities, HostTls};
use crate::model::rewrites::Rewrites;
use crate::version::Version;

/// More registries than any node has; a listing beyond is cut and said so. Tests do with fewer:
/// making thousands of directories takes a disk seconds.
pub const DIRECTORY_LIMIT: usize = if cfg!(test) { 64 } else { 4096 };

/// One directory of `config_path`.
#[derive(Clone, Debug)]
pub struct CertsRoot {
    pub path: String,
    pub state: RootState,
    /// Where the listing was cut: whether a name is there is looked up by that name.
    pub beyond: Option<Beyond>,
}

/// What was left out of a listing.
#[derive(Clone, Debug)]
pub struct Beyond {
    root: HostRoot,
    /// Said of a registry that is there.
    why: String,
}

impl Beyond {
    fn has(&self, path: &str) -> bool {
        // What cannot be looked at may be there.
        !self.root.stat(std::path::Path::new(path)).is_err_and(|error| error.is_not_found())
    }
}

impl CertsRoot {
    /// The registries that have a directory of their own here, as image references name them.
    pub fn registries(&self) -> Vec<String> {
        let RootState::Listed { entries, .. } = &self.state else { return Vec::new() };
        let is_one = |name: &str| name != "_default" && !is_of_volume(name);
        let own = entries.iter().filter(|(name, dir)| is_one(name) && matches!(dir, HostDir::Hosts(_)));
        own.map(|(name, _)| with_port(name)).collect()
    }
}

/// `..data`, and the directory with a date that it leads to: how a volume of a `ConfigMap` or secret keeps its files.
pub fn is_of_volume(name: &str) -> bool {
    name.starts_with("..")
}

/// `host_5000_` stands for `host:5000`.
fn with_port(directory: &str) -> String {
    let parts = directory.strip_suffix('_').and_then(|name| name.rsplit_once('_'));
    match parts {
        Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => format!("{host}:{port}"),
        Some(_) | None => directory.to_owned(),
    }
}

#[derive(Clone, Debug)]
pub enum RootState {
    /// It is not there: no registry is found in it, without an error.
    Missing,
    /// Looking anything up in it fails, in the operating system's words.
    Fault(String),
    /// pullprobe may not look into it, for this reason.
    Unread(String),
    Listed {
        entries: BTreeMap<String, HostDir>,
        /// Whether more than [`DIRECTORY_LIMIT`] entries were there.
        cut: bool,
    },
}

/// One entry of a root.
#[derive(Clone, Debug)]
pub enum HostDir {
    /// The name leads nowhere (a dangling link): the lookup goes on.
    Missing,
    /// The lookup stops here and every pull of the registry fails with these words.
    Fault(String),
    /// Likewise, because it is a file where a directory has its place.
    NoDirectory(String),
    /// The lookup stops here, at a file that pullprobe does not read: these words say why.
    Unread(String),
    /// Hosts of hosts.toml, or of certificate files alone.
    Hosts(Box<HostDirectory>),
}

/// The hosts that a directory gives.
#[derive(Clone, Debug)]
pub struct HostDirectory {
    pub path: String,
    /// The file names, for findings.
    pub files: Vec<String>,
    pub source: Source,
    pub hosts: Vec<Host>,
    /// The last host. Without a name: the registry itself, which containerd adds.
    pub server: Host,
}

#[derive(Clone, Debug)]
pub enum Source {
    HostsToml(Box<Table>),
    /// hosts.toml is absent or of no length: certificate files as Docker lays them out.
    CertificateFiles,
    /// hosts.toml was rejected, and the same goes.
    Rejected(Rejection),
}

#[derive(Clone, Debug)]
pub struct Host {
    pub spec: HostSpec,
    pub tls: Result<HostTls, TlsFault>,
}

/// What the lookup of a registry's directory came to.
#[derive(Clone, Copy, Debug)]
pub enum Selection<'a> {
    Nothing,
    Fault(&'a str),
    Unread(&'a str),
    Directory(&'a HostDirectory),
}

/// The names that are tried in each root, in order.
pub fn candidates(domain: &str) -> Vec<String> {
    let escaped = match domain.rfind(':') {
        Some(colon) if colon > 0 => Some(format!("{}_{}_", &domain[..colon], &domain[colon + 1..])),
        _ => None,
    };
    escaped.into_iter().chain([domain.to_owned(), "_default".to_owned()]).collect()
}

/// The directory that containerd takes for a registry: all candidates of a root before the next.
pub fn select<'a>(roots: &'a [CertsRoot], domain: &str) -> Selection<'a> {
    for root in roots {
        let entries = match &root.state {
            RootState::Missing => continue,
            RootState::Fault(words) => return Selection::Fault(words),
            RootState::Unread(why) => return Selection::Unread(why),
            RootState::Listed { entries, .. } => entries,
        };
        for name in candidates(domain) {
            match (entries.get(&name), &root.beyond) {
                (None, Some(beyond)) if beyond.has(&join(&root.path, &name)) => return Selection::Unread(&beyond.why),
                (entry, _) => match entry {
                    None | Some(HostDir::Missing) => {}
                    Some(HostDir::Fault(words) | HostDir::NoDirectory(words)) => return Selection::Fault(words),
                    Some(HostDir::Unread(why)) => return Selection::Unread(why),
                    Some(HostDir::Hosts(directory)) => return Selection::Directory(directory),
                },
            }
        }
    }
    Selection::Nothing
}

pub fn load_root(reader: &mut Reader<'_>, path: &str, version: Version) -> CertsRoot {
    let (entries, more) = match reader.list_some(path) {
        Ok(listed) => listed,
        Err(error) if error.is_not_found() => {
            return CertsRoot { path: path.into(), state: RootState::Missing, beyond: None };
        }
        Err(error) => {
            let words = format!("stat {}: {}", join(path, "_default"), error.reason());
            let state = unread(path, &error).map_or(RootState::Fault(words), RootState::Unread);
            return CertsRoot { path: path.into(), state, beyond: None };
        }
    };
    let cut = more || entries.len() > DIRECTORY_LIMIT;
    let names = entries.into_iter().take(DIRECTORY_LIMIT).filter_map(|entry| entry.name.into_string().ok());
    let entries = names.map(|name| (name.clone(), load_entry(reader, &join(path, &name), version))).collect();
    let why =
        || format!("pullprobe reads {DIRECTORY_LIMIT} directories of {path}, and there are more, this one among them");
    let beyond = cut.then(|| Beyond { root: reader.root().clone(), why: why() });
    CertsRoot { path: path.into(), state: RootState::Listed { entries, cut }, beyond }
}

fn load_entry(reader: &mut Reader<'_>, path: &str, version: Version) -> HostDir {
    match reader.stat(path) {
        Ok(stat) if stat.kind == EntryKind::Directory => load_directory(reader, path, version)
            .map_or_else(|unusable| unusable, |directory| HostDir::Hosts(Box::new(directory))),
        // A file is found like a directory, and then cannot be one.
        Ok(_) => HostDir::NoDirectory(format!("open {path}/hosts.toml: not a directory")),
        Err(error) if error.is_not_found() => HostDir::Missing,
        Err(error) => left_open(path, &error, format!("stat {path}: {}", error.reason())),
    }
}

/// What a failed look comes to: `words` of containerd, unless only pullprobe fails.
fn left_open(path: &str, error: &ReadError, words: String) -> HostDir {
    unread(path, error).map_or(HostDir::Fault(words), HostDir::Unread)
}

fn load_directory(reader: &mut Reader<'_>, path: &str, version: Version) -> Result<HostDirectory, HostDir> {
    let file = join(path, "hosts.toml");
    let files = reader.list(path).map_err(|error| left_open(path, &error, read_words(path, &error)))?;
    let files: Vec<(String, EntryKind)> =
        files.into_iter().filter_map(|entry| Some((entry.name.into_string().ok()?, entry.kind))).collect();
    let bytes = match reader.read(&file) {
        Ok(bytes) => bytes,
        Err(ReadError::NotFound(_)) => Vec::new(),
        Err(error) => return Err(left_open(&file, &error, read_words(&file, &error))),
    };
    let names = files.iter().map(|(name, _)| name.clone()).collect();
    if bytes.is_empty() {
        let server = certificate_files(reader, path, &files, version);
        return Ok(HostDirectory {
            path: path.into(),
            files: names,
            source: Source::CertificateFiles,
            hosts: Vec::new(),
            server,
        });
    }
    reader.weigh(&file, &bytes).map_err(HostDir::Unread)?;
    match hosts_toml::parse(&bytes, &file, path, version) {
        Ok(parsed) => {
            let (hosts, server) = with_tls(reader, parsed.hosts, parsed.server, &parsed.table, path, version);
            let source = Source::HostsToml(Box::new(parsed.table));
            Ok(HostDirectory { path: path.into(), files: names, source, hosts, server })
        }
        Err(rejection) if rejection.open => {
            let Position { line, column } = rejection.place.start();
            Err(HostDir::Unread(format!("{file}, line {line}, column {column}: {}", rejection.reason)))
        }
        Err(rejection) => {
            let server = certificate_files(reader, path, &files, version);
            Ok(HostDirectory {
                path: path.into(),
                files: names,
                source: Source::Rejected(rejection),
                hosts: Vec::new(),
                server,
            })
        }
    }
}

/// The hosts with the files that their TLS settings name, in a table of that directory.
fn with_tls(
    reader: &mut Reader<'_>,
    hosts: Vec<HostSpec>,
    server: HostSpec,
    table: &Table,
    dir: &str,
    version: Version,
) -> (Vec<Host>, Host) {
    let dialect = version.dialect();
    let tables = table.field("host", dialect).and_then(Value::as_table);
    let mut load = |spec: HostSpec, keys: Option<&Table>| {
        let placed = |fault: TlsFault| TlsFault {
            place: keys.and_then(|keys| tls_files::named_at(keys, dialect, dir, &fault.path)),
            ..fault
        };
        Host { tls: spec.tls.load(reader).map_err(placed), spec }
    };
    let mut loaded = Vec::with_capacity(hosts.len());
    for spec in hosts {
        let keys = tables.and_then(|tables| tables.table(&spec.name));
        loaded.push(load(spec, keys));
    }
    (loaded, load(server, Some(table)))
}

/// Docker's layout: `*.crt` are authorities, `*.cert` client certificates with their `*.key`.
fn certificate_files(reader: &mut Reader<'_>, path: &str, files: &[(String, EntryKind)], version: Version) -> Host {
    let tls = certificate_keys(path, files);
    let spec = HostSpec {
        name: String::new(),
        url: None,
        capabilities: Capabilities { referrers: version.knows_referrers(), ..Capabilities::ALL },
        tls,
        headers: Vec::new(),
        dial_timeout: None,
        rewrites: Rewrites::default(),
        place: SourceLocation::new(path, Position::START),
    };
    Host { tls: spec.tls.load(reader), spec }
}

/// In small letters, as containerd wants endings.
pub fn ends_in(name: &str, ending: &str) -> bool {
    name.strip_suffix(ending).is_some()
}

pub fn certificate_keys(path: &str, files: &[(String, EntryKind)]) -> TlsKeys {
    let plain = || files.iter().filter(|(_, kind)| *kind != EntryKind::Directory).map(|(name, _)| name);
    let ca: Vec<String> = plain().filter(|name| ends_in(name, ".crt")).map(|name| join(path, name)).collect();
    let key_of = |stem: &str| {
        let key = format!("{stem}.key");
        files.iter().any(|(name, _)| *name == key).then(|| join(path, &key))
    };
    let client = plain()
        .filter_map(|name| name.strip_suffix(".cert"))
        .map(|stem| (join(path, &format!("{stem}.cert")), key_of(stem)));
    TlsKeys { client: client.collect(), ca: (!ca.is_empty()).then_some(ca), skip_verify: None }
}
