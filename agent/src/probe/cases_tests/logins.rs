//! Which login containerd's CRI derives of what it is given, and for which host.

use serde_json::{Value, json};

use super::*;
use crate::cases::Cases;
use crate::model::host::RegistryHost;
use crate::node::containerd::cases_tests::load;
use crate::registry::session::Session;

/// The hosts of a registry on a node whose configuration has these `registry.configs`.
fn hosts_with(configs: &str, domain: &str) -> Vec<RegistryHost> {
    let config = format!("version = 3\n[plugins.'io.containerd.cri.v1.images'.registry]\n{configs}");
    plan(&load(&[("/etc/containerd/config.toml", &config)], "2.1.9"), domain).hosts
}

/// `registry.configs.HOST.auth` with the keys of a case.
fn configs(host: &str, auth: &Value) -> String {
    let keys = auth.as_object().into_iter().flatten();
    let keys: Vec<String> = keys
        .map(|(key, value)| format!("{} = {value}", if key == "identity_token" { "identitytoken" } else { key }))
        .collect();
    if keys.is_empty() { String::new() } else { format!("configs.'{host}'.auth = {{{}}}\n", keys.join(", ")) }
}

fn parts(value: &CredentialValue) -> (&str, &str) {
    match value {
        CredentialValue::Basic { username, password } => (username, password.expose()),
        CredentialValue::IdentityToken(token) => ("", token.expose()),
        // containerd does not look at it.
        CredentialValue::RegistryToken(_) => ("", ""),
    }
}

#[test]
fn a_login_is_derived_as_containerd_does() {
    for case in Cases::of_kind("cri_auth_config") {
        let hosts = if case.input["auth"].get("registry_token").is_some() {
            // kubelet may pass one, containerd's configuration has no such key.
            let token = CredentialValue::RegistryToken(Secret::new("tok"));
            let given = Node { credential: Some(token), ..Node::new(Version::NEWEST) }.candidates();
            assert!(given[0].login().is_none(), "{}", case.id);
            continue;
        } else {
            hosts_with(&configs("r1.io", &case.input["auth"]), "r1.io")
        };
        let own = hosts[0].own_credential.as_ref();
        let (username, secret) = own.map_or(("", ""), |credential| parts(&credential.value));
        let found = json!({"username": username, "secret": secret});
        let expected = json!({"username": case.expected["username"], "secret": case.expected["secret"]});
        assert_eq!(found, expected, "{}", case.id);
    }
}

#[test]
fn what_the_configuration_holds_is_for_the_host_that_answers_and_gives_way_to_kubelets() {
    for case in Cases::of_kind("cri_credentials_for_host") {
        let (host, auth) = case.input["registry_configs"].as_object().unwrap().iter().next().unwrap();
        let answers = case.input["responding_host"].as_str().unwrap();
        let domain = if answers == "registry-1.docker.io" { "docker.io" } else { answers };
        let hosts = hosts_with(&configs(host, auth), domain);
        assert_eq!(hosts[0].endpoint.authority, answers, "{}", case.id);
        let mut kubelet = Node::new(Version::NEWEST);
        if let Some(username) = case.input["cri_auth"]["username"].as_str() {
            kubelet = kubelet.basic(username, case.input["cri_auth"]["password"].as_str().unwrap());
        }
        let (credentials, image) = (kubelet.candidates(), Reference::parse(IMAGE).unwrap());
        let (_keep, root) = node(&[]);
        let (names, trust) = (Arc::new(Names::load(&root)), Arc::<NodeTrust>::default());
        let (proxies, timeouts) = (Arc::<ProxyRules>::default(), Timeouts::default());
        let network = Network::new(names, trust, proxies, timeouts, Version::NEWEST, Timestamp::now());
        let allowed = crate::route::requests::Requests::default();
        let session = Session::new(
            &network,
            &hosts[0],
            &image,
            credentials.first(),
            crate::version::PullMode::Local,
            true,
            &allowed,
        );
        let (username, secret) = session.login().map_or(("", ""), |(username, secret)| (username, secret.expose()));
        assert_eq!(json!({"username": username, "secret": secret}), case.expected, "{}", case.id);
    }
}
