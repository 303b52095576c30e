//! Which images are probed: those of the settings, those that pods wait for, and those that are on the node.

use super::pods::NodePods;
use crate::reading::Node;
use crate::redact::clean::Clean;
use crate::settings::{ImageTarget, Settings};
use crate::state::image_list::{Found, ImageList};

/// And how many are left out.
pub fn images(settings: &Settings, node: &Node, pods: &NodePods) -> (Vec<Found>, usize) {
    let mut list = ImageList::default();
    for ImageTarget { image, interval } in &settings.targets.images {
        list.add_as_written(image.clone(), *interval);
    }
    if let (true, Some(image)) = (settings.targets.discover.sandbox_image, &node.containerd.sandbox_image) {
        list.add_as_written(Clean::line(image).into_string(), ImageTarget::INTERVAL);
    }
    let book = pods.book();
    if pods.probes_waiting() {
        list.add_waiting(&book, ImageTarget::INTERVAL);
    }
    if settings.targets.discover.node_pods {
        book.needs().for_each(|need| list.add_background(&need.image));
    }
    node.found_images.iter().for_each(|image| list.add_background(&Clean::line(image)));
    list.finish()
}
