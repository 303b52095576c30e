//! What is said of a hostile answer or file: all that containerd would say, and nothing else.

use super::super::binary::{document, finish};
use super::peer::{Peer, Reply, Shelf};
use super::{check, checked};

const PASSWORD: &str = "hunter2-of-the-node";
/// `robot:` and the password.
const LOGIN: &str = "cm9ib3Q6aHVudGVyMi1vZi10aGUtbm9kZQ==";

fn good() -> Shelf {
    let mut shelf = Shelf::default();
    let manifest = shelf.good_image();
    shelf.tag(&manifest);
    shelf
}

#[test]
fn a_login_that_comes_back_as_a_media_type_is_not_shown() {
    let node = tempfile::tempdir().unwrap();
    let peer =
        Peer::start(|asked| match asked.head.lines().find(|line| line.to_lowercase().starts_with("authorization:")) {
            Some(line) => {
                let login = line.split_once(' ').unwrap().1;
                Reply::new("200 OK").field(format!("Content-Type: {login}")).body(&std::sync::Arc::new(b"{}".to_vec()))
            }
            None => Reply::new("401 Unauthorized").field("WWW-Authenticate: Basic realm=\"r\""),
        });
    let file = node.path().join("var/lib/kubelet/config.json");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(file, format!("{{\"auths\":{{\"{}\":{{\"auth\":\"{LOGIN}\"}}}}}}", peer.address)).unwrap();
    let finished = finish(&mut check(&[peer.image()], node.path()));
    assert_eq!(document(&finished)["images"][0]["cause"], "manifest_unsupported", "{finished:?}");
    assert!(!finished.stdout.contains(PASSWORD) && !finished.stdout.contains(LOGIN), "{}", finished.stdout);
}

#[test]
fn what_kubelet_would_say_has_a_limit_and_says_so() {
    let place = format!("Location: http://127.0.0.1:1/{}", "x".repeat(300_000));
    let peer = Peer::start(move |_| Reply::new("307 Temporary Redirect").field(place.clone()));
    let (image, _) = checked(&peer.image());
    assert_eq!(image["cause"], "tcp_refused", "{image:#}");
    let message = image["kubelet_message"].as_str().unwrap();
    assert!(message.len() < 10_000 && message.ends_with(" more bytes)"), "{} bytes", message.len());
}

#[test]
fn paths_of_a_configuration_steer_nothing() {
    let node = tempfile::tempdir().unwrap();
    let file = node.path().join("etc/containerd/config.toml");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    let plugin = "[plugins.\"io.containerd.cri.v1.images\".registry]";
    std::fs::write(file, format!("version = 3\n{plugin}\nconfig_path = \"/etc/\\u001b[2J\\u202e\"\n")).unwrap();
    let report = document(&finish(&mut check(&[good().serve().image()], node.path())));
    let path = report["containerd"]["config_path"][0].as_str().unwrap();
    assert_eq!(path, "/etc/\u{fffd}[2J\u{fffd}");
}

/// What Go refuses by a rule of its own is refused, also where the registry is well at `/v2/`.
#[test]
fn a_length_that_go_refuses_at_one_place_only_is_a_no() {
    for (field, words) in [
        ("Content-Length: 7", "http: message cannot contain multiple Content-Length headers"),
        ("Transfer-Encoding: magic", "unsupported transfer encoding: \"magic\""),
    ] {
        let shelf = good();
        let peer = Peer::start(move |asked| {
            let reply = shelf.reply(asked);
            if asked.path == "/v2/" { reply } else { reply.field(field) }
        });
        let (image, _) = checked(&peer.image());
        assert_eq!((&image["pullable"], &image["cause"]), (&false.into(), &"response_invalid".into()), "{image:#}");
        assert!(image["kubelet_message"].as_str().unwrap().contains(words), "{image:#}");
    }
}
