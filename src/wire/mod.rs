//! The protocol in one page. Floor 0: bytes and strings; no HTTP library, no I/O, no clock.
//!
//! gRPC is a way to use HTTP/2. A call is one stream, and this goes over it:
//!
//! ```text
//! client → server
//!   HEADERS                                      which method, and for how long
//!     :method: POST
//!     :scheme: http
//!     :path: /helloworld.Greeter/SayHello          path.rs
//!     :authority: localhost:50051
//!     grpc-timeout: 1S                             timeout.rs
//!     te: trailers
//!     content-type: application/grpc               content_type.rs
//!     user-agent: grpc-rust-temaki/0.1.0           user_agent.rs
//!     trace-bin: AAEC                              base64.rs
//!   DATA … END_STREAM                            any number of messages
//!     00 00000004 0a02426f                         length_prefixed.rs
//!
//! server → client
//!   HEADERS                                      "I speak gRPC", and metadata
//!     :status: 200
//!     content-type: application/grpc               content_type.rs
//!   DATA …                                       any number of messages
//!     00 0000000b 0a0948656c6c6f20426f21           length_prefixed.rs
//!   HEADERS END_STREAM                           the trailers: how the call ended
//!     grpc-status: 0                               code.rs
//!
//! instead, if the call fails before its first message
//!   HEADERS END_STREAM                           Trailers-Only: both blocks in one
//!     :status: 200
//!     grpc-status: 5                               code.rs
//!     grpc-message: no user J%C3%B8rn              percent.rs
//!     content-type: application/grpc               content_type.rs
//!
//! instead, if no gRPC server sent the end
//!   :status: 503, or RST_STREAM CANCEL           mapping.rs
//!
//! also, if messages are compressed
//!   grpc-encoding, grpc-accept-encoding          content_coding.rs
//! ```
//!
//! That is all of gRPC: messages in both directions, five bytes before each message, and a status at
//! the end. Unary calls and streaming calls are the same bytes; the number of messages differs.
//!
//! | production of the grammar | where |
//! |---|---|
//! | Path, Service-Name | [`path`] |
//! | Timeout, TimeoutValue, TimeoutUnit | [`timeout`] |
//! | Content-Type | [`content_type`] |
//! | Content-Coding, Message-Encoding, Message-Accept-Encoding | [`content_coding`] |
//! | User-Agent | [`user_agent`] |
//! | Binary-Header | [`base64`] |
//! | Length-Prefixed-Message: Compressed-Flag, Message-Length, Message | [`length_prefixed`] |
//! | Status | [`code`] |
//! | Status-Message, Percent-Encoded | [`percent`] |
//! | HTTP-Status, RST_STREAM, when there is no Status | [`mapping`] |
//! | Request-Headers, Call-Definition, Custom-Metadata; Response-Headers, Trailers-Only, Trailers | floor 1, whose types are HTTP's |
//!
//! Nothing here panics, whatever the bytes are: they come from the network. Nothing here decides what
//! an error *does* to a call. An error says what was found and what was expected.
//!
//! The whole grammar:
//! [PROTOCOL-HTTP2](https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md).

pub mod base64;
pub mod code;
pub mod content_coding;
pub mod content_type;
pub mod length_prefixed;
pub mod mapping;
pub mod path;
pub mod percent;
pub mod timeout;
pub mod user_agent;

/// The client accepts trailers. A proxy that drops trailers must not forward this header.
pub const TE: &str = "te";
/// The one value of [`TE`] that gRPC sends.
pub const TE_TRAILERS: &str = "trailers";
/// See [`content_type`].
pub const CONTENT_TYPE: &str = "content-type";
/// See [`user_agent`].
pub const USER_AGENT: &str = "user-agent";
/// See [`timeout`].
pub const GRPC_TIMEOUT: &str = "grpc-timeout";
/// The coding of this side's messages; see [`content_coding`].
pub const GRPC_ENCODING: &str = "grpc-encoding";
/// The codings that this side can read; see [`content_coding`].
pub const GRPC_ACCEPT_ENCODING: &str = "grpc-accept-encoding";
/// How the call ended, in the trailers; see [`code`].
pub const GRPC_STATUS: &str = "grpc-status";
/// Why the call ended, for people; see [`percent`].
pub const GRPC_MESSAGE: &str = "grpc-message";
/// Why the call ended, for programs: a `google.rpc.Status` in [`base64`].
pub const GRPC_STATUS_DETAILS_BIN: &str = "grpc-status-details-bin";
/// The number of earlier attempts of this call (gRFC A6). The application may read it, although its
/// name begins with [`GRPC_PREFIX`].
pub const GRPC_PREVIOUS_RPC_ATTEMPTS: &str = "grpc-previous-rpc-attempts";
/// When a client may try again, in milliseconds, or that it may not (gRFC A6). The server's
/// application may set it, although its name begins with [`GRPC_PREFIX`].
pub const GRPC_RETRY_PUSHBACK_MS: &str = "grpc-retry-pushback-ms";
/// The beginning of the names that are the protocol's own.
pub const GRPC_PREFIX: &str = "grpc-";
/// The end of the names whose values are [`base64`].
pub const BIN_SUFFIX: &str = "-bin";
