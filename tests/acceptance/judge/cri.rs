//! The part of the CRI that pulling an image needs, spoken to a real containerd as kubelet speaks it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use http::uri::PathAndQuery;
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use tokio::net::UnixStream;
use tonic::client::Grpc;
use tonic::transport::{Channel, Endpoint, Uri};
use tonic_prost::ProstCodec;

/// No scenario needs as long: the slowest waits for two ten-second TLS handshakes per request.
const PULL_DEADLINE: Duration = Duration::from_secs(90);

#[derive(Clone, PartialEq, prost::Message)]
struct VersionRequest {
    #[prost(string, tag = "1")]
    version: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct VersionResponse {
    #[prost(string, tag = "2")]
    pub runtime_name: String,
    #[prost(string, tag = "3")]
    pub runtime_version: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ImageSpec {
    #[prost(string, tag = "1")]
    image: String,
}

/// What kubelet passes with a pull; absent altogether means that kubelet found no credential.
#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuthConfig {
    #[prost(string, tag = "1")]
    pub username: String,
    #[prost(string, tag = "2")]
    pub password: String,
    #[prost(string, tag = "3")]
    pub auth: String,
    #[prost(string, tag = "4")]
    pub server_address: String,
    #[prost(string, tag = "5")]
    pub identity_token: String,
    #[prost(string, tag = "6")]
    pub registry_token: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct PullImageRequest {
    #[prost(message, optional, tag = "1")]
    image: Option<ImageSpec>,
    #[prost(message, optional, tag = "2")]
    auth: Option<AuthConfig>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct PullImageResponse {
    #[prost(string, tag = "1")]
    image_ref: String,
}

/// A refusal as kubelet receives it: the gRPC code's name and the text after `desc = `.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    pub code: String,
    pub message: String,
}

impl From<tonic::Status> for Refusal {
    fn from(status: tonic::Status) -> Self {
        Self { code: format!("{:?}", status.code()), message: status.message().to_owned() }
    }
}

pub struct Cri {
    client: Grpc<Channel>,
}

impl Cri {
    pub async fn connect(socket: &Path) -> Result<Self, String> {
        let socket: PathBuf = socket.to_owned();
        // The URI is never looked at: the connector always goes to the socket.
        let channel = Endpoint::from_static("http://containerd.invalid")
            .connect_with_connector(tower::service_fn(move |_: Uri| {
                let socket = socket.clone();
                async move { UnixStream::connect(socket).await.map(TokioIo::new) }
            }))
            .await
            .map_err(|error| format!("{error:?}"))?;
        Ok(Self { client: Grpc::new(channel) })
    }

    pub async fn version(&mut self) -> Result<VersionResponse, Refusal> {
        let request = VersionRequest { version: "v1".to_owned() };
        self.call("/runtime.v1.RuntimeService/Version", request).await
    }

    /// Asks for an image and returns its reference in containerd's store.
    pub async fn pull(&mut self, image: &str, auth: Option<AuthConfig>) -> Result<String, Refusal> {
        let image = Some(ImageSpec { image: image.to_owned() });
        let pull = self.call("/runtime.v1.ImageService/PullImage", PullImageRequest { image, auth });
        let answer: PullImageResponse =
            tokio::time::timeout(PULL_DEADLINE, pull).await.expect("containerd answers a pull in time")?;
        Ok(answer.image_ref)
    }

    async fn call<Q, A>(&mut self, method: &'static str, request: Q) -> Result<A, Refusal>
    where
        Q: prost::Message + 'static,
        A: prost::Message + Default + 'static,
    {
        self.client
            .ready()
            .await
            .map_err(|error| Refusal { code: "Unavailable".to_owned(), message: error.to_string() })?;
        let codec = ProstCodec::<Q, A>::default();
        let method = PathAndQuery::from_static(method);
        let answer = self.client.unary(tonic::Request::new(request), method, codec).await?;
        Ok(answer.into_inner())
    }
}
