//! `run --dry-run`: what a fleet would ask, told without a request.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation is how a test fails")]

use super::binary::{document, finish};
use super::world::{Given, World};

const IMAGE: &str = "registry.example/demo/app:1.0";

fn world() -> World {
    let given = "
        containerd = '2.1'
        hosts.'mirrored.example' = \"server = 'https://registry.example'\\n[host.'https://mirror.example']\\n\"
        [[registries]]
        host = 'registry.example'
        tls = {}
    ";
    let world = World::start(toml::from_str::<Given>(given).unwrap());
    world.settings(&[IMAGE, "mirrored.example/demo/app:1.0"]);
    world
}

fn ask(world: &World, options: &[&str]) -> super::binary::Finished {
    finish(world.command("run").arg("--dry-run").args(options))
}

#[test]
fn a_fleet_is_told_what_it_would_cost_each_host_and_nobody_is_asked() {
    let world = world();
    let finished = ask(&world, &["--nodes", "5000", "--format", "json"]);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let told = document(&finished);
    assert_eq!((&told["nodes"], &told["targets"]["images"]), (&5000.into(), &2.into()), "{told:#}");
    assert_eq!(told["counted_pulls_per_hour"], 0, "{told:#}");
    let registries = told["registries"].as_array().unwrap();
    let of = |name: &str| registries.iter().find(|one| one["registry"] == name).unwrap();
    // Both are probed every five seconds: a ladder, and a walk of the image.
    let host = &of("registry.example")["hosts"][0];
    assert_eq!(host["endpoint"], "https://registry.example", "{told:#}");
    assert_eq!(host["requests_per_hour"], 5000 * 720 * (1 + 11), "{told:#}");
    assert_eq!(host["token_requests_per_hour"], 5000 * 720 * 2, "{told:#}");
    assert_eq!(host["token_service"], serde_json::Value::Null);
    let mean = host["mean_requests_per_second"].as_f64().unwrap();
    let peak = host["peak_requests_per_second"].as_f64().unwrap();
    assert!(peak >= mean && peak <= mean * 1.3, "{told:#}");
    // The first one is asked for the image, the one behind it only whether it is there.
    let hosts = &of("mirrored.example")["hosts"];
    assert_eq!(hosts[0]["requests_per_hour"], 5000 * 720 * (1 + 11), "{told:#}");
    assert_eq!(
        (&hosts[1]["role"], &hosts[1]["requests_per_hour"]),
        (&"mirror".into(), &(5000 * 720).into()),
        "{told:#}"
    );
    assert!(told["assumptions"].as_array().unwrap().len() > 5, "{told:#}");

    let text = ask(&world, &["--nodes", "5000"]);
    for words in [
        "5000 nodes like",
        "https://mirror.example",
        "counted pulls in an hour: at most 0",
        "unknown until it is asked",
        "no registry has a pull limit: where one has, and no counted pull is left, an image costs 2 requests and not 11",
    ] {
        assert!(text.stdout.contains(words), "{words}: {}", text.stdout);
    }
    assert_eq!((world.at("registry.example").connections(), world.queries()), (0, 0));
}

/// An event about a registry comes of probes of it, as the condition does.
#[test]
fn the_registries_of_condition_and_events_are_probed() {
    let world = world();
    let file = world.node.path("/pullprobe.yaml");
    let settings = std::fs::read_to_string(&file).unwrap();
    for (signals, is_probed) in
        [("node_condition: true", true), ("events: true", true), ("node_condition: false", false)]
    {
        let signals =
            format!("{settings}\nsignals: {{{signals}, registries: [registry.example, signalled.example]}}\n");
        std::fs::write(&file, &signals).unwrap();
        let told = document(&ask(&world, &["-o", "json"]));
        let registries = told["registries"].as_array().unwrap();
        let has = registries.iter().any(|one| one["registry"] == "signalled.example");
        assert_eq!(has, is_probed, "{signals}: {told:#}");
    }
}

#[test]
fn a_registry_without_hosts_and_a_wrong_request_have_their_exit_codes() {
    let world = world();
    assert_eq!(finish(world.command("run").args(["--nodes", "3"])).code, Some(2), "--nodes is for --dry-run");
    assert_eq!(ask(&world, &["--nodes", "0"]).code, Some(2));
    world.settings(&["broken.example/demo/app:1.0"]);
    std::fs::create_dir_all(world.node.path("/etc/containerd/certs.d/broken.example")).unwrap();
    std::fs::write(world.node.path("/etc/containerd/certs.d/broken.example/hosts.toml"), "[host\n").unwrap();
    let finished = ask(&world, &["-o", "json"]);
    let expected = finish(world.command("plan").arg("broken.example/demo/app:1.0")).code;
    assert_eq!(finished.code, expected, "as `plan` has it: {finished:?}");
}
