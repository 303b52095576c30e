//! URLs as Go's `url.Parse` takes them apart, and the words of its errors.
//!
//! A stricter or a kinder parser would find other hosts than containerd does.

use super::text::quote;

/// What containerd keeps of a URL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GoUrl {
    /// In lower case; empty when there is none.
    pub scheme: String,
    /// With its port, as written; empty when there is none.
    pub host: String,
    pub path: String,
}

/// `url.Parse`; the error has its words, without `parse URL: ` before them.
pub fn parse(text: &str) -> Result<GoUrl, String> {
    if text.bytes().any(|byte| byte < 0x20 || byte == 0x7f) {
        return Err("net/url: invalid control character in URL".into());
    }
    let (text, fragment) = text.split_once('#').unwrap_or((text, ""));
    unescape(fragment)?;
    if text == "*" {
        return Ok(GoUrl { path: "*".into(), ..GoUrl::default() });
    }
    let (scheme, rest) = scheme_of(text)?;
    let rest = rest.split_once('?').map_or(rest, |(before, _)| before);
    let scheme = scheme.to_ascii_lowercase();
    if !rest.starts_with('/') {
        if !scheme.is_empty() {
            // "mailto:x": neither host nor path.
            return Ok(GoUrl { scheme, ..GoUrl::default() });
        }
        if rest.split('/').next().is_some_and(|segment| segment.contains(':')) {
            return Err("first path segment in URL cannot contain colon".into());
        }
    }
    let authority = rest.strip_prefix("//").filter(|rest| !scheme.is_empty() || !rest.starts_with('/'));
    let (host, path) = match authority {
        None => (String::new(), rest),
        Some(rest) => {
            let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            (host_of(authority)?, path)
        }
    };
    Ok(GoUrl { scheme, host, path: lossy(unescape(path)?) })
}

fn scheme_of(text: &str) -> Result<(&str, &str), String> {
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' => {}
            b'0'..=b'9' | b'+' | b'-' | b'.' if at > 0 => {}
            b':' if at == 0 => return Err("missing protocol scheme".into()),
            b':' => return Ok((&text[..at], &text[at + 1..])),
            _ => break,
        }
    }
    Ok(("", text))
}

fn host_of(authority: &str) -> Result<String, String> {
    let host = match authority.rsplit_once('@') {
        None => authority,
        Some((user, host)) => {
            let allowed = |c: char| c.is_ascii_alphanumeric() || "-._:~!$&'()*+,;=%@".contains(c);
            if !user.chars().all(allowed) {
                return Err("net/url: invalid userinfo".into());
            }
            unescape(user)?;
            host
        }
    };
    let port = if host.starts_with('[') {
        let end = host.rfind(']').ok_or("missing ']' in host")?;
        &host[end + 1..]
    } else {
        host.rfind(':').map_or("", |colon| &host[colon..])
    };
    let port_is_valid = match port.strip_prefix(':') {
        Some(digits) => digits.bytes().all(|byte| byte.is_ascii_digit()),
        None => port.is_empty(),
    };
    if !port_is_valid {
        return Err(format!("invalid port {} after host", quote(port)));
    }
    let refused = |c: char| c.is_ascii() && !c.is_ascii_alphanumeric() && !"-_.~!$&'()*+,;=:[]<>\"%".contains(c);
    if let Some(c) = host.chars().find(|c| refused(*c)) {
        return Err(format!("invalid character {} in host name", quote(&c.to_string())));
    }
    unescape_host(host)
}

/// Only bytes beyond ASCII may be escaped in a host.
fn unescape_host(host: &str) -> Result<String, String> {
    let mut rest = host;
    while let Some(at) = rest.find('%') {
        let escape: String = rest[at..].chars().take(3).collect();
        match u8::from_str_radix(escape.get(1..).unwrap_or_default(), 16) {
            Ok(byte) if byte >= 0x80 => rest = &rest[at + 3..],
            _ => return Err(format!("invalid URL escape {}", quote(&escape))),
        }
    }
    unescape(host).map(lossy)
}

fn lossy(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// `url.PathUnescape`: the bytes that a text with `%` and two hex digits stands for.
pub fn unescape(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        if *first != b'%' {
            bytes.push(*first);
            rest = after;
            continue;
        }
        let digits = after.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        let byte =
            digits.filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit())).and_then(|d| u8::from_str_radix(d, 16).ok());
        let Some(byte) = byte else {
            let shown = String::from_utf8_lossy(&rest[..rest.len().min(3)]).into_owned();
            return Err(format!("invalid URL escape {}", quote(&shown)));
        };
        bytes.push(byte);
        rest = &after[2..];
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Result<(String, String, String), String> {
        parse(text).map(|url| (url.scheme, url.host, url.path))
    }

    fn of(scheme: &str, host: &str, path: &str) -> (String, String, String) {
        (scheme.into(), host.into(), path.into())
    }

    #[test]
    fn scheme_host_and_path_are_kept_and_the_rest_goes() {
        assert_eq!(url("HTTPS://user:pw@m.example:5000/p%20q?x=1#f").unwrap(), of("https", "m.example:5000", "/p q"));
        assert_eq!(url("https://[::1]:5000").unwrap(), of("https", "[::1]:5000", ""));
        assert_eq!(url("https://M.example/").unwrap(), of("https", "M.example", "/"));
    }

    #[test]
    fn what_only_starts_like_a_scheme_has_no_host() {
        assert_eq!(url("httpbin.example").unwrap(), of("", "", "httpbin.example"));
        assert_eq!(url("httpbin.example:5000").unwrap(), of("httpbin.example", "", ""));
        assert_eq!(url("https:m.example").unwrap(), of("https", "", ""));
        assert_eq!(url("https:/m.example").unwrap(), of("https", "", "/m.example"));
        assert_eq!(url("http_m:5000/x").unwrap_err(), "first path segment in URL cannot contain colon");
    }

    #[test]
    fn what_go_refuses_is_refused_in_its_words() {
        assert_eq!(url("https://m:x").unwrap_err(), "invalid port \":x\" after host");
        assert_eq!(url("https://a b").unwrap_err(), "invalid character \" \" in host name");
        assert_eq!(url("https://a%41").unwrap_err(), "invalid URL escape \"%41\"");
        assert_eq!(url("https://a/%zz").unwrap_err(), "invalid URL escape \"%zz\"");
        assert_eq!(url("://").unwrap_err(), "missing protocol scheme");
        assert_eq!(url("https://[::1").unwrap_err(), "missing ']' in host");
        assert_eq!(url("https://é.example/ü").unwrap(), of("https", "é.example", "/ü"));
    }
}
