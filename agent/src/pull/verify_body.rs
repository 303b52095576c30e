//! Whether what arrived is what the descriptor says: its length, and its digest where it was read.

use http::{StatusCode, header};

use super::fetch::{FetchError, Want, stage_of};
use super::{Phase, Pull, Stop, digest_of};
use crate::cause::Cause;
use crate::http::BodyEnd;
use crate::http::body::{Body, no_room};
use crate::manifest::{self, Descriptor};
use crate::model::outcome::Failure;
use crate::registry::session::RegistryResponse;
use crate::route::usage::RequestKind;

/// What containerd undoes.
const KNOWN_ENCODINGS: [&str; 3] = ["zstd", "gzip", "deflate"];

impl Pull<'_> {
    /// `known`: what it says was bought before, and nothing was read this time.
    pub(super) fn judge_arrival(
        &self,
        want: &Want<'_>,
        answer: &RegistryResponse,
        known: bool,
    ) -> Result<(), FetchError> {
        if let Some((phase, failure)) = self.undecodable(want, answer) {
            return Err(FetchError::End(Stop::Fetch(phase, failure.at(super::party(answer)))));
        }
        let told = if want.touch { announced_length(answer) } else { Some(length(answer, want)) };
        let Some(got) = told.filter(|_| !known) else { return Ok(()) };
        let at = |phase, failure: Failure| {
            let failure = super::refused::or_page(answer, failure.at(super::party(answer)));
            Err(FetchError::End(Stop::Fetch(phase, failure)))
        };
        let expected = u64::try_from(want.descriptor.size).unwrap_or(got);
        let fault = |cause, detail: String| Failure::new(stage_of(want), cause, detail);
        let ended = if want.touch { BodyEnd::Whole } else { answer.response.body_end };
        let verb = if want.touch { "are there" } else { "arrived" };
        let detail = format!("{got} of {expected} bytes of {} {verb}", want.descriptor.digest);
        if ended == BodyEnd::NoRoom {
            return Err(FetchError::End(Stop::at_limit(stage_of(want), format!("{detail}: {}", no_room()))));
        }
        if ended == BodyEnd::Stalled {
            // containerd waits for as long as something comes, and for minutes where nothing does.
            let detail =
                format!("{detail}, and then nothing more came in pullprobe's time; containerd waits for longer");
            let failure = fault(Cause::RegistryTimeout, detail).with_go_message("context canceled");
            return at(Phase::Copy, Failure { inconclusive: true, ..failure });
        }
        // What is announced beyond the size is never missed: there a reader is at its end.
        let is_whole = ended != BodyEnd::Broken || want.descriptor.size > 0;
        if !is_whole || got < expected {
            let go_message = if self.version.words_short_read_anew() {
                format!("short read: expected {expected} bytes but got {got}: unexpected EOF")
            } else {
                "failed to read expected number of bytes: unexpected EOF".to_owned()
            };
            return at(Phase::Copy, fault(Cause::ResponseInvalid, detail).with_go_message(go_message));
        }
        if got > expected {
            let go_message = Self::wrong_size(want, got);
            return at(Phase::Commit, fault(Cause::DigestMismatch, detail).with_go_message(go_message));
        }
        let digest = &want.descriptor.digest;
        if want.touch {
            return Ok(());
        }
        if ended == BodyEnd::Cut {
            let limit = want.body_limit;
            let detail = format!("{digest} has {got} bytes, and pullprobe reads at most {limit} of such a document");
            return Err(FetchError::End(Stop::at_limit(stage_of(want), detail)));
        }
        match Self::wrong_digest(want, &answer.response.body) {
            Some(failure) => at(Phase::Commit, failure),
            None => self.not_a_page(want, answer),
        }
    }

    /// A page that was resolved is had as any content is. Only while its answer is at hand does it tell whose it is.
    fn not_a_page(&self, want: &Want<'_>, answer: &RegistryResponse) -> Result<(), FetchError> {
        if want.kind != RequestKind::Get || want.descriptor.media_type != "text/html" {
            return Ok(());
        }
        let (phase, failure) = self.no_image(want.descriptor);
        let failure = super::refused::of_page(answer, failure.at(super::party(answer)));
        Err(FetchError::End(Stop::Fetch(phase, failure)))
    }

    /// What needs no request: newer versions take content out of its descriptor, and of less than no bytes
    /// none is asked for.
    pub(super) fn embedded_data(&self, want: &Want<'_>) -> Result<Option<Body>, Stop> {
        let Descriptor { digest, size, data, .. } = want.descriptor;
        if *size < 0 {
            let detail = format!("a descriptor says that {digest} has {size} bytes");
            let failure = Failure::new(stage_of(want), Cause::ManifestInvalid, detail);
            return Err(Stop::Fetch(Phase::Commit, failure.with_go_message(Self::wrong_size(want, 0))));
        }
        let is_whole = u64::try_from(*size).is_ok_and(|size| size == data.0.len() as u64);
        if !is_whole || !self.version.takes_embedded_data() {
            return Ok(None);
        }
        match Self::wrong_digest(want, &data.0) {
            Some(failure) => Err(Stop::Fetch(Phase::Commit, failure)),
            None => Ok(Some(data.0.clone().into())),
        }
    }

    fn wrong_size(want: &Want<'_>, got: u64) -> String {
        let (reference, said) = (Self::ingest_of(want), want.descriptor.size);
        format!(
            "failed commit on ref \"{reference}\": \"{reference}\" failed size validation: {got} != {said}: failed precondition"
        )
    }

    fn wrong_digest(want: &Want<'_>, body: &[u8]) -> Option<Failure> {
        let digest = &want.descriptor.digest;
        let actual = digest.starts_with("sha256:").then(|| digest_of(body)).filter(|actual| actual != digest)?;
        let go_message = format!(
            "failed commit on ref \"{}\": unexpected commit digest {actual}, expected {digest}: failed precondition",
            Self::ingest_of(want)
        );
        let detail = format!("the content of {digest} hashes to {actual}");
        Some(Failure::new(stage_of(want), Cause::DigestMismatch, detail).with_go_message(go_message))
    }

    /// Of an encoded answer nothing is known but whether this containerd knows the encoding.
    fn undecodable(&self, want: &Want<'_>, answer: &RegistryResponse) -> Option<(Phase, Failure)> {
        let encodings = answer.response.headers.get_all(header::CONTENT_ENCODING).iter();
        let encodings = encodings.map(|value| String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase());
        let encodings = encodings.collect::<Vec<_>>().join(",");
        let mut others = encodings.split(',').map(str::trim).filter(|one| !matches!(*one, "" | "identity"));
        let fault = |detail: String| Failure::new(stage_of(want), Cause::ResponseInvalid, detail);
        let detail = format!("{} comes in the Content-Encoding `{encodings}`", want.descriptor.digest);
        let phase = if self.version.decodes_content() { Phase::Open } else { Phase::Copy };
        if encodings == "gzip" && !want.touch && is_no_gzip(&answer.response.body) {
            let failure = fault(format!("{detail}, but is not encoded that way")).with_go_message(match phase {
                Phase::Copy => "failed to copy: gzip: invalid header",
                _ => "gzip: invalid header",
            });
            return Some((phase, failure));
        }
        if !self.version.decodes_content() {
            // A part is never encoded on the way, and only gzip alone is undone.
            let is_undone = !want.touch && encodings == "gzip";
            return is_undone.then(|| (phase, Failure { inconclusive: true, ..fault(detail) }));
        }
        let outermost = others.next_back()?;
        let unknown = std::iter::once(outermost).chain(others.rev()).find(|one| !KNOWN_ENCODINGS.contains(one));
        let failure = match unknown {
            Some(unknown) => fault(format!("{detail}, which containerd does not know"))
                .with_go_message(format!("unsupported Content-Encoding algorithm: {unknown}")),
            None => Failure { inconclusive: true, ..fault(detail) },
        };
        Some((phase, failure))
    }

    /// The reference of the ingest, as commit errors name it.
    fn ingest_of(want: &Want<'_>) -> String {
        let prefix = match (want.kind, want.descriptor.kind()) {
            (RequestKind::Blob, _) if manifest::is_image_config(&want.descriptor.media_type) => "config-",
            (RequestKind::Blob, _) => "layer-",
            (_, kind) => kind.ingest_prefix(),
        };
        format!("{prefix}{}", want.descriptor.digest)
    }
}

/// Too short a body ends before its first bytes can be wrong.
fn is_no_gzip(body: &[u8]) -> bool {
    const HEADER_LENGTH: usize = 10;
    body.len() >= HEADER_LENGTH && !body.starts_with(&[0x1f, 0x8b, 8])
}

/// How long the body is, also where it was too long to be kept.
fn length(answer: &RegistryResponse, want: &Want<'_>) -> u64 {
    let kept = answer.response.body.len() as u64;
    match answer.response.body_end {
        BodyEnd::Cut => {
            let expected = u64::try_from(want.descriptor.size).unwrap_or(0);
            announced(answer).unwrap_or_else(|| expected.max(kept + 1))
        }
        BodyEnd::Whole | BodyEnd::Broken | BodyEnd::Stalled | BodyEnd::NoRoom => kept,
    }
}

/// How long the whole is of which one byte was asked for. `None`: the answer does not tell.
fn announced_length(answer: &RegistryResponse) -> Option<u64> {
    match answer.response.status {
        StatusCode::PARTIAL_CONTENT => {
            let (_, whole) = answer.response.header("content-range")?.rsplit_once('/')?;
            whole.trim().parse().ok()
        }
        StatusCode::OK if !answer.response.headers.contains_key("content-encoding") => announced(answer),
        _ => None,
    }
}

fn announced(answer: &RegistryResponse) -> Option<u64> {
    answer.response.header("content-length")?.trim().parse().ok()
}
