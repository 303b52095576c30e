//! What a credential provider answers: two answers that differ in nothing but passwords look the same.

use std::time::Duration;

use pullprobe::provider::answer::{ProviderResponse, keys};
use pullprobe::provider::config::Plugin;
use pullprobe::redact::secret::Secret;
use serde_json::Value;

use super::answer::check_text;
use super::config_json::written;

/// `KKK` and `QQQ`, and what base64 makes of them, wherever it begins.
const CODED: [&str; 8] = ["KKK", "QQQ", "S0tL", "tLS0", "0tLS", "UVFR", "FRUV", "RUVF"];

pub fn holds(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let seen = look(&text);
    match serde_json::from_str::<Value>(&text) {
        // A word that is by chance one of the two passwords, or a coded form, is hidden with it.
        Ok(_) if CODED.iter().any(|coded| text.contains(coded)) => {}
        Ok(document) => {
            let one = look(&String::from_utf8_lossy(&written(&document, 'K')));
            let other = look(&String::from_utf8_lossy(&written(&document, 'Q')));
            assert_eq!(one, other, "a password shows");
        }
        Err(_) => check_text(&seen, usize::MAX),
    }
}

/// All that may be said of it.
fn look(text: &str) -> String {
    let (plugin, answer) = (plugin(), Secret::new(text));
    match ProviderResponse::parse(&answer, &plugin, &plugin.redactor(&answer)) {
        Ok(response) => {
            assert!(response.logins.entries.len() <= text.len());
            format!("{response:?} {}", keys(&response.logins))
        }
        Err(why) => {
            assert!(!why.is_empty() && why.len() <= 512, "{why:?}");
            why
        }
    }
}

fn plugin() -> Plugin {
    Plugin {
        name: "ecr".to_owned(),
        match_images: vec!["*.example".to_owned()],
        default_cache: Duration::from_secs(60),
        api_version: "credentialprovider.kubelet.k8s.io/v1".to_owned(),
        args: Vec::new(),
        env: Vec::new(),
        inherited: Vec::new(),
        wants_pod_token: false,
    }
}
