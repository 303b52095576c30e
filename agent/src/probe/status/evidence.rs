//! The one table from the words of a refusal to its cause. The first rule that fits decides.
//!
//! Where the words are from stands beside each group: what registries, storages and filters were seen to say.

use crate::model::cause::{Cause, Owner};
use crate::model::outcome::Failure;

pub mod storage;

/// Who refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Party {
    Registry,
    TokenService,
    /// Where a redirect of the registry leads, and what is there is no registry.
    Storage,
}

/// One row.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// Who says so; empty: whoever.
    by: &'static [Party],
    /// With which status; empty: any.
    codes: &'static [u16],
    /// One of these, in lower case. ` + ` joins what has to be there together. A word begins where one begins,
    /// and ends where one ends, unless it ends in `*`.
    says: &'static [&'static str],
    /// Only in a web page.
    page: bool,
    pub cause: Cause,
    owner: Option<Owner>,
    /// Empty: that of the cause.
    summary: &'static str,
    fix: &'static str,
}

/// What a rule is held against.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    pub code: u16,
    pub by: Party,
    /// In lower case.
    pub words: &'a str,
    pub is_page: bool,
}

impl Rule {
    const fn of(cause: Cause) -> Self {
        Self { by: &[], codes: REFUSALS, says: &[], page: false, cause, owner: None, summary: "", fix: "" }
    }

    fn fits(&self, seen: &Seen<'_>) -> bool {
        (self.by.is_empty() || self.by.contains(&seen.by))
            && (self.codes.is_empty() || self.codes.contains(&seen.code))
            && (!self.page || seen.is_page)
            && self.says.iter().any(|phrase| phrase.split(" + ").all(|part| says(seen.words, part)))
    }

    /// Whether it speaks of what a login lacks: nobody who sent none is told so.
    pub fn is_about_a_login(&self) -> bool {
        self.cause == Cause::AccessDenied && self.owner != Some(Owner::Network)
    }

    pub fn tell(&self, failure: Failure) -> Failure {
        let failure = self.owner.into_iter().fold(failure, Failure::owned_by);
        let failure = if self.summary.is_empty() { failure } else { failure.summarized(self.summary) };
        if self.fix.is_empty() { failure } else { failure.fixed_by(self.fix) }
    }
}

/// Statuses that refuse without saying that something is missing or too often asked for.
const REFUSALS: &[u16] = &[400, 401, 402, 403, 405, 406, 409, 412, 418, 421, 423, 428, 451];
/// The same, and those of limits.
const REFUSALS_AND_LIMITS: &[u16] = &[400, 401, 402, 403, 405, 406, 409, 412, 418, 421, 423, 428, 429, 451, 503];

pub fn find(seen: &Seen<'_>) -> Option<&'static Rule> {
    let own = if seen.by == Party::Storage { storage::RULES } else { &[] };
    own.iter().chain(RULES).find(|rule| rule.fits(seen))
}

/// Whether the words hold the part as whole words.
fn says(words: &str, part: &str) -> bool {
    let (part, open) = part.strip_suffix('*').map_or((part, false), |part| (part, true));
    let is_of_word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    let begins_word = is_of_word(part.chars().next());
    let ends_word = is_of_word(part.chars().next_back());
    words.match_indices(part).any(|(at, _)| {
        let before = words[..at].chars().next_back();
        let after = words[at + part.len()..].chars().next();
        !(begins_word && is_of_word(before)) && (open || !(ends_word && is_of_word(after)))
    })
}

/// A repository may be called `sso` or `billing`, and refusals repeat what was asked for.
pub fn without_names(words: &str, about: &str) -> String {
    let names = about.split('/').map(str::to_lowercase).filter(|name| !name.is_empty());
    names.fold(words.to_owned(), |words, name| {
        let is_name = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || "-_.".contains(c));
        let mut kept = String::new();
        let mut from = 0;
        for (at, _) in words.match_indices(&name) {
            let (before, after) = (words[..at].chars().next_back(), words[at + name.len()..].chars().next());
            // At the end of a sentence a name has a full stop behind it.
            let ends = !is_name(after.filter(|c| *c != '.'));
            if at >= from && !is_name(before) && ends {
                kept.push_str(&words[from..at]);
                from = at + name.len();
            }
        }
        kept.push_str(&words[from..]);
        kept
    })
}

const RULES: &[Rule] = &[
    // Go's and nginx's words for plain HTTP on a port of TLS.
    Rule {
        codes: &[400, 497],
        says: &["http request to an https server", "plain http request was sent to https port"],
        ..Rule::of(Cause::HttpToTlsPort)
    },
    // nginx, HAProxy, IIS (403.7), Envoy.
    Rule {
        codes: &[400, 401, 403, 495, 496],
        says: &[
            "no required ssl certificate",
            "ssl certificate error",
            "certificate required",
            "client certificate + required",
            "client certificate + not provided",
            "client certificate + missing",
            "403.7",
        ],
        ..Rule::of(Cause::TlsClientCertificateRequired)
    },
    // nginx, Apache, IIS (http.sys), Tomcat, Node, Envoy.
    Rule {
        codes: &[400, 413, 414, 431, 494, 502],
        says: &[
            "header or cookie too large",
            "header field* + exceeds server limit",
            "header fields too large",
            "header* + too large",
            "header* + too long",
            "request too long",
            "request-uri too long",
            "uri too long",
            "header list too large",
        ],
        ..Rule::of(Cause::RequestTooLarge)
    },
    // Docker Hub's token service (hub-feedback 814, 2204); Keycloak, Artifactory, Harbor with LDAP.
    Rule {
        codes: &[400, 401, 403, 423, 429],
        says: &[
            "failed login*",
            "failed logon*",
            "failed authentication*",
            "failed attempt*",
            "login attempts",
            "unsuccessful login*",
            "authentication attempts",
            "too many authentication failures",
            "account + locked",
            "user + locked",
            "temporarily locked",
            "locked out",
            "lockout",
        ],
        ..Rule::of(Cause::LoginLocked)
    },
    // Docker Hub's page for sanctioned countries; GitHub, GitLab and CloudFront close to countries in such words.
    Rule {
        codes: REFUSALS,
        says: &[
            "export control*",
            "export restriction*",
            "export law*",
            "trade control*",
            "trade restriction*",
            "sanction*",
            "embargo*",
            "ofac",
            "your country",
            "this country",
            "your region",
            "this region + not available",
            "geographic* + restrict*",
            "geo-block*",
            "geoblock*",
            "legal reasons",
            "legal demand*",
            "court order",
        ],
        ..Rule::of(Cause::LegallyBlocked)
    },
    // Web filters of a network: Zscaler, FortiGuard, Palo Alto, Umbrella, Blue Coat, Forcepoint, Netskope.
    Rule {
        codes: &[],
        says: &[
            "zscaler",
            "fortiguard",
            "fortigate",
            "fortinet",
            "blue coat",
            "bluecoat",
            "websense",
            "forcepoint",
            "netskope",
            "umbrella",
            "palo alto networks",
            "web page blocked",
            "url filtering",
            "web filter*",
            "internet access policy",
            "internet usage policy",
            "blocked by your organi*",
            "blocked by + administrator",
        ],
        page: true,
        summary: "A web filter between the node and the registry refuses the request with a page of its own.",
        fix: "Have who runs the network's web filter exempt the registry's hosts (`pullprobe hosts --plain` lists them), or go \
              around it with `NO_PROXY` in `/etc/systemd/system/containerd.service.d/http-proxy.conf`.",
        ..Rule::of(Cause::FilterBlocked)
    },
    // The same in plain words or JSON, where nothing else can be meant.
    Rule {
        codes: REFUSALS,
        says: &["web application firewall", "blocked by waf", "captcha", "mod_security", "modsecurity"],
        owner: Some(Owner::Registry),
        summary: "A filter in front of the server takes the node for a robot or an attacker and refuses the request.",
        fix: "Have who runs the server let `containerd/VERSION` pass its firewall; until then pull from another host \
              (`/etc/containerd/certs.d/REGISTRY/hosts.toml`).",
        ..Rule::of(Cause::FilterBlocked)
    },
    Rule {
        codes: REFUSALS,
        says: &[
            "zscaler",
            "fortiguard",
            "fortigate",
            "netskope",
            "forcepoint",
            "corporate firewall",
            "blocked by + firewall",
        ],
        summary: "A web filter between the node and the registry refuses the request.",
        fix: "Have who runs the network's web filter exempt the registry's hosts (`pullprobe hosts --plain` lists them), or go \
              around it with `NO_PROXY` in `/etc/systemd/system/containerd.service.d/http-proxy.conf`.",
        ..Rule::of(Cause::FilterBlocked)
    },
    // Cloudflare, AWS WAF, Akamai, Imperva, F5, Sucuri, ModSecurity, CloudFront.
    Rule {
        codes: &[],
        says: &[
            "cf-mitigated: challenge",
            "x-amzn-waf-action: *",
            "x-sucuri-block: *",
            "just a moment",
            "security check*",
            "captcha",
            "checking your browser",
            "attention required",
            "not a robot",
            "are a robot",
            "are human",
            "bot detection",
            "web application firewall",
            "incapsula",
            "requested url was rejected",
            "errors.edgesuite.net",
            "mod_security",
            "modsecurity",
            "blocked + security",
            "unusual traffic",
        ],
        page: true,
        owner: Some(Owner::Registry),
        summary: "A filter in front of the server takes the node for a robot or an attacker and refuses the request.",
        fix: "Have who runs the server let `containerd/VERSION` pass its check against robots and its firewall; a node can solve no \
              captcha. Ask from another egress address to see whether the check is about this one. Until then pull from another \
              host (`/etc/containerd/certs.d/REGISTRY/hosts.toml`).",
        ..Rule::of(Cause::FilterBlocked)
    },
    // A portal that wants a person: oauth2-proxy, Cloudflare Access, Azure AD, Okta.
    Rule {
        by: &[Party::Registry, Party::Storage],
        codes: &[200, 401, 403],
        says: &["sign in", "log in", "sign-in", "log-in", "login page", "single sign-on"],
        page: true,
        summary: "A page that wants a person to sign in stands where the registry should be.",
        fix: "Let the requests below `/v2/` pass the sign-in of the gateway (oauth2-proxy: `--skip-auth-route=^/v2/`), for \
              containerd signs in at the registry itself; or name the registry's own host in \
              `/etc/containerd/certs.d/REGISTRY/hosts.toml`.",
        ..Rule::of(Cause::NotARegistry)
    },
    // Google's VPC Service Controls.
    Rule {
        says: &[
            "vpcservicecontrols*",
            "vpc service controls",
            "service perimeter",
            "prohibited by organization's policy",
        ],
        owner: Some(Owner::Network),
        summary: "A perimeter around the registry's project does not let this node's network in.",
        fix: "Have an administrator of the organisation add an ingress rule for this network to the perimeter (`gcloud \
              access-context-manager perimeters list`); the identifier in the words finds the entry in the audit log. Or go to the \
              registry by the restricted address (`restricted.googleapis.com`).",
        ..Rule::of(Cause::PolicyBlocked)
    },
    // Harbor, Artifactory with Xray and Curation, Nexus Firewall, Quay, ACR's quarantine.
    Rule {
        says: &[
            "blocking policy",
            "policy violation*",
            "projectpolicyviolation",
            "violates + policy",
            "blocked by policy",
            "blocked by + policy",
            "denied by + policy",
            "admission policy",
            "security policy",
            "scan policy",
            "not scanned",
            "organization policy",
            "organization's policy",
            "quarantine*",
            "vulnerabilit*",
            "content trust",
            "not signed",
            "unsigned",
        ],
        ..Rule::of(Cause::PolicyBlocked)
    },
    // GitHub's secondary limits come with 403.
    Rule {
        codes: &[403],
        says: &["secondary rate limit", "rate limit exceeded", "too many requests"],
        ..Rule::of(Cause::Throttled)
    },
    // Google's billing, Quay's and Harbor's quotas, Docker's plans, accounts that do not pay.
    Rule {
        codes: REFUSALS_AND_LIMITS,
        says: &[
            "billing",
            "payment required",
            "past due",
            "unpaid",
            "data limit exceeded",
            "quota exceeded",
            "quota has been exceeded",
            "over quota",
            "storage limit",
            "bandwidth limit",
            "transfer limit",
            "subscription",
            "account + suspended",
            "trial + expired",
        ],
        ..Rule::of(Cause::QuotaExceeded)
    },
    // ECR and others, of a login that was good once.
    Rule {
        codes: &[403],
        says: &["token has expired", "token is expired", "credentials have expired", "password has expired"],
        ..Rule::of(Cause::CredentialsExpired)
    },
    // ACR's firewall, GitHub's allow list, Quay's, Artifactory's.
    Rule {
        says: &[
            "client with ip + is not allowed access",
            "ip allow list",
            "ip allowlist",
            "ip allow-list",
            "allow-list + ip",
            "ip whitelist",
            "ip address + not allowed",
            "ip address + not permitted",
            "ip address + not authorized",
            "ip address + blocked",
            "your ip + blocked",
            "your ip + not",
            "ip restriction*",
            "public network access",
            "public access + disabled",
        ],
        owner: Some(Owner::Network),
        summary: "The registry does not let the address in from which this node asks, whoever asks from there.",
        fix: "Let the node's egress address into the registry's allow list (it stands in the registry's words, or `curl -sS \
              https://checkip.amazonaws.com` shows it), or go to the registry by a private endpoint.",
        ..Rule::of(Cause::AccessDenied)
    },
    // GitHub's and GitLab's organisations.
    Rule {
        says: &["saml", "sso", "single sign-on", "two-factor", "2fa", "multi-factor", "mfa"],
        summary: "The organisation wants its own sign-in (SSO, or a second factor) behind this login before it may pull.",
        fix: "Authorize the token for the organisation where it was made (GitHub: Settings, Developer settings, Personal access tokens, \
              Configure SSO), or use a token of the organisation, such as a deploy token.",
        ..Rule::of(Cause::AccessDenied)
    },
    // NGC, Oracle, Red Hat and IBM hand out some images only after that.
    Rule {
        codes: &[400, 401, 403, 428, 451],
        says: &[
            "accept + terms",
            "accept + license",
            "accept + agreement",
            "terms + accepted",
            "eula",
            "license agreement",
        ],
        summary: "The registry wants terms or a licence accepted for this image before an account may pull it.",
        fix: "Sign in at the registry's web page with the account that pulls, open the image there and accept its terms.",
        ..Rule::of(Cause::AccessDenied)
    },
];

#[cfg(test)]
mod tests;
