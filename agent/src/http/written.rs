//! A request as it goes over the wire.

use http::{HeaderValue, header};
use percent_encoding::percent_decode_str;

use zeroize::Zeroizing;

use super::Request;
use crate::model::proxy::{ProxyUrl, basic};

/// `via`: the proxy that passes it on. `None`: it is none of HTTP, or too long for the library.
pub fn written(request: &Request, via: Option<&ProxyUrl>) -> Option<http::Request<String>> {
    let url = &request.url;
    let host = match url.port() {
        Some(port) => format!("{}:{port}", url.host_str()?),
        None => url.host_str()?.to_owned(),
    };
    let path = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    let mut written = http::Request::new(request.form.clone().unwrap_or_default());
    *written.method_mut() = request.method.clone();
    let target = if via.is_some() { format!("{}://{host}{path}", url.scheme()) } else { path };
    *written.uri_mut() = target.parse().ok()?;
    let headers = written.headers_mut();
    headers.insert(header::HOST, HeaderValue::from_str(&host).ok()?);
    headers.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
    if !url.username().is_empty() || url.password().is_some() {
        let username = percent_decode_str(url.username());
        let pair: Vec<u8> =
            username.chain([b':']).chain(percent_decode_str(url.password().unwrap_or_default())).collect();
        headers.insert(header::AUTHORIZATION, sensitive(&basic(&Zeroizing::new(pair)))?);
    }
    // What the caller set takes the place of these; a name may stand there more than once.
    for name in request.headers.keys() {
        headers.remove(name);
    }
    headers.extend(request.headers.clone());
    // Here Go's transport has the last word.
    if let Some(credentials) = via.and_then(|proxy| proxy.credentials.as_ref()) {
        headers.insert(header::PROXY_AUTHORIZATION, sensitive(&credentials.basic())?);
    }
    Some(written)
}

fn sensitive(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, Method};
    use url::Url;

    use super::*;

    fn asked(url: &str, via: Option<&str>) -> http::Request<String> {
        let (url, headers) = (Url::parse(url).unwrap(), HeaderMap::new());
        let request = Request { method: Method::GET, url, headers, form: None, body_limit: 0 };
        written(&request, via.and_then(ProxyUrl::parse).as_ref()).unwrap()
    }

    #[test]
    fn a_server_is_sent_the_path_and_a_proxy_the_whole_url() {
        let at_hand = asked("http://registry.test:5000/v2/?ns=docker.io#part", None);
        assert_eq!(
            (at_hand.uri().to_string(), &at_hand.headers()["host"]),
            ("/v2/?ns=docker.io".into(), &"registry.test:5000".parse().unwrap())
        );
        let through = asked("http://[2001:db8::7]:5000/v2/", Some("http://proxy:3128"));
        assert_eq!((through.uri().to_string(), through.headers().len()), ("http://[2001:db8::7]:5000/v2/".into(), 2));
        assert_eq!(asked("http://registry.test", Some("proxy")).uri(), "http://registry.test/");
    }

    #[test]
    fn logins_of_url_and_proxy_go_where_they_belong_and_are_not_shown() {
        let asked = asked("http://us%40er:p%3Aw%ff@registry.test/v2/", Some("http://of:proxy@proxy:3128"));
        assert_eq!(asked.headers()["authorization"], "Basic dXNAZXI6cDp3/w==");
        assert_eq!(asked.headers()["proxy-authorization"], "Basic b2Y6cHJveHk=");
        assert_eq!(asked.uri(), "http://registry.test/v2/");
        assert!(!format!("{asked:?}").contains("Basic"), "{asked:?}");
    }

    #[test]
    fn what_the_caller_set_takes_the_place_of_what_is_sent_otherwise() {
        let headers = [(header::AUTHORIZATION, "Bearer t"), (header::PROXY_AUTHORIZATION, "Basic b3RoZXI=")];
        let headers = headers.map(|(name, value)| (name, HeaderValue::from_static(value))).into_iter().collect();
        let url = Url::parse("https://user:password@registry.test/v2/").unwrap();
        let request = Request { method: Method::GET, url, headers, form: None, body_limit: 0 };
        let proxy = ProxyUrl::parse("http://of:proxy@proxy:3128");
        let written = written(&request, proxy.as_ref()).unwrap();
        let all = |name: &str| written.headers().get_all(name).iter().map(HeaderValue::as_bytes).collect::<Vec<_>>();
        assert_eq!(all("authorization"), [b"Bearer t"]);
        assert_eq!(all("proxy-authorization"), [b"Basic b2Y6cHJveHk="], "but for the login of the proxy's own URL");
    }

    #[test]
    fn a_url_that_is_longer_than_the_library_takes_is_not_sent() {
        let url = Url::parse(&format!("https://registry.test/{}", "a".repeat(70_000))).unwrap();
        let request = Request { method: Method::GET, url, headers: HeaderMap::new(), form: None, body_limit: 0 };
        assert!(written(&request, None).is_none());
    }
}
