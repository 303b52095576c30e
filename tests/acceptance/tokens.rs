//! How often a token service is asked in the course of one pull.
#![allow(clippy::unwrap_used, reason = "a failed expectation is how a test fails")]

use pullprobe_lab::registry::Kind;

use super::binary::{document, finish};
use super::world::{Given, World};

const IMAGE: &str = "registry.example/demo/app:1.0";

/// How often a token for the repository was asked for. One lasts for a second, its registry needs longer for
/// the first answer, and takes the token for five minutes all the same.
fn asked(containerd: &str, expires_in: &str) -> usize {
    let given = format!(
        "containerd = '{containerd}'
        credentials = {{'registry.example' = {{user = 'puller', password = 'right'}}}}
        [[registries]]
        host = 'registry.example'
        tls = {{}}
        push = [{{repository = 'demo/app', tag = '1.0', content = {{index = {{manifests = [{{platform = 'linux/amd64'}}]}}}}}}]
        auth = {{bearer = {{users = {{puller = 'right'}}, private = ['*'], lifetime = 300, {expires_in}}}}}
        faults = [{{when = {{method = 'HEAD', kind = 'manifest', authorized = true}}, then = {{delay_ms = 1200}}}}]"
    );
    let world = World::start(toml::from_str::<Given>(&given).unwrap());
    let said = finish(world.command("check").args([IMAGE, "--format", "json"]));
    assert_eq!((said.code, &document(&said)["images"][0]["pullable"]), (Some(0), &true.into()), "{said:?}");
    let requests = world.at("registry.example").requests();
    let about_blobs = requests.iter().filter(|request| request.kind == Kind::Blob).count();
    assert!(about_blobs > 0, "the walk goes on behind the slow answer: {requests:#?}");
    let for_repository = |text: &str| text.contains("repository%3Ademo%2Fapp");
    let tokens = requests.iter().filter(|request| request.kind == Kind::Token);
    tokens.filter(|request| for_repository(&request.query) || for_repository(&request.body)).count()
}

#[test]
fn a_token_is_used_until_its_time_is_over_where_containerd_looks_at_it() {
    for (containerd, tokens) in [("1.6.38", 1), ("1.7.27", 1), ("1.7.28", 2), ("2.0.0", 2), ("2.1", 2)] {
        assert_eq!(asked(containerd, "expires_in = 1"), tokens, "{containerd}");
    }
}

#[test]
fn a_token_that_lasts_is_asked_for_once() {
    for containerd in ["1.6.38", "2.1"] {
        for expires_in in ["expires_in = 300", "field = 'both'"] {
            assert_eq!(asked(containerd, expires_in), 1, "{containerd} {expires_in}");
        }
    }
}
