//! gRPC rolled by hand, directly on `h2`.

#![allow(
    dead_code,
    reason = "floor 1 serves endpoints that a build may leave out"
)]

#[cfg(feature = "codegen")]
pub mod codegen;
pub mod interceptor;
pub mod metadata;
pub mod wire;

mod connect_info;
mod request;
mod response;
mod status;

pub use connect_info::{ConnectInfo, Connected, UnixPeer};
pub use http::Extensions;
pub use interceptor::{AsyncInterceptor, Interceptor};
pub use request::{IntoRequest, IntoStreamingRequest, Request};
pub use response::Response;
pub use status::{Origin, Status};
pub use wire::code::Code;

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
