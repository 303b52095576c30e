//! hosts.toml as containerd decodes it: which hosts, in which order, with which settings; or why the
//! file is rejected.
//!
//! A rejected file is no error of a pull: containerd logs it and goes on as if it were missing.

use std::time::Duration;

use go::place::{Position, SourceLocation};
use go::text::{self, clean, join, quote};
use go::toml::{self, Certainty, Data, Dialect, Table, Value};

use super::tls_files::TlsKeys;
use crate::containerd::settings::rewrites;
use crate::model::host::Capabilities;
use crate::model::namespace::NO_DIAL_TIMEOUT;
use crate::model::rewrites::Rewrites;
use crate::redact::secret::Secret;
use crate::redact::urls;
use crate::version::Version;

/// A decoded hosts.toml.
#[derive(Clone, Debug, PartialEq)]
pub struct HostsFile {
    /// The mirrors, in the order of trial; one may occur twice.
    pub hosts: Vec<HostSpec>,
    /// The `server` and the keys at the file's root; last in trial, always.
    pub server: HostSpec,
    /// The whole file, for findings.
    pub table: Table,
}

/// One host with its keys.
#[derive(Clone, Debug, PartialEq)]
pub struct HostSpec {
    /// The `[host."…"]` key or the value of `server`, as written; empty when `server` is unset.
    pub name: String,
    /// `None`: `server` is unset or what is written has no host.
    pub url: Option<HostUrl>,
    pub capabilities: Capabilities,
    pub tls: TlsKeys,
    pub headers: Vec<(String, Secret)>,
    pub dial_timeout: Option<text::GoDuration>,
    /// Known to the containerd of k3s and RKE2 alone: empty in the files of others.
    pub rewrites: Rewrites,
    pub place: SourceLocation,
}

/// What containerd makes of a host's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostUrl {
    /// Whatever is written: containerd tries other schemes than http and https, and fails.
    pub scheme: String,
    pub authority: String,
    pub path: String,
}

/// Why containerd rejects the file, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    pub place: SourceLocation,
    pub reason: String,
    /// Some builds of this containerd read it: then it is not known what comes of it.
    pub open: bool,
}

impl Rejection {
    fn new(place: SourceLocation, reason: String) -> Self {
        Self { place, reason, open: false }
    }
}

pub const HOST_KEYS: [&str; 7] =
    ["capabilities", "ca", "client", "skip_verify", "header", "override_path", "dial_timeout"];

impl Version {
    /// Which TOML library reads this containerd's files.
    pub fn dialect(self) -> Dialect {
        if self.major >= 2 { Dialect::Two } else { Dialect::One }
    }
}

/// Decodes hosts.toml. `dir` is the directory that holds it.
pub fn parse(bytes: &[u8], file: &str, dir: &str, version: Version) -> Result<HostsFile, Rejection> {
    let dialect = version.dialect();
    let table = toml::read(bytes, file, dialect).map_err(|error| Rejection {
        place: SourceLocation::new(file, error.at),
        reason: error.message,
        open: error.certainty == Certainty::Unknown,
    })?;
    let start = SourceLocation::new(file, Position::START);
    let decoder = Decoder { dir, version };
    let host = if dialect == Dialect::Two { table.field("host", dialect) } else { table.get("host") };
    let order = match host.map(|host| &host.data) {
        None if version.accepts_hosts_file_without_host() => Vec::new(),
        None => return Err(Rejection::new(start, "invalid `host` tree".into())),
        Some(Data::Table(hosts)) => order(hosts, table.get("host").is_some(), version),
        Some(_) => return Err(decoder.wrong_type("host", host, "a table")),
    };
    let hosts = host.and_then(Value::as_table);
    let specs = order.iter().filter_map(|name| hosts?.entries.iter().find(|(key, _)| key == name));
    let specs = specs.map(|(name, value)| decoder.host(name, value)).collect::<Result<Vec<_>, _>>()?;
    // A host that is never tried is decoded all the same, and may be what rejects the file.
    for (name, value) in hosts.into_iter().flat_map(|hosts| &hosts.entries) {
        decoder.host_types(name, value)?;
    }
    let server = decoder.server(&table, start)?;
    Ok(HostsFile { hosts: specs, server, table })
}

/// The names of the hosts in the order of trial.
fn order(hosts: &Table, spelt_exactly: bool, version: Version) -> Vec<String> {
    if !version.orders_hosts_by_header() {
        let mut names: Vec<(usize, &String)> =
            hosts.entries.iter().map(|(name, value)| (first_line(value), name)).collect();
        names.sort_by_key(|(line, _)| *line);
        return names.into_iter().map(|(_, name)| name.clone()).collect();
    }
    if !spelt_exactly {
        return Vec::new();
    }
    let mut headers: Vec<(isize, &String)> = Vec::new();
    for (name, value) in &hosts.entries {
        header_ranks(value, &mut |rank| headers.push((rank, name)));
    }
    headers.sort_by_key(|(rank, _)| *rank);
    let mut names: Vec<String> = headers.into_iter().map(|(_, name)| name.clone()).collect();
    names.dedup();
    names
}

/// Where go-toml 1 puts a host: at the first line that names it or a table in it, and an inline table before all.
fn first_line(value: &Value) -> usize {
    match &value.data {
        Data::Table(table) if table.inline => 0,
        Data::Table(table) => {
            let within = table.entries.iter().map(|(_, value)| value.key.line());
            within.fold(value.key.line(), usize::min)
        }
        _ => value.key.line(),
    }
}

/// The ranks of all table headers at and below a value; those of arrays of tables do not count.
fn header_ranks(value: &Value, found: &mut impl FnMut(isize)) {
    if let Data::Table(table) = &value.data {
        if let Some(rank) = table.header {
            found(rank);
        }
        table.entries.iter().for_each(|(_, value)| header_ranks(value, found));
    }
}

struct Decoder<'a> {
    dir: &'a str,
    version: Version,
}

impl Decoder<'_> {
    fn wrong_type(&self, key: &str, found: Option<&Value>, expected: &str) -> Rejection {
        let place = found.map_or_else(|| SourceLocation::new(self.dir, Position::START), |value| value.key.clone());
        let kind = found.map_or("nothing", Value::kind);
        Rejection::new(place, format!("invalid type for {}: found {}, expected {expected}", quote(key), article(kind)))
    }

    fn field<'t>(&self, table: &'t Table, key: &str) -> Option<&'t Value> {
        table.field(key, self.version.dialect())
    }

    fn server(&self, table: &Table, start: SourceLocation) -> Result<HostSpec, Rejection> {
        let server = self.field(table, "server");
        let place = server.map_or(start, |server| server.key.clone());
        match server {
            None => self.spec("", table, place),
            Some(Value { data: Data::String(name), .. }) => self.spec(name, table, place),
            Some(_) => Err(self.wrong_type("server", server, "a string")),
        }
    }

    fn host(&self, name: &str, value: &Value) -> Result<HostSpec, Rejection> {
        match &value.data {
            Data::Table(table) => self.spec(name, table, value.key.clone()),
            _ => Err(self.wrong_type(name, Some(value), "a table")),
        }
    }

    /// Only what the TOML library itself checks: the types of fields that have one.
    fn host_types(&self, name: &str, value: &Value) -> Result<(), Rejection> {
        let Data::Table(table) = &value.data else { return Err(self.wrong_type(name, Some(value), "a table")) };
        self.capability_words(table)?;
        self.boolean(table, "skip_verify")?;
        self.boolean(table, "override_path")?;
        self.headers_table(table)?;
        self.dial_timeout_text(table).map(|_| ())
    }

    fn spec(&self, name: &str, table: &Table, place: SourceLocation) -> Result<HostSpec, Rejection> {
        let override_path = self.boolean(table, "override_path")?.unwrap_or(false);
        Ok(HostSpec {
            name: name.to_owned(),
            url: Self::url(name, override_path, &place)?,
            capabilities: self.capabilities(table)?,
            tls: TlsKeys {
                ca: self.ca(table)?,
                client: self.client(table)?,
                skip_verify: self.boolean(table, "skip_verify")?,
            },
            headers: self.headers(table)?,
            dial_timeout: self.dial_timeout(table)?,
            rewrites: rewrites(table, self.version),
            place,
        })
    }

    fn url(name: &str, override_path: bool, place: &SourceLocation) -> Result<Option<HostUrl>, Rejection> {
        if name.is_empty() {
            return Ok(None);
        }
        let text = if name.starts_with("http") { name.to_owned() } else { format!("https://{name}") };
        let url = urls::parse(&text).map_err(|reason| {
            Rejection::new(place.clone(), format!("unable to parse server {}: {reason}", urls::redacted(&text)))
        })?;
        let path = match (url.path.is_empty(), override_path) {
            (true, true) => String::new(),
            (true, false) => "/v2".into(),
            (false, _) => {
                let path = clean(&url.path);
                if override_path || path.ends_with("/v2") { path } else { format!("{path}/v2") }
            }
        };
        Ok((!url.host.is_empty()).then_some(HostUrl { scheme: url.scheme, authority: url.host, path }))
    }

    fn boolean(&self, table: &Table, key: &str) -> Result<Option<bool>, Rejection> {
        match self.field(table, key) {
            None => Ok(None),
            Some(Value { data: Data::Boolean(flag), .. }) => Ok(Some(*flag)),
            found => Err(self.wrong_type(key, found, "true or false")),
        }
    }

    fn capability_words<'t>(&self, table: &'t Table) -> Result<Vec<(&'t str, &'t Value)>, Rejection> {
        let found = self.field(table, "capabilities");
        let wrong = || self.wrong_type("capabilities", found, "an array of strings");
        match found.map(|value| &value.data) {
            None => Ok(Vec::new()),
            Some(Data::Array(words)) => words.iter().map(|word| Ok((word.as_str().ok_or_else(wrong)?, word))).collect(),
            Some(_) => Err(wrong()),
        }
    }

    fn capabilities(&self, table: &Table) -> Result<Capabilities, Rejection> {
        let words = self.capability_words(table)?;
        let referrers = self.version.knows_referrers();
        if words.is_empty() {
            return Ok(Capabilities { referrers, ..Capabilities::ALL });
        }
        let mut capabilities = Capabilities::NONE;
        for (word, value) in words {
            match word.to_lowercase().as_str() {
                "pull" => capabilities.pull = true,
                "resolve" => capabilities.resolve = true,
                "push" => capabilities.push = true,
                "referrers" if referrers => capabilities.referrers = true,
                _ => return Err(Rejection::new(value.at.clone(), format!("unknown capability {word}"))),
            }
        }
        Ok(capabilities)
    }

    fn ca(&self, table: &Table) -> Result<Option<Vec<String>>, Rejection> {
        let found = self.field(table, "ca");
        let wrong = || self.wrong_type("ca", found, "a string or an array of strings");
        match found.map(|value| &value.data) {
            None => Ok(None),
            Some(Data::String(path)) => Ok(Some(vec![self.absolute(path)])),
            Some(Data::Array(paths)) => paths
                .iter()
                .map(|path| path.as_str().map(|path| self.absolute(path)).ok_or_else(wrong))
                .collect::<Result<_, _>>()
                .map(Some),
            Some(_) => Err(wrong()),
        }
    }

    fn client(&self, table: &Table) -> Result<Vec<(String, Option<String>)>, Rejection> {
        let found = self.field(table, "client");
        let wrong = || self.wrong_type("client", found, "a string or an array of strings and [certificate, key] pairs");
        let one = |item: &Value| match &item.data {
            Data::String(path) => Ok((self.absolute(path), None)),
            Data::Array(pair) => {
                let paths = pair.iter().map(|path| path.as_str().map(|path| self.absolute(path)).ok_or_else(wrong));
                match paths.collect::<Result<Vec<_>, _>>()?.as_slice() {
                    [certificate, key] => Ok((certificate.clone(), Some(key.clone()).filter(|key| !key.is_empty()))),
                    other => Err(Rejection::new(
                        item.at.clone(),
                        format!("invalid pair for \"client\": {} items, expected certificate and key", other.len()),
                    )),
                }
            }
            _ => Err(wrong()),
        };
        match found.map(|value| &value.data) {
            None => Ok(Vec::new()),
            Some(Data::String(path)) => Ok(vec![(self.absolute(path), None)]),
            Some(Data::Array(items)) => items.iter().map(one).collect(),
            Some(_) => Err(wrong()),
        }
    }

    fn headers_table<'t>(&self, table: &'t Table) -> Result<Option<&'t Table>, Rejection> {
        match self.field(table, "header") {
            None => Ok(None),
            Some(Value { data: Data::Table(header), .. }) => Ok(Some(header)),
            found => Err(self.wrong_type("header", found, "a table")),
        }
    }

    fn headers(&self, table: &Table) -> Result<Vec<(String, Secret)>, Rejection> {
        let mut headers = Vec::new();
        for (name, value) in self.headers_table(table)?.into_iter().flat_map(|header| &header.entries) {
            let wrong = || self.wrong_type(name, Some(value), "a string or an array of strings");
            match &value.data {
                Data::String(text) => headers.push((name.clone(), Secret::new(text))),
                Data::Array(texts) => {
                    for text in texts {
                        headers.push((name.clone(), Secret::new(text.as_str().ok_or_else(wrong)?)));
                    }
                }
                _ => return Err(wrong()),
            }
        }
        Ok(headers)
    }

    fn dial_timeout_text<'t>(&self, table: &'t Table) -> Result<Option<(&'t str, &'t Value)>, Rejection> {
        let found = self.field(table, "dial_timeout").filter(|_| self.version.knows_dial_timeout());
        match found {
            None => Ok(None),
            Some(value) => {
                Ok(Some((value.as_str().ok_or_else(|| self.wrong_type("dial_timeout", found, "a string"))?, value)))
            }
        }
    }

    fn dial_timeout(&self, table: &Table) -> Result<Option<text::GoDuration>, Rejection> {
        match self.dial_timeout_text(table)? {
            None | Some(("", _)) => Ok(None),
            Some((text, value)) => {
                text::duration(text).map(Some).map_err(|reason| Rejection::new(value.at.clone(), reason))
            }
        }
    }

    fn absolute(&self, path: &str) -> String {
        if path.starts_with('/') { path.to_owned() } else { join(self.dir, path) }
    }
}

impl HostSpec {
    /// The name as it may be shown.
    pub fn shown(&self) -> String {
        urls::redacted(&self.name)
    }

    /// How long connecting may take. `None`: the usual 30 s.
    pub fn connect_limit(&self) -> Option<Duration> {
        self.dial_timeout.map(|limit| match limit.length {
            _ if limit.negative => Duration::ZERO,
            Duration::ZERO => NO_DIAL_TIMEOUT,
            length => length,
        })
    }
}

fn article(kind: &str) -> String {
    if kind.starts_with(['a', 'i']) { format!("an {kind}") } else { format!("a {kind}") }
}
