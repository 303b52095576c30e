//! Words for what is wrong with the image itself or with its name.

use super::Text;

pub const REFERENCE_INVALID: Text = Text {
    summary: "The image name is not a valid reference, so nothing is pulled at all.",
    evidence: "The name does not parse by the rules that kubelet and containerd share; the detail names the part and the \
               position. No request was sent.",
    confirm: "`crictl pull IMAGE` fails at once with `failed to parse image reference`; the pod waits with \
              `InvalidImageName`.",
    fix: "Correct the image of the pod, for example with `kubectl set image deployment/NAME CONTAINER=IMAGE`: no \
          `https://`, the repository in lower case, a tag of at most 128 letters, digits, `_`, `.` and `-`, a digest of \
          `sha256:` and 64 lower-case hex digits.",
};

pub const REPOSITORY_UNKNOWN: Text = Text {
    summary: "The registry says that this repository does not exist.",
    evidence: "The manifest request was authorized and answered with 404 and an error that names the repository \
               (`NAME_UNKNOWN` or this registry's word for it), not the tag.",
    confirm: "`skopeo list-tags docker://REGISTRY/REPOSITORY` fails the same way; with a mirror, `ctr -n k8s.io images \
              pull --hosts-dir /etc/containerd/certs.d IMAGE` shows which host answers.",
    fix: "Correct the name with `kubectl set image deployment/NAME CONTAINER=IMAGE`, or create and push the repository: \
          `skopeo copy docker://SOURCE docker://IMAGE`. Behind a proxy registry, check that the project of the path \
          exists there.",
};

pub const MANIFEST_UNKNOWN: Text = Text {
    summary: "The repository is there, but not this tag or digest.",
    evidence: "The manifest request was authorized and answered with 404 by every host that containerd would ask.",
    confirm: "`skopeo list-tags docker://REGISTRY/REPOSITORY` lists the tags that exist; the wanted one is not among them.",
    fix: "Push the tag again (`skopeo copy docker://SOURCE docker://IMAGE`) or name one that exists with `kubectl set image \
          deployment/NAME CONTAINER=IMAGE`. If it was there before, exempt it from the registry's retention or clean-up rule.",
};

pub const NOT_FOUND_OR_DENIED: Text = Text {
    summary: "The registry gives the same answer for a missing and for a private image, so either it is misspelt or the \
              login does not reach it.",
    evidence: "The answer is one that this registry gives for both (401 with `insufficient_scope`, 403 or 404), and nothing \
               else tells them apart.",
    confirm: "`skopeo inspect docker://IMAGE` after `skopeo login REGISTRY` with an account that surely may read it: success \
              means the credential was the reason, the same error means the name was.",
    fix: "Check the spelling first; then give the pod a pull secret that may read it: `kubectl create secret generic NAME \
          --type=kubernetes.io/dockerconfigjson --from-file=.dockerconfigjson=config.json`, named in its \
          `imagePullSecrets`.",
};

pub const PLATFORM_MISMATCH: Text = Text {
    summary: "The image exists, but not for this node's operating system and architecture.",
    evidence: "No entry of the image's index fits the node's platform by containerd's own matching, or a single manifest is \
               built for another platform; both the wanted and the offered platforms are in the report.",
    confirm: "`skopeo inspect --raw docker://IMAGE | jq -c '.manifests[]?.platform'` lists what is offered; `kubectl get node \
              NODE -o jsonpath='{.status.nodeInfo.architecture}'` tells what the node is.",
    fix: "Build for the node's platform too, `docker buildx build --platform linux/amd64,linux/arm64 --push .`, or send the pod \
          to nodes of an architecture ARCH that the image offers: `kubectl patch deployment NAME -p \
          '{\"spec\":{\"template\":{\"spec\":{\"nodeSelector\":{\"kubernetes.io/arch\":\"ARCH\"}}}}}'`.",
};

pub const MANIFEST_UNSUPPORTED: Text = Text {
    summary: "The tag holds something that this containerd cannot pull as an image.",
    evidence: "The media type is the old Docker schema 1, or the manifest's configuration is not that of an image (a chart, \
               a signature, another artifact).",
    confirm: "`skopeo inspect --raw docker://IMAGE | jq '{schemaVersion, mediaType, config: .config.mediaType}'` shows the \
              media types.",
    fix: "For schema 1, convert it once: `skopeo copy --format v2s2 docker://IMAGE docker://IMAGE-v2` and use the new tag. \
          For an artifact, name the image instead of it.",
};

pub const MANIFEST_INVALID: Text = Text {
    summary: "The registry answered the manifest request with something that is not a usable manifest.",
    evidence: "The answer had status 200 and was cut short, not JSON, too large, or of another kind than its content type says.",
    confirm: "`skopeo inspect --raw docker://IMAGE | jq .mediaType` fails or differs; `curl -sS -D- -o /dev/null -H 'Accept: \
              application/vnd.oci.image.index.v1+json' https://REGISTRY/v2/REPOSITORY/manifests/TAG` shows the headers.",
    fix: "Push the image again (`skopeo copy docker://SOURCE docker://IMAGE`). If only a mirror answers so, clear its cache, or \
          take it out of `/etc/containerd/certs.d/REGISTRY/hosts.toml` until then.",
};

pub const BLOB_UNKNOWN: Text = Text {
    summary: "The manifest is there, but the registry does not have a part of the image that it names.",
    evidence: "The manifest was read; the request for the configuration or a layer that it names got 404.",
    confirm: "`skopeo copy docker://IMAGE dir:/tmp/image` fails at the same digest.",
    fix: "Push the image again from a complete source: `skopeo copy --all docker://SOURCE docker://IMAGE`. If the source is a \
          replica or a garbage-collected store, repair it first: a layer was removed that a manifest still names.",
};

pub const DIGEST_MISMATCH: Text = Text {
    summary: "The content that arrives is not the content that was asked for: its digest differs.",
    evidence: "The received bytes hash to another digest than the one requested; the detail has both and the host that served \
               them.",
    confirm: "`skopeo inspect --raw docker://REGISTRY/REPOSITORY@DIGEST | openssl dgst -sha256` prints another digest than the \
              one asked for.",
    fix: "Find what changes the bytes: clear the cache of the mirror or proxy that served them, exempt the registry from \
          content-rewriting proxies (`NO_PROXY` in `/etc/systemd/system/containerd.service.d/http-proxy.conf`), or push the \
          image again.",
};

pub const POLICY_BLOCKED: Text = Text {
    summary: "The registry has the image and refuses to hand it out because of a policy.",
    evidence: "The answer is a refusal that names a rule: a vulnerability or signature policy of the project (412), a download \
               block of a scanner (403), or the like; the registry's words are in the detail.",
    confirm: "`skopeo inspect docker://IMAGE` prints the registry's words.",
    fix: "Rebuild the image without what the policy objects to, or sign it, and push it: `skopeo copy docker://SOURCE \
          docker://IMAGE`; or have the registry's owner add an exception to the policy of the project.",
};
