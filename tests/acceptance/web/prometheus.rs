//! A real Prometheus, with what the file asks for and without.

use std::net::SocketAddr;

use serde_json::Value;

use super::super::agent::Prometheus;
use super::super::binary::eventually;
use super::super::http;
use super::serving::{CLIENTS, NAME, PASSWORD, PATIENCE, Served, TLS, users};

#[test]
fn a_real_prometheus_scrapes_over_tls_with_certificate_and_password() {
    let mut served = Served::new();
    let agent = served.start(&format!("{TLS}{CLIENTS}{}", users(&["prometheus"])), "");
    served.client(&served.authority, "client");
    let path = |name: &str| served.path(name).display().to_string();
    let (ca, certificate, key) = (path("ca.crt"), path("client.crt"), path("client.key"));
    let shown = format!("ca_file: {ca}, server_name: {NAME}, cert_file: {certificate}, key_file: {key}");
    let bare = format!("ca_file: {ca}, server_name: {NAME}");
    let login = |password: &str| format!("basic_auth: {{username: prometheus, password: '{password}'}}");
    let jobs = [
        ("right", "https", shown.as_str(), login(PASSWORD)),
        ("wrong_password", "https", &shown, login("guess")),
        ("no_password", "https", &shown, "follow_redirects: true".to_owned()),
        ("no_certificate", "https", &bare, login(PASSWORD)),
        ("another_name", "https", "server_name: other.example", login(PASSWORD)),
        ("plain", "http", "server_name: x", login(PASSWORD)),
    ];
    let jobs: Vec<String> = jobs
        .iter()
        .map(|(name, scheme, tls, login)| {
            let target = agent.address();
            format!(
                "{{job_name: {name}, scheme: {scheme}, tls_config: {{{tls}}}, {login}, static_configs: [{{targets: ['{target}']}}]}}"
            )
        })
        .collect();
    let listen = SocketAddr::new(served.world.address_of("prometheus.example"), 9090);
    let directory = tempfile::tempdir().unwrap();
    let _prometheus = Prometheus::start_with(&jobs.join(", "), listen, directory.path());
    let ask = |query: &str| -> Option<Vec<Value>> {
        let answer = http::get(listen, &format!("/api/v1/query?query={query}")).ok()?;
        let answer: Value = serde_json::from_slice(&answer.body).ok()?;
        answer["data"]["result"].as_array().filter(|found| !found.is_empty()).cloned()
    };
    let log = || std::fs::read_to_string(directory.path().join("prometheus.log")).unwrap_or_default();
    let up = eventually(PATIENCE, || {
        ask("pullprobe_build_info")?;
        ask("up").filter(|jobs| jobs.len() == 6)
    });
    let up = up.unwrap_or_else(|| panic!("{}\n{}", log(), agent.log()));
    for one in up {
        let expected = if one["metric"]["job"] == "right" { "1" } else { "0" };
        assert_eq!(one["value"][1], expected, "{one}");
    }
    let info = ask("pullprobe_build_info").unwrap();
    assert!(info.iter().all(|series| series["metric"]["job"] == "right"), "{info:?}");
}
