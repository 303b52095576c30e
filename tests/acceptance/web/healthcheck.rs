//! `pullprobe healthcheck`, as kubelet runs it in the agent's container.

use std::net::SocketAddr;

use super::super::binary::{Agent, Finished, eventually, finish, pullprobe};
use super::super::world::{Given, World};
use super::serving::{CLIENTS, PATIENCE, Served, TLS, users};

/// As the chart runs it: the settings come from the environment.
fn healthcheck(served: &Served, more: &[&str]) -> Finished {
    let settings = served.world.node.path("/pullprobe.yaml");
    finish(pullprobe(["healthcheck"]).args(more).env("PULLPROBE_CONFIG", settings))
}

/// An address of its own, because the port has to be known.
fn address(served: &mut Served) -> SocketAddr {
    SocketAddr::new(served.world.address_of("agent.example"), 10048)
}

#[test]
fn it_is_ready_whatever_protects_the_port_and_needs_no_password() {
    let mut served = Served::new();
    let listen = address(&mut served);
    let all = format!("{TLS}{CLIENTS}  min_version: TLS13\n  curve_preferences: [CurveP521]\n{}", users(&["alice"]));
    for config in ["", TLS, &users(&["alice"]), &all] {
        served.write("web.yaml", config);
        served.settings(&listen.to_string(), ", report: \"off\"");
        assert_eq!(healthcheck(&served, &[]).code, Some(1), "nobody is there");
        let agent = served.ready(Agent::start(&mut served.world.command("run")));
        for more in [&[][..], &["--live"]] {
            let checked = healthcheck(&served, more);
            assert_eq!((checked.code, checked.stdout.as_str()), (Some(0), "ok\n"), "{config}: {checked:?}");
        }
        // The agent goes on with what it read before: it is as ready as it was.
        served.write("web.yaml", "tls_server_config: [\n");
        let checked = healthcheck(&served, &[]);
        assert_eq!(checked.code, Some(0), "{config}: {checked:?}\n{}", agent.log());
    }
}

#[test]
fn it_is_ready_while_the_first_cycle_waits_for_a_registry() {
    let given = "listeners = [{host = 'hanging.example', behaviour = 'hang'}]";
    let mut served = Served::beside(World::start(toml::from_str::<Given>(given).unwrap()));
    let listen = address(&mut served);
    served.write("web.yaml", TLS);
    served.settings(&listen.to_string(), "");
    let settings = std::fs::read_to_string(served.world.node.path("/pullprobe.yaml")).unwrap();
    let hanging = "images: [{image: \"hanging.example/demo/app:1.0\"}]";
    served.world.node.write("/pullprobe.yaml", settings.replace("images: []", hanging)).unwrap();
    let agent = Agent::start(&mut served.world.command("run"));
    eventually(PATIENCE, || (healthcheck(&served, &["--live"]).code == Some(0)).then_some(()))
        .unwrap_or_else(|| panic!("{}", agent.log()));
    eventually(PATIENCE, || (healthcheck(&served, &[]).code == Some(0)).then_some(()))
        .unwrap_or_else(|| panic!("{}", agent.log()));
    let parts = served.curl(agent.address(), "https", "/readyz?verbose", &["--insecure"]).answer;
    assert!(parts.contains("[-]first-cycle running since"), "{parts}");
}

#[test]
fn what_it_cannot_know_is_an_error_of_the_settings() {
    let served = Served::new();
    served.settings("127.0.0.1:0", "");
    let checked = healthcheck(&served, &[]);
    assert!(checked.code == Some(2) && checked.stderr.contains("web.listen has no port"), "{checked:?}");
    let checked = finish(pullprobe(["healthcheck", "--config"]).arg(served.path("gone.yaml")));
    assert_eq!(checked.code, Some(2), "{checked:?}");
    // Somebody else at the port is not the agent.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    served.settings(&silent.local_addr().unwrap().to_string(), "");
    let checked = healthcheck(&served, &["--timeout", "500ms"]);
    assert!(checked.code == Some(1) && checked.stderr.contains("did not answer within"), "{checked:?}");
}
