//! `CONNECT` to an HTTP proxy, as Go's transport asks for it.

use go::http1::head;
use go::text::quote;
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use zeroize::Zeroizing;

use super::schemes;
use crate::cause::Cause;
use crate::model::outcome::{Failure, Mark};
use crate::model::proxy::{ProxyCredentials, ProxyUrl};
use crate::model::stage::Stage;
use crate::redact::redactor::Redactor;
use crate::transport::connection::{Connection, with_go_message};

/// A response head larger than this is hostile.
const HEAD_LIMIT: u64 = 1_000_000;
/// As much as Go reads at once.
const READ_AT_ONCE: usize = 4096;

/// `status` is set as soon as the proxy has told it.
pub async fn connect(
    mut connection: Connection,
    proxy: &ProxyUrl,
    target: &str,
    status: &mut Option<u16>,
) -> Result<Connection, Failure> {
    let request = request(target, proxy.credentials.as_ref());
    let ends = connection.ends();
    let broke = |op: &str, error: &std::io::Error| {
        let detail = format!("the proxy closed the connection on CONNECT: {error}");
        Failure::new(Stage::Proxy, Cause::ProxyUnreachable, detail).with_go_message(with_go_message(op, ends, error))
    };
    connection.write_all(request.as_bytes()).await.map_err(|error| broke("write", &error))?;
    connection.flush().await.map_err(|error| broke("write", &error))?;
    let redactor = redactor(proxy.credentials.as_ref());
    let answer = read_answer(&mut connection, &redactor).await.map_err(|error| match error {
        AnswerError::Io(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            broke("read", &error).with_go_message("unexpected EOF").marked(Mark::Eof)
        }
        AnswerError::Io(error) => broke("read", &error),
        AnswerError::Malformed(go_message) => {
            let detail = format!("the proxy does not answer as an HTTP proxy: {go_message}");
            Failure::new(Stage::Proxy, Cause::ProxyUnreachable, detail).with_go_message(go_message)
        }
    })?;
    *status = Some(answer.status);
    if answer.status == 200 { Ok(connection.anew()) } else { Err(answer.refusal(target)) }
}

fn request(target: &str, credentials: Option<&ProxyCredentials>) -> Zeroizing<String> {
    let authorization = credentials
        .map_or_else(String::new, |credentials| format!("Proxy-Authorization: {}\r\n", *credentials.basic()));
    let agent = concat!("pullprobe/", env!("CARGO_PKG_VERSION"));
    Zeroizing::new(format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\nUser-Agent: {agent}\r\n{authorization}\r\n"))
}

fn redactor(credentials: Option<&ProxyCredentials>) -> Redactor {
    Redactor::over(credentials.map(|credentials| credentials.password.expose()))
}

enum AnswerError {
    Io(std::io::Error),
    /// Go's words.
    Malformed(String),
}

struct ConnectResponse {
    status: u16,
    /// `None`: not even a space follows the digits.
    reason: Option<String>,
    /// The values of `Proxy-Authenticate`.
    challenges: Vec<String>,
}

/// A proxy may repeat secrets of the request: they are removed before its text is used.
///
/// Bytes that came together with the head are dropped, as Go drops them: before the client has said anything, TLS is
/// silent.
async fn read_answer(connection: &mut Connection, redactor: &Redactor) -> Result<ConnectResponse, AnswerError> {
    let mut lines = BufReader::with_capacity(READ_AT_ONCE, connection).take(HEAD_LIMIT);
    let line = redactor.hide(&read_line(&mut lines).await?);
    let mut answer = ConnectResponse::parse(&line).map_err(AnswerError::Malformed)?;
    loop {
        let line = redactor.hide(&read_line(&mut lines).await?);
        if line.is_empty() {
            return Ok(answer);
        }
        // Continues the one before.
        if line.starts_with([' ', '\t']) {
            continue;
        }
        let Some((name, value)) = line.split_once(':') else {
            return Err(AnswerError::Malformed(format!("malformed MIME header: missing colon: {}", quote(&line))));
        };
        if name.trim().eq_ignore_ascii_case("proxy-authenticate") {
            answer.challenges.push(value.trim().to_owned());
        }
    }
}

/// Without its end. What comes before the connection ends is a line, too.
async fn read_line(lines: &mut (impl AsyncBufRead + Unpin)) -> Result<String, AnswerError> {
    let mut line = Vec::new();
    if lines.read_until(b'\n', &mut line).await.map_err(AnswerError::Io)? == 0 {
        return Err(AnswerError::Io(std::io::ErrorKind::UnexpectedEof.into()));
    }
    Ok(String::from_utf8_lossy(&line).trim_end_matches('\n').trim_end_matches('\r').to_owned())
}

impl ConnectResponse {
    /// In the order of Go's `ReadResponse`, each check with its words.
    fn parse(line: &str) -> Result<Self, String> {
        let malformed = |what: &str, text: &str| {
            format!("malformed HTTP {what} {}", quote(&text.chars().take(100).collect::<String>()))
        };
        let (version, rest) = line.split_once(' ').ok_or_else(|| malformed("response", line))?;
        let rest = rest.trim_start_matches(' ');
        let (digits, reason) =
            rest.split_once(' ').map_or((rest, None), |(digits, reason)| (digits, Some(reason.to_owned())));
        let status =
            digits.parse().ok().filter(|_| digits.len() == 3).ok_or_else(|| malformed("status code", digits))?;
        if !head::is_version(version.as_bytes()) {
            return Err(malformed("version", version));
        }
        Ok(Self { status, reason, challenges: Vec::new() })
    }

    /// Go prints nothing but the reason phrase.
    fn refusal(&self, target: &str) -> Failure {
        let reason = self.reason.as_deref().unwrap_or_default();
        let line = format!("{} {reason}", self.status);
        let (cause, detail) = if self.status == 407 {
            let asked = self.challenges.join(", ");
            (Cause::ProxyAuthRequired, format!("the proxy asks for credentials ({}): {asked}", line.trim()))
        } else {
            let meaning = if self.status >= 500 { "cannot reach" } else { "refuses to connect to" };
            (Cause::ProxyDenied, format!("the proxy {meaning} {target}: it answered {} to CONNECT", line.trim()))
        };
        let go_message = self.reason.clone().unwrap_or_else(|| "unknown status code".to_owned());
        schemes::explained(Failure::new(Stage::Proxy, cause, detail).with_go_message(go_message), &self.challenges)
    }
}
