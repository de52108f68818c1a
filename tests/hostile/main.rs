//! Hostile peers: a museum of attacks, one a file. Each file's header says what the attack is, what it costs
//! a server that has no guard against it, and what guards this one: `h2` with our settings, or this crate.
//!
//! Two kinds of clock: real sockets with limits made short as options, or pipes in memory on tokio's paused
//! clock, where time can be asserted. Never both, for a paused clock runs past a socket.
//!
//! Where memory is measured, the server runs in a thread of its own ([`Apart::measured`]) and only what that thread
//! takes from the heap is counted; or in a process of its own (`child`), whose memory the system tells. Such tests
//! run one at a time ([`alone`]).
//!
//! Beside an attack over sockets a well-behaved caller has its calls answered, all of them ([`Neighbour`]).

#[path = "../support/mod.rs"]
mod support;

#[cfg(all(feature = "gzip", feature = "deflate", feature = "zstd"))]
mod bombs;
#[cfg(target_os = "linux")]
mod child;
mod continuation_flood;
mod control_floods;
mod deadlines;
mod empty_data;
mod exhaustion;
mod giant_prefix;
mod half_frames;
mod header_bomb;
mod leaks;
mod log_injection;
mod made_you_reset;
mod malformed;
mod memory;
mod not_grpc;
mod panics;
mod paths;
mod ping_strikes;
mod rapid_reset;
mod silence;
mod slow_read;
mod tiny_data;
mod too_many_streams;
mod zero_window;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::uri::PathAndQuery;
use temaki::codec::BytesCodec;
use temaki::{Channel, Request, Server};

use support::apart::*;
use support::*;

#[global_allocator]
static HEAP: temaki_heap::Counting = temaki_heap::Counting;

const KIB: isize = 1024;
const MIB: isize = 1024 * KIB;
