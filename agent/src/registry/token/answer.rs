//! A token service's answer as Go's decoder reads it: keys in any case, only the first document counts, and a
//! field of another type spoils the whole, be it one that nobody needs.

use go::json;
use go::json::decode::{Dialect, Undecoded};
use go::json::target::{FieldTarget, Fields, Target, Text, Time};

/// What containerd takes from an answer.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct RegistryResponse {
    pub token: String,
    pub access_token: String,
    pub expires_in: i64,
}

/// Which of containerd's two structures the answer is read into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Of a GET.
    Fetch,
    /// Of a POST.
    OAuth,
}

impl Form {
    const fn name(self) -> &'static str {
        match self {
            Self::Fetch => "FetchTokenResponse",
            Self::OAuth => "OAuthTokenResponse",
        }
    }
}

/// Reads the answer; the error has Go's words.
pub fn decode(body: &[u8], form: Form) -> Result<RegistryResponse, Undecoded> {
    let document = json::first(body).map_err(Undecoded::Invalid)?;
    let mut reading = TokenDecoder { form, answer: RegistryResponse::default(), text: Text, time: Time };
    // The words of all versions are these.
    let go_type = format!("auth.{}", form.name());
    json::decode::decode_valid(document, Dialect::Embedded, &go_type, &mut reading)?;
    Ok(reading.answer)
}

struct TokenDecoder {
    form: Form,
    answer: RegistryResponse,
    text: Text,
    time: Time,
}

impl Target for TokenDecoder {
    fn object(&mut self) -> Option<&mut dyn Fields> {
        Some(self)
    }
}

impl Fields for TokenDecoder {
    fn struct_name(&self) -> &'static str {
        self.form.name()
    }

    fn field(&mut self, key: &str) -> Option<FieldTarget<'_>> {
        match (key, self.form) {
            ("access_token", _) => FieldTarget::text("access_token", &mut self.answer.access_token),
            ("token", Form::Fetch) => FieldTarget::text("token", &mut self.answer.token),
            ("refresh_token", _) => FieldTarget::text("refresh_token", &mut self.text),
            ("scope", Form::OAuth) => FieldTarget::text("scope", &mut self.text),
            ("expires_in", _) => FieldTarget::new("expires_in", "int", &mut self.answer.expires_in),
            ("issued_at", _) => FieldTarget::new("issued_at", "time.Time", &mut self.time),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn got_as(body: &str, form: Form) -> Result<RegistryResponse, String> {
        decode(body.as_bytes(), form).map_err(|error| match error {
            Undecoded::Invalid(words) => words,
            Undecoded::TooMuch(words) => panic!("{words}"),
        })
    }

    fn got(body: &str) -> Result<RegistryResponse, String> {
        got_as(body, Form::Fetch)
    }

    fn with_token(token: &str) -> RegistryResponse {
        RegistryResponse { token: token.into(), ..RegistryResponse::default() }
    }

    #[test]
    fn what_go_overlooks_is_overlooked() {
        assert_eq!(got("{\"Token\": \"a\"} and more"), Ok(with_token("a")));
        assert_eq!(got("{\"token\": \"a\"}{\"token\": 5}"), Ok(with_token("a")));
        assert_eq!(got("{\"token\": \"\", \"token\": \"a\"}"), Ok(with_token("a")));
        assert_eq!(
            got("{\"token\": \"a\", \"access_token\": null, \"expires_in\": null, \"x\": 5}"),
            Ok(with_token("a"))
        );
        assert_eq!(got("{\"token\": \"a\", \"scope\": [\"x\"]}"), Ok(with_token("a")));
        assert_eq!(got("null"), Ok(with_token("")));
        let issued =
            "{\"access_token\": \"a\", \"token\": 5, \"issued_at\": \"2026-11-21T16:00:00Z\", \"expires_in\": -5}";
        let answer = RegistryResponse { access_token: "a".into(), expires_in: -5, ..RegistryResponse::default() };
        assert_eq!(got_as(issued, Form::OAuth), Ok(answer));
    }

    #[test]
    fn what_go_fails_on_is_told_in_its_words() {
        let unfit = |value: &str, field: &str, wanted: &str| {
            format!("json: cannot unmarshal {value} into Go struct field FetchTokenResponse.{field} of type {wanted}")
        };
        for (body, words) in [
            ("", "EOF".to_owned()),
            ("  ", "EOF".to_owned()),
            ("{\"token\": \"a\"", "unexpected EOF".to_owned()),
            ("<html>", "invalid character '<' looking for beginning of value".to_owned()),
            ("[]", "json: cannot unmarshal array into Go value of type auth.FetchTokenResponse".to_owned()),
            ("{\"token\": 5, \"expires_in\": \"5\"}", unfit("number", "token", "string")),
            ("{\"token\": \"a\", \"refresh_token\": 5}", unfit("number", "refresh_token", "string")),
            ("{\"token\": \"a\", \"expires_in\": \"300\"}", unfit("string", "expires_in", "int")),
            ("{\"token\": \"a\", \"expires_in\": 300.5}", unfit("number 300.5", "expires_in", "int")),
            ("{\"token\": \"a\", \"issued_at\": 5}", "Time.UnmarshalJSON: input is not a JSON string".to_owned()),
        ] {
            assert_eq!(got(body), Err(words), "{body}");
        }
        let scope = "json: cannot unmarshal array into Go struct field OAuthTokenResponse.scope of type string";
        assert_eq!(got_as("{\"access_token\": \"a\", \"scope\": []}", Form::OAuth), Err(scope.into()));
    }
}
