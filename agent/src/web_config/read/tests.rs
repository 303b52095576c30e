//! Files that are taken, and files that are refused in so many words.

use super::*;

const HASH: &str = "$2y$10$X0h1gDsPszWURQaxFh.zoubFi6DXncSjhoQNJgRrnGs7EsimhC7zG";

fn read(text: &str) -> Result<WebConfig, Vec<String>> {
    parse(Path::new("/etc/web/web.yaml"), text)
        .map_err(|problems| problems.iter().map(|problem| problem.to_string().replace("/etc/web/", "")).collect())
}

#[test]
fn everything_of_the_toolkit_that_there_is_is_read() {
    let text = format!(
        "tls_server_config:\n  cert_file: tls.crt\n  key_file: /keys/tls.key\n  client_auth_type: RequireAndVerifyClientCert\n  \
         client_ca_file: ca.crt\n  client_allowed_sans: [prometheus.example]\n  min_version: TLS13\n  max_version: TLS13\n  \
         cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, TLS_AES_128_GCM_SHA256]\n  \
         prefer_server_cipher_suites: false\n  curve_preferences: [CurveP521, CurveP256]\n\
         http_server_config:\n  http2: false\n  headers:\n    X-Frame-Options: deny\n    Strict-Transport-Security: max-age=60\n    \
         X-XSS-Protection: ''\n\
         basic_auth_users:\n  alice: {HASH}\n"
    );
    let read = read(&text).unwrap();
    let tls = read.tls.as_ref().unwrap();
    assert_eq!(tls.cert_file, Path::new("/etc/web/tls.crt"), "beside the file");
    assert_eq!(tls.key_file, Path::new("/keys/tls.key"));
    let Clients::Required(authorities) = &tls.clients else { panic!("{tls:?}") };
    assert_eq!(authorities.ca_file, Path::new("/etc/web/ca.crt"));
    assert_eq!(authorities.allowed_names, ["prometheus.example"]);
    assert_eq!(tls.versions, (TlsVersion::Tls13, TlsVersion::Tls13));
    assert_eq!((tls.suites.as_ref().unwrap().len(), tls.groups.as_ref().unwrap().len(), tls.own_order), (2, 2, false));
    let headers: Vec<(&str, &str)> =
        read.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
    assert_eq!(headers, [("x-frame-options", "deny"), ("strict-transport-security", "max-age=60")]);
    assert_eq!(read.users["alice"].expose(), HASH);
    assert!(read.authenticates() && !format!("{read:?}").contains("X0h1g"));
}

#[test]
fn what_is_not_written_is_as_in_the_toolkit() {
    for empty in
        ["", "# nothing\n", "tls_server_config: {}\n", "tls_server_config:\nbasic_auth_users:\nhttp_server_config:\n"]
    {
        let read = read(empty).unwrap();
        assert!(read.tls.is_none() && read.users.is_empty() && read.headers.is_empty() && !read.authenticates());
    }
    let tls = read("tls_server_config: {cert_file: /c, key_file: /k}").unwrap().tls.unwrap();
    assert_eq!((&tls.clients, tls.versions), (&Clients::Anybody, (TlsVersion::Tls12, TlsVersion::Tls13)));
    assert!(tls.suites.is_none() && tls.groups.is_none() && tls.own_order);
}

/// The section `tls_server_config` with a pair, and this.
fn with(key: &str) -> String {
    format!("tls_server_config: {{cert_file: /c, key_file: /k, {key}}}")
}

#[test]
fn what_cannot_be_as_it_says_is_refused_by_the_name_of_its_key() {
    let tls = |key: &str, said: &str| (with(key), vec![format!("tls_server_config{said}")]);
    let policy = "client_auth_type: RequireAndVerifyClientCert.";
    let refused = [
        tls(
            "min_version: TLS11",
            ".min_version: found `TLS11`, allowed: TLS12, TLS13. The agent has no older version of TLS.",
        ),
        tls("min_version: TLS14", ".min_version: found `TLS14`, allowed: TLS12, TLS13. Did you mean `TLS12`?"),
        tls(
            "min_version: TLS13, max_version: TLS12",
            ": found a min_version above max_version, allowed: a min_version up to max_version.",
        ),
        tls(
            "client_auth_type: RequireAnyClientCert",
            ".client_auth_type: found `RequireAnyClientCert`, allowed: NoClientCert, VerifyClientCertIfGiven, RequireAndVerifyClientCert. Nobody looks at such a certificate, so it protects nothing: write RequireAndVerifyClientCert.",
        ),
        tls(
            "client_auth_type: RequireAndVerifyClientCert",
            ": found a client_auth_type without client_ca_file, allowed: client_ca_file beside it.",
        ),
        tls("client_ca_file: /ca", &format!(": found client_ca_file without client_auth_type, allowed: {policy}")),
        tls(
            "client_allowed_sans: [a]",
            &format!(": found client_allowed_sans without client_auth_type, allowed: {policy}"),
        ),
        tls(
            "client_alowed_sans: [a]",
            ": found the unknown key `client_alowed_sans`, allowed: cert_file, key_file, client_auth_type, client_ca_file, client_allowed_sans, min_version, max_version, cipher_suites, prefer_server_cipher_suites, curve_preferences, cert, key, client_ca. Did you mean `client_allowed_sans`?",
        ),
        tls(
            "curve_preferences: [CurveP224]",
            ".curve_preferences: found `CurveP224`, allowed: CurveP256, CurveP384, CurveP521, X25519. Did you mean `CurveP256`? The agent has no other curve.",
        ),
        tls(
            "key: x",
            ".key: found a certificate or key in the file itself, allowed: the name of a file. Write it to a file, and name that in `key_file`.",
        ),
        tls("prefer_server_cipher_suites: yes", ".prefer_server_cipher_suites: found `yes`, allowed: true or false."),
    ];
    for (text, said) in refused {
        let told: Vec<String> = read(&text).unwrap_err();
        let told: Vec<&str> = told.iter().filter_map(|line| Some(line.splitn(4, ':').nth(3)?.trim_start())).collect();
        assert_eq!(told, said, "{text}");
    }
    let suites = read(&with("cipher_suites: [TLS_RSA_WITH_AES_128_CBC_SHA]")).unwrap_err().concat();
    assert!(
        suites.contains("cipher_suites: found `TLS_RSA_WITH_AES_128_CBC_SHA`") && suites.contains("no suite with CBC"),
        "{suites}"
    );
}

#[test]
fn sections_and_headers_that_the_agent_has_not_are_refused_with_line_and_nearest_name() {
    for (text, said) in [
        (
            "tls_config: {}",
            "web.yaml:1:1: found the unknown key `tls_config`, allowed: tls_server_config, http_server_config, basic_auth_users, rate_limit.",
        ),
        (
            "\nbasic_auth_user: {}",
            "web.yaml:2:1: found the unknown key `basic_auth_user`, allowed: tls_server_config, http_server_config, basic_auth_users, rate_limit. Did you mean `basic_auth_users`?",
        ),
        (
            "rate_limit: {interval: 1s, burst: 2}",
            "web.yaml:1:1: rate_limit: found a rate limit, allowed: no such section. The agent has limits of its own, for connections and for passwords: remove it.",
        ),
        (
            "http_server_config: {http2: true}",
            "web.yaml:1:29: http_server_config.http2: found `true`, allowed: false. The agent speaks HTTP/1.1 alone: remove it, or write false.",
        ),
        (
            "http_server_config: {headers: {X-Frame-Options: none}}",
            "web.yaml:1:49: http_server_config.headers.X-Frame-Options: found `none`, allowed: deny, sameorigin.",
        ),
        (
            "tls_server_config: {min_version: TLS12}",
            "web.yaml:1:1: tls_server_config: found no `cert_file`, allowed: cert_file and key_file.",
        ),
        (
            "- a",
            "web.yaml:1:1: found something else, allowed: a mapping with tls_server_config, http_server_config, basic_auth_users, rate_limit.",
        ),
    ] {
        assert_eq!(read(text).unwrap_err()[0], said, "{text}");
    }
    let server = read("http_server_config: {headers: {Server: x}}").unwrap_err();
    assert!(server[0].contains("http_server_config.headers: found the unknown key `Server`"), "{server:?}");
}

/// Whatever is wrong: what may be a secret is not repeated.
#[test]
fn no_problem_shows_a_password_a_hash_or_a_key() {
    const SECRET: &str = "hunter2hunter2";
    for text in [
        format!("basic_auth_users: {{alice: {SECRET}}}"),
        format!("basic_auth_users: {SECRET}"),
        format!("basic_auth_users: [{SECRET}]"),
        format!("basic_auth_users: {{alice: [{SECRET}]}}"),
        format!("basic_auth_users: {{alice: \"$2y$31${SECRET}{SECRET}{SECRET}{SECRET}\"}}"),
        format!("basic_auth_users: {{\"al:ice\": {SECRET}}}"),
        with(&format!("key: {SECRET}")),
        format!("tls_server_config: {{cert_file: /c, key_file: \"-----BEGIN PRIVATE KEY-----\\n{SECRET}\"}}"),
        format!("tls_server_config: {SECRET}"),
    ] {
        let told = read(&text).unwrap_err();
        assert!(!told.is_empty() && !told.concat().contains("hunter2"), "{text}: {told:?}");
    }
    let told = read("basic_auth_users:\n  alice: wonderland\n").unwrap_err();
    assert_eq!(
        told,
        [
            "web.yaml:2:10: basic_auth_users: found none, allowed: a bcrypt hash with a cost from 4 to 16. `htpasswd -nBC 10 USER` makes one."
        ]
    );
}
