//! URLs as containerd's errors show them, without secrets.

use http::Method;
use url::Url;

use super::{ObjectRequest, Session, endpoint_of};
use crate::model::host::Endpoint;
use crate::model::outcome::Failure;
use crate::model::stage::Stage;
use crate::registry::authority::authority;
use crate::registry::redirect::shown::{redacted, without_signatures};

impl Session<'_> {
    /// In the error of a request that got no answer: newer versions hide every query value.
    pub(super) fn redacted_url(&self, url: &Url) -> String {
        let shown = if self.network.version.redacts_queries() { redacted(url) } else { without_signatures(url) };
        self.as_written(shown, url)
    }

    /// In the error of an answer.
    pub fn redacted_url_of_answer(&self, url: &Url) -> String {
        self.as_written(without_signatures(url), url)
    }

    /// The URL of a request that is no valid URL. Go accepts some of these, and fails at the port.
    pub(super) fn unaskable(
        &self,
        endpoint: &Endpoint,
        ask: &ObjectRequest,
        text: &str,
        error: url::ParseError,
    ) -> Failure {
        let cause = self.host.misspelled();
        let failure = |detail| Failure::new(Stage::Config, cause, detail).at(endpoint.host_port());
        let Some(port) = endpoint.impossible_port() else {
            return failure(format!("the host `{endpoint}` gives no usable URL: {error}"));
        };
        let verb = if ask.method == Method::HEAD { "Head" } else { "Get" };
        let shown = match text.split_once("?ns=") {
            Some((place, _)) if self.network.version.redacts_queries() => format!("{place}?ns=%5BREDACTED%5D"),
            _ => text.to_owned(),
        };
        let go_message = format!("failed to do request: {verb} \"{shown}\": dial tcp: address {port}: invalid port");
        failure(format!("there is no port {port}: the highest is 65535")).with_go_message(go_message)
    }

    /// Go repeats the host as it is written, be it in capitals or with the port that its scheme implies.
    fn as_written(&self, shown: String, url: &Url) -> String {
        let parsed = endpoint_of(url);
        let written = Endpoint::new(parsed.scheme, self.host.endpoint.authority.clone());
        if !parsed.same_place(&written) {
            return shown;
        }
        shown.replacen(&format!("://{}", authority(url)), &format!("://{}", written.authority), 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cases::Cases;
    use crate::node::containerd::cases_tests::releases;

    #[test]
    fn what_a_query_holds_is_hidden_in_the_error_of_a_request() {
        for case in Cases::of_kind("error_sanitize") {
            let text = case.input["error"].as_str().unwrap();
            let url = text.split('"').nth(1).unwrap();
            let hidden = redacted(&Url::parse(url).unwrap());
            assert_eq!(text.replace(url, &hidden), case.expected["text"], "{}", case.id);
            for version in releases(&case.versions).into_iter().filter(|_| url.contains('?')) {
                assert!(version.redacts_queries(), "{} on {version}", case.id);
            }
        }
    }
}
