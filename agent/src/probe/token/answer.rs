//! A token service's answer as Go's decoder reads it: keys in any case, only the first document counts, and a
//! field of another type spoils the whole, be it one that nobody needs.

use serde_json::Value;

use super::super::{gojson, gotime};

/// What containerd takes from an answer.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Answer {
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
pub fn decode(body: &[u8], form: Form) -> Result<Answer, String> {
    // Go replaces what is no UTF-8 inside of texts.
    let text = String::from_utf8_lossy(body);
    let document = match serde_json::Deserializer::from_str(&text).into_iter::<Value>().next() {
        None => return Err("EOF".into()),
        Some(Err(error)) if error.is_eof() => return Err("unexpected EOF".into()),
        Some(Err(_)) => return Err(gojson::error(body)),
        Some(Ok(document)) => document,
    };
    let mut answer = Answer::default();
    let fields = match &document {
        Value::Null => return Ok(answer),
        Value::Object(fields) => fields,
        other => {
            return Err(format!("json: cannot unmarshal {} into Go value of type auth.{}", kind(other), form.name()));
        }
    };
    // Go reads on behind a field that does not fit, and tells of the first.
    let mut fault = None;
    for (key, value) in fields.iter().filter(|(_, value)| !value.is_null()) {
        if let Err(words) = answer.take(&key.to_ascii_lowercase(), value, form) {
            fault.get_or_insert(words);
        }
    }
    fault.map_or(Ok(answer), Err)
}

impl Answer {
    fn take(&mut self, key: &str, value: &Value, form: Form) -> Result<(), String> {
        let unfit = |value: &str, wanted: &str| {
            format!("json: cannot unmarshal {value} into Go struct field {}.{key} of type {wanted}", form.name())
        };
        let text = || value.as_str().map(str::to_owned).ok_or_else(|| unfit(kind(value), "string"));
        match (key, form) {
            ("access_token", _) => self.access_token = text()?,
            ("token", Form::Fetch) => self.token = text()?,
            ("refresh_token", _) | ("scope", Form::OAuth) => drop(text()?),
            ("expires_in", _) => {
                self.expires_in = value.as_i64().ok_or_else(|| match value {
                    Value::Number(number) => unfit(&format!("number {number}"), "int"),
                    other => unfit(kind(other), "int"),
                })?;
            }
            ("issued_at", _) => {
                let issued = value.as_str().ok_or("Time.UnmarshalJSON: input is not a JSON string")?;
                return gotime::fault(issued).map_or(Ok(()), Err);
            }
            _ => {}
        }
        Ok(())
    }
}

const fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn got(body: &str) -> Result<Answer, String> {
        decode(body.as_bytes(), Form::Fetch)
    }

    fn with_token(token: &str) -> Answer {
        Answer { token: token.into(), ..Answer::default() }
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
        let answer = Answer { access_token: "a".into(), expires_in: -5, ..Answer::default() };
        assert_eq!(decode(issued.as_bytes(), Form::OAuth), Ok(answer));
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
        assert_eq!(decode(b"{\"access_token\": \"a\", \"scope\": []}", Form::OAuth), Err(scope.into()));
    }
}
