//! gRPC rolled by hand, directly on `h2`.

#![allow(
    dead_code,
    reason = "floor 1 serves endpoints that a build may leave out"
)]

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
