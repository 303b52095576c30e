//! What containerd would send by itself and pullprobe does not, where only anonymous pulls are asked about.

use crate::mirrors::certs_d::{HostDir, RootState};
use crate::model::finding::{Finding, Severity};
use crate::model::host::RegistryHost;
use crate::node::containerd::{Containerd, HostSource};

/// The code of this file, as docs/findings.md tells it.
const CODE: &str = "credentials_withheld";
const FIX: &str = "ask without `--no-credentials` (`PULLPROBE_NO_CREDENTIALS`) for containerd's own answer";

/// A login that stands among the headers of a host.
fn is_login(header: &str) -> bool {
    header.eq_ignore_ascii_case("authorization")
}

/// The host as it is asked anonymously. The certificates of a client stay: without them there is no connection.
pub(super) fn anonymous(mut host: RegistryHost) -> RegistryHost {
    host.headers.retain(|(name, _)| !is_login(name));
    RegistryHost { own_credential: None, unusable_credential: None, ..host }
}

/// Says of each login that it is kept back: the answer is not containerd's then.
pub fn findings(containerd: &Containerd) -> Vec<Finding> {
    if !containerd.anonymous {
        return Vec::new();
    }
    let registry = &containerd.registry;
    let hosts = registry.credentials.keys().chain(registry.unusable_credentials.keys());
    let mut found: Vec<Finding> = hosts
        .map(|host| told(&format!("the login that containerd's configuration has for {host}")).about(host.as_str()))
        .collect();
    if registry.headers.iter().any(|(name, _)| is_login(name)) {
        found.push(told("the header Authorization that containerd's configuration has for every registry"));
    }
    let HostSource::CertsD { roots } = &registry.source else { return found };
    for root in roots {
        let RootState::Listed { entries, .. } = &root.state else { continue };
        let directories = entries.values().filter_map(|entry| match entry {
            HostDir::Hosts(directory) => Some(directory),
            _ => None,
        });
        let hosts = directories.flat_map(|directory| directory.hosts.iter().chain([&directory.server]));
        let with_login = hosts.filter(|host| host.spec.headers.iter().any(|(name, _)| is_login(name)));
        found.extend(
            with_login.map(|host| {
                told(&format!("the header Authorization of {}", host.spec.shown())).located(&host.spec.place)
            }),
        );
    }
    found
}

fn told(what: &str) -> Finding {
    let message =
        format!("`--no-credentials`: {what} is not sent. containerd itself sends it, and its answer may differ");
    Finding::new(Severity::Warning, CODE, message, FIX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::containerd::cases_tests::load;
    use crate::plan::{Plan, plan};

    const AUTH: &str = "auth = 'YW5uOnNlY3JldA=='";

    /// Whether any host gets a login that is not kubelet's.
    fn signs_in(plan: &Plan) -> bool {
        let has_header = |host: &RegistryHost| host.headers.iter().any(|(name, _)| is_login(name));
        let has = |host: &RegistryHost| {
            has_header(host) || host.own_credential.is_some() || host.unusable_credential.is_some()
        };
        plan.hosts.iter().any(has)
    }

    /// What is kept beside a login.
    fn kept(plan: &Plan) -> usize {
        plan.hosts.iter().flat_map(|host| &host.headers).filter(|(name, _)| name == "X-Kept").count()
    }

    fn both(files: &[(&str, &str)], version: &str) -> [(Vec<Finding>, Plan); 2] {
        [false, true].map(|anonymous| {
            let mut containerd = load(files, version);
            containerd.anonymous = anonymous;
            (findings(&containerd), plan(&containerd, "r.example"))
        })
    }

    #[test]
    fn no_login_of_containerds_files_is_sent_and_each_is_told() {
        let cri = "version = 2\n[plugins.'io.containerd.grpc.v1.cri'.registry";
        let own = format!("{cri}.configs.'r.example'.auth]\n{AUTH}\n");
        let broken = format!("{cri}.configs.'r.example'.auth]\nauth = '!'\n");
        let header = format!("{cri}.headers]\nauthorization = ['Basic YW5uOnNlY3JldA==']\nX-Kept = ['1']\n");
        let by_directory = format!("{cri}]\nconfig_path = '/etc/containerd/certs.d'\n");
        let hosts = "[host.'https://m.example'.header]\nAuthorization = 'Basic YW5uOnNlY3JldA=='\nX-Kept = '1'\n";
        let (config, certs_d) = ("/etc/containerd/config.toml", "/etc/containerd/certs.d/r.example/hosts.toml");
        for (files, version) in [
            (vec![(config, &*own)], "1.7.24"),
            (vec![(config, &*broken)], "1.7.24"),
            (vec![(config, &*header)], "1.7.24"),
            (vec![(config, &*by_directory), (certs_d, hosts)], "2.1.9"),
        ] {
            let [(silent, with), (told, without)] = both(&files, version);
            assert!(silent.is_empty() && signs_in(&with), "{files:?}: {with:?}");
            assert!(!signs_in(&without), "{files:?}: {without:?}");
            let [told] = told.as_slice() else { panic!("{files:?}: {told:?}") };
            assert!(told.code == CODE && told.message.contains("containerd itself sends it"), "{told:?}");
            assert!(!told.message.contains("YW5u") && !told.message.contains("secret"), "{told:?}");
            assert_eq!(kept(&with), kept(&without), "{files:?}");
        }
        let [_, (told, _)] = both(&[(config, "version = 2\n")], "1.7.24");
        assert_eq!(told, [], "nothing is kept back");
    }

    #[test]
    fn it_is_told_in_the_published_page() {
        let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/findings.md")).unwrap();
        assert!(text.contains(&format!("\n**`{CODE}`**")));
    }
}
