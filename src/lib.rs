//! gRPC rolled by hand, directly on `h2`: a server, a client, and code generation.
//!
//! # How to do a thing
//!
//! | to | read | begins at |
//! |---|---|---|
//! | call a server | [`guide::call`] | [`Channel`], or a generated client's `connect` |
//! | serve | [`guide::serve`] | [`Server`] |
//! | send and read streams | [`guide::stream`] | [`ResponseStream`], [`Streaming`], [`Call`] |
//! | report failures, and find their cause | [`guide::errors`] | [`Status`] |
//! | limit the time of a call, cancel it | [`guide::deadlines`] | [`Request::set_timeout`] |
//! | send and read metadata, intercept calls | [`guide::metadata`] | [`metadata`], [`interceptor`] |
//! | compress messages | [`guide::compression`] | [`codec::CompressionEncoding`] |
//! | stop without losing a call | [`guide::stopping`] | [`Server::serve_with_shutdown`] |
//! | serve and call in TLS | [`guide::tls`] | `temaki::tls` (features `tls`, `tls-ring`) |
//! | test with a mock, or in memory | [`guide::testing`] | |
//! | generate code from a `.proto` file | [`guide`] | `temaki::codegen` (feature `codegen`) |
//!
//! This crate is gRPC on a port and nothing else: messages with five bytes before each, on HTTP/2 streams, with a status in the
//! trailers; deadlines, cancellation, flow control and limits; and generated code that makes a call look like a function. It has no
//! layers to stack, no body trait and no HTTP router. README lists what it cannot do.
//!
//! The rest of this page is the map of the source, for people who want to know how it works.
//!
//! # Floors
//!
//! ```text
//!  floor 4  extras      health                                                      each a feature, each deletable
//!  floor 3  endpoints   server/ ───┐   ┌─── client/                                 tokio tasks, sockets, time
//!  floor 2  calls       call/  conn/  compression/                                  h2 streams, flow control
//!  floor 1  meaning     head  trailers  status  metadata/  request  response  …     pure: types of `http`
//!  floor 0  wire        wire/                                                       pure: bytes and strings
//!  ─────────────────────────────────────────────────────────────────────────────────────────────────────
//!  beside   codegen/    runs when a crate is built; knows no floor
//! ```
//!
//! A file uses its own floor and those below, never one above; `server/` and `client/` never see
//! each other. Time enters floors 0 and 1 only as an argument. `tests/documents/floors.rs` holds all of it.
//!
//! # The life of a call, in eleven stops
//!
//! The order in which to read the source. Each stop answers one question and can be read alone. Paths begin in `src/`, but for
//! the first.
//!
//! | | file | question |
//! |---|---|---|
//! | 1 | `examples/bare_client.rs` | What is a call, written with `h2` and floor 0 alone? |
//! | 2 | `wire/mod.rs` | What is gRPC on the wire, in one page? |
//! | 3 | `wire/length_prefixed.rs` | Where does one message end? (Not at a DATA frame.) |
//! | 4 | `wire/code.rs`, `wire/mapping.rs` | How can a call end, and which side decides the code? |
//! | 5 | `head.rs` | What does a request say before its first message? |
//! | 6 | `trailers.rs` | Why is the status at the end, and what is Trailers-Only? |
//! | 7 | `call/writer.rs`, `call/reader.rs`, `call/send.rs` | How do messages become DATA, how does DATA become messages, and what makes a fast sender wait? |
//! | 8 | `server/connection.rs`, `server/router.rs` | How does a request get from the socket to its handler? |
//! | 9 | `server/call.rs`, `server/begin.rs`, `server/request.rs`, `server/reply.rs`, `server/watch.rs`, `server/end.rs` | What is the life of one call, at the server? |
//! | 10 | `client/call.rs`, `client/outgoing.rs`, `client/shapes.rs`, `client/response.rs`, `client/retry.rs`, `client/within.rs` | What is the life of one call, at the client? What ends a wait at the deadline, and may a call have another attempt? |
//! | 11 | `server/drain.rs` | How do both sides stop without losing a call? |
//!
//! Files for other questions:
//!
//! | file | question |
//! |---|---|
//! | `wire/timeout.rs`, `wire/percent.rs`, `wire/base64.rs` | How do numbers, text and bytes survive in header values? |
//! | `conn/io.rs` | When do bytes leave? |
//! | `client/picker.rs`, `client/subchannel.rs`, `client/backoff.rs` | Which connection does a call get, and what happens when the server dies? |
//! | `client/order.rs`, `client/admission.rs` | What happens when a client has more calls than its server takes? |
//! | `compression/mod.rs`, `tls/mod.rs` | How are messages compressed, and connections encrypted? |
//! | `server/builder.rs`, `client/endpoint.rs` | Which settings are there? |
//! | `codegen/mod.rs` | How does a `.proto` file become Rust? |
//!
//! `SPEC.md` finds the lines that meet each demand of gRPC's documents. `DESIGN.md` says why things are as they are.
//!
//! # Features
//!
//! | feature | default | what |
//! |---|---|---|
//! | `server` | yes | [`Server`] and [`mod@server`] |
//! | `client` | yes | [`Channel`] and [`mod@client`] |
//! | `codegen` | no | `temaki::codegen`, for build scripts |
//! | `health` | no | `temaki::health`: the health protocol, with a reporter to say how things are |
//! | `tls` | no | `temaki::tls`: TLS on both ends, by your own `rustls` configuration or crypto provider |
//! | `tls-ring`, `tls-aws-lc` | no | a crypto provider for `ServerTlsConfig` and `ClientTlsConfig`; both need a C compiler |
//! | `tls-native-roots`, `tls-webpki-roots` | no | the roots that the system, or Mozilla, trusts |
//! | `tracing` | no | `tracing` events of the server: connections, calls, drain |
//! | `gzip`, `deflate`, `zstd` | no | [`codec::CompressionEncoding`]: codings of messages, each to be enabled with `accept_compressed` and `send_compressed` |
//!
//! A feature adds names. It never changes what the others do.

#![cfg_attr(docsrs, feature(doc_cfg))]
// What the network says is answered, never unwrapped.
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::unreachable,
        clippy::todo
    )
)]
#![cfg_attr(
    not(all(feature = "server", feature = "client")),
    allow(
        dead_code,
        reason = "floors 1 and 2 serve endpoints that this build leaves out"
    )
)]

// beside the floors: runs at build time
#[cfg(feature = "codegen")]
pub mod codegen;

// beside the floors: pages of documentation, without code
#[cfg(all(any(doc, doctest), feature = "server", feature = "client"))]
pub mod guide;

// floor 0
pub mod wire;

// floor 1
mod connect_info;
#[cfg(any(feature = "server", feature = "client"))]
mod deadline;
#[cfg(any(feature = "server", feature = "client"))]
mod error;
#[cfg(any(feature = "server", feature = "client"))]
mod head;
mod header_map;
pub mod interceptor;
pub mod metadata;
mod request;
mod response;
mod status;
#[cfg(any(feature = "server", feature = "client"))]
mod trailers;

// floor 2
#[cfg(any(feature = "server", feature = "client"))]
mod call;
#[cfg(any(feature = "server", feature = "client"))]
mod compression;
#[cfg(any(feature = "server", feature = "client"))]
mod conn;

// floor 3
#[cfg(feature = "client")]
pub mod client;
#[cfg(feature = "server")]
pub mod server;

// floor 4
#[cfg(feature = "health")]
mod generated;
#[cfg(feature = "health")]
pub mod health;
#[cfg(all(feature = "tls", any(feature = "server", feature = "client")))]
#[cfg_attr(docsrs, doc(cfg(feature = "tls")))]
pub mod tls;

// the roof: other names for what is below
#[cfg(any(feature = "server", feature = "client"))]
pub mod transport;

pub use connect_info::{ConnectInfo, Connected, UnixPeer};
pub use http::Extensions;
pub use interceptor::{AsyncInterceptor, Interceptor};
pub use request::{IntoRequest, IntoStreamingRequest, Request};
pub use response::Response;
pub use status::{Origin, Status};
pub use wire::code::Code;

#[cfg(any(feature = "server", feature = "client"))]
pub use call::{
    codec,
    response_stream::{ResponseSink, ResponseStream},
    streaming::Streaming,
};
#[cfg(feature = "client")]
pub use client::{Call, Channel, Endpoint};
#[cfg(any(feature = "server", feature = "client"))]
pub use error::{Error, ErrorKind};
#[cfg(feature = "server")]
pub use server::Server;

/// What handlers and calls return: a value, or the [`Status`] that the call ended with.
pub type Result<T, E = Status> = std::result::Result<T, E>;

/// tonic's path of [`Interceptor`].
pub mod service {
    pub use crate::interceptor::{AsyncInterceptor, Interceptor};
}

// Generated code names this crate `::temaki`, also where it is checked in within it.
extern crate self as temaki;

/// The trait of asynchronous streams, of `futures-core`: what a request stream is.
#[doc(no_inline)]
pub use futures_core::Stream;
/// The prost that generated messages derive from, so that a program need not name it in its Cargo.toml.
#[doc(no_inline)]
pub use prost;
/// The well-known types (`Timestamp` …) of generated messages.
#[doc(no_inline)]
pub use prost_types;

/// The server's side of generated code: there if this crate has it. Lints of the crate around it stop here.
#[cfg(feature = "server")]
#[doc(hidden)]
#[macro_export]
macro_rules! __if_server {
    ($($item:item)*) => {$(
        #[allow(dead_code, clippy::all, clippy::pedantic, clippy::nursery, clippy::restriction, reason = "generated")]
        $item
    )*};
}

/// The server's side of generated code, of which there is nothing without the feature `server`.
#[cfg(not(feature = "server"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __if_server {
    ($($item:item)*) => {};
}

/// The client's side of generated code: there if this crate has it. Lints of the crate around it stop here.
#[cfg(feature = "client")]
#[doc(hidden)]
#[macro_export]
macro_rules! __if_client {
    ($($item:item)*) => {$(
        #[allow(dead_code, clippy::all, clippy::pedantic, clippy::nursery, clippy::restriction, reason = "generated")]
        $item
    )*};
}

/// The client's side of generated code, of which there is nothing without the feature `client`.
#[cfg(not(feature = "client"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __if_client {
    ($($item:item)*) => {};
}

/// What `fuzz/` reaches beyond the interface: how heads and trailers are read.
#[cfg(all(fuzzing, feature = "server", feature = "client"))]
#[doc(hidden)]
#[allow(missing_docs, reason = "there in no build but a fuzzer's")]
pub mod __fuzz {
    use http::{HeaderMap, Method, StatusCode};

    use crate::head::{self, ResponseHead};
    use crate::metadata::MetadataMap;
    use crate::status::Status;
    use crate::trailers;

    pub fn read_request(method: &Method, headers: &HeaderMap) {
        let _ = head::read_request(method, headers);
    }

    pub fn read_response(
        status: StatusCode,
        headers: HeaderMap,
        is_end: bool,
    ) -> Result<(), Status> {
        match head::read_response(status, headers, is_end) {
            ResponseHead::Open(_) | ResponseHead::Coded(_) => Ok(()),
            ResponseHead::Over(end) => end.map(drop),
            ResponseHead::Foreign(status) => Err(status),
        }
    }

    pub fn read_trailers(headers: HeaderMap) -> Result<MetadataMap, Status> {
        trailers::read_end(Some(headers))
    }

    /// The message that `payload` holds, if it is one and no longer than `max_len` bytes.
    #[cfg(any(feature = "gzip", feature = "deflate", feature = "zstd"))]
    pub fn inflate(
        encoding: crate::codec::CompressionEncoding,
        payload: &[u8],
        max_len: usize,
    ) -> Option<bytes::Bytes> {
        use crate::compression::inflate::{Inflating, inflate};
        let payload = bytes::Bytes::copy_from_slice(payload);
        let mut task = match inflate(&encoding.into(), payload, max_len).ok()? {
            Inflating::Whole(message) => return Some(message),
            Inflating::Long(task) => task,
        };
        let cx = &mut std::task::Context::from_waker(std::task::Waker::noop());
        loop {
            if let std::task::Poll::Ready(message) =
                std::future::Future::poll(std::pin::Pin::new(&mut task), cx)
            {
                return message.ok();
            }
        }
    }

    /// The payload that `message` becomes; `None` where that is not shorter.
    #[cfg(any(feature = "gzip", feature = "deflate", feature = "zstd"))]
    pub fn deflate(
        encoding: crate::codec::CompressionEncoding,
        message: &[u8],
    ) -> Option<bytes::Bytes> {
        let mut buf = bytes::BytesMut::from(message);
        let is_shorter = crate::compression::deflate::deflate(&encoding.into(), &mut buf, 0);
        is_shorter.ok()?.then(|| buf.freeze())
    }

    pub fn write_trailers(status: &Status) -> HeaderMap {
        trailers::write_status(status)
    }
}

/// Includes the code generated for a package: `temaki::include_proto!("helloworld")`.
///
/// The name is that of the `.proto` file's package, dots and all; `"_"` where the file has none. It
/// belongs into a module:
///
/// ```ignore
/// mod helloworld {
///     temaki::include_proto!("helloworld");
/// }
/// ```
///
/// It reads `OUT_DIR`, so the build script must be the same crate's and must not have set another
/// output directory; for one that has, `include!` the file.
#[macro_export]
macro_rules! include_proto {
    ($package:tt) => {
        include!(concat!(env!("OUT_DIR"), "/", $package, ".rs"));
    };
}

/// Includes the encoded descriptor set that the build script wrote to `OUT_DIR/NAME.bin`, as
/// `&[u8]`: `temaki::include_file_descriptor_set!("NAME")`.
#[macro_export]
macro_rules! include_file_descriptor_set {
    ($name:tt) => {
        include_bytes!(concat!(env!("OUT_DIR"), "/", $name, ".bin"))
    };
}

#[cfg(all(doctest, feature = "server", feature = "client"))]
#[doc = include_str!("../README.md")]
struct Readme;

#[cfg(all(doctest, feature = "server", feature = "client"))]
#[doc = include_str!("../COMPARE.md")]
struct Compare;
