//! Why something is probed less often than usual, in the report of `run`.

use schemars::JsonSchema;
use serde::Serialize;

use crate::state::back_off::BackOff;

/// pullprobe probes less often, because the registry fails, sent `Retry-After`, or refuses a login. The other fields of
/// the endpoint or image are the last result.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct BackingOff {
    /// A cause: `registry_error`, `registry_timeout`, `tls_timeout`, `throttled`, `rate_limited`, `quota_exceeded`,
    /// `credentials_rejected` or `credentials_expired`.
    pub reason: String,
    /// Since the first failure. RFC 3339, UTC.
    pub since: String,
    /// How many intervals lie between two probes.
    pub factor: u32,
    /// How long the registry asked for no requests (`Retry-After`). Null: it did not ask, or for a shorter time than the
    /// back-off.
    pub asked_seconds: Option<u64>,
}

impl From<&BackOff> for BackingOff {
    fn from(back_off: &BackOff) -> Self {
        Self {
            reason: back_off.reason.as_str().to_owned(),
            since: back_off.since.to_string(),
            factor: back_off.factor,
            asked_seconds: back_off.asked.then_some(back_off.wait.as_secs()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::cause::Cause;
    use crate::model::sample;
    use crate::state::back_off::Subject;

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn a_host_and_the_images_that_need_it_say_why_and_until_when_the_others_nothing() {
        let mut snapshot = sample::rich();
        let key = snapshot.endpoints.keys().find(|(namespace, _)| namespace == "quay.io").unwrap().clone();
        let asked = |seconds, asked| BackOff {
            reason: Cause::Throttled,
            since: sample::now(),
            wait: Duration::from_secs(seconds),
            factor: 10,
            next_probe_at: sample::now() + Duration::from_secs(seconds),
            asked,
        };
        snapshot.back_offs.insert(Subject::Host(key), asked(600, true));
        let busybox = Subject::Image { namespace: "docker.io".to_owned(), requested: "busybox:1.36".to_owned() };
        snapshot.back_offs.insert(busybox, asked(300, false));
        let subject = super::super::Subject {
            node: "worker-3",
            platform: String::new(),
            containerd: super::super::Containerd {
                version: String::new(),
                version_source: String::new(),
                build: None,
                go: String::new(),
                config_files: Vec::new(),
                config_path: Vec::new(),
            },
            started_at: sample::now(),
            duration: seconds(1),
        };
        let images = snapshot.images.values().map(AsRef::as_ref);
        let endpoints = snapshot.endpoints.values().map(AsRef::as_ref);
        let report = super::super::report(&subject, images, endpoints, &[]).with_back_offs(&snapshot);
        for endpoint in &report.endpoints {
            let told =
                endpoint.backing_off.as_ref().map(|told| (told.reason.as_str(), told.factor, told.asked_seconds));
            let expected = (endpoint.namespace == "quay.io").then_some(("throttled", 10, Some(600)));
            assert_eq!(told, expected, "{}", endpoint.endpoint);
            assert_eq!(endpoint.probed_at, sample::now().to_string());
        }
        for image in &report.images {
            let until = match image.requested.as_str() {
                "busybox:1.36" => Some(300),
                "quay.io/example/amd64-only:2" => Some(600),
                _ => None,
            };
            let until = until.map(|until| (sample::now() + seconds(until)).to_string());
            assert_eq!(image.next_probe_at, until, "{}", image.requested);
        }
    }
}
