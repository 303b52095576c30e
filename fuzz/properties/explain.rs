//! A text that somebody pasted: what is repeated of it is bounded, steers no terminal, and is nobody's login.

use pullprobe::explain::{READINGS, read};

use super::MARKER;
use super::answer::check_text;

/// Ways in which a login stands in a log.
const LOGINS: [&str; 3] =
    ["Authorization: Bearer hunter2", "https://ann:hunter2@registry.example/v2/", "password=hunter2"];

pub fn holds(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let own = check(&text, !text.contains(MARKER));
    // The same words are found in what quotes them. Of a few words without a message around them quotes make too many.
    if text.len() > 64 && text.lines().count() == 1 && !text.contains(['\\', '"', '\'', '|', '>']) {
        let quoted = serde_json::to_string(&*text).unwrap();
        assert!(check(&quoted, !text.contains(MARKER)) || !own, "nothing is found in {quoted}");
    }
    if !text.contains(MARKER) {
        for login in LOGINS {
            check(&format!("{text} {login}"), true);
            check(&format!("failed to do request: Head {login} {text}: EOF"), true);
        }
    }
}

/// Whether it tells of a failure.
fn check(text: &str, knows_every_login: bool) -> bool {
    let found = read(text);
    assert!(found.readings.len() <= READINGS);
    for reading in &found.readings {
        let url = reading.url.as_deref().unwrap_or_default();
        assert!(!url.contains(['?', '#']) || url.contains("***"), "{url:?}");
        if knows_every_login {
            check_text(&reading.message, 600);
            for shown in [&reading.image, &reading.host, &reading.url].into_iter().flatten() {
                check_text(shown, 1 << 20);
            }
        }
    }
    !found.readings.is_empty()
}
