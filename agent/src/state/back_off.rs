//! Back-off of hosts and images: which are probed less often than usual, and why (the registry fails, sent
//! `Retry-After`, or refuses a login).

use std::time::Duration;

use jiff::Timestamp;

use crate::cause::Cause;
use crate::model::host::EndpointKey;
use crate::model::outcome::Failure;
use crate::model::ratelimit::LimitState;
use crate::model::report::{EndpointReport, ImageReport};

/// What a back-off is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// One host. If it sent `Retry-After`, also every image that its registry serves.
    Host(EndpointKey),
    /// All images of a registry.
    Images { namespace: String },
    /// One image, as the user wrote it.
    Image { namespace: String, requested: String },
}

impl Subject {
    pub fn namespace(&self) -> &str {
        match self {
            Self::Host((namespace, _)) | Self::Images { namespace } | Self::Image { namespace, .. } => namespace,
        }
    }
}

/// The last result stands until the next probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackOff {
    pub reason: Cause,
    pub since: Timestamp,
    /// How many intervals lie between two probes at present.
    pub wait: Duration,
    pub factor: u32,
    pub next_probe_at: Timestamp,
    /// The registry named the time itself (`Retry-After`).
    pub asked: bool,
}

/// Sending a refused login again and again may lock the account, for everyone who uses it.
pub const fn is_refused_login(reason: Cause) -> bool {
    matches!(reason, Cause::CredentialsRejected | Cause::CredentialsExpired | Cause::LoginLocked)
}

/// What an answer says about the state of its sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overload {
    pub reason: Cause,
    /// How long it asked for no requests.
    pub asked: Option<Duration>,
    /// It refused the client, not the image: other images of the registry would be refused, too.
    pub is_limit: bool,
}

impl Overload {
    /// Whether more requests would make the failure worse. A failure before any request (names, connections,
    /// certificates) costs the registry nothing, so it needs no back-off, and its end is seen soon.
    fn of_failure(failure: &Failure) -> Option<Self> {
        let is_limit = matches!(failure.cause, Cause::RateLimited | Cause::Throttled);
        let is_strain = matches!(failure.cause, Cause::RegistryError | Cause::RegistryTimeout | Cause::TlsTimeout)
            || is_refused_login(failure.cause);
        let overload = Self { reason: failure.cause, asked: failure.retry_after(), is_limit };
        (is_limit || is_strain).then_some(overload)
    }

    /// The reason of the first, and the longest pause of both.
    fn and(self, other: Self) -> Self {
        let (first, second) = if other.is_limit && !self.is_limit { (other, self) } else { (self, other) };
        Self { asked: first.asked.max(second.asked), ..first }
    }

    pub fn of_endpoint(report: &EndpointReport) -> Option<Self> {
        let failure = report.failure();
        let told = failure.and_then(Self::of_failure);
        let limit = (report.rate_limit.state == LimitState::Blocked).then(|| Self {
            reason: told.map_or(Cause::RateLimited, |told| told.reason),
            asked: report.rate_limit.retry_after,
            is_limit: true,
        });
        let hung = (report.up().is_none() && report.stages.reached()).then_some(Self::HUNG);
        [limit, told, hung].into_iter().flatten().reduce(Self::and)
    }

    pub fn of_image(report: &ImageReport) -> Option<Self> {
        let attempts = report.attempts.iter().filter_map(|attempt| attempt.failure.as_ref());
        let blob = report.blob.as_ref().and_then(|blob| blob.failure.as_ref());
        let told = attempts.chain(blob).filter_map(Self::of_failure);
        let limit = (report.rate_limit.state == LimitState::Blocked).then_some(Self {
            reason: Cause::RateLimited,
            asked: report.rate_limit.retry_after,
            is_limit: true,
        });
        // Also where a later credential works.
        let refused = report.candidates.iter().filter_map(|candidate| candidate.pull?.cause);
        let refused = refused.filter(|cause| is_refused_login(*cause)).map(|reason| Self {
            reason,
            asked: None,
            is_limit: false,
        });
        told.chain(limit).chain(refused).chain(report.cut_off.then_some(Self::HUNG)).reduce(Self::and)
    }

    const HUNG: Self = Self { reason: Cause::RegistryTimeout, asked: None, is_limit: false };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::outcome::{Outcome, Skip, Step};
    use crate::model::ratelimit::RateLimit;
    use crate::model::sample;
    use crate::model::stage::Stage;

    fn up() -> EndpointReport {
        let snapshot = sample::rich();
        snapshot.endpoints.values().find(|report| report.serves()).unwrap().as_ref().clone()
    }

    fn failing(cause: Cause, retry_after: Option<u64>) -> Failure {
        Failure::new(Stage::Ping, cause, "").again_after(retry_after.map(Duration::from_secs))
    }

    fn with(failure: Failure) -> EndpointReport {
        let mut report = up();
        report.stages.ping = Step::new(Outcome::Failed(failure, None), Duration::ZERO);
        report
    }

    #[test]
    fn a_registry_that_fails_or_hangs_struggles_and_a_broken_way_to_it_is_no_strain() {
        let reason = |cause| Overload::of_endpoint(&with(failing(cause, None))).map(|overload| overload.reason);
        for cause in [
            Cause::RegistryError,
            Cause::RegistryTimeout,
            Cause::TlsTimeout,
            Cause::Throttled,
            Cause::CredentialsRejected,
            Cause::CredentialsExpired,
        ] {
            assert_eq!(reason(cause), Some(cause));
        }
        for cause in [
            Cause::DnsTimeout,
            Cause::DnsServfail,
            Cause::TcpRefused,
            Cause::TcpTimeout,
            Cause::TlsExpired,
            Cause::ProxyUnreachable,
            Cause::NotARegistry,
            Cause::CredentialsMissing,
            Cause::AccessDenied,
        ] {
            assert_eq!(reason(cause), None, "{cause}");
        }
        assert_eq!(Overload::of_endpoint(&up()), None);
    }

    #[test]
    fn a_host_that_took_the_connection_and_no_more_struggles_and_one_that_nobody_got_to_does_not() {
        let mut report = up();
        report.stages.ping = Step::skipped(Skip::OutOfTime);
        assert_eq!(Overload::of_endpoint(&report), Some(Overload::HUNG));
        report.stages = crate::model::report::Stages::default();
        assert_eq!(Overload::of_endpoint(&report), None);
    }

    #[test]
    fn the_longest_pause_that_was_asked_for_counts() {
        let mut report = with(failing(Cause::RegistryError, Some(90)));
        assert_eq!(Overload::of_endpoint(&report).unwrap().asked, Some(Duration::from_secs(90)));
        let retry_after = Some(Duration::from_secs(120));
        report.rate_limit = RateLimit { state: LimitState::Blocked, retry_after, ..RateLimit::default() };
        let overload = Overload::of_endpoint(&report).unwrap();
        assert_eq!((overload.reason, overload.asked, overload.is_limit), (Cause::RegistryError, retry_after, true));
    }

    #[test]
    fn an_image_tells_of_the_host_that_failed_it_also_where_another_one_served_it() {
        let snapshot = sample::rich();
        let mut image = snapshot.images["busybox:1.36"].as_ref().clone();
        image.rate_limit = RateLimit::default();
        assert_eq!((image.verdict.pullable, Overload::of_image(&image)), (Some(true), None));
        let mut attempt = snapshot.images["ghcr.io/example/private:1"].attempts[0].clone();
        attempt.failure = Some(failing(Cause::RegistryError, None));
        image.attempts.insert(0, attempt.clone());
        let overload = Overload::of_image(&image).unwrap();
        assert_eq!((overload.reason, overload.is_limit), (Cause::RegistryError, false));
        attempt.failure = Some(failing(Cause::Throttled, Some(7)));
        image.attempts.push(attempt);
        let overload = Overload::of_image(&image).unwrap();
        assert_eq!((overload.reason, overload.is_limit), (Cause::Throttled, true));
        // Where nobody was asked nobody struggles, and a file that is mended is to be seen at once.
        image.attempts.clear();
        image.verdict.pullable = None;
        assert_eq!(Overload::of_image(&image), None);
        image.cut_off = true;
        assert_eq!(Overload::of_image(&image).unwrap().reason, Cause::RegistryTimeout);
    }
}
