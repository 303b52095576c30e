//! How often a registry makes pullprobe ask: each digest once in a walk, and so many requests for an image at most.

use std::sync::Arc;

use super::peer::{CONFIG, INDEX, LAYER, MANIFEST, Peer, Reply, Shelf};
use super::{assert_limit, checked, measured};

/// The most for an image without its layers, and what a `check` of it asks besides: the ladders of its hosts.
const BOUND: usize = 64;
const LADDERS: usize = 4;
/// The most for an image of a few documents, each of which is asked for once.
const ONCE_EACH: usize = 12;

/// Says how often the peer was asked, and fails where that is more than the bound and what comes besides.
fn assert_asked(attack: &str, peer: &Peer, bound: usize, besides: usize) {
    let (asked, most) = (peer.requests(), bound + besides);
    measured(attack, &format!("{bound} + {besides} requests"), &format!("{asked} requests"));
    assert!(asked <= most, "{attack}: {asked} requests, where {most} are the most: {:?}", peer.log());
}

fn of_entries(shelf: &mut Shelf, entries: &[String]) -> String {
    shelf.add(INDEX, format!("{{\"manifests\":[{}]}}", entries.join(",")))
}

#[test]
fn an_index_of_indexes_of_indexes_is_not_asked_for_without_end() {
    let mut shelf = Shelf::default();
    let mut level = vec![shelf.good_image()];
    for depth in 0..4 {
        let below = level.iter().map(|digest| shelf.entry(digest)).collect::<Vec<_>>().join(",");
        let index = |nth: usize| format!("{{\"manifests\":[{below}],\"annotations\":{{\"n\":\"{depth}/{nth}\"}}}}");
        level = (0..30).map(|nth| shelf.add(INDEX, index(nth))).collect();
    }
    let top: Vec<String> = level.iter().map(|digest| shelf.entry(digest)).collect();
    let root = of_entries(&mut shelf, &top);
    shelf.tag(&root);
    let peer = shelf.serve();
    let (image, _) = checked(&peer.image());
    assert_asked("30 indexes a level, 4 levels", &peer, BOUND, LADDERS);
    assert_limit(&image, &format!("{BOUND} requests"));
    // One layer was reached.
    assert_eq!(image["requests"], BOUND + 2, "{image:#}");
}

#[test]
fn what_many_entries_share_is_asked_for_once() {
    let mut shelf = Shelf::default();
    let manifest = shelf.good_image();
    let entries = vec![shelf.entry(&manifest); 1_000];
    let root = of_entries(&mut shelf, &entries);
    shelf.tag(&root);
    let peer = shelf.serve();
    let (image, _) = checked(&peer.image());
    assert_asked("1,000 entries with one digest", &peer, ONCE_EACH, LADDERS);
    assert_eq!(image["pullable"], true, "{image:#}");
}

#[test]
fn a_layer_that_is_listed_often_is_asked_for_once() {
    let mut shelf = Shelf::default();
    let layer = shelf.add(LAYER, "layer");
    let ids = vec!["\"sha256:a\""; 200].join(",");
    let config = shelf
        .add(CONFIG, format!("{{\"architecture\":\"amd64\",\"os\":\"linux\",\"rootfs\":{{\"diff_ids\":[{ids}]}}}}"));
    let layers = vec![shelf.entry(&layer); 200].join(",");
    let manifest = shelf.add(MANIFEST, format!("{{\"config\":{},\"layers\":[{layers}]}}", shelf.entry(&config)));
    shelf.tag(&manifest);
    let peer = shelf.serve();
    let (image, _) = checked(&peer.image());
    assert_asked("200 layers with one digest", &peer, ONCE_EACH, LADDERS);
    assert_eq!(image["pullable"], true, "{image:#}");
}

#[test]
fn an_image_of_many_layers_is_asked_for_whole() {
    let mut shelf = Shelf::default();
    let layers: Vec<String> = (0..120).map(|nth| shelf.add(LAYER, format!("layer {nth}"))).collect();
    let ids = vec!["\"sha256:a\""; layers.len()].join(",");
    let config = shelf
        .add(CONFIG, format!("{{\"architecture\":\"amd64\",\"os\":\"linux\",\"rootfs\":{{\"diff_ids\":[{ids}]}}}}"));
    let layers = layers.iter().map(|layer| shelf.entry(layer)).collect::<Vec<_>>().join(",");
    let manifest = shelf.add(MANIFEST, format!("{{\"config\":{},\"layers\":[{layers}]}}", shelf.entry(&config)));
    shelf.tag(&manifest);
    let (image, _) = checked(&shelf.serve().image());
    assert_eq!(image["pullable"], true, "{image:#}");
}

/// Each object is elsewhere, and elsewhere it is elsewhere: ten hops a time, as Go follows them.
#[test]
fn hops_count_as_requests() {
    let mut shelf = Shelf::default();
    let manifest = shelf.good_image();
    let layers: Vec<String> = (0..20).map(|_| shelf.entry(&manifest)).collect();
    let mut level = layers;
    for _ in 0..6 {
        let index = of_entries(&mut shelf, &level);
        level = vec![shelf.entry(&index)];
    }
    let root = of_entries(&mut shelf, &level);
    shelf.tag(&root);
    let peer = Peer::start(move |asked| {
        let hop: usize = asked.path.split("hop=").nth(1).and_then(|hop| hop.parse().ok()).unwrap_or(0);
        if hop < 9 && asked.path != "/v2/" {
            let place = asked.path.split('?').next().unwrap();
            return Reply::new("307 Temporary Redirect").field(format!("Location: {place}?hop={}", hop + 1));
        }
        shelf.reply(asked)
    });
    let (image, _) = checked(&peer.image());
    assert_asked("nine hops before each of eight documents", &peer, BOUND, LADDERS);
    assert_limit(&image, &format!("{BOUND} requests"));
}

/// A realm that refuses each token anew, for each of a hundred documents.
#[test]
fn tokens_count_as_requests() {
    let mut shelf = Shelf::default();
    let manifest = shelf.good_image();
    let text = String::from_utf8(shelf.text(&manifest)).unwrap();
    let images: Vec<String> =
        (0..100).map(|nth| shelf.add(MANIFEST, format!("{{\"x\":{nth},{}", &text[1..]))).collect();
    let entries: Vec<String> = images.iter().map(|digest| shelf.entry(digest)).collect();
    let root = of_entries(&mut shelf, &entries);
    shelf.tag(&root);
    let token = Arc::new(b"{\"token\":\"t\",\"expires_in\":1}".to_vec());
    let peer = Peer::start(move |asked| {
        let host = asked
            .head
            .lines()
            .find_map(|line| line.to_ascii_lowercase().strip_prefix("host: ").map(str::to_owned))
            .unwrap();
        if asked.path.starts_with("/token") {
            return Reply::new("200 OK").body(&token);
        }
        if !asked.head.to_ascii_lowercase().contains("authorization:") {
            return Reply::new("401 Unauthorized")
                .field(format!("WWW-Authenticate: Bearer realm=\"http://{host}/token\""));
        }
        shelf.reply(asked)
    });
    let (image, _) = checked(&peer.image());
    assert_asked("a realm and an index of 100 manifests", &peer, BOUND, 2 * LADDERS);
    assert_limit(&image, &format!("{BOUND} requests"));
}
