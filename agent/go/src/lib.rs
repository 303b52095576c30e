//! How Go reads and says things: what a program written in Go makes of bytes, and the words of its errors.
//!
//! It knows nothing of containerd, of registries, or of any other part of pullprobe. What differs between
//! releases of Go is in [`release`].

pub mod address;
pub mod address_order;
pub mod dialer;
pub mod errno;
pub mod glob;
pub mod http1;
pub mod json;
pub mod no_proxy;
pub mod place;
pub mod redirect;
pub mod release;
pub mod resolver_names;
pub mod text;
pub mod time;
pub mod toml;
pub mod url;
pub mod x509;
