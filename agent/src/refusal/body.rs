//! What the body of a refusal says, whatever its form: a web page, XML of a storage, JSON of any shape, text.
//!
//! Nothing of it is trusted: it is cut, its tags go, and what the host was told does not come back.

use serde_json::Value;

use super::Errors;
use crate::http::Response;
use crate::http::envelope::document;
use crate::redact::clip::clip_to;

/// Reasons stand at the beginning.
const READ_LIMIT: usize = 8 << 10;
/// Of what is shown.
const QUOTE_LIMIT: usize = 280;
/// How many texts of a JSON document are looked at.
const TEXT_LIMIT: usize = 16;
/// Headers by which filters are known, and the storages that refuse without a body.
const TELLING_HEADERS: [&str; 7] =
    ["server", "cf-mitigated", "x-amzn-waf-action", "x-iinfo", "x-sucuri-block", "x-ms-error-code", "x-block-reason"];

/// The readable part of a body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Body {
    /// The title of a page, or the code of an error.
    head: String,
    text: String,
}

impl Body {
    pub fn of(response: &Response) -> Self {
        let bytes = &response.body[..response.body.len().min(READ_LIMIT)];
        let text = String::from_utf8_lossy(bytes);
        let text = text.trim_start_matches('\u{feff}').trim();
        // Before anything is taken apart: a secret in two pieces is not known again.
        let text = &response.repeated(text);
        if text.is_empty() {
            return Self::default();
        }
        if let Some(document) = document(response) {
            return Self::of_json(&document, response);
        }
        if is_web_page(response) {
            let title = element(text, "title").or_else(|| element(text, "h1")).map(|inner| readable(&inner));
            let body = element(text, "body").unwrap_or_else(|| text.clone());
            return Self { head: title.unwrap_or_default(), text: readable(&body) };
        }
        if text.starts_with('<') {
            let code = element(text, "Code").map(|inner| readable(&inner)).unwrap_or_default();
            let message = element(text, "Message").or_else(|| element(text, "Details"));
            return Self { head: code, text: message.map_or_else(|| readable(text), |inner| readable(&inner)) };
        }
        let printable = text.chars().filter(|c| !c.is_control() && *c != '\u{fffd}').count();
        if printable * 10 < text.chars().count() * 9 {
            return Self::default();
        }
        Self { head: String::new(), text: readable(text) }
    }

    fn of_json(document: &Value, response: &Response) -> Self {
        let mut texts = Vec::new();
        collect(document, &mut texts);
        let text = texts.iter().map(|text| response.repeated(text)).collect::<Vec<_>>().join("; ");
        Self { head: String::new(), text: one_line(&text) }
    }

    /// Everything that may give a reason, in lower case.
    pub fn words(&self, response: &Response) -> String {
        let header = |name: &&str| Some(format!("{name}: {}", response.header(name)?));
        let headers: Vec<String> = TELLING_HEADERS.iter().filter_map(header).collect();
        format!("{} | {} | {}", self.head, self.text, headers.join(" | ")).to_lowercase()
    }

    /// For people, or nothing.
    fn quote(&self) -> String {
        let starts = self.text.starts_with(&self.head);
        let whole = match (self.head.as_str(), self.text.as_str()) {
            ("", text) => text.to_owned(),
            (head, "") => head.to_owned(),
            (_, text) if starts => text.to_owned(),
            (head, text) => format!("{head}: {text}"),
        };
        clip_to(&whole, QUOTE_LIMIT)
    }
}

/// For a detail: what the answer gives for a reason behind a separator, or nothing.
pub fn behind(separator: &str, response: &Response, errors: &Errors) -> String {
    if !errors.is_empty() {
        return errors.behind(separator);
    }
    let quote = Body::of(response).quote();
    if quote.is_empty() { quote } else { format!("{separator}{quote}") }
}

/// Whether the body is a web page: what a proxy's block page or a wrong address answers.
pub fn is_web_page(response: &Response) -> bool {
    let head = String::from_utf8_lossy(&response.body[..response.body.len().min(512)]);
    let head = head.trim_start_matches('\u{feff}').trim_start().to_ascii_lowercase();
    response.media_type() == "text/html" || head.starts_with("<!doctype html") || head.starts_with("<html")
}

/// The texts of a document, those with a name for messages first.
fn collect(value: &Value, texts: &mut Vec<String>) {
    if texts.len() >= TEXT_LIMIT {
        return;
    }
    match value {
        Value::String(text) if !text.is_empty() => texts.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| collect(item, texts)),
        Value::Object(fields) => {
            let is_reason = |name: &str| {
                let name = name.to_ascii_lowercase();
                ["code", "error", "message", "msg", "detail", "reason", "title", "description", "status"]
                    .iter()
                    .any(|known| name.contains(known))
            };
            let (reasons, others): (Vec<_>, Vec<_>) = fields.iter().partition(|(name, _)| is_reason(name));
            reasons.into_iter().chain(others).for_each(|(_, inner)| collect(inner, texts));
        }
        _ => {}
    }
}

/// What stands between the first such tags, whatever their case and attributes.
fn element(text: &str, name: &str) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    let open = format!("<{}", name.to_ascii_lowercase());
    let mut from = 0;
    loop {
        let at = from + lower[from..].find(&open)?;
        let behind = at + open.len();
        if lower[behind..].starts_with(|c: char| c == '>' || c.is_ascii_whitespace()) {
            let start = behind + lower[behind..].find('>')? + 1;
            let close = format!("</{}", name.to_ascii_lowercase());
            let end = lower[start..].find(&close).map_or(text.len(), |length| start + length);
            return Some(text[start..end].to_owned());
        }
        from = behind;
    }
}

/// Without tags, scripts and styles, in one line.
fn readable(markup: &str) -> String {
    let lower = markup.to_ascii_lowercase();
    let mut out = String::new();
    let mut at = 0;
    while let Some(open) = lower[at..].find('<').map(|offset| at + offset) {
        out.push_str(&markup[at..open]);
        out.push(' ');
        let hidden = ["script", "style"].into_iter().find(|name| lower[open + 1..].starts_with(name));
        let end = match hidden {
            Some(name) => lower[open..].find(&format!("</{name}")).map_or(lower.len(), |offset| open + offset),
            None => open,
        };
        at = lower[end..].find('>').map_or(lower.len(), |offset| end + offset + 1);
    }
    out.push_str(&markup[at..]);
    let plain = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&nbsp;", " "), ("&amp;", "&")]
        .iter()
        .fold(out, |text, (entity, character)| text.replace(entity, character));
    one_line(&plain)
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(media_type: &'static str, body: &str) -> (Body, String) {
        let mut response = Response { body: body.as_bytes().to_vec().into(), ..Response::empty() };
        response.headers.insert("content-type", media_type.parse().unwrap());
        let quoted = behind("", &response, &Errors::of(&response));
        (Body::of(&response), quoted)
    }

    #[test]
    fn the_first_words_of_a_page_are_its_title_and_its_text() {
        let page = "<!DOCTYPE html><HTML><head><title>Just a moment...</title><style>p {x}</style></head>\n\
                    <BODY class='a'><script>if (1 < 2) alert()</script><p>Check &amp; go</p></BODY></HTML>";
        let (read, quote) = body("text/html; charset=utf-8", page);
        assert_eq!((read.head.as_str(), read.text.as_str()), ("Just a moment...", "Check & go"));
        assert_eq!(quote, "Just a moment...: Check & go");
        assert_eq!(body("text/html", "<html><body><h1>403 Forbidden</h1> by law").1, "403 Forbidden by law");
    }

    #[test]
    fn the_code_and_the_message_of_a_storage_are_read() {
        let s3 = "<?xml version=\"1.0\"?>\n<Error><Code>AccessDenied</Code><Message>Access Denied</Message><HostId>x</HostId></Error>";
        assert_eq!(body("application/xml", s3).1, "AccessDenied: Access Denied");
        assert_eq!(body("application/xml", "\u{feff}<?xml version=\"1.0\"?><Error><Code>A</Code>").1, "A");
        assert_eq!(body("application/xml", "<Error><CodeName>x</CodeName><Code>B</Code></Error>").1, "B: x B");
    }

    #[test]
    fn json_of_any_shape_is_read_and_bytes_are_not() {
        assert_eq!(
            body("application/json", r#"{"fault":{"faultstring":"no","detail":{"errorcode":"x.y"}}}"#).1,
            "x.y; no"
        );
        assert_eq!(body("application/json", r#"["a",["b"],5,null]"#).1, "a; b");
        assert_eq!(body("application/json", r#""only a text""#).1, "only a text");
        assert_eq!(body("text/plain", "404 page not found\n").1, "404 page not found");
        assert_eq!(body("application/octet-stream", "\u{1}\u{2}\u{3}\u{4}ab").1, "");
        assert_eq!(body("text/plain", "").1, "");
    }

    #[test]
    fn what_is_shown_is_bounded_whatever_comes() {
        for markup in ["<", "<title", "<title>", "</script", "<script>", "é<é>é", "<body>é"] {
            let long = format!("<html>{}", markup.repeat(4000));
            assert!(body("text/html", &long).1.len() <= QUOTE_LIMIT, "{markup}");
        }
    }
}
