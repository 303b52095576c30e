//! Passwords, over plain HTTP and TLS alike.

use super::serving::{PASSWORD, Served, TLS, users};

const ALL: [&str; 7] = ["/", "/metrics", "/api/v1/report", "/api/v1/summary", "/api/v1/schema", "/nothing", "/livez/"];

#[test]
fn every_route_needs_the_password_and_health_on_the_node_does_not() {
    let served = Served::new();
    let headers =
        "http_server_config:\n  headers:\n    X-Frame-Options: deny\n    Strict-Transport-Security: max-age=60\n";
    for (scheme, tls) in [("http", ""), ("https", TLS)] {
        let agent = served.start(&format!("{tls}{}{headers}", users(&["alice"])), "");
        let get = |path: &str, login: &str| {
            let login: &[&str] = if login.is_empty() { &[] } else { &["--user", login] };
            served.curl(agent.address(), scheme, path, login)
        };
        let right = format!("alice:{PASSWORD}");
        for path in ALL {
            for login in ["", "alice:wrong", "alice:", "eve:open sesame", ":"] {
                let refused = get(path, login);
                assert_eq!(refused.status, 401, "{scheme} {path} {login}: {refused:?}");
                let answer = refused.answer.to_ascii_lowercase();
                assert!(answer.contains("www-authenticate: basic realm="), "{answer}");
                assert!(answer.contains("x-frame-options: deny") && answer.contains("nosniff"), "{answer}");
                assert!(!answer.contains("pullprobe_build_info"), "{answer}");
            }
            let expected = if ["/nothing", "/livez/"].contains(&path) { 404 } else { 200 };
            assert_eq!(get(path, &right).status, expected, "{scheme} {path}");
        }
        let answer = get("/metrics", &right).answer.to_ascii_lowercase();
        assert!(answer.contains("strict-transport-security: max-age=60"), "{answer}");
        for path in ["/livez", "/readyz", "/-/healthy"] {
            assert_eq!(get(path, "").status, 200, "{scheme} {path}");
        }
        // Whoever is taken out of the file is out at the next request.
        served.write("web.yaml", &format!("{tls}{}", users(&["bob"])));
        assert_eq!(get("/metrics", &right).status, 401);
        assert_eq!(get("/metrics", &format!("bob:{PASSWORD}")).status, 200);
        let log = agent.log();
        assert!(!log.contains(PASSWORD) && !log.contains("$2y$"), "{log}");
    }
}

#[test]
fn with_a_password_page_and_report_are_read_where_the_settings_say_so() {
    let served = Served::new();
    let agent = served.start(&users(&["alice"]), ", report: authenticated");
    let right = format!("alice:{PASSWORD}");
    for path in ["/", "/api/v1/report"] {
        let get = |login: &[&str]| served.curl(agent.address(), "http", path, login).status;
        assert_eq!((get(&[]), get(&["--user", &right])), (401, 200), "{path}");
        // Loopback is not what protects: a proxy has a name of its own.
        assert_eq!(get(&["--user", &right, "--header", "Host: proxy.example"]), 200, "{path}");
    }
}
