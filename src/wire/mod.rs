//! The protocol in one page. Floor 0: bytes and strings; no HTTP library, no I/O, no clock.
//!
//! gRPC is a way to use HTTP/2. A call is one stream, and this goes over it:
//!
//! ```text
//! caller → server
//!   HEADERS                                      what is called, and for how long
//!     :method: POST
//!     :scheme: http
//!     :path: /helloworld.Greeter/SayHello          path.rs
//!     :authority: localhost:50051
//!     grpc-timeout: 1S                             timeout.rs
//!     te: trailers
//!     content-type: application/grpc               content_type.rs
//!     grpc-accept-encoding: gzip,identity          content_coding.rs
//!     user-agent: grpc-rust-temaki/0.1.0           user_agent.rs
//!     trace-bin: AAEC                              base64.rs
//!   DATA … END_STREAM                            any number of messages
//!     00 00000004 0a02426f                         length_prefixed.rs
//!
//! server → caller
//!   HEADERS                                      "I am gRPC", and metadata
//!     :status: 200
//!     content-type: application/grpc               content_type.rs
//!     grpc-encoding: gzip                          content_coding.rs
//!   DATA …                                       any number of messages
//!     01 00000017 1f8b0800…                        length_prefixed.rs
//!   HEADERS END_STREAM                           the trailers: how it ended
//!     grpc-status: 5                               code.rs
//!     grpc-message: no user "J%C3%B8rn"            percent.rs
//!
//! instead of all or the rest of that
//!   :status: 503, or RST_STREAM CANCEL           mapping.rs
//! ```
//!
//! That is all: messages each way, five bytes before each, and a status at the end. Unary,
//! streaming one way and streaming both ways are the same bytes; they differ in how many messages
//! either side promises.
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
//! Nothing here panics, whatever the bytes: they come from the network. Nothing here decides what
//! an error *does* to a call either; it says what was found and what was expected.
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

/// Says "trailers": a proxy that would drop them must not pass this header on.
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
/// The message type's name. In the grammar, sent by hardly anybody, and not by us.
pub const GRPC_MESSAGE_TYPE: &str = "grpc-message-type";
/// How the call ended, in the trailers; see [`code`].
pub const GRPC_STATUS: &str = "grpc-status";
/// Why, for people; see [`percent`].
pub const GRPC_MESSAGE: &str = "grpc-message";
/// Why, for programs: a `google.rpc.Status` in [`base64`].
pub const GRPC_STATUS_DETAILS_BIN: &str = "grpc-status-details-bin";
/// How often this call was tried before (gRFC A6). Reserved, yet the application may see it.
pub const GRPC_PREVIOUS_RPC_ATTEMPTS: &str = "grpc-previous-rpc-attempts";
/// The server's wish when to try again, in milliseconds, or not (gRFC A6). Reserved, yet the
/// application may set it.
pub const GRPC_RETRY_PUSHBACK_MS: &str = "grpc-retry-pushback-ms";
/// What begins the names that are the protocol's own.
pub const GRPC_PREFIX: &str = "grpc-";
/// What ends the names whose values are [`base64`].
pub const BIN_SUFFIX: &str = "-bin";
