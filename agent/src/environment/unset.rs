//! Proxies that are written down and are not set: several in one variable, and those that Go does not take for
//! registries with TLS.

use super::service::is_name;
use super::{DaemonEnvironment, EnvVar, MATTERS};
use crate::model::finding::{Finding, Severity};

/// What curl and others know, and Go does not.
const OF_OTHERS: [&str; 2] = ["ALL_PROXY", "all_proxy"];

/// Names of variables that are assigned within the value of another one.
pub(super) fn swallowed(variable: &EnvVar) -> Vec<&'static str> {
    if !MATTERS.contains(&&*variable.name) {
        return Vec::new();
    }
    let value = variable.value.expose();
    let pieces = value.split(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | '"' | '\''));
    let names = pieces.filter_map(|piece| piece.split_once('=')).map(|(name, _)| name).filter(|name| is_name(name));
    names.filter_map(|name| MATTERS.iter().find(|known| **known == name).copied()).collect()
}

/// One pair of quotes around several assignments, or none where each wants a line of its own.
pub(super) fn together(environment: &DaemonEnvironment) -> impl Iterator<Item = Finding> {
    environment.variables.iter().filter_map(|variable| {
        let swallowed = swallowed(variable);
        let unset: Vec<&str> = swallowed.iter().copied().filter(|name| environment.get(name).is_none()).collect();
        let name = &variable.name;
        if swallowed.is_empty() {
            return None;
        }
        let lost = match unset.as_slice() {
            [] => String::new(),
            [one] => format!(", and {one} is not set"),
            many => format!(", and {} are not set", many.join(" and ")),
        };
        let message = format!(
            "the value of {name} is everything behind its `=`, the other assignments too: that is no proxy URL{lost}"
        );
        let each: Vec<String> = [&**name].into_iter().chain(swallowed).map(|name| format!("\"{name}=VALUE\"")).collect();
        let fix = format!(
            "give each assignment quotes of its own, as in Environment={}; in an environment file, write each on a line of its own",
            each.join(" ")
        );
        Some(Finding::new(Severity::Error, "environment_in_one_quote", message, fix).located(&variable.origin))
    })
}

/// A proxy that is set for something else than registries with TLS.
pub(super) fn https_unset(environment: &DaemonEnvironment) -> Option<Finding> {
    let is_set = |variable: &&EnvVar| !variable.value.expose().is_empty();
    // A file that sets it, and waits for a restart, is told as that.
    if environment.pending.iter().any(|variable| variable.name.eq_ignore_ascii_case("HTTPS_PROXY")) {
        return None;
    }
    // `*` says that no proxy is wanted.
    if environment.https_proxy().is_some() || environment.no_proxy().is_some_and(|none| none.value.expose() == "*") {
        return None;
    }
    let of_others = || OF_OTHERS.iter().find_map(|name| environment.get(name).filter(is_set));
    let (variable, why) = match (environment.http_proxy(), of_others()) {
        (Some(http), _) => (http, "containerd uses it only for plain-HTTP registries"),
        (None, Some(other)) => (other, "containerd does not know it"),
        (None, None) => return None,
    };
    // One that swallowed HTTPS_PROXY is told as that.
    if swallowed(variable).iter().any(|name| name.eq_ignore_ascii_case("HTTPS_PROXY")) {
        return None;
    }
    let message = format!(
        "{} is set and HTTPS_PROXY is not: {why}. Registries with TLS, which nearly all are, are asked without a proxy",
        variable.name
    );
    let fix = "set HTTPS_PROXY too, to the same proxy if it lets `CONNECT` pass, and restart containerd";
    Some(Finding::new(Severity::Warning, "https_proxy_unset", message, fix).located(&variable.origin))
}

#[cfg(test)]
mod tests {
    use go::place::{Position, SourceLocation};

    use super::*;
    use crate::redact::secret::Secret;

    const PROXY: &str = "http://ann:hunter2@proxy.example:3128";

    fn environment(variables: &[(&str, &str)]) -> DaemonEnvironment {
        let variable = |(name, value): &(&str, &str)| EnvVar {
            name: (*name).into(),
            value: Secret::new(*value),
            origin: SourceLocation::new("/etc/systemd/system/containerd.service.d/p.conf", Position::of_line(2)),
        };
        DaemonEnvironment { variables: variables.iter().map(variable).collect(), ..DaemonEnvironment::default() }
    }

    fn said(findings: impl IntoIterator<Item = Finding>) -> Vec<String> {
        findings.into_iter().map(|finding| format!("{} {} {}", finding.code, finding.message, finding.fix)).collect()
    }

    #[test]
    fn assignments_within_an_assignment_are_told_without_their_values() {
        for between in [" ", "\t", ",", ";", "\" \"", "' '"] {
            let value = format!("{PROXY}{between}HTTPS_PROXY={PROXY}{between}NO_PROXY=10.0.0.0/8,.svc");
            let node = environment(&[("HTTP_PROXY", &value)]);
            let [told] = &said(together(&node))[..] else { panic!("{between:?}") };
            assert!(told.contains("HTTPS_PROXY and NO_PROXY are not set") && !told.contains("hunter2"), "{told}");
            assert_eq!(said(https_unset(&node)), [""; 0], "{between:?}");
        }
        let twice = [("HTTP_PROXY", "http://a HTTPS_PROXY=http://b"), ("HTTPS_PROXY", "http://b")];
        assert!(!said(together(&environment(&twice)))[0].contains("not set"));
    }

    #[test]
    fn values_with_equals_signs_of_their_own_are_in_order() {
        let fine = [
            ("HTTPS_PROXY", "http://u:p=w@proxy.example:3128/?HTTP=1"),
            ("GODEBUG", "netdns=go,http2client=0"),
            ("OTHER", "x HTTP_PROXY=http://a"),
        ];
        assert_eq!(said(together(&environment(&fine))), [""; 0]);
    }

    #[test]
    fn one_that_waits_for_a_restart_is_told_as_that_whatever_its_case() {
        let set = environment(&[("HTTP_PROXY", PROXY)]);
        for name in ["HTTPS_PROXY", "https_proxy"] {
            let pending = environment(&[(name, PROXY)]).variables;
            assert_eq!(said(https_unset(&DaemonEnvironment { pending, ..set.clone() })), [""; 0], "{name}");
        }
        // What else waits says nothing of it, whatever stands in its message.
        let pending = environment(&[("NO_PROXY", "HTTPS_PROXY.example")]).variables;
        assert_eq!(said(https_unset(&DaemonEnvironment { pending, ..set })).len(), 1);
    }

    #[test]
    fn a_proxy_that_is_not_for_tls_is_told() {
        for (name, word) in [("HTTP_PROXY", "plain-HTTP"), ("http_proxy", "plain-HTTP"), ("ALL_PROXY", "does not know")]
        {
            let [told] = &said(https_unset(&environment(&[(name, PROXY)])))[..] else { panic!("{name}") };
            assert!(told.contains(word) && told.contains("HTTPS_PROXY is not") && !told.contains("hunter2"), "{told}");
        }
        for fine in [
            &[("HTTP_PROXY", PROXY), ("https_proxy", PROXY)][..],
            &[("HTTP_PROXY", "")],
            &[("HTTP_PROXY", PROXY), ("NO_PROXY", "*")],
            &[("NO_PROXY", "10.0.0.0/8")],
        ] {
            assert_eq!(said(https_unset(&environment(fine))), [""; 0], "{fine:?}");
        }
    }
}
