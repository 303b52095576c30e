//! `pullprobe plan TARGET…`: what containerd would try, in order, and why. No traffic.

use std::fmt::Write as _;

use serde::Serialize;

mod credentials;

use credentials::{PlannedCredential, PlannedLogins, candidates};

use super::{ExitStatus, print, refuse, style};
use crate::cause::Cause;
use crate::cli::{Format, NodeArgs, OutputArgs};
use crate::image::target::Target;
use crate::model::credential::Credential;
use crate::model::finding;
use crate::model::host::{Origin, RegistryHost};
use crate::plan::Plan;
use crate::plan::relevance::Relevance;
use crate::reading::{self, Node, Paths};
use crate::render::{json, text};
use crate::version::PullMode;

#[derive(Serialize)]
struct Document {
    schema_version: u32,
    paths: Paths,
    images: Vec<Planned>,
    /// About the node's files, as `lint` tells them.
    findings: Vec<json::Finding>,
}

#[derive(Serialize)]
struct Planned {
    image: String,
    /// Null: containerd would ask the hosts below.
    error: Option<String>,
    /// Not null: it is unknown which hosts containerd would ask, and this is why.
    unknown: Option<String>,
    /// Hosts that are written down and that containerd cannot ask.
    left_out: Vec<json::Finding>,
    pull_mode: &'static str,
    pull_mode_reason: String,
    hosts: Vec<PlannedHost>,
    #[serde(flatten)]
    logins: PlannedLogins,
}

#[derive(Serialize)]
struct PlannedHost {
    endpoint: String,
    role: &'static str,
    path: String,
    capabilities: Vec<&'static str>,
    origin: String,
    line: Option<usize>,
    trust: Vec<String>,
    client_certificates: Vec<String>,
    skip_verify: bool,
    headers: Vec<String>,
    namespace_query: Option<String>,
    http_fallback: bool,
    dial_timeout_seconds: Option<f64>,
    proxy: Option<String>,
    proxy_rule: String,
    /// The kind of credential that the host gets when it asks: kubelet's first candidate, else containerd's own.
    credential: Option<&'static str>,
    /// Which one that is.
    credential_offered: Option<PlannedCredential>,
}

pub async fn run(targets: &[String], node: &NodeArgs, output: &OutputArgs) -> ExitStatus {
    let (node, targets) = match prepare(targets, node).await {
        Ok(ready) => ready,
        Err(problems) => return refuse(&problems),
    };
    let planned: Vec<Planned> = targets.iter().map(|target| describe(&node, target)).collect();
    let fatal = planned.iter().any(|plan| plan.error.is_some());
    let unknown_verdict = planned.iter().any(|plan| plan.unknown.is_some());
    let told = match output.format {
        Format::Json => json::text(&Document {
            schema_version: json::SCHEMA_VERSION,
            paths: node.paths(),
            images: planned,
            findings: finding::shown(&node.findings).iter().map(json::Finding::from).collect(),
        }),
        Format::Text => {
            let style = style(output);
            let mut out = node.headline();
            planned.iter().for_each(|plan| write_plan(&mut out, plan));
            let domains = targets.iter().map(Target::domain).collect();
            let relevance = Relevance::of(&node.containerd, &domains);
            let (here, elsewhere): (Vec<_>, Vec<_>) =
                node.findings.iter().cloned().partition(|finding| relevance.holds(finding));
            let here = finding::shown(&here);
            if !here.is_empty() || !elsewhere.is_empty() {
                out.push('\n');
            }
            here.iter().for_each(|finding| out.push_str(&text::finding(finding, style)));
            out.push_str(&text::elsewhere(elsewhere.len(), style));
            out
        }
    };
    let ending = match (fatal, unknown_verdict) {
        (true, _) => ExitStatus::Bad,
        (false, true) => ExitStatus::Unknown,
        (false, false) => ExitStatus::Well,
    };
    print(&told, ending)
}

async fn prepare(targets: &[String], node: &NodeArgs) -> Result<(Node, Vec<Target>), Vec<String>> {
    let mut problems = Vec::new();
    let mut parsed = Vec::new();
    for text in targets {
        match Target::parse(text) {
            Ok(target) => parsed.push(target),
            Err(error) => problems.push(error.to_string()),
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let (node, _) = reading::prepare(node).await?;
    Ok((node, parsed))
}

fn describe(node: &Node, target: &Target) -> Planned {
    let plan: Plan = crate::plan::plan(&node.containerd, target.domain());
    let refused = refused(node, target);
    let hosts = if refused.is_some() { &[][..] } else { &plan.hosts };
    let kubelet = candidates(&node.credentials, target);
    let known = plan.fatal.as_ref().filter(|failure| !failure.inconclusive);
    let inconclusive = plan.fatal.as_ref().filter(|failure| failure.inconclusive);
    Planned {
        image: target.to_string(),
        error: refused.or_else(|| known.map(|failure| format!("{}: {}", failure.cause, failure.detail))),
        unknown: inconclusive.map(|failure| failure.detail.clone()).map(Into::into),
        left_out: plan.notes.iter().map(json::Finding::from).collect(),
        pull_mode: match node.containerd.pull_mode {
            PullMode::Local => "local",
            PullMode::Transfer => "transfer",
        },
        pull_mode_reason: node.containerd.pull_mode_reason.clone(),
        hosts: hosts.iter().map(|host| planned_host(node, host, kubelet.first())).collect(),
        logins: PlannedLogins::of(&node.credentials, target, node.containerd.anonymous),
    }
}

/// Why this version of containerd refuses the reference, before it asks any host.
fn refused(node: &Node, target: &Target) -> Option<String> {
    let Target::Image(image) = target else { return None };
    let error = image.refused_by(node.containerd.version)?;
    Some(format!("{}: {}", Cause::ReferenceInvalid, error.reason))
}

fn planned_host(node: &Node, host: &RegistryHost, kubelet: Option<&Credential>) -> PlannedHost {
    let decision = node.proxies.decide(host.endpoint.scheme, host.endpoint.host(), host.endpoint.port());
    let (origin, line) = match &host.origin {
        Origin::File(place) => (place.file.to_string(), Some(place.line())),
        Origin::ImplicitUpstream => ("implicit upstream".to_owned(), None),
    };
    let offered = kubelet.or(host.own_credential.as_ref()).filter(|credential| credential.login().is_some());
    let own: Vec<String> = host.tls.ca.iter().map(|file| file.path.clone()).collect();
    PlannedHost {
        endpoint: host.endpoint.to_string(),
        role: host.role.as_str(),
        path: host.path.clone(),
        capabilities: host.capabilities.names(),
        origin,
        line,
        trust: own.into_iter().chain(node.trust.sources().iter().cloned()).collect(),
        client_certificates: host.tls.client.iter().map(|pair| pair.certificate.path.clone()).collect(),
        skip_verify: host.tls.skip_verify.unwrap_or(false),
        headers: host.headers.iter().map(|(name, _)| name.clone()).collect(),
        namespace_query: host.namespace_query.clone(),
        http_fallback: host.http_fallback,
        dial_timeout_seconds: host.dial_timeout.map(|timeout| timeout.as_secs_f64()),
        proxy: decision.proxy.as_ref().map(ToString::to_string),
        proxy_rule: decision.rule,
        credential: offered.map(Credential::kind),
        credential_offered: offered.map(PlannedCredential::from),
    }
}

fn write_plan(out: &mut String, plan: &Planned) {
    let _ = writeln!(out, "\n{}  ({} pull: {})", plan.image, plan.pull_mode, plan.pull_mode_reason);
    if let Some(error) = &plan.error {
        let _ = writeln!(out, "  no host is asked: {error}");
    }
    if let Some(why) = &plan.unknown {
        let _ = writeln!(out, "  it is unknown which hosts are asked: {why}");
    }
    for note in &plan.left_out {
        let place = note.file.as_deref().unwrap_or_default();
        let line = note.line.map(|line| format!(":{line}")).unwrap_or_default();
        let _ = writeln!(out, "  left out: {place}{line}: {}", note.message);
    }
    for (nth, host) in plan.hosts.iter().enumerate() {
        let line = host.line.map(|line| format!(":{line}")).unwrap_or_default();
        let _ =
            writeln!(out, "  {}. {}{}  {}  from {}{line}", nth + 1, host.endpoint, host.path, host.role, host.origin);
        let _ = writeln!(out, "     may {}", or_none(&host.capabilities.join(", ")));
        let verify = if host.skip_verify { "  certificate NOT verified" } else { "" };
        let _ = writeln!(out, "     trust {}{verify}", or_none(&host.trust.join(", ")));
        for (what, list) in [("client certificate", &host.client_certificates), ("headers", &host.headers)] {
            if !list.is_empty() {
                let _ = writeln!(out, "     {what} {}", list.join(", "));
            }
        }
        if let Some(namespace) = &host.namespace_query {
            let _ = writeln!(out, "     asked with ns={namespace}");
        }
        if host.http_fallback {
            let _ = writeln!(out, "     https first, then plain http");
        }
        if let Some(proxy) = &host.proxy {
            let _ = writeln!(out, "     through {proxy} ({})", host.proxy_rule);
        } else if host.proxy_rule != "none" {
            let _ = writeln!(out, "     direct ({})", host.proxy_rule);
        }
        if let Some(PlannedCredential { kind, source, key, .. }) = &host.credential_offered {
            let _ = writeln!(out, "     {kind} credential offered when it asks: {source}, key {key}");
        }
    }
    plan.logins.write(out);
}

fn or_none(text: &str) -> &str {
    if text.is_empty() { "nothing" } else { text }
}
