//! One command in a container, with its input and its bounded output, over the API server.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::AttachParams;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use zeroize::Zeroizing;

use super::{Cluster, MESSAGE_LIMIT, Refusal, of_status, unreachable};
use crate::redact::clean::Clean;
use crate::redact::output::redact_message;

/// More of a report about one image than this is nobody's.
const OUTPUT_LIMIT: usize = 4 << 20;
/// Of complaints.
const ERROR_LIMIT: usize = 16 << 10;
/// Between the two ends of a pipe.
const PIPE: usize = 64 << 10;

/// What is run, and where.
pub struct Command<'a> {
    pub namespace: &'a str,
    pub pod: &'a str,
    pub container: &'a str,
    /// None of them is a secret: the API server logs them.
    pub arguments: &'a [&'a str],
    /// What goes to its standard input, which stays open until the command ends: not every protocol can close it.
    pub input: &'a [u8],
    pub patience: Duration,
}

/// What came of it.
pub struct Ran {
    pub output: Zeroizing<Vec<u8>>,
    pub complaints: Clean,
    /// `None`: it was not started, or did not end by itself; the complaints say why.
    pub code: Option<i32>,
}

impl Cluster {
    pub async fn exec(&self, command: &Command<'_>) -> Result<Ran, Refusal> {
        let running = self.exec_to_its_end(command);
        tokio::time::timeout(command.patience, running).await.unwrap_or(Err(Refusal::OutOfTime(command.patience)))
    }

    async fn exec_to_its_end(&self, command: &Command<'_>) -> Result<Ran, Refusal> {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), command.namespace);
        let parameters = AttachParams::default()
            .container(command.container)
            .stdin(true)
            .stdout(true)
            .stderr(true)
            .max_stdin_buf_size(PIPE)
            .max_stdout_buf_size(PIPE)
            .max_stderr_buf_size(PIPE);
        let mut running = pods.exec(command.pod, command.arguments.iter().copied(), &parameters).await?;
        let (Some(mut input), Some(output), Some(complaints), Some(status)) =
            (running.stdin(), running.stdout(), running.stderr(), running.take_status())
        else {
            return Err(unreachable("the connection has not every channel"));
        };
        let writing = async {
            // A command that ends early takes no more.
            let _ = input.write_all(command.input).await;
            let _ = input.flush().await;
        };
        let (output, complaints, status, ()) =
            tokio::join!(limited(output, OUTPUT_LIMIT), limited(complaints, ERROR_LIMIT), status, writing);
        drop(input);
        if output.len() > OUTPUT_LIMIT {
            return Err(Refusal::TooLong(OUTPUT_LIMIT));
        }
        let mut said = String::from_utf8_lossy(&complaints).into_owned();
        let code = match status {
            None => None,
            Some(status) if status.status.as_deref() == Some("Success") => Some(0),
            Some(status) => {
                let causes = status.details.and_then(|details| details.causes).unwrap_or_default();
                let code = causes.iter().find(|cause| cause.reason.as_deref() == Some("ExitCode"));
                let code = code.and_then(|cause| cause.message.as_deref()?.parse().ok());
                if code.is_none() {
                    let message = status.message.unwrap_or_default();
                    if status.code == Some(403) {
                        return Err(of_status(403, &message));
                    }
                    said.push_str(&message);
                }
                code
            }
        };
        Ok(Ran { output, complaints: Clean::clipped(&redact_message(said.trim()), MESSAGE_LIMIT), code })
    }
}

/// Reads to the end. What is beyond the limit is thrown away but for one byte, so that the other side can end.
async fn limited(mut reader: impl AsyncRead + Unpin, limit: usize) -> Zeroizing<Vec<u8>> {
    let mut kept = Zeroizing::new(Vec::new());
    let mut chunk = vec![0; PIPE];
    while let Ok(count @ 1..) = reader.read(&mut chunk).await {
        let room = (limit + 1).saturating_sub(kept.len());
        kept.extend_from_slice(&chunk[..count.min(room)]);
    }
    kept
}
