//! The hosts of each registry: certs.d, hosts.toml, and the mirrors of config.toml.

pub mod certs_d;
pub mod hosts_toml;
pub mod pem;
pub mod registry;
pub mod tls_files;
