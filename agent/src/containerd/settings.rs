//! What the merged configuration says about pulling images, decoded with the types that containerd
//! wants. A value of another type ends containerd.

use go::place::SourceLocation;
use go::toml::{Data, Dialect, Table, Value};

use super::config::migrate::{IMAGES, OLD_CRI};
use super::config::{ConfigFault, FaultKind, Merged, other_type, type_words};
use crate::model::rewrites::Rewrites;
use crate::redact::secret::Secret;
use crate::version::Version;

/// The transfer service's own plugin (containerd 2.1 and later).
pub const TRANSFER: &str = "io.containerd.transfer.v1.local";

/// The settings of one containerd; defaults where nothing is written.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// As written. `None`: the key is absent.
    pub config_path: Option<(String, SourceLocation)>,
    pub mirrors: Vec<Mirror>,
    pub configs: Vec<HostSettings>,
    /// `registry.auths`, by URL.
    pub auths: Vec<(String, Auth)>,
    /// Sent to every registry host.
    pub headers: Vec<(String, Secret)>,
    pub snapshotter: Option<(String, SourceLocation)>,
    pub disable_snapshot_annotations: Option<(bool, SourceLocation)>,
    pub discard_unpacked_layers: bool,
    pub max_concurrent_downloads: Option<(i64, SourceLocation)>,
    pub image_pull_with_sync_fs: Option<(bool, SourceLocation)>,
    pub use_local_image_pull: bool,
    pub image_pull_progress_timeout: Option<(String, SourceLocation)>,
    pub sandbox_image: Option<String>,
    /// The transfer service's `unpack_config`: platform (empty: the node's) and snapshotter.
    /// `None`: its default.
    pub unpack_config: Option<Vec<(String, String)>>,
    /// The transfer service's `config_path`, which nothing reads.
    pub transfer_config_path: Option<(String, SourceLocation)>,
}

/// An entry of `registry.mirrors`.
#[derive(Clone, Debug)]
pub struct Mirror {
    /// The registry's name, or `*`.
    pub name: String,
    pub endpoints: Vec<(String, SourceLocation)>,
    /// Known to the containerd of k3s and RKE2 alone.
    pub rewrites: Rewrites,
    pub place: SourceLocation,
}

/// An entry of `registry.configs`.
#[derive(Clone, Debug)]
pub struct HostSettings {
    pub host: String,
    pub auth: Option<Auth>,
    pub tls: Option<TlsSettings>,
    pub place: SourceLocation,
}

#[derive(Clone, Debug)]
pub struct Auth {
    pub username: String,
    pub password: Secret,
    /// Base64 of `user:password`.
    pub encoded: Secret,
    pub identity_token: Secret,
    pub place: SourceLocation,
}

#[derive(Clone, Debug, Default)]
pub struct TlsSettings {
    pub ca_file: String,
    pub cert_file: String,
    pub key_file: String,
    pub insecure_skip_verify: bool,
}

/// The id of the section that this containerd reads its registry settings from.
pub fn section_id(merged: &Merged, version: Version) -> &'static str {
    match (version.major, merged.schema) {
        (2.., _) => IMAGES,
        (_, 1) => "cri",
        _ => OLD_CRI,
    }
}

pub fn decode(merged: &Merged, version: Version) -> Result<Settings, ConfigFault> {
    let decoder = Decoder { dialect: version.dialect() };
    let mut settings = Settings::default();
    if let Some(section) = merged.plugins.table(section_id(merged, version)) {
        decoder.section(section, version, &mut settings)?;
    }
    if let Some(section) = merged.plugins.table(TRANSFER).filter(|_| version.pulls_by_transfer()) {
        settings.transfer_config_path =
            decoder.text(section, "config_path", "local.transferConfig.RegistryConfigPath")?;
        settings.unpack_config = decoder.unpack_config(section);
    }
    Ok(settings)
}

struct Decoder {
    dialect: Dialect,
}

impl Decoder {
    fn section(&self, section: &Table, version: Version, settings: &mut Settings) -> Result<(), ConfigFault> {
        let one = version.major < 2;
        let name = if one { "config.PluginConfig" } else { "config.ImageConfig" };
        // containerd 1.x keeps these three a level deeper.
        let containerd = if one { self.table(section, "containerd")? } else { Some(section) };
        let empty = Table::default();
        let inner = containerd.unwrap_or(&empty);
        settings.snapshotter = self.text(inner, "snapshotter", &format!("{name}.Snapshotter"))?;
        let flag = |table: &Table, key: &str, field: &str| self.flag(table, key, &format!("{name}.{field}"));
        settings.disable_snapshot_annotations =
            flag(inner, "disable_snapshot_annotations", "DisableSnapshotAnnotations")?;
        settings.discard_unpacked_layers =
            flag(inner, "discard_unpacked_layers", "DiscardUnpackedLayers")?.is_some_and(|(flag, _)| flag);
        settings.image_pull_with_sync_fs = flag(section, "image_pull_with_sync_fs", "ImagePullWithSyncFs")?;
        settings.max_concurrent_downloads =
            self.number(section, "max_concurrent_downloads", &format!("{name}.MaxConcurrentDownloads"))?;
        let timeout = format!("{name}.ImagePullProgressTimeout");
        // The key came with containerd 1.7: before, its type is nobody's business.
        if (version.major, version.minor) >= (1, 7) {
            settings.image_pull_progress_timeout = self.text(section, "image_pull_progress_timeout", &timeout)?;
        }
        if version.pulls_by_transfer() {
            settings.use_local_image_pull =
                flag(section, "use_local_image_pull", "UseLocalImagePull")?.is_some_and(|(flag, _)| flag);
        }
        let sandbox = if one {
            self.text(section, "sandbox_image", &format!("{name}.SandboxImage"))?
        } else {
            let pinned = self.table(section, "pinned_images")?;
            pinned.map(|pinned| self.text(pinned, "sandbox", &format!("{name}.PinnedImages"))).transpose()?.flatten()
        };
        settings.sandbox_image = sandbox.map(|(image, _)| image);
        match self.table(section, "registry")? {
            Some(registry) => self.registry(registry, version, settings),
            None => Ok(()),
        }
    }

    fn registry(&self, registry: &Table, version: Version, settings: &mut Settings) -> Result<(), ConfigFault> {
        settings.config_path = self.text(registry, "config_path", "config.Registry.ConfigPath")?;
        for (name, value) in self.map(registry, "mirrors", "config.Registry.Mirrors", "map[string]config.Mirror")? {
            let table = self.entry(value, "config.Registry.Mirrors", "config.Mirror")?;
            let endpoints = self.texts(table.field("endpoint", self.dialect), "config.Mirror.Endpoints")?;
            let (rewrites, place) = (rewrites(table, version), value.key.clone());
            settings.mirrors.push(Mirror { name: name.clone(), endpoints, rewrites, place });
        }
        for (host, value) in
            self.map(registry, "configs", "config.Registry.Configs", "map[string]config.RegistryConfig")?
        {
            let table = self.entry(value, "config.Registry.Configs", "config.RegistryConfig")?;
            let auth = match table.field("auth", self.dialect) {
                Some(auth) => Some(self.auth(auth)?),
                None => None,
            };
            let tls = match self.table(table, "tls")? {
                Some(tls) if version.has_configs_tls() => Some(self.tls(tls)?),
                _ => None,
            };
            settings.configs.push(HostSettings { host: host.clone(), auth, tls, place: value.key.clone() });
        }
        for (url, value) in self.map(registry, "auths", "config.Registry.Auths", "map[string]config.AuthConfig")? {
            settings.auths.push((url.clone(), self.auth(value)?));
        }
        for (name, value) in self.map(registry, "headers", "config.Registry.Headers", "map[string][]string")? {
            let values = self.texts(Some(value), "config.Registry.Headers")?;
            settings.headers.extend(values.into_iter().map(|(value, _)| (name.clone(), Secret::new(value))));
        }
        Ok(())
    }

    fn auth(&self, value: &Value) -> Result<Auth, ConfigFault> {
        let table = self.entry(value, "config.RegistryConfig.Auth", "config.AuthConfig")?;
        let text = |key: &str, field: &str| {
            let found = self.text(table, key, &format!("config.AuthConfig.{field}"))?;
            Ok(found.map(|(text, _)| text).unwrap_or_default())
        };
        Ok(Auth {
            username: text("username", "Username")?,
            password: Secret::new(text("password", "Password")?),
            encoded: Secret::new(text("auth", "Auth")?),
            identity_token: Secret::new(text("identitytoken", "IdentityToken")?),
            place: value.key.clone(),
        })
    }

    fn tls(&self, table: &Table) -> Result<TlsSettings, ConfigFault> {
        let text = |key: &str, field: &str| {
            let found = self.text(table, key, &format!("config.TLSConfig.{field}"))?;
            Ok(found.map(|(text, _)| text).unwrap_or_default())
        };
        Ok(TlsSettings {
            ca_file: text("ca_file", "CAFile")?,
            cert_file: text("cert_file", "CertFile")?,
            key_file: text("key_file", "KeyFile")?,
            insecure_skip_verify: self
                .flag(table, "insecure_skip_verify", "config.TLSConfig.InsecureSkipVerify")?
                .is_some_and(|(flag, _)| flag),
        })
    }

    /// Platform and snapshotter of each entry; what has another shape is left to containerd.
    fn unpack_config(&self, section: &Table) -> Option<Vec<(String, String)>> {
        let Data::Array(entries) = &section.field("unpack_config", self.dialect)?.data else { return None };
        let text = |entry: &Table, key: &str| {
            entry.field(key, self.dialect).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let entries = entries.iter().filter_map(Value::as_table);
        Some(entries.map(|entry| (text(entry, "platform"), text(entry, "snapshotter"))).collect())
    }

    fn wrong(&self, value: &Value, field: &str, wanted: &str) -> ConfigFault {
        let words = type_words(value, self.dialect, field, wanted);
        let message = words.unwrap_or_else(|| other_type(value, wanted));
        let place = if self.dialect == Dialect::One { &value.key } else { &value.at };
        ConfigFault::new(FaultKind::WrongType, message, &place.file).at(place)
    }

    fn text(&self, table: &Table, key: &str, field: &str) -> Result<Option<(String, SourceLocation)>, ConfigFault> {
        match table.field(key, self.dialect) {
            None => Ok(None),
            Some(Value { data: Data::String(text), at, .. }) => Ok(Some((text.clone(), at.clone()))),
            Some(value) => Err(self.wrong(value, field, "string")),
        }
    }

    /// With the place of its key, like a number.
    fn flag(&self, table: &Table, key: &str, field: &str) -> Result<Option<(bool, SourceLocation)>, ConfigFault> {
        match table.field(key, self.dialect) {
            None => Ok(None),
            Some(Value { data: Data::Boolean(flag), key, .. }) => Ok(Some((*flag, key.clone()))),
            Some(value) => Err(self.wrong(value, field, "bool")),
        }
    }

    fn number(&self, table: &Table, key: &str, field: &str) -> Result<Option<(i64, SourceLocation)>, ConfigFault> {
        match table.field(key, self.dialect) {
            None => Ok(None),
            Some(Value { data: Data::Integer(number), key, .. }) => Ok(Some((*number, key.clone()))),
            Some(value) => Err(self.wrong(value, field, "int")),
        }
    }

    fn table<'t>(&self, table: &'t Table, key: &str) -> Result<Option<&'t Table>, ConfigFault> {
        match table.field(key, self.dialect) {
            None => Ok(None),
            Some(Value { data: Data::Table(inner), .. }) => Ok(Some(inner)),
            Some(value) => Err(self.wrong(value, &format!("config.{key}"), "map[string]interface {}")),
        }
    }

    fn map<'t>(
        &self,
        table: &'t Table,
        key: &str,
        field: &str,
        wanted: &str,
    ) -> Result<&'t [(String, Value)], ConfigFault> {
        match table.field(key, self.dialect) {
            None => Ok(&[]),
            Some(Value { data: Data::Table(inner), .. }) => Ok(&inner.entries),
            Some(value) => Err(self.wrong(value, field, wanted)),
        }
    }

    fn entry<'t>(&self, value: &'t Value, field: &str, wanted: &str) -> Result<&'t Table, ConfigFault> {
        value.as_table().ok_or_else(|| self.wrong(value, field, wanted))
    }

    fn texts(&self, value: Option<&Value>, field: &str) -> Result<Vec<(String, SourceLocation)>, ConfigFault> {
        let Some(value) = value else { return Ok(Vec::new()) };
        let Data::Array(items) = &value.data else { return Err(self.wrong(value, field, "[]string")) };
        let text = |item: &Value| {
            let text = item.as_str().ok_or_else(|| self.wrong(item, field, "string"))?;
            Ok((text.to_owned(), item.at.clone()))
        };
        items.iter().map(text).collect()
    }
}

/// The table `rewrite` of a host or mirror, where the containerd that reads it knows that.
pub fn rewrites(table: &Table, version: Version) -> Rewrites {
    let found = table.field("rewrite", version.dialect()).filter(|_| version.knows_rewrite());
    let entries = found.and_then(Value::as_table).into_iter().flat_map(|table| &table.entries);
    Rewrites(entries.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect())
}
