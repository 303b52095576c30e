//! Who keeps a place at the port, and who is cut where there are too many: one of the source that has the most.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::task::AbortHandle;
use tokio_util::task::TaskTracker;

/// Scrapers, probes of kubelet and some people. Each may hold an answer of a MB that it does not read.
pub const CONNECTIONS: usize = 32;
/// Handshakes that are not over: they hold no answer, but up to 64 KiB of a greeting. Twice as many as connections, so
/// that whoever has a place there does not wait for those who only begin.
pub const HANDSHAKES: usize = 64;

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Its first message is not there yet: it cost whoever opened it a few bytes.
    Greeting,
    /// It was answered, and has to show what it made of that.
    Shaking,
    /// It asks, or is answered.
    Asking,
}

/// Whoever can have one address can have many of it.
type Source = IpAddr;

/// IPv6 gives everybody 2^64 addresses.
fn source(address: IpAddr) -> Source {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[derive(Debug)]
struct Place {
    number: u64,
    source: Source,
    stage: Stage,
    task: AbortHandle,
}

/// The connections that are open.
#[derive(Debug, Default)]
pub struct Places {
    pub tasks: TaskTracker,
    /// The oldest first, and how many there were so far.
    open: Mutex<(Vec<Place>, u64)>,
}

/// The place of one connection.
#[derive(Clone, Debug)]
pub struct Held {
    places: Arc<Places>,
    number: u64,
}

impl Held {
    pub fn has_come_to(&self, stage: Stage) {
        let mut open = self.places.lock();
        if let Some(place) = open.0.iter_mut().find(|place| place.number == self.number) {
            place.stage = stage;
        }
        cut(&mut open.0, stage);
    }
}

impl Places {
    fn lock(&self) -> std::sync::MutexGuard<'_, (Vec<Place>, u64)> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Serves one more. Whoever holds places and asks nothing must not keep out who asks, or kubelet would take the
    /// agent for dead.
    pub fn add<F: Future<Output = ()> + Send + 'static>(
        self: &Arc<Self>,
        from: IpAddr,
        stage: Stage,
        served: impl FnOnce(Held) -> F,
    ) {
        let mut open = self.lock();
        open.1 += 1;
        let number = open.1;
        let task = self.tasks.spawn(served(Held { places: Arc::clone(self), number })).abort_handle();
        open.0.push(Place { number, source: source(from), stage, task });
        cut(&mut open.0, stage);
    }
}

/// One of this stage is new: one of those that share its places goes, if they are too many.
fn cut(open: &mut Vec<Place>, stage: Stage) {
    open.retain(|place| !place.task.is_finished());
    let is_asking = stage == Stage::Asking;
    let most = if is_asking { CONNECTIONS } else { HANDSHAKES };
    while open.iter().filter(|place| (place.stage == Stage::Asking) == is_asking).count() > most {
        let Some(at) = dispensable(open, is_asking) else { return };
        open.remove(at).task.abort();
    }
}

/// The oldest of the source that has the most, and there of those who have come as far as most of them.
fn dispensable(open: &[Place], is_asking: bool) -> Option<usize> {
    let rivals = || open.iter().filter(|place| (place.stage == Stage::Asking) == is_asking);
    let of = |source: Source| rivals().filter(move |place| place.source == source);
    let alike = |one: &Place| of(one.source).filter(|place| place.stage == one.stage).count();
    // Of several that come out as high the last one counts: they are gone through from the newest.
    let crowded = rivals().rev().max_by_key(|place| (of(place.source).count(), alike(place)))?;
    open.iter().position(|place| place.source == crowded.source && place.stage == crowded.stage)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    /// Which connections are left: those of `from` come one after the other, and each lasts.
    async fn left(from: impl IntoIterator<Item = (IpAddr, Stage)>) -> Vec<usize> {
        let places = Arc::new(Places::default());
        for (address, stage) in from {
            places.add(address, stage, |_| std::future::pending());
        }
        tokio::task::yield_now().await;
        let open = places.lock();
        open.0.iter().map(|place| usize::try_from(place.number).unwrap() - 1).collect()
    }

    #[tokio::test]
    async fn the_oldest_of_the_crowd_goes_and_nobody_else() {
        let alone = left((0..100).map(|_| (at(1), Stage::Asking))).await;
        assert_eq!(alone, (100 - CONNECTIONS..100).collect::<Vec<_>>());
        // Others stay, however old they are, and whatever the crowd does.
        for stage in [Stage::Asking, Stage::Greeting, Stage::Shaking] {
            let others = (2..6).map(|last| (at(last), stage));
            let kept = left(others.chain((0..1_000).map(|_| (at(1), stage)))).await;
            assert_eq!(kept[..4], [0, 1, 2, 3], "{stage:?}");
            assert_eq!(kept.len(), if stage == Stage::Asking { CONNECTIONS } else { HANDSHAKES });
        }
        // Handshakes take nobody's place who asks.
        let both = (0..500).map(|nth| (at(1), if nth < 10 { Stage::Asking } else { Stage::Greeting }));
        assert_eq!(left(both).await[..10], (0..10).collect::<Vec<_>>());
        // Each from elsewhere: the oldest goes.
        let many = left((0..=u8::try_from(HANDSHAKES).unwrap()).map(|last| (at(last), Stage::Greeting))).await;
        assert_eq!(many, (1..=HANDSHAKES).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn of_one_source_those_go_who_have_come_as_far_as_most_of_them() {
        let far = [(at(1), Stage::Shaking); 3];
        let kept = left(far.into_iter().chain((0..500).map(|_| (at(1), Stage::Greeting)))).await;
        assert_eq!(kept[..3], [0, 1, 2], "who begins handshakes and says nothing cuts nobody who goes on with one");
        let begun = [(at(1), Stage::Greeting); 3];
        let kept = left(begun.into_iter().chain((0..500).map(|_| (at(1), Stage::Shaking)))).await;
        assert_eq!(kept[..3], [0, 1, 2], "and the other way round");
    }

    #[tokio::test]
    async fn who_goes_on_moves_to_other_places() {
        let places = Arc::new(Places::default());
        let (send, mut held) = tokio::sync::mpsc::unbounded_channel();
        for _ in 0..HANDSHAKES {
            let send = send.clone();
            places.add(at(1), Stage::Greeting, |held| {
                drop(send.send(held));
                std::future::pending()
            });
        }
        for _ in 0..HANDSHAKES {
            held.recv().await.unwrap().has_come_to(Stage::Asking);
        }
        assert_eq!(places.lock().0.len(), CONNECTIONS);
    }

    #[test]
    fn a_source_is_an_address_or_a_network_of_them() {
        let of = |address: &str| source(address.parse().unwrap());
        assert_eq!(of("2001:db8::1:2:3:4"), of("2001:db8::5"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }
}
