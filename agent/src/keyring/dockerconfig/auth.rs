//! The `auth` of an entry: base64 of user, colon and password.

use zeroize::Zeroizing;

use crate::keyring::damage;
use crate::redact::secret::Secret;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Where Go's decoder stops, counted in bytes of the text.
    Base64(usize),
    Colon,
    /// Likewise, and what it holds is base64 of a user and a password.
    Twice,
}

impl Fault {
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Base64(_) => "its auth is not base64 (of the standard alphabet)",
            Self::Colon => "its auth has no colon between user and password",
            Self::Twice => "its auth is base64 twice, and so has no colon between user and password",
        }
    }

    /// kubelet's.
    pub fn words(self) -> String {
        match self {
            Self::Base64(at) => format!("illegal base64 data at input byte {at}"),
            Self::Colon | Self::Twice => {
                "unable to parse auth field, must be formatted as base64(username:password)".into()
            }
        }
    }
}

/// User and password. Text that ends in `=` must be padded, other text must not be.
pub fn decode(auth: &Secret) -> Result<(String, Secret), Fault> {
    let text = auth.expose();
    let bytes = bytes_of(text.as_bytes(), text.trim().ends_with('=')).map_err(Fault::Base64)?;
    let decoded = Secret::new(String::from_utf8_lossy(&bytes));
    let (user, password) = decoded.expose().split_once(':').ok_or_else(|| {
        let inner = damage::readable(decoded.expose().trim());
        if inner.is_some_and(|inner| inner.expose().contains(':')) { Fault::Twice } else { Fault::Colon }
    })?;
    Ok((user.to_owned(), Secret::new(password)))
}

/// What Go's decoder makes of it, or the place that it complains about: line ends are passed over and counted, the
/// bits behind the last byte are not looked at.
fn bytes_of(text: &[u8], padded: bool) -> Result<Zeroizing<Vec<u8>>, usize> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len() / 4 * 3 + 3));
    let (mut group, mut held) = (0_u32, 0);
    let mut letters = text.iter().enumerate().filter(|(_, c)| !b"\r\n".contains(c));
    while let Some((at, letter)) = letters.next() {
        if let Some(value) = value_of(*letter) {
            group = group << 6 | value;
            held += 1;
            if held == 4 {
                bytes.extend_from_slice(&group.to_be_bytes()[1..]);
                (group, held) = (0, 0);
            }
            continue;
        }
        if !padded || *letter != b'=' || held < 2 {
            return Err(at);
        }
        if held == 2 {
            match letters.next() {
                None => return Err(text.len()),
                Some((_, b'=')) => {}
                Some((next, _)) => return Err(next - 1),
            }
        }
        if let Some((behind, _)) = letters.next() {
            return Err(behind);
        }
        add_rest(&mut bytes, group, held);
        return Ok(bytes);
    }
    if held == 1 || (padded && held > 0) {
        return Err(text.len() - held);
    }
    add_rest(&mut bytes, group, held);
    Ok(bytes)
}

/// The whole bytes of a group that has `held` of its four letters.
fn add_rest(bytes: &mut Vec<u8>, group: u32, held: usize) {
    let whole = (group << (6 * (4 - held))).to_be_bytes();
    bytes.extend_from_slice(&whole[1..][..held.saturating_sub(1)]);
}

fn value_of(letter: u8) -> Option<u32> {
    let (first, offset) = match letter {
        b'A'..=b'Z' => (b'A', 0),
        b'a'..=b'z' => (b'a', 26),
        b'0'..=b'9' => (b'0', 52),
        b'+' => return Some(62),
        b'/' => return Some(63),
        _ => return None,
    };
    Some(u32::from(letter - first) + offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_go_complains_about_is_told_with_its_place() {
        for (text, fault) in [
            ("!", Fault::Base64(0)),
            ("YWJj!", Fault::Base64(4)),
            ("YWJj ", Fault::Base64(4)),
            // Too short for one byte, and unpadded where padding began.
            ("Y", Fault::Base64(0)),
            ("YWJjY", Fault::Base64(4)),
            ("YWJjYQ=", Fault::Base64(7)),
            ("YWJjYQ=\n", Fault::Base64(8)),
            ("YWJjYQ==\nx=", Fault::Base64(9)),
            ("=", Fault::Base64(0)),
            ("a=", Fault::Base64(1)),
            ("YWJj\nYQ=x=", Fault::Base64(7)),
            ("\nYWJj\r\n-w==", Fault::Base64(7)),
            ("bm9jb2xvbg==", Fault::Colon),
            ("WVc1dU9taDFiblJsY2pJPQ==", Fault::Twice),
        ] {
            let fault_of = decode(&Secret::new(text)).unwrap_err();
            assert_eq!(fault_of, fault, "{text:?}");
        }
    }

    #[test]
    fn line_ends_and_the_last_bits_do_not_count() {
        for text in ["dTpwdw==", "dTpwdw", "dTp\nwdw==", "dTpwdw=\r\n=", "dTpwdw==\n", "dTpwdx==", "dTpwdx"] {
            let (user, password) = decode(&Secret::new(text)).unwrap();
            assert_eq!((user.as_str(), password.expose()), ("u", "pw"), "{text:?}");
        }
    }
}
