//! The web configuration file of the agent's port: valid as a whole, or every problem with its place, and no secret in any.

use std::path::Path;

use pullprobe::web_config::{WebConfig, parse, passwords};

use super::node::check_place;

const FILE: &str = "/web/config.yaml";

pub fn holds(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    match parse(Path::new(FILE), &text) {
        Ok(valid) => is_sound(&valid, &text),
        Err(problems) => {
            // A carriage return alone ends a line, too (YAML 1.2, section 5.4).
            let lines = text.replace("\r\n", "\n").replace('\r', "\n");
            assert!(!problems.is_empty() && problems.len() <= 16 + data.len(), "{}", problems.len());
            for problem in problems {
                check_place(lines.as_bytes(), problem.line, problem.column);
                let shown = problem.to_string();
                assert!(shown.len() <= 4096 && !shown.chars().any(char::is_control), "{shown:?}");
                // What stands there may be a password.
                let quotes = ["none", "such a name", "something else"].contains(&problem.found.as_str());
                assert!(problem.key != "basic_auth_users" || quotes, "{problem:?}");
            }
        }
    }
}

fn is_sound(config: &WebConfig, text: &str) {
    let shown = format!("{config:?}");
    for (name, hash) in &config.users {
        assert!(!name.is_empty() && !name.contains(':'), "{name:?}");
        assert!(passwords::cost(hash.expose()).is_some());
        assert!(!shown.contains(hash.expose()), "a hash is shown");
    }
    if let Some(tls) = &config.tls {
        assert!(tls.cert_file.is_absolute() && tls.key_file.is_absolute(), "{tls:?}");
        assert!(tls.versions.0 <= tls.versions.1, "{tls:?}");
        let lists = (tls.suites.as_ref().map(Vec::len), tls.groups.as_ref().map(Vec::len));
        assert!(lists.0 != Some(0) && lists.1 != Some(0), "{tls:?}");
    }
    let certified = config.tls.as_ref().is_some_and(|tls| tls.clients.authorities().is_some());
    assert_eq!(config.authenticates(), certified || !config.users.is_empty());
    let again = parse(Path::new(FILE), text).expect("it was valid");
    assert!(again.users == config.users && format!("{again:?}") == shown);
}
