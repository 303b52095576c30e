//! The headers that a host's configuration adds to every request, and those that Go's client refuses to send.

use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::model::host::RegistryHost;
use crate::model::outcome::Failure;
use crate::model::stage::Stage;
use crate::node::containerd::gotext::quote;

/// Go's client writes these itself, whatever a map of headers says.
const WRITTEN_BY_THE_CLIENT: [HeaderName; 4] =
    [header::HOST, header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::TRAILER];

/// The host's own headers behind a User-Agent that says who asks.
pub fn of(host: &RegistryHost) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in &host.headers {
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
    let (detail, wording) = host.headers.iter().find_map(|(name, value)| {
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
    let failure = Failure::new(Stage::Config, host.misspelt(), format!("{detail}: nothing is sent to the host"));
    Some(failure.worded(wording).at(host.endpoint.host_port()))
}
