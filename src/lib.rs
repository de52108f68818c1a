//! gRPC rolled by hand, directly on `h2`.

#![cfg_attr(docsrs, feature(doc_cfg))]
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
mod conn;

// floor 3
#[cfg(feature = "client")]
pub mod client;
#[cfg(feature = "server")]
pub mod server;

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

// Generated code names this crate `::temaki`, also where it is checked in within it.
extern crate self as temaki;

/// What generated code stands on, so that its user has one crate to name. No part of the interface.
#[doc(hidden)]
pub mod __private {
    pub use bytes;
    pub use futures_core::Stream;
    pub use http;
    pub use prost;
    pub use prost_types;
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
