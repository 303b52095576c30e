//! The schedule in paused time: only what is waited for takes any.

use std::sync::Mutex;

use tokio::time::sleep;

use super::*;

mod places;

/// How a target behaves.
#[derive(Clone, Copy)]
enum Manner {
    Takes(Duration),
    Hangs,
    Panics,
    /// Answers, and is not to be asked again for so long.
    Rests(Duration),
}

struct Fake {
    manners: Mutex<BTreeMap<&'static str, (Manner, Duration)>>,
    started: Instant,
    /// What happened and when, in order.
    log: Arc<Mutex<Vec<(Duration, String)>>>,
    active: Arc<Mutex<(usize, usize)>>,
    rests: Arc<Mutex<BTreeMap<String, Instant>>>,
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

impl Fake {
    fn new(manners: &[(&'static str, Manner, u64)]) -> Arc<Self> {
        let manners = manners.iter().map(|(name, manner, interval)| (*name, (*manner, seconds(*interval)))).collect();
        let (log, active, rests) = (Arc::default(), Arc::default(), Arc::default());
        Arc::new(Self { manners: Mutex::new(manners), started: Instant::now(), log, active, rests })
    }

    fn note(&self, what: String) {
        self.log.lock().unwrap().push((self.started.elapsed(), what));
    }

    /// When this happened.
    fn times(&self, what: &str) -> Vec<Duration> {
        self.log.lock().unwrap().iter().filter(|(_, noted)| noted == what).map(|(at, _)| *at).collect()
    }
}

impl Prober for Fake {
    type Target = String;

    fn targets(&self) -> BoxFuture<'_, Vec<Job<String>>> {
        let manners = self.manners.lock().unwrap();
        let job = |(name, (_, interval)): (&&str, &(Manner, Duration))| {
            let not_before = self.rests.lock().unwrap().get(*name).copied();
            Job {
                target: (*name).to_owned(),
                interval: *interval,
                not_before,
                urgency: match *name {
                    name if name.starts_with("background") => Urgency::Background,
                    name if name.starts_with("awaited") => Urgency::Awaited,
                    _ => Urgency::Usual,
                },
            }
        };
        let jobs = manners.iter().map(job).collect();
        async move { jobs }.boxed()
    }

    fn probe(&self, Job { target, .. }: Job<String>) -> BoxFuture<'static, ()> {
        self.note(format!("probe {target}"));
        let manner = self.manners.lock().unwrap()[target.as_str()].0;
        let (active, rests) = (Arc::clone(&self.active), Arc::clone(&self.rests));
        async move {
            {
                let mut active = active.lock().unwrap();
                active.0 += 1;
                active.1 = active.1.max(active.0);
            }
            match manner {
                Manner::Takes(time) => sleep(time).await,
                Manner::Rests(time) => drop(rests.lock().unwrap().insert(target, Instant::now() + time)),
                Manner::Hangs => std::future::pending().await,
                Manner::Panics => panic!("as it was told"),
            }
            active.lock().unwrap().0 -= 1;
        }
        .boxed()
    }

    fn owner(&self, target: &String) -> String {
        target.split('/').next().unwrap_or_default().to_owned()
    }

    fn out_of_time(&self, target: String) {
        self.note(format!("late {target}"));
    }

    fn at_fault(&self, target: String, _: &Fault) {
        self.note(format!("fault {target}"));
        panic!("as it was told");
    }

    fn round_over(&self, _: Duration) {
        self.note("over".into());
    }
}

fn schedule() -> Schedule {
    let epoch = seconds(1_795_168_800);
    Schedule {
        node: "worker-3".into(),
        epoch,
        concurrency: 2,
        deadline: seconds(30),
        spread_start: true,
        reread: seconds(60),
    }
}

async fn run_for(fake: &Arc<Fake>, schedule: Schedule, time: Duration) {
    let stop = CancellationToken::new();
    let running = tokio::spawn(run(schedule, Arc::clone(fake), stop.clone()));
    sleep(time).await;
    stop.cancel();
    running.await.unwrap();
}

const QUICK: Manner = Manner::Takes(Duration::from_millis(10));

#[tokio::test(start_paused = true)]
async fn each_target_is_probed_within_half_its_interval_and_then_at_its_own_interval() {
    let fake = Fake::new(&[("a", QUICK, 60), ("b", QUICK, 300)]);
    run_for(&fake, schedule(), seconds(3_600)).await;
    let (a, b) = (fake.times("probe a"), fake.times("probe b"));
    assert!(a[0] <= seconds(30) && b[0] <= seconds(150));
    assert!((59..=61).contains(&a.len()) && (11..=13).contains(&b.len()), "{} {}", a.len(), b.len());
    let gaps: Vec<_> = a.windows(2).skip(1).map(|pair| pair[1].abs_diff(pair[0])).collect();
    assert!(gaps.iter().all(|gap| gap.abs_diff(seconds(60)) < Duration::from_millis(50)), "{gaps:?}");
    assert!(a[1].abs_diff(a[0]) >= seconds(29));
}

#[tokio::test(start_paused = true)]
async fn nodes_probe_the_same_target_at_different_times_and_a_restart_keeps_the_phase() {
    let phase = async |node: &str, epoch: u64| {
        let fake = Fake::new(&[("a", QUICK, 60)]);
        run_for(&fake, Schedule { node: node.into(), epoch: seconds(epoch), ..schedule() }, seconds(600)).await;
        (fake.times("probe a")[3].as_millis() + u128::from(epoch) * 1_000) % 60_000
    };
    let first = phase("worker-1", 1_000_000).await;
    let restarted = phase("worker-1", 1_000_017).await;
    assert!(first.abs_diff(restarted) < 50, "{first} {restarted}");
    let mut phases = Vec::new();
    for node in 0..20 {
        phases.push(phase(&format!("worker-{node}"), 1_000_000).await / 15_000);
    }
    assert!((0..4).all(|quarter| phases.contains(&quarter)), "{phases:?}");
}

#[tokio::test(start_paused = true)]
async fn the_first_round_is_of_what_somebody_asked_for_and_over_at_the_deadline_even_if_all_hang() {
    let mut earlier = 0;
    for node in 0..8 {
        let fake = Fake::new(&[("a", Manner::Hangs, 60), ("b", QUICK, 60), ("background", QUICK, 4)]);
        run_for(&fake, Schedule { node: format!("worker-{node}"), ..schedule() }, seconds(61)).await;
        let (began, over) = (fake.times("probe a")[0], fake.times("over"));
        assert!(over[0] >= began + seconds(30) && over[0] <= began + seconds(31), "{:?}", fake.log);
        assert_eq!(fake.times("late a").len(), 1);
        earlier += usize::from(fake.times("probe background")[0] < began);
    }
    assert!(earlier >= 4, "{earlier}");
    let idle = Fake::new(&[]);
    run_for(&idle, schedule(), seconds(4)).await;
    assert_eq!(idle.times("over").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_first_cycle_is_over_when_each_target_had_its_first_turn_and_not_when_the_first_due_one_had() {
    for node in 0..8 {
        let fake = Fake::new(&[("a", QUICK, 60), ("b", QUICK, 1_800), ("background", QUICK, 86_400)]);
        run_for(&fake, Schedule { node: format!("worker-{node}"), ..schedule() }, seconds(901)).await;
        let (b, over) = (fake.times("probe b")[0], fake.times("over"));
        assert!(over[0] >= b && over[0] <= b + seconds(1), "{b:?} {over:?}");
        let after = fake.times("probe a").iter().filter(|at| **at > over[0]).count();
        assert!((after..=after + 1).contains(&(over.len() - 1)), "a round is told once: {after} {over:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_cycle_waits_for_nothing_that_is_gone_or_held_back() {
    let fake = Fake::new(&[("a", QUICK, 60), ("gone", QUICK, 1_800), ("held", QUICK, 1_800)]);
    let schedule = Schedule { reread: seconds(1), ..schedule() };
    let running = tokio::spawn(run(schedule, Arc::clone(&fake), CancellationToken::new()));
    tokio::task::yield_now().await;
    assert!(fake.times("probe gone").is_empty() && fake.times("probe held").is_empty(), "{:?}", fake.log);
    fake.manners.lock().unwrap().remove("gone");
    fake.rests.lock().unwrap().insert("held".to_owned(), Instant::now() + seconds(86_400));
    sleep(seconds(35)).await;
    assert_eq!(fake.times("over").len(), 1, "{:?}", fake.log);
    running.abort();
}

#[tokio::test(start_paused = true)]
async fn a_later_round_that_is_over_sooner_does_not_stand_for_the_first() {
    let fake = Fake::new(&[("a", Manner::Takes(seconds(20)), 5), ("b", QUICK, 5)]);
    run_for(&fake, schedule(), seconds(40)).await;
    assert!(fake.times("probe b").len() >= 4);
    assert!(fake.times("over")[0] >= seconds(20), "{:?}", fake.times("over"));
}

#[tokio::test(start_paused = true)]
async fn targets_whose_intervals_are_multiples_are_due_together() {
    let fake = Fake::new(&[("a", QUICK, 60), ("b", QUICK, 300)]);
    run_for(&fake, schedule(), seconds(3_600)).await;
    let a = fake.times("probe a");
    assert!(
        fake.times("probe b").iter().all(|at| a.iter().any(|other| other.abs_diff(*at) < Duration::from_millis(50)))
    );
}

#[tokio::test(start_paused = true)]
async fn a_target_that_is_left_alone_is_probed_when_its_time_has_come_and_others_as_ever() {
    let fake = Fake::new(&[("a", Manner::Rests(seconds(900)), 60), ("b", QUICK, 60)]);
    run_for(&fake, schedule(), seconds(3_600)).await;
    let a = fake.times("probe a");
    let gaps: Vec<u64> = a.windows(2).map(|pair| pair[1].abs_diff(pair[0]).as_secs()).collect();
    assert!(gaps.len() == 3 && gaps.iter().all(|gap| (900..=930).contains(gap)), "{gaps:?}");
    assert!(fake.times("probe b").len() >= 59);
}

#[tokio::test(start_paused = true)]
async fn a_target_that_is_gone_is_probed_no_more_and_a_new_one_soon() {
    let fake = Fake::new(&[("a", QUICK, 60)]);
    let stop = CancellationToken::new();
    let running = tokio::spawn(run(schedule(), Arc::clone(&fake), stop.clone()));
    sleep(seconds(300)).await;
    *fake.manners.lock().unwrap() = [("b", (QUICK, seconds(60)))].into();
    let before = fake.times("probe a").len();
    sleep(seconds(300)).await;
    stop.cancel();
    running.await.unwrap();
    assert_eq!(fake.times("probe a").len(), before);
    assert!(fake.times("probe b").len() >= 3);
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_one_probe_is_the_loss_of_that_probe_only() {
    let fake = Fake::new(&[("a", Manner::Panics, 60), ("b", QUICK, 60)]);
    run_for(&fake, schedule(), seconds(600)).await;
    assert!(fake.times("probe a").len() >= 9 && fake.times("fault a").len() >= 9 && fake.times("probe b").len() >= 9);
    assert!(fake.times("over").len() >= 9 && fake.times("late a").is_empty());
}

/// The clock jumps, as it seems to a process that was stopped, or whose machine slept.
#[tokio::test(start_paused = true)]
async fn after_an_hour_of_sleep_each_target_is_probed_once_and_then_at_its_interval() {
    let fake = Fake::new(&[("a", QUICK, 60), ("b", QUICK, 60)]);
    let running = tokio::spawn(run(schedule(), Arc::clone(&fake), CancellationToken::new()));
    sleep(seconds(130)).await;
    let before = fake.times("probe a").len();
    tokio::time::advance(seconds(3_600)).await;
    sleep(seconds(5)).await;
    let after = fake.times("probe a").len();
    assert!((before + 1..=before + 2).contains(&after), "{before} {after}: {:?}", fake.times("probe a"));
    sleep(seconds(300)).await;
    assert!((4..=6).contains(&(fake.times("probe a").len() - after)), "{:?}", fake.times("probe a"));
    running.abort();
}

#[tokio::test(start_paused = true)]
async fn a_target_that_is_to_be_probed_more_often_is_due_at_once() {
    let fake = Fake::new(&[("a", QUICK, 300)]);
    let running = tokio::spawn(run(schedule(), Arc::clone(&fake), CancellationToken::new()));
    sleep(seconds(151)).await;
    assert_eq!(fake.times("probe a").len(), 1);
    fake.manners.lock().unwrap().insert("a", (QUICK, seconds(60)));
    sleep(seconds(61)).await;
    assert!(fake.times("probe a").len() >= 2, "{:?}", fake.times("probe a"));
    let before = fake.times("probe a").len();
    fake.manners.lock().unwrap().insert("a", (QUICK, seconds(300)));
    sleep(seconds(1_200)).await;
    assert!(fake.times("probe a").len() - before <= 5, "{:?}", fake.times("probe a"));
    running.abort();
}

#[tokio::test(start_paused = true)]
async fn background_targets_are_spread_and_none_is_missed() {
    let names: Vec<&'static str> = (0..40).map(|n| &*Box::leak(format!("background/{n}").into_boxed_str())).collect();
    let manners: Vec<_> = names.iter().map(|name| (*name, QUICK, 1_800)).collect();
    let fake = Fake::new(&manners);
    run_for(&fake, schedule(), seconds(4 * 1_800)).await;
    let all: Vec<Duration> = names.iter().flat_map(|name| fake.times(&format!("probe {name}"))).collect();
    for name in &names {
        let times = fake.times(&format!("probe {name}"));
        assert!((4..=5).contains(&times.len()), "{name}: {times:?}");
        assert!(times[0] <= seconds(901), "{name}: {times:?}");
    }
    let in_one_minute = |from: u64| all.iter().filter(|at| **at >= seconds(from) && **at < seconds(from + 60)).count();
    let most = (901..4 * 1_800).step_by(60).map(in_one_minute).max().unwrap();
    assert!(most <= 8, "{most} of 40 in one minute");
}

#[tokio::test(start_paused = true)]
async fn what_a_pod_waits_for_is_probed_at_once_and_then_at_this_nodes_own_time() {
    let mut seconds_of_minute = BTreeSet::new();
    for node in 0..20 {
        let fake = Fake::new(&[("a", QUICK, 300), ("awaited", QUICK, 60)]);
        run_for(&fake, Schedule { node: format!("worker-{node}"), ..schedule() }, seconds(300)).await;
        let awaited = fake.times("probe awaited");
        assert!(awaited[0] < seconds(1) && awaited.len() >= 5, "{awaited:?}");
        assert!(awaited[1].abs_diff(awaited[0]) <= seconds(61), "{awaited:?}");
        seconds_of_minute.insert(awaited[2].as_secs() % 60 / 10);
    }
    assert!(seconds_of_minute.len() >= 5, "{seconds_of_minute:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_held_to_one_time_on_every_node_is_spread_over_half_an_interval_after_it() {
    let mut tenths = BTreeSet::new();
    for node in 0..40 {
        let fake = Fake::new(&[("a", QUICK, 300), ("awaited", QUICK, 60)]);
        let until = Instant::now() + seconds(1_000);
        for name in ["a", "awaited"] {
            fake.rests.lock().unwrap().insert(name.to_owned(), until);
        }
        run_for(&fake, Schedule { node: format!("worker-{node}"), ..schedule() }, seconds(1_200)).await;
        let (usual, awaited) = (fake.times("probe a")[0], fake.times("probe awaited")[0]);
        assert!(usual >= seconds(1_000) && usual <= seconds(1_150), "{usual:?}");
        assert!(awaited >= seconds(1_000) && awaited <= seconds(1_030), "{awaited:?}");
        tenths.insert((usual.as_secs() - 1_000) / 15);
    }
    assert!(tenths.len() >= 9, "{tenths:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_let_go_before_its_time_is_spread_too_and_what_a_pod_waits_for_is_not() {
    let mut tenths = BTreeSet::new();
    for node in 0..40 {
        let fake = Fake::new(&[("a", QUICK, 300), ("awaited", QUICK, 60)]);
        for name in ["a", "awaited"] {
            fake.rests.lock().unwrap().insert(name.to_owned(), Instant::now() + seconds(9_000));
        }
        let stop = CancellationToken::new();
        let schedule = Schedule { node: format!("worker-{node}"), reread: seconds(1), ..schedule() };
        let running = tokio::spawn(run(schedule, Arc::clone(&fake), stop.clone()));
        sleep(seconds(1_000)).await;
        fake.rests.lock().unwrap().clear();
        sleep(seconds(200)).await;
        stop.cancel();
        running.await.unwrap();
        let (usual, awaited) = (fake.times("probe a")[0], fake.times("probe awaited")[0]);
        assert!(usual >= seconds(1_000) && usual <= seconds(1_152), "{usual:?}");
        assert!(awaited >= seconds(1_000) && awaited <= seconds(1_002), "{awaited:?}");
        tenths.insert((usual.as_secs() - 1_000) / 15);
    }
    assert!(tenths.len() >= 9, "{tenths:?}");
}

#[tokio::test(start_paused = true)]
async fn a_start_that_is_not_spread_begins_with_everything_but_the_background() {
    let fake = Fake::new(&[("a", QUICK, 60), ("b", QUICK, 24 * 3_600), ("background", QUICK, 1_800)]);
    run_for(&fake, Schedule { spread_start: false, ..schedule() }, seconds(1_000)).await;
    assert_eq!((fake.times("probe a")[0], fake.times("probe b")), (Duration::ZERO, vec![Duration::ZERO]));
    assert!(fake.times("probe background")[0] > seconds(1));
}

#[tokio::test(start_paused = true)]
async fn after_a_start_that_is_not_spread_nobody_waits_longer_than_an_interval() {
    for node in 0..20 {
        let fake = Fake::new(&[("a", QUICK, 60)]);
        let schedule = Schedule { node: format!("worker-{node}"), spread_start: false, ..schedule() };
        run_for(&fake, schedule, seconds(600)).await;
        let gaps: Vec<Duration> = fake.times("probe a").windows(2).map(|pair| pair[1].abs_diff(pair[0])).collect();
        let usual = seconds(26)..=seconds(61);
        assert!(gaps.len() >= 9 && gaps.iter().all(|gap| usual.contains(gap)), "{gaps:?}");
        assert!(gaps[2..].iter().all(|gap| gap.abs_diff(seconds(60)) < Duration::from_millis(50)), "{gaps:?}");
    }
}
