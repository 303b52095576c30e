//! Files written by hand from the rules of `pkg/credentialprovider/config.go` of Kubernetes 1.36 and
//! of Go's `encoding/json`, each with what kubelet makes of it.

use super::*;

/// `robot:hunter2`
const AUTH: &str = "cm9ib3Q6aHVudGVyMg==";

fn logins(text: &str) -> Result<Vec<(String, String, String)>, String> {
    let config = DockerConfig::parse(text.as_bytes(), Form::ConfigJson).map_err(|error| error.to_string())?;
    let login = |e: Entry| (e.key, e.username, e.password.expose().to_owned());
    Ok(config.entries.into_iter().map(login).collect())
}

fn one(text: &str) -> (String, String) {
    let all = logins(text).unwrap();
    assert_eq!(all.len(), 1, "{all:?}");
    (all[0].1.clone(), all[0].2.clone())
}

#[test]
fn an_entry_gives_user_and_password() {
    for (entry, user, password) in [
        (format!(r#"{{"auth":"{AUTH}"}}"#), "robot", "hunter2"),
        (r#"{"username":"a","password":"b"}"#.into(), "a", "b"),
        // `auth` wins over the other two.
        (format!(r#"{{"username":"a","password":"b","auth":"{AUTH}"}}"#), "robot", "hunter2"),
        // An empty one does not.
        (r#"{"username":"a","password":"b","auth":""}"#.into(), "a", "b"),
        // The first colon divides.
        (r#"{"auth":"YTpiOmM="}"#.into(), "a", "b:c"),
        // Unpadded, and with line breaks as base64 tools write them.
        (r#"{"auth":"cm9ib3Q6aHVudGVyMg"}"#.into(), "robot", "hunter2"),
        (r#"{"auth":"cm9ib3Q6\naHVudGVyMg=="}"#.into(), "robot", "hunter2"),
        // A user alone, a password alone, neither.
        (r#"{"auth":"YTo="}"#.into(), "a", ""),
        (r#"{"auth":"OmI="}"#.into(), "", "b"),
        ("{}".into(), "", ""),
        ("null".into(), "", ""),
        (r#"{"auth":null,"username":null}"#.into(), "", ""),
        // Names without regard to case.
        (format!(r#"{{"Auth":"{AUTH}"}}"#), "robot", "hunter2"),
        (r#"{"USERNAME":"a","Password":"b"}"#.into(), "a", "b"),
        // What it does not know it does not look at.
        (r#"{"identitytoken":5,"email":"x"}"#.into(), "", ""),
    ] {
        let text = format!(r#"{{"auths":{{"ghcr.io":{entry}}}}}"#);
        assert_eq!(one(&text), (user.to_owned(), password.to_owned()), "{text}");
    }
}

#[test]
fn one_bad_entry_spoils_the_whole_file() {
    for (entry, reason) in [
        (r#"{"auth":"%%%"}"#, "line 2, column 3: bad.example: its auth is not base64"),
        (r#"{"auth":"bm9jb2xvbg=="}"#, "bad.example: its auth has no colon"),
        // Padding that is too short, none that is due, and the alphabet of URLs.
        (r#"{"auth":"cm9ib3Q6aHVudGVyMg="}"#, "not base64"),
        (r#"{"auth":"cm9ib3Q6aHVudGVyMg== "}"#, "not base64"),
        (r#"{"auth":"Pz8_Oj8-"}"#, "not base64"),
        (r#"{"auth":5}"#, "bad.example: auth must be a string, found a number"),
        (r#"{"username":["a"]}"#, "username must be a string, found an array"),
        (r#""x""#, "bad.example must be an object, found a string"),
        ("[]", "bad.example must be an object, found an array"),
    ] {
        let text =
            format!("{{\"auths\": {{\"good.example\": {{\"auth\": \"{AUTH}\"}},\n  \"bad.example\": {entry}}}}}");
        let error = logins(&text).unwrap_err();
        assert!(error.contains(reason), "{entry}: {error}");
    }
}

#[test]
fn what_is_not_the_form_of_a_file_is_rejected_with_its_place() {
    for (text, reason) in [
        ("", "line 1"),
        ("{\n  \"auths\": {},\n}", "line 3"),
        ("{\"auths\": {}} x", "line 1, column 15"),
        ("[]", "must be an object"),
        ("\"x\"", "must be an object"),
        ("{\n\"auths\": []}", "line 2, column 1: auths must be an object, found an array"),
        ("{\"auths\": {}, \"HttpHeaders\": {\"a\": 1}}", "HttpHeaders must be strings, found a number"),
        ("{\"HttpHeaders\": []}", "HttpHeaders must be an object"),
        ("\u{feff}{}", "line 1"),
        ("// comment\n{}", "line 1"),
    ] {
        let error = logins(text).unwrap_err();
        assert!(error.contains(reason), "{text}: {error}");
    }
    assert!(DockerConfig::parse(b"{\"auths\":{}}\xff", Form::ConfigJson).is_err());
}

#[test]
fn a_file_without_auths_is_valid_and_empty() {
    for text in ["{}", "null", r#"{"auths":null}"#, r#"{"ghcr.io":{"auth":"%%%"}}"#, r#"{"HttpHeaders":{"a":"b"}}"#] {
        assert_eq!(logins(text), Ok(Vec::new()), "{text}");
    }
}

#[test]
fn repeated_tables_merge_and_repeated_keys_are_replaced() {
    let text = r#"{"auths":{"a":{"username":"1"},"b":{"username":"1"}},"AUTHS":{"b":{"username":"2"},"c":{}}}"#;
    let all = logins(text).unwrap();
    let keys: Vec<_> = all.iter().map(|(key, user, _)| (key.as_str(), user.as_str())).collect();
    assert_eq!(keys, [("a", "1"), ("b", "2"), ("c", "")]);
}

#[test]
fn the_old_form_has_no_outer_table() {
    let text = format!(r#"{{"https://index.docker.io/v1/":{{"auth":"{AUTH}","email":"a@b.example"}}}}"#);
    let config = DockerConfig::parse(text.as_bytes(), Form::Dockercfg).unwrap();
    assert_eq!(config.entries[0].username, "robot");
    assert!(DockerConfig::parse(br#"{"auths":"x"}"#, Form::Dockercfg).is_err());
}

#[test]
fn what_kubelet_never_uses_is_noted() {
    let text = "{\"credsStore\": \"ecr-login\",\n\"credHelpers\": {}, \"auths\": {\"a\": {\"identitytoken\": \"t\"}}}";
    let config = DockerConfig::parse(text.as_bytes(), Form::ConfigJson).unwrap();
    let unused: Vec<_> = config.unused.iter().map(|(name, at)| (name.as_str(), at.unwrap().line)).collect();
    assert_eq!(unused, [("credsStore", 1), ("credHelpers", 2)]);
    assert_eq!(config.entries[0].unused, ["identitytoken"]);
}

#[test]
fn half_a_pair_and_bytes_that_are_no_text_are_replaced() {
    let text =
        br#"{"auths":{"r":{"username":"a\ud83d\u00e4","password":"\ud83d\ude00\ude00\\ud800"},"s":{"username":"caf"#;
    let text = [&text[..], b"\xe9\",\"password\":\"p\"}}}"].concat();
    let config = DockerConfig::parse(&text, Form::ConfigJson).unwrap();
    let logins: Vec<_> = config.entries.iter().map(|e| (e.username.as_str(), e.password.expose())).collect();
    assert_eq!(logins, [("a\u{fffd}ä", "\u{1f600}\u{fffd}\\ud800"), ("caf\u{fffd}", "p")]);
}

#[test]
fn what_nobody_asks_for_may_be_anything_that_is_json() {
    let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
    let text =
        format!(r#"{{"x": 1e999, "y": {deep}, "auths": {{"r": {{"username": "a", "password": "b", "z": {deep}}}}}}}"#);
    assert_eq!(one(&text), ("a".to_owned(), "b".to_owned()));
}

#[test]
fn letters_that_fold_to_ascii_are_taken_for_it() {
    let text = "{\"auth\u{17f}\": {\"r\": {\"u\u{17f}ername\": \"a\", \"PA\u{17f}sword\": \"b\"}}}";
    assert_eq!(one(text), ("a".to_owned(), "b".to_owned()));
}

#[test]
fn every_place_of_a_doubled_key_is_known() {
    let text = "{\"auths\": {\"r\": {},\n\"r\": {\"auth\": 5}},\n\"auths\": {\"r\": {}}}";
    let malformed = DockerConfig::parse(text.as_bytes(), Form::ConfigJson).unwrap_err();
    assert_eq!(malformed.position, Some(Position { line: 2, column: 1 }));
    let text = "{\"auths\": {\"r\": {}},\n\"auths\": {\"r\": {}}}";
    let config = DockerConfig::parse(text.as_bytes(), Form::ConfigJson).unwrap();
    assert_eq!(config.entries[0].position.unwrap().line, 2);
}

#[test]
fn no_error_shows_a_value() {
    for entry in [r#"{"auth":"cGxhbnRlZA"}"#, r#"{"password":5,"username":"planted"}"#, r#""planted""#, "planted"] {
        let error = logins(&format!(r#"{{"auths":{{"a":{entry}}}}}"#)).unwrap_err();
        assert!(!error.contains("planted") && !error.contains("cGxhbnRlZA"), "{error}");
    }
}

#[test]
fn many_entries_are_read_in_linear_time() {
    let text = format!("{{{}}}", (0..100_000).map(|n| format!("\"h{n}\":{{}}")).collect::<Vec<_>>().join(","));
    assert_eq!(DockerConfig::parse(text.as_bytes(), Form::Dockercfg).unwrap().entries.len(), 100_000);
}

#[test]
fn a_fault_of_syntax_has_its_column_in_characters_as_every_other_has() {
    let malformed = DockerConfig::parse("{\"auths\": {},\n\"ééé\": x}".as_bytes(), Form::ConfigJson).unwrap_err();
    assert_eq!(malformed.position, Some(Position { line: 2, column: 8 }));
}

#[test]
fn auths_that_come_twice_are_merged_and_null_empties_them() {
    let table = |user: &str| format!(r#"{{"r": {{"username": "{user}", "password": "p"}}, "{user}": {{}}}}"#);
    let keys = |text: String| logins(&text).unwrap().into_iter().map(|(key, user, _)| (key, user)).collect::<Vec<_>>();
    let pair = |key: &str, user: &str| (key.to_owned(), user.to_owned());
    let twice = format!(r#"{{"auths": {}, "Auths": {}}}"#, table("a"), table("b"));
    let mut merged = keys(twice);
    merged.sort();
    assert_eq!(merged, [pair("a", ""), pair("b", ""), pair("r", "b")]);
    assert_eq!(keys(format!(r#"{{"auths": {}, "auths": null}}"#, table("a"))), []);
    assert_eq!(keys(format!(r#"{{"auths": null, "auths": {}}}"#, table("a"))).len(), 2);
}
