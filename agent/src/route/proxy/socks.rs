//! `CONNECT` to a SOCKS 5 proxy (RFC 1928 and 1929), the name left for the proxy to resolve.

use std::io;
use std::net::IpAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use zeroize::Zeroizing;

use crate::cause::Cause;
use crate::model::outcome::{Failure, Mark};
use crate::model::proxy::{ProxyCredentials, ProxyUrl};
use crate::model::stage::Stage;
use crate::transport::connection::Connection;

const VERSION: u8 = 5;
const NO_AUTHENTICATION: u8 = 0;
const PASSWORD: u8 = 2;
const REFUSED_METHODS: u8 = 0xff;

/// What went wrong, in Go's words where it has any.
enum Refused {
    Io(io::Error),
    Authentication(&'static str),
    Denied(String),
    Malformed(String),
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// `bare_users`: a user may sign in without a password. `greeted` is set as soon as it answers as SOCKS does.
pub async fn connect(
    mut connection: Connection,
    proxy: &ProxyUrl,
    target: &str,
    bare_users: bool,
    greeted: &mut bool,
) -> Result<Connection, Failure> {
    match ask(&mut connection, proxy.credentials.as_ref(), target, bare_users, greeted).await {
        Ok(()) => Ok(connection.anew()),
        Err(refused) => {
            let from = connection.ends().map_or_else(|| proxy.host_port(), |(_, remote)| remote.to_string());
            Err(failure(&refused, &from, target))
        }
    }
}

async fn ask(
    connection: &mut Connection,
    credentials: Option<&ProxyCredentials>,
    target: &str,
    bare_users: bool,
    greeted: &mut bool,
) -> Result<(), Refused> {
    let methods: &[u8] = if credentials.is_some() { &[NO_AUTHENTICATION, PASSWORD] } else { &[NO_AUTHENTICATION] };
    let count = u8::try_from(methods.len()).unwrap_or_default();
    connection.write_all(&[&[VERSION, count], methods].concat()).await?;
    let mut chosen = [0; 2];
    connection.read_exact(&mut chosen).await?;
    *greeted = true;
    match (chosen, credentials) {
        ([VERSION, PASSWORD], Some(credentials)) => authenticate(connection, credentials, bare_users).await?,
        ([VERSION, REFUSED_METHODS], _) => return Err(Refused::Authentication("no acceptable authentication methods")),
        // Go looks at the method only where it has something to sign in with.
        ([VERSION, NO_AUTHENTICATION], _) | ([VERSION, _], None) => {}
        ([VERSION, method], Some(_)) => {
            return Err(Refused::Malformed(format!("unsupported authentication method {method}")));
        }
        ([version, _], _) => return Err(Refused::Malformed(format!("unexpected protocol version {version}"))),
    }
    connection.write_all(&request(target)?).await?;
    read_reply(connection).await
}

async fn authenticate(
    connection: &mut Connection,
    credentials: &ProxyCredentials,
    bare_users: bool,
) -> Result<(), Refused> {
    let invalid = || Refused::Authentication("invalid username/password");
    let mut message = Zeroizing::new(vec![1]);
    for part in [credentials.username.expose(), credentials.password.expose()] {
        message.push(u8::try_from(part.len()).map_err(|_| invalid())?);
        message.extend_from_slice(part.as_bytes());
    }
    if credentials.username.is_empty() || (credentials.password.is_empty() && !bare_users) {
        return Err(invalid());
    }
    connection.write_all(&message).await?;
    let mut answer = [0; 2];
    connection.read_exact(&mut answer).await?;
    if answer == [1, 0] { Ok(()) } else { Err(Refused::Authentication("username/password authentication failed")) }
}

fn request(target: &str) -> Result<Vec<u8>, Refused> {
    let unfit = |what: &str| Refused::Malformed(format!("{what} in {target}"));
    let (host, port) = target.rsplit_once(':').ok_or_else(|| unfit("missing port"))?;
    let host = host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(host);
    let port: u16 = port.parse().map_err(|_| unfit("port number out of range"))?;
    let mut message = vec![VERSION, 1, 0];
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(v4)) => message.extend([&[1][..], &v4.octets()].concat()),
        Ok(IpAddr::V6(v6)) => message.extend([&[4][..], &v6.octets()].concat()),
        Err(_) => {
            message.extend([3, u8::try_from(host.len()).map_err(|_| unfit("FQDN too long"))?]);
            message.extend_from_slice(host.as_bytes());
        }
    }
    message.extend(port.to_be_bytes());
    Ok(message)
}

async fn read_reply(connection: &mut Connection) -> Result<(), Refused> {
    let mut reply = [0; 4];
    connection.read_exact(&mut reply).await?;
    let [version, code, _, kind] = reply;
    if version != VERSION {
        return Err(Refused::Malformed(format!("unexpected protocol version {version}")));
    }
    if code != 0 {
        return Err(Refused::Denied(reply_text(code)));
    }
    let length = match kind {
        1 => 4,
        4 => 16,
        3 => usize::from(connection.read_u8().await?),
        other => return Err(Refused::Malformed(format!("unknown address type {other}"))),
    };
    // The bound address and port: of no interest.
    connection.read_exact(&mut vec![0; length + 2]).await?;
    Ok(())
}

fn reply_text(code: u8) -> String {
    let known = match code {
        1 => "general SOCKS server failure",
        2 => "connection not allowed by ruleset",
        3 => "network unreachable",
        4 => "host unreachable",
        5 => "connection refused",
        6 => "TTL expired",
        7 => "command not supported",
        8 => "address type not supported",
        _ => return format!("unknown code: {code}"),
    };
    known.to_owned()
}

/// Whether the proxy accepts the request but cannot reach the host.
fn is_unreachable(reply: &str) -> bool {
    matches!(reply, "network unreachable" | "host unreachable" | "connection refused" | "TTL expired")
}

fn failure(refused: &Refused, from: &str, target: &str) -> Failure {
    let (cause, text, detail) = match refused {
        Refused::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            (Cause::ProxyUnreachable, "EOF".to_owned(), "the SOCKS proxy closed the connection".to_owned())
        }
        Refused::Io(error) => {
            (Cause::ProxyUnreachable, error.to_string(), format!("the SOCKS proxy broke off: {error}"))
        }
        Refused::Authentication(text) => {
            (Cause::ProxyAuthRequired, (*text).to_owned(), format!("the SOCKS proxy: {text}"))
        }
        Refused::Denied(text) => {
            let meaning = if is_unreachable(text) { "cannot reach" } else { "refuses to connect to" };
            (Cause::ProxyDenied, format!("unknown error {text}"), format!("the SOCKS proxy {meaning} {target}: {text}"))
        }
        Refused::Malformed(text) => (Cause::ProxyUnreachable, text.clone(), format!("not a SOCKS 5 proxy: {text}")),
    };
    let failure = Failure::new(Stage::Proxy, cause, detail);
    let is_eof = matches!(refused, Refused::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof);
    let failure = if is_eof { failure.marked(Mark::Eof) } else { failure };
    failure.with_go_message(format!("socks connect tcp {from}->{target}: {text}"))
}
