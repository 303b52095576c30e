//! The attacks, by family. One that is new is an entry of the list of its family: a name, what is done, and the right
//! answer. `peer` is for registries, `node` for the files and servers of a node, `verb` for arguments and input,
//! `visitor` for the agent's port.

mod bodies;
mod challenges;
mod dns;
mod documents;
mod files;
mod handshakes;
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

use crate::attack::{Attack, How};
use crate::peer::Spec;

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
        handshakes::attacks(),
        words::attacks(),
    ];
    Ok(families.into_iter().flatten().collect())
}

/// Families whose attacks are tried behind a handshake, too.
const OVER_TLS: [&str; 6] = ["heads", "bodies", "redirects", "challenges", "tokens", "documents"];
/// Of these one in so many is in the quick part.
const QUICK: usize = 12;

/// The same registries, which speak TLS. What is right of each is what is right without, unless `answers.txt` says otherwise.
pub fn over_tls(attacks: &[Attack], authority: &Authority) -> io::Result<Vec<Attack>> {
    let config = Arc::new(tls::good(authority)?);
    let behind = |attack: &Attack| match &attack.how {
        How::Peer(spec) if OVER_TLS.contains(&attack.family) && spec.tls.is_none() && spec.greeting.is_none() => {
            let spec = Spec { tls: Some(Arc::clone(&config)), ..Spec::clone(spec) };
            let name = format!("{}, over TLS", attack.name);
            let (expect, bounds, slow) = (attack.expect.clone(), attack.bounds, attack.slow);
            Some(Attack { family: attack.family, name, how: How::Peer(Box::new(spec)), expect, bounds, slow })
        }
        _ => None,
    };
    let mut all: Vec<Attack> = attacks.iter().filter_map(behind).collect();
    all.iter_mut().enumerate().for_each(|(nth, attack)| attack.slow |= nth % QUICK != 0);
    Ok(all)
}

/// A text for each number, one after the other.
fn each(numbers: std::ops::Range<usize>, text: impl Fn(usize) -> String) -> String {
    numbers.map(text).collect()
}
