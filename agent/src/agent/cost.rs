//! What one probe sends, where everything answers: for `run --dry-run`, and for the fleet of the tests.
//!
//! It is told before anybody is asked. So what only an answer would tell is assumed at its most usual, and a test
//! holds it against a registry that counts.

use std::ops::AddAssign;

/// What goes to one host, its token service included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// To the registry itself.
    pub requests: u64,
    /// To the service that it sends clients to for a token.
    pub tokens: u64,
    /// Connections, each with a handshake where the host speaks TLS.
    pub connections: u64,
}

/// Of an image whose manifest was not read yet.
pub const LAYERS: u64 = 6;

impl Cost {
    /// `/v2/` is asked for, and a token to see whether one is given.
    pub const REGISTRY: Self = Self { requests: 1, tokens: 1, connections: 1 };
    /// HEAD is refused for want of a token and asked again, index and manifest are read, and config and layers are touched.
    pub const IMAGE: Self = Self { requests: 2 + 2 + 1 + LAYERS, tokens: 1, connections: 1 };
    /// As far as it goes where a registry counts what is read, and no counted pull is to be spent. Which registry does is not
    /// known before one has answered: a forecast takes none to do so, and says so.
    pub const HEAD_ONLY: Self = Self { requests: 2, tokens: 1, connections: 1 };
}

impl AddAssign for Cost {
    fn add_assign(&mut self, other: Self) {
        self.requests += other.requests;
        self.tokens += other.tokens;
        self.connections += other.connections;
    }
}
