//! A command that is run over a WebSocket: channels 0 to 3, and 255 that closes one, as `remotecommand` has them.

use std::process::Stdio;

use futures::{SinkExt as _, StreamExt as _};
use http::{HeaderValue, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::objects::{Asked, status};
use super::{Body, Config};

const V5: &str = "v5.channel.k8s.io";
const CLOSE: u8 = 255;

/// One that was accepted.
pub struct Execution {
    upgrade: OnUpgrade,
    command: std::process::Command,
}

impl Execution {
    /// The response that switches protocols, or the refusal.
    pub fn of(
        request: &mut Request<Incoming>,
        asked: &Asked,
        config: &Config,
    ) -> Result<(Self, Response<Body>), Box<Response<Body>>> {
        let Some(runs) = &config.runs else { return Err(Box::new(status(500, "no command runs in this pod"))) };
        let newest = if config.protocol.is_empty() { V5 } else { &config.protocol };
        let header = |name: header::HeaderName| request.headers().get(name).and_then(|value| value.to_str().ok());
        let offered = header(header::SEC_WEBSOCKET_PROTOCOL).unwrap_or_default();
        let Some(protocol) = offered.split(',').map(str::trim).find(|one| *one <= newest).map(str::to_owned) else {
            return Err(Box::new(status(400, "none of the protocols is known")));
        };
        let key = derive_accept_key(header(header::SEC_WEBSOCKET_KEY).unwrap_or_default().as_bytes());
        let (namespace, name) = (asked.namespace.clone().unwrap_or_default(), asked.name.clone().unwrap_or_default());
        let command = runs(&namespace, &name, &asked.values("command"));
        let mut response = Response::new(Body::default());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        for (name, value) in [(header::SEC_WEBSOCKET_ACCEPT, key), (header::SEC_WEBSOCKET_PROTOCOL, protocol)] {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(name, value);
            }
        }
        Ok((Self { upgrade: hyper::upgrade::on(request), command }, response))
    }

    /// To the end of the command or of the connection.
    pub async fn run(self) {
        let Ok(upgraded) = self.upgrade.await else { return };
        let socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None).await;
        let (mut sender, mut receiver) = socket.split();
        let mut command = tokio::process::Command::from(self.command);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let message = |channel: u8, bytes: &[u8]| Message::binary([&[channel], bytes].concat());
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) => {
                let failure = json!({"status": "Failure", "reason": "InternalError", "message": error.to_string()});
                drop(sender.send(message(3, failure.to_string().as_bytes())).await);
                return;
            }
        };
        let mut input = child.stdin.take();
        let feeding = async move {
            while let Some(Ok(received)) = receiver.next().await {
                match (received.into_data().split_first(), &mut input) {
                    (Some((&CLOSE, _)), _) => input = None,
                    (Some((0, bytes)), Some(pipe)) => drop(pipe.write_all(bytes).await),
                    _ => {}
                }
            }
        };
        let running = async move {
            let Ok(output) = child.wait_with_output().await else { return };
            for piece in output.stdout.chunks(4096) {
                drop(sender.send(message(1, piece)).await);
            }
            drop(sender.send(message(2, &output.stderr)).await);
            let end = match output.status.code() {
                Some(0) => json!({"status": "Success"}),
                code => json!({
                    "status": "Failure", "reason": "NonZeroExitCode",
                    "details": {"causes": [{"reason": "ExitCode", "message": code.unwrap_or(137).to_string()}]}
                }),
            };
            drop(sender.send(message(3, end.to_string().as_bytes())).await);
            drop(sender.close().await);
        };
        tokio::select! {
            () = running => {}
            () = async { feeding.await; std::future::pending::<()>().await } => {}
        }
    }
}
