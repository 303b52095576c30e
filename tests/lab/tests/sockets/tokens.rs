//! Bearer authentication: challenge, token service, and what a token is good for.

use pullprobe_lab::Lab;
use pullprobe_lab::registry::{Auth, Bearer, Config, Content, Fault, Kind, Refusal, Registry, TokenField};

use crate::client::{Answer, get, send};

const SCOPE: &str = "scope=repository%3Aa%3Apull";

fn bearer() -> Bearer {
    Bearer {
        users: [("u".to_owned(), "p".to_owned()), ("guest".to_owned(), "g".to_owned())].into(),
        denied: vec!["guest".to_owned()],
        identity_tokens: vec!["identity".to_owned()],
        ..Bearer::default()
    }
}

fn start(lab: &Lab, bearer: Bearer) -> Registry {
    let config = Config { auth: Auth::Bearer(bearer), ..Config::default() };
    let registry = lab.registry(config).unwrap();
    registry.push("a", "1", &Content::image("linux/amd64"));
    registry
}

fn private() -> Bearer {
    Bearer { private: vec!["a".to_owned()], ..bearer() }
}

async fn manifest(registry: &Registry, token: &Answer) -> Answer {
    let token = token.json();
    let field = token["token"].as_str().or(token["access_token"].as_str()).unwrap().to_owned();
    let value = format!("Bearer {field}");
    send(registry, "GET /v2/a/manifests/1", &[("authorization", &value)], "").await
}

async fn ask(service: &Registry, authorization: Option<&str>) -> Answer {
    let headers: Vec<(&str, &str)> = authorization.map(|value| ("authorization", value)).into_iter().collect();
    send(service, &format!("GET /token?service=registry.lab&{SCOPE}"), &headers, "").await
}

#[tokio::test]
async fn an_anonymous_token_opens_what_is_public() {
    let registry = start(&Lab::new().unwrap(), bearer());
    let ping = get(&registry, "GET /v2/").await;
    let challenge = "Bearer realm=\"http://registry.test/token\",service=\"registry.lab\"";
    assert_eq!((ping.status, ping.header("www-authenticate")), (401, Some(challenge)));
    let refused = get(&registry, "GET /v2/a/manifests/1").await;
    let scoped = format!("{challenge},scope=\"repository:a:pull\"");
    assert_eq!(refused.header("www-authenticate"), Some(&*scoped));

    let token = ask(&registry, None).await;
    assert_eq!((token.status, token.json()["expires_in"].as_u64()), (200, Some(300)));
    assert_eq!(manifest(&registry, &token).await.status, 200);
}

#[tokio::test]
async fn the_token_service_may_be_another_host() {
    let lab = Lab::new().unwrap();
    let auth = Config { name: "auth".to_owned(), auth: Auth::Bearer(private()), ..Config::default() };
    let service = lab.registry(auth).unwrap();
    let registry = start(&lab, Bearer { realm: "${auth}/token".to_owned(), ..bearer() });
    let refused = get(&registry, "GET /v2/a/manifests/1").await;
    let realm = format!("Bearer realm=\"{}/token\"", service.endpoint());
    assert!(refused.header("www-authenticate").unwrap().starts_with(&realm));
    let token = ask(&service, Some("Basic dTpw")).await;
    assert_eq!(manifest(&registry, &token).await.status, 200);
    assert_eq!(service.requests()[0].header("authorization"), Some("Basic dTpw"));
}

#[tokio::test]
async fn what_is_private_is_refused_in_the_chosen_way() {
    let lab = Lab::new().unwrap();
    let registry = start(&lab, private());
    for caller in [None, Some("Basic Z3Vlc3Q6Zw==")] {
        let token = ask(&registry, caller).await;
        assert_eq!(token.status, 200);
        let refused = manifest(&registry, &token).await;
        assert_eq!(refused.status, 401);
        assert!(refused.header("www-authenticate").unwrap().contains("error=\"insufficient_scope\""));
    }
    let unauthorized = start(&lab, Bearer { refusal: Refusal::Unauthorized, ..private() });
    assert_eq!(ask(&unauthorized, None).await.status, 401);
    let forbidden = start(&lab, Bearer { refusal: Refusal::Forbidden, ..private() });
    let answer = ask(&forbidden, None).await;
    assert_eq!((answer.status, &answer.json()["errors"][0]["code"]), (403, &"DENIED".into()));
    let wrong = start(&lab, Bearer { wrong_password: 403, ..bearer() });
    assert_eq!(ask(&wrong, Some("Basic dTp4")).await.status, 403);
}

#[tokio::test]
async fn a_post_gives_a_password_or_an_identity_token() {
    let registry = start(&Lab::new().unwrap(), private());
    let post = async |body: &str| send(&registry, "POST /token", &[], body).await;
    let password = post(&format!("grant_type=password&username=u&password=p&{SCOPE}")).await;
    assert_eq!(manifest(&registry, &password).await.status, 200);
    let identity = post(&format!("grant_type=refresh_token&refresh_token=identity&{SCOPE}")).await;
    assert_eq!(manifest(&registry, &identity).await.status, 200);
    let unknown = post(&format!("grant_type=refresh_token&refresh_token=x&{SCOPE}")).await;
    assert_eq!(unknown.status, 401);

    registry.add_fault(Fault::on(Kind::Token).method("POST").status(404));
    assert_eq!(post("grant_type=password").await.status, 404);
    assert_eq!(ask(&registry, None).await.status, 200);
}

#[tokio::test]
async fn tokens_may_be_useless() {
    let lab = Lab::new().unwrap();
    let neither = start(&lab, Bearer { field: TokenField::Neither, expires_in: None, ..bearer() });
    let answer = ask(&neither, None).await.json();
    assert!(answer.get("token").or(answer.get("access_token")).or(answer.get("expires_in")).is_none());
    let ended = start(&lab, Bearer { lifetime: 0, ..bearer() });
    let token = ask(&ended, None).await;
    let refused = manifest(&ended, &token).await;
    assert!(refused.header("www-authenticate").unwrap().contains("error=\"invalid_token\""));
    let garbage = start(&lab, bearer());
    garbage.add_fault(Fault::on(Kind::Token).status(200).body("{\"token\": "));
    assert_eq!(ask(&garbage, None).await.body, b"{\"token\": ");
}
