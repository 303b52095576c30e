//! Which cluster, as whom and in which namespace: the kubeconfig and the flags, as kubectl reads them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use go::no_proxy::{Match, NoProxy};
use go::release::{Go, GoDebug, Release};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

use super::Cluster;
use crate::redact::clean::Clean;
use crate::redact::output::{innermost, redact_message};
use crate::redact::urls::without_credentials;

/// A name server or a firewall that says nothing is not waited for.
const CONNECT: Duration = Duration::from_secs(10);
/// The Go of recent kubectl, for the rules of `NO_PROXY`.
const GO: Go = Go { release: Release::new(24, 0), line: 24, told: GoDebug::UNTOLD };

/// What was typed.
#[derive(Clone, Debug, Default)]
pub struct Access {
    pub kubeconfig: Option<PathBuf>,
    pub context: Option<String>,
    pub user: Option<String>,
    pub groups: Vec<String>,
    /// For one request and its answer.
    pub patience: Duration,
}

/// What a namespace is without one in the context.
pub const fn default_namespace() -> &'static str {
    "default"
}

impl Cluster {
    /// Reads files, and asks nobody yet. The error is for people.
    pub async fn of(access: &Access) -> Result<Self, String> {
        if access.user.is_none() && !access.groups.is_empty() {
            return Err("--as-group needs --as: a group is impersonated together with a user".into());
        }
        let mut config = match kubeconfig(access.kubeconfig.as_deref())? {
            Some(found) => of_context(found, access.context.as_deref()).await?,
            None if access.context.is_some() => return Err(nothing_found()),
            None => Config::incluster().map_err(|_| nothing_found())?,
        };
        config.connect_timeout = Some(CONNECT);
        // The pod proxy answers 503 for an agent that is gone: asking again only delays that answer.
        config.default_retry = false;
        if let Some(user) = &access.user {
            config.auth_info.impersonate = Some(user.clone());
            config.auth_info.impersonate_groups = Some(access.groups.clone()).filter(|groups| !groups.is_empty());
        }
        let namespace = config.default_namespace.clone();
        let server = Clean::line(&without_credentials(&config.cluster_url.to_string()));
        let client = Client::try_from(config).map_err(|error| match error {
            kube::Error::Auth(_) => "the login of the kubeconfig cannot be used".to_owned(),
            other => shown(&other),
        })?;
        Ok(Self { client, namespace, patience: access.patience, server })
    }
}

fn nothing_found() -> String {
    "there is no kubeconfig: name one with --kubeconfig or KUBECONFIG, or put it at ~/.kube/config".into()
}

/// That of the flag; else the files of `KUBECONFIG`, merged, of which some may be missing; else that of the home.
fn kubeconfig(named: Option<&Path>) -> Result<Option<Kubeconfig>, String> {
    if let Some(file) = named {
        return load(file).map(Some);
    }
    let of_variable = std::env::var_os("KUBECONFIG").filter(|value| !value.is_empty());
    let files: Vec<PathBuf> = match of_variable {
        Some(list) => std::env::split_paths(&list).filter(|path| !path.as_os_str().is_empty()).collect(),
        None => std::env::home_dir().map(|home| home.join(".kube/config")).into_iter().collect(),
    };
    let mut merged: Option<Kubeconfig> = None;
    for file in files.iter().filter(|file| file.exists()) {
        let next = load(file)?;
        merged = Some(match merged {
            None => next,
            Some(before) => before.merge(next).map_err(|error| format!("{}: {}", file.display(), shown(&error)))?,
        });
    }
    Ok(merged)
}

fn load(file: &Path) -> Result<Kubeconfig, String> {
    Kubeconfig::read_from(file).map_err(|error| format!("{}: {}", file.display(), shown(&error)))
}

async fn of_context(found: Kubeconfig, wanted: Option<&str>) -> Result<Config, String> {
    let known: Vec<String> = found.contexts.iter().map(|context| context.name.clone()).collect();
    let current = found.current_context.clone().filter(|name| !name.is_empty());
    let name = match wanted.map(str::to_owned).or(current) {
        Some(name) if known.contains(&name) => name,
        Some(name) => return Err(format!("the kubeconfig has no context `{}`{}", Clean::line(&name), listed(&known))),
        None => return Err(format!("no context is the current one: choose one with --context{}", listed(&known))),
    };
    let asks = found.contexts.iter().find(|context| context.name == name).and_then(|context| context.context.as_ref());
    let cluster = asks.map(|context| context.cluster.clone()).unwrap_or_default();
    let own_proxy = found.clusters.iter().find(|one| one.name == cluster).and_then(|one| one.cluster.as_ref());
    let own_proxy = own_proxy.and_then(|one| one.proxy_url.clone()).filter(|url| !url.is_empty());
    let options = KubeConfigOptions { context: Some(name), ..KubeConfigOptions::default() };
    let mut config = Config::from_custom_kubeconfig(found, &options).await.map_err(|error| shown(&error))?;
    if own_proxy.is_none() {
        config.proxy_url = proxy_of_environment(&config.cluster_url);
    }
    if config.default_namespace.is_empty() {
        default_namespace().clone_into(&mut config.default_namespace);
    }
    Ok(config)
}

/// As Go's clients find it.
fn proxy_of_environment(server: &http::Uri) -> Option<http::Uri> {
    let set = |upper: &str, lower: &str| {
        [upper, lower].iter().find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
    };
    let https = server.scheme_str() != Some("http");
    let proxy = if https { set("HTTPS_PROXY", "https_proxy") } else { set("HTTP_PROXY", "http_proxy") }?;
    let host = server.host()?.trim_matches(['[', ']']);
    let port = server.port_u16().unwrap_or(if https { 443 } else { 80 });
    let exempt = NoProxy::parse(&set("NO_PROXY", "no_proxy").unwrap_or_default(), GO);
    if exempt.find(host, port) != Match::None {
        return None;
    }
    let proxy = if proxy.contains("://") { proxy } else { format!("http://{proxy}") };
    proxy.parse().ok()
}

fn listed(known: &[String]) -> String {
    const SHOWN: usize = 10;
    if known.is_empty() {
        return "; it has none".into();
    }
    let names: Vec<&str> = known.iter().take(SHOWN).map(String::as_str).collect();
    let more = if known.len() > SHOWN { ", …" } else { "" };
    format!("; it has {}{more}", Clean::line(&names.join(", ")))
}

/// Words of an error in which a part of the file may stand.
fn shown(error: &dyn std::error::Error) -> String {
    Clean::clipped(&redact_message(&innermost(error)), 300).into_string()
}
