//! What must hold for whatever bytes a parser is given: shared by the fuzz targets and by the test
//! that replays the kept corpus.
//!
//! Each property goes through the functions that the agent itself calls, with the input in the file
//! or header where the agent would meet it, and panics when it does not hold.

pub mod certificate;
pub mod config_json;
pub mod config_toml;
pub mod cri;
pub mod dns_answer;
pub mod documents;
pub mod expiry;
pub mod explain;
pub mod hosts_toml;
pub mod http_head;
pub mod json;
pub mod pods;
pub mod provider_answer;
pub mod proxy_answer;
pub mod redirect;
pub mod reference;
pub mod refusal;
pub mod resolv_conf;
pub mod service;
pub mod settings;
pub mod token_answer;
pub mod web_config;
pub mod www_authenticate;

mod answer;
mod node;

/// Panics for bytes for which it does not hold.
pub type Property = fn(&[u8]);

/// Every target: its name, which is also that of its corpus, and its property.
pub const TARGETS: [(&str, Property); 23] = [
    ("certificate", certificate::holds),
    ("config_json", config_json::holds),
    ("config_toml", config_toml::holds),
    ("cri", cri::holds),
    ("dns_answer", dns_answer::holds),
    ("documents", documents::holds),
    ("expiry", expiry::holds),
    ("explain", explain::holds),
    ("hosts_toml", hosts_toml::holds),
    ("http_head", http_head::holds),
    ("json", json::holds),
    ("pods", pods::holds),
    ("provider_answer", provider_answer::holds),
    ("proxy_answer", proxy_answer::holds),
    ("redirect", redirect::holds),
    ("reference", reference::holds),
    ("refusal", refusal::holds),
    ("resolv_conf", resolv_conf::holds),
    ("service", service::holds),
    ("settings", settings::holds),
    ("token_answer", token_answer::holds),
    ("web_config", web_config::holds),
    ("www_authenticate", www_authenticate::holds),
];

/// Whose files are read alike, one of each kind: both TOML libraries, each set of plugin names, both
/// ways to pull.
const VERSIONS: [&str; 5] = ["1.6.20", "1.7.27", "2.1.4", "2.2.1", "2.3.0"];

/// Seeds have it in passwords: where it stands in a secret place and nowhere else, nothing may show it.
const MARKER: &str = "hunter2";
