//! A refusal, whoever sends it: one cause, with words that are bounded and repeat no password.

use jiff::Timestamp;
use pullprobe::model::outcome::Failure;
use pullprobe::model::stage::Stage;
use pullprobe::redact::secret::Secret;
use pullprobe::refusal::evidence::Party;
use pullprobe::refusal::{self, Errors, ratelimit};
use pullprobe::route::proxy;

use super::answer::{check_failure, check_text, read};

const ABOUT: &str = "registry.example/team/app";

pub fn holds(data: &[u8]) {
    let mut response = read(data);
    let errors = Errors::of(&response);
    check_text(&errors.text(), 512);
    check_text(&errors.lines(), usize::MAX);
    check_text(&refusal::behind(": ", &response, &errors), 520);
    check_text(&response.line(), 520);
    assert!(!errors.is_empty() || !errors.has_code(), "a code of no error");
    for by in [Party::Registry, Party::TokenService, Party::Storage] {
        let reading = refusal::read(&response, &errors, by, ABOUT);
        assert!(!reading.others.contains(&reading.cause), "{reading:?}");
        assert!(!reading.says_expired() || reading.is_by_words(), "{reading:?}");
        let failure = reading.tell(Failure::new(Stage::Manifest, reading.cause, response.line()));
        assert_eq!(failure.cause, reading.cause);
        check_failure(&failure);
        let limit = ratelimit::of(&response, Timestamp::UNIX_EPOCH, by, ABOUT);
        check_text(limit.source.as_deref().unwrap_or_default(), 512);
    }
    let secret = Secret::new(super::MARKER);
    let (_, note) = refusal::refused_login(&response, &errors, Some(("ann", &secret)));
    check_text(&note, 512);
    assert!(proxy::refusal(&response, &errors).is_none(), "no proxy was asked");
    response.passed_on_by = Some("proxy.example:3128".to_owned());
    proxy::refusal(&response, &errors).iter().for_each(check_failure);
}
