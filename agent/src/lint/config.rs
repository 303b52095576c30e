//! Findings about what config.toml's sections amount to.

use go::place::{Position, SourceLocation};
use go::text::join;
use go::toml::{Data, Table, Value};

use super::config_path::USUAL_NAMES;
use super::host::world_readable;
use super::{Lint, error, info, unread, warning};
use crate::containerd::config::{FaultKind, imports};
use crate::containerd::pull_mode;
use crate::containerd::reader::directory;
use crate::containerd::settings::section_id;
use crate::mirrors::certs_d::ends_in;
use crate::model::finding::{Finding, Severity};
use crate::version::{PullMode, VersionSource};

impl Lint<'_, '_> {
    pub(super) fn config(&mut self, found: &mut Vec<Finding>) {
        let whole = SourceLocation::new(self.config, Position::START);
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
            let message = format!("the version of containerd is unknown: the rules of {} are used", self.version);
            found.push(Finding::new(
                Severity::Info,
                "version_assumed",
                message,
                "pass --containerd-version, or let pullprobe reach the CRI socket",
            ));
        }
        self.deprecated(found);
        self.configs(found);
        self.open_credentials(found);
        let own = self.settings.transfer_config_path.as_ref();
        // It is empty in what containerd prints as its default, and the same in both places loses nothing.
        if let Some((path, place)) = own.filter(|(path, _)| !path.is_empty() && path != self.config_path) {
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
            let place = pull_mode::forced_by(self.settings).map_or(&whole, |(_, place)| place);
            found.push(info(
                "local_pull_forced",
                place,
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
        // What keeps CRI from starting has been told of the same key.
        let mirrors = settings.mirrors.first().filter(|_| !self.is_refused_for(FaultKind::MirrorsAndConfigPath));
        if let Some(mirror) = mirrors {
            found.push(warning(
                "registry_keys_deprecated",
                &mirror.place,
                deprecated("mirrors"),
                "move all of them to hosts.toml files, remove them here and set `config_path`, in one change",
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
    }

    fn is_refused_for(&self, kind: FaultKind) -> bool {
        self.fatal.is_some_and(|fault| fault.kind == kind)
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
            if self.is_refused_for(FaultKind::ConfigsTlsAndConfigPath) {
                continue;
            }
            if self.version.has_configs_tls() {
                let message = format!(
                    "`registry.configs.\"{host}\".tls` is read by containerd 1.x only: 2.0 ignores it and verifies {host} with the node's roots"
                );
                let fix = "move it to hosts.toml as `ca`, `client` and `skip_verify`, remove it here and set `config_path`, in one change";
                found.push(warning("registry_keys_deprecated", &place, message, fix).about(host));
            } else {
                let message = format!(
                    "containerd {} ignores `registry.configs.\"{host}\".tls`: {host} is verified with the node's roots alone",
                    self.version
                );
                let fix = format!(
                    "write `ca`, `client` or `skip_verify` in hosts.toml below `config_path`, in the directory of {host}"
                );
                found.push(error("configs_tls_ignored", &place, message, fix).about(host));
            }
        }
        for (host, fault) in self.registry.tls.iter().filter_map(|(host, tls)| Some((host, tls.as_ref().err()?))) {
            let place = self.settings.configs.iter().find(|config| config.host == *host).map(|config| &config.place);
            if fault.unread {
                found.extend(place.map(|place| unread(place, &fault.go_message).about(host)));
                continue;
            }
            let message = format!("every pull from {host} fails: {}", fault.go_message);
            let fix = "put a PEM file in its place, or take the key out";
            found.extend(place.map(|place| error("tls_file_unusable", place, message, fix).about(host)));
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
            found.push(
                warning(
                    "configs_auth_docker_io",
                    &config.place,
                    message,
                    "write registry.configs.\"registry-1.docker.io\".auth, or better an image pull secret",
                )
                .about(&config.host),
            );
        }
    }

    fn open_credentials(&self, found: &mut Vec<Finding>) {
        let of_hosts = self.settings.configs.iter().filter_map(|config| config.auth.as_ref());
        let all = of_hosts.chain(self.settings.auths.iter().map(|(_, auth)| auth));
        let open = all.map(|auth| &auth.place).find(|place| self.reader.is_open_to_all(&place.file));
        found.extend(open.map(|place| world_readable(place, "the credential")));
    }

    /// Files that lie where drop-ins do, and that no `imports` names.
    fn conf_d(&mut self, found: &mut Vec<Finding>) {
        for directory in self.drop_in_directories() {
            let files = imports::glob(self.reader, &format!("{directory}/*.toml")).unwrap_or_default();
            let unread: Vec<&String> =
                files.iter().filter(|path| !self.merged.files.iter().any(|file| file.path == **path)).collect();
            let Some(first) = unread.first() else { continue };
            let message = format!(
                "{} of {} files in {directory} are not read, {first} first: containerd follows only what `imports` names",
                unread.len(),
                files.len()
            );
            let fix = self.import(&directory);
            found.push(Finding::new(Severity::Warning, "conf_d_not_imported", message, fix).in_file(self.config));
        }
    }

    /// `NAME.d` beside the configuration, but for the directories of registries.
    fn drop_in_directories(&self) -> Vec<String> {
        let beside = directory(self.config);
        // k0s imports by itself what lies in its own.
        if beside == "/etc/k0s" {
            return Vec::new();
        }
        // What is below /usr cannot have drop-ins beside it.
        let places = if beside.starts_with("/usr/") { vec![beside, "/etc/containerd"] } else { vec![beside] };
        let of_registries = |path: &str| {
            let named = self.config_path.split(':').any(|named| named.trim_end_matches('/') == path);
            named || USUAL_NAMES.iter().any(|usual| path.ends_with(&format!("/{usual}")))
        };
        let mut found = Vec::new();
        for place in places {
            let listed = self.reader.peek(place);
            let mut names: Vec<String> = listed.into_iter().filter_map(|entry| entry.name.into_string().ok()).collect();
            names.sort();
            let paths = names.into_iter().filter(|name| ends_in(name, ".d")).map(|name| join(place, &name));
            found.extend(paths.filter(|path| !of_registries(path)));
        }
        found
    }

    /// How the files of a directory come to be read.
    fn import(&self, directory: &str) -> String {
        let dialect = self.version.dialect();
        let of_root = self.merged.files.first().and_then(|file| file.table.field("imports", dialect));
        let entries = match of_root.map(|imports| &imports.data) {
            Some(Data::Array(entries)) => entries.as_slice(),
            _ => &[],
        };
        let mut patterns = entries.iter().filter_map(Value::as_str).filter_map(|entry| entry.strip_suffix("/*.toml"));
        match (patterns.rfind(|other| *other != directory), of_root) {
            (Some(other), _) => format!("move them to {other}, which `imports` names, and restart containerd"),
            (None, Some(_)) => {
                format!("add \"{directory}/*.toml\" to `imports` in {} and restart containerd", self.config)
            }
            (None, None) => {
                format!("write `imports = [\"{directory}/*.toml\"]` in {} and restart containerd", self.config)
            }
        }
    }
}
