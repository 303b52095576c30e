//! Why Go does not verify a chain, in its words.

use jiff::Timestamp;

use crate::text::quote;

/// Why a chain does not verify.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    #[error("x509: unhandled critical extension")]
    UnhandledCriticalExtension,
    #[error("x509: issuer name does not match subject from issuing certificate")]
    IssuerMismatch,
    #[error("x509: certificate has expired or is not yet valid: current time {} is after {}", rfc3339(.now), rfc3339(.not_after))]
    Expired { now: Timestamp, not_after: Timestamp, subject: String },
    #[error("x509: certificate has expired or is not yet valid: current time {} is before {}", rfc3339(.now), rfc3339(.not_before))]
    NotYetValid { now: Timestamp, not_before: Timestamp, subject: String },
    #[error("{0}")]
    Name(String),
    #[error("x509: a root or intermediate certificate is not authorized to sign for this name: {0}")]
    NameConstraint(String),
    #[error("x509: certificate is not authorized to sign other certificates")]
    NotAuthority,
    #[error("x509: too many intermediates for path length constraint")]
    PathTooLong,
    #[error("x509: certificate specifies an incompatible key usage")]
    KeyUsage,
    #[error("x509: no valid chains built: {0}")]
    NoValidChains(String),
    /// Go may verify what pullprobe cannot.
    #[error("{0}")]
    BeyondUs(String),
    #[error("x509: signature check attempts limit reached while verifying certificate chain")]
    TooManyChecks,
    #[error("x509: certificate signed by unknown authority{0}")]
    UnknownAuthority(Hint),
}

/// A candidate authority that was refused. Go prints it behind the error.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hint(pub Option<(String, String)>);

impl std::fmt::Display for Hint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            Some((error, name)) => {
                write!(
                    f,
                    " (possibly because of {} while trying to verify candidate authority certificate {})",
                    quote(error),
                    quote(name)
                )
            }
            None => Ok(()),
        }
    }
}

/// Whole seconds in UTC: what Go prints on a node whose zone is UTC.
fn rfc3339(time: &Timestamp) -> String {
    Timestamp::from_second(time.as_second()).unwrap_or(*time).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_candidate_is_quoted_as_go_quotes() {
        let hint = Hint(Some(("x509: \"a\"".to_owned(), "Gr\u{fc}\u{df}e\u{1b}\u{202e}".to_owned())));
        let told = Invalid::UnknownAuthority(hint).to_string();
        assert!(told.contains(r#"because of "x509: \"a\"" while"#), "{told}");
        assert!(told.ends_with("certificate \"Gr\u{fc}\u{df}e\\x1b\\u202e\")"), "{told}");
    }
}
