//! Why a presented chain is refused, as a cause: expired, wrong name, unknown or missing authority.

use go::x509::certificate::Certificate;
use go::x509::invalid::Invalid;
use go::x509::verify::Roots;

use crate::cause::{Cause, Owner};
use crate::model::outcome::Failure;
use crate::model::stage::Stage;
use crate::redact::clip::clip;

/// Since Go 1.20 in front of every verification error.
const PREFIX: &str = "tls: failed to verify certificate: ";

pub fn failure(invalid: &Invalid, chain: &[Certificate<'_>], roots: &Roots) -> Failure {
    let fail =
        |cause, detail: String| Failure::new(Stage::Tls, cause, detail).with_go_message(format!("{PREFIX}{invalid}"));
    match invalid {
        Invalid::Expired { not_after, subject, .. } => {
            let failure = fail(Cause::TlsExpired, format!("the certificate of {subject} expired at {not_after}"));
            if ends_in_the_past(subject, chain) { of_old_store(failure) } else { failure }
        }
        Invalid::NotYetValid { not_before, subject, now } => fail(
            Cause::TlsNotYetValid,
            format!("the certificate of {subject} is valid from {not_before}; the clock says {now}"),
        ),
        Invalid::Name(text) => fail(Cause::TlsNameMismatch, text.clone()),
        Invalid::UnknownAuthority(_) => unknown_authority(invalid, chain, roots),
        Invalid::NameConstraint(_)
        | Invalid::NotAuthority
        | Invalid::PathTooLong
        | Invalid::IssuerMismatch
        | Invalid::TooManyChecks => {
            fail(Cause::TlsUnknownAuthority, format!("the issuers may not sign this: {invalid}"))
        }
        Invalid::KeyUsage | Invalid::UnhandledCriticalExtension | Invalid::NoValidChains(_) => {
            fail(Cause::TlsCertificateUnusable, invalid.to_string())
        }
        Invalid::BeyondUs(detail) => {
            Failure { inconclusive: true, ..Failure::new(Stage::Tls, Cause::TlsUnknownAuthority, detail.clone()) }
        }
    }
}

/// Whether what has expired stands above an authority that signed for the server: an old root, or the name of a
/// newer one signed by it. The server's own certificate and its issuer's are in time, and so those who know the
/// newer root are served.
fn ends_in_the_past(subject: &str, chain: &[Certificate<'_>]) -> bool {
    let is_expired = |certificate: &Certificate<'_>| certificate.x509.subject().to_string() == subject;
    match chain.iter().position(is_expired) {
        Some(at) => at >= 2,
        None => chain.iter().skip(1).any(|one| one.basic_constraints().is_some_and(|(is_ca, _)| is_ca)),
    }
}

fn of_old_store(failure: Failure) -> Failure {
    failure
        .owned_by(Owner::Node)
        .summarized(
            "The node knows only an old root certificate of the registry's authority, which has expired; the registry's own \
             certificate is in time.",
        )
        .fixed_by(
            "Bring the node's root certificates up to date: `apt-get install --only-upgrade ca-certificates` and \
             `update-ca-certificates` (`update-ca-trust` on Fedora and its kin), or name the authority's present root as `ca` in \
             hosts.toml; then `systemctl restart containerd`. A server that still sends the expired certificate may leave it out.",
        )
}

pub fn unparsable(why: &str) -> Failure {
    let detail = format!("a presented certificate cannot be read: {why}");
    Failure::new(Stage::Tls, Cause::TlsProtocol, detail)
        .with_go_message(format!("tls: failed to parse certificate from server: x509: {why}"))
}

/// The newer Go refuses it; the older takes it.
pub fn negative_serial(certificate: &Certificate<'_>) -> Failure {
    let whose = certificate.x509.subject();
    let detail = format!("the certificate of {whose} has a negative serial number, which Go refuses to read");
    Failure { detail: clip(detail).into(), ..unreadable("negative serial number") }
        .summarized("A certificate has a negative serial number, which no standard allows and newer Go refuses.")
        .fixed_by(
            "Have whoever issues it, often a proxy that inspects TLS, issue certificates with positive serial numbers. Until then \
             set `GODEBUG=x509negativeserial=1` in containerd's environment \
             (`/etc/systemd/system/containerd.service.d/godebug.conf`); then `systemctl daemon-reload` and `systemctl restart \
             containerd`.",
        )
}

/// Well-formed, and still nothing that Go reads.
pub fn unreadable(why: &str) -> Failure {
    Failure { cause: Cause::TlsCertificateUnusable, ..unparsable(why) }
}

/// Follows the presented chain as far as it holds together and looks at where it ends:
///
/// * a leaf that signed itself: `tls_self_signed`;
/// * a self-signed authority that is not trusted, or an issuer that a trusted root only shares the
///   name with: `tls_unknown_authority`, nothing is missing;
/// * an issuer that was not presented. Whether that is a missing intermediate or an unknown root cannot
///   be seen for sure, so the other one stays possible. It is `tls_incomplete_chain` when something
///   speaks for an intermediate, see [`is_from_intermediate`], and else `tls_unknown_authority`.
fn unknown_authority(invalid: &Invalid, chain: &[Certificate<'_>], roots: &Roots) -> Failure {
    let fail =
        |cause, detail: String| Failure::new(Stage::Tls, cause, detail).with_go_message(format!("{PREFIX}{invalid}"));
    let Some(top) = follow(chain, roots) else {
        return fail(Cause::TlsUnknownAuthority, "no certificate was presented".into());
    };
    let (subject, issuer) = (top.x509.subject(), top.x509.issuer());
    if top.is_self_issued() && chain.first().is_some_and(|leaf| leaf.der == top.der) {
        return fail(Cause::TlsSelfSigned, format!("{subject} signed its own certificate, which is not trusted"));
    }
    if roots.is_empty() {
        return fail(Cause::TlsUnknownAuthority, "containerd finds no root certificates on this node".into());
    }
    if top.is_self_issued() {
        return fail(Cause::TlsUnknownAuthority, format!("the chain ends at {subject}, which is not trusted"));
    }
    if roots.know(top.issuer()) {
        let detail = format!("a trusted root is named {issuer}, but another key signed the certificate of {subject}");
        return fail(Cause::TlsUnknownAuthority, detail);
    }
    if is_from_intermediate(top) {
        let detail =
            format!("the certificate of {issuer}, which issued that of {subject}, was not sent and is not trusted");
        return fail(Cause::TlsIncompleteChain, detail).or_maybe(&[Cause::TlsUnknownAuthority]);
    }
    let detail = format!("{issuer}, which issued the certificate of {subject}, is not trusted");
    fail(Cause::TlsUnknownAuthority, detail).or_maybe(&[Cause::TlsIncompleteChain])
}

/// What speaks for an issuer between this certificate and a root: it says where the issuer's certificate
/// can be fetched, as CAs do that expect servers to send it; or the issuer is named so.
fn is_from_intermediate(certificate: &Certificate<'_>) -> bool {
    let issuer = certificate.x509.issuer().to_string().to_lowercase();
    certificate.points_to_issuer()
        || ["intermediate", "issuing", "subordinate"].iter().any(|word| issuer.contains(word))
}

/// The last certificate that is reached from the leaf by going from issuer to issuer.
fn follow<'a, 'c>(chain: &'a [Certificate<'c>], roots: &Roots) -> Option<&'a Certificate<'c>> {
    let mut top = chain.first()?;
    // Each step uses up one certificate, so that a circle ends.
    for _ in 1..chain.len() {
        if top.is_self_issued() {
            break;
        }
        let issuer = chain
            .iter()
            .find(|candidate| candidate.subject() == top.issuer() && roots.check_signed_by(top, candidate).is_ok());
        let Some(issuer) = issuer else { break };
        top = issuer;
    }
    Some(top)
}
