//! kubelet's words, asked of its own code: for logins that do not decode, and for images that are none.

use pullprobe::image::reference::Reference;
use serde_json::json;

use super::case::{Case, Secret};
use super::{kubelet, pullprobe};

/// What a secret may hold instead of a login.
const AUTHS: [&str; 30] = [
    "!",
    "YWJj!",
    "YWJj ",
    " YWJj",
    "Y",
    "YWJjY",
    "YWJjYQ=",
    "YWJjYQ=\n",
    "YWJjYQ==\nx=",
    "YWJjYQ\n",
    "=",
    "a=",
    "==",
    "YWJj=",
    "YWJjYWJj\n",
    "YWJj\nYQ=x=",
    "\nYWJj\r\n-w==",
    "bm9jb2xvbg==",
    "bm9jb2xvbg",
    "dTpwdw=",
    "dTpwdw== ",
    "dTpwdw==\u{a0}",
    "dTpwdw==\u{85}",
    "\u{feff}dTpwdw==",
    "dTpwdw==\0",
    "Pz8_Oj8-",
    "dTp-dw==",
    "dTpwdw==dTpwdw==",
    "ZFRwd2R3PT0=",
    "ä",
];
const TEXTS: [&str; 39] = [
    "reg.test:5443/Team/App:1.0",
    "r.example/a/Bc",
    "UPPER",
    "Upper:1",
    "Upper/App",
    "team/App@sha256:e6693c20186f837fc393390135d8a598a96a833917917789d63766cab6c59582",
    "App@sha256:e6693c20186f837fc393390135d8a598a96a833917917789d63766cab6c59582",
    "e6693c20186f837fc393390135d8a598a96a833917917789d63766cab6c59582",
    "E6693c20186f837fc393390135d8a598a96a833917917789d63766cab6c59582",
    "reg.test/team/app:",
    "reg.test/team/äpp:1",
    "reg.test/team/Äpp:1",
    "https://reg.test/team/app",
    "https://reg.test/Team/app",
    "docker.io/",
    "docker.io/App",
    "index.docker.io/App",
    "docker.io//app",
    "/app",
    "a//b",
    "app:-x",
    "app:v1:v2",
    "app:v1/x",
    "app@",
    "app@sha256",
    "app@sha256:abc",
    "app@sha256:e6693c20186f837fc393390135d8a598a96a833917917789d63766cab6c5958",
    "app@sha256:E6693c20186f837fc393390135d8a598a96a833917917789d63766cab6c59582",
    "app@sha512:e6693c20186f837fc393390135d8a598a96a833917917789d63766cab6c59582",
    "app@md5:e6693c20186f837fc393390135d8a598",
    "app@sha-x256:e6693c20186f837fc393390135d8a598",
    "app@SHA256:e6693c20186f837fc393390135d8a598a96a833917917789d63766cab6c59582",
    "app@9x:e6693c20186f837fc393390135d8a598",
    "a b",
    "-app",
    "r_e.example:5000/app",
    "R_E.example/app",
    "Reg..example/app",
    "r.example:x/app",
];

#[test]
fn a_login_that_does_not_decode_is_told_in_the_words_of_kubelets_own_code() {
    let mut refused = 0;
    for auth in AUTHS {
        for key in [".dockerconfigjson", ".dockercfg"] {
            let entries = json!({"other.example": {"auth": auth}});
            let document = if key == ".dockercfg" { entries } else { json!({"auths": entries}) };
            let data = vec![(key.to_owned(), document.to_string().into_bytes())];
            let secrets = vec![Secret { place: "shop/s".to_owned(), data }];
            let case = Case { image: "other.example/app".to_owned(), secrets, ..Case::default() };
            let scratch = tempfile::tempdir().unwrap();
            case.write(scratch.path());
            let theirs = kubelet::ask(scratch.path(), &case).map(|mut lookups| lookups.remove(0));
            refused += usize::from(theirs.is_err());
            assert_eq!(pullprobe(scratch.path(), &case), theirs, "{auth:?} in {key}");
        }
    }
    assert!(refused >= 40, "only {refused} are refused");
}

#[test]
fn an_image_that_is_none_is_told_in_the_words_of_kubelets_own_code() {
    let scratch = tempfile::tempdir().unwrap();
    for text in TEXTS {
        let case = Case { image: text.to_owned(), ..Case::default() };
        case.write(scratch.path());
        let theirs = kubelet::ask(scratch.path(), &case).expect_err(text);
        let ours = Reference::parse(text).expect_err(text).words;
        assert_eq!(format!("couldn't parse image name: {}", without_the_name(&ours)), theirs, "{text}");
    }
}

#[test]
fn a_name_with_an_underscore_is_an_image_for_kubelets_own_code_too() {
    let scratch = tempfile::tempdir().unwrap();
    for text in ["r_e.example/app", "a__b.c/d:1", "under_score.example/team/app"] {
        let files = vec![(
            "/var/lib/kubelet/config.json".to_owned(),
            json!({"auths": {text.split_once('/').unwrap().0: {"username": "ann", "password": "p"}}})
                .to_string()
                .into_bytes(),
        )];
        let case = Case { image: text.to_owned(), files, ..Case::default() };
        case.write(scratch.path());
        let theirs = kubelet::ask(scratch.path(), &case).map(|mut lookups| lookups.remove(0));
        assert_eq!(theirs, Ok(vec![("ann".to_owned(), "p".to_owned())]), "{text}");
        assert_eq!(pullprobe(scratch.path(), &case), theirs, "{text}");
    }
}

/// The newest kubelet tells which repository it is that must be lower case.
fn without_the_name(words: &str) -> String {
    match (words.split_once(" name ("), words.rsplit_once(") must be")) {
        (Some((before, _)), Some((_, behind))) => format!("{before} name must be{behind}"),
        _ => words.to_owned(),
    }
}

/// What a key with brackets elsewhere than at its begin is taken for depends on the Go that kubelet is built with:
/// this one takes it for a pattern, the newest for no URL. pullprobe goes by the newest, and says what it passes over.
#[test]
fn brackets_in_a_key_are_where_the_kubelets_differ() {
    let text = r#"{"auths": {"registr[x-z].example": {"username": "ann", "password": "p"}}}"#;
    let files = vec![("/var/lib/kubelet/config.json".to_owned(), text.as_bytes().to_vec())];
    let case = Case { image: "registry.example/app".to_owned(), files, ..Case::default() };
    let scratch = tempfile::tempdir().unwrap();
    case.write(scratch.path());
    let theirs = kubelet::ask(scratch.path(), &case).unwrap();
    assert_eq!(theirs[0], [("ann".to_owned(), "p".to_owned())]);
    assert_eq!(pullprobe(scratch.path(), &case), Ok(Vec::new()));
}
