//! TLS at both ends, with certificates that are made when the tests begin.
//!
//! `cargo test --features _certs --test tls`

#[path = "../support/mod.rs"]
mod support;

mod calls;
mod credentials;
mod errors;
mod hostile;
mod kit;
mod mutual;
mod providers;
mod raw;
mod reload;
mod silence;

#[global_allocator]
static HEAP: temaki_heap::Counting = temaki_heap::Counting;
