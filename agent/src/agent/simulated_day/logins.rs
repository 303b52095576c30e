//! Hours with a login that the registry refuses: how often it is sent, and what ends that.

use super::*;
use crate::cause::Cause;

const MINUTE: u64 = 60;
const IMAGE_INTERVAL: u64 = 5 * MINUTE;
const RIGHT: &str = "right-password";

fn world(bearer: Bearer) -> World {
    let users = [("robot".to_owned(), RIGHT.to_owned())].into();
    let auth = Auth::Bearer(Bearer { users, private: vec!["*".into()], ..bearer });
    World::of(1, Config { auth, ..Config::default() }, "interval: 60s", IMAGE_INTERVAL)
}

fn offer(world: &World, password: &str) {
    world.node.kubelet_credentials(&[("hub.example", "robot", password)]).unwrap();
}

fn only(snapshot: &Snapshot) -> &ImageReport {
    snapshot.images.values().next().expect("one image")
}

#[test]
fn a_login_that_is_refused_is_sent_ever_less_often_until_it_is_another() {
    in_paused_time(async {
        let mut world = world(Bearer::default());
        offer(&world, "wrong-password");
        let agent = world.agent().await;
        let snapshot = world.live_with(&agent, 4 * HOUR).await;
        // Ten, twenty, and then thirty minutes: ten looks instead of 48, each a POST and a GET as containerd's.
        let sent = world.logins.len();
        assert!((2 * 8..=2 * 10).contains(&sent), "{sent}: {:?}", world.logins);
        let image = only(&snapshot);
        assert_eq!(image.verdict.cause, Some(Cause::CredentialsRejected));
        let held = snapshot.image_back_off(image).expect("it backs off");
        assert_eq!((held.reason, held.factor, held.asked), (Cause::CredentialsRejected, 6, false));
        // The registry itself is asked as ever: nobody's login is needed for that.
        assert!(world.pings.len() >= 230, "{}", world.pings.len());

        // A login for something else is no reason to send this one again.
        let both = [("hub.example", "robot", "wrong-password"), ("other.example", "robot", RIGHT)];
        world.node.kubelet_credentials(&both).unwrap();
        let before = world.logins.len();
        world.live_with(&agent, 4 * HOUR + 2 * IMAGE_INTERVAL).await;
        assert!(world.logins.len() <= before + 2, "{:?}", world.logins);

        let changed = seconds_of_day();
        offer(&world, RIGHT);
        let snapshot = world.live_with(&agent, changed + IMAGE_INTERVAL + MINUTE).await;
        assert_eq!(only(&snapshot).verdict.pullable, Some(true), "{:?}", only(&snapshot).verdict);
        assert_eq!(snapshot.image_back_off(only(&snapshot)), None);
        let before = world.manifests.len();
        let snapshot = world.live_with(&agent, changed + HOUR).await;
        assert!(world.manifests.len() >= before + 10, "it is probed at its interval again");
        assert!(snapshot.back_offs.is_empty(), "{:?}", snapshot.back_offs);
    });
}

/// A robot account whose password was mended at the registry.
#[test]
fn a_login_that_is_taken_again_ends_it() {
    in_paused_time(async {
        let mut world = world(Bearer::default());
        offer(&world, RIGHT);
        world.registry.add_fault(Fault::on(Kind::Token).status(401));
        let agent = world.agent().await;
        world.live_with(&agent, 2 * HOUR).await;
        world.registry.set_faults(Vec::new());
        let snapshot = world.live_with(&agent, 3 * HOUR).await;
        assert_eq!(only(&snapshot).verdict.pullable, Some(true));
        assert!(snapshot.back_offs.is_empty(), "{:?}", snapshot.back_offs);
    });
}

/// What is behind a door is not asked again because the door is open again.
#[test]
fn a_refused_login_waits_its_time_also_at_a_registry_that_comes_and_goes() {
    in_paused_time(async {
        let mut world = world(Bearer::default());
        offer(&world, "wrong-password");
        let agent = world.agent().await;
        for quarter in 1..=16 {
            let down = (quarter % 2 == 0).then(|| Fault::on(Kind::Ping).status(503));
            world.registry.set_faults(down.into_iter().collect());
            world.live_with(&agent, quarter * 15 * MINUTE).await;
        }
        let sent = world.logins.len();
        assert!((2 * 8..=2 * 10).contains(&sent), "{sent}: {:?}", world.logins);
    });
}
