//! TLS as the file says, and as it says next.

use pullprobe_lab::ca::Authority;
use serde_json::Value;

use super::super::binary::{Agent, eventually, finish};
use super::serving::{PATIENCE, Served, TLS};

const NONE: &[&str] = &[];

/// curl could not verify the server.
const UNTRUSTED: i32 = 60;

#[test]
fn a_certificate_that_was_swapped_is_in_the_next_handshake_and_a_broken_one_is_not() {
    let served = Served::new();
    let agent = served.start(TLS, "");
    let metrics = || served.curl(agent.address(), "https", "/metrics", NONE);
    assert!(metrics().answer.contains("pullprobe_build_info{"), "{:?}", metrics());

    let plain = served.curl(agent.address(), "http", "/metrics", NONE);
    assert_eq!(plain.status, 400, "{plain:?}");
    assert!(plain.answer.contains("ask with https"), "{plain:?}");

    let next = Authority::new("two").unwrap();
    served.pair(&next);
    assert_eq!(metrics().code, UNTRUSTED, "the old certificate: {:?}", metrics());
    served.write("ca.crt", &next.root_pem());
    assert_eq!(metrics().status, 200, "{:?}", metrics());

    served.write("tls.key", "no key\n");
    assert_eq!(metrics().status, 200, "{:?}", metrics());
    let told = eventually(PATIENCE, || finding(&served, &agent)).unwrap_or_else(|| panic!("{}", agent.log()));
    assert!(told.contains("tls.key: found no private key") && told.contains("still in force"), "{told}");
    assert!(agent.log().contains("tls.key: found no private key"), "{}", agent.log());
    served.pair(&next);
    eventually(PATIENCE, || finding(&served, &agent).is_none().then_some(()))
        .unwrap_or_else(|| panic!("{}", agent.log()));
}

/// What is found about the web configuration file.
fn finding(served: &Served, agent: &Agent) -> Option<String> {
    let report = served.curl(agent.address(), "https", "/api/v1/report", &["--no-include"]);
    let report: Value = serde_json::from_str(&report.answer).unwrap_or_else(|error| panic!("{error}: {report:?}"));
    let findings = report["findings"].as_array().unwrap().iter();
    let mut about = findings.filter(|finding| finding["file"].as_str().is_some_and(|file| file.ends_with("web.yaml")));
    about.next().map(|finding| finding["message"].as_str().unwrap().to_owned())
}

#[test]
fn only_the_versions_suites_and_curves_of_the_file_are_spoken() {
    let served = Served::new();
    for (file, spoken, not) in [
        ("  min_version: TLS13\n", &["--tlsv1.3"][..], &["--tls-max", "1.2"][..]),
        ("  max_version: TLS12\n", &["--tls-max", "1.2"], &["--tlsv1.3"]),
        (
            "  max_version: TLS12\n  cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384]\n",
            &["--ciphers", "ECDHE-ECDSA-AES256-GCM-SHA384"],
            &["--ciphers", "ECDHE-ECDSA-AES128-GCM-SHA256"],
        ),
        ("  curve_preferences: [CurveP521]\n", &["--curves", "P-521"], &["--curves", "P-256"]),
    ] {
        let agent = served.start(&format!("{TLS}{file}"), "");
        let taken = served.curl(agent.address(), "https", "/livez", spoken);
        assert_eq!(taken.status, 200, "{file}: {taken:?}");
        let refused = served.curl(agent.address(), "https", "/livez", not);
        assert!(refused.status == 0 && refused.code == 35, "{file}: {refused:?}");
    }
}

#[test]
fn a_file_that_cannot_be_served_by_is_refused_at_the_start_with_every_problem() {
    let served = Served::new();
    let refused = |config: &str| {
        served.write("web.yaml", config);
        served.settings("127.0.0.1:0", "");
        let finished = finish(&mut served.world.command("run"));
        assert_eq!(finished.code, Some(2), "{finished:?}");
        finished.stderr
    };
    let two = refused(
        "tls_server_config:\n  cert_file: tls.crt\n  key_file: tls.key\n  min_versoin: TLS13\nrate_limit: {}\n",
    );
    for said in ["web.yaml:4:3", "Did you mean `min_version`?", "web.yaml:5:1", "rate_limit"] {
        assert!(two.contains(said), "{two}");
    }
    let gone = refused("tls_server_config: {cert_file: gone.crt, key_file: tls.key}\n");
    assert!(gone.contains("gone.crt: ") && gone.contains("No such file"), "{gone}");
}

/// More silent handshakes than connections: the oldest go, and who asks is answered.
#[test]
fn who_begins_many_handshakes_keeps_nobody_out() {
    use std::io::{Read as _, Write as _};
    let served = Served::new();
    let agent = served.start(TLS, "");
    let mut held = Vec::new();
    for _ in 0..80 {
        let mut stream = std::net::TcpStream::connect(agent.address()).unwrap();
        stream.write_all(&[22, 3, 1]).unwrap();
        held.push(stream);
    }
    let asked = served.curl(agent.address(), "https", "/livez", &["--max-time", "5"]);
    assert_eq!(asked.status, 200, "{asked:?}");
    // Cut, and not only at the limit of time.
    held[0].set_read_timeout(Some(std::time::Duration::from_secs(5))).unwrap();
    let mut said = Vec::new();
    let ended = held[0].read_to_end(&mut said);
    assert!(said.is_empty() && !ended.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock));
}

/// A connection from this address of the node.
fn from(address: [u8; 4], to: std::net::SocketAddr) -> std::net::TcpStream {
    use rustix::net::{AddressFamily, SocketType};
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    rustix::net::bind(&socket, &std::net::SocketAddr::from((address, 0))).unwrap();
    rustix::net::connect(&socket, &to).unwrap();
    socket.into()
}

/// Whoever begins handshakes over and over, and goes on with none, takes places from itself: who comes from elsewhere
/// is answered meanwhile.
#[test]
fn who_keeps_beginning_handshakes_takes_no_place_of_another() {
    use std::io::{Read as _, Write as _};
    use std::sync::atomic::{AtomicBool, Ordering};
    let served = Served::new();
    let agent = served.start(TLS, "");
    // Before the crowd, half a greeting from elsewhere.
    let mut early = from([127, 0, 0, 3], agent.address());
    early.write_all(&[22, 3, 1]).unwrap();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut held = std::collections::VecDeque::new();
                while !over.load(Ordering::Relaxed) {
                    let Ok(mut stream) = std::net::TcpStream::connect(agent.address()) else { continue };
                    drop(stream.write_all(&[22, 3, 1, 2, 0]));
                    held.push_back(stream);
                    if held.len() > 300 {
                        held.pop_front();
                    }
                }
            });
        }
        for nth in 0..5 {
            let asked =
                served.curl(agent.address(), "https", "/metrics", &["--max-time", "5", "--interface", "127.0.0.2"]);
            assert_eq!(asked.status, 200, "{nth}: {asked:?}");
        }
        // It was not cut: it is still waited for.
        early.set_read_timeout(Some(std::time::Duration::from_millis(50))).unwrap();
        let ended = early.read(&mut [0]).map_err(|error| error.kind());
        over.store(true, Ordering::Relaxed);
        assert_eq!(ended, Err(std::io::ErrorKind::WouldBlock));
    });
}
