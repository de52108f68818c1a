//! FLOOR 4. What the code generator made of `proto/`, checked in. See `build.rs` for how to make it
//! anew.

/// `proto/health.proto`.
#[cfg(feature = "health")]
pub mod health;
