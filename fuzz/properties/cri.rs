//! What containerd answers over CRI: the images that are named are those of the messages.

use prost::Message as _;
use pullprobe::cri::images::{Containers, Images, named_by_pods, tags};
use pullprobe::image::reference::Reference;
use pullprobe::version::Version;

/// Images, and behind a line of `---` containers.
pub fn holds(data: &[u8]) {
    let (images, containers) = match data.windows(5).position(|part| part == b"\n---\n") {
        Some(at) => (&data[..at], &data[at + 5..]),
        None => (data, &[][..]),
    };
    let images = Images::decode(images).unwrap_or_default();
    let tags: Vec<String> = tags(&images).collect();
    let containers = Containers::decode(containers).unwrap_or_default();
    let named: Vec<String> = named_by_pods(containers, &images).collect();
    let kept: usize = tags.iter().chain(&named).map(String::len).sum();
    // A tag may be that of many containers, each of which says more than one byte.
    assert!(kept <= data.len() * data.len(), "{kept} bytes out of {}", data.len());
    for name in tags.iter().chain(&named) {
        // What is no name is told so, and nothing else happens.
        let _ = Reference::parse(name);
        let _ = name.parse::<Version>();
    }
    let is_id = |name: &String| name.starts_with("sha256:") && !tags.contains(name);
    assert!(!named.iter().any(String::is_empty) || tags.contains(&String::new()), "{named:?}");
    let written = String::from_utf8_lossy(data);
    assert!(named.iter().filter(|name| is_id(name)).all(|name| written.contains(name.as_str())), "{named:?}");
}
