use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::*;

fn secret(kind: &str, data: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "pull", "namespace": "shop"}, "type": kind, "data": data})
}

fn of_auths(auths: &Value) -> PullSecret {
    let inner = BASE64_STANDARD.encode(json!({"auths": auths}).to_string());
    let document = secret(TYPES[0].0, &json!({".dockerconfigjson": inner})).to_string();
    read_one(document.as_bytes()).unwrap().0
}

fn image(name: &str) -> Reference {
    Reference::parse(name).unwrap()
}

fn login(key: &str) -> Value {
    json!({key: {"username": "ann", "password": "planted"}})
}

#[test]
fn one_secret_a_list_and_a_bare_login_are_read_in_their_order() {
    let one = secret(TYPES[0].0, &json!({".dockerconfigjson": BASE64_STANDARD.encode(r#"{"auths":{}}"#)}));
    let names = |document: &Value| {
        let read = read(document.to_string().as_bytes()).unwrap();
        read.iter().map(|secret| secret.source().to_string()).collect::<Vec<_>>()
    };
    assert_eq!(names(&one), ["pull-secret:shop/pull"]);
    let mut other = one.clone();
    other["metadata"]["name"] = "second".into();
    // The API leaves out the kind of an item, kubectl writes it.
    other.as_object_mut().unwrap().remove("kind");
    for kind in ["List", "SecretList"] {
        let list = json!({"kind": kind, "items": [other, one]});
        assert_eq!(names(&list), ["pull-secret:shop/second", "pull-secret:shop/pull"]);
    }
    assert_eq!(names(&json!({"auths": {}})), ["pull-secret:-/dockerconfigjson"]);
    assert!(names(&json!({"kind": "List", "items": []})).is_empty());
}

#[test]
fn what_is_no_list_of_secrets_is_refused_and_nothing_of_it_repeated() {
    for (document, reason) in [
        ("{", "it is no JSON"),
        (r#"{"kind": "Pod"}"#, "it is neither a Secret, nor a list of Secrets, nor a dockerconfigjson with `auths`"),
        (r#"{"kind": "List", "items": [{"kind": "Pod"}]}"#, "it lists other objects than secrets"),
        (r#"{"kind": "Secret", "type": "x"}"#, "it has a secret without a name"),
        (r#"{"kind": "Secret", "data": {".dockercfg": 5}}"#, "it has a value of a wrong type"),
        (r#"{"kind": "Secret", "data": "planted"}"#, "it has a value of a wrong type"),
        (
            r#"{"kind": "Secret", "metadata": {"name": "a"}, "type": "kubernetes.io/dockercfg", "data": {".dockercfg": "planted!"}}"#,
            "`data` of the secret a is not base64",
        ),
    ] {
        let error = read(document.as_bytes()).unwrap_err();
        assert!(error.starts_with(reason) && !error.contains("planted"), "{document}: {error}");
    }
}

#[test]
fn kubelet_goes_by_the_type_and_then_by_its_key_alone() {
    let inner = BASE64_STANDARD.encode(json!({"auths": login("r.example")}).to_string());
    let old = BASE64_STANDARD.encode(login("r.example").to_string());
    let both = json!({".dockerconfigjson": inner, ".dockercfg": old});
    let fit = |kind: &str, data: &Value| {
        read_one(secret(kind, data).to_string().as_bytes()).unwrap().0.fit(&image("r.example/a"))
    };
    assert!(matches!(fit(TYPES[0].0, &both), Fit::Logins(_)));
    assert!(matches!(fit(TYPES[1].0, &both), Fit::Logins(_)));
    assert!(matches!(fit("Opaque", &both), Fit::OtherType(kind) if kind == "Opaque"));
    assert!(matches!(fit(TYPES[0].0, &json!({".dockercfg": old})), Fit::WithoutKey(".dockerconfigjson")));
    assert!(matches!(fit(TYPES[1].0, &json!({".dockercfg": ""})), Fit::WithoutKey(".dockercfg")));
    let untyped = json!({"kind": "Secret", "metadata": {"name": "a"}, "data": both}).to_string();
    assert!(matches!(read_one(untyped.as_bytes()).unwrap().0.content, Content::OtherType(kind) if kind == "Opaque"));
    let manifest = json!({"kind": "Secret", "metadata": {"name": "a"}, "type": TYPES[1].0,
        "stringData": {".dockercfg": login("r.example").to_string()}});
    assert!(matches!(
        read_one(manifest.to_string().as_bytes()).unwrap().0.fit(&image("r.example/a")),
        Fit::Logins(logins) if logins.len() == 1
    ));
}

#[test]
fn the_key_that_was_meant_is_named_with_the_reason() {
    let nearest = |key: &str, name: &str| match of_auths(&login(key)).fit(&image(name)) {
        Fit::NoKey { nearest, keys, left_out: 0 } => (nearest.map(|near| near.to_string()), keys[0].clone()),
        other => panic!("{other:?}"),
    };
    let (near, key) = nearest("r.example", "r.example:5000/a/b");
    assert_eq!(key, "r.example");
    assert_eq!(
        near.unwrap(),
        "the nearest key is `r.example` (pull-secret:shop/pull): it names no port, the image port 5000, and the two must be \
         written alike"
    );
    let (near, _) = nearest("https://index.docker.io/v1", "nginx");
    assert!(near.unwrap().contains("https://index.docker.io/v1/"));
    assert_eq!(nearest("other.test", "r.example/a").0, None);
}

#[test]
fn a_login_tells_when_it_ended_and_when_it_is_none() {
    let claims = BASE64_STANDARD.encode(r#"{"payload":"x","expiration":1600000000}"#);
    let auths = json!({"1.dkr.ecr.eu-west-1.amazonaws.com": {"username": "AWS", "password": claims}, "r.example": {}});
    let secret = of_auths(&auths);
    match secret.fit(&image("1.dkr.ecr.eu-west-1.amazonaws.com/a")) {
        Fit::Logins(logins) => {
            let [one] = &logins[..] else { panic!("{logins:?}") };
            assert_eq!(one.lifetime.unwrap().ends.as_second(), 1_600_000_000);
            assert!(!one.anonymous);
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(secret.fit(&image("r.example/a")), Fit::Logins(logins) if logins[0].anonymous));
}

#[test]
fn nothing_of_a_login_shows() {
    let secret = of_auths(&json!({"r.example": {"username": "u", "password": "planted", "auth": ""}}));
    let shown = format!("{secret:?} {:?}", secret.fit(&image("r.example/a")));
    assert!(shown.contains("r.example") && !shown.contains("planted"), "{shown}");
}
