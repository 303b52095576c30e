//! Statuses that say more than their class: one sentence each, beside the usual words of the cause.

use crate::cause::Cause;
use crate::model::outcome::Failure;

/// One status, what it says, and what to do about it.
struct Sentence {
    code: u16,
    summary: &'static str,
    /// Empty: the fix of the cause.
    fix: &'static str,
}

const fn code(code: u16, summary: &'static str) -> Sentence {
    Sentence { code, summary, fix: "" }
}

/// Those of load balancers and CDNs are named by them: nobody else uses these numbers.
const SENTENCES: &[Sentence] = &[
    Sentence {
        code: 405,
        summary: "The server allows neither HEAD nor GET at this place (405), which a registry does.",
        fix: "Compare the host and the path in `/etc/containerd/certs.d/REGISTRY/hosts.toml` with the registry's documentation.",
    },
    Sentence {
        code: 406,
        summary: "The server says that it has nothing of the kinds that containerd accepts (406).",
        fix: "See whether the gateway before the registry looks at `Accept` or at the user agent, as ModSecurity does, and let \
              `containerd/VERSION` and the media types of OCI pass.",
    },
    code(407, "Something that is no proxy of this node asks for a proxy's password (407)."),
    code(
        409,
        "The registry says that the request conflicts with what is going on there (409), such as a migration or a push.",
    ),
    code(411, "The server wants a length of a request that has no body (411)."),
    code(415, "The server does not take the form in which it is asked (415)."),
    code(416, "The server says that the part that is asked for is not there (416)."),
    code(417, "The server cannot do what the request expects (417)."),
    code(
        418,
        "The server answers with a status that is a joke, as some firewalls do to clients that they dislike (418).",
    ),
    Sentence {
        code: 421,
        summary: "The request reached a server that does not serve this name (421), though the connection was made for it.",
        fix: "Look at the load balancer or reverse proxy before the registry: the name in TLS and the name in the request must \
              lead to the same virtual host.",
    },
    code(422, "The registry understands the request and cannot process it (422)."),
    Sentence {
        code: 423,
        summary: "The registry says that the repository or the account is locked (423).",
        fix: "Ask the registry's operator what locked it: a migration, a retention run, a legal hold or an administrator.",
    },
    code(424, "The registry needs another service for the answer, and that one failed (424)."),
    code(425, "The server refuses a request that was sent early, with the handshake of TLS (425)."),
    code(426, "The server wants another version of the protocol (426)."),
    Sentence {
        code: 428,
        summary: "The registry wants a condition that containerd does not send (428), such as terms that are to be accepted.",
        fix: "Sign in at the registry's web page with the account that pulls and accept what it asks for.",
    },
    Sentence {
        code: 464,
        summary: "A load balancer of AWS passes the request on in a version of HTTP that the registry behind it does not take (464).",
        fix: "Set the protocol version of the load balancer's target group to HTTP1, not to HTTP2 or gRPC.",
    },
    code(460, "A load balancer of AWS says that the client closed the connection (460)."),
    code(499, "A gateway says that it was left before it had an answer (499)."),
    code(502, "The gateway in front of the registry got no usable answer from it (502)."),
    code(503, "The registry, or the gateway in front of it, says that it cannot serve at present (503)."),
    code(504, "The gateway in front of the registry got no answer from it in time (504)."),
    code(507, "The registry has no room left in its own storage (507)."),
    Sentence {
        code: 511,
        summary: "The network between the node and the registry wants somebody to sign in first (511): a captive portal.",
        fix: "Open any page in a browser behind the same network and sign in there, or have its operator let the node's address pass; \
              then pull again: `crictl pull IMAGE`.",
    },
    code(520, "Cloudflare got an answer from the registry that it does not understand (520)."),
    code(521, "Cloudflare is refused by the registry's own server (521)."),
    code(522, "Cloudflare cannot connect to the registry's own server in time (522)."),
    code(523, "Cloudflare cannot reach the registry's own server (523)."),
    code(524, "Cloudflare got no answer from the registry's own server in time (524)."),
    code(525, "Cloudflare cannot make a TLS connection to the registry's own server (525)."),
    code(526, "The registry's own server has a certificate that Cloudflare does not accept (526)."),
    code(530, "Cloudflare cannot reach the registry's own server (530)."),
    code(561, "A load balancer of AWS got an error from the login service that it asks (561)."),
];

/// Says what a status says where its cause is one of many statuses, or one of its own among many words.
pub fn tell(status: u16, failure: Failure) -> Failure {
    let is_portal = (status, failure.cause) == (511, Cause::FilterBlocked);
    if !is_portal && !matches!(failure.cause, Cause::StatusUnexpected | Cause::RegistryError) {
        return failure;
    }
    if status == 400 && failure.cause == Cause::RegistryError {
        return failure.summarized(
            "The server answers 400 without a word: a registry does so when what it checks logins with is broken.",
        );
    }
    let Some(sentence) = SENTENCES.iter().find(|sentence| sentence.code == status) else { return failure };
    let failure = failure.summarized(sentence.summary);
    if sentence.fix.is_empty() { failure } else { failure.fixed_by(sentence.fix) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::stage::Stage;

    #[test]
    fn every_status_has_one_sentence_of_its_own() {
        for (at, one) in SENTENCES.iter().enumerate() {
            assert!(one.summary.ends_with('.') && one.summary.len() <= 160, "{}", one.summary);
            for other in &SENTENCES[at + 1..] {
                assert!(one.code != other.code && one.summary != other.summary, "{}", one.code);
            }
        }
    }

    #[test]
    fn a_sentence_is_told_of_the_causes_that_many_statuses_share() {
        let failure = |cause| Failure::new(Stage::Manifest, cause, "x");
        assert!(tell(464, failure(Cause::StatusUnexpected)).summary().contains("464"));
        assert!(tell(464, failure(Cause::StatusUnexpected)).fix().contains("HTTP1"));
        assert!(!tell(400, failure(Cause::RegistryError)).summary().contains("server error"));
        assert!(tell(511, failure(Cause::FilterBlocked)).summary().contains("captive portal"));
        assert_eq!(tell(403, failure(Cause::FilterBlocked)).particulars, None);
        assert_eq!(tell(464, failure(Cause::AccessDenied)).particulars, None);
        assert_eq!(tell(477, failure(Cause::StatusUnexpected)).particulars, None);
    }
}
