//! What the agent of a node remembers of an image, or else of its registry, from its own probes.

use super::{Agents, SUMMARY_LIMIT, SUMMARY_PATIENCE};
use crate::image::reference::Reference;
use crate::redact::clean::Clean;
use crate::why::CheckedImage;

impl Agents<'_> {
    /// `None`: it probes neither, or cannot be asked, or its answer is unusable.
    pub async fn remembered(&mut self, node: &Clean, image: &str) -> Option<CheckedImage> {
        let image = Reference::parse(image).ok()?;
        let summaries = self.all.as_ref().map(|(summaries, _)| summaries.as_slice()).unwrap_or_default();
        if let Some((_, summary)) = summaries.iter().find(|(other, _)| other == node) {
            return CheckedImage::of_report(summary.as_ref()?, &image, node).ok()?;
        }
        let pod = self.of_node(node).await.ok()?;
        let read = tokio::time::timeout(SUMMARY_PATIENCE, self.read(&pod, "summary", SUMMARY_LIMIT)).await;
        CheckedImage::of_report(&read.ok()?.ok()?, &image, node).ok()?
    }
}
