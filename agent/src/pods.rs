//! Pods as the Kubernetes API gives them, cut down to images, and what each container of them waits for. Pure.

mod book;
mod decode;
mod kind;
mod need;
mod object;
mod since;
mod waiting;

pub use book::{Api, Book, Listed, POD_LIMIT};
pub use decode::{LIST_LIMIT, Text, TextList, or_default};
pub use kind::{ContainerKind, PullPolicy};
pub use need::Need;
pub use object::{Metadata, Owner, PAGE_LIMIT, Page, PageMetadata, Pod};
pub use waiting::{KubeletLimit, NextTry, Waiting};

#[cfg(test)]
mod tests;
