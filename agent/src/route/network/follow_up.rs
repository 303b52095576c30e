//! Follow-up connections after a failure, to find out what the first one did not show: the host's clock if a
//! certificate is out of date, the cipher suites if a handshake is refused, the text of an answer that is no HTTP.

use std::time::Duration;

use go::http1;
use jiff::Timestamp;
use tokio::time::error::Elapsed;
use tokio::time::timeout;

use super::{Destination, Network, Route};
use crate::cause::Cause;
use crate::model::host::{Endpoint, RegistryHost, Scheme};
use crate::model::namespace::HANDSHAKE_TIMEOUT;
use crate::model::outcome::{Failure, Mark, Outcome, Step};
use crate::redact::clip::clip;
use crate::route::usage::RequestKind;
use crate::tls::TlsSetup;
use crate::tls::client_hello::{self, Offer};

/// How long a follow-up waits for a server that said nothing before.
const PATIENCE: Duration = Duration::from_secs(2);
/// The longest handshake message that rustls reads, in bytes.
const RUSTLS_LIMIT: usize = 65_536;

impl Network {
    /// The failure of a handshake after the follow-up. The TLS stage of the route then reports the same.
    pub(super) async fn follow_up(
        &self,
        to: &Destination<'_>,
        route: &mut Route,
        setup: &TlsSetup,
        failure: Failure,
    ) -> Failure {
        let failure = match failure.cause {
            _ if failure.inconclusive => failure,
            Cause::TlsProtocol if failure.is_marked(Mark::Oversized) => {
                self.as_long_as_go_reads(to, route, setup, failure).await
            }
            Cause::TlsExpired | Cause::TlsNotYetValid => self.by_both_clocks(to, route, setup, failure).await,
            Cause::TlsProtocol | Cause::TlsClosed | Cause::TlsTimeout => {
                self.with_gos_suites(to, route, setup, failure).await
            }
            _ => return failure,
        };
        if failure.inconclusive {
            route.tls = Step::skipped(failure.skip());
        } else if let Outcome::Failed(shown, _) = &mut route.tls.outcome {
            shown.clone_from(&failure);
        }
        failure
    }

    /// containerd has cipher suites that pullprobe has not. A server that takes only one of those would serve
    /// containerd, but pullprobe cannot see what it would answer.
    async fn with_gos_suites(
        &self,
        to: &Destination<'_>,
        route: &Route,
        setup: &TlsSetup,
        failure: Failure,
    ) -> Failure {
        let own = Offer::of(self.version.go());
        let patience = self.patience(&failure);
        let taken = match self.taken_of(&own, to, route, setup, patience).await {
            Ok(taken) => taken,
            Err(_) if failure.cause == Cause::TlsTimeout => None,
            Err(_) => {
                let detail = format!(
                    "{}; asked once more, it did not say within {patience:?} whether it takes what containerd offers",
                    failure.detail
                );
                return Failure { detail: clip(detail).into(), inconclusive: true, ..failure };
            }
        };
        if let Some(what) = self.taken_of_another_build(&own, (taken, patience), to, route, setup).await {
            let detail = format!(
                "the server takes {what}, which the project's builds of containerd do not offer, and others may"
            );
            let fix = format!(
                "Name the build that runs here: `--containerd-version v{}` is the project's. A server that takes what that \
                 one offers serves every build.",
                self.version
            );
            return Failure { detail: detail.into(), inconclusive: true, ..failure }.fixed_by(fix);
        }
        match taken {
            Some(suite) if client_hello::is_beyond_us(suite) => {
                let name = client_hello::name(suite);
                let detail = format!("the server takes {name}, which containerd has and pullprobe has not");
                Failure { detail: detail.into(), inconclusive: true, ..failure }
            }
            Some(_) if self.passes_again(to, route, setup, &failure).await => self.passing(failure),
            Some(_) => {
                let detail = format!("{}; a smaller ClientHello without TLS 1.3 is answered", failure.detail);
                Failure { detail: clip(detail).into(), ..failure }
            }
            None => failure,
        }
    }

    /// Where nothing tells who built this containerd: whether the server serves one that was built without the
    /// project's settings of Go, and why it does. `taken`: the suite that it took of the project's `own` offer in TLS
    /// 1.2, and how long it has for the next.
    async fn taken_of_another_build(
        &self,
        own: &Offer,
        (taken, patience): (Option<u16>, Duration),
        to: &Destination<'_>,
        route: &Route,
        setup: &TlsSetup,
    ) -> Option<String> {
        let version = self.version.with_oldest_settings();
        let others = Offer::of(version.go());
        if !self.version.is_open_to(others != *own) {
            return None;
        }
        if taken.is_none()
            && let Ok(Some(suite)) = self.taken_of(&others, to, route, setup, patience).await
        {
            return Some(others.beyond(own, Some(suite)));
        }
        if others.has_same_keys_and_signatures(own) {
            return None;
        }
        let setup = TlsSetup::new(version, version.go().offers_mlkem(), &self.trust, to.tls, self.clock()).ok()?;
        self.shakes_hands(to, route, &setup, patience).await.then(|| others.beyond(own, None))
    }

    /// A way that broke off before the handshake, at a proxy: newer containerds try the last host again.
    pub(super) async fn tried_again(
        &self,
        to: &Destination<'_>,
        route: &mut Route,
        setup: &TlsSetup,
        failure: Failure,
    ) -> Failure {
        if failure.inconclusive || !self.passes_again(to, route, setup, &failure).await {
            return failure;
        }
        let failure = self.passing(failure);
        route.proxy = Step::skipped(failure.skip());
        failure
    }

    async fn passes_again(&self, to: &Destination<'_>, route: &Route, setup: &TlsSetup, failure: &Failure) -> bool {
        self.is_repeated(failure) && self.shakes_hands(to, route, setup, self.patience(failure)).await
    }

    fn passing(&self, failure: Failure) -> Failure {
        let detail = format!(
            "{}; the same passed a moment later, and containerd {} tries the last host several times",
            failure.detail, self.version
        );
        Failure { detail: clip(detail).into(), inconclusive: true, ..failure }.fixed_by(
            "Ask again: what passes every other time is a server, or one of several behind a name, that is overloaded or \
             dead.",
        )
    }

    /// Whether this containerd tries the last host again after such a failure.
    fn is_repeated(&self, failure: &Failure) -> bool {
        let is_passing = failure.cause == Cause::TlsTimeout || failure.is_marked(Mark::Eof);
        is_passing && self.version.retries_transport_errors()
    }

    /// A server that was silent is silent again. One that refused has an answer, however slow it is.
    fn patience(&self, failure: &Failure) -> Duration {
        let silent = failure.cause == Cause::TlsTimeout;
        self.timeouts.tls.min(if silent { PATIENCE } else { HANDSHAKE_TIMEOUT })
    }

    async fn shakes_hands(&self, to: &Destination<'_>, route: &Route, setup: &TlsSetup, patience: Duration) -> bool {
        let shaken = async {
            let mut again = Route::begin(&route.endpoint);
            let (stream, _) = self.connect(to, &mut again, setup).await.ok()?;
            self.secure(&mut again, stream, setup).await.ok()
        };
        timeout(patience, shaken).await.is_ok_and(|shaken| shaken.is_some())
    }

    async fn taken_of(
        &self,
        offer: &Offer,
        to: &Destination<'_>,
        route: &Route,
        setup: &TlsSetup,
        patience: Duration,
    ) -> Result<Option<u16>, Elapsed> {
        let mut again = Route::begin(&route.endpoint);
        let Ok((stream, _)) = self.connect(to, &mut again, setup).await else { return Ok(None) };
        client_hello::choice(stream, route.endpoint.host(), offer, patience).await
    }

    /// More certificates than pullprobe reads: whether containerd reads them goes by their length.
    async fn as_long_as_go_reads(
        &self,
        to: &Destination<'_>,
        route: &Route,
        setup: &TlsSetup,
        failure: Failure,
    ) -> Failure {
        let mut again = Route::begin(&route.endpoint);
        let offer = Offer::of(self.version.go());
        let length = match self.connect(to, &mut again, setup).await {
            Ok((stream, _)) => {
                client_hello::certificates(stream, route.endpoint.host(), &offer, self.timeouts.tls).await
            }
            Err(_) => None,
        };
        let limit = self.version.go().certificates_limit();
        let failure = failure
            .summarized(
                "The server sends a whole bundle of certificates where its own and the intermediates are wanted.",
            )
            .fixed_by(
                "Have the server send its own certificate and the intermediates only, without a bundle of roots behind \
                 them (`ssl_certificate` in nginx; `openssl s_client -connect HOST:PORT -showcerts` counts them).",
            );
        if length.is_some_and(|length| length <= limit) || (length.is_none() && limit > RUSTLS_LIMIT) {
            return Failure { inconclusive: true, ..failure };
        }
        let length = length.map_or_else(|| format!("over {RUSTLS_LIMIT}"), |length| length.to_string());
        let detail = format!("the server sends {length} bytes of certificates, and containerd reads at most {limit}");
        Failure { detail: detail.into(), ..failure }.with_go_message(format!(
            "tls: handshake message of length {length} bytes exceeds maximum of {limit} bytes"
        ))
    }

    /// A certificate that is out of its time by this node's clock, and in it by the host's own: then the
    /// clocks are the trouble. The host is asked for its time on a connection that verifies nothing and
    /// carries nothing; what it says counts only if all else about its certificate is right.
    async fn by_both_clocks(&self, to: &Destination<'_>, route: &Route, setup: &TlsSetup, failure: Failure) -> Failure {
        let now = self.clock();
        let Some(theirs) = self.time_of(to, &route.endpoint, setup).await else { return failure };
        let (mut again, Ok(then)) = (Route::begin(&route.endpoint), setup.at(theirs)) else { return failure };
        let Ok((stream, _)) = self.connect(to, &mut again, setup).await else { return failure };
        if self.secure(&mut again, stream, &then).await.is_err() {
            return failure;
        }
        let seconds = theirs.duration_since(now).as_secs();
        let detail = format!(
            "{}; by the host's clock it is {theirs}, {} s {} this node's, and there the certificate is good",
            failure.detail,
            seconds.unsigned_abs(),
            if seconds < 0 { "behind" } else { "ahead of" }
        );
        let suspected = failure.cause;
        let failure = Failure { cause: Cause::ClockSkew, detail: clip(detail).into(), ..failure };
        failure.or_maybe(&[suspected])
    }

    async fn time_of(&self, to: &Destination<'_>, endpoint: &Endpoint, setup: &TlsSetup) -> Option<Timestamp> {
        let mut route = Route::begin(endpoint);
        let lenient = setup.unverified(self.clock()).ok()?;
        let (stream, _) = self.connect(to, &mut route, setup).await.ok()?;
        self.usage.request(endpoint, RequestKind::Ping);
        let stream = self.secure(&mut route, stream, &lenient).await.ok()?;
        http1::date(stream, &endpoint.authority, self.timeouts.http).await
    }

    /// An answer that is no HTTP is looked at once more, for what it is.
    pub async fn unreadable(&self, endpoint: &Endpoint, host: &RegistryHost, failure: Failure) -> Failure {
        if !failure.is_marked(Mark::NoHttp) {
            return failure;
        }
        let led_by = (endpoint.authority != host.endpoint.authority).then_some(host);
        let destination =
            Destination { endpoint: endpoint.clone(), http_fallback: false, led_by, ..Destination::of(host) };
        let head = self.head(&destination, endpoint).await;
        if endpoint.scheme == Scheme::Http && http1::is_tls(&head) {
            let failure = Failure { cause: Cause::HttpToTlsPort, ..failure };
            let detail = "plain HTTP was sent to a TLS port".to_owned();
            return Failure { detail: detail.into(), ..failure }
                .with_go_message(http1::head::go_message(&head).unwrap_or_default());
        }
        if let Some(go_message) = http1::head::go_message(&head) {
            return failure.with_go_message(go_message);
        }
        let detail = format!("{}; containerd may read what pullprobe cannot", failure.detail);
        Failure { detail: clip(detail).into(), inconclusive: true, ..failure }
    }

    /// What a host says that its client could not read as HTTP: the head of its answer.
    async fn head(&self, to: &Destination<'_>, endpoint: &Endpoint) -> Vec<u8> {
        let mut route = Route::begin(endpoint);
        let Ok(setup) = self.setup(to) else { return Vec::new() };
        let Ok((stream, _)) = self.connect(to, &mut route, &setup).await else { return Vec::new() };
        match self.secure(&mut route, stream, &setup).await {
            Ok(stream) => http1::head(stream, &endpoint.authority, self.timeouts.http).await,
            Err(_) => Vec::new(),
        }
    }
}
