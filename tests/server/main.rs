//! The server against odd peers: each row of the protocol checklist that concerns a server is a test named
//! after its number, and each is a conversation with a peer that speaks frames.

#[path = "../support/mod.rs"]
mod support;

mod drain;
mod endings;
mod fairness;
mod fences;
mod handshake;
mod interceptors;
mod keepalive;
mod knobs;
mod last_bytes;
mod listeners;
mod metadata;
mod observed;
mod requests;
mod responses;
mod shedding;
mod streams;
mod turns;
