//! Random nodes: keys near the image's name, entries of every kind, files in every place where kubelet looks.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use pullprobe_lab::chance::Chance;
use serde_json::{Value, json};

use super::case::{Case, Secret};

const IMAGES: [&str; 18] = [
    "registry.example/team/app:1",
    "registry.example/team/app",
    "registry.example/app@sha256:e6693c20186f837fc393390135d8a598a96a833917917789d63766cab6c59582",
    "registry.example:5000/team/app:1",
    "registry.example:443/team/app",
    "eu.mirror.registry.example/team/app",
    "registry.example/v2/app",
    "registry.example/v1/team/app",
    "registry.example/team/x/app:1",
    "REGISTRY.example/team/app",
    "127.0.0.1:5000/team/app",
    "localhost/team/app",
    "localhost:5000/team/app",
    "docker.io/team/app:1",
    "index.docker.io/team/app",
    "team/app",
    "nginx",
    "registry/team/app",
];
/// Each with whether it has the old form; the first is where most nodes have theirs.
const PLACES: [(&str, bool); 11] = [
    ("/var/lib/kubelet/config.json", false),
    ("/config.json", false),
    ("/root/.docker/config.json", false),
    ("/.docker/config.json", false),
    ("/var/lib/kubelet/.dockercfg", true),
    ("/root/.dockercfg", true),
    ("/.dockercfg", true),
    // Nobody looks here.
    ("/root/config.json", false),
    ("/root/.docker/.dockercfg", true),
    ("/var/lib/kubelet/.docker/config.json", false),
    ("/etc/docker/config.json", false),
];
/// What else a key may end in, or consist of.
const ENDS: [&str; 20] = [
    "",
    "",
    "",
    "/",
    "/",
    "/v1/",
    "/v2/",
    "/v2",
    "/v1",
    "?x=1",
    "#part",
    "?",
    " ",
    "/team//",
    "/%74eam",
    "/te%zz",
    "/*",
    "\\",
    "/team/../team",
    "/v1/v2/team",
];
const WHOLE: [&str; 28] = [
    "*",
    "*.*",
    "*.*.*",
    "*.example",
    "*.io",
    "*.docker.io",
    "",
    "/",
    "[",
    "https://",
    "://x",
    "docker.io",
    "index.docker.io",
    "registry-1.docker.io",
    "https://index.docker.io/v1/",
    "https://index.docker.io/v2/",
    "https://index.docker.io/v1",
    "http://index.docker.io",
    "index.docker.io/team",
    "docker.io/library",
    "[::1]:5000",
    "[::1]",
    "r{}g.example",
    "registry.example|x",
    "a<b>.example",
    "-registry.example",
    "ünï.example",
    "*:5000",
];

pub fn case(chance: &mut Chance) -> Case {
    let image = chance.of(&IMAGES).to_owned();
    let mut case = Case { image, ..Case::default() };
    let mut writer = Writer { host: host_of(&case.image), logins: 0, faulty: chance.percent(40) };
    for (at, (path, old)) in PLACES.iter().enumerate() {
        if chance.percent(if at == 0 { 65 } else { 11 }) {
            let text = writer.document(chance, *old, true);
            case.files.push(((*path).to_owned(), text));
        }
    }
    if chance.percent(3) && !case.files.iter().any(|(path, _)| path.starts_with("/var/lib/kubelet/config.json")) {
        // A directory in the place of the file.
        case.files.push(("/var/lib/kubelet/config.json/x".to_owned(), Vec::new()));
    }
    for number in 0..[0, 0, 0, 1, 1, 2, 3][chance.below(7)] {
        let old = chance.percent(25);
        writer.faulty = chance.percent(15);
        let name = |old| (if old { ".dockercfg" } else { ".dockerconfigjson" }).to_owned();
        let mut data = vec![(name(old), writer.document(chance, old, false))];
        if !old && chance.percent(10) {
            data.push((name(true), writer.document(chance, true, false)));
        }
        case.secrets.push(Secret { place: format!("shop/s{number}"), data });
    }
    case
}

/// With its port, as the image's name has it.
fn host_of(image: &str) -> &str {
    match image.split_once('/') {
        Some((host, _)) if host.contains(['.', ':']) || host == "localhost" => host,
        _ => "docker.io",
    }
}

struct Writer<'i> {
    host: &'i str,
    /// How many entries there are so far: each has a login of its own.
    logins: usize,
    /// Whether what is no login is written too.
    faulty: bool,
}

impl Writer<'_> {
    /// `any`: also what the API server would not take for a secret.
    fn document(&mut self, chance: &mut Chance, old: bool, any: bool) -> Vec<u8> {
        let entries = self.entries(chance);
        let text = if old {
            entries
        } else {
            let name = if chance.percent(94) { "auths" } else { chance.of(&["AUTHS", "Auths", "auth\u{17f}", "auth"]) };
            let more = match chance.below(14) {
                0 => r#", "credsStore": "ecr-login", "credHelpers": {"registry.example": "x"}"#.to_owned(),
                1 => r#", "HttpHeaders": {"A": "b", "c": null}"#.to_owned(),
                2 => format!(r#", "auths": {}"#, self.entries(chance)),
                3 => r#", "detachKeys": 1e999, "plugins": {"a": [[[{"b": "\ud800"}]]]}"#.to_owned(),
                4 if self.faulty => r#", "httpheaders": {"A": 1}"#.to_owned(),
                5 if self.faulty => r#", "auths": null"#.to_owned(),
                6 if self.faulty => format!(r#", "auths": {}"#, chance.of(&["[]", "5", "\"x\"", "true"])),
                _ => String::new(),
            };
            format!("{{\"{name}\": {entries}{more}}}")
        };
        match chance.below(if self.faulty && any { 30 } else { 1000 }) {
            0 => b"null".to_vec(),
            1 if any => text.as_bytes()[..text.len() - 1].to_vec(),
            2 if any => format!("\u{feff}{text}").into_bytes(),
            3 if any => format!("{text}{}", chance.of(&["x", "\0", ",", "{}"])).into_bytes(),
            4 if any => chance.of(&["", "[]", "5", "\"x\"", "{,}", "// none\n{}"]).as_bytes().to_vec(),
            5 => [b" \r\n\t".as_slice(), text.as_bytes(), b"\n\n"].concat(),
            6 => text.replace("\"u", "\"\\ud83du").into_bytes(),
            // Latin-1, as an old editor leaves it.
            7 => text.replace("\"u", "\"\u{1}").into_bytes().iter().map(|c| if *c == 1 { 0xe4 } else { *c }).collect(),
            8 if any => text.replace(": {", ": {\u{b}").into_bytes(),
            _ => text.into_bytes(),
        }
    }

    fn entries(&mut self, chance: &mut Chance) -> String {
        let mut written = Vec::new();
        let mut last = String::new();
        for _ in 0..[0, 1, 1, 2, 2, 3, 4, 6][chance.below(8)] {
            // Sometimes the very same key again, sometimes another spelling of it.
            let key = match chance.below(12) {
                0 => last.clone(),
                1 => format!("https://{last}"),
                _ => self.key(chance),
            };
            written.push(format!("{}: {}", json!(key), self.entry(chance)));
            last = key;
        }
        format!("{{{}}}", written.join(",\n  "))
    }

    fn key(&self, chance: &mut Chance) -> String {
        if chance.percent(22) {
            return chance.of(&WHOLE).to_owned();
        }
        let (name, port) = self.host.split_once(':').map_or((self.host, ""), |(name, port)| (name, port));
        let mut labels: Vec<String> = name.split('.').map(str::to_owned).collect();
        let at = chance.below(labels.len());
        let label = labels[at].clone();
        let (first, rest) = label.split_at(label.len().min(1));
        match chance.below(18) {
            0 => "*".clone_into(&mut labels[at]),
            1 => labels[at] = format!("{first}*"),
            2 => labels[at] = format!("*{rest}"),
            3 => labels[at] = label.to_uppercase(),
            4 => chance.of(&["**", "?*", "\\*", "%6d", "*\\", "*?", "-*"]).clone_into(&mut labels[at]),
            // Elsewhere than at the begin brackets are what this kubelet and the newest differ in.
            5 => chance.of(&["[a-z]*", "[^a]*", "[a-", "[a-z]egistry", "[]"]).clone_into(&mut labels[0]),
            6 => labels[at] = format!("{first}?{rest}"),
            7 => labels.push(String::new()),
            8 => labels.insert(0, "a".to_owned()),
            _ => {}
        }
        let scheme = match chance.below(10) {
            0 | 1 => "https://",
            2 => "http://",
            3 => chance.of(&["HTTPS://", "ftp://", "user@", "user:pass@", "//", " ", "https://us%65r@", "a b@"]),
            _ => "",
        };
        let port = match chance.below(10) {
            0 => chance.of(&[":", ":443", ":5000", ":05000", ":x", ":5000:1", ":*", ":-1"]).to_owned(),
            1 | 2 => String::new(),
            _ if port.is_empty() => String::new(),
            _ => format!(":{port}"),
        };
        let path = match chance.below(8) {
            0 => "/team",
            1 => "/team/app",
            2 => chance.of(&["/te", "/Team", "/team/app:1", "/library", "/other", "/team app"]),
            _ => "",
        };
        let path =
            if self.host == "docker.io" && path.is_empty() && chance.percent(30) { "/library/nginx" } else { path };
        format!("{scheme}{}{port}{path}{}", labels.join("."), chance.of(&ENDS))
    }

    fn entry(&mut self, chance: &mut Chance) -> String {
        self.logins += 1;
        let (user, password) = (format!("u{}", self.logins), format!("p{}", self.logins));
        if self.faulty && chance.percent(12) {
            return faulty_entry(chance, &user, &password);
        }
        let login = format!("{user}:{password}");
        let entry: Value = match chance.below(16) {
            0..5 => json!({"auth": STANDARD.encode(&login)}),
            5..9 => json!({"username": user, "password": password}),
            9 => json!({"auth": encoded(chance, &login)}),
            10 => json!({"username": "x", "password": "y", "auth": STANDARD.encode(format!("{login}:more"))}),
            11 => json!({"username": user, "password": password, "auth": "", "email": "e@example"}),
            12 => [json!({"username": user}), json!({"password": password}), json!({}), Value::Null][chance.below(4)]
                .clone(),
            13 => json!({"identitytoken": "t", "registrytoken": 5, "username": user, "password": password}),
            14 => json!({"UserName": user, "PASSWORD": password, "pa\u{17f}sword": format!("{password}s")}),
            _ => {
                return format!(
                    r#"{{"username": "x", "username": "{user}", "password": null, "password": "{password}", "password": null}}"#
                );
            }
        };
        entry.to_string()
    }
}

/// What Go's decoder takes.
fn encoded(chance: &mut Chance, login: &str) -> String {
    let whole = STANDARD.encode(login);
    let bare = whole.trim_end_matches('=').to_owned();
    match chance.below(6) {
        0 => bare,
        1 => format!("{whole}\n"),
        2 => format!("\n{whole}\r\n"),
        3 => format!("{}\r\n{}", &whole[..3], &whole[3..]),
        4 => STANDARD.encode(format!(":{login}")),
        _ => STANDARD.encode([login.as_bytes(), b"\xff\0\xe4"].concat()),
    }
}

fn faulty_entry(chance: &mut Chance, user: &str, password: &str) -> String {
    let login = format!("{user}:{password}");
    let whole = STANDARD.encode(&login);
    let entry = match chance.below(16) {
        0 => json!([]),
        1 => json!("text"),
        2 => json!(5),
        3 => json!(false),
        4 => json!({"username": 5, "password": password}),
        5 => json!({"username": user, "password": {"x": 1}}),
        6 => json!({"auth": [whole], "email": 1}),
        7 => json!({"auth": true}),
        8 => json!({"auth": STANDARD.encode(user)}),
        9 => json!({"auth": format!("!{whole}")}),
        10 => json!({"auth": format!("{whole} ")}),
        11 => json!({"auth": format!(" {whole}")}),
        12 => json!({"auth": format!("{whole}=")}),
        13 => json!({"auth": URL_SAFE.encode([login.as_bytes(), b"?>~\xff\xfe"].concat())}),
        14 => json!({"auth": format!("{}={}", &whole[..2], &whole[3..])}),
        _ => json!({"auth": whole[..whole.len() - 1 - chance.below(4)]}),
    };
    entry.to_string()
}
