//! The attacks, by family. One that is new is an entry of the list of its family: a name, what is done, and the right
//! answer. `peer` is for registries, `node` for the files and servers of a node, `verb` for arguments and input,
//! `visitor` for the agent's port.

mod bodies;
mod challenges;
mod dns;
mod documents;
mod files;
mod heads;
mod hosts;
mod logins;
mod port;
mod proxies;
mod redirects;
mod sockets;
mod tls;
mod tokens;
mod words;

use std::io;
use std::sync::Arc;

use pullprobe_lab::ca::Authority;

use crate::attack::Attack;

/// All of them. Certificates are of this authority.
pub fn all(authority: &Arc<Authority>) -> io::Result<Vec<Attack>> {
    let families = [
        heads::attacks(),
        bodies::attacks(),
        redirects::attacks(),
        challenges::attacks(),
        tokens::attacks(),
        documents::attacks(),
        tls::attacks(authority)?,
        dns::attacks(),
        proxies::attacks(),
        files::attacks(),
        hosts::attacks(),
        logins::attacks(),
        sockets::attacks(),
        port::attacks(),
        words::attacks(),
    ];
    Ok(families.into_iter().flatten().collect())
}

/// A text for each number, one after the other.
fn each(numbers: std::ops::Range<usize>, text: impl Fn(usize) -> String) -> String {
    numbers.map(text).collect()
}
