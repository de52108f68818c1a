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

/// The value with an application's own name before the library's: `my-app/2.1
/// grpc-rust-temaki/0.1.0`.
pub fn with_application(application: &str) -> String {
    match application.trim() {
        "" => USER_AGENT.to_owned(),
        name => format!("{name} {USER_AGENT}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    //= GRPC-UA  type=test
    #[test]
    fn b44_language_variant_version_and_the_application_first() {
        let version = USER_AGENT.strip_prefix("grpc-rust-temaki/").unwrap();
        assert!(version.starts_with(|c: char| c.is_ascii_digit()));
        assert_eq!(
            with_application("my-app/2.1"),
            format!("my-app/2.1 {USER_AGENT}")
        );
        assert_eq!(with_application(" "), USER_AGENT, "no name, no space");
    }
}
