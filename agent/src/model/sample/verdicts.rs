//! The answers about the sample's images.

use super::MARKUP;
use crate::cause::Cause;
use crate::model::stage::Stage;
use crate::model::verdict::Verdict;

pub fn good() -> Verdict {
    Verdict {
        pullable: Some(true),
        runnable: Some(true),
        summary: "containerd can pull it.".into(),
        ..Verdict::default()
    }
}

pub fn refused() -> Verdict {
    let message = format!(
        "failed to pull and unpack image \"ghcr.io/example/private:1\": failed to authorize: 401 Unauthorized {MARKUP}"
    );
    Verdict {
        pullable: Some(false),
        runnable: None,
        cause: Some(Cause::CredentialsRejected),
        also_possible: vec![Cause::CredentialsExpired],
        stage: Some(Stage::Token),
        host: Some("ghcr.io:443".into()),
        owner: Some(Cause::CredentialsRejected.owner()),
        summary: "The registry rejects the credential that kubelet sends.".into(),
        fix: "Log in anew and replace the entry `ghcr.io` of /var/lib/kubelet/config.json.".into(),
        kubelet_message: Some(message.into()),
    }
}

pub fn unsuited() -> Verdict {
    Verdict {
        runnable: Some(false),
        cause: Some(Cause::PlatformMismatch),
        stage: Some(Stage::Platform),
        owner: Some(Cause::PlatformMismatch.owner()),
        summary: "The pull succeeds, but the image is for linux/amd64 and this node is linux/arm64.".into(),
        fix: "Build the image for linux/arm64 too.".into(),
        ..good()
    }
}
