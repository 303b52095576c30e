//! Reads the end of a credential off the credential itself. Nothing is verified, nothing of it is kept
//! but its times.
//!
//! Of Google's `ya29.` tokens only an upper bound of their life is known and not their begin: no end
//! is known of them.

use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::{Engine as _, alphabet};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::Value;

use super::key::IndexKey;
use crate::model::credential::{Credential, CredentialValue};
use crate::model::expiry::{CredentialExpiry, Form, Lifetime};
use crate::redact::clip::clip_to;
use crate::redact::secret::Secret;

/// No registry takes a token of this length in a header.
const LENGTH_LIMIT: usize = 64 << 10;
/// Of a key in a label: as long as a name can be.
const KEY_LIMIT: usize = 253;
/// What every authorization token of ECR lasts.
const ECR_LIFE: SignedDuration = SignedDuration::from_hours(12);
/// The user that ECR's passwords are for.
const ECR_USER: &str = "AWS";
/// The user that ACR's refresh tokens are for.
const ACR_USER: &str = "00000000-0000-0000-0000-000000000000";

const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_allow_trailing_bits(true)
    .with_decode_padding_mode(DecodePaddingMode::Indifferent);
const BASE64: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const BASE64_URL: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// `None`: its end cannot be known.
pub fn of(credential: &Credential) -> Option<Lifetime> {
    match &credential.value {
        CredentialValue::Basic { username, password } => of_login(username, password),
        CredentialValue::IdentityToken(token) | CredentialValue::RegistryToken(token) => of_login("", token),
    }
}

/// The same for what a session sends.
pub fn of_login(user: &str, secret: &Secret) -> Option<Lifetime> {
    if secret.expose().len() > LENGTH_LIMIT {
        return None;
    }
    match user {
        ECR_USER => ecr(secret.expose()).or_else(|| jwt(Form::Jwt, secret.expose())),
        ACR_USER => jwt(Form::Acr, secret.expose()),
        _ => jwt(Form::Jwt, secret.expose()),
    }
}

/// What the outside may know.
pub fn known(credential: &Credential) -> Option<CredentialExpiry> {
    let lifetime = of(credential)?;
    let registry = IndexKey::of(&credential.key).map_or_else(|_| credential.key.clone(), |index| index.0);
    let place = credential.origin.as_ref();
    Some(CredentialExpiry {
        source: credential.source.clone(),
        registry: clip_to(&registry, KEY_LIMIT).into(),
        file: place.map(|place| (*place.file).into()),
        position: place.and_then(|place| place.position),
        lifetime,
        renews: credential.renews,
    })
}

/// A number may be whatever JSON has.
#[derive(Deserialize)]
struct Claims {
    exp: Option<Value>,
    iat: Option<Value>,
    nbf: Option<Value>,
}

#[derive(Deserialize)]
struct Authorization {
    expiration: Value,
}

/// An object; what is in it does not matter.
#[derive(Deserialize)]
struct Header {}

fn jwt(form: Form, token: &str) -> Option<Lifetime> {
    let mut parts = token.trim().split('.');
    let (header, claims, signature) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || BASE64_URL.decode(signature).is_err() {
        return None;
    }
    let _: Header = object(&BASE64_URL, header)?;
    let claims: Claims = object(&BASE64_URL, claims)?;
    let ends = time(&claims.exp?)?;
    let begins = [claims.iat, claims.nbf].iter().flatten().find_map(time).filter(|begins| *begins < ends);
    Some(Lifetime { form, begins, ends })
}

fn ecr(password: &str) -> Option<Lifetime> {
    let token: Authorization = object(&BASE64, password.trim())?;
    let ends = time(&token.expiration)?;
    Some(Lifetime { form: Form::Ecr, begins: ends.checked_sub(ECR_LIFE).ok(), ends })
}

fn object<T: for<'de> Deserialize<'de>>(base64: &GeneralPurpose, text: &str) -> Option<T> {
    let json = Secret::new(String::from_utf8(base64.decode(text).ok()?).ok()?);
    // An array of the right length would do for a structure too.
    json.expose().trim_start().starts_with('{').then(|| serde_json::from_str(json.expose()).ok()).flatten()
}

/// Seconds since 1970, fractions cut off. Zero and less is no date that anybody meant, and beyond the
/// year 9999 nobody did either.
fn time(value: &Value) -> Option<Timestamp> {
    let seconds = value.as_f64().filter(|seconds| *seconds >= 1.0)?;
    Timestamp::from_second(SignedDuration::try_from_secs_f64(seconds).ok()?.as_secs()).ok()
}

#[cfg(test)]
mod tests;
