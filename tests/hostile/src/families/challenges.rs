//! Challenges and realms: who asks for a login in a way that nobody can answer.

use crate::attack::{Attack, peer};
use crate::peer::{ANY, PING, Spec, TOKEN, WITHOUT_LOGIN, on};
use crate::script::{Script, answer, head, raw};

const FAMILY: &str = "challenges";

pub fn attacks() -> Vec<Attack> {
    [forms(), realms(), endless(), repeated()].into_iter().flatten().collect()
}

fn asking(challenge: &str) -> Script {
    answer("401 Unauthorized", &[&format!("WWW-Authenticate: {challenge}")], "")
}

fn asks(name: &str, challenge: &str) -> Attack {
    peer(FAMILY, name, on(ANY, asking(challenge)).login())
}

fn forms() -> Vec<Attack> {
    vec![
        asks("nothing", ""),
        asks("a comma", ","),
        asks("a scheme and nothing else", "Bearer"),
        asks("an unknown scheme", "Magic realm=\"x\""),
        asks("NTLM", "NTLM"),
        asks("Negotiate with a blob", "Negotiate YIIJvwYGKwYBBQUCoIIJszCCCa8="),
        asks("Digest", "Digest realm=\"x\", nonce=\"y\", qop=\"auth\""),
        asks("Basic without a realm", "Basic"),
        asks("a quote without its end", "Bearer realm=\"http://127.0.0.1:1/token"),
        asks("backslashes", r#"Bearer realm="http:\/\/127.0.0.1:1\/\t\o\k\e\n",service="\\\"""#),
        asks("equals signs", "Bearer =====,realm==x"),
        asks("a realm twice", "Bearer realm=\"http://127.0.0.1:1/a\",realm=\"http://127.0.0.1:1/b\""),
        asks("a realm in capitals", "BEARER REALM=\"http://127.0.0.1:1/token\""),
        asks("C1 codes and marks of direction", "\u{9b}2J realm=\"\u{202e}\u{2028}\""),
        asks("two schemes in one field", "Basic realm=\"a\", Bearer realm=\"http://127.0.0.1:1/token\""),
        peer(
            FAMILY,
            "ESC in a challenge",
            on(ANY, raw("HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm=\"\u{1b}[2J\"\r\nContent-Length: 0\r\n\r\n")),
        ),
        peer(FAMILY, "no challenge", on(ANY, answer("401 No", &[], ""))),
        peer(
            FAMILY,
            "a challenge of a proxy",
            on(ANY, answer("407 No", &["Proxy-Authenticate: Basic realm=\"x\""], "")),
        ),
        peer(FAMILY, "/v2/ wants a login, the image does not", on(PING, asking("Basic realm=\"x\""))),
    ]
}

fn realms() -> Vec<Attack> {
    let realm = |name: &str, realm: &str| asks(name, &format!("Bearer realm=\"{realm}\",service=\"s\",scope=\"x\""));
    vec![
        realm("a realm of nothing", ""),
        realm("a realm without a scheme", "token"),
        realm("a realm in a file", "file:///etc/shadow"),
        realm("a realm on FTP", "ftp://127.0.0.1/"),
        realm("a realm at a port that is none", "http://127.0.0.1:99999/"),
        realm("a realm with a bad escape", "http://127.0.0.1:1/%zz"),
        realm("a realm with a password", "http://u:hunter2@127.0.0.1:1/token"),
        realm("a realm on the metadata service", "http://169.254.169.254/latest/token"),
        realm("a realm at the registry itself", "${self}/v2/"),
        realm("a realm of 200 KB", &format!("http://127.0.0.1:1/{}", "x".repeat(200_000))),
        realm("a realm with a query of 100 KB", &format!("http://127.0.0.1:1/token?{}", "a=b&".repeat(25_000))),
    ]
}

fn endless() -> Vec<Attack> {
    let many = |item: &str, times: usize| item.repeat(times);
    let fields =
        head("401 No", &["Content-Length: 0"]).repeat("WWW-Authenticate: Basic realm=\"x\"\r\n", 900).send("\r\n");
    vec![
        asks("50,000 parameters", &format!("Bearer realm=\"http://127.0.0.1:1/\"{}", many(",a=b", 50_000))),
        asks("50,000 commas", &many(",", 50_000)),
        asks("20,000 schemes", &many("Basic realm=\"x\", ", 20_000)),
        asks("100,000 quotes", &format!("Bearer {}", many("\"", 100_000))),
        asks("100,000 backslashes", &format!("Bearer realm=\"{}", many("\\", 100_000))),
        asks("a scope of 200 KB", &format!("Bearer realm=\"http://127.0.0.1:1/\",scope=\"{}\"", many("x", 200_000))),
        asks(
            "20,000 scopes",
            &format!("Bearer realm=\"http://127.0.0.1:1/\",scope=\"{}\"", many("repository:a:pull ", 20_000)),
        ),
        peer(FAMILY, "900 fields with a challenge", on(ANY, fields)),
        peer(
            FAMILY,
            "a challenge, and a body without end",
            on(ANY, head("401 No", &["WWW-Authenticate: Basic realm=\"x\""]).send("\r\n").endless("no")),
        ),
    ]
}

/// The registry is given a login and repeats it wherever it can.
fn repeated() -> Vec<Attack> {
    let basic = || Spec::default().on(WITHOUT_LOGIN, asking("Basic realm=\"r\"")).login();
    let told = |name: &str, script: Script| peer(FAMILY, name, basic().on(ANY, script));
    let json = "Content-Type: application/json";
    vec![
        told("a login repeated as a reason", answer("403 ${authorization}", &[], "")),
        told(
            "a login repeated in an error",
            answer(
                "403 No",
                &[json],
                r#"{"errors":[{"code":"${authorization}","message":"${authorization}","detail":"${authorization}"}]}"#,
            ),
        ),
        told(
            "a login repeated in a place",
            answer("307 Moved", &["Location: http://127.0.0.1:1/?a=${authorization}"], ""),
        ),
        told("a login repeated in a challenge", asking("Basic realm=\"${authorization}\"")),
        told("a login repeated in a warning", answer("403 No", &["Warning: 299 - \"${authorization}\""], "")),
        told("a login repeated as a digest", answer("200 OK", &["Docker-Content-Digest: ${authorization}"], "{}")),
        told("a login repeated as a media type", answer("200 OK", &["Content-Type: ${authorization}"], "{}")),
        told("a login repeated without HTTP", raw("${authorization}\r\n\r\n")),
        told("a login that is never good enough", asking("Basic realm=\"r\"")),
        peer(
            FAMILY,
            "a realm that repeats what it is given",
            Spec::default()
                .on(TOKEN, answer("403 ${authorization}", &[json], r#"{"details":"${authorization}"}"#))
                .on(ANY, asking("Bearer realm=\"${self}/token\",service=\"s\""))
                .login(),
        ),
        peer(
            FAMILY,
            "a realm elsewhere that repeats what it is given",
            on(ANY, asking("Bearer realm=\"${other}/token\",service=\"s\""))
                .other(on(ANY, answer("403 No", &[json], r#"{"message":"${authorization}"}"#)))
                .login(),
        ),
    ]
}
