//! What is asked for of a layer: one byte, and no more is taken even where the registry sends the whole.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation is how a test fails")]

use std::sync::atomic::Ordering;

use pullprobe_lab::registry::{Content, Fault, Image, ImageConfig, Kind, Request, Then};

use super::binary::{document, finish};
use super::world::{Given, World};

const IMAGE: &str = "registry.example/demo/app:1.0";
/// Far more than buffers on the way hold.
const LAYER: usize = 64 << 20;

/// The requests for the layers of an image, after one check of it.
fn touched(layers: Vec<String>, fault: Option<Fault>) -> Vec<Request> {
    let given: Given = toml::from_str("registries = [{host = 'registry.example', tls = {}}]").unwrap();
    let world = World::start(given);
    let registry = world.at("registry.example");
    // An artifact's layers are stored as they stand.
    let image = Image { config: ImageConfig::Artifact, layers, ..Image::default() };
    let stored = registry.push("demo/app", "1.0", &Content::Image(image));
    fault.into_iter().for_each(|fault| registry.add_fault(fault));
    let finished = finish(world.command("check").args([IMAGE, "--format", "json"]));
    assert_eq!(document(&finished)["images"][0]["pullable"], true, "{}", finished.stdout);
    let requests = registry.requests();
    requests.into_iter().filter(|request| stored.layers.contains(&request.reference)).collect()
}

fn sent(request: &Request) -> usize {
    usize::try_from(request.body_sent.load(Ordering::Relaxed)).unwrap()
}

#[test]
fn of_each_layer_one_byte_is_asked_for_and_sent() {
    let requests = touched(vec!["a".repeat(1_000), "b".repeat(2_000)], None);
    assert_eq!(requests.len(), 2);
    for request in requests {
        let asked = (request.method.as_str(), request.kind, request.header("range"), request.status);
        assert_eq!(asked, ("GET", Kind::Blob, Some("bytes=0-0"), Some(206)));
        assert_eq!(sent(&request), 1);
    }
}

#[test]
fn a_registry_that_sends_the_whole_layer_is_cut_off() {
    let whole = Then { ignore_range: true, ..Then::default() };
    let requests = touched(vec!["x".repeat(LAYER)], Some(Fault::on(Kind::Blob).then(whole)));
    let [request] = requests.as_slice() else { panic!("{} requests for one layer", requests.len()) };
    assert_eq!((request.header("range"), request.status), (Some("bytes=0-0"), Some(200)));
    let sent = sent(request);
    assert!((1..LAYER / 2).contains(&sent), "{sent} of {LAYER} bytes were sent");
}
