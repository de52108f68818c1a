//! gRPC rolled by hand, directly on `h2`.

pub mod wire;

#[allow(
    dead_code,
    reason = "parts serve an endpoint that a build may leave out"
)]
pub mod interceptor;
#[allow(
    dead_code,
    reason = "parts serve an endpoint that a build may leave out"
)]
pub mod metadata;

mod connect_info;
#[allow(
    dead_code,
    reason = "parts serve an endpoint that a build may leave out"
)]
mod request;
#[allow(
    dead_code,
    reason = "parts serve an endpoint that a build may leave out"
)]
mod response;
#[allow(
    dead_code,
    reason = "parts serve an endpoint that a build may leave out"
)]
mod status;

pub use connect_info::{ConnectInfo, Connected, UnixPeer};
pub use http::Extensions;
pub use interceptor::{AsyncInterceptor, Interceptor};
pub use request::{IntoRequest, IntoStreamingRequest, Request};
pub use response::Response;
pub use status::{Origin, Status};
pub use wire::code::Code;
