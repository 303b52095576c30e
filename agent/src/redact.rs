//! What may be shown: secrets, which nothing can print, and the words of others, made safe.

pub mod clean;
pub mod clip;
pub mod output;
pub mod redactor;
pub mod secret;
pub mod urls;
