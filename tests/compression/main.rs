//! Compressed messages: what either end takes and sends, beside a raw peer (`server.rs`, `client.rs`), what both ends do with each
//! other (`together.rs`), and what a server holds of messages that wait for their turn (`waiting.rs`).

#[path = "../support/mod.rs"]
mod support;

mod client;
mod server;
mod together;
mod waiting;

use bytes::Bytes;
use http::uri::PathAndQuery;
use temaki::codec::{BytesCodec, CompressionEncoding};
use temaki::{Channel, Code, Origin, Request, Response, Server, Status};

use support::coded::*;
use support::*;

const ECHO: &str = "/test.Kit/Echo";

/// A long message that compresses well.
fn long() -> Vec<u8> {
    (0..5000u32).flat_map(|n| (n / 100).to_le_bytes()).collect()
}
