//! Where an answer sends a request on, and what goes along.

pub mod location;
pub mod shown;

use go::redirect::Trail;
use http::{HeaderName, header};
use url::Url;

use crate::cause::Cause;
use crate::model::outcome::Failure;
use crate::model::stage::Stage;

/// The headers that Go's client does not repeat to another host, `Cookie2` and `Www-Authenticate` aside,
/// which no request has.
pub const OF_ONE_HOST: [HeaderName; 2] = [header::AUTHORIZATION, header::COOKIE];

/// Why the answer of the host is unknown: pullprobe did not send it credentials that containerd would send.
pub fn withheld(trail: &Trail, stage: Stage, to: &Url) -> Failure {
    let (first, to) = (trail.first().host_str().unwrap_or_default(), to.host_str().unwrap_or_default());
    let detail = format!(
        "this containerd sends the credentials for {first} on to {to}, which they are not meant for (CVE-2024-45336 of Go); \
         pullprobe does not, so it is unknown what {to} answers"
    );
    let failure = Failure::new(stage, Cause::RedirectInvalid, detail);
    let fix = "Update containerd to a build with Go 1.22.11, 1.23.5 or newer, which keeps the credentials to itself. To know \
               about this image now, pull it once on the node: `crictl pull IMAGE`.";
    Failure { inconclusive: true, ..failure.fixed_by(fix) }
}

/// Likewise of the login in a form: a redirect with 307 or 308 has Go post it again, to whomever it leads to.
pub fn form_withheld(trail: &Trail, to: &Url) -> Failure {
    let (first, to) = (trail.first().host_str().unwrap_or_default(), to.host_str().unwrap_or_default());
    let detail = format!(
        "the token service {first} sends whoever signs in on to {to}, and containerd posts the login there again; pullprobe keeps it to \
         itself, so what {to} answers is unknown"
    );
    let failure = Failure::new(Stage::Token, Cause::RedirectInvalid, detail);
    let fix = "Name the token service itself in the realm of the registry, so that nobody has to be sent on. To know about this image \
               now, pull it once on the node: `crictl pull IMAGE`.";
    Failure { inconclusive: true, ..failure.fixed_by(fix) }
}
