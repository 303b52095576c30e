//! How long each stage may take.

use std::time::Duration;

use crate::model::namespace::{DIAL_TIMEOUT, HANDSHAKE_TIMEOUT};

/// Each is below the deadline of a whole check (30 s).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    pub dns: Duration,
    pub tcp: Duration,
    pub tls: Duration,
    /// One request, to the end of its body. A further connection for it has the limits above.
    pub http: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            dns: Duration::from_secs(5),
            tcp: Duration::from_secs(5),
            tls: Duration::from_secs(10),
            http: Duration::from_secs(10),
        }
    }
}

/// The usual time of a whole check.
const USUAL_CHECK: Duration = Duration::from_secs(30);
/// The part of a longer check that is kept for everything but its slowest request.
const RESERVE: Duration = Duration::from_secs(10);

impl Timeouts {
    /// The timeouts for a whole check that may take longer than usual. One request may then take nearly all of that
    /// time, and a lookup and a connection their usual share. A handshake may take what Go gives it.
    #[must_use]
    pub fn within(self, check: Duration) -> Self {
        if check <= USUAL_CHECK {
            return self;
        }
        let share = (check / 6).min(DIAL_TIMEOUT);
        Self {
            dns: self.dns.max(share),
            tcp: self.tcp.max(share),
            tls: self.tls.max(HANDSHAKE_TIMEOUT),
            http: self.http.max(check.saturating_sub(RESERVE)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_longer_check_waits_longer_for_each_stage() {
        let usual = Timeouts::default();
        assert_eq!([10, 30].map(|seconds| usual.within(Duration::from_secs(seconds))), [usual, usual]);
        let longer = usual.within(Duration::from_secs(60));
        assert_eq!([longer.dns, longer.tcp, longer.tls, longer.http].map(|time| time.as_secs()), [10, 10, 10, 50]);
        assert_eq!(usual.within(Duration::from_secs(3600)).tcp, DIAL_TIMEOUT);
        let hasty = Timeouts { tls: Duration::from_secs(3), ..usual };
        assert_eq!((hasty.within(USUAL_CHECK).tls, hasty.within(USUAL_CHECK * 2).tls), (hasty.tls, HANDSHAKE_TIMEOUT));
        let set = Timeouts { http: Duration::from_secs(55), ..usual };
        assert_eq!(set.within(Duration::from_secs(60)).http, set.http);
    }
}
