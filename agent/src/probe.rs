//! The network: what a pull would meet on its way, host by host and stage by stage.
//!
//! Stages do not call each other; the order is known to [`network`] (the way to a host),
//! [`endpoint`] and [`image`] (the two ladders).

pub mod challenge;
pub mod connection;
pub mod dns;
pub mod endpoint;
pub mod errno;
pub mod gojson;
pub mod gotime;
pub mod headers;
pub mod http;
pub mod image;
pub mod named;
pub mod needs;
pub mod network;
pub mod proxy;
pub mod ratelimit;
pub mod raw;
pub mod requests;
pub mod session;
pub mod status;
pub mod step;
pub mod tcp;
pub mod tls;
pub mod token;
pub mod usage;
