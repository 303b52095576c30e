//! Findings about what config.toml's sections amount to.

use super::super::certs_d::RootState;
use super::super::config::migrate::{IMAGES, OLD_CRI};
use super::super::config::{ConfigFile, imports};
use super::super::document::{Place, Table, Value};
use super::super::gourl;
use super::super::pull_mode::DEFAULT_CONFIG_PATH;
use super::super::reader::directory;
use super::super::registry::HostSource;
use super::super::settings::section_id;
use super::{Lint, error, info, warning};
use crate::model::containerd::{PullMode, VersionSource};
use crate::model::finding::{Finding, Severity};

impl Lint<'_, '_> {
    /// Sections with registry settings that nothing reads, and sections that were replaced.
    pub(super) fn sections(&self, found: &mut Vec<Finding>) {
        let dialect = self.version.dialect();
        for file in &self.merged.files {
            let plugins = file.table.field("plugins", dialect).and_then(Value::as_table);
            for (id, section) in plugins.into_iter().flat_map(|plugins| &plugins.entries) {
                let registry = section.as_table().and_then(|section| section.table("registry"));
                let written = registry.is_some_and(|registry| !registry.entries.is_empty());
                if ["cri", OLD_CRI, IMAGES].contains(&id.as_str()) && written && !self.reads(id, file) {
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
        if self.mode == PullMode::Local && self.version.pulls_by_transfer() && !self.settings.use_local_image_pull {
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
        if let Some(config) = settings.configs.first() {
            found.push(warning(
                "registry_keys_deprecated",
                &config.place,
                deprecated("configs"),
                "move `tls` to hosts.toml and `auth` to an image pull secret",
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
            if !self.version.has_configs_tls() {
                let message = format!(
                    "containerd {} ignores `registry.configs.\"{host}\".tls`: {host} is verified with the node's roots alone",
                    self.version
                );
                found.push(error("configs_tls_ignored", &place, message, format!("write `ca`, `client` or `skip_verify` in hosts.toml below `config_path`, in the directory of {host}")));
            }
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

    pub(super) fn config_path(&mut self, found: &mut Vec<Finding>) {
        let whole = Place { file: self.config.into(), line: 1, column: 1 };
        let written = self.settings.config_path.as_ref().filter(|(path, _)| !path.is_empty());
        let place = written.map_or(&whole, |(_, place)| place);
        let split = self.config_path.contains(':') && self.mode == PullMode::Transfer;
        if split {
            let message = format!(
                "the transfer service takes `{}` for one directory, which does not exist: no hosts.toml is read",
                self.config_path
            );
            let fix = "set `config_path` to one directory, or `use_local_image_pull = true`";
            if written.is_some() {
                found.push(error("config_path_colon", place, message, fix));
            } else {
                let used = DEFAULT_CONFIG_PATH.split(':').any(|path| self.has_entries(path));
                let make = if used { error } else { info };
                found.push(make("config_path_default_unread", place, format!("config_path is not set, and {message}"), "set `config_path = \"/etc/containerd/certs.d\"` in [plugins.\"io.containerd.cri.v1.images\".registry]"));
            }
        }
        if self.config_path.is_empty() && self.has_entries("/etc/containerd/certs.d") {
            let message =
                "/etc/containerd/certs.d has directories, but config_path is not set: containerd reads none of them";
            let fix = format!(
                "set `config_path = \"/etc/containerd/certs.d\"` in [plugins.\"{}\".registry] and restart containerd",
                section_id(self.merged, self.version)
            );
            found.push(warning("config_path_unset", place, message, fix));
        }
        for path in written.iter().flat_map(|(path, _)| path.split(':')).filter(|path| !path.starts_with('/')) {
            let message = format!("`{path}` is relative: it starts at containerd's own directory, usually /");
            found.push(warning("config_path_relative", place, message, "write it from the root"));
        }
        let HostSource::CertsD { roots } = &self.registry.source else { return };
        for root in roots.iter().filter(|_| written.is_some() && !split) {
            match &root.state {
                RootState::Missing => {
                    let message = format!("{} does not exist: every registry is asked directly", root.path);
                    found.push(warning(
                        "config_path_missing",
                        place,
                        message,
                        "create the directory, or correct `config_path`",
                    ));
                }
                RootState::Fault(words) => {
                    let message =
                        format!("no image can be pulled: looking up a registry in {} fails with `{words}`", root.path);
                    found.push(error("config_path_unusable", place, message, "make it a directory"));
                }
                RootState::Listed { .. } => {}
            }
        }
    }

    fn has_entries(&mut self, path: &str) -> bool {
        self.reader.list(path).is_ok_and(|entries| !entries.is_empty())
    }
}
