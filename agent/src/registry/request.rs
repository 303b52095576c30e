//! One request to a host of a plan, whoever asks: counted, sent, and looked at once more where the answer is none.

use http::{HeaderMap, Method};
use url::Url;

use crate::cause::Cause;
use crate::http::{HttpClient, Request, Response};
use crate::model::host::RegistryHost;
use crate::model::outcome::Failure;
use crate::model::stage::Stage;
use crate::route::network::Network;
use crate::route::usage::RequestKind;

/// A failure of the answer is one of the stage that the request belongs to; one of the way there keeps its own.
pub(super) async fn send(
    network: &Network,
    host: &RegistryHost,
    client: &HttpClient,
    kind: RequestKind,
    request: Request,
) -> Result<Response, Failure> {
    network.usage.request(client.endpoint(), kind);
    match client.send(request).await {
        Ok(response) => Ok(response),
        Err(failure) => Err(network.unreadable(client.endpoint(), host, failure.staged(kind.stage())).await),
    }
}

/// Asks what is at a path of the host, with a slash behind it as at the base of the API.
pub(super) fn base(client: &HttpClient, path: &str, headers: HeaderMap, body_limit: usize) -> Result<Request, Failure> {
    let text = format!("{}/{}/", client.endpoint(), path.trim_matches('/'));
    let url = Url::parse(&text)
        .map_err(|e| Failure::new(Stage::Ping, Cause::HostsFileInvalid, format!("no usable URL: {e}")))?;
    Ok(Request { method: Method::GET, url, headers, form: None, body_limit })
}
