//! An image reference: one canonical form, which reads back as itself; errors that are short and plain.

use pullprobe::image::reference::{Reference, ReferenceError};
use pullprobe::image::target::Target;

pub fn holds(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    match Reference::parse(&text) {
        Ok(reference) => {
            let shown = reference.to_string();
            assert!(shown.is_ascii() && !shown.chars().any(char::is_control), "{shown:?}");
            assert_eq!(Reference::parse(&shown).as_ref(), Ok(&reference), "{text:?} is shown as {shown:?}");
            assert_eq!(format!("{}/{}", reference.domain, reference.repository), reference.name());
            assert!(shown.starts_with(&reference.name()) && shown.ends_with(reference.object()), "{shown:?}");
            assert!(reference.repository.len() <= 255 && !reference.domain.contains('/'), "{reference:?}");
            assert!(reference.digest().is_none_or(|digest| digest.contains(':')), "{reference:?}");
            for version in super::VERSIONS {
                reference.refused_by(version.parse().unwrap()).iter().for_each(check_error);
            }
        }
        Err(error) => check_error(&error),
    }
    match Target::parse(&text) {
        Ok(target @ Target::Registry(_)) => {
            assert_eq!(Target::parse(target.domain()).as_ref(), Ok(&target), "{text:?}");
        }
        Ok(Target::Image(image)) => assert_eq!(Reference::parse(&text), Ok(image)),
        Err(error) => check_error(&error),
    }
}

fn check_error(error: &ReferenceError) {
    let shown = error.to_string();
    assert!(shown.len() <= 1024 && !shown.chars().any(char::is_control), "{shown:?}");
    assert!(!error.reason.is_empty());
}
