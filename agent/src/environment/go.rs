//! What containerd's environment tells the Go runtime in it, as far as it changes the way to a registry.

use go::release::GoDebug;

use super::{DaemonEnvironment, EnvVar};
use crate::model::finding::{Finding, Severity};

/// What `GODEBUG` says of settings that matter.
pub fn debug_settings(environment: &DaemonEnvironment) -> GoDebug {
    environment.godebug().map_or(GoDebug::UNTOLD, |variable| GoDebug::parse(variable.value.expose()))
}

/// A setting's value. Of several the last one counts.
fn setting<'a>(environment: &'a DaemonEnvironment, name: &str) -> Option<&'a str> {
    let settings = environment.godebug()?.value.expose().rsplit(',');
    settings.filter_map(|setting| setting.split_once('=')).find_map(|(key, value)| (key == name).then_some(value))
}

/// What makes a containerd that is linked with libc leave names to it.
pub(super) fn left_to_libc(environment: &DaemonEnvironment) -> Vec<Finding> {
    let is_cgo = |value: &str| value.split('+').any(|part| part == "cgo");
    let netdns = environment.godebug().filter(|_| setting(environment, "netdns").is_some_and(is_cgo));
    let variables = ["RES_OPTIONS", "LOCALDOMAIN", "HOSTALIASES"].into_iter().filter_map(|name| environment.get(name));
    // `LOCALDOMAIN` counts as soon as it is set: empty, it is a search list without a suffix.
    let set = variables.filter(|variable| !variable.value.is_empty() || variable.name == "LOCALDOMAIN");
    set.map(|variable| finding(variable, &variable.name))
        .chain(netdns.map(|variable| finding(variable, "GODEBUG=netdns=cgo")))
        .collect()
}

fn finding(variable: &EnvVar, shown: &str) -> Finding {
    let message = format!(
        "{shown} is set for containerd: a containerd that is linked with libc then lets libc look up all names, and may get \
         other addresses than pullprobe, which resolves as a static one does"
    );
    let fix = "Configure it in /etc/resolv.conf or /etc/hosts, and take it out of containerd's environment.";
    Finding::new(Severity::Info, "environment_left_to_libc", message, fix).located(&variable.origin)
}

#[cfg(test)]
mod tests {
    use go::place::{Position, SourceLocation};

    use super::*;
    use crate::redact::secret::Secret;
    use crate::version::{Build, Version};

    fn with(variables: &[(&str, &str)]) -> DaemonEnvironment {
        let variable = |(name, value): &(&str, &str)| EnvVar {
            name: (*name).to_owned(),
            value: Secret::new(*value),
            origin: SourceLocation::new("/unit", Position::of_line(3)),
        };
        DaemonEnvironment { variables: variables.iter().map(variable).collect(), ..DaemonEnvironment::default() }
    }

    #[test]
    fn what_go_is_told_counts_where_this_containerd_knows_it() {
        let told = |version: &str, value: &str| {
            let told = debug_settings(&with(&[("GODEBUG", value)]));
            version.parse::<Version>().unwrap().with_build(Build { told, ..Build::OPEN }).go()
        };
        assert!(told("2.3", "").offers_mlkem() && told("2.3", "").sends_edns());
        assert!(!told("2.3", "tlsmlkem=0").offers_mlkem() && !told("1.6.20", "tlsmlkem=1").offers_mlkem());
        assert!(!told("2.3", "http2client=0,tlsmlkem=0,netedns0=0").offers_mlkem());
        assert!(!told("2.3", "netedns0=0").sends_edns() && told("1.6.20", "netedns0=0").sends_edns());
        assert_eq!(debug_settings(&with(&[])), GoDebug::default());
    }

    #[test]
    fn what_leaves_names_to_libc_is_told_with_its_place_and_without_its_value() {
        let environment =
            with(&[("GODEBUG", "netdns=cgo+2"), ("RES_OPTIONS", "ndots:9"), ("LOCALDOMAIN", ""), ("HOSTALIASES", "")]);
        let findings = left_to_libc(&environment);
        let told: Vec<_> = findings.iter().map(|one| one.message.split(" is set").next().unwrap()).collect();
        assert_eq!(told, ["RES_OPTIONS", "LOCALDOMAIN", "GODEBUG=netdns=cgo"]);
        assert!(findings.iter().all(|one| one.line() == Some(3) && one.code == "environment_left_to_libc"));
        assert!(!format!("{findings:?}").contains("ndots"));
        assert!(left_to_libc(&with(&[("GODEBUG", "netdns=go")])).is_empty());
    }
}
