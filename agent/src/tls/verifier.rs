//! rustls's question about the server's certificate, answered by Go's rules and remembered.

use std::cell::RefCell;
use std::sync::Arc;

use go::x509::certificate::Certificate;
use go::x509::fields;
use go::x509::invalid::Invalid;
use go::x509::signature;
use go::x509::verify::{Roots, verify};
use jiff::Timestamp;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, Error, OtherError, PeerMisbehaved, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::facts::facts;
use super::good_chains::{Asked, GoodChains};
use super::reject;
use crate::cause::Cause;
use crate::model::facts::CertificateFacts;
use crate::model::outcome::Failure;
use crate::model::stage::Stage;
use crate::redact::clip::clip;
use crate::version::Version;

/// More certificates than this are no chain; they are judged but not reported.
const CHAIN_LIMIT: usize = 10;

/// What the other side showed during one handshake.
#[derive(Debug, Default)]
pub struct Presented {
    pub chain: Arc<[CertificateFacts]>,
    /// `None`: the chain verifies, or none was presented.
    pub refused: Option<Failure>,
    pub client_certificate_asked: bool,
    pub client_certificate_sent: bool,
}

tokio::task_local! {
    /// Where a handshake collects what is shown.
    pub static PRESENTED: RefCell<Presented>;
}

#[derive(Clone, Debug)]
pub struct Verifier {
    pub roots: Arc<Roots>,
    /// What verified before with these roots. `None` where they are of one host alone.
    pub good_chains: Option<Arc<GoodChains>>,
    /// Why containerd may trust more than these: without an authority nothing is certain then.
    pub unread: Option<Arc<str>>,
    pub version: Version,
    /// `skip_verify`: the verdict is remembered and the handshake goes on.
    pub skip: bool,
}

/// Carries the failure through rustls and whoever wraps its errors.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.go_message)]
pub struct Rejected(pub Failure);

impl Verifier {
    /// What is wrong with the chain, be it skipped or not, and if nothing is, until when. Where nothing tells whose build this
    /// containerd is, and the builds do not agree, the answer is unknown.
    pub fn judge(
        &self,
        chain: Vec<Result<Certificate<'_>, String>>,
        host: &str,
        now: Timestamp,
    ) -> Result<Timestamp, Judged> {
        let parsed = chain
            .into_iter()
            .collect::<Result<Vec<_>, _>>()
            .map_err(|why| Judged { failure: reject::unparsable(&why), fatal: true })?;
        let told = self.judge_as(self.version, &parsed, host, now);
        let Some(other) = self.version.other_build() else { return told };
        let is_fatal = |told: &Result<Timestamp, Judged>| told.as_ref().is_err_and(|judged| judged.fatal);
        let (Judged { failure, .. }, what) = match (told, self.judge_as(other, &parsed, host, now)) {
            (Ok(until), Ok(others)) => return Ok(until.min(others)),
            (told, others) if is_fatal(&told) == is_fatal(&others) => return told,
            (Err(judged), _) => (judged, "it is refused"),
            (Ok(_), Err(judged)) => (judged, "it is taken"),
        };
        let detail = self.version.differing_builds(&format!("{}; {what}", failure.detail));
        Err(Judged { failure: Failure { detail: clip(detail).into(), inconclusive: true, ..failure }, fatal: true })
    }

    fn judge_as(
        &self,
        version: Version,
        parsed: &[Certificate<'_>],
        host: &str,
        now: Timestamp,
    ) -> Result<Timestamp, Judged> {
        let negative = parsed.iter().find(|certificate| certificate.has_negative_serial());
        if let Some(certificate) = negative.filter(|_| version.go().refuses_negative_serials()) {
            return Err(Judged { failure: reject::negative_serial(certificate), fatal: true });
        }
        if let Some(why) = parsed.iter().find_map(|certificate| certificate.check_readable(version.go()).err()) {
            return Err(Judged { failure: reject::unreadable(&why), fatal: true });
        }
        verify(&self.roots, parsed, host, now, version.go()).map_err(|invalid| {
            let failure = reject::failure(&invalid, parsed, &self.roots);
            let failure = match &self.unread {
                // One root more makes no other name of a certificate.
                Some(unread) if !matches!(invalid, Invalid::Name(_)) => {
                    let detail = clip(format!("{unread}; {}", failure.detail)).into();
                    Failure { detail, inconclusive: true, ..failure }
                }
                _ => failure,
            };
            Judged { failure, fatal: !self.skip }
        })
    }

    fn check_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
        tls13: bool,
    ) -> Result<HandshakeSignatureValid, Error> {
        let leaf = fields::public_key(cert).ok_or(CertificateError::BadEncoding)?;
        if !signature::offered_by(self.version.go()).contains(&dss.scheme) {
            return Err(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme.into());
        }
        if signature::check_handshake(&leaf, dss.scheme, message, dss.signature(), tls13) {
            Ok(HandshakeSignatureValid::assertion())
        } else if let Some(detail) = signature::is_beyond_us(&leaf) {
            let failure = Failure::new(Stage::Tls, Cause::TlsProtocol, detail);
            Err(CertificateError::Other(OtherError(Arc::new(Rejected(Failure { inconclusive: true, ..failure }))))
                .into())
        } else {
            Err(CertificateError::BadSignature.into())
        }
    }
}

/// A chain that was found wanting.
pub struct Judged {
    pub failure: Failure,
    /// Whether the handshake ends here: an unreadable certificate ends it even where nothing is verified.
    pub fatal: bool,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let ders = || std::iter::once(end_entity).chain(intermediates);
        let now = Timestamp::from_second(i64::try_from(now.as_secs()).unwrap_or(i64::MAX)).unwrap_or(Timestamp::MAX);
        let host = server_name.to_str();
        // Where a verdict may be passed over, two builds need not agree on it.
        let good_chains = self.good_chains.as_ref().filter(|_| !self.skip);
        let known = good_chains.zip(Asked::new(self.version, &host, ders()));
        // Where nobody collects it, nobody asks for it.
        let show = |chain: &Arc<[CertificateFacts]>, refused: Option<&Failure>| {
            let _ = PRESENTED.try_with(|presented| {
                let mut presented = presented.borrow_mut();
                (presented.chain, presented.refused) = (Arc::clone(chain), refused.cloned());
            });
        };
        if let Some(chain) = known.and_then(|(good_chains, asked)| good_chains.find(&asked, now)) {
            show(&chain, None);
            return Ok(ServerCertVerified::assertion());
        }
        let read: Vec<_> = ders().map(|der| Certificate::parse(der)).collect();
        let shown: Arc<[_]> = ders().zip(&read).take(CHAIN_LIMIT).map(|(der, read)| facts(der, read)).collect();
        let judged = self.judge(read, &host, now);
        show(&shown, judged.as_ref().err().map(|judged| &judged.failure));
        match judged {
            Ok(until) => {
                if let Some((good_chains, asked)) = known {
                    good_chains.keep(asked, &shown, now, until);
                }
            }
            Err(Judged { failure, fatal: true }) => {
                return Err(CertificateError::Other(OtherError(Arc::new(Rejected(failure)))).into());
            }
            Err(_) => {}
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.check_signature(message, cert, dss, false)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.check_signature(message, cert, dss, true)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        signature::offered_by(self.version.go())
    }
}
