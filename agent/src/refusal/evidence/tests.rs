//! Words that were seen, and what they have to come to.

use super::*;

fn cause(by: Party, code: u16, words: &str) -> Option<Cause> {
    find(&Seen { code, by, words: &words.to_lowercase(), is_page: words.starts_with('<') }).map(|rule| rule.cause)
}

#[test]
fn the_reason_in_words_is_the_cause() {
    let registry = |code, words| cause(Party::Registry, code, words);
    for (code, words, wanted) in [
        (403, "Resource protected by organization SAML enforcement.", Cause::AccessDenied),
        (403, "the `acme` organization has an IP allow list enabled", Cause::AccessDenied),
        (403, "denied: client with IP '1.2.3.4' is not allowed access.", Cause::AccessDenied),
        (
            403,
            "Request is prohibited by organization's policy. vpcServiceControlsUniqueIdentifier: x",
            Cause::PolicyBlocked,
        ),
        (403, "download blocking policy configured in Xray", Cause::PolicyBlocked),
        (403, "This API method requires billing to be enabled.", Cause::QuotaExceeded),
        (429, "Data limit exceeded", Cause::QuotaExceeded),
        (429, "too many failed login attempts for username or IP address", Cause::LoginLocked),
        (401, "Your account has been locked.", Cause::LoginLocked),
        (403, "<we must comply with us export control regulations", Cause::LegallyBlocked),
        (403, "<just a moment...: please complete the security check", Cause::FilterBlocked),
        (403, "<this site was blocked. fortiguard intrusion prevention", Cause::FilterBlocked),
        (200, "<sign in to your account", Cause::NotARegistry),
        (403, "forbidden by corporate firewall fortigate", Cause::FilterBlocked),
        (403, "denied request blocked by web application firewall", Cause::FilterBlocked),
        (403, "denied by admission policy: image not scanned", Cause::PolicyBlocked),
        (400, "400 no required ssl certificate was sent", Cause::TlsClientCertificateRequired),
        (400, "request header or cookie too large", Cause::RequestTooLarge),
        (400, "size of a request header field exceeds server limit", Cause::RequestTooLarge),
        (400, "client sent an http request to an https server.", Cause::HttpToTlsPort),
        (403, "your authorization token has expired. reauthenticate", Cause::CredentialsExpired),
        (401, "unauthorized the password has expired", Cause::CredentialsExpired),
        (401, "unauthorized: expired token", Cause::CredentialsExpired),
        (403, "the billing account for the owning project is disabled in state absent", Cause::QuotaExceeded),
        (403, "your docker subscription has expired", Cause::QuotaExceeded),
        (403, "this image requires an active subscription", Cause::QuotaExceeded),
        (403, "the cloudfront distribution is configured to block access from your country", Cause::LegallyBlocked),
        (403, "this product is not available in your region", Cause::LegallyBlocked),
        (412, "current image with 3 vulnerabilities cannot be pulled", Cause::PolicyBlocked),
        (412, "the image is not signed in notary.", Cause::PolicyBlocked),
        (403, "you must agree to and accept the oracle standard terms", Cause::AccessDenied),
    ] {
        assert_eq!(registry(code, words), Some(wanted), "{words}");
    }
}

#[test]
fn what_only_sounds_alike_is_no_reason() {
    for (code, words) in [
        (403, "no access to the associated repository"),
        (403, "access to this resource is denied"),
        (404, "billing/app not found"),
        (500, "the account is locked"),
        (403, "just a moment please"),
        (403, "unauthorized to access repository: team/app, action: pull"),
        (401, "incorrect username or password"),
        (429, "quota of 5 requests per second"),
        (503, "please see your subscription: billing is disabled during maintenance"),
        (403, "you are not signed in"),
        // What stands in the menu and at the foot of a page.
        (403, "<403 forbidden. products pricing billing subscription plans contact us"),
        (
            403,
            "<forbidden. choose your region · choose your country · careers · report a vulnerability · privacy policy",
        ),
        (403, "<forbidden. our content security policy and vulnerability disclosure program"),
        (
            403,
            "<forbidden. access is denied by this server. for questions call the number on the back of your card, or write \
               to us at any time; imprint, terms of use, privacy policy",
        ),
        (
            403,
            "<forbidden. accept all cookies. this site is run by a company of many people in several places. terms of use",
        ),
        (
            403,
            "<forbidden. your ip: 192.0.2.1. what you were looking for could not be shown, and we are very sorry for that",
        ),
    ] {
        assert_eq!(cause(Party::Registry, code, words), None, "{words}");
    }
}

#[test]
fn a_storage_is_read_by_its_own_codes() {
    let storage = |code, words| find(&Seen { code, by: Party::Storage, words, is_page: false });
    for (code, words, says) in [
        (400, "invalidrequest | request has multiple authentication types, please use one", "came along"),
        (400, "invalidargument | only one auth mechanism allowed", "came along"),
        (403, "accessdenied | request has expired", "past its time"),
        (403, "signaturedoesnotmatch | the request signature we calculated does not match", "signature"),
        (
            403,
            "authorizationfailure | this request is not authorized to perform this operation.",
            "where the request comes from",
        ),
        (
            403,
            "accessdenied | because no vpc endpoint policy allows the s3:getobject action",
            "where the request comes from",
        ),
        (403, "invalidobjectstate | the operation is not valid for the object's storage class", "archive"),
        (403, "accessdenied | access denied", "denies access"),
        (404, "nosuchbucket | the specified bucket does not exist", "bucket"),
    ] {
        let rule = storage(code, words).unwrap_or_else(|| panic!("{words}"));
        assert_eq!(rule.cause, Cause::StorageRefused, "{words}");
        assert!(rule.summary.contains(says), "{words}: {}", rule.summary);
    }
    assert_eq!(storage(403, "allaccessdisabled").map(|rule| rule.cause), Some(Cause::QuotaExceeded));
    assert_eq!(
        storage(503, "slowdown | please reduce your request rate.").map(|rule| rule.cause),
        Some(Cause::Throttled)
    );
    assert_eq!(cause(Party::Registry, 403, "signaturedoesnotmatch"), None);
}

#[test]
fn every_row_says_something_in_lower_case_and_its_sentences_are_whole() {
    for rule in RULES.iter().chain(storage::RULES) {
        assert!(!rule.says.is_empty());
        for phrase in rule.says {
            assert_eq!(*phrase, phrase.to_lowercase());
            let words = phrase.replace('*', "x").replace(" + ", " and ").replace(" ~ ", " and ");
            assert!(holds(&words, phrase), "{phrase}");
        }
        for text in [rule.summary, rule.fix] {
            assert!(
                text.is_empty() || (text.ends_with('.') && text.len() <= 500 && text.matches('`').count() % 2 == 0),
                "{text}"
            );
        }
        assert!(rule.summary.len() <= 160, "{}", rule.summary);
    }
}

#[test]
fn the_names_of_what_was_asked_for_are_no_reasons() {
    let kept = |words: &str| without_names(words, "sso.example/billing/captcha");
    assert_eq!(
        kept("unauthorized to access repository: billing/captcha, action: pull").trim(),
        "unauthorized to access repository: /, action: pull"
    );
    assert_eq!(kept("no entry to sso.example."), "no entry to .");
    assert_eq!(kept("billing-x and xbilling stay"), "billing-x and xbilling stay");
}

#[test]
fn a_page_about_a_login_at_the_token_service_is_no_page_in_place_of_a_registry() {
    assert_eq!(cause(Party::TokenService, 401, "<body>Invalid login or password, please log in"), None);
    assert_eq!(cause(Party::Registry, 401, "<body>Invalid login or password"), None);
}
