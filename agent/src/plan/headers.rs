//! Whether HTTP can carry the headers of a host's configuration. Go's client sends no request where it cannot.

use go::text::quote;
use http::{HeaderName, HeaderValue};

use crate::model::host::RegistryHost;
use crate::model::limit::LimitReached;
use crate::model::outcome::Failure;
use crate::model::stage::Stage;

/// More headers of one host are not sent: no file has as many, and a map of headers ends in the thousands.
const LIMIT: usize = 256;

/// Puts down why nothing is sent to the host.
pub(super) fn check(host: &mut RegistryHost) {
    host.unsendable = fault(host);
    host.headers.truncate(LIMIT);
}

/// In Go's words: one of the names or values is none that HTTP can carry, say because of a line end behind a token.
fn fault(host: &RegistryHost) -> Option<Failure> {
    if host.headers.len() > LIMIT {
        let words = format!("pullprobe sends at most {LIMIT} headers of a host's configuration, and these are more");
        return Some(Failure::from(LimitReached::new(Stage::Config, words)).at(host.endpoint.host_port()));
    }
    let (detail, go_message) = host.headers.iter().find_map(|(name, value)| {
        if HeaderName::try_from(name.as_str()).is_err() {
            let detail = format!("{} is no name of a header", quote(name));
            return Some((detail, format!("net/http: invalid header field name {}", quote(name))));
        }
        HeaderValue::from_bytes(value.expose().as_bytes()).is_err().then(|| {
            let detail =
                format!("the value of the header {} holds a line end or another control character", quote(name));
            (detail, format!("net/http: invalid header field value for {}", quote(name)))
        })
    })?;
    let failure = Failure::new(Stage::Config, host.misspelled(), format!("{detail}: nothing is sent to the host"));
    Some(failure.with_go_message(go_message).at(host.endpoint.host_port()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cause::Cause;
    use crate::model::host::{Endpoint, Scheme};
    use crate::model::sample;
    use crate::redact::secret::Secret;

    fn checked(headers: Vec<(String, Secret)>) -> RegistryHost {
        let mut host = RegistryHost { headers, ..sample::host(Endpoint::new(Scheme::Https, "registry.example")) };
        check(&mut host);
        host
    }

    #[test]
    fn a_header_that_http_cannot_carry_is_known_when_the_plan_is_made() {
        let words = |name: &str, value: &str| {
            let host = checked(vec![("X-Fine".to_owned(), Secret::new("a")), (name.to_owned(), Secret::new(value))]);
            host.unsendable.map(|failure| (failure.cause, failure.go_message.to_string()))
        };
        let of = |words: &str| Some((Cause::ReferenceInvalid, format!("net/http: invalid header field {words}")));
        assert_eq!(words("Authorization", "Bearer t"), None);
        assert_eq!(words("Authorization", "Bearer t\n"), of("value for \"Authorization\""));
        assert_eq!(words("X Y", "v"), of("name \"X Y\""));
    }

    #[test]
    fn a_flood_of_headers_is_a_limit_and_no_panic() {
        let host = checked((0..40_000).map(|n| (format!("x-{n}"), Secret::new("v"))).collect());
        assert!(host.unsendable.as_ref().is_some_and(|failure| failure.inconclusive));
        assert_eq!(host.headers.len(), LIMIT);
    }
}
