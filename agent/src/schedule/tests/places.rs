//! Who gets a place, and who has to wait for it.

use super::*;

fn many(name: &str, count: usize) -> Vec<&'static str> {
    (0..count).map(|number| &*String::leak(format!("{name}{number:03}"))).collect()
}

fn gaps(times: &[Duration]) -> Vec<Duration> {
    times.windows(2).map(|pair| pair[1].abs_diff(pair[0])).collect()
}

fn since(times: &[Duration], first: Duration) -> Vec<Duration> {
    times.iter().copied().filter(|at| *at > first).collect()
}

#[tokio::test(start_paused = true)]
async fn targets_that_hang_delay_no_other_and_are_reported_as_late() {
    let hang = |name| (name, Manner::Hangs, 60);
    let fake = Fake::new(&[hang("a"), hang("b"), hang("c"), hang("d"), ("z", QUICK, 60)]);
    run_for(&fake, schedule(), seconds(600)).await;
    assert!(fake.times("probe z").len() >= 9, "{:?}", fake.times("probe z"));
    assert!(fake.times("probe z")[0] <= seconds(30 + 2));
    assert!(fake.times("late a").len() >= 5);
    let first = fake.times("late a")[0];
    assert!(first <= seconds(60), "{first:?}");
}

#[tokio::test(start_paused = true)]
async fn beside_two_hundred_that_hang_a_healthy_target_keeps_its_interval() {
    let names = many("silent-", 200);
    let mut manners: Vec<_> = names.iter().map(|name| (*name, Manner::Hangs, 60)).collect();
    manners.push(("healthy", QUICK, 5));
    let fake = Fake::new(&manners);
    run_for(&fake, Schedule { concurrency: 8, ..schedule() }, seconds(900)).await;
    let healthy = fake.times("probe healthy");
    let known = seconds(30 + 200 / 8 + 30);
    let gaps = gaps(&since(&healthy, known));
    assert!(gaps.len() > 150 && gaps.iter().all(|gap| *gap <= seconds(6)), "{gaps:?}");
    assert!(healthy[0] <= seconds(3 + 200 / 8 + 1), "{:?}", healthy[0]);
    assert!(names.iter().all(|name| fake.times(&format!("late {name}")).len() >= 3));
}

#[tokio::test(start_paused = true)]
async fn who_was_quick_does_not_wait_behind_those_of_whom_nothing_is_known_yet() {
    let names = many("new-", 250);
    let mut manners: Vec<_> = names.iter().map(|name| (*name, Manner::Hangs, 30)).collect();
    manners.push(("healthy", QUICK, 5));
    let fake = Fake::new(&manners);
    let at_once = Schedule { concurrency: 8, spread_start: false, ..schedule() };
    run_for(&fake, at_once, seconds(300)).await;
    let healthy = fake.times("probe healthy");
    let gaps = gaps(&healthy);
    assert!(gaps.len() > 55 && gaps.iter().all(|gap| *gap <= seconds(6)), "{gaps:?}");
}

#[tokio::test(start_paused = true)]
async fn hundreds_that_were_quick_and_begin_to_hang_delay_others_by_seconds() {
    let names = many("new-", 250);
    let mut manners: Vec<_> = names.iter().map(|name| (*name, QUICK, 30)).collect();
    manners.push(("healthy", QUICK, 5));
    let fake = Fake::new(&manners);
    let stop = CancellationToken::new();
    let running = tokio::spawn(run(Schedule { concurrency: 8, ..schedule() }, Arc::clone(&fake), stop.clone()));
    sleep(seconds(100)).await;
    fake.manners.lock().unwrap().extend(names.iter().map(|name| (*name, (Manner::Hangs, seconds(30)))));
    // What a pod comes to wait for when all of them hang for the second time.
    while fake.times("probe new-000").into_iter().filter(|at| *at > seconds(100)).count() < 2 {
        sleep(seconds(1)).await;
    }
    let came = Instant::now();
    fake.manners.lock().unwrap().insert("awaited", (QUICK, seconds(60)));
    sleep(seconds(100)).await;
    stop.cancel();
    running.await.unwrap();
    let healthy = fake.times("probe healthy");
    let gaps = gaps(&healthy);
    assert!(gaps.len() > 45 && gaps.iter().all(|gap| *gap <= seconds(8)), "{gaps:?}");
    let (asked, came) = (fake.times("probe awaited")[0], came - fake.started);
    assert!(asked <= came + seconds(10), "{came:?} {asked:?}");
}

/// As a registry on another continent.
#[tokio::test(start_paused = true)]
async fn beside_many_that_take_seconds_one_of_a_part_of_a_second_keeps_its_interval() {
    let names = many("sluggish-", 250);
    let mut manners: Vec<_> = names.iter().map(|name| (*name, Manner::Takes(seconds(3)), 60)).collect();
    manners.push(("healthy", Manner::Takes(Duration::from_millis(800)), 5));
    let fake = Fake::new(&manners);
    run_for(&fake, Schedule { concurrency: 8, ..schedule() }, seconds(600)).await;
    let healthy = fake.times("probe healthy");
    let gaps = gaps(&healthy[1..]);
    assert!(gaps.len() > 110 && gaps.iter().all(|gap| *gap <= seconds(6)), "{gaps:?}");
}

#[test]
fn who_was_quick_is_slow_only_when_it_was_late_twice() {
    let quick = Pace::Slow.after(Duration::from_millis(400));
    assert_eq!(quick, Pace::Quick(Duration::from_millis(500)));
    let late = quick.after(seconds(6));
    assert_eq!((late, late.after(seconds(6))), (Pace::Unknown(Duration::from_millis(500)), Pace::Slow));
    assert_eq!(quick.after(seconds(2)), Pace::UNKNOWN);
}

#[tokio::test(start_paused = true)]
async fn who_takes_longer_than_a_place_is_held_delays_nobody_who_does_not() {
    let names = many("sluggish-", 250);
    let mut manners: Vec<_> = names.iter().map(|name| (*name, Manner::Takes(seconds(3)), 60)).collect();
    manners.push(("healthy", QUICK, 5));
    let fake = Fake::new(&manners);
    run_for(&fake, Schedule { concurrency: 8, ..schedule() }, seconds(600)).await;
    let healthy = fake.times("probe healthy");
    let gaps = gaps(&healthy[1..]);
    assert!(gaps.len() > 110 && gaps.iter().all(|gap| *gap <= seconds(6)), "{gaps:?}");
    assert!(names.iter().all(|name| fake.times(&format!("probe {name}")).len() >= 5));
}

#[tokio::test(start_paused = true)]
async fn waiting_for_a_place_is_not_counted_against_the_deadline() {
    let names = many("silent-", 100);
    let mut manners: Vec<_> = names.iter().map(|name| (*name, Manner::Hangs, 60)).collect();
    manners.push(("z", Manner::Takes(seconds(20)), 60));
    let fake = Fake::new(&manners);
    run_for(&fake, Schedule { concurrency: 2, ..schedule() }, seconds(120)).await;
    assert!(fake.times("probe z")[0] > seconds(30), "it waits: {:?}", fake.times("probe z"));
    assert!(fake.times("late z").is_empty());
}

#[tokio::test(start_paused = true)]
async fn who_has_many_targets_waits_for_those_who_have_few() {
    let many = many("a/", 50);
    let mut manners: Vec<_> = many.iter().map(|name| (*name, Manner::Takes(seconds(1)), 600)).collect();
    manners.push(("b/1", QUICK, 600));
    let fake = Fake::new(&manners);
    run_for(&fake, schedule(), seconds(400)).await;
    let began = fake.times("probe a/000")[0];
    assert!(fake.times("probe b/1")[0] <= began + seconds(1), "{began:?} {:?}", fake.times("probe b/1"));
}

#[tokio::test(start_paused = true)]
async fn of_those_that_are_due_at_once_the_ones_with_short_intervals_come_first() {
    let names = many("a-", 50);
    let mut manners: Vec<_> = names.iter().map(|name| (*name, Manner::Takes(Duration::from_millis(200)), 60)).collect();
    // Its registry has others before it in the list.
    manners.extend([("z/1", QUICK, 60), ("z/2", QUICK, 60), ("z/3", QUICK, 5)]);
    let fake = Fake::new(&manners);
    run_for(&fake, schedule(), seconds(600)).await;
    let probes = fake.times("probe z/3");
    let gaps = gaps(&probes);
    assert!(gaps.len() > 110 && gaps.iter().all(|gap| *gap <= Duration::from_millis(5_500)), "{gaps:?}");
}

#[tokio::test(start_paused = true)]
async fn a_slow_target_that_is_quick_again_is_no_longer_held_back() {
    let fake = Fake::new(&[("a", Manner::Hangs, 60), ("b", Manner::Hangs, 60), ("c", Manner::Hangs, 60)]);
    let stop = CancellationToken::new();
    let running = tokio::spawn(run(schedule(), Arc::clone(&fake), stop.clone()));
    sleep(seconds(300)).await;
    fake.manners.lock().unwrap().insert("a", (QUICK, seconds(5)));
    sleep(seconds(300)).await;
    stop.cancel();
    running.await.unwrap();
    let since = fake.times("probe a").into_iter().filter(|at| *at > seconds(400)).count();
    assert!(since >= 36, "{since}");
}

#[tokio::test(start_paused = true)]
async fn no_more_than_allowed_are_started_at_the_same_time() {
    let slow = |name| (name, Manner::Takes(Duration::from_millis(900)), 60);
    let fake = Fake::new(&[slow("a"), slow("b"), slow("c"), slow("d"), slow("e")]);
    run_for(&fake, schedule(), seconds(300)).await;
    assert_eq!(fake.active.lock().unwrap().1, 2);
}

#[tokio::test(start_paused = true)]
async fn five_hundred_that_hang_delay_no_healthy_one() {
    let names = many("silent-", 499);
    let mut manners: Vec<_> = names.iter().map(|name| (*name, Manner::Hangs, 300)).collect();
    manners.push(("healthy", QUICK, 10));
    let fake = Fake::new(&manners);
    run_for(&fake, Schedule { concurrency: 8, ..schedule() }, seconds(3_600)).await;
    let healthy = fake.times("probe healthy");
    // Until they are known to be slow, each takes a place for a second.
    let known = seconds(150 + 499 / 8 + 30);
    let gaps = gaps(&since(&healthy, known));
    assert!(gaps.len() > 300 && gaps.iter().all(|gap| *gap <= seconds(12)), "{gaps:?}");
    assert!(names.iter().all(|name| fake.times(&format!("late {name}")).len() >= 3));
}
