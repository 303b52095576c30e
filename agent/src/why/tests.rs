use serde_json::json;

use super::*;

fn waiting(message: Option<&str>) -> Waiting {
    Waiting {
        namespace: "shop".into(),
        pod: "web".into(),
        node: Some("worker-1".into()),
        container: "app".into(),
        image: "r.example/a:1".into(),
        pull_policy: "Always".into(),
        reason: "ErrImagePull".into(),
        since: None,
        message: message.map(Clean::from),
        next_try: None,
        is_owned: true,
    }
}

fn logins(named: &[(&str, SecretState)]) -> Logins {
    let named = named.iter().map(|(name, state)| NamedSecret { name: (*name).into(), state: state.clone() });
    Logins {
        named: named.collect(),
        account: Account { name: "default".into(), secrets: Some(Vec::new()) },
        beside: Some(Vec::new()),
    }
}

fn right() -> SecretState {
    let inner = json!({"auths": {"r.example": {"username": "u", "password": "p"}}}).to_string();
    let secret = json!({"kind": "Secret", "metadata": {"name": "pull", "namespace": "shop"},
        "type": crate::pull_secrets::TYPES[0].0, "stringData": {".dockerconfigjson": inner}});
    SecretState::Read(crate::pull_secrets::read_one(secret.to_string().as_bytes()).unwrap().0)
}

fn image(fields: &serde_json::Value) -> Box<CheckedImage> {
    Box::new(CheckedImage::of_check(json!({"images": [fields]}).to_string().as_bytes()).unwrap())
}

fn checked(fields: &serde_json::Value) -> AgentAnswer {
    AgentAnswer::Checked { agent: "pullprobe/a".into(), image: image(fields) }
}

fn reported(fields: &serde_json::Value) -> AgentAnswer {
    AgentAnswer::Reported { agent: "pullprobe/a".into(), image: image(fields), because: "exec is forbidden".into() }
}

fn nobody() -> AgentAnswer {
    AgentAnswer::Nobody { agent: None, because: "no agent runs there".into() }
}

fn ask(message: Option<&str>, logins: &Logins, agent: &AgentAnswer) -> Answer {
    answer(&waiting(message), logins, agent, Timestamp::UNIX_EPOCH)
}

#[test]
fn a_secret_that_is_not_seen_opens_only_what_hangs_on_a_login() {
    let unseen = logins(&[("pull", SecretState::Forbidden)]);
    let refused = json!({"pullable": false, "cause": "credentials_missing"});
    let anonymous = json!({"pullable": true, "credential": null});
    let by_node = json!({"pullable": true, "credential": {"source": "kubelet-config-json", "key": "r.example"}});
    let network = json!({"pullable": false, "cause": "dns_nxdomain", "owner": "network"});
    for (fields, pullable) in [(&refused, None), (&anonymous, None), (&by_node, Some(true)), (&network, Some(false))] {
        let told = ask(None, &unseen, &checked(fields));
        assert_eq!(told.pullable, pullable, "{fields}");
        assert_eq!(told.unknown_because.is_some(), pullable.is_none(), "{fields}");
    }
}

#[test]
fn a_report_without_the_pods_login_tells_nothing_of_what_hangs_on_one() {
    let brings = logins(&[("pull", right())]);
    let refused = json!({"pullable": false, "cause": "credentials_missing"});
    assert_eq!(ask(None, &brings, &reported(&refused)).pullable, None);
    assert_eq!(ask(None, &brings, &reported(&json!({"pullable": true}))).pullable, None);
    assert_eq!(ask(None, &brings, &checked(&refused)).pullable, Some(false));
    let told = ask(None, &logins(&[("pull", SecretState::Missing(None))]), &reported(&refused));
    assert_eq!((told.pullable, told.cause.as_deref()), (Some(false), Some("credentials_missing")));
    let network = json!({"pullable": false, "cause": "tcp_refused"});
    assert_eq!(ask(None, &brings, &reported(&network)).pullable, Some(false));
}

#[test]
fn what_is_in_the_way_has_the_name_that_metrics_have() {
    let known = checked(&json!({"pullable": true}));
    let refused = checked(&json!({"pullable": false, "cause": "access_denied"}));
    let open = checked(&json!({"pullable": null, "unknown_because": "it is late"}));
    for (message, agent, name) in [
        (Some("pull QPS exceeded"), &known, "kubelet_pull_limit"),
        (None, &known, "kubelet_back_off"),
        (None, &refused, "access_denied"),
        (None, &open, "unknown"),
    ] {
        let told = ask(message, &logins(&[]), agent);
        assert_eq!(told.waiting_cause, name, "{told:?}");
        assert_eq!(told.unknown_because.as_deref(), (name == "unknown").then_some("it is late"), "{told:?}");
    }
}

#[test]
fn an_image_that_will_not_start_is_not_well() {
    let told =
        ask(None, &logins(&[]), &checked(&json!({"pullable": true, "runnable": false, "cause": "platform_mismatch"})));
    assert_eq!((told.pullable, told.cause.as_deref()), (Some(false), Some("platform_mismatch")));
}

#[test]
fn where_nobody_names_a_secret_a_misspelt_image_stays_one() {
    let hidden = json!({"pullable": false, "cause": "not_found_or_denied", "summary": "It is not there or hidden.", "fix": "Spell it right."});
    let told = ask(None, &logins(&[]), &checked(&hidden));
    assert_eq!(told.summary, "It is not there or hidden.");
    assert!(told.fix.starts_with("Spell it right. If the image is private: `read -rsp"), "{}", told.fix);
    let told = ask(None, &logins(&[("pull", SecretState::Missing(Some(Vec::new())))]), &checked(&hidden));
    assert_eq!(told.summary, "The pod names the pull secret `pull`: no namespace has a secret of that name.");
    assert!(told.evidence.contains(&"It is not there or hidden.".to_owned()), "{:?}", told.evidence);
    assert_eq!((told.cause.as_deref(), told.owner.as_deref()), (Some("not_found_or_denied"), Some("credentials")));
}

#[test]
fn kubelets_words_alone_give_a_cause_with_the_real_names_or_none_at_all() {
    let told = ask(
        Some(
            "failed to do request: Head \"https://r.example/v2/a/manifests/1\": dial tcp: lookup r.example on 192.0.2.1:53: no such host",
        ),
        &logins(&[]),
        &nobody(),
    );
    assert_eq!(
        (told.pullable, told.cause.as_deref(), told.owner.as_deref()),
        (Some(false), Some("dns_nxdomain"), Some("network"))
    );
    assert_eq!(told.message_agrees, Some(true));
    for message in [None, Some("words that nobody knows")] {
        let told = ask(message, &logins(&[]), &nobody());
        assert_eq!((told.pullable, told.cause), (None, None), "{message:?}");
        assert!(
            told.fix.contains("r.example/a:1") && told.fix.contains("kubectl delete pod web -n shop"),
            "{}",
            told.fix
        );
    }
}

#[test]
fn kubelets_words_of_a_login_are_read_with_what_the_pod_brings() {
    let words = "failed to resolve reference \"r.example/a:1\": unexpected status code [manifests 1]: 401 Unauthorized";
    let cause = |logins: &Logins| ask(Some(words), logins, &nobody()).cause;
    assert_eq!(cause(&logins(&[])).as_deref(), Some("credentials_missing"));
    assert_eq!(cause(&logins(&[("pull", right())])).as_deref(), Some("credentials_rejected"));
    let told = ask(Some(words), &logins(&[("pull", SecretState::Forbidden)]), &nobody());
    assert_eq!((told.pullable, told.cause.as_deref(), told.owner.as_deref()), (Some(false), None, Some("credentials")));
    assert!(told.also_possible.contains(&"credentials_missing".to_owned()), "{:?}", told.also_possible);
    assert!(told.summary.contains("(pull secrets: pull)"), "{}", told.summary);
}

#[test]
fn words_of_an_earlier_try_are_told_from_those_of_the_cause() {
    let agent = checked(&json!({"pullable": false, "cause": "tcp_refused"}));
    let words = "failed to do request: Head \"https://r.example/v2/\": dial tcp: lookup r.example: no such host";
    assert_eq!(ask(Some(words), &logins(&[]), &agent).message_agrees, Some(false));
    assert_eq!(ask(None, &logins(&[]), &agent).message_agrees, None);
}

#[test]
fn the_text_begins_with_the_verdict_and_ends_with_what_is_left_out() {
    let one = ask(Some("EOF\u{1b}[31m"), &logins(&[("pull", SecretState::Forbidden)]), &nobody());
    let document =
        Document { schema_version: SCHEMA_VERSION, containers: vec![one], left_out: 3, notes: vec!["a note".into()] };
    let told = text(&document, Timestamp::UNIX_EPOCH, false);
    assert!(told.starts_with("shop/web container app on worker-1\n  r.example/a:1  "), "{told}");
    for part in [
        "pull secret pull: you may not read it",
        "kubelet said: EOF",
        "nobody on worker-1, because no agent runs there",
        "3 more containers",
        "a note\n",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert!(!told.contains('\u{1b}'), "{told}");
}

#[test]
fn a_login_that_has_ended_is_sent_all_the_same() {
    let token = "eyJhbGciOiJub25lIn0.eyJleHAiOjF9.c2ln";
    let inner = json!({"auths": {"r.example": {"username": "u", "password": token}}}).to_string();
    let secret = json!({"kind": "Secret", "metadata": {"name": "pull", "namespace": "shop"},
        "type": crate::pull_secrets::TYPES[0].0, "stringData": {".dockerconfigjson": inner}});
    let ended = SecretState::Read(crate::pull_secrets::read_one(secret.to_string().as_bytes()).unwrap().0);
    let now = Timestamp::from_second(1_795_168_800).unwrap();
    let told = answer(&waiting(None), &logins(&[("pull", ended)]), &reported(&json!({"pullable": true})), now);
    assert_eq!(told.pullable, None, "{told:?}");
}
