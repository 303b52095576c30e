//! `check --pull-secrets`: with the logins of one pod, from a file or a pipe that stays open, and never as an argument.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation is how a test fails")]

use std::io::Write as _;
use std::process::Command;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::binary::{Finished, document, finish};
use super::world::{Given, World};

const IMAGE: &str = "registry.example/demo/app:1.0";
const CONFIG_JSON: &str = "kubernetes.io/dockerconfigjson";

fn world() -> World {
    let given = "
        credential_settings = {pull_secrets_dir = '${node}/secrets'}
        [[registries]]
        host = 'registry.example'
        tls = {}
        auth = {basic = {users = {puller = 'right-planted'}}}
        push = [{repository = 'demo/app', tag = '1.0', content = {image = {}}}]
    ";
    World::start(toml::from_str::<Given>(given).unwrap())
}

fn auths(key: &str, password: &str) -> Value {
    json!({"auths": {key: {"username": "puller", "password": password}}})
}

fn secret(name: &str, kind: &str, inner: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": "shop"}, "type": kind,
        "data": {".dockerconfigjson": BASE64_STANDARD.encode(inner.to_string())}})
}

fn list(items: &[Value]) -> Value {
    json!({"apiVersion": "v1", "kind": "List", "items": items})
}

fn check(world: &World, place: &str) -> Command {
    let mut command = world.command("check");
    command.args([IMAGE, "--format", "json", "--log-level", "trace", "--pull-secrets", place]);
    command
}

/// The document comes through a pipe that nobody closes before the answer is there.
fn by_pipe(world: &World, given: &Value) -> Finished {
    let (reader, mut writer) = std::io::pipe().unwrap();
    let text = given.to_string();
    let writing = std::thread::spawn(move || {
        writer.write_all(text.as_bytes()).unwrap();
        writer
    });
    let finished = finish(check(world, "-").stdin(reader));
    drop(writing.join().unwrap());
    assert!(!format!("{finished:?}").contains("planted"), "{finished:?}");
    finished
}

fn image(finished: &Finished) -> Value {
    document(finished)["images"][0].clone()
}

#[test]
fn the_logins_of_a_pod_are_tried_in_its_order_and_those_of_the_directory_are_not() {
    let world = world();
    world
        .node
        .write("/secrets/ops/other/.dockerconfigjson", auths("registry.example", "right-planted").to_string())
        .unwrap();
    let right = secret("right", CONFIG_JSON, &auths("registry.example", "right-planted"));
    let wrong = secret("wrong", CONFIG_JSON, &auths("registry.example", "wrong-planted"));
    let told = by_pipe(&world, &list(&[wrong.clone(), right.clone()]));
    let candidates = image(&told)["candidates"].clone();
    assert_eq!((told.code, &image(&told)["pullable"]), (Some(0), &Value::Bool(true)), "{told:?}");
    let of = |nth: usize, field: &str| candidates[nth][field].clone();
    assert_eq!((of(0, "source"), of(0, "cause")), ("pull-secret:shop/wrong".into(), "credentials_rejected".into()));
    assert_eq!((of(1, "source"), of(1, "pullable")), ("pull-secret:shop/right".into(), true.into()));
    let told = by_pipe(&world, &wrong);
    assert_eq!((told.code, image(&told)["cause"].clone()), (Some(1), "credentials_rejected".into()), "{told:?}");
    let told = by_pipe(&world, &list(&[]));
    assert_eq!((told.code, image(&told)["candidates"].clone()), (Some(1), json!([])), "{told:?}");
}

#[test]
fn a_file_may_be_one_dockerconfigjson() {
    let world = world();
    world.node.write("/pod.json", auths("registry.example", "right-planted").to_string()).unwrap();
    let told = finish(&mut check(&world, &world.node.path("/pod.json").to_string_lossy()));
    assert_eq!(told.code, Some(0), "{told:?}");
    assert_eq!(image(&told)["credential"]["source"], "pull-secret:-/dockerconfigjson");
}

/// `why` and `fleet` run such a check in the agent's pod, with its environment: what is handed over is tried, and nothing of the node.
#[test]
fn who_hands_secrets_over_has_them_tried_and_an_anonymous_agent_adds_none_of_the_node() {
    let world = world();
    let right = auths("registry.example", "right-planted");
    world.node.write("/var/lib/kubelet/config.json", right.to_string()).unwrap();
    let ask = |secrets: &Value, variable: &str| {
        world.node.write("/pod.json", secrets.to_string()).unwrap();
        let place = world.node.path("/pod.json");
        let before = world.at("registry.example").requests().len();
        let told = finish(check(&world, &place.to_string_lossy()).env("PULLPROBE_NO_CREDENTIALS", variable));
        let requests = world.at("registry.example").requests();
        let signed_in = requests.iter().skip(before).any(|request| request.authorization().is_some());
        (told.code, image(&told)["cause"].as_str().map(str::to_owned), signed_in)
    };
    let empty = list(&[]);
    assert_eq!(ask(&empty, "false"), (Some(0), None, true));
    let refused = (Some(1), Some("credentials_missing".to_owned()), false);
    assert_eq!(ask(&empty, "true"), refused, "the node's login is kept back");
    assert_eq!(ask(&auths("other.example", "right-planted"), "true"), refused);
    assert_eq!(ask(&right, "true"), (Some(0), None, true));
    let (code, cause, _) = ask(&auths("registry.example", "wrong-planted"), "true");
    assert_eq!((code, cause.as_deref()), (Some(1), Some("credentials_rejected")));
}

#[test]
fn a_typed_wish_for_no_logins_contradicts_secrets_whatever_the_variable_says() {
    let world = world();
    world.node.write("/pod.json", auths("registry.example", "right-planted").to_string()).unwrap();
    let place = world.node.path("/pod.json");
    for variable in [None, Some("false"), Some("true")] {
        let mut check = check(&world, &place.to_string_lossy());
        let told =
            finish(check.arg("--no-credentials").envs(variable.map(|value| ("PULLPROBE_NO_CREDENTIALS", value))));
        assert_eq!((told.code, told.stdout.as_str()), (Some(2), ""), "{told:?}");
        assert!(told.stderr.contains("--no-credentials and --pull-secrets"), "{told:?}");
    }
    assert_eq!(world.at("registry.example").requests().len(), 0);
}

#[test]
fn what_kubelet_ignores_is_told_and_what_it_cannot_read_stops_the_pull() {
    let world = world();
    let opaque = secret("opaque", "Opaque", &auths("registry.example", "right-planted"));
    let told = by_pipe(&world, &opaque);
    let codes: Vec<Value> =
        document(&told)["findings"].as_array().unwrap().iter().map(|one| one["code"].clone()).collect();
    assert_eq!(told.code, Some(1), "{told:?}");
    assert!(codes.contains(&"pull_secret_type_ignored".into()), "{codes:?}");
    let broken = secret("broken", CONFIG_JSON, &json!({"auths": {"other.example": {"auth": "planted!"}}}));
    let told = by_pipe(&world, &list(&[broken]));
    assert_eq!((told.code, image(&told)["cause"].clone()), (Some(1), "credentials_malformed".into()), "{told:?}");
    assert_eq!(image(&told)["kubelet_message"], "illegal base64 data at input byte 7");
}

#[test]
fn what_is_no_secret_is_refused_and_nothing_of_it_repeated() {
    let world = world();
    for given in [json!({"kind": "Pod"}), json!({"auth": "planted"}), json!({"kind": "Secret", "data": "planted"})] {
        let told = by_pipe(&world, &given);
        assert_eq!((told.code, told.stdout.as_str()), (Some(2), ""), "{told:?}");
        assert!(told.stderr.contains("--pull-secrets: standard input: it "), "{told:?}");
    }
    let told = finish(&mut check(&world, "/no/such/file"));
    assert_eq!(told.code, Some(2));
    assert!(told.stderr.contains("--pull-secrets: /no/such/file: No such file"), "{told:?}");
}
