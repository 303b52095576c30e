//! Every fix of every cause, on every distribution.

use std::path::Path;

use super::*;
use crate::cause::Cause;
use crate::model::finding::Severity;

/// Distributions with what of a plain containerd must not be named there.
const ELSEWHERE: [(&str, Option<&str>, &str); 9] = [
    ("k3s", Some("k3s.service"), "/var/lib/rancher/k3s/agent/etc/containerd/config.toml"),
    ("k3s", Some("k3s-agent.service"), "/srv/k3s/agent/etc/containerd/config.toml"),
    ("RKE2", Some("rke2-agent.service"), "/var/lib/rancher/rke2/agent/etc/containerd/config.toml"),
    ("RKE2", None, "/var/lib/rancher/rke2/agent/etc/containerd/config.toml"),
    ("k0s", Some("k0sworker.service"), "/etc/k0s/containerd.toml"),
    ("k0s", Some("k0scontroller.service"), "/etc/k0s/containerd.toml"),
    ("microk8s", Some("snap.microk8s.daemon-containerd.service"), "/var/snap/microk8s/current/args/containerd.toml"),
    ("Talos", None, "/etc/cri/containerd.toml"),
    ("Bottlerocket", Some("containerd.service"), "/etc/containerd/config.toml"),
];

fn ways(distribution: &str, unit: Option<&str>, config: &str) -> DistributionTerms {
    DistributionTerms::of(&DistributionFacts { distribution, unit, config, certs_d: None, reads_schema_3: true })
}

#[test]
fn no_fix_of_a_cause_names_places_that_the_distribution_does_not_have() {
    for (distribution, unit, config) in ELSEWHERE {
        let ways = ways(distribution, unit, config);
        for cause in Cause::ALL {
            let fix = ways.fix(cause.fix());
            for foreign in [
                "/etc/containerd/certs.d",
                "systemctl restart containerd",
                "systemctl restart kubelet",
                "containerd.service.d",
                "etc/containerd/config.toml`",
            ] {
                let own = distribution == "Bottlerocket" && foreign.contains("journalctl");
                assert!(own || !fix.contains(foreign), "{distribution}: {cause}: {fix}");
            }
            assert_eq!(fix.matches('`').count() % 2, 0, "{distribution}: {cause}: {fix}");
        }
    }
}

#[test]
fn a_plain_containerd_is_told_its_own_directory_and_nothing_else() {
    let plain = ways("upstream", Some("containerd.service"), CONFIG);
    for cause in Cause::ALL {
        assert_eq!(plain.fix(cause.fix()), cause.fix(), "{cause}");
    }
    let elsewhere = DistributionTerms::of(&DistributionFacts {
        certs_d: Some("/etc/containerd/hosts.d"),
        config: CONFIG,
        ..DistributionFacts::default()
    });
    let fix = elsewhere.fix(Cause::TlsUnknownAuthority.fix());
    assert!(
        fix.contains("`/etc/containerd/hosts.d/REGISTRY/hosts.toml`") && fix.contains("restart containerd"),
        "{fix}"
    );
}

#[test]
fn what_is_written_from_another_file_is_to_be_changed_there() {
    let fix = |distribution, unit, config| ways(distribution, unit, config).fix(Cause::TlsUnknownAuthority.fix());
    let (distribution, unit, config) = ELSEWHERE[1];
    let said = fix(distribution, unit, config);
    assert!(
        said.contains("`ca_file` (`configs`, HOST, `tls`) in `/etc/rancher/k3s/registries.yaml` (read at"),
        "{said}"
    );
    assert!(said.contains("`systemctl restart k3s-agent`"), "{said}");
    let said = fix("Talos", None, "/etc/cri/containerd.toml");
    assert!(said.contains("`machine.registries` of the machine config (`talosctl edit machineconfig`)"), "{said}");
    let proxied = ways("k3s", Some("k3s.service"), "").fix(Cause::TcpTimeout.fix());
    assert!(proxied.contains("/etc/systemd/system/k3s.service.env"), "{proxied}");
}

#[test]
fn a_path_of_this_node_stays_whole_where_it_ends_as_one_of_a_plain_containerd() {
    let (distribution, unit, config) = ELSEWHERE[0];
    let terms = ways(distribution, unit, config);
    let own = "Correct /var/lib/rancher/k3s/agent/etc/containerd/certs.d/docker.io/hosts.toml:3 first";
    assert_eq!(terms.fix(own), own);
    let own = format!("add \"/x/*.toml\" to `imports` in {config}");
    assert_eq!(terms.fix(&own), own);
    assert_eq!(terms.fix("see /etc/containerd/certs.d/"), "see /var/lib/rancher/k3s/agent/etc/containerd/certs.d/");
}

/// The texts of the program, as they are shown.
fn texts(folder: &Path) -> String {
    let mut out = String::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            out += &texts(&path);
        } else if !path.to_string_lossy().contains("observation/distribution") {
            let source = std::fs::read_to_string(&path).unwrap();
            let lines: Vec<&str> = source.split("\\\n").collect();
            let first = lines[0].to_owned();
            out += &lines[1..].iter().fold(first, |text, line| text + line.trim_start()).replace("\\\"", "\"");
        }
    }
    out
}

#[test]
fn whoever_words_a_fix_anew_is_shown_what_other_distributions_say_of_it() {
    let texts = texts(&Path::new(env!("CARGO_MANIFEST_DIR")).join("agent/src"));
    for (distribution, unit, config) in ELSEWHERE {
        for (usual, _) in ways(distribution, unit, config).terms() {
            assert!(texts.contains(usual), "no text says {usual:?}, which is another word on {distribution}");
        }
    }
}

#[test]
fn a_finding_in_a_file_that_is_written_anew_says_so() {
    let at = |distribution, unit, config: &str, file: &str| {
        let finding = Finding::new(Severity::Warning, "skip_verify", "m", "name its authority with `ca` instead");
        ways(distribution, unit, config).mended(finding.in_file(file)).fix
    };
    let (distribution, unit, config) = ELSEWHERE[0];
    let below = config.trim_end_matches("/config.toml");
    let said = at(distribution, unit, config, &format!("{below}/certs.d/docker.io/hosts.toml"));
    assert!(said.contains("; k3s writes hosts.toml anew") && said.ends_with("`systemctl restart k3s`"), "{said}");
    let said = at(distribution, unit, config, config);
    assert!(said.contains("/config-v3.toml.tmpl`"), "{said}");
    let said = at(distribution, unit, config, &format!("{below}/config-v3.toml.d/own.toml"));
    assert!(!said.contains("anew"), "{said}");
    let (distribution, unit, config) = ELSEWHERE[6];
    assert!(at(distribution, unit, config, config).contains("containerd-template.toml"));
    assert!(
        at("k0s", None, "/etc/k0s/containerd.toml", "/run/k0s/containerd-cri.toml").contains("/etc/k0s/containerd.d/")
    );
    assert!(
        at("Talos", None, "/etc/cri/containerd.toml", "/etc/cri/conf.d/hosts/x/hosts.toml")
            .contains("machine.registries")
    );
    assert!(!at("upstream", None, CONFIG, CONFIG).contains(';'));
}

#[test]
fn directories_that_are_not_read_cannot_be_named_where_everything_is_written_anew() {
    let finding = Finding::new(Severity::Warning, "certs_d_unread", "m", "point `config_path` here").in_file(HOSTS_DIR);
    let said = ways("k3s", Some("k3s.service"), "/x/config.toml").mended(finding).fix;
    assert_eq!(
        said,
        "write what these directories say into `/etc/rancher/k3s/registries.yaml`, then `systemctl restart k3s`"
    );
}
