//! Which images a pod needs, for which of its containers, and whether each waits for its image.

use super::kind::{ContainerKind, PullPolicy};
use super::object::{ContainerSpec, ContainerStatus, ImageName, Pod};
use super::since;
use super::waiting::Waiting;
use crate::redact::clean::Clean;
use crate::redact::urls::without_credentials;

/// One container, or image volume, and the image that it needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    pub namespace: Clean,
    pub pod: Clean,
    /// The container's name; of an image volume the volume's.
    pub container: Clean,
    pub kind: ContainerKind,
    /// As the pod has it.
    pub image: Clean,
    pub policy: PullPolicy,
    /// `None`: it has its image, or nothing is known of its pull yet.
    pub waiting: Option<Waiting>,
    /// kubelet had the image when it made the container. `false`: it had none yet, or it is not known.
    pub has_had_image: bool,
    /// In the pod's order. The service account's are among them: the API server puts them into the pod.
    pub pull_secrets: Vec<Clean>,
}

impl Need {
    /// The pull secrets' names, for people.
    pub fn secrets(&self) -> String {
        let names: Vec<&str> = self.pull_secrets.iter().map(Clean::as_str).collect();
        names.join(", ")
    }

    /// What of the pod it is, as kubelet's events name it: `spec.containers{web}`.
    pub fn field_path(&self) -> Option<String> {
        self.kind.field().map(|field| format!("{field}{{{}}}", self.container))
    }
}

impl Pod {
    /// `namespace/name`.
    pub fn key(&self) -> String {
        format!("{}/{}", &*self.metadata.namespace, &*self.metadata.name)
    }

    /// Nothing of it is started again: it has ended, or is being deleted.
    pub fn is_over(&self) -> bool {
        self.metadata.deletion_timestamp.is_some() || matches!(&*self.status.phase, "Succeeded" | "Failed")
    }

    /// Every container with an image, init containers first, image volumes last. Empty for a pod that is over.
    pub fn needs(&self) -> Vec<Need> {
        if self.is_over() {
            return Vec::new();
        }
        let (spec, status) = (&self.spec, &self.status);
        let kinds = [
            (ContainerKind::Init, &spec.init_containers, &status.init_container_statuses),
            (ContainerKind::Container, &spec.containers, &status.container_statuses),
            (ContainerKind::Ephemeral, &spec.ephemeral_containers, &status.ephemeral_container_statuses),
        ];
        let mut needs: Vec<Need> = Vec::new();
        let mut volumes = self.image_volumes();
        for (kind, containers, statuses) in kinds {
            for container in containers.iter().filter(|container| !container.image.is_empty()) {
                let status = statuses.iter().find(|status| *status.name == *container.name);
                let mut need = self.need(kind, container);
                if let Some(status) = status {
                    self.judge(&mut need, status, &mut volumes);
                }
                needs.push(need);
            }
        }
        needs.append(&mut volumes);
        needs
    }

    fn need(&self, kind: ContainerKind, container: &ContainerSpec) -> Need {
        self.bare(kind, container.name.clean(), &container.image, &container.image_pull_policy)
    }

    fn image_volumes(&self) -> Vec<Need> {
        let of_images = self.spec.volumes.iter().filter_map(|volume| Some((volume, volume.image.as_ref()?)));
        of_images
            .filter(|(_, image)| !image.reference.is_empty())
            .map(|(volume, image)| {
                self.bare(ContainerKind::ImageVolume, volume.name.clean(), &image.reference, &image.pull_policy)
            })
            .collect()
    }

    fn bare(&self, kind: ContainerKind, container: Clean, image: &ImageName, policy: &str) -> Need {
        Need {
            namespace: self.metadata.namespace.clean(),
            pod: self.metadata.name.clean(),
            container,
            kind,
            // A name is no place for a login; where somebody put one, nobody is to see it.
            image: without_credentials(&image.clean()).into(),
            policy: PullPolicy::of(policy, image),
            waiting: None,
            has_had_image: false,
            pull_secrets: self.pull_secrets(),
        }
    }

    /// kubelet skips a name that is empty.
    fn pull_secrets(&self) -> Vec<Clean> {
        let names = self.spec.image_pull_secrets.iter().map(|secret| secret.name.clean());
        names.filter(|name| !name.is_empty()).collect()
    }

    /// A container that waits for an image volume has that one's image in its message, and its own is there.
    fn judge(&self, need: &mut Need, status: &ContainerStatus, volumes: &mut [Need]) {
        let state = &status.state;
        let has_run = state.running.is_some() || state.terminated.is_some() || !status.image_id.is_empty();
        need.has_had_image = has_run;
        let Some(told) = &state.waiting else {
            if state.running.is_some() {
                volumes.iter_mut().for_each(|volume| volume.has_had_image = true);
            }
            return;
        };
        let Some(waiting) = Waiting::of(told, since::of(self, need.kind, status)) else { return };
        let quoted = |image: &Clean| told.message.contains(&format!("\"{image}\""));
        let volume = volumes.iter_mut().find(|volume| quoted(&volume.image) && volume.image != need.image);
        match volume {
            Some(volume) if !quoted(&need.image) => {
                need.has_had_image = true;
                volume.waiting = Some(waiting);
            }
            _ => need.waiting = Some(waiting),
        }
    }
}
