//! TLS at both ends, with certificates that are made when the tests begin.
//!
//! `cargo test --features _certs --test tls`

#[path = "../support/mod.rs"]
mod support;

mod calls;
mod errors;
mod kit;
mod mutual;
mod raw;
mod reload;
