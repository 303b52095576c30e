//! Pull secrets as they are mounted.

use super::*;

#[test]
fn pull_secrets_come_first_and_are_named_by_where_they_are_mounted() {
    let login = auths(&["reg.corp"]);
    let old = r#"{"reg.corp/team": {"username": "old", "password": "p"}}"#;
    let (_keep, credentials) = node(&[
        (PREFERRED, &auths(&["reg.corp/team"])),
        ("/secrets/shop/pull/.dockerconfigjson", &login),
        ("/secrets/ops_registry/.dockercfg", old),
        ("/secrets/plain/.dockerconfigjson", &login),
        ("/secrets/opaque/password", "x"),
    ]);
    let image = Reference::parse("reg.corp/team/app").unwrap();
    let offered: Vec<_> =
        credentials.candidates(&image).iter().map(|c| (c.source.to_string(), c.key.clone())).collect();
    let expected = [
        ("pull-secret:ops/registry", "reg.corp/team"),
        ("pull-secret:-/plain", "reg.corp"),
        ("pull-secret:shop/pull", "reg.corp"),
        ("kubelet-config-json", "reg.corp/team"),
    ];
    assert_eq!(offered, expected.map(|(source, key)| (source.to_owned(), key.to_owned())));
    assert_eq!(codes(&credentials), [("pull_secret_without_key", None)]);
    assert_eq!(credentials.malformed(), None);
}

#[test]
fn a_secret_may_be_mounted_by_itself_through_kubernetes_links() {
    let dir = tempfile::tempdir().unwrap();
    let mount = dir.path().join("regcred");
    std::fs::create_dir_all(mount.join("..2026_11_20")).unwrap();
    std::fs::write(mount.join("..2026_11_20/.dockerconfigjson"), auths(&["reg.corp"])).unwrap();
    std::os::unix::fs::symlink("..2026_11_20", mount.join("..data")).unwrap();
    std::os::unix::fs::symlink("..data/.dockerconfigjson", mount.join(".dockerconfigjson")).unwrap();
    let loaded = PullSecrets::load(Path::new(&mount));
    assert_eq!(loaded.secrets.len(), 1);
    assert_eq!(loaded.secrets[0].source.to_string(), "pull-secret:-/regcred");
}

#[test]
fn a_pull_secret_that_does_not_parse_stops_every_pull() {
    let (_keep, credentials) =
        node(&[("/secrets/shop/pull/.dockerconfigjson", "{\"auths\": {\"a\": {\"auth\": \"x\"}}}")]);
    let failure = credentials.malformed().unwrap();
    assert_eq!((failure.cause, failure.stage), (Cause::CredentialsMalformed, Stage::Config));
    assert!(
        failure.detail.starts_with("pull secret shop/pull: line 1, column 12: a: its auth is not base64"),
        "{}",
        failure.detail
    );
    assert_eq!(codes(&credentials), [("pull_secret_malformed", Some(1))]);
}

#[test]
fn the_first_bad_value_of_a_doubled_key_stops_every_pull() {
    let login = r#"{"username": "ann", "password": "p"}"#;
    let doubled = format!("{{\"auths\": {{\n\"r.example\": [],\n\"r.example\": {login}}}}}");
    let (_keep, credentials) = node(&[("/secrets/shop/pull/.dockerconfigjson", &doubled), (PREFERRED, &doubled)]);
    let failure = credentials.malformed().unwrap();
    assert_eq!(
        failure.go_message,
        "json: cannot unmarshal array into Go struct field DockerConfigJSON.auths of type credentialprovider.dockerConfigEntryWithAuth"
    );
    assert_eq!(codes(&credentials), [("pull_secret_malformed", Some(2)), ("credentials_file_rejected", Some(2))]);
}

#[test]
fn the_words_are_kubelets_for_each_form_and_place() {
    for (file, text, words) in [
        (".dockerconfigjson", r#"{"auths": {"r": {"auth": "!"}}}"#, "illegal base64 data at input byte 0"),
        (
            ".dockerconfigjson",
            r#"{"auths": {"r": {"auth": "bm9jb2xvbg=="}}}"#,
            "unable to parse auth field, must be formatted as base64(username:password)",
        ),
        (
            ".dockerconfigjson",
            r#"{"auths": {"r": {"username": 5}}}"#,
            "json: cannot unmarshal number into Go struct field DockerConfigJSON.auths.username of type string",
        ),
        (
            ".dockercfg",
            r#"{"r": {"password": true}}"#,
            "json: cannot unmarshal bool into Go struct field dockerConfigEntryWithAuth.password of type string",
        ),
        (
            ".dockercfg",
            r#"{"r": "x"}"#,
            "json: cannot unmarshal string into Go value of type credentialprovider.dockerConfigEntryWithAuth",
        ),
        // Of a wrong table Go tells only if no entry is wrong.
        (".dockerconfigjson", r#"{"auths": 5, "auths": {"r": {"auth": "!"}}}"#, "illegal base64 data at input byte 0"),
        (
            ".dockerconfigjson",
            r#"{"auths": 5, "HttpHeaders": []}"#,
            "json: cannot unmarshal number into Go struct field DockerConfigJSON.auths of type credentialprovider.DockerConfig",
        ),
    ] {
        let (_keep, credentials) = node(&[(&format!("/secrets/shop/pull/{file}"), text)]);
        assert_eq!(credentials.malformed().unwrap().go_message, words, "{text}");
    }
}

#[test]
fn a_secret_with_more_than_one_key_may_be_of_another_type() {
    let login = auths(&["reg.corp"]);
    let old = r#"{"reg.corp": {"username": "old", "password": "p"}}"#;
    let (_keep, credentials) = node(&[
        ("/secrets/shop/both/.dockerconfigjson", &login),
        ("/secrets/shop/both/.dockercfg", old),
        ("/secrets/shop/opaque/.dockerconfigjson", &login),
        ("/secrets/shop/opaque/token", "x"),
        ("/secrets/shop/plain/.dockerconfigjson", &login),
    ]);
    assert_eq!(keys(&credentials, "reg.corp/app"), ["reg.corp"; 3], "the old key of the first one does not count");
    let told: Vec<_> = credentials.findings.iter().map(|one| (one.code, one.message.as_str())).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told.iter().all(|(code, _)| *code == "pull_secret_type_doubtful"), "{told:?}");
    assert!(told[0].1.contains("`.dockercfg` beside `.dockerconfigjson`") && told[1].1.contains("`token`"), "{told:?}");
}

#[test]
fn nothing_of_a_secret_shows() {
    let text = r#"{"auths": {"reg.corp": {"username": "u", "password": "planted"}, "b": {"auth": "dXNlcjpwbGFudGVk", "identitytoken": "planted"}}}"#;
    let (_keep, credentials) = node(&[(PREFERRED, text), ("/secrets/a/.dockerconfigjson", text)]);
    let shown = format!("{credentials:?} {:?}", credentials.candidates(&Reference::parse("reg.corp/a").unwrap()));
    assert!(shown.contains("reg.corp") && !shown.contains("planted") && !shown.contains("dXNlcjpwbGFudGVk"), "{shown}");
}
