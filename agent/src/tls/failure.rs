//! Why a handshake broke off, from rustls's error, the first bytes that came and Go's words for it.

use std::error::Error as StdError;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use rustls::{AlertDescription, CertificateError, Error, InvalidMessage, PeerIncompatible, PeerMisbehaved};

use super::verifier::Rejected;
use crate::cause::Cause;
use crate::model::namespace::HANDSHAKE_TIMEOUT;
use crate::model::outcome::{Failure, Mark};
use crate::model::stage::Stage;
use crate::transport::connection::with_go_message;

const PLAIN_HTTP: &str = "http: server gave HTTP response to HTTPS client";

/// What is known about a handshake that failed.
pub struct Broken<'a> {
    pub error: &'a io::Error,
    /// The first bytes that the other side sent.
    pub head: &'a [u8],
    pub ends: Option<(SocketAddr, SocketAddr)>,
    pub client_certificate_asked: bool,
    pub client_certificate_sent: bool,
}

pub fn classify(broken: &Broken<'_>) -> Failure {
    if let Some(failure) = of_head(broken.head) {
        return failure;
    }
    if let Some(error) = find::<Error>(broken.error) {
        return of_rustls(error, broken);
    }
    if broken.client_certificate_asked && !broken.client_certificate_sent {
        // The alert that says so may be lost behind our own unfinished write.
        let detail = "the server asked for a client certificate, got none and closed the connection";
        return fail(Cause::TlsClientCertificateRequired, detail.to_owned(), "remote error: tls: certificate required");
    }
    let gone = |detail: &str, go_message: String| fail(Cause::TlsClosed, detail.to_owned(), &go_message);
    match broken.error.kind() {
        io::ErrorKind::UnexpectedEof => {
            gone("the connection was closed during the handshake", "EOF".into()).marked(Mark::Eof)
        }
        io::ErrorKind::ConnectionReset => {
            gone("the connection was reset during the handshake", with_go_message("read", broken.ends, broken.error))
        }
        io::ErrorKind::BrokenPipe => {
            gone("the connection was closed during the handshake", with_go_message("write", broken.ends, broken.error))
        }
        _ => fail(Cause::Unclassified, broken.error.to_string(), &with_go_message("read", broken.ends, broken.error)),
    }
}

/// A failure of TLS that only shows after the handshake: with TLS 1.3 a server refuses a client
/// certificate, or the lack of one, at the first read. `None` when the error is not about TLS.
pub fn classify_late(error: &io::Error) -> Option<Failure> {
    classify_late_dyn(error)
}

/// As [`classify_late`], for an error that wraps others.
pub fn classify_late_dyn(error: &(dyn StdError + 'static)) -> Option<Failure> {
    match find::<Error>(error)? {
        Error::AlertReceived(alert) => Some(of_alert(*alert, true, false)),
        Error::InvalidCertificate(CertificateError::Other(other)) => {
            other.0.downcast_ref::<Rejected>().map(|rejected| rejected.0.clone())
        }
        _ => None,
    }
}

/// The handshake did not end within `limit`. Where containerd waits for longer than this did, nothing follows from it.
pub fn timed_out(head: &[u8], limit: Duration) -> Failure {
    let seen = if head.is_empty() { "no byte came back" } else { "the answer stopped half-way" };
    let failure = |when: &str| {
        let detail = format!("connected, but the handshake did not end {when}: {seen}");
        fail(Cause::TlsTimeout, detail, "net/http: TLS handshake timeout")
    };
    if limit >= HANDSHAKE_TIMEOUT {
        return failure("in time");
    }
    let failure =
        failure(&format!("within {limit:?}, where pullprobe stops; containerd waits {HANDSHAKE_TIMEOUT:?}")).fixed_by(
            "Give it longer: `--timeout 1m` with `check`, `probe.timeouts.tls` in the settings of `run` (`timeouts: {tls: 10s}`).",
        );
    Failure { inconclusive: true, ..failure }
}

/// Whether an answer begins as plain HTTP does: what Go and containerd's fallback go by.
pub fn is_plain_http(head: &[u8]) -> bool {
    head.starts_with(b"HTTP/")
}

fn fail(cause: Cause, detail: String, go_message: &str) -> Failure {
    Failure::new(Stage::Tls, cause, detail).with_go_message(go_message)
}

/// What the first record tells before any parsing.
fn of_head(head: &[u8]) -> Option<Failure> {
    if is_plain_http(head) {
        return Some(fail(Cause::TlsPlainHttp, "the server answered TLS with plain HTTP".into(), PLAIN_HTTP));
    }
    let [kind, major, _, _, _, ..] = head else { return None };
    // 21 is an alert, 22 a handshake message. Go takes nothing else first.
    if !matches!(kind, 21 | 22) || *major >= 0x10 {
        let detail = "the server does not speak TLS on this port".to_owned();
        return Some(fail(Cause::TlsProtocol, detail, "tls: first record does not look like a TLS handshake"));
    }
    match head {
        [22, _, _, _, _, 2, _, _, _, major, minor, ..] if (*major, *minor) < (3, 3) => {
            let version = u16::from_be_bytes([*major, *minor]);
            let detail = format!("the server chose {}, which is too old", old_version(version));
            Some(fail(
                Cause::TlsProtocol,
                detail,
                &format!("tls: server selected unsupported protocol version {version:x}"),
            ))
        }
        _ => None,
    }
}

const fn old_version(version: u16) -> &'static str {
    match version {
        0x0302 => "TLS 1.1",
        0x0301 => "TLS 1.0",
        _ => "SSL 3.0 or older",
    }
}

fn of_rustls(error: &Error, broken: &Broken<'_>) -> Failure {
    match error {
        Error::AlertReceived(alert) => {
            of_alert(*alert, broken.client_certificate_asked, broken.client_certificate_sent)
        }
        Error::InvalidCertificate(CertificateError::Other(other)) => match other.0.downcast_ref::<Rejected>() {
            Some(rejected) => rejected.0.clone(),
            None => fail(Cause::Unclassified, error.to_string(), ""),
        },
        Error::InvalidCertificate(CertificateError::BadSignature) => fail(
            Cause::TlsProtocol,
            "the handshake is not signed by the certificate's key".into(),
            "tls: invalid signature by the server certificate",
        ),
        Error::PeerMisbehaved(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme) => fail(
            Cause::TlsProtocol,
            "the server signs the handshake with an algorithm that containerd does not offer".into(),
            "tls: certificate used with invalid signature algorithm",
        ),
        // Nothing else in a handshake is so long.
        Error::InvalidMessage(
            InvalidMessage::HandshakePayloadTooLarge | InvalidMessage::CertificatePayloadTooLarge,
        ) => {
            let detail = "the server sends more than 64 KiB of certificates, which is all that pullprobe reads";
            fail(Cause::TlsProtocol, detail.into(), "").marked(Mark::Oversized)
        }
        Error::PeerIncompatible(PeerIncompatible::ServerDoesNotSupportTls12Or13) => fail(
            Cause::TlsProtocol,
            "the server speaks neither TLS 1.2 nor 1.3".into(),
            "tls: server selected unsupported protocol version",
        ),
        Error::PeerIncompatible(_)
        | Error::PeerMisbehaved(_)
        | Error::InvalidMessage(_)
        | Error::DecryptError
        | Error::PeerSentOversizedRecord
        | Error::InappropriateMessage { .. }
        | Error::InappropriateHandshakeMessage { .. }
        | Error::NoCertificatesPresented => fail(Cause::TlsProtocol, error.to_string(), ""),
        other => fail(Cause::Unclassified, other.to_string(), ""),
    }
}

/// An alert of the server. `asked`: it had asked for a client certificate, or may have.
fn of_alert(alert: AlertDescription, asked: bool, sent: bool) -> Failure {
    let text = alert_text(alert);
    let about_client = match alert {
        AlertDescription::CertificateRequired
        | AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateRevoked
        | AlertDescription::CertificateExpired
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnknownCA
        | AlertDescription::AccessDenied => true,
        // What OpenSSL says in TLS 1.2 to a client without a certificate.
        AlertDescription::HandshakeFailure => asked && !sent,
        _ => false,
    };
    let go_message = format!("remote error: tls: {text}");
    if about_client {
        let what = if sent { "refused the client certificate" } else { "asks for a client certificate" };
        return fail(Cause::TlsClientCertificateRequired, format!("the server {what} (alert: {text})"), &go_message);
    }
    let hint = match alert {
        // Go also offers CBC suites in TLS 1.2, which rustls has none of.
        AlertDescription::HandshakeFailure => {
            ": perhaps no common cipher suite; CBC suites, which containerd has, cannot be tried here"
        }
        AlertDescription::UnrecognisedName => ": it has nothing under this name",
        _ => "",
    };
    fail(Cause::TlsProtocol, format!("the server broke off the handshake (alert: {text}){hint}"), &go_message)
}

/// Go's words for an alert.
fn alert_text(alert: AlertDescription) -> String {
    let text = match alert {
        AlertDescription::CloseNotify => "close notify",
        AlertDescription::UnexpectedMessage => "unexpected message",
        AlertDescription::BadRecordMac => "bad record MAC",
        AlertDescription::DecryptionFailed => "decryption failed",
        AlertDescription::RecordOverflow => "record overflow",
        AlertDescription::DecompressionFailure => "decompression failure",
        AlertDescription::HandshakeFailure => "handshake failure",
        AlertDescription::BadCertificate => "bad certificate",
        AlertDescription::UnsupportedCertificate => "unsupported certificate",
        AlertDescription::CertificateRevoked => "revoked certificate",
        AlertDescription::CertificateExpired => "expired certificate",
        AlertDescription::CertificateUnknown => "unknown certificate",
        AlertDescription::IllegalParameter => "illegal parameter",
        AlertDescription::UnknownCA => "unknown certificate authority",
        AlertDescription::AccessDenied => "access denied",
        AlertDescription::DecodeError => "error decoding message",
        AlertDescription::DecryptError => "error decrypting message",
        AlertDescription::ExportRestriction => "export restriction",
        AlertDescription::ProtocolVersion => "protocol version not supported",
        AlertDescription::InsufficientSecurity => "insufficient security level",
        AlertDescription::InternalError => "internal error",
        AlertDescription::InappropriateFallback => "inappropriate fallback",
        AlertDescription::UserCanceled => "user canceled",
        AlertDescription::NoRenegotiation => "no renegotiation",
        AlertDescription::MissingExtension => "missing extension",
        AlertDescription::UnsupportedExtension => "unsupported extension",
        AlertDescription::CertificateUnobtainable => "certificate unobtainable",
        AlertDescription::UnrecognisedName => "unrecognized name",
        AlertDescription::BadCertificateStatusResponse => "bad certificate status response",
        AlertDescription::BadCertificateHashValue => "bad certificate hash value",
        AlertDescription::UnknownPSKIdentity => "unknown PSK identity",
        AlertDescription::CertificateRequired => "certificate required",
        AlertDescription::NoApplicationProtocol => "no application protocol",
        other => return format!("alert({})", u8::from(other)),
    };
    text.to_owned()
}

/// The first error of this type in the chain, also inside an [`io::Error`].
fn find<'e, E: StdError + 'static>(error: &'e (dyn StdError + 'static)) -> Option<&'e E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<E>() {
            return Some(found);
        }
        next = match error.downcast_ref::<io::Error>() {
            // `source` would pass over the error that it wraps.
            Some(io) => io.get_ref().map(|inner| inner as &(dyn StdError + 'static)),
            None => error.source(),
        };
    }
    None
}
