//! What a request asks for, told from its path alone.

use serde::Deserialize;

use super::Config;

/// The kinds of requests that a registry and its token service serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// `/v2/`.
    Ping,
    /// `/token`.
    Token,
    /// `/v2/NAME/manifests/REFERENCE`.
    Manifest,
    /// `/v2/NAME/blobs/DIGEST`.
    Blob,
    /// `/v2/NAME/tags/list`.
    Tags,
    /// Anything else; in a rule, everything.
    Any,
}

/// A path, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) kind: Kind,
    /// Empty where the kind has none.
    pub(crate) repository: String,
    /// Tag or digest; empty where the kind has none.
    pub(crate) reference: String,
}

impl Route {
    /// Reads `path` as the registry of this configuration does.
    pub(crate) fn of(config: &Config, path: &str) -> Self {
        if !config.token_path.is_empty() && path == config.token_path {
            return Self { kind: Kind::Token, repository: String::new(), reference: String::new() };
        }
        let below = |alias: &String| path.strip_prefix(alias.as_str()).filter(|rest| rest.starts_with('/'));
        let path = config.aliases.iter().find_map(below).unwrap_or(path);
        Self::parse(&config.prefix, path)
    }

    /// Reads `path`, whose distribution API lives below `prefix`.
    pub(crate) fn parse(prefix: &str, path: &str) -> Self {
        let bare = |kind| Self { kind, repository: String::new(), reference: String::new() };
        if path == "/token" {
            return bare(Kind::Token);
        }
        let Some(rest) = path.strip_prefix(prefix).and_then(|path| path.strip_prefix("/v2")) else {
            return bare(Kind::Any);
        };
        if rest.is_empty() || rest == "/" {
            return bare(Kind::Ping);
        }
        if let Some(repository) = rest.strip_suffix("/tags/list") {
            let repository = repository.trim_start_matches('/').to_owned();
            return Self { repository, ..bare(Kind::Tags) };
        }
        let found = [("/manifests/", Kind::Manifest), ("/blobs/", Kind::Blob)]
            .into_iter()
            .find_map(|(word, kind)| Some((rest.strip_prefix('/')?.rsplit_once(word)?, kind)));
        match found {
            Some(((repository, reference), kind)) if !reference.contains('/') => {
                Self { kind, repository: repository.to_owned(), reference: reference.to_owned() }
            }
            _ => bare(Kind::Any),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_service_and_a_download_have_the_paths_that_they_are_given() {
        let config =
            Config { token_path: "/jwt/auth".to_owned(), aliases: vec!["/downloads".to_owned()], ..Config::default() };
        assert_eq!(Route::of(&config, "/jwt/auth").kind, Kind::Token);
        assert_eq!(Route::of(&config, "/downloads/v2/a/blobs/sha256:0").repository, "a");
        assert_eq!(Route::of(&config, "/downloadsv2/a/blobs/sha256:0").kind, Kind::Any);
        assert_eq!(Route::of(&config, "/v2/").kind, Kind::Ping);
    }

    #[test]
    fn paths_are_taken_apart() {
        let route = |path| Route::parse("", path);
        assert_eq!(route("/v2/").kind, Kind::Ping);
        assert_eq!(route("/token").kind, Kind::Token);
        assert_eq!(route("/").kind, Kind::Any);
        assert_eq!(route("/v2/a/tags/list").kind, Kind::Tags);
        assert_eq!(route("/v2/a/referrers/sha256:0").kind, Kind::Any);
        let manifest = route("/v2/library/nginx/manifests/1.0");
        assert_eq!(manifest.kind, Kind::Manifest);
        assert_eq!((&*manifest.repository, &*manifest.reference), ("library/nginx", "1.0"));
        assert_eq!(Route::parse("/p", "/p/v2/a/blobs/sha256:0").kind, Kind::Blob);
        assert_eq!(Route::parse("/p", "/v2/a/blobs/sha256:0").kind, Kind::Any);
    }
}
