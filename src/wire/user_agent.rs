//! `user-agent`: which library is speaking.
//!
//! ```text
//! User-Agent → "grpc-" Language ?("-" Variant) "/" Version        grpc-rust-temaki/0.1.0
//! ```
//!
//! Spec: [User Agents](https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#user-agents).

//= GRPC-UA  grpc-<language>-<variant>/<version>
/// What this library says of itself.
pub const USER_AGENT: &str = concat!("grpc-rust-temaki/", env!("CARGO_PKG_VERSION"));

/// The value with an application's own name before the library's: `my-app/2.1 grpc-rust-temaki/0.1.0`.
pub fn with_application(application: &str) -> String {
    match application.trim() {
        "" => USER_AGENT.to_owned(),
        name => format!("{name} {USER_AGENT}"),
    }
}
