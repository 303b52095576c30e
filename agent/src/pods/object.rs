//! The fields of a pod that are decoded. Commands, environments, arguments and everything else are dropped while decoding.

use jiff::Timestamp;
use serde::Deserialize;

use super::decode::{Text, TextList, or_default, time};

/// Names in Kubernetes have at most 253 characters.
pub type Name = Text<256>;
/// The longest reference has a name of 255 characters, a tag of 128 and a digest.
pub type ImageName = Text<1024>;
/// Of a message, the beginning says which image and the end says why: kubelet's are shorter than this.
pub type Message = Text<4096>;

/// More than any page is asked for.
pub const PAGE_LIMIT: usize = 1000;

/// A page of the list of pods.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Page {
    #[serde(default, deserialize_with = "or_default")]
    pub metadata: PageMetadata,
    #[serde(default)]
    pub items: TextList<Pod, PAGE_LIMIT>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PageMetadata {
    #[serde(default)]
    pub resource_version: Text<128>,
    /// Opaque, and longer than a name. Empty: this was the last page.
    #[serde(default, rename = "continue")]
    pub next: Text<8192>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Pod {
    #[serde(default, deserialize_with = "or_default")]
    pub metadata: Metadata,
    #[serde(default, deserialize_with = "or_default")]
    pub spec: Spec,
    #[serde(default, deserialize_with = "or_default")]
    pub status: Status,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    #[serde(default)]
    pub namespace: Name,
    #[serde(default)]
    pub name: Name,
    #[serde(default)]
    pub uid: Name,
    #[serde(default)]
    pub resource_version: Text<128>,
    #[serde(default, deserialize_with = "time")]
    pub creation_timestamp: Option<Timestamp>,
    #[serde(default, deserialize_with = "time")]
    pub deletion_timestamp: Option<Timestamp>,
    #[serde(default)]
    pub owner_references: TextList<Owner>,
}

/// Who made the pod: a `ReplicaSet`, a `DaemonSet`, a `Job`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Owner {
    #[serde(default)]
    pub kind: Name,
    #[serde(default)]
    pub name: Name,
    #[serde(default, deserialize_with = "or_default")]
    pub controller: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Spec {
    #[serde(default)]
    pub node_name: Name,
    #[serde(default)]
    pub service_account_name: Name,
    #[serde(default)]
    pub image_pull_secrets: TextList<Named>,
    #[serde(default)]
    pub containers: TextList<ContainerSpec>,
    #[serde(default)]
    pub init_containers: TextList<ContainerSpec>,
    #[serde(default)]
    pub ephemeral_containers: TextList<ContainerSpec>,
    #[serde(default)]
    pub volumes: TextList<Volume>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Named {
    #[serde(default)]
    pub name: Name,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContainerSpec {
    #[serde(default)]
    pub name: Name,
    #[serde(default)]
    pub image: ImageName,
    #[serde(default)]
    pub image_pull_policy: Text<32>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Volume {
    #[serde(default)]
    pub name: Name,
    /// `None`: a volume of another kind.
    #[serde(default)]
    pub image: Option<ImageVolume>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageVolume {
    #[serde(default)]
    pub reference: ImageName,
    #[serde(default)]
    pub pull_policy: Text<32>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// `Pending`, `Running`, `Succeeded`, `Failed`.
    #[serde(default)]
    pub phase: Text<32>,
    #[serde(default, deserialize_with = "time")]
    pub start_time: Option<Timestamp>,
    #[serde(default)]
    pub conditions: TextList<Condition>,
    #[serde(default)]
    pub container_statuses: TextList<ContainerStatus>,
    #[serde(default)]
    pub init_container_statuses: TextList<ContainerStatus>,
    #[serde(default)]
    pub ephemeral_container_statuses: TextList<ContainerStatus>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    #[serde(default, rename = "type")]
    pub kind: Name,
    #[serde(default)]
    pub status: Text<16>,
    #[serde(default, deserialize_with = "time")]
    pub last_transition_time: Option<Timestamp>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContainerStatus {
    #[serde(default)]
    pub name: Name,
    /// Empty until the container was made: before that kubelet had no image for it.
    #[serde(default, rename = "imageID")]
    pub image_id: Text<512>,
    #[serde(default, deserialize_with = "or_default")]
    pub state: State,
    #[serde(default, deserialize_with = "or_default")]
    pub last_state: State,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct State {
    #[serde(default)]
    pub waiting: Option<WaitingState>,
    #[serde(default)]
    pub running: Option<Ran>,
    #[serde(default)]
    pub terminated: Option<Ran>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct WaitingState {
    #[serde(default)]
    pub reason: Message,
    #[serde(default)]
    pub message: Message,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ran {
    #[serde(default, deserialize_with = "time")]
    pub finished_at: Option<Timestamp>,
}
