//! Findings about what config.toml's sections amount to.

use super::super::config::migrate::{IMAGES, OLD_CRI};
use super::super::config::{ConfigFile, imports};
use super::super::document::{Place, Table, Value};
use super::super::gourl;
use super::super::reader::directory;
use super::super::settings::section_id;
use super::host::world_readable;
use super::{Lint, error, info, warning};
use crate::model::containerd::{PullMode, VersionSource};
use crate::model::finding::{Finding, Severity};

impl Lint<'_, '_> {
    /// Sections with registry settings that nothing reads, and sections that were replaced.
    pub(super) fn sections(&self, found: &mut Vec<Finding>) {
        let dialect = self.version.dialect();
        // What containerd refuses outright is said once.
        let stopped = self.fatal.is_some_and(|fault| fault.kind.stops_containerd());
        for file in &self.merged.files {
            let plugins = file.table.field("plugins", dialect).and_then(Value::as_table);
            for (id, section) in plugins.into_iter().flat_map(|plugins| &plugins.entries) {
                let registry = section.as_table().and_then(|section| section.table("registry"));
                let written = registry.is_some_and(|registry| !registry.entries.is_empty());
                if ["cri", OLD_CRI, IMAGES].contains(&id.as_str()) && written && !stopped && !self.reads(id, file) {
                    found.push(self.unread(id, &section.key, file));
                }
            }
            if file.schema <= 1 {
                let place = Place { file: file.path.as_str().into(), line: 1, column: 1 };
                let message = "the file has no `version`, which makes it one of schema 1: only the short plugin name `cri` counts in it";
                found.push(info(
                    "schema_deprecated",
                    &place,
                    message,
                    "write `version = 2` (containerd 1.x) or `version = 3` (2.x) and the long plugin names",
                ));
            }
        }
        if self.merged.schema > i64::from(self.version.config_schema()) && self.fatal.is_none() {
            let place = Place { file: self.config.into(), line: 1, column: 1 };
            let message = format!(
                "schema {} is newer than containerd {}, which reads it as schema 2",
                self.merged.schema, self.version
            );
            found.push(warning("schema_newer", &place, message, "write `version = 2` and its plugin names"));
        }
        for (path, place) in &self.merged.circular {
            let message = format!("{path} leads back here: containerd reads each file once and passes over this entry");
            found.push(info("import_circular", place, message, "take the entry out of `imports`"));
        }
        let id = section_id(self.merged, self.version);
        for (_, earlier, later) in self.merged.replaced.iter().filter(|(replaced, ..)| replaced == id) {
            let message = format!(
                "this section replaces the whole of the one at {}:{}: containerd {} does not merge plugin sections",
                earlier.file, earlier.line, self.version
            );
            found.push(error("section_replaced", later, message, "write all settings of the plugin in one file"));
        }
    }

    /// Whether the section of that name in that file has a say.
    fn reads(&self, id: &str, file: &ConfigFile) -> bool {
        let newest = i64::from(self.version.config_schema());
        if self.version.major < 2 {
            return id == section_id(self.merged, self.version);
        }
        match id {
            IMAGES => true,
            OLD_CRI if self.version.migrates_each_file() => file.schema < newest,
            OLD_CRI => self.merged.schema < newest,
            _ => self.version.migrates_each_file() && file.schema <= 1,
        }
    }

    fn unread(&self, id: &str, place: &Place, file: &ConfigFile) -> Finding {
        let wanted = section_id(self.merged, self.version);
        let message = if self.version.major >= 2 && file.schema <= 1 {
            format!(
                "containerd {} takes this file without `version` for schema 1 and never carries the settings of `{id}` over: its registry settings are lost",
                self.version
            )
        } else {
            format!(
                "containerd {} does not read the registry settings of `{id}` here: it reads those of `{wanted}`",
                self.version
            )
        };
        error(
            "wrong_plugin_section",
            place,
            message,
            format!("write `version = {}` and [plugins.\"{wanted}\".registry]", self.version.config_schema()),
        )
    }

    pub(super) fn config(&mut self, found: &mut Vec<Finding>) {
        let whole = Place { file: self.config.into(), line: 1, column: 1 };
        if self.merged.files.is_empty() && self.fatal.is_none() {
            let message = format!("there is no {}: containerd {} runs on its defaults", self.config, self.version);
            found.push(
                Finding::new(
                    Severity::Info,
                    "config_missing",
                    message,
                    "name the file that containerd is started with by --containerd-config",
                )
                .in_file(self.config),
            );
        }
        if self.source == VersionSource::Assumed {
            let message = format!("nothing tells which containerd reads these files; {} is assumed", self.version);
            found.push(Finding::new(
                Severity::Info,
                "version_assumed",
                message,
                "pass --containerd-version, or give pullprobe the CRI socket",
            ));
        }
        self.deprecated(found);
        self.configs(found);
        self.open_credentials(found);
        if let Some((path, place)) = &self.settings.transfer_config_path {
            let message =
                format!("nothing reads the transfer service's own config_path (`{path}`): CRI passes its own");
            found.push(warning(
                "transfer_config_path",
                place,
                message,
                "set it in [plugins.\"io.containerd.cri.v1.images\".registry]",
            ));
        }
        if let Some(words) = self.unpack_error {
            let place = self.settings.snapshotter.as_ref().map_or(&whole, |(_, place)| place);
            let message = format!("every pull fails after it resolved the image: {words}");
            found.push(error("snapshotter_not_unpacked", place, message, "list the snapshotter in `unpack_config` of [plugins.\"io.containerd.transfer.v1.local\"], or set `use_local_image_pull = true`"));
        }
        // Managed nodes discard layers on purpose; `plan` says which client pulls in any case.
        let on_purpose = self.settings.use_local_image_pull || self.settings.discard_unpacked_layers;
        if self.mode == PullMode::Local && self.version.pulls_by_transfer() && !on_purpose && self.fatal.is_none() {
            let message = format!("containerd pulls with its classic client: {}", self.mode_reason);
            found.push(info(
                "local_pull_forced",
                &whole,
                message,
                "nothing needs fixing; `use_local_image_pull = true` says the same openly",
            ));
        }
        self.conf_d(found);
    }

    fn deprecated(&self, found: &mut Vec<Finding>) {
        let settings = self.settings;
        let deprecated =
            |key: &str| format!("`registry.{key}` is deprecated and will be dropped by a later containerd");
        if let Some(mirror) = settings.mirrors.first() {
            found.push(warning(
                "registry_keys_deprecated",
                &mirror.place,
                deprecated("mirrors"),
                "move it to hosts.toml files and set `config_path`",
            ));
        }
        if let Some(config) = settings.configs.iter().find(|config| config.auth.is_some()) {
            found.push(warning(
                "registry_keys_deprecated",
                &config.place,
                deprecated("configs"),
                "move `auth` to an image pull secret",
            ));
        }
        if let Some((_, auth)) = settings.auths.first() {
            found.push(warning(
                "registry_keys_deprecated",
                &auth.place,
                deprecated("auths"),
                "use an image pull secret",
            ));
        }
        for mirror in &settings.mirrors {
            for endpoint in &mirror.endpoints {
                let path = gourl::parse(endpoint).map(|url| url.path).unwrap_or_default();
                if endpoint.contains("://") && !path.is_empty() && !path.ends_with("/v2") {
                    let message = format!(
                        "`{}` has a path, and a mirror's path is taken as it is: no /v2 is added",
                        gourl::shown(endpoint)
                    );
                    found.push(warning(
                        "mirror_path_without_v2",
                        &mirror.place,
                        message,
                        "end the URL in /v2, or leave the path out",
                    ));
                }
            }
        }
    }

    fn configs(&self, found: &mut Vec<Finding>) {
        let section = self.merged.plugins.table(section_id(self.merged, self.version));
        let configs = section.and_then(|section| section.path(&["registry", "configs"])).and_then(Value::as_table);
        let tls = |table: &Table| table.get("tls").map(|tls| tls.key.clone());
        for (host, place) in configs
            .into_iter()
            .flat_map(|configs| &configs.entries)
            .filter_map(|(host, value)| Some((host, tls(value.as_table()?)?)))
        {
            if self.version.has_configs_tls() {
                let message = format!(
                    "`registry.configs.\"{host}\".tls` is read by containerd 1.x only: 2.0 ignores it and verifies {host} with the node's roots"
                );
                let fix = "move it to hosts.toml as `ca`, `client` and `skip_verify`, and set `config_path`";
                found.push(warning("registry_keys_deprecated", &place, message, fix));
            } else {
                let message = format!(
                    "containerd {} ignores `registry.configs.\"{host}\".tls`: {host} is verified with the node's roots alone",
                    self.version
                );
                found.push(error("configs_tls_ignored", &place, message, format!("write `ca`, `client` or `skip_verify` in hosts.toml below `config_path`, in the directory of {host}")));
            }
        }
        for (host, fault) in self.registry.tls.iter().filter_map(|(host, tls)| Some((host, tls.as_ref().err()?))) {
            let place = self.settings.configs.iter().find(|config| config.host == *host).map(|config| &config.place);
            let message = format!("every pull from {host} fails: {fault}");
            let fix = "put a PEM file in its place, or take the key out";
            found.extend(place.map(|place| error("tls_file_unusable", place, message, fix)));
        }
        for config in
            self.settings.configs.iter().filter(|config| {
                config.auth.is_some() && ["docker.io", "index.docker.io"].contains(&config.host.as_str())
            })
        {
            let message = format!(
                "a credential for {} is never used: images of docker.io come from registry-1.docker.io",
                config.host
            );
            found.push(warning(
                "configs_auth_docker_io",
                &config.place,
                message,
                "write registry.configs.\"registry-1.docker.io\".auth, or better an image pull secret",
            ));
        }
    }

    fn open_credentials(&self, found: &mut Vec<Finding>) {
        let of_hosts = self.settings.configs.iter().filter_map(|config| config.auth.as_ref());
        let all = of_hosts.chain(self.settings.auths.iter().map(|(_, auth)| auth));
        let open = all.map(|auth| &auth.place).find(|place| self.reader.is_open_to_all(&place.file));
        found.extend(open.map(|place| world_readable(place, "the credential")));
    }

    fn conf_d(&mut self, found: &mut Vec<Finding>) {
        let conf_d = format!("{}/conf.d", directory(self.config));
        let files = imports::glob(self.reader, &format!("{conf_d}/*.toml"));
        let unread: Vec<&String> =
            files.iter().filter(|path| !self.merged.files.iter().any(|file| file.path == **path)).collect();
        if let Some(first) = unread.first() {
            let message = format!(
                "{} of {} files in {conf_d} are not read, {first} first: containerd follows only what `imports` names",
                unread.len(),
                files.len()
            );
            let fix = format!("write `imports = [\"{conf_d}/*.toml\"]` in {} and restart containerd", self.config);
            found.push(Finding::new(Severity::Warning, "conf_d_not_imported", message, fix).in_file(self.config));
        }
    }
}
