//! "Asked anonymously" (`--no-credentials`): what containerd would send by itself and pullprobe does not, and how that is told.

use std::collections::BTreeMap;

use go::place::SourceLocation;

use crate::mirrors::certs_d::{CertsRoot, HostDirectory, Selection, select};
use crate::mirrors::registry::{HostSource, RegistrySettings};
use crate::model::finding::{Finding, Severity};
use crate::model::host::RegistryHost;
use crate::redact::secret::Secret;

/// The code of this file, as docs/findings.md tells it.
const CODE: &str = "credentials_withheld";
const FIX: &str = "ask without `--no-credentials` (`PULLPROBE_NO_CREDENTIALS`) for containerd's own answer";

/// Any other header may be a login: registries take `Authorization`, `PRIVATE-TOKEN`, `X-JFrog-Art-Api`, `Cookie` and more.
fn is_harmless(header: &str) -> bool {
    let header = header.to_ascii_lowercase();
    header == "user-agent" || header == "accept" || header.starts_with("accept-")
}

/// The host as it is asked anonymously. The certificates of a client stay: without them there is no connection.
pub(super) fn anonymous(mut host: RegistryHost) -> RegistryHost {
    host.headers.retain(|(name, _)| is_harmless(name));
    RegistryHost { own_credential: None, unusable_credential: None, ..host }
}

/// Says of each login of containerd that it is kept back: the answer is not containerd's then.
pub fn findings(registry: &RegistrySettings) -> Vec<Finding> {
    let usable = registry.credentials.iter().map(|(host, login)| {
        let told =
            told(Severity::Warning, &login_for(host), "containerd itself sends it where kubelet has none").about(host);
        login.origin.iter().fold(told, Finding::located)
    });
    let unusable = registry.unusable_credentials.iter().map(|(host, login)| {
        let fails =
            "containerd cannot read it: its pull fails where the registry asks for a login and kubelet has none";
        told(Severity::Warning, &login_for(host), fails).about(host).located(&login.place)
    });
    let mut found: Vec<Finding> = usable.chain(unusable).collect();
    found.extend(of_headers(&registry.headers, "that containerd's configuration has for every registry", None));
    let HostSource::CertsD { roots } = &registry.source else { return found };
    for directory in directories(roots).values() {
        for host in directory.hosts.iter().chain([&directory.server]) {
            let name = host.spec.shown();
            let of = if name.is_empty() { "of the registry itself".to_owned() } else { format!("of {name}") };
            found.extend(of_headers(&host.spec.headers, &of, Some(&host.spec.place)));
        }
    }
    found
}

/// The directories that serve a registry, by their paths. One that stands behind another of its name serves none.
fn directories(roots: &[CertsRoot]) -> BTreeMap<&str, &HostDirectory> {
    let registries = roots.iter().flat_map(CertsRoot::registries).chain(["_default".to_owned()]);
    let chosen = registries.filter_map(|registry| match select(roots, &registry) {
        Selection::Directory(directory) => Some((directory.path.as_str(), directory)),
        Selection::Nothing | Selection::Fault(_) | Selection::Unread(_) => None,
    });
    chosen.collect()
}

fn login_for(host: &str) -> String {
    format!("the login that containerd's configuration has for {host}")
}

/// The names only: their values may be secrets.
fn of_headers(headers: &[(String, Secret)], of: &str, place: Option<&SourceLocation>) -> Option<Finding> {
    let mut names: Vec<&str> =
        headers.iter().map(|(name, _)| name.as_str()).filter(|name| !is_harmless(name)).collect();
    names.dedup();
    let what = match names.as_slice() {
        [] => return None,
        [one] => format!("the header `{one}` {of}, which may be a login,"),
        more => format!("each of the headers `{}` {of}, which may be a login,", more.join("`, `")),
    };
    let told = told(Severity::Warning, &what, "containerd itself sends it");
    Some(place.into_iter().fold(told, Finding::located))
}

/// Says that kubelet's logins were not looked for in these places: nobody knows whether there are any.
pub fn of_kubelet(places: &[&str]) -> Option<Finding> {
    let what = format!("what kubelet has for an image ({})", places.join(", "));
    (!places.is_empty()).then(|| told(Severity::Info, &what, "kubelet hands a login that fits to containerd"))
}

fn told(severity: Severity, what: &str, instead: &str) -> Finding {
    let message = format!("`--no-credentials`: {what} is not sent. {instead}, and the answer may differ");
    Finding::new(severity, CODE, message, FIX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::containerd::cases_tests::load;
    use crate::plan::{Plan, plan};

    const AUTH: &str = "auth = 'YW5uOnNlY3JldA=='";
    const CONFIG: &str = "/etc/containerd/config.toml";
    const CERTS_D: &str = "/etc/containerd/certs.d/r.example/hosts.toml";

    /// Whether any host gets a login that is not kubelet's.
    fn signs_in(plan: &Plan) -> bool {
        let has_header = |host: &RegistryHost| host.headers.iter().any(|(name, _)| !is_harmless(name));
        let has = |host: &RegistryHost| {
            has_header(host) || host.own_credential.is_some() || host.unusable_credential.is_some()
        };
        plan.hosts.iter().any(has)
    }

    /// What is kept beside a login.
    fn kept(plan: &Plan) -> usize {
        plan.hosts.iter().flat_map(|host| &host.headers).filter(|(name, _)| name == "User-Agent").count()
    }

    /// With the plans for r.example: with logins, and anonymously.
    fn asked(files: &[(&str, &str)], version: &str) -> (Vec<Finding>, [Plan; 2]) {
        let mut containerd = load(files, version);
        let with = plan(&containerd, "r.example");
        containerd.anonymous = true;
        (findings(&containerd.registry), [with, plan(&containerd, "r.example")])
    }

    #[test]
    fn no_login_of_containerds_files_is_sent_and_each_is_told_with_its_place() {
        let cri = "version = 2\n[plugins.'io.containerd.grpc.v1.cri'.registry";
        let own = format!("{cri}.configs.'r.example'.auth]\n{AUTH}\n");
        let broken = format!("{cri}.configs.'r.example'.auth]\nauth = '!'\n");
        let header = format!("{cri}.headers]\nauthorization = ['Basic YW5uOnNlY3JldA==']\nUser-Agent = ['1']\n");
        let by_directory = format!("{cri}]\nconfig_path = '/etc/containerd/certs.d'\n");
        let of_host =
            |name: &str| format!("[host.'https://m.example'.header]\n{name} = 'YW5uOnNlY3JldA=='\nUser-Agent = '1'\n");
        let of_hosts = ["Authorization", "X-JFrog-Art-Api", "PRIVATE-TOKEN", "Cookie"].map(of_host);
        let sent = "containerd itself sends it,";
        let mut cases = vec![
            (vec![(CONFIG, &*own)], "1.7.24", "containerd itself sends it where kubelet has none,", Some((CONFIG, 2))),
            (vec![(CONFIG, &*broken)], "1.7.24", "containerd cannot read it: its pull fails", Some((CONFIG, 2))),
            (vec![(CONFIG, &*header)], "1.7.24", sent, None),
        ];
        for hosts in &of_hosts {
            cases.push((vec![(CONFIG, &*by_directory), (CERTS_D, hosts)], "2.1.9", sent, Some((CERTS_D, 1))));
        }
        for (files, version, words, place) in cases {
            let (told, [with, without]) = asked(&files, version);
            assert!(signs_in(&with) && !signs_in(&without), "{files:?}: {with:?} {without:?}");
            let [told] = told.as_slice() else { panic!("{files:?}: {told:?}") };
            assert!(told.code == CODE && told.message.contains(words), "{told:?}");
            assert!(!told.message.contains("YW5u") && !told.message.contains("secret"), "{told:?}");
            assert_eq!(told.file.as_deref().zip(told.line()), place, "{told:?}");
            assert_eq!(kept(&with), kept(&without), "{files:?}");
        }
        assert_eq!(asked(&[(CONFIG, "version = 2\n")], "1.7.24").0, [], "nothing is kept back");
    }

    #[test]
    fn a_directory_behind_another_of_its_name_sends_nothing() {
        let config = "version = 2\n[plugins.'io.containerd.grpc.v1.cri'.registry]\nconfig_path = '/first:/second'\n";
        let hosts = "[host.'https://m.example'.header]\nAuthorization = 'Basic YW5uOnNlY3JldA=='\n";
        let first = ("/first/r.example_5000_/hosts.toml", "server = 'https://r.example:5000'\n");
        let of = |second: &str| {
            let (told, _) = asked(&[(CONFIG, config), first, (second, hosts)], "1.7.24");
            told.iter().filter_map(|told| told.file.as_deref().map(ToString::to_string)).collect::<Vec<_>>()
        };
        assert_eq!(of("/second/r.example:5000/hosts.toml"), [""; 0]);
        for other in ["/second/other.example/hosts.toml", "/second/_default/hosts.toml"] {
            assert_eq!(of(other), [other]);
        }
    }

    #[test]
    fn kubelets_places_are_told_in_one_finding() {
        assert_eq!(of_kubelet(&[]), None);
        let told = of_kubelet(&["its own files on the node", "its credential providers"]).unwrap();
        assert!(told.message.contains("(its own files on the node, its credential providers)"), "{told:?}");
        assert_eq!((told.code, told.severity), (CODE, Severity::Info));
    }

    #[test]
    fn it_is_told_in_the_published_page() {
        let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/findings.md")).unwrap();
        assert!(text.contains(&format!("\n**`{CODE}`**")));
    }
}
