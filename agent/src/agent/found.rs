//! Which images are probed: those of the settings, those that pods wait for, and those that are on the node.

use crate::pods::Book;
use crate::reading::Node;
use crate::redact::clean::Clean;
use crate::settings::{ImageTarget, Settings};
use crate::state::image_list::{Found, ImageList};
use crate::state::targets::LeftOut;

/// And what is left out. `waiting`: the pods, if what they wait for is probed at once.
pub fn images(settings: &Settings, node: &Node, pods: &Book, waiting: Option<&Book>) -> (Vec<Found>, LeftOut) {
    let mut list = ImageList::default();
    for ImageTarget { image, interval } in &settings.targets.images {
        list.add_as_written(image.clone(), *interval);
    }
    if let (true, Some(image)) = (settings.targets.discover.sandbox_image, &node.containerd.sandbox_image) {
        list.add_as_written(Clean::line(image).into_string(), ImageTarget::INTERVAL);
    }
    if let Some(waiting) = waiting {
        list.add_waiting(waiting, ImageTarget::INTERVAL);
    }
    if settings.targets.discover.node_pods {
        pods.needs().for_each(|need| list.add_background(&need.image));
    }
    node.found_images.iter().for_each(|image| list.add_background(&Clean::line(image)));
    list.finish()
}
