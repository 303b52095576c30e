//! TOML as go-toml 1 of containerd 1.x reads it: less than the language's later additions, much that the language
//! forbids, and in its own words where it refuses.

mod keys;
mod lexer;
mod literals;
mod parser;
mod token;
mod tree;
mod values;

#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use parser::Why;

use super::Table;
use crate::place::SourceLocation;

/// Why a file is not read, and where.
pub struct Refusal {
    pub place: SourceLocation,
    pub why: Why,
}

pub fn read(text: &str, file: &Arc<str>) -> Result<Table, Refusal> {
    let tree = parser::read(lexer::tokens(text), file).map_err(|refusal| {
        let place = SourceLocation::new(Arc::clone(file), refusal.at.position());
        Refusal { place, why: refusal.why }
    })?;
    Ok(tree.into_table(file))
}
