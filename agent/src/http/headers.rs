//! The headers that a host's configuration adds to every request, and those that Go's client refuses to send.

use go::text::quote;
use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::model::host::RegistryHost;
use crate::model::limit::LimitReached;
use crate::model::outcome::Failure;
use crate::model::stage::Stage;

/// Go's client writes these itself, whatever a map of headers says.
const WRITTEN_BY_THE_CLIENT: [HeaderName; 4] =
    [header::HOST, header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::TRAILER];

/// More headers of one host are not sent: no file has as many, and a map of headers ends in the thousands.
const LIMIT: usize = 256;

/// The host's own headers behind a User-Agent that says who asks.
pub fn of(host: &RegistryHost) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in host.headers.iter().take(LIMIT) {
        let name = HeaderName::try_from(name.as_str());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value.expose().as_bytes())) {
            headers.append(name, value);
        }
    }
    WRITTEN_BY_THE_CLIENT.iter().for_each(|name| drop(headers.remove(name)));
    // Each may be a key: what comes back is not to hold it.
    headers.values_mut().for_each(|value| value.set_sensitive(true));
    headers
        .entry(header::USER_AGENT)
        .or_insert(HeaderValue::from_static(concat!("pullprobe/", env!("CARGO_PKG_VERSION"))));
    headers
}

/// Why Go's client sends no request to this host at all, in its words: one of the names or values is none
/// that HTTP can carry, say because of a line end behind a token.
pub fn fault(host: &RegistryHost) -> Option<Failure> {
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
    use crate::model::host::{Capabilities, Endpoint, HostTls, Origin, Role, Scheme};
    use crate::model::rewrites::Rewrites;
    use crate::redact::secret::Secret;

    #[test]
    fn a_flood_of_headers_is_a_limit_and_no_panic() {
        let host = RegistryHost {
            endpoint: Endpoint::new(Scheme::Https, "registry.example".to_owned()),
            role: Role::Upstream,
            path: "/v2".to_owned(),
            capabilities: Capabilities::ALL,
            tls: HostTls::default(),
            headers: (0..40_000).map(|n| (format!("x-{n}"), Secret::new("v"))).collect(),
            dial_timeout: None,
            http_fallback: false,
            rewrites: Rewrites::default(),
            namespace_query: None,
            own_credential: None,
            unusable_credential: None,
            origin: Origin::ImplicitUpstream,
        };
        assert_eq!(of(&host).len(), LIMIT + 1, "with the user agent");
        assert!(fault(&host).is_some_and(|failure| failure.inconclusive));
    }
}
