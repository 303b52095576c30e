//! A refusal in a registry's own words.

use serde::Deserialize;

use super::reply::Reply;

/// Where an answer differs from the usual one; what is left out stays as it is.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Words {
    /// Its status.
    pub status: Option<u16>,
    /// Error document of the distribution API: code and message.
    pub error: Option<(String, String)>,
    /// The body as it stands.
    pub body: Option<String>,
    /// Headers, each in place of all of the same name.
    pub headers: Vec<(String, String)>,
}

impl Words {
    pub(crate) fn of(&self, usual: Reply) -> Reply {
        let mut reply = match &self.error {
            Some((code, message)) => {
                let kept = usual.headers.into_iter().filter(|(name, _)| name != "content-type");
                let mut told = Reply::error(usual.status, code, message);
                told.headers.extend(kept);
                told
            }
            None => usual,
        };
        if let Some(body) = &self.body {
            reply.body = body.clone().into();
        }
        for (name, value) in &self.headers {
            reply.set(name, value);
        }
        Reply { status: self.status.unwrap_or(reply.status), ..reply }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_stays() {
        let usual = || Reply::error(401, "UNAUTHORIZED", "no").with("www-authenticate", "Bearer");
        let same = Words::default().of(usual());
        assert_eq!((same.status, same.body, same.headers), (401, usual().body, usual().headers));
        let words: Words =
            toml::from_str("status = 403\nerror = ['DENIED', 'x']\nheaders = [['www-authenticate', '']]").unwrap();
        let told = words.of(usual());
        assert_eq!((told.status, &*told.body), (403, &*Reply::error(403, "DENIED", "x").body));
        assert!(told.headers.contains(&("www-authenticate".to_owned(), String::new())));
    }
}
