//! The headers that a host's configuration adds to every request.

use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::model::host::RegistryHost;

/// Go's client writes these itself, whatever a map of headers says.
const WRITTEN_BY_THE_CLIENT: [HeaderName; 4] =
    [header::HOST, header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::TRAILER];

/// Whether the host's configuration adds this header.
pub fn has(host: &RegistryHost, name: &HeaderName) -> bool {
    host.headers.iter().any(|(own, _)| own.eq_ignore_ascii_case(name.as_str()))
}

/// The host's own headers behind a User-Agent that says who asks. The plan knows whether all of them can be sent.
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
