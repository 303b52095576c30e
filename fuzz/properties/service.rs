//! containerd's systemd unit with a drop-in and an environment file, parted by a line of `---`: the
//! environment that containerd would get, and no proxy's password in what is said of it.

use std::thread_local;

use pullprobe::environment::{DaemonEnvironment, ProxyRules};
use pullprobe::model::host::Scheme;
use pullprobe::version::Version;

use super::node::{Node, check_findings};

const UNIT: &str = "/etc/systemd/system/containerd.service";
const DROP_IN: &str = "/etc/systemd/system/containerd.service.d/proxy.conf";
const ENVIRONMENT: &str = "/etc/default/containerd";

thread_local! {
    static NODE: Node = Node::new();
}

pub fn holds(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut parts = text.splitn(3, "\n---\n");
    NODE.with(|node| {
        for file in [UNIT, DROP_IN, ENVIRONMENT] {
            node.write(file, parts.next().unwrap_or_default().as_bytes());
        }
        let environment = DaemonEnvironment::load(&node.root, None);
        check_findings(&environment.findings, "", data);
        let mut names: Vec<_> = environment.variables.iter().map(|variable| &variable.name).collect();
        names.sort();
        assert!(names.windows(2).all(|two| two[0] != two[1]), "a name twice: {names:?}");
        let decisions = [Version::new(1, 6, 20), Version::NEWEST].map(|version| {
            let rules = ProxyRules::of(&environment, version);
            ["registry.example", "192.0.2.1", "::1", "localhost"]
                .map(|host| [Scheme::Http, Scheme::Https].map(|scheme| rules.decide(scheme, host, 443)))
        });
        // Only where it stands behind the colon of user information is it a password for certain.
        if text.matches(super::MARKER).count() == 1 && text.contains(":hunter2@") {
            let variables = environment.variables.iter().map(|variable| variable.value.expose());
            if variables.filter(|value| value.contains(super::MARKER)).count() == 1 {
                let said = format!("{:?} {decisions:?}", environment.findings);
                assert!(!said.contains(super::MARKER), "{said}");
            }
        }
    });
}
