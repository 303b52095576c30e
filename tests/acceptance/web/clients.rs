//! Certificates of clients.

use pullprobe_lab::ca::Authority;

use super::serving::{CLIENTS, Served, TLS};

const NONE: [String; 0] = [];

#[test]
fn without_a_certificate_the_node_itself_reads_health_and_nobody_reads_more() {
    let served = Served::new();
    let agent = served.start(&format!("{TLS}{CLIENTS}  client_allowed_sans: [prometheus.example]\n"), "");
    let get = |path: &str, more: &[String]| served.curl(agent.address(), "https", path, more);
    for path in ["/livez", "/readyz", "/healthz"] {
        assert_eq!(get(path, &NONE).status, 200, "{path}");
    }
    for path in ["/", "/metrics", "/api/v1/report", "/api/v1/summary", "/api/v1/schema", "/nothing", "/livez/"] {
        let refused = get(path, &NONE);
        assert!(refused.status == 403 && refused.answer.contains("client certificate"), "{path}: {refused:?}");
    }
    let allowed = served.client(&served.authority, "prometheus.example");
    assert_eq!(get("/metrics", &allowed).status, 200);
    assert_eq!(get("/", &allowed).status, 200, "a reader on the node, with a certificate");
    let another = served.client(&served.authority, "grafana.example");
    let stranger = served.client(&Authority::new("two").unwrap(), "prometheus.example");
    for (what, shown) in [("another name", another), ("another authority", stranger)] {
        let refused = get("/livez", &shown);
        assert!(refused.status == 0 && !refused.complaint.is_empty(), "{what}: {refused:?}");
    }
}

#[test]
fn where_certificates_are_not_required_they_open_page_and_report() {
    let served = Served::new();
    let optional = CLIENTS.replace("RequireAndVerifyClientCert", "VerifyClientCertIfGiven");
    let agent = served.start(&format!("{TLS}{optional}"), ", report: authenticated");
    let get = |path: &str, more: &[String]| served.curl(agent.address(), "https", path, more).status;
    let shown = served.client(&served.authority, "prometheus.example");
    for path in ["/", "/api/v1/report"] {
        assert_eq!((get(path, &NONE), get(path, &shown)), (403, 200), "{path}");
    }
    for path in ["/metrics", "/api/v1/summary", "/livez"] {
        assert_eq!((get(path, &NONE), get(path, &shown)), (200, 200), "{path}");
    }
}
