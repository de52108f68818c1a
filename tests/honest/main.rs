//! Honest peers at their worst: the mirror of `tests/hostile/`. For each guard, the peer without ill will that
//! comes closest to it, and is not cut: readers that lag, answers that come early, bursts of cancels, heartbeats, many
//! small messages, slow networks. Each file's header names the guard and how far its peer stays from it.
//!
//! A connection that dies takes its neighbours' calls along, so each test has a neighbour on the same connection, or
//! counts every call.

#[path = "../support/mod.rs"]
mod support;

mod cancels;
#[cfg(all(feature = "gzip", feature = "deflate", feature = "zstd"))]
mod compressible;
mod control_frames;
mod early_ends;
mod full_server;
mod reads_on;
mod slow_handshakes;
mod small_messages;
mod unread;

use temaki::Server;

use support::*;
