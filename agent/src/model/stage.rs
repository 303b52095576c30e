//! The stages of a pull, as a closed and ordered set.

use std::fmt;

/// One stage of a pull. `as_str` is the value of every `stage` label and field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// The node's files: containerd's configuration, the reference, the credential files.
    Config,
    Dns,
    Tcp,
    /// CONNECT through the proxy that containerd's environment names.
    Proxy,
    Tls,
    /// `GET /v2/` and the challenge it answers with.
    Ping,
    Token,
    Manifest,
    Platform,
    Blob,
    /// The node itself: disk, clock, containerd.
    Node,
}

impl Stage {
    pub const ALL: [Self; 11] = [
        Self::Config,
        Self::Dns,
        Self::Tcp,
        Self::Proxy,
        Self::Tls,
        Self::Ping,
        Self::Token,
        Self::Manifest,
        Self::Platform,
        Self::Blob,
        Self::Node,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Dns => "dns",
            Self::Tcp => "tcp",
            Self::Proxy => "proxy",
            Self::Tls => "tls",
            Self::Ping => "ping",
            Self::Token => "token",
            Self::Manifest => "manifest",
            Self::Platform => "platform",
            Self::Blob => "blob",
            Self::Node => "node",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
