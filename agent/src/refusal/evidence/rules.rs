//! What registries, their token services and filters on the way to them were seen to say.
//!
//! A page for people says much beside its reason, in its menu and at its foot: no rule goes by a word that stands
//! there, too.

use super::{EXPIRED, Party, REFUSALS, Rule};
use crate::cause::{Cause, Owner};

/// Refusals, and the status of limits.
const REFUSALS_AND_LIMITS: &[u16] = &[400, 401, 402, 403, 405, 406, 409, 412, 418, 421, 423, 428, 429, 451];

pub(super) const RULES: &[Rule] = &[
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
            "account ~ locked",
            "user ~ locked",
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
            "your country ~ block*",
            "your country ~ restrict*",
            "your country ~ prohibit*",
            "your country ~ unavailable",
            "your country ~ not available",
            "your country ~ not allowed",
            "your country ~ not permitted",
            "your country ~ not supported",
            "this country",
            "your region ~ block*",
            "your region ~ restrict*",
            "your region ~ unavailable",
            "your region ~ not available",
            "your region ~ not allowed",
            "your region ~ not permitted",
            "your region ~ not supported",
            "this region ~ not available",
            "geographic* ~ restrict*",
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
            "blocked by ~ firewall",
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
        summary: "A sign-in page for people answers in place of the registry.",
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
            "violates ~ policy",
            "blocked by ~ policy",
            "denied by ~ policy",
            "prevented by ~ policy",
            "admission policy",
            "security policy ~ block*",
            "security policy ~ den*",
            "security policy ~ prevent*",
            "security policy ~ not allow*",
            "scan policy",
            "not scanned",
            "organization policy",
            "organization's policy",
            "quarantine*",
            "vulnerability severity",
            "vulnerability scan*",
            "vulnerability threshold",
            "critical vulnerabilit*",
            "known vulnerabilit*",
            "vulnerabilities found",
            "has vulnerabilities",
            "with vulnerabilities",
            "contains vulnerabilities",
            "vulnerabilities ~ cannot be pulled",
            "vulnerable image*",
            "content trust",
            "is not signed by",
            "image ~ is not signed",
            "artifact ~ is not signed",
            "image ~ unsigned",
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
            "billing is disabled",
            "billing is not enabled",
            "billing to be enabled",
            "billing has not been enabled",
            "enable billing",
            "billing account ~ disabled",
            "billing account ~ closed",
            "billing account ~ suspended",
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
            "subscription required",
            "subscription is required",
            "subscription ~ expired",
            "subscription ~ disabled",
            "subscription ~ suspended",
            "subscription ~ inactive",
            "subscription ~ not active",
            "subscription has ended",
            "subscription does not",
            "requires ~ subscription",
            "without ~ subscription",
            "active subscription",
            "no subscription",
            "account ~ suspended",
            "trial ~ expired",
        ],
        ..Rule::of(Cause::QuotaExceeded)
    },
    // ECR and others, of a login that was good once.
    Rule { codes: &[401, 403], says: EXPIRED, ..Rule::of(Cause::CredentialsExpired) },
    // ACR's firewall, GitHub's allow list, Quay's, Artifactory's.
    Rule {
        says: &[
            "client with ip + is not allowed access",
            "ip allow list",
            "ip allowlist",
            "ip allow-list",
            "allow-list ~ ip",
            "ip whitelist",
            "ip address ~ not allowed",
            "ip address ~ not permitted",
            "ip address ~ not authorized",
            "ip address ~ blocked",
            "your ip ~ blocked",
            "your ip ~ not allowed",
            "your ip ~ not permitted",
            "your ip ~ not authorized",
            "your ip ~ not in",
            "your ip ~ not whitelisted",
            "your ip ~ denied",
            "ip restriction*",
            "public network access",
            "public access ~ disabled",
        ],
        owner: Some(Owner::Network),
        summary: "The registry refuses the network address that this node's requests come from, whatever the login.",
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
            "accept ~ terms",
            "accept ~ license",
            "accept ~ agreement",
            "terms ~ accepted",
            "eula ~ accept*",
            "license agreement ~ accept*",
            "agree ~ license",
        ],
        summary: "The registry wants terms or a licence accepted for this image before an account may pull it.",
        fix: "Sign in at the registry's web page with the account that pulls, open the image there and accept its terms.",
        ..Rule::of(Cause::AccessDenied)
    },
];
