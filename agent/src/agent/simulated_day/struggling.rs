//! Hours with a registry that struggles: how often it is asked, and what is shown meanwhile.

use super::*;
use crate::cause::Cause;
use crate::model::host::EndpointKey;
use crate::model::ratelimit::Limiter;
use crate::state::back_off::BackOff;

const MINUTE: u64 = 60;
/// The registry is probed every minute, its images every five.
const IMAGE_INTERVAL: u64 = 5 * MINUTE;
/// Time goes on by steps, and what is due in one is seen at its end.
const STEPS: u64 = 2 * 20;

fn world(images: usize) -> World {
    World::with(images, None, "interval: 60s", IMAGE_INTERVAL)
}

fn gaps(times: &[u64]) -> Vec<u64> {
    times.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

/// The times at which anything was asked: what falls into one step is one.
fn looks(times: &[u64]) -> Vec<u64> {
    times.iter().copied().collect::<BTreeSet<_>>().into_iter().collect()
}

fn host(snapshot: &Snapshot) -> (EndpointKey, Option<BackOff>) {
    let key = snapshot.endpoints.keys().next().expect("one host").clone();
    let back_off = snapshot.endpoint_back_off(&key).copied();
    (key, back_off)
}

#[test]
fn hours_of_503_are_asked_through_at_eight_times_the_interval_and_end_with_the_first_answer() {
    in_paused_time(async {
        let mut world = world(3);
        world.registry.add_fault(Fault::on(Kind::Any).status(503));
        let snapshot = world.live(4 * HOUR).await;
        // Two, four, and then eight minutes: 32 times in four hours instead of 240.
        let pings = gaps(&world.pings);
        assert!((28..=33).contains(&world.pings.len()), "{} pings: {pings:?}", world.pings.len());
        let expected = [2, 4, 8, 8, 8].map(|minutes| minutes * MINUTE);
        // The first round is not at a slot of the schedule.
        assert!(pings[1..6].iter().zip(&expected[1..]).all(|(gap, due)| gap.abs_diff(*due) <= STEPS), "{pings:?}");
        // An image walk is one request here: no credential, no token. Ten, twenty, and then thirty minutes.
        let walks = world.manifests.len();
        assert!((3 * 7..=2 * 3 * 10).contains(&walks), "{walks} requests: {:?}", looks(&world.manifests));
        assert!(looks(&world.manifests).len() <= 10, "{:?}", looks(&world.manifests));

        let (key, back_off) = host(&snapshot);
        let back_off = back_off.expect("it backs off");
        assert_eq!((back_off.reason, back_off.factor, back_off.asked), (Cause::RegistryError, 8, false));
        assert!(back_off.next_probe_at.duration_since(clock()).as_secs() <= 8 * 60);
        assert!(clock().duration_since(back_off.since).as_secs() > 3 * 3_600, "{back_off:?}");
        // The last result stands, with its own time.
        let report = &snapshot.endpoints[&key];
        assert_eq!(report.failure().map(|failure| failure.cause), Some(Cause::RegistryError));
        assert!(report.started_at < clock());
        let image = snapshot.images.values().next().unwrap();
        assert_eq!(image.verdict.cause, Some(Cause::RegistryError));
        assert!(snapshot.image_back_off(image).is_some_and(|back_off| back_off.factor >= 2));
    });
}

#[test]
fn the_first_answer_brings_the_usual_interval_back_for_the_host_and_its_images() {
    in_paused_time(async {
        let mut world = world(3);
        world.registry.add_fault(Fault::on(Kind::Any).status(503));
        let agent = world.agent().await;
        world.live_with(&agent, HOUR).await;
        world.registry.set_faults(Vec::new());
        let recovered = seconds_of_day();
        let snapshot = world.live_with(&agent, recovered + 30 * MINUTE).await;
        let first = *world.pings.iter().find(|at| **at > recovered).unwrap();
        assert!(first - recovered <= 8 * MINUTE + STEPS, "{first} {recovered}");
        let after: Vec<u64> = world.pings.iter().copied().filter(|at| *at >= first).collect();
        assert!(gaps(&after).iter().all(|gap| *gap <= MINUTE + STEPS), "{:?}", gaps(&after));
        // The images did not wait for the end of their own half hour, and not all nodes ask for them at the same time.
        let image = *world.manifests.iter().find(|at| **at > recovered).unwrap();
        assert!(image <= first + IMAGE_INTERVAL / 2 + STEPS, "{image} {first}");
        assert_eq!((snapshot.back_offs.len(), told(&snapshot)), (0, 3), "{:?}", snapshot.back_offs);
    });
}

#[test]
fn images_that_fail_behind_an_open_door_are_asked_less_and_the_door_as_ever() {
    in_paused_time(async {
        let mut world = world(2);
        world.registry.add_fault(Fault::on(Kind::Manifest).path("*app0*").status(500));
        let snapshot = world.live(3 * HOUR).await;
        assert!(world.pings.len() >= 170, "{}", world.pings.len());
        let named = |number| snapshot.images.values().find(|image| image.requested.contains(number)).unwrap();
        assert_eq!(snapshot.image_back_off(named("app0")).map(|held| held.factor), Some(6), "half an hour");
        assert_eq!(snapshot.image_back_off(named("app1")), None);
        assert_eq!(named("app1").verdict.pullable, Some(true));
    });
}

/// How long the registry is left alone after its first refusal, with these headers.
async fn silence(status: u16, headers: &[(&str, &str)], hours: u64) -> u64 {
    let mut world = world(1);
    let refused = Fault::on(Kind::Any).status(status);
    world.registry.add_fault(headers.iter().fold(refused, |fault, (name, value)| fault.header(name, value)));
    let began = seconds_of_day();
    world.live(began + hours * HOUR).await;
    // A ladder and an image walk are under way in the first round: what comes after them.
    let asked = looks(&[world.pings.clone(), world.manifests.clone()].concat());
    let first = asked[0];
    asked.iter().find(|at| **at > first + STEPS).map_or(hours * HOUR, |at| at - first)
}

#[test]
fn retry_after_is_obeyed_in_seconds_and_as_a_date_and_not_believed_without_bounds() {
    in_paused_time(async {
        let hour = |silence: u64| (HOUR..=HOUR + 2 * MINUTE).contains(&silence);
        for status in [429, 503] {
            let seconds = silence(status, &[("retry-after", "3600")], 2).await;
            assert!(hour(seconds), "{status}: {seconds}");
        }
        // The registry's clock is five hours ahead of the node's: its date is as far ahead.
        let at = |hours: u64| {
            let at = clock() + Duration::from_secs(hours * HOUR);
            at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
        };
        let dated = silence(503, &[("date", &at(5)), ("retry-after", &at(6))], 2).await;
        assert!(hour(dated), "{dated}");
        let day = silence(429, &[("retry-after", "99999999999")], 8).await;
        assert!((6 * HOUR..=6 * HOUR + 2 * MINUTE).contains(&day), "{day}");
    });
}

#[test]
fn a_retry_after_that_says_nothing_is_as_good_as_none() {
    in_paused_time(async {
        for garbage in ["soon", "-1", "0", "1.5e9", "Sat, 99 Nov 2026 10:00:00 GMT", "1"] {
            let seconds = silence(429, &[("retry-after", garbage)], 1).await;
            assert!((MINUTE..=3 * MINUTE).contains(&seconds), "{garbage}: {seconds}");
        }
    });
}

#[test]
fn too_many_requests_are_repeated_at_once_unless_more_than_a_moment_is_asked_for() {
    in_paused_time(async {
        for (words, requests) in [
            ("too many requests", 2),
            ("retry-after: 880.092µs, allowed: 44000/minute", 2),
            ("retry-after: 30s, allowed: 44000/minute", 1),
        ] {
            let mut world = world(1);
            let refusal = Fault::on(Kind::Manifest).method("GET").error(429, "TOOMANYREQUESTS", words);
            world.registry.add_fault(refusal);
            world.live(seconds_of_day() + 3 * MINUTE).await;
            // A HEAD comes before.
            assert_eq!(world.manifests.len(), 1 + requests, "{words}");
        }
    });
}

#[test]
fn a_connection_that_is_refused_is_tried_at_every_interval() {
    in_paused_time(async {
        let mut world = world(1);
        let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        world.node.hosts_toml("hub.example", &format!("server = \"http://{nobody}\"\n")).unwrap();
        let snapshot = world.live(HOUR).await;
        let (key, back_off) = host(&snapshot);
        assert_eq!(back_off, None);
        assert!(snapshot.tally.probes[&key] >= 58, "{}", snapshot.tally.probes[&key]);
        let failure = snapshot.endpoints[&key].failure().map(|failure| failure.cause);
        assert_eq!(failure, Some(Cause::TcpRefused));
        assert!(world.pings.is_empty());
    });
}

#[test]
fn a_quota_that_is_used_up_is_told_from_too_many_requests_at_once() {
    in_paused_time(async {
        let told = |snapshot: &Snapshot| {
            let image = snapshot.images.values().next().unwrap();
            let seen = snapshot.rate_limits.values().next().expect("what the host said of its limit");
            assert_eq!(seen.limit, image.rate_limit);
            (image.verdict.cause, image.rate_limit.blocked_by)
        };
        let used_up = RateLimit { remaining: 0, ..RateLimit::default() };
        let mut world = World::with(1, Some(used_up), "interval: 60s", IMAGE_INTERVAL);
        let quota = world.live(seconds_of_day() + 3 * MINUTE).await;
        assert_eq!(told(&quota), (Some(Cause::RateLimited), Some(Limiter::Quota)));

        let mut world = World::with(1, Some(RateLimit::default()), "interval: 60s", IMAGE_INTERVAL);
        let burst = Fault::on(Kind::Manifest).status(429).header("retry-after", "5");
        world.registry.add_fault(burst);
        let burst = world.live(seconds_of_day() + 3 * MINUTE).await;
        assert_eq!(told(&burst), (Some(Cause::Throttled), Some(Limiter::Burst)));
    });
}
