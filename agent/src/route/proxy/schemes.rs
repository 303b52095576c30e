//! Whether a proxy that wants a sign-in takes any that containerd can give: Go's client knows Basic alone.

use crate::cause::Owner;
use crate::model::outcome::Failure;
use crate::redact::clip::clip;

/// `challenges`: the values of `Proxy-Authenticate`.
pub fn explained(failure: Failure, challenges: &[String]) -> Failure {
    let offered: Vec<&str> = challenges.iter().flat_map(|challenge| challenge.split(',')).filter_map(scheme).collect();
    if offered.is_empty() || offered.iter().any(|scheme| scheme.eq_ignore_ascii_case("basic")) {
        return failure;
    }
    let offered = clip(offered.join(", "));
    failure
        .owned_by(Owner::Network)
        .summarized(format!("The proxy only takes a sign-in by {offered}, and containerd can only sign in by Basic."))
        .fixed_by(format!(
            "Have the proxy offer Basic besides {offered} for the nodes, or let their addresses pass without a sign-in; or run a \
             proxy on the node that signs in for it (`cntlm`, `px`) and name that one in `HTTPS_PROXY`. Another user or \
             password does not help."
        ))
}

/// The name of a scheme; what is between commas may also be a parameter.
fn scheme(part: &str) -> Option<&str> {
    let word = part.split_whitespace().next()?;
    (!word.contains('=') && word.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))).then_some(word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cause::Cause;
    use crate::model::stage::Stage;

    #[test]
    fn a_proxy_without_basic_is_told_from_one_that_wants_a_password() {
        let judged = |challenges: &[&str]| {
            let challenges: Vec<String> = challenges.iter().map(|one| (*one).to_owned()).collect();
            let failure = explained(Failure::new(Stage::Proxy, Cause::ProxyAuthRequired, "407"), &challenges);
            (failure.owner(), failure.summary().contains("NTLM"))
        };
        let usual = (Cause::ProxyAuthRequired.owner(), false);
        assert_eq!(judged(&["NTLM"]), (Owner::Network, true));
        assert_eq!(judged(&["Negotiate", "NTLM"]), (Owner::Network, true));
        assert_eq!(judged(&["Negotiate, NTLM TlRMTVNTUAAC=="]), (Owner::Network, true));
        assert_eq!(judged(&["NTLM", "Basic realm=\"corp, inc\""]), usual);
        assert_eq!(judged(&["Negotiate, basic realm=x"]), usual);
        assert_eq!(judged(&[]), usual);
    }
}
