//! What an agent remembers of the last 24 hours: in its report, in its log, and over restarts.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation is how a test fails")]

use std::time::Duration;

use serde_json::Value;

use super::binary::{Agent, eventually};
use super::world::World;

/// Long enough for a busy machine; nothing waits that long when all is well.
const PATIENCE: Duration = Duration::from_secs(60);
/// Nothing listens there.
const NOBODY: &str = "127.255.255.254";

fn agent(world: &World, arguments: &[&str]) -> Agent {
    Agent::start(world.command("run").args(arguments)).ready()
}

/// The image and the host of the report.
fn targets(agent: &Agent) -> [Value; 2] {
    let report: Value = serde_json::from_str(&agent.get("/api/v1/report").text()).unwrap();
    [report["images"][0].clone(), report["endpoints"][0].clone()]
}

fn answers(target: &Value) -> Vec<Option<bool>> {
    target["history"].as_array().unwrap().iter().map(|entry| entry["ok"].as_bool()).collect()
}

/// Waits until image and host are both as they should be.
fn until(agent: &Agent, ok: bool) -> [Value; 2] {
    let seen = || Some(targets(agent)).filter(|both| both.iter().all(|it| it["history"][0]["ok"] == ok));
    eventually(PATIENCE, seen).unwrap_or_else(|| panic!("{:#?}\n{}", targets(agent), agent.log()))
}

/// The registry goes away: its name leads to where nobody listens.
fn take_down(world: &World) {
    world.node.hosts_file(&[(NOBODY.parse().unwrap(), "registry.example")]).unwrap();
}

fn bring_up(world: &World) {
    world.node.hosts_file(&[]).unwrap();
}

fn remembered(world: &World) -> String {
    std::fs::read_to_string(world.node.path("/state/counted-pulls.history")).unwrap_or_default()
}

fn lines(agent: &Agent, words: &[&str]) -> Vec<String> {
    let log = agent.log();
    log.lines().filter(|line| words.iter().all(|word| line.contains(word))).map(str::to_owned).collect()
}

#[test]
fn a_registry_that_goes_down_twice_is_remembered_with_what_changed_before_over_restarts_and_a_kill() {
    let world = World::of_one_image("");
    let first = agent(&world, &[]);
    until(&first, true);
    for _ in 0..2 {
        take_down(&world);
        until(&first, false);
        bring_up(&world);
        until(&first, true);
    }
    let both = targets(&first);
    for target in &both {
        assert_eq!(answers(target), [true, false, true, false, true].map(Some), "{target:#}");
        assert_eq!((&target["failures_24h"], &target["failing_since"]), (&2.into(), &Value::Null));
        let [failed, start] = [&target["history"][3], &target["history"][4]];
        assert_eq!((&failed["stage"], &failed["cause"]), (&"tcp".into(), &"tcp_refused".into()), "{failed:#}");
        assert_eq!(failed["host"], "registry.example:443");
        let before = failed["preceded_by"].as_array().unwrap().iter().find(|it| it["what"] == "file");
        let before = before.unwrap_or_else(|| panic!("{failed:#}"));
        assert_eq!(before["detail"], "/etc/hosts was changed");
        assert!(before["at"].as_str() <= failed["since"].as_str(), "{failed:#}");
        assert_eq!((&start["from_start"], &failed["from_start"]), (&true.into(), &false.into()));
    }
    assert_one_line_for_each_change(&first);

    // It is told to end, and what it knows is on the disk.
    first.terminate();
    let mut first = first;
    assert!(first.ended_within(PATIENCE).is_some(), "{}", first.log());
    take_down(&world);
    let second = agent(&world, &[]);
    let [image, host] = until(&second, false);
    for target in [&image, &host] {
        assert_eq!(answers(target), [false, true, false, true, false, true].map(Some), "{target:#}");
        assert_eq!((&target["failures_24h"], &target["failing_since"]), (&3.into(), &target["history"][0]["since"]));
        assert_eq!(target["history"][0]["preceded_by"][0]["what"], "agent_started", "{target:#}");
    }
    let third_time = lines(&second, &["the answer changed", "subject=registry.example/demo/app", "failures_24h=3"]);
    assert_eq!(third_time.len(), 1, "{}", second.log());

    // It is killed after it has written that down.
    let since = image["failing_since"].as_str().unwrap().to_owned();
    eventually(PATIENCE, || remembered(&world).contains(&since).then_some(())).unwrap_or_else(|| panic!("{since}"));
    drop(second);
    let third = agent(&world, &[]);
    let [image, _] = until(&third, false);
    assert_eq!((answers(&image).len(), image["failing_since"].as_str()), (6, Some(&*since)), "{image:#}");
    let as_before = "still as before the start";
    let told = lines(&third, &[as_before, "subject=registry.example/demo/app", &format!("since={}", &since[..16])]);
    assert_eq!(told.len(), 1, "what fails at the start is told with when it began: {}", third.log());
    assert!(lines(&third, &["the answer changed"]).is_empty(), "{}", third.log());
}

/// Of two outages.
fn assert_one_line_for_each_change(agent: &Agent) {
    let image = "subject=registry.example/demo/app:1.0";
    let failed =
        lines(agent, &["level=warn", "the answer changed", image, "answer=\"not pullable\"", "cause=tcp_refused"]);
    assert_eq!(failed.len(), 2, "{}", agent.log());
    assert!(failed[0].contains("preceded_by=") && failed[0].contains("/etc/hosts was changed"), "{failed:?}");
    assert!(failed[0].contains("before=pullable") && !failed[0].contains("failures_24h"), "{failed:?}");
    assert!(failed[1].contains("failures_24h=2"), "{failed:?}");
    let well = lines(agent, &["level=info", "the answer changed", image, "answer=pullable", "lasted="]);
    assert_eq!(well.len(), 2, "{}", agent.log());
    let host = lines(agent, &["the answer changed", "subject=\"https://registry.example of registry.example\""]);
    assert_eq!(host.len(), 4, "{}", agent.log());
    let known = ["listening on", "the first round of probes is complete", "the answer changed"];
    let else_ = lines(agent, &["level="]);
    let else_: Vec<&String> = else_.iter().filter(|line| !known.iter().any(|words| line.contains(words))).collect();
    assert!(else_.is_empty(), "nothing in between: {else_:#?}");
}

/// With the default of `probe.spread_start`, and an image that has its first turn later than its registry.
#[test]
fn it_says_that_its_first_cycle_is_over_when_no_answer_is_missing() {
    let world = World::of_one_image("");
    let settings = std::fs::read_to_string(world.node.path("/pullprobe.yaml")).unwrap();
    let spread = settings.replace("  spread_start: false\n", "").replace(r#""interval":"5s""#, r#""interval":"40s""#);
    assert!(!spread.contains("spread_start") && spread.contains("40s"), "{spread}");
    world.node.write("/pullprobe.yaml", spread).unwrap();
    let agent = Agent::start(&mut world.command("run"));
    let summary = || -> Value { serde_json::from_slice(&agent.get("/api/v1/summary").body).unwrap() };
    let complete = eventually(PATIENCE, || Some(summary()).filter(|summary| summary["complete"] == true));
    let complete = complete.unwrap_or_else(|| panic!("{:#}\n{}", summary(), agent.log()));
    assert_eq!(complete["images"][0]["pullable"], true, "{complete:#}");
    let first = lines(&agent, &["the first round of probes is complete", "images=1", "pullable=1"]);
    assert_eq!(first.len(), 1, "{}", agent.log());
}

#[test]
fn a_restart_over_files_that_nobody_touched_is_no_news_of_them() {
    let world = World::of_one_image("");
    for _ in 0..2 {
        let mut agent = agent(&world, &[]);
        let report: Value = serde_json::from_str(&agent.get("/api/v1/report").text()).unwrap();
        let told: Vec<&Value> =
            report["happenings"].as_array().unwrap().iter().filter(|it| it["what"] == "file").collect();
        assert!(told.is_empty(), "{told:#?}");
        agent.terminate();
        assert!(agent.ended_within(PATIENCE).is_some(), "{}", agent.log());
    }
    assert!(remembered(&world).contains("agent_started"));
}

#[test]
fn a_file_that_is_not_ours_is_told_and_replaced() {
    let world = World::of_one_image("");
    world.node.write("/state/counted-pulls.history", "somebody's notes\n").unwrap();
    let agent = agent(&world, &[]);
    let told = lines(&agent, &["level=warn", "the history begins anew", "counted-pulls.history"]);
    assert_eq!(told.len(), 1, "{}", agent.log());
    let [image, _] = until(&agent, true);
    assert_eq!(answers(&image), [Some(true)]);
    let replaced = eventually(PATIENCE, || remembered(&world).contains("pullprobe_history").then_some(()));
    assert!(replaced.is_some(), "{}", agent.log());
}

#[test]
fn a_directory_in_the_place_of_the_file_stops_nothing_and_is_told_once() {
    let world = World::of_one_image("");
    std::fs::create_dir_all(world.node.path("/state/counted-pulls.history")).unwrap();
    let agent = agent(&world, &[]);
    until(&agent, true);
    take_down(&world);
    until(&agent, false);
    bring_up(&world);
    let [image, _] = until(&agent, true);
    assert_eq!(image["failures_24h"], 1);
    assert_eq!(lines(&agent, &["cannot write down what changed"]).len(), 1, "{}", agent.log());
}

#[test]
fn trace_shows_where_the_time_goes_and_no_other_level_does() {
    let world = World::of_one_image("");
    let traced = agent(&world, &["--log-level", "trace"]);
    for words in ["dns{name=", "tls{name=", "request{method=", "connect{host="] {
        let closed = lines(&traced, &["level=trace", "msg=close", "time.busy=", "time.idle=", words]);
        assert!(
            closed.iter().any(|line| line.contains("span=\"probe{target=registry.example")),
            "{words}: {}",
            traced.log()
        );
    }
    let plain = agent(&world, &["--log-level", "debug", "--log-format", "json"]);
    assert!(lines(&plain, &["span"]).is_empty(), "{}", plain.log());
    let events = lines(&plain, &["{"]);
    assert!(events.iter().all(|line| serde_json::from_str::<Value>(line).unwrap()["level"].is_string()), "{events:?}");
}
