//! How a session authenticates: challenges become handlers, handlers become `Authorization` headers.

use http::{HeaderMap, HeaderValue};
use url::Url;

use super::{RegistryResponse, RequestError, Session};
use crate::cause::Cause;
use crate::http::headers;
use crate::model::credential::Credential;
use crate::model::outcome::{Failure, Mark};
use crate::model::stage::Stage;
use crate::redact::secret::Secret;
use crate::registry::authority::authority;
use crate::registry::challenge::{self, Challenge, Scheme as AuthScheme};
use crate::registry::token::{self, OnBehalf, Token, TokenOptions, TokenRequestForm};
use crate::route::network::Route;

/// What is known of how to authenticate to a host.
#[expect(clippy::large_enum_variant, reason = "there are as many as hosts")]
#[derive(Clone, Debug)]
pub(super) enum Handler {
    Basic(HeaderValue),
    Bearer { options: TokenOptions, token: Option<Result<Token, Failure>> },
}

impl Session<'_> {
    /// Learns from a 401 how to authenticate. `false`: nothing more to try, the 401 stands.
    pub(super) async fn authenticate(
        &self,
        route: &Route,
        sent: &RegistryResponse,
        refusals: u32,
    ) -> Result<bool, RequestError> {
        let no = |failure: Failure, credential_sent| {
            RequestError::new(failure.host_or(&route.endpoint.host_port()), credential_sent)
        };
        let host = authority(&sent.final_url);
        let challenges = challenge::of(&sent.response);
        let asks = challenges.iter().any(|challenge| challenge.scheme != AuthScheme::Digest);
        // containerd turns to its own credential only where kubelet sent none.
        if let Some(failure) = self.host.unusable_credential.as_ref().filter(|_| asks && self.credential.is_none()) {
            return Err(no(failure.clone(), false));
        }
        let mut auth = self.auth.lock().await;
        for challenge in challenges {
            match challenge.scheme {
                AuthScheme::Bearer => {
                    let error = challenge.parameter("error").filter(|error| !error.is_empty());
                    if let Some(error) = error {
                        if refusals > 1 {
                            let go_message = format!("server message: {error}: authorization failed");
                            let failure = match &sent.token {
                                Some(token) if error == "invalid_token" => self.not_trusted(token),
                                _ => self.refused_with(error, sent),
                            };
                            let failure = failure.marked(Mark::AuthorizationFailed).with_go_message(go_message);
                            return Err(no(failure, sent.credential_sent));
                        }
                        auth.remove(&host);
                    }
                    if auth.contains_key(&host) {
                        // The same token would be refused again.
                        return Ok(false);
                    }
                    let handler = self.bearer(&challenge).map_err(|failure| no(failure, sent.credential_sent))?;
                    auth.insert(host, handler);
                    return Ok(true);
                }
                AuthScheme::Basic => {
                    let login = self.login().filter(|(user, secret)| !user.is_empty() && !secret.is_empty());
                    if login.is_none() && !self.network.version.names_missing_basic() {
                        return Ok(false);
                    }
                    let Some((user, secret)) = login else {
                        let go_message = "authorization failed: no basic auth credentials";
                        let failure = self.no_password(sent).marked(Mark::AuthorizationFailed);
                        return Err(no(failure.with_go_message(go_message), false));
                    };
                    if matches!(auth.get(&host), Some(Handler::Basic(_))) {
                        // Refused already: containerd repeats it, which only risks a lock-out.
                        return Ok(false);
                    }
                    auth.insert(host, Handler::Basic(token::basic(user, secret)));
                    return Ok(true);
                }
                AuthScheme::Digest => {}
            }
        }
        Ok(false)
    }

    fn bearer(&self, challenge: &Challenge) -> Result<Handler, Failure> {
        let scope = scope(self.repository.as_deref().unwrap_or(&self.image.repository));
        let asking =
            TokenRequestForm { signed_in: self.login().is_some(), redacted: self.network.version.redacts_queries() };
        let options = token::options(challenge, Some(scope.as_str()), asking)?;
        Ok(Handler::Bearer { options, token: None })
    }

    /// Basic is asked for and there is nothing to answer. After a token that was given to anybody it is
    /// how Harbor refuses, be the repository private or missing.
    fn no_password(&self, sent: &RegistryResponse) -> Failure {
        if sent.token.is_none() {
            let detail = "the registry asks for Basic credentials, and there are none to send";
            return Failure::new(Stage::Token, Cause::CredentialsMissing, detail);
        }
        let detail = format!("the registry refuses the token for {} and asks for a password", self.image.repository);
        Failure::new(Stage::Manifest, Cause::NotFoundOrDenied, detail)
            .or_maybe(&[Cause::RepositoryUnknown, Cause::CredentialsMissing])
    }

    /// A token was given and the registry does not accept it for this.
    fn refused_with(&self, error: &str, sent: &RegistryResponse) -> Failure {
        let detail = format!(
            "the registry refuses the token for {}: {}",
            self.image.repository,
            crate::redact::clip::clip(error.to_owned())
        );
        let anonymous = sent.token.as_ref().is_none_or(|token| token.anonymous);
        let other = if anonymous { Cause::CredentialsMissing } else { Cause::AccessDenied };
        Failure::new(Stage::Manifest, Cause::NotFoundOrDenied, detail).or_maybe(&[Cause::RepositoryUnknown, other])
    }

    /// RFC 6750 keeps a token that is no good for anybody apart from one that is not good for this.
    fn not_trusted(&self, token: &Token) -> Failure {
        let registry = self.host.endpoint.host_port();
        let detail = format!("{registry} answers invalid_token to the token that {} has just issued", token.host);
        Failure::new(Stage::Manifest, Cause::TokenInvalid, detail)
            .summarized("The registry refuses a token that its own token service has just issued.")
            .fixed_by(
                "Have the registry's operator compare the registry with its token service: issuer, `service` (audience), the key or \
                 root certificate that signs (`auth.token` in `/etc/distribution/config.yml`), and the clocks of both \
                 (`chronyc tracking`). The registry's log names which of them differs.",
            )
    }

    /// containerd begins anew when it turns from resolving to fetching: a token that was refused is
    /// asked for once more.
    pub async fn forget_refusals(&self) {
        let refused = |handler: &Handler| matches!(handler, Handler::Bearer { token: Some(Err(_)), .. });
        self.auth.lock().await.retain(|_, handler| !refused(handler));
    }

    /// kubelet's credential, else containerd's own for this host.
    pub fn login(&self) -> Option<(&str, &Secret)> {
        match self.credential {
            Some(credential) => credential.login(),
            None => self.host.own_credential.as_ref().and_then(Credential::login),
        }
    }

    /// What goes along to where a redirect leads: what that host asked for before, else what Go `kept`.
    pub(super) async fn on_redirect(&self, url: &Url, kept: Option<&HeaderValue>) -> Option<HeaderValue> {
        if let Ok((Some(own), _)) = self.authorization(url).await {
            return Some(own);
        }
        kept.cloned()
    }

    /// The value for `Authorization`, getting a token when the handler wants one.
    pub(super) async fn authorization(&self, url: &Url) -> Result<(Option<HeaderValue>, Option<Token>), RequestError> {
        let mut auth = self.auth.lock().await;
        let Some(handler) = auth.get_mut(&authority(url)) else { return Ok((None, None)) };
        match handler {
            Handler::Basic(value) => Ok((Some(value.clone()), None)),
            Handler::Bearer { options, token } => {
                let renews = self.network.version.renews_tokens();
                if matches!(token, Some(Ok(token)) if renews && token.is_over()) {
                    *token = None;
                }
                let known = token.is_some();
                if !known {
                    *token = Some(self.fetch_token(options).await);
                }
                match token {
                    Some(Ok(token)) => {
                        let mut value = HeaderValue::from_bytes(format!("Bearer {}", token.value.expose()).as_bytes())
                            .unwrap_or(HeaderValue::from_static("Bearer"));
                        value.set_sensitive(true);
                        Ok((Some(value), Some(token.clone())))
                    }
                    Some(Err(failure)) => {
                        Err(RequestError { known, ..RequestError::new(failure.clone(), self.login().is_some()) })
                    }
                    None => Ok((None, None)),
                }
            }
        }
    }

    async fn fetch_token(&self, options: &TokenOptions) -> Result<Token, Failure> {
        let headers = if self.network.version.sends_headers_to_token_service() {
            headers::of(self.host)
        } else {
            HeaderMap::new()
        };
        let image = self.image.to_string();
        let from = OnBehalf {
            namespace: &self.image.domain,
            image: &image,
            host: self.host,
            headers: &headers,
            allowed: self.allowed,
        };
        let fetched = token::fetch(self.network, from, options, self.login()).await;
        match fetched {
            Err(failure) if failure.cause == Cause::CredentialsMissing => {
                Err(self.hidden_or_closed(failure, options, from).await)
            }
            Err(failure)
                if matches!(failure.cause, Cause::CredentialsRejected | Cause::CredentialsExpired)
                    && failure.is_marked(Mark::Forbidden) =>
            {
                Err(self.rejected_or_hidden(failure, options, from).await)
            }
            Err(failure) => Err(failure),
            Ok(token) => Ok(token),
        }
        .map_err(|failure| {
            let text = format!("failed to authorize: {}", failure.go_message);
            failure.with_go_message(text)
        })
    }

    /// A token was refused to somebody. If the service gives that credential a token for nothing, it is
    /// good, and the service hides whether this repository exists.
    async fn rejected_or_hidden(&self, failure: Failure, options: &TokenOptions, from: OnBehalf<'_>) -> Failure {
        match token::fetch(self.network, from, &options.unscoped(), self.login()).await {
            Ok(_) => Failure { cause: Cause::NotFoundOrDenied, ..failure }
                .or_maybe(&[Cause::RepositoryUnknown, Cause::AccessDenied]),
            Err(_) => failure,
        }
    }

    /// An anonymous token was refused. If the service gives anonymous tokens for nothing at all, a
    /// credential is what is missing; otherwise it hides whether this repository exists.
    async fn hidden_or_closed(&self, failure: Failure, options: &TokenOptions, from: OnBehalf<'_>) -> Failure {
        let unscoped = options.unscoped();
        match token::fetch(self.network, from, &unscoped, None).await {
            Ok(_) => Failure { cause: Cause::NotFoundOrDenied, ..failure }
                .or_maybe(&[Cause::RepositoryUnknown, Cause::CredentialsMissing]),
            Err(_) => failure,
        }
    }
}

/// What a token has to be good for.
fn scope(repository: &str) -> String {
    format!("repository:{repository}:pull")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cases::Cases;

    #[test]
    fn a_token_is_asked_for_to_pull_from_the_repository() {
        for case in Cases::of_kind("repository_scope") {
            let (_, repository) = case.input["locator"].as_str().unwrap().split_once('/').unwrap();
            assert_eq!(scope(repository), case.expected["scope"], "{}", case.id);
        }
    }
}
