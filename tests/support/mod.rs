//! A raw HTTP/2 peer, in whose tests a case reads as a conversation.
//!
//! ```ignore
//! let server = TestServer::start(Server::builder()).await;
//! let mut peer = server.peer().await;
//! peer.headers(1, END_HEADERS, &request("/test.Kit/Echo")).await;
//! peer.data(1, END_STREAM, &message(b"hello")).await;
//! peer.expect_headers(1).await;
//! assert_eq!(peer.expect_data(1).await, message(b"hello"));
//! assert_eq!(peer.expect_trailers(1).await.get("grpc-status"), Some("0"));
//! ```
//!
//! [`frame`] and [`hpack`] are the bytes; [`peer`] speaks and listens, as a client ([`Peer::client`]) or
//! as a server ([`RawServer`]); [`grpc`] knows what gRPC puts into those frames; [`server`] starts temaki's
//! server with services that a test can hold by their strings, over sockets, and [`pipes`] over
//! pipes in memory, where the clock can stand still; [`buffering`] is an IO that holds back what is not flushed, as TLS
//! does; [`apart`] is a server in a thread of its own with a neighbour beside an attack; [`process`] is for tests that count what a whole process holds.
//!
//! The kit shares no code with the library, so that one cannot hide the other's mistakes. Nothing here
//! sleeps: a test waits for an event, each wait has a time limit, and "nothing comes" is told by a PING
//! whose answer comes first ([`Peer::expect_nothing`]).

#![allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    reason = "each test program uses its own part of the kit"
)]

pub mod apart;
pub mod buffering;
pub mod coded;
pub mod faulty;
pub mod frame;
pub mod grpc;
pub mod hpack;
pub mod peer;
pub mod pipes;
#[cfg(unix)]
pub mod process;
pub mod server;
pub mod shapes;

use std::future::Future;
use std::time::Duration;

pub use buffering::Buffering;
pub use frame::*;
pub use grpc::*;
pub use peer::{Fields, Peer, RawServer};
pub use pipes::Pipes;
pub use server::{Probe, TestServer};

/// How long any wait may take before the test fails: far beyond what a slow machine needs.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Waits for `work`, but not for ever.
pub async fn soon<F: Future>(what: &str, work: F) -> F::Output {
    match tokio::time::timeout(PATIENCE, work).await {
        Ok(output) => output,
        Err(_) => panic!("waited {PATIENCE:?} in vain for {what}"),
    }
}
