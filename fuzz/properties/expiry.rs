//! The end of a credential, read off itself: a time after its beginning, whatever the claims are.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::Timestamp;
use pullprobe::keyring::expiry::of_login;
use pullprobe::model::expiry::Form;
use pullprobe::redact::secret::Secret;

const USERS: [&str; 4] = ["", "AWS", "00000000-0000-0000-0000-000000000000", "ann"];

/// The claims of a token, and what no token is.
pub fn holds(data: &[u8]) {
    let jwt = format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(data));
    let told = [jwt, STANDARD.encode(data), String::from_utf8_lossy(data).into_owned()];
    for user in USERS {
        for text in &told {
            let Some(lifetime) = of_login(user, &Secret::new(text.as_str())) else { continue };
            assert!(lifetime.begins.is_none_or(|begins| begins < lifetime.ends), "{lifetime:?}");
            assert!(lifetime.ends > Timestamp::UNIX_EPOCH, "{lifetime:?}");
            assert!(user == "AWS" || lifetime.form != Form::Ecr, "{lifetime:?}");
            for now in [Timestamp::MIN, Timestamp::UNIX_EPOCH, lifetime.ends, Timestamp::MAX] {
                assert_eq!(lifetime.has_ended(now), lifetime.ends <= now);
                assert!(!lifetime.has_ended(now) || lifetime.ends_soon(now), "{lifetime:?}");
                let words = lifetime.words(now);
                assert!(words.starts_with("expire") && words.len() <= 64, "{words:?}");
            }
            let spaced = Secret::new(format!(" {text}\n"));
            assert_eq!(of_login(user, &spaced), Some(lifetime), "a line end changes it");
        }
    }
}
