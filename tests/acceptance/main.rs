//! Everything users see, asked for as users ask for it.

mod agent;
mod binary;
mod cli;
mod deploy;
mod exposition;
mod http;
mod judge;
mod layers;
mod scenario;
mod secrets;
mod world;
