//! `pullprobe healthcheck`: asks the agent of this node how it is, as kubelet's exec probes do.
//!
//! It needs no password and no certificate: the agent tells its health to its own node without. It takes any certificate
//! of the agent, for it asks at an address of this node, sends nothing that is secret, and the names in the certificate are for others.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use super::{ExitStatus, complain, print, refuse};
use crate::reading::options;
use crate::redact::clean::Clean;
use crate::settings::Settings;
use crate::web_config::own_client;

const HERE: &str = "localhost";
/// Of an answer: one sentence.
const ANSWER_LIMIT: usize = 4_096;

pub async fn run(config: Option<&Path>, live: bool, timeout: Duration) -> ExitStatus {
    let settings = match config.map_or_else(|| Ok(Settings::default()), options::load) {
        Ok(settings) => settings,
        Err(problems) => return refuse(&problems),
    };
    let Some(listened) = settings.web.listen.iter().find(|address| address.port() != 0) else {
        return refuse(&["web.listen has no port: with port 0 nobody knows where the agent listens"]);
    };
    let path = if live { "/livez" } else { "/readyz" };
    let asked_at = near(*listened).iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ");
    let asked = ask(*listened, path, settings.web.config_file.is_some());
    let (said, ending) = match tokio::time::timeout(timeout, asked).await {
        Ok(Ok((true, said))) => return print(&said, ExitStatus::Well),
        Ok(Ok((false, said))) => (said, ExitStatus::Bad),
        Ok(Err(error)) => (
            format!("no agent answers at {asked_at}: {error}. Does `pullprobe run` run, with the same --config?"),
            ExitStatus::Bad,
        ),
        Err(_) => (format!("the agent at {asked_at} did not answer within {timeout:?}"), ExitStatus::Bad),
    };
    complain(said.trim_end());
    ending
}

/// Where a listener is reached from the node itself.
fn near(listened: SocketAddr) -> Vec<SocketAddr> {
    let at = |ip: IpAddr| SocketAddr::new(ip, listened.port());
    match listened.ip() {
        // Of both families, or of the one that the node has.
        IpAddr::V6(ip) if ip.is_unspecified() => vec![at(Ipv4Addr::LOCALHOST.into()), at(Ipv6Addr::LOCALHOST.into())],
        IpAddr::V4(ip) if ip.is_unspecified() => vec![at(Ipv4Addr::LOCALHOST.into())],
        _ => vec![listened],
    }
}

/// Whether the answer is 200, and its words. With a web configuration file the agent may speak TLS or not: the file can have been
/// changed or damaged since the agent read it, so both are tried.
async fn ask(listened: SocketAddr, path: &str, perhaps_tls: bool) -> Result<(bool, String), String> {
    let client = client(&near(listened)).map_err(|error| chain(&*error))?;
    let url = |scheme: &str| format!("{scheme}://{HERE}:{}{path}", listened.port());
    if perhaps_tls && let Ok(said) = converse(&client, &url("https")).await {
        return Ok(said);
    }
    converse(&client, &url("http")).await.map_err(|error| chain(&error.without_url()))
}

/// An address may have a zone, which no URL has: the client is told it beside the URL.
fn client(addresses: &[SocketAddr]) -> Result<reqwest::Client, Box<dyn std::error::Error>> {
    let builder = reqwest::Client::builder().no_proxy().http1_only().redirect(reqwest::redirect::Policy::none());
    Ok(builder.tls_backend_preconfigured(own_client::config()?).resolve_to_addrs(HERE, addresses).build()?)
}

async fn converse(client: &reqwest::Client, url: &str) -> reqwest::Result<(bool, String)> {
    let mut answer = client.get(url).send().await?;
    let is_well = answer.status() == reqwest::StatusCode::OK;
    let mut words = Vec::new();
    while let Some(chunk) = answer.chunk().await?
        && words.len() < ANSWER_LIMIT
    {
        words.extend_from_slice(&chunk[..chunk.len().min(ANSWER_LIMIT - words.len())]);
    }
    Ok((is_well, format!("{}\n", Clean::from(String::from_utf8_lossy(&words).trim_end()))))
}

/// The error and what it comes from, in one line.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let all = std::iter::successors(Some(error), |error| error.source());
    all.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_is_asked_at_its_own_address_and_by_loopback_where_it_has_all() {
        let near = |address: &str| {
            near(address.parse().unwrap()).iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(near("[::]:10048"), "127.0.0.1:10048 [::1]:10048");
        assert_eq!(near("0.0.0.0:1"), "127.0.0.1:1");
        assert_eq!(near("192.0.2.7:10048"), "192.0.2.7:10048");
        assert_eq!(near("[2001:db8::7]:10048"), "[2001:db8::7]:10048");
    }
}
