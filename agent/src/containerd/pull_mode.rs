//! Which client this containerd pulls with, and which directories it looks registries up in.

use go::place::SourceLocation;
use go::text;

use super::config::{ConfigFault, FaultKind};
use super::settings::Settings;
use crate::image::platform::Platform;
use crate::version::{PullMode, Version};

/// What containerd 2.2 and later take for an empty `config_path`.
pub const DEFAULT_CONFIG_PATH: &str = "/etc/containerd/certs.d:/etc/docker/certs.d";

impl Version {
    /// The default stands in the plugin's defaults, so that `mirrors` alone contradict it.
    fn presets_config_path(self) -> bool {
        (self.major, self.minor) == (2, 2) && self.patch < 2
    }
}

/// The value of `config_path` that containerd goes by; empty: none.
pub fn effective_config_path(settings: &Settings, version: Version) -> String {
    match &settings.config_path {
        None if version.presets_config_path() => DEFAULT_CONFIG_PATH.into(),
        Some((path, _)) if version.presets_config_path() => path.clone(),
        Some((path, _)) if !path.is_empty() => path.clone(),
        _ if version.has_default_config_path() && settings.mirrors.is_empty() => DEFAULT_CONFIG_PATH.into(),
        _ => String::new(),
    }
}

/// The checks that keep the CRI plugin from loading.
pub fn validate(settings: &Settings, config_path: &str, version: Version, file: &str) -> Result<(), ConfigFault> {
    let wrapped = |kind, reason: &str| {
        let prefix = if version.major >= 2 { "invalid cri image config" } else { "invalid plugin config" };
        ConfigFault::new(kind, format!("{prefix}: {reason}"), file)
    };
    if let Some(mirror) = settings.mirrors.first().filter(|_| !config_path.is_empty()) {
        let fault = wrapped(FaultKind::MirrorsAndConfigPath, "`mirrors` cannot be set when `config_path` is provided");
        return Err(fault.at(&mirror.place));
    }
    let tls = settings.configs.iter().find(|config| config.tls.is_some());
    if let Some(config) = tls.filter(|_| !config_path.is_empty()) {
        let fault =
            wrapped(FaultKind::ConfigsTlsAndConfigPath, "`configs.tls` cannot be set when `config_path` is provided");
        return Err(fault.at(&config.place));
    }
    for (url, auth) in &settings.auths {
        if let Err(reason) = crate::redact::urls::parse(url) {
            let reason = format!(
                "failed to parse registry url {} from `registry.auths`: {reason}",
                text::quote(&crate::redact::urls::redacted(url))
            );
            return Err(wrapped(FaultKind::InvalidValue, &reason).at(&auth.place));
        }
    }
    let timeout = settings.image_pull_progress_timeout.as_ref().filter(|(text, _)| !text.is_empty());
    if let Some((text, place)) = timeout
        && let Err(reason) = text::duration(text)
    {
        return Err(
            wrapped(FaultKind::InvalidValue, &format!("invalid image pull progress timeout: {reason}")).at(place)
        );
    }
    Ok(())
}

/// The client and the reason in one sentence.
pub fn decide(settings: &Settings, version: Version) -> (PullMode, String) {
    if !version.pulls_by_transfer() {
        return (PullMode::Local, format!("containerd {version} always pulls with its classic client"));
    }
    if settings.use_local_image_pull {
        return (PullMode::Local, "`use_local_image_pull` is true".into());
    }
    let unsupported = |what: &str| (PullMode::Local, format!("{what}, which the transfer service does not support"));
    if settings.discard_unpacked_layers {
        return unsupported("`discard_unpacked_layers` is true");
    }
    match forced_by(settings) {
        Some((what, _)) => unsupported(what),
        None => (PullMode::Transfer, format!("containerd {version} pulls with its transfer service by default")),
    }
}

/// The setting that the transfer service does not support, and where it is written.
pub fn forced_by(settings: &Settings) -> Option<(&'static str, &SourceLocation)> {
    fn place_of<T>(setting: Option<&(T, SourceLocation)>, forces: impl Fn(&T) -> bool) -> Option<&SourceLocation> {
        setting.filter(|(value, _)| forces(value)).map(|(_, place)| place)
    }
    let forcing = [
        (
            place_of(settings.disable_snapshot_annotations.as_ref(), |disabled| !disabled),
            "`disable_snapshot_annotations` is false",
        ),
        (settings.mirrors.first().map(|mirror| &mirror.place), "`registry.mirrors` is set"),
        (settings.configs.first().map(|config| &config.place), "`registry.configs` is set"),
        (settings.auths.first().map(|(_, auth)| &auth.place), "`registry.auths` is set"),
        (
            place_of(settings.max_concurrent_downloads.as_ref(), |downloads| *downloads != 3),
            "`max_concurrent_downloads` is not 3",
        ),
        (place_of(settings.image_pull_with_sync_fs.as_ref(), |sync| *sync), "`image_pull_with_sync_fs` is true"),
    ];
    forcing.into_iter().find_map(|(place, what)| Some((what, place?)))
}

/// The directories that a registry is looked up in. The transfer service takes the whole value for
/// one directory, colons and all.
pub fn directories(config_path: &str, mode: PullMode) -> Vec<String> {
    match (config_path, mode) {
        ("", _) => Vec::new(),
        (path, PullMode::Local) => path.split(':').map(str::to_owned).collect(),
        (path, PullMode::Transfer) => vec![path.to_owned()],
    }
}

/// Whether the transfer service would unpack for this platform and snapshotter; otherwise every
/// pull fails after it resolved. An empty wanted snapshotter is any.
pub fn unpacks<'a>(
    configured: &'a [(String, String)],
    platform: &str,
    snapshotter: &str,
    host: &str,
) -> Option<&'a (String, String)> {
    let normal =
        |text: &str| text.parse::<Platform>().map_or_else(|_| text.to_owned(), |platform| platform.to_string());
    let of = |entry: &str| normal(if entry.is_empty() { host } else { entry });
    configured.iter().find(|(on, with)| of(on) == of(platform) && (snapshotter.is_empty() || with == snapshotter))
}
