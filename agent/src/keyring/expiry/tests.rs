use super::*;
use go::place::{Position, SourceLocation};

const DAY: i64 = 86_400;
const ENDS: i64 = 1_800_000_000;

fn jwt_of(claims: &str) -> String {
    let part = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
    format!("{}.{}.c2lnbmF0dXJl", part(r#"{"alg":"RS256","typ":"JWT"}"#), part(claims))
}

fn ecr_of(expiration: &str) -> String {
    let text =
        format!(r#"{{"payload":"x/y+z=","datakey":"k","version":"2","type":"DATA_KEY","expiration":{expiration}}}"#);
    base64::engine::general_purpose::STANDARD.encode(text)
}

fn read(user: &str, secret: &str) -> Option<(Form, Option<i64>, i64)> {
    let found = of_login(user, &Secret::new(secret))?;
    Some((found.form, found.begins.map(Timestamp::as_second), found.ends.as_second()))
}

#[test]
fn a_jwt_tells_its_end_whoever_it_is_for() {
    let token = jwt_of(&format!(r#"{{"iss":"x","exp":{ENDS},"iat":{}}}"#, ENDS - DAY));
    for (user, form) in [
        ("ann", Form::Jwt),
        ("", Form::Jwt),
        ("oauth2accesstoken", Form::Jwt),
        ("gitlab-ci-token", Form::Jwt),
        ("AWS", Form::Jwt),
        ("00000000-0000-0000-0000-000000000000", Form::Acr),
    ] {
        assert_eq!(read(user, &token), Some((form, Some(ENDS - DAY), ENDS)), "{user}");
    }
    assert_eq!(read("ann", &format!(" {token}\n")), Some((Form::Jwt, Some(ENDS - DAY), ENDS)), "as `echo` writes it");
}

#[test]
fn numbers_may_have_fractions_and_the_begin_may_be_told_otherwise_or_not_at_all() {
    for (claims, begins) in [
        (format!(r#"{{"exp":{ENDS}}}"#), None),
        (format!(r#"{{"exp":{ENDS}.75,"nbf":1799990000.5}}"#), Some(1_799_990_000)),
        (format!(r#"{{"exp":1.8e9,"iat":1799990001,"nbf":{}}}"#, ENDS - DAY), Some(1_799_990_001)),
        (format!(r#"{{"exp":{ENDS},"iat":{}}}"#, ENDS + 1), None),
        (format!(r#"{{"exp":{ENDS},"iat":"yesterday","nbf":-1}}"#), None),
    ] {
        assert_eq!(read("ann", &jwt_of(&claims)), Some((Form::Jwt, begins, ENDS)), "{claims}");
    }
}

#[test]
fn an_ecr_password_tells_its_end_and_lasts_twelve_hours() {
    let expected = Some((Form::Ecr, Some(ENDS - DAY / 2), ENDS));
    assert_eq!(read("AWS", &ecr_of(&ENDS.to_string())), expected);
    assert_eq!(read("AWS", ecr_of(&ENDS.to_string()).trim_end_matches('=')), expected);
    assert_eq!(read("ann", &ecr_of(&ENDS.to_string())), None, "nobody else has such passwords");
}

#[test]
fn identity_and_registry_tokens_are_read_too() {
    let token = || Secret::new(jwt_of(&format!(r#"{{"exp":{ENDS}}}"#)));
    for value in [CredentialValue::IdentityToken(token()), CredentialValue::RegistryToken(token())] {
        let credential = Credential {
            source: crate::model::credential::CredentialSource::ContainerdConfig,
            key: "https://ann@r.example/v2/".into(),
            origin: Some(SourceLocation::new("/etc/containerd/config.toml", Position::of_line(7))),
            value,
            renews: None,
        };
        let known = known(&credential).unwrap();
        assert_eq!((known.registry.as_str(), known.lifetime.ends.as_second()), ("r.example", ENDS));
        assert_eq!(
            (known.file.as_deref(), known.position.map(|at| at.line)),
            (Some("/etc/containerd/config.toml"), Some(7))
        );
    }
}

#[test]
fn what_tells_no_end_has_none() {
    let claims = |exp: &str| jwt_of(&format!(r#"{{"exp":{exp}}}"#));
    let deep = format!("{}{}", "[".repeat(20_000), "]".repeat(20_000));
    for secret in [
        String::new(),
        "hunter2".into(),
        "ya29.a0AfH6SMB-opaque.and-more".into(),
        "ghp_0123456789abcdefghijklmnopqrstuvwxyz".into(),
        "..".into(),
        "a.b.c".into(),
        "e30.e30.".into(),
        "W10.WzE4MDAwMDAwMDBd.".into(),
        claims("0"),
        claims("-1800000000"),
        claims("1e18"),
        claims("1e308"),
        claims("1e309"),
        claims("253402300800"),
        claims("1800000000000"),
        claims("99999999999999999999999999999999999999"),
        claims("null"),
        claims("true"),
        claims("\"1800000000\""),
        claims("[1800000000]"),
        claims("1800000000,\"exp\":1"),
        claims(&deep),
        format!("{}.x", claims("1800000000")),
        format!("{}é", claims("1800000000")),
        jwt_of("{\"exp\":1800000000"),
        ecr_of("-5"),
        ecr_of("1e18"),
        ecr_of("{}"),
        jwt_of(&format!(r#"{{"pad":"{}","exp":1800000000}}"#, "x".repeat(LENGTH_LIMIT))),
    ] {
        for user in ["AWS", "ann", ACR_USER] {
            assert_eq!(read(user, &secret), None, "{user} {}", &secret[..secret.len().min(200)]);
        }
    }
    assert_eq!(read("ann", &jwt_of("{\"exp\":1,\"x\":\"\\ud800\"}")).map(|found| found.2), Some(1));
}

/// Numbers that are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % sides
    }
}

#[test]
fn no_mutilated_token_breaks_the_reader_or_ends_beyond_the_calendar() {
    let whole = [
        jwt_of(&format!(r#"{{"exp":{ENDS}.5,"iat":{},"nbf":1,"aud":["a",{{"b":null}}]}}"#, ENDS - DAY)),
        ecr_of("1800000000"),
    ];
    let alphabet: Vec<char> = "AZaz09+/=_-. \n\0é{".chars().collect();
    let (mut dice, mut read_anyway) = (Dice(4_711), 0);
    for round in 0..20_000 {
        let mut token: Vec<char> = whole[round % 2].chars().collect();
        for _ in 0..=dice.roll(4) {
            // Never empty, so that there is always something to mutilate.
            let at = dice.roll(token.len());
            match dice.roll(4) {
                0 => token[at] = alphabet[dice.roll(alphabet.len())],
                1 if token.len() > 1 => drop(token.remove(at)),
                2 => token.insert(at, alphabet[dice.roll(alphabet.len())]),
                _ => token.truncate(at.max(1)),
            }
        }
        let token = Secret::new(token.into_iter().collect::<String>());
        for user in ["AWS", ACR_USER, ""] {
            if let Some(found) = of_login(user, &token) {
                read_anyway += 1;
                assert!(found.begins.is_none_or(|begins| begins < found.ends) && found.ends.as_second() > 0);
                let _ = found.words(Timestamp::MIN) + &found.words(Timestamp::MAX);
            }
        }
    }
    assert!(read_anyway > 100, "only {read_anyway} were still tokens: the mutilation is too hard to show anything");
}
