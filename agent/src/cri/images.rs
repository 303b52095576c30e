//! Which images the node has, and which its containers use.

use std::collections::{BTreeMap, BTreeSet};

use crate::host::root::HostRoot;
use crate::model::finding::{Finding, Severity};

#[derive(Clone, PartialEq, prost::Message)]
struct Everything {}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Images {
    #[prost(message, repeated, tag = "1")]
    images: Vec<Image>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Image {
    #[prost(string, tag = "1")]
    id: String,
    #[prost(string, repeated, tag = "2")]
    repo_tags: Vec<String>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Containers {
    #[prost(message, repeated, tag = "1")]
    containers: Vec<Container>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Container {
    #[prost(message, optional, tag = "4")]
    image: Option<Spec>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Spec {
    /// As kubelet passes it: mostly the id of an image.
    #[prost(string, tag = "1")]
    image: String,
    /// As the pod has it; newer kubelets say so.
    #[prost(string, tag = "18")]
    user_specified_image: String,
}

/// The tags of all images and the images of all containers, each once.
pub async fn images(root: &HostRoot, named: Option<&str>, wanted: bool) -> Result<BTreeSet<String>, Finding> {
    if !wanted {
        return Ok(BTreeSet::new());
    }
    let failed = |why: String| {
        let message = format!("the node's images cannot be listed, so that none of them is probed: {why}");
        let fix = "let the agent see containerd's socket, or switch targets.discover.node_images off";
        Finding::new(Severity::Warning, "discovery_failed", message, fix)
    };
    let Some((_, socket)) = super::socket(root, named) else {
        return Err(failed("containerd's socket is out of sight".to_owned()));
    };
    let list = super::ask(socket.clone(), "/runtime.v1.ImageService/ListImages", Everything {});
    let images: Images = list.await.map_err(failed)?;
    let list = super::ask(socket, "/runtime.v1.RuntimeService/ListContainers", Everything {});
    let containers: Containers = list.await.map_err(failed)?;
    Ok(tags(&images).chain(named_by_pods(containers, &images)).collect())
}

/// The tags of all images.
pub fn tags(images: &Images) -> impl Iterator<Item = String> {
    images.images.iter().flat_map(|image| &image.repo_tags).cloned()
}

/// The images of all containers, as far as their names can be known.
pub fn named_by_pods(containers: Containers, images: &Images) -> impl Iterator<Item = String> {
    let by_id: BTreeMap<&str, &Image> = images.images.iter().map(|image| (image.id.as_str(), image)).collect();
    containers.containers.into_iter().filter_map(move |one| named_by(one.image?, &by_id))
}

/// What the pod calls its image, as far as it can be known.
fn named_by(spec: Spec, by_id: &BTreeMap<&str, &Image>) -> Option<String> {
    if !spec.user_specified_image.is_empty() {
        return Some(spec.user_specified_image);
    }
    match by_id.get(spec.image.as_str()) {
        Some(image) => image.repo_tags.first().cloned(),
        None => Some(spec.image).filter(|image| !image.is_empty() && !image.starts_with("sha256:")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_is_of_the_image_that_its_pod_names() {
        let image = Image { id: "sha256:1".into(), repo_tags: vec!["r.example/a:1".into()] };
        let by_id = [("sha256:1", &image)].into();
        let spec = |image: &str, user: &str| Spec { image: image.into(), user_specified_image: user.into() };
        assert_eq!(named_by(spec("sha256:1", "a:1"), &by_id).as_deref(), Some("a:1"));
        assert_eq!(named_by(spec("sha256:1", ""), &by_id).as_deref(), Some("r.example/a:1"));
        assert_eq!(named_by(spec("r.example/b:1", ""), &by_id).as_deref(), Some("r.example/b:1"));
        assert_eq!((named_by(spec("sha256:2", ""), &by_id), named_by(spec("", ""), &by_id)), (None, None));
    }

    #[tokio::test]
    async fn nothing_is_asked_unless_wanted_and_a_missing_socket_is_a_finding() {
        let directory = tempfile::tempdir().unwrap();
        let root = HostRoot::open(directory.path()).unwrap();
        assert_eq!(images(&root, None, false).await, Ok(BTreeSet::new()));
        assert_eq!(images(&root, None, true).await.unwrap_err().code, "discovery_failed");
    }
}
