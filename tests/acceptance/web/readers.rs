//! Page and report are for readers on the node, until the settings say otherwise; the rest is for everybody.

use std::net::SocketAddr;

use super::super::binary::{Agent, finish, repository};
use super::super::http::{get, request};
use super::super::judge::namespace;
use super::super::world::{Given, World};

/// Two addresses of the node: only one of them is loopback.
const GIVEN: &str = "
    [network.names]
    'node.example' = ['192.0.2.7']
";
const FOR_READERS: [&str; 2] = ["/", "/api/v1/report"];
const FOR_ALL: [&str; 6] = ["/metrics", "/api/v1/summary", "/api/v1/schema", "/livez", "/readyz", "/healthz"];

/// An agent with these settings below `web`; its two addresses: the node's, and loopback.
fn serving(world: &World, web: &str) -> (Agent, SocketAddr, SocketAddr) {
    world.settings(&[]);
    let settings = std::fs::read_to_string(world.node.path("/pullprobe.yaml")).unwrap();
    let settings = settings.replace("web: {listen: [\"127.0.0.1:0\"]}", &format!("web: {{listen: [\":0\"]{web}}}"));
    world.node.write("/pullprobe.yaml", settings).unwrap();
    let agent = Agent::start(&mut world.command("run")).ready();
    let port = agent.address().port();
    (agent, SocketAddr::new([192, 0, 2, 7].into(), port), SocketAddr::new([127, 0, 0, 1].into(), port))
}

#[test]
fn page_and_report_are_read_on_the_node_and_the_rest_from_everywhere() {
    if std::env::var_os(namespace::JOB_VARIABLE).is_none() {
        let entry = "web::readers::page_and_report_are_read_on_the_node_and_the_rest_from_everywhere";
        if let Err(said) = namespace::run(entry, &repository("tests/scenarios/network")) {
            panic!("{said}");
        }
        return;
    }
    let world = World::start(toml::from_str::<Given>(GIVEN).unwrap());
    let status = |address, path| get(address, path).unwrap().status;

    let (agent, elsewhere, here) = serving(&world, "");
    for path in FOR_ALL {
        assert_eq!((status(elsewhere, path), status(here, path)), (200, 200), "{path}");
    }
    for path in FOR_READERS {
        assert_eq!(status(here, path), 200, "{path}");
        for method in ["GET", "HEAD"] {
            let refused = request(elsewhere, method, path, &[("X-Forwarded-For", "127.0.0.1")]).unwrap();
            assert_eq!(refused.status, 403, "{method} {path}");
            let port = format!("http://localhost:{}/", here.port());
            let told = refused.text();
            assert!(method == "HEAD" || told.contains("kubectl port-forward") && told.contains(&port), "{told}");
            assert_eq!(refused.header("x-content-type-options"), Some("nosniff"));
        }
    }
    drop(agent);

    let (agent, elsewhere, _) = serving(&world, ", report: open");
    FOR_READERS.iter().for_each(|path| assert_eq!(status(elsewhere, path), 200, "{path}"));
    drop(agent);

    let (_agent, elsewhere, here) = serving(&world, ", report: off");
    FOR_READERS.iter().for_each(|path| assert_eq!((status(elsewhere, path), status(here, path)), (404, 404), "{path}"));
    FOR_ALL.iter().for_each(|path| assert_eq!(status(elsewhere, path), 200, "{path}"));
}

#[test]
fn passwords_that_nobody_can_have_are_refused_at_the_start() {
    let world = World::start(Given::default());
    world.node.write("/pullprobe.yaml", "web: {listen: [\"127.0.0.1:0\"], report: authenticated}\n").unwrap();
    let finished = finish(&mut world.command("run"));
    assert_eq!(finished.code, Some(2), "{finished:?}");
    assert!(finished.stderr.contains("web.report: authenticated needs web.config_file"), "{}", finished.stderr);
}
