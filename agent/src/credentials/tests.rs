//! Nodes written by hand from the rules of kubelet 1.36 (`pkg/credentialprovider/{config,keyring,
//! provider}.go`, `pkg/util/parsers`), each with the credentials that it would offer, in its order.

use std::path::Path;

use super::*;
use crate::model::finding::Severity;

mod secrets;

/// A node with these files; the user name of an entry says which one it is.
fn node(files: &[(&str, &str)]) -> (tempfile::TempDir, Credentials) {
    let dir = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = dir.path().join(path.trim_start_matches('/'));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let secrets = dir.path().join("secrets");
    let options = CredentialOptions {
        kubelet_root: "/var/lib/kubelet".into(),
        kubelet: true,
        pull_secrets_dir: secrets.is_dir().then_some(secrets),
        provider_config: None,
        provider_bin_dir: None,
        may_enter: false,
        home: "/root".into(),
    };
    let credentials = Credentials::load(&HostRoot::open(dir.path()).unwrap(), &options);
    (dir, credentials)
}

fn auths(keys: &[&str]) -> String {
    let entries: Vec<String> =
        keys.iter().map(|key| format!(r#""{key}": {{"username": "u {key}", "password": "p"}}"#)).collect();
    format!("{{\"auths\": {{\n{}\n}}}}", entries.join(",\n"))
}

fn keys(credentials: &Credentials, image: &str) -> Vec<String> {
    let image = Reference::parse(image).unwrap();
    credentials.candidates(&image).into_iter().map(|one| one.key).collect()
}

fn codes(credentials: &Credentials) -> Vec<(&'static str, Option<usize>)> {
    credentials.findings.iter().map(|finding| (finding.code, finding.line())).collect()
}

const PREFERRED: &str = "/var/lib/kubelet/config.json";

#[test]
fn the_keys_of_a_file_are_matched_and_ordered_as_kubelets_keyring_does() {
    for (written, image, offered) in [
        // Docker Hub: the fallback entry, and only if nothing else matched.
        (&["https://index.docker.io/v1/"][..], "nginx", &["https://index.docker.io/v1/"][..]),
        (&["index.docker.io"], "nginx", &["index.docker.io"]),
        (&["https://index.docker.io/v1"], "nginx", &[]),
        (&["https://index.docker.io/v2/"], "index.docker.io/a/b", &["https://index.docker.io/v2/"]),
        (&["docker.io", "https://index.docker.io/v1/"], "nginx", &["docker.io"]),
        (&["registry-1.docker.io"], "nginx", &[]),
        (&["https://registry-1.docker.io/v2/"], "nginx", &[]),
        (&["docker.io/library"], "nginx", &["docker.io/library"]),
        (&["docker.io/team", "index.docker.io"], "nginx", &["index.docker.io"]),
        (&["index.docker.io"], "localhost/app", &["index.docker.io"]),
        (&["index.docker.io"], "ghcr.io/a/b", &[]),
        // Ports are compared as text.
        (&["reg.corp:443"], "reg.corp/app", &[]),
        (&["reg.corp"], "reg.corp:443/app", &[]),
        (&["reg.corp:5000"], "reg.corp:5000/app", &["reg.corp:5000"]),
        (&["localhost:5000"], "localhost:5000/app", &["localhost:5000"]),
        // The scheme is forgotten.
        (&["http://reg.corp"], "reg.corp/app", &["http://reg.corp"]),
        (&["https://reg.corp/v1/"], "reg.corp/app", &["https://reg.corp/v1/"]),
        (&["https://reg.corp/v2"], "reg.corp/app", &[]),
        // A path is a prefix of characters; the longer one comes first.
        (&["reg.corp", "reg.corp/team"], "reg.corp/team/app", &["reg.corp/team", "reg.corp"]),
        (&["reg.corp/team"], "reg.corp/team2/app", &["reg.corp/team"]),
        (&["reg.corp/team"], "reg.corp/other/app", &[]),
        (
            &["reg.corp/team/app"],
            "reg.corp/team/app:1@sha256:e6693c20186f837fc393390135d8a598a96a833917917789d63766cab6c59582",
            &["reg.corp/team/app"],
        ),
        // `*` sorts before letters, so in reverse order patterns come last.
        (&["*.corp", "reg.corp"], "reg.corp/app", &["reg.corp", "*.corp"]),
        (&["*.*.corp"], "reg.corp/app", &[]),
        (&["*.azurecr.io"], "team.azurecr.io/app", &["*.azurecr.io"]),
        (&["*"], "reg.corp/app", &[]),
        // IPv6 only with a port.
        (&["[fd00::1]"], "[fd00::1]/app", &[]),
        (&["[fd00::1]:5000"], "[fd00::1]:5000/app", &["[fd00::1]:5000"]),
        // A key that is no URL is passed over; the others live.
        (&["reg corp", "reg.corp"], "reg.corp/app", &["reg.corp"]),
        // Case counts.
        (&["Reg.corp"], "reg.corp/app", &[]),
    ] {
        let (_keep, credentials) = node(&[(PREFERRED, &auths(written))]);
        assert_eq!(keys(&credentials, image), offered, "{written:?} {image}");
    }
}

#[test]
fn two_spellings_of_one_key_are_both_tried() {
    let (_keep, credentials) = node(&[(PREFERRED, &auths(&["reg.corp", "https://reg.corp"]))]);
    assert_eq!(keys(&credentials, "reg.corp/app").len(), 2);
    assert_eq!(codes(&credentials), [("credentials_key_repeated", Some(3))]);
}

#[test]
fn the_first_file_that_parses_wins() {
    let home = "/root/.docker/config.json";
    let login = auths(&["reg.corp"]);
    let old = r#"{"reg.corp": {"username": "old", "password": "p"}}"#;
    let bad_entry = r#"{"auths": {"reg.corp": {"username": "x"}, "other": {"auth": "%"}}}"#;
    for (files, user) in [
        (&[(PREFERRED, login.as_str()), ("/config.json", "{}")][..], Some("u reg.corp")),
        (&[("/config.json", &login), (home, "{}")], Some("u reg.corp")),
        (&[(home, &login)], Some("u reg.corp")),
        (&[("/.docker/config.json", &login)], Some("u reg.corp")),
        // Valid and empty shadows everything behind it.
        (&[(PREFERRED, "{}"), (home, &login)], None),
        (&[(PREFERRED, old), (home, &login)], None),
        (&[(PREFERRED, "{}"), ("/root/.dockercfg", old)], None),
        // Rejected: the search goes on, with all of the new form before all of the old.
        (&[(PREFERRED, "{"), (home, &login)], Some("u reg.corp")),
        (&[(PREFERRED, bad_entry), (home, &login)], Some("u reg.corp")),
        (&[(PREFERRED, bad_entry)], None),
        (&[("/var/lib/kubelet/.dockercfg", old), ("/.docker/config.json", &login)], Some("u reg.corp")),
        (&[("/var/lib/kubelet/.dockercfg", old)], Some("old")),
        (&[("/root/.dockercfg", old), (PREFERRED, "[]")], Some("old")),
        (&[("/.dockercfg", old), ("/root/.dockercfg", "nonsense")], Some("old")),
        // A directory in the place of the file is passed over.
        (&[("/var/lib/kubelet/config.json/x", ""), (home, &login)], Some("u reg.corp")),
        // Nobody reads these.
        (&[("/var/lib/kubelet/.docker/config.json", &login)], None),
        (&[("/root/config.json", &login)], None),
    ] {
        let (_keep, credentials) = node(files);
        let image = Reference::parse("reg.corp/app").unwrap();
        let offered = credentials.candidates(&image);
        let users: Vec<&str> = offered.iter().map(|one| one.login().unwrap().0).collect();
        assert_eq!(users, user.into_iter().collect::<Vec<_>>(), "{files:?}");
    }
}

#[test]
fn files_that_kubelet_skips_or_never_reads_are_named() {
    let (_keep, credentials) = node(&[
        (PREFERRED, "{\n  \"auths\": {\n    \"a\": {\"auth\": \"%\"}}}"),
        ("/root/.docker/config.json", &auths(&["reg.corp"])),
        ("/.docker/config.json", "not even read"),
    ]);
    assert_eq!(
        codes(&credentials),
        [
            ("credentials_file_rejected", Some(3)),
            ("credentials_file_shadowed", None),
            ("credentials_file_needs_home", None),
        ]
    );
    let failure = credentials.rejected_file().unwrap();
    assert_eq!(failure.cause, Cause::CredentialsMalformed);
    assert!(failure.detail.contains("/var/lib/kubelet/config.json: line 3, column 5"), "{}", failure.detail);
}

#[test]
fn entries_that_do_nothing_are_named_with_their_line() {
    let text = r#"{
  "credsStore": "ecr-login",
  "auths": {
    "https://index.docker.io/v1": {"username": "a", "password": "b"},
    "registry-1.docker.io": {"username": "a", "password": "b"},
    "reg corp": {"username": "a", "password": "b"},
    "[fd00::1]": {"username": "a", "password": "b"},
    "reg.corp/Team": {"username": "a", "password": "b"},
    "reg.corp/v2": {"username": "a", "password": "b"},
    "empty.example": {},
    "acr.example": {"identitytoken": "t"},
    "HTTPS://big.example": {"username": "a", "password": "b"}
  }
}"#;
    let (_keep, credentials) = node(&[(PREFERRED, text)]);
    assert_eq!(
        codes(&credentials),
        [
            ("credentials_field_unused", Some(2)),
            ("credentials_key_never_matches", Some(4)),
            ("credentials_key_never_matches", Some(5)),
            ("credentials_key_invalid", Some(6)),
            ("credentials_key_never_matches", Some(7)),
            ("credentials_key_never_matches", Some(8)),
            ("credentials_key_never_matches", Some(9)),
            ("credentials_entry_empty", Some(10)),
            ("credentials_field_unused", Some(11)),
            ("credentials_key_never_matches", Some(12)),
        ]
    );
    let inconclusive = credentials.findings.iter().filter(|f| [Some(5), Some(9)].contains(&f.line()));
    assert!(inconclusive.clone().all(|f| f.severity == Severity::Warning) && inconclusive.count() == 2);
}

#[test]
fn the_nearest_key_is_named_with_the_reason() {
    for (written, image, near, reason) in [
        (&["reg.corp:443", "ghcr.io"][..], "reg.corp/app", "reg.corp:443", "it names port 443, the image no port"),
        (&["reg.corp"], "reg.corp:5000/app", "reg.corp", "it names no port, the image port 5000"),
        (&["https://index.docker.io/v1"], "nginx", "https://index.docker.io/v1", "must end in `/v1/`"),
        (&["registry-1.docker.io"], "nginx", "registry-1.docker.io", "named `docker.io`"),
        (&["reg.corp/team", "a.corp"], "reg.corp/other/app", "reg.corp/team", "begin with `team`"),
        (&["reg.corp/v2"], "reg.corp/app", "reg.corp/v2", "write `reg.corp`"),
        (&["*.corp.example"], "a.reg.corp.example/app", "*.corp.example", "has 4 labels, not 3"),
        (&["REG.corp"], "reg.corp/app", "REG.corp", "upper and lower case"),
        (&["docker.corp.example"], "reg.corp.example/app", "docker.corp.example", "another host"),
        (&["[fd00::1]"], "[fd00::1]/app", "[fd00::1]", "taken for a pattern"),
    ] {
        let (_keep, credentials) = node(&[(PREFERRED, &auths(written))]);
        let image = Reference::parse(image).unwrap();
        let found = credentials.near_miss(&image).unwrap_or_else(|| panic!("{written:?} {image}"));
        assert_eq!(found.key, near);
        assert!(found.reason.contains(reason), "{written:?} {image}: {}", found.reason);
        assert_eq!(found.origin, format!("{PREFERRED}:2"));
    }
    let (_keep, credentials) = node(&[(PREFERRED, &auths(&["ghcr.io", "reg.corp"]))]);
    assert_eq!(credentials.near_miss(&Reference::parse("quay.io/a").unwrap()), None);
    assert_eq!(credentials.near_miss(&Reference::parse("ghcr.io/a").unwrap()), None, "it matches");
}

#[test]
fn without_kubelet_its_files_do_not_count() {
    let (keep, _) = node(&[(PREFERRED, &auths(&["reg.corp"]))]);
    let options = CredentialOptions {
        kubelet_root: "/var/lib/kubelet".into(),
        kubelet: false,
        pull_secrets_dir: None,
        provider_config: None,
        provider_bin_dir: None,
        may_enter: false,
        home: "/root".into(),
    };
    let credentials = Credentials::load(&HostRoot::open(keep.path()).unwrap(), &options);
    assert!(keys(&credentials, "reg.corp/app").is_empty());
}

#[test]
fn a_file_that_breaks_is_offered_until_kubelets_cache_is_over() {
    let (dir, first) = node(&[(PREFERRED, &auths(&["r.example"])), ("/.dockercfg", r#"{"other.example": {}}"#)]);
    let root = HostRoot::open(dir.path()).unwrap();
    let options = CredentialOptions {
        kubelet_root: "/var/lib/kubelet".into(),
        kubelet: true,
        pull_secrets_dir: None,
        provider_config: None,
        provider_bin_dir: None,
        may_enter: false,
        home: "/root".into(),
    };
    let file = dir.path().join("var/lib/kubelet/config.json");
    let at = |second| jiff::Timestamp::from_second(second).unwrap();
    let image = "r.example/app";
    std::fs::write(&file, "{\"auths\": {\n\"r.exam").unwrap();
    let half = first.reload(&root, &options, at(10));
    assert_eq!((keys(&half, image), half.rejected_file()), (vec!["r.example".to_owned()], None));
    let told = half.findings.iter().find(|finding| finding.code == crate::host::last_good::CODE).unwrap();
    assert_eq!((told.file.as_deref(), told.line(), told.severity), (Some(PREFERRED), Some(2), Severity::Error));
    assert!(told.message.contains("since 1970-01-01T00:00:10Z") && !told.message.contains("r.exam"), "{told:?}");
    assert!(!half.findings.iter().any(|finding| finding.code == "credentials_file_rejected"));
    let cached = half.reload(&root, &options, at(309));
    assert_eq!(keys(&cached, image), ["r.example"]);
    let over = cached.reload(&root, &options, at(310));
    assert!(keys(&over, image).is_empty() && over.rejected_file().is_some(), "{:?}", over.findings);
    std::fs::write(&file, auths(&["r.example/app"])).unwrap();
    for before in [half, over] {
        let whole = before.reload(&root, &options, at(320));
        assert_eq!(keys(&whole, image), ["r.example/app"]);
        assert!(!whole.findings.iter().any(|finding| finding.code == crate::host::last_good::CODE));
    }
}

#[test]
fn the_ends_of_credentials_are_known_with_source_and_place() {
    let token = r#"{"username": "ann", "password": "e30.eyJleHAiOjE4MDAwMDAwMDB9.e30"}"#;
    let secret = format!("{{\"auths\": {{\"https://index.docker.io/v1/\": {token}}}}}");
    let file = format!(
        "{{\"auths\": {{\n\"a.example\": {{\"username\": \"u\", \"password\": \"p\"}},\n\"b.example\": {token}}}}}"
    );
    let (dir, credentials) = node(&[("/secrets/team/regcred/.dockerconfigjson", &secret), (PREFERRED, &file)]);
    let expiries = credentials.expiries();
    let told: Vec<_> = expiries
        .iter()
        .map(|one| (one.source.to_string(), one.registry.as_str(), one.file.as_deref(), one.position.map(|at| at.line)))
        .collect();
    let mounted = dir.path().join("secrets/team/regcred/.dockerconfigjson").display().to_string();
    assert_eq!(
        told,
        [
            ("pull-secret:team/regcred".to_owned(), "index.docker.io", Some(mounted.as_str()), Some(1)),
            ("kubelet-config-json".to_owned(), "b.example", Some(PREFERRED), Some(3)),
        ]
    );
    assert!(expiries.iter().all(|one| one.lifetime.ends.as_second() == 1_800_000_000 && one.renews.is_none()));
}

#[test]
fn of_a_file_with_more_fields_than_are_read_nobody_knows_what_kubelet_finds_in_it() {
    use crate::keyring::dockerconfig::FIELDS;
    let with = |logins: usize, more: &str| {
        let login = |nth: usize| format!("\"r{nth}.example\": {{\"auth\": \"YTpi\"}},");
        let all = (0..logins).map(login).collect::<Vec<_>>().concat();
        // Colons of a text are no fields, and a quote in it is no end of it.
        format!("{{\"auths\": {{{all} \"z.example\": {{\"auth\": \"YTpi\"}}{more}}}, \"x\\\":::\": \":::\"}}")
    };
    let full = with(FIELDS / 2 - 2, "");
    let (_dir, read) = node(&[(PREFERRED, &full)]);
    assert_eq!((codes(&read), read.unread.len()), (vec![], 0));
    assert_eq!(keys(&read, "r7.example/a"), ["r7.example"]);
    // Another file behind it would not be looked at by kubelet if this one has a login.
    let (_dir, unread) =
        node(&[(PREFERRED, &with(FIELDS / 2 - 2, ", \"one.more\": {}")), ("/config.json", &auths(&["r7.example"]))]);
    assert_eq!(codes(&unread), [("credentials_file_unreadable", None)]);
    assert!(
        unread.unread[0].comes_first && unread.unread[0].why.contains("more than 32768 entries"),
        "{:?}",
        unread.unread
    );
    // The same of a pull secret that is mounted.
    let (_dir, unread) = node(&[("/secrets/a/.dockerconfigjson", &with(FIELDS, ""))]);
    assert!(unread.unread.len() == 1 && unread.malformed().is_none(), "{:?}", unread.findings);
}
