//! What a refusal means, with who asked and who answered taken into account.

use http::StatusCode;

use super::Pull;
use crate::cause::{Cause, Owner};
use crate::model::outcome::Failure;
use crate::redact::clip::clip;
use crate::refusal::evidence::{Party, storage};
use crate::refusal::{self, Errors, Reading};
use crate::registry::challenge;
use crate::registry::session::{RegistryResponse, Session};

/// By default servers accept no header that is larger than this.
const USUAL_HEADER: usize = 7_500;
/// Where storages authenticate.
const OF_LOGIN: [u16; 3] = [400, 401, 403];

pub(super) struct Refusal {
    pub reading: Reading,
    pub cause: Cause,
    pub others: Vec<Cause>,
}

impl Pull<'_> {
    /// What the answer says for itself comes first, then what its status means for who asked.
    pub(super) fn reading_of(&self, index: usize, answer: &RegistryResponse, errors: &Errors) -> Refusal {
        let session = &self.sessions[index];
        let reading = refusal::read(&answer.response, errors, answer.party(), &self.image.name());
        let code = answer.response.status.as_u16();
        let of = |cause, others: &[Cause]| Refusal { reading, cause, others: others.to_vec() };
        if reading.says_expired() && matches!(code, 401 | 403) {
            let (cause, others) = expired(session, answer, &reading);
            return of(cause, others);
        }
        if matches!(code, 401 | 403) && !answer.credential_sent && reading.is_about_a_login() {
            return of(Cause::NotFoundOrDenied, &[Cause::RepositoryUnknown, Cause::CredentialsMissing, reading.cause]);
        }
        if reading.is_by_words() {
            return of(reading.cause, reading.others);
        }
        if answer.party() == Party::Storage && OF_LOGIN.contains(&code) {
            return of(Cause::StorageRefused, &[]);
        }
        let is_plain_403 = code == 403 && reading.cause == Cause::AccessDenied;
        let (cause, others): (Cause, &[Cause]) = match code {
            401 => unauthorized(session, answer),
            400 if !refusal::is_about_the_request(errors) => bad_request(answer, reading.cause),
            403 if is_plain_403 && refusal::is_web_page(&answer.response) => {
                if answer.credential_sent {
                    (Cause::AccessDenied, &[Cause::LegallyBlocked, Cause::FilterBlocked])
                } else {
                    (Cause::FilterBlocked, &[Cause::LegallyBlocked, Cause::CredentialsMissing])
                }
            }
            403 if is_plain_403 && !answer.credential_sent => {
                (Cause::NotFoundOrDenied, &[Cause::RepositoryUnknown, Cause::CredentialsMissing])
            }
            // Who may not pull is often not told what exists either.
            403 if is_plain_403 => (Cause::AccessDenied, &[Cause::RepositoryUnknown]),
            _ => (reading.cause, reading.others),
        };
        of(cause, others)
    }
}

/// Owner, sentence and fix that the evidence knows better than the cause.
pub(super) fn with_evidence(
    reading: &Reading,
    answer: &RegistryResponse,
    session: &Session<'_>,
    failure: Failure,
) -> Failure {
    let failure = reading.tell(failure);
    match failure.cause {
        Cause::StorageRefused if !reading.is_by_words() && answer.signed => along(answer, session, failure),
        Cause::RegistryError if answer.party() == Party::Storage && answer.response.status.is_server_error() => {
            let summary = "The storage to which the registry sends the node on answers with a server error.";
            failure.summarized(summary)
        }
        Cause::RequestTooLarge => match &answer.token {
            Some(token) => {
                let length = token.value.expose().len();
                Failure { detail: format!("{}; the token has {length} bytes", failure.detail).into(), ..failure }
            }
            None => failure,
        },
        Cause::AccessDenied if !reading.is_by_words() && !answer.credential_sent => {
            failure.summarized("The server refuses the request, and no login was sent with it.")
        }
        Cause::LoginLocked if !answer.credential_sent => refusal::unsigned_lock(failure),
        _ => failure,
    }
}

/// The link alone would be good; containerd cannot help sending the login along.
fn along(answer: &RegistryResponse, session: &Session<'_>, failure: Failure) -> Failure {
    let what = if answer.token.is_some() { "token" } else { "login" };
    let registry = session.host.endpoint.host();
    let same = answer.final_url.host_str().is_some_and(|host| host.eq_ignore_ascii_case(registry));
    let where_to = if same { "stays on this host name" } else { "leads to a host below the registry's name" };
    failure
        .summarized(format!(
            "The redirect {where_to}, so containerd sends its {what} along, and the storage refuses that."
        ))
        .fixed_by(storage::TOKEN_ALONG_FIX)
}

/// Content that is not what it should be because it is a page for people: of a captive portal, a filter, a login.
pub(super) fn or_page(answer: &RegistryResponse, failure: Failure) -> Failure {
    let of_content = matches!(failure.cause, Cause::DigestMismatch | Cause::ResponseInvalid);
    if !of_content || !refusal::is_web_page(&answer.response) {
        return failure;
    }
    let page = page_of(answer);
    let detail = clip(format!("{}; it is a web page{page}", failure.detail)).into();
    if let Some(reading) = said_by_page(answer).filter(|reading| reading.cause != Cause::NotARegistry) {
        return reading.tell(Failure { cause: reading.cause, detail, ..failure });
    }
    Failure { cause: Cause::NotARegistry, detail, ..failure }
        .owned_by(Owner::Network)
        .summarized("A web page came, with status 200, where the image's content should be.")
        .fixed_by(
            "Look at the page in a browser from the same network, or with `curl -sSL`: a captive portal wants a sign-in, and a \
             filter an exemption for the host that the report names. Then pull again: `crictl pull IMAGE`.",
        )
}

/// Behind what answers web pages: their title and first words.
fn page_of(answer: &RegistryResponse) -> String {
    refusal::behind(": ", &answer.response, &Errors::default())
}

/// A page stands where a registry should answer: whose it is, where it says so.
pub(super) fn of_page(answer: &RegistryResponse, failure: Failure) -> Failure {
    let detail = clip(format!("{}{}", failure.detail, page_of(answer))).into();
    let failure = Failure { detail, ..failure };
    match said_by_page(answer) {
        Some(reading) => reading.tell(Failure { cause: reading.cause, ..failure }),
        None => failure,
    }
}

/// GET is turned away by a page, and HEAD was told that there is no such thing: by whom, the page may say.
pub(super) fn or_filter(answer: &RegistryResponse, failure: Failure) -> Failure {
    let detail = clip(format!("{}; GET of the same is answered {}", failure.detail, answer.response.line())).into();
    match said_by_page(answer) {
        Some(reading) if reading.cause == Cause::FilterBlocked => of_page(answer, Failure { detail, ..failure }),
        _ => failure.or_maybe(&[Cause::FilterBlocked]),
    }
}

/// What a page for people says of itself. `None`: nothing that is known.
fn said_by_page(answer: &RegistryResponse) -> Option<Reading> {
    let reading = refusal::read(&answer.response, &Errors::default(), answer.party(), "");
    Some(reading).filter(Reading::is_by_words)
}

/// ECR Public answers 400, without a challenge, to a token that it does not accept.
fn bad_request(answer: &RegistryResponse, by_status: Cause) -> (Cause, &'static [Cause]) {
    match &answer.token {
        Some(token) if token.value.expose().len() > USUAL_HEADER => (Cause::RequestTooLarge, &[Cause::TokenInvalid]),
        Some(token) if token.anonymous => (Cause::TokenInvalid, &[]),
        Some(_) => (Cause::CredentialsRejected, &[]),
        None => (by_status, &[]),
    }
}

/// The words say that something is past its time: what was sent.
fn expired(session: &Session<'_>, answer: &RegistryResponse, reading: &Reading) -> (Cause, &'static [Cause]) {
    match (&answer.token, answer.credential_sent) {
        (None, true) => (reading.cause, &[]),
        // Some services put the login itself into the token.
        (Some(_), true) => (reading.cause, &[Cause::TokenInvalid]),
        (Some(_), false) => (Cause::TokenInvalid, &[Cause::RepositoryUnknown, Cause::CredentialsMissing]),
        (None, false) if answer.response.status == StatusCode::UNAUTHORIZED => unauthorized(session, answer),
        (None, false) => (Cause::NotFoundOrDenied, &[Cause::RepositoryUnknown, Cause::CredentialsMissing]),
    }
}

/// A 401 that no challenge could turn.
fn unauthorized(session: &Session<'_>, answer: &RegistryResponse) -> (Cause, &'static [Cause]) {
    let challenged = !challenge::of(&answer.response).is_empty();
    match (&answer.token, answer.credential_sent) {
        (None, true) => (Cause::CredentialsRejected, &[]),
        (Some(_), true) => (Cause::NotFoundOrDenied, &[Cause::RepositoryUnknown, Cause::AccessDenied]),
        (Some(_), false) => (Cause::NotFoundOrDenied, &[Cause::RepositoryUnknown, Cause::CredentialsMissing]),
        (None, false) if challenged && session.login().is_none() => (Cause::CredentialsMissing, &[]),
        (None, false) => (Cause::ChallengeInvalid, &[]),
    }
}
