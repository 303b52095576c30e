//! Secrets go where they are meant to go, and nowhere else: no output, no log, no file, no other host.
//!
//! Each way in which a secret comes to pullprobe has a marker of its own ([`marker`]), and everything that
//! the program says about a world that holds them is searched for all of them ([`outputs`]).
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation is how a test fails")]

mod answers;
mod broken_files;
mod hosts;
mod marker;
mod node_files;
pub mod outputs;
mod providers;
mod typed;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pullprobe_lab::registry::{Authorization, Registry, Request};

use super::world::{Given, World};
use marker::{Marker, USER};

/// Two whose errors differ: the newer one takes the values out of queries.
const VERSIONS: [&str; 2] = ["1.7.0", "2.1.9"];

fn world(text: &str) -> World {
    World::start(toml::from_str::<Given>(text).unwrap_or_else(|error| panic!("{error}")))
}

/// Whether any request to a host held the secret, anywhere and in any shape.
fn said_by(world: &World, host: &str, marker: &Marker) -> bool {
    let holds = |request: &Request| {
        let decoded = match request.authorization() {
            Some(Authorization::Basic(user, password)) => {
                assert!(user == USER || !marker.shows_in(&password), "{user} is no user of ours");
                password
            }
            _ => String::new(),
        };
        let all = format!("{} {} {:?} {} {decoded}", request.path, request.query, request.headers, request.body);
        marker.shows_in(&all)
    };
    world.at(host).requests().iter().any(holds)
}

/// Of these hosts exactly those that the secret is meant for were told it.
#[track_caller]
fn assert_only(world: &World, marker: &Marker, hosts: &[&str], meant_for: &[&str]) {
    for host in hosts {
        assert_eq!(said_by(world, host, marker), meant_for.contains(host), "<{}> and {host}", marker.name);
    }
}

/// The bearer tokens that reached a registry.
fn tokens(registry: &Registry) -> Vec<Marker> {
    let token = |request: &Request| match request.authorization() {
        Some(Authorization::Bearer(token)) => Some(Marker::found("issued token", &token)),
        _ => None,
    };
    registry.requests().iter().filter_map(token).collect()
}

fn basic(user: &str, marker: &Marker) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{}", marker.text)))
}
