//! Holds pullprobe's prediction against what containerd did, and says where they differ.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::normalise::{mask_dates, normalise};
use super::observation::{Observation, Request, Step, credentials, steps};

/// What pullprobe said about the image, and the requests that the registries saw from it.
pub struct Prediction {
    pub report: Value,
    pub requests: Vec<Request>,
}

/// An answer in the words of the record: what of it must not differ from one run to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Told {
    pub pullable: Option<bool>,
    /// kubelet's.
    pub message: String,
    pub hosts: String,
    pub credentials: String,
}

impl Default for Told {
    /// Of an image that is pulled without a login.
    fn default() -> Self {
        Self { pullable: Some(true), message: String::new(), hosts: String::new(), credentials: String::new() }
    }
}

impl Told {
    /// What a daemon that runs here told, in the words of the record.
    pub fn of(observed: &Observation) -> Self {
        Self {
            pullable: Some(observed.outcome.pulled()),
            message: mask_dates(&normalise(observed.outcome.message().unwrap_or_default())),
            hosts: list(&asked(&observed.requests)),
            credentials: sent(&observed.requests),
        }
    }

    /// Every difference, each naming both sides.
    pub fn differences(&self, said: &Self) -> Vec<String> {
        let differing = self.differing(said).into_iter();
        // Read from without, the message is kubelet's.
        let named = |what| if what == "message" { "kubelet_message" } else { what };
        differing.map(|(what, recorded, said)| describe(named(what), &recorded, &said)).collect()
    }

    /// The parts that differ, each with both sides.
    pub fn differing(&self, other: &Self) -> Vec<(&'static str, String, String)> {
        let verdict = |told: &Self| told.pullable.map_or_else(|| "unknown".to_owned(), |pullable| pullable.to_string());
        let pairs = [
            ("pullable", verdict(self), verdict(other)),
            ("message", self.message.clone(), other.message.clone()),
            ("hosts", self.hosts.clone(), other.hosts.clone()),
            ("credentials", self.credentials.clone(), other.credentials.clone()),
        ];
        pairs.into_iter().filter(|(_, own, other)| own != other).collect()
    }
}

impl Prediction {
    pub fn told(&self) -> Told {
        let image = &self.report["images"][0];
        let of_pull = self.requests.iter().filter(|request| (&*request.method, &*request.path) != ("HEAD", "/v2/"));
        let seen = of_pull.map(|request| authority(&request.endpoint)).collect();
        Told {
            pullable: image["pullable"].as_bool(),
            message: mask_dates(&normalise(image["kubelet_message"].as_str().unwrap_or_default())),
            hosts: list(&attempts(image, &seen)),
            credentials: sent(&self.requests),
        }
    }
}

fn sent(requests: &[Request]) -> String {
    let sent = credentials(requests).into_iter().map(|(endpoint, scheme)| format!("{scheme} {endpoint}"));
    sent.collect::<Vec<_>>().join(", ")
}

fn describe(what: &str, containerd: &str, pullprobe: &str) -> String {
    format!("{what}\n    containerd: {containerd}\n    pullprobe:  {pullprobe}")
}

/// Every difference, each naming both sides; empty when pullprobe's answer is containerd's.
pub fn disagreements(observed: &Observation, predicted: &Prediction) -> Vec<String> {
    let image = &predicted.report["images"][0];
    let mut found = Vec::new();
    let mut compare = |what: &str, containerd: String, pullprobe: String| {
        if containerd != pullprobe {
            found.push(describe(what, &containerd, &pullprobe));
        }
    };
    let pulled = observed.outcome.pulled();
    compare("pullable", pulled.to_string(), image["pullable"].to_string());
    if let Some(message) = observed.outcome.message() {
        let said = image["kubelet_message"].as_str().unwrap_or_default();
        // kubelet refuses such a reference itself, in its own words, and asks no containerd.
        let refused_by_kubelet = said.starts_with("Failed to apply default image tag");
        let refusal_message = if refused_by_kubelet { said } else { message };
        compare("kubelet_message", normalise(refusal_message), normalise(said));
    }
    let recorded = recorded_authorities(observed, predicted);
    compare("hosts", list(&asked(&observed.requests)), list(&attempts(image, &recorded)));
    compare(
        "credentials",
        format!("{:?}", credentials(&observed.requests)),
        format!("{:?}", sent_credentials(observed, predicted)),
    );
    found
}

/// What pullprobe gave away. A token that it got for nobody in particular is none: after a credential was
/// refused it looks once more without one, to tell whether the credential is what stands in the way.
fn sent_credentials(observed: &Observation, predicted: &Prediction) -> Vec<(String, String)> {
    let by_containerd = credentials(&observed.requests);
    let image = &predicted.report["images"][0];
    let looked_again = !observed.outcome.pulled() && image["credential"].is_object();
    let mut sent: Vec<(String, String)> = credentials(&predicted.requests).into_iter().collect();
    sent.retain(|one| !(looked_again && one.1 == "Bearer" && !by_containerd.contains(one)));
    sent
}

/// Where an endpoint is: `host:port`. The scheme is left out, for containerd may try one and use the other;
/// that it used the right one shows in what came of it.
fn authority(endpoint: &str) -> String {
    let (scheme, authority) = endpoint.split_once("://").unwrap_or(("https", endpoint));
    let authority = &authority.to_lowercase();
    // A colon without a port after it says nothing.
    let authority = authority.strip_suffix(':').unwrap_or(authority);
    let after_address = authority.rsplit(']').next().unwrap_or_default();
    if after_address.contains(':') {
        return authority.to_owned();
    }
    let port = if scheme == "http" { 80 } else { 443 };
    format!("{authority}:{port}")
}

fn asked(requests: &[Request]) -> Vec<Step> {
    let at_authority = |step: Step| Step { endpoint: authority(&step.endpoint), ..step };
    steps(requests).into_iter().map(at_authority).collect()
}

/// Hosts that can leave a trace. One that is refused, or fails in TLS, is seen by no registry, so its attempts
/// cannot be held against anything but the error text.
fn recorded_authorities(observed: &Observation, predicted: &Prediction) -> BTreeSet<String> {
    // Behind a certificate that is out of its time pullprobe looks at the host's clock, which containerd does not.
    let of_pull = predicted.requests.iter().filter(|request| (&*request.method, &*request.path) != ("HEAD", "/v2/"));
    let requests = observed.requests.iter().chain(of_pull);
    requests.map(|request| authority(&request.endpoint)).collect()
}

fn attempts(image: &Value, recorded: &BTreeSet<String>) -> Vec<Step> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let attempts = image["attempts"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut steps: Vec<Step> = attempts
        .iter()
        .map(|attempt| Step {
            operation: text(&attempt["operation"]),
            endpoint: authority(&text(&attempt["endpoint"])),
        })
        .filter(|step| recorded.contains(&step.endpoint))
        .collect();
    steps.dedup();
    steps
}

fn list(steps: &[Step]) -> String {
    let steps: Vec<String> = steps.iter().map(|step| format!("{} {}", step.operation, step.endpoint)).collect();
    steps.join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::cri::Refusal;
    use super::super::observation::{NoService, Outcome};
    use super::*;

    const MIRROR: &str = "https://mirror.example:5000";
    const UPSTREAM: &str = "https://registry.example";

    fn request(endpoint: &str, credential: Option<&str>) -> Request {
        Request {
            endpoint: endpoint.to_owned(),
            method: "HEAD".to_owned(),
            path: "/v2/team/app/manifests/1".to_owned(),
            accept: String::new(),
            credential: credential.map(str::to_owned),
            status: Some(404),
            redirected: false,
        }
    }

    fn refused() -> Observation {
        let message = "dial tcp 192.0.2.10:443: connect: connection refused".to_owned();
        let code = "Unknown".to_owned();
        Observation {
            version: "2.1.9".to_owned(),
            build: "2.1.9+unknown".to_owned(),
            outcome: Outcome::Refused(Refusal { code, message }),
            requests: vec![request(MIRROR, None)],
        }
    }

    /// The report that agrees with [`refused`]; upstream is a host that can leave no trace.
    fn agreeing() -> Prediction {
        let attempt = |endpoint| json!({"operation": "resolve", "endpoint": endpoint});
        let report = json!({"images": [{
            "pullable": false,
            "kubelet_message": "dial tcp 192.0.2.10:443: connect: connection refused",
            "attempts": [attempt("https://mirror.example:5000"), attempt("https://registry.example:443")],
        }]});
        Prediction { report, requests: vec![request(MIRROR, None)] }
    }

    fn differing_in(prediction: &Prediction) -> Vec<String> {
        let found = disagreements(&refused(), prediction);
        let what = |text: &String| text.lines().next().unwrap_or_default().to_owned();
        found.iter().map(what).collect()
    }

    #[test]
    fn an_agreeing_report_has_no_disagreement() {
        assert_eq!(differing_in(&agreeing()), Vec::<String>::new());
    }

    #[test]
    fn every_difference_is_found() {
        let changed = |path: &str, value: Value| {
            let mut prediction = agreeing();
            *prediction.report.pointer_mut(path).unwrap() = value;
            differing_in(&prediction)
        };
        assert_eq!(changed("/images/0/pullable", json!(true)), ["pullable"]);
        assert_eq!(changed("/images/0/pullable", Value::Null), ["pullable"]);
        assert_eq!(changed("/images/0/kubelet_message", json!("not found")), ["kubelet_message"]);
        assert_eq!(changed("/images/0/attempts", json!([])), ["hosts"]);
        assert_eq!(changed("/images/0/attempts/0/operation", json!("fetch")), ["hosts"]);
    }

    #[test]
    fn what_a_client_meets_without_a_cri_is_compared_too() {
        let without = |message: &str| {
            let (reason, message) = ("containerd does not start".to_owned(), message.to_owned());
            let observed = Observation { outcome: Outcome::NoService(NoService { reason, message }), ..refused() };
            disagreements(&observed, &agreeing()).len()
        };
        assert_eq!(without("dial tcp 192.0.2.10:443: connect: connection refused"), 0);
        assert_eq!(without("unknown service runtime.v1.ImageService"), 1);
    }

    #[test]
    fn an_endpoint_is_where_its_port_is() {
        assert_eq!(authority("https://registry.example"), "registry.example:443");
        assert_eq!(authority("http://registry.example"), "registry.example:80");
        assert_eq!(authority("https://registry.example:"), "registry.example:443");
        assert_eq!(authority("https://[::1]"), "[::1]:443");
        assert_eq!(authority("http://[::1]:5000"), "[::1]:5000");
    }

    #[test]
    fn a_host_that_only_pullprobe_asks_is_a_difference() {
        let mut prediction = agreeing();
        prediction.requests.push(request(UPSTREAM, None));
        assert_eq!(differing_in(&prediction), ["hosts"]);
    }

    #[test]
    fn a_credential_that_containerd_does_not_send_is_a_difference() {
        let mut prediction = agreeing();
        prediction.requests = vec![request(MIRROR, Some("Basic"))];
        assert_eq!(differing_in(&prediction), ["credentials"]);
    }
}
