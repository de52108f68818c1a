//! FLOOR 2. How are messages compressed, and decompressed without harm?
//!
//! | file | question |
//! |---|---|
//! | `codec.rs` | What does a coding of messages have to do? |
//! | `encoding.rs` | Which coding, and how hard does it try? |
//! | `gzip.rs`, `zlib.rs`, `zstd.rs` | The codings of this crate, each a feature |
//! | `codings.rs` | Which codings has one side enabled? |
//! | `contexts.rs` | Who owns the memory that compressing takes, between two messages? |
//! | `inflate.rs` | How large may a message become, and how long may that take? |
//! | `deflate.rs` | How is a message compressed on its way out, and when is it not? |
//!
//! Knows neither calls nor streams. A feature adds a coding and enables none.

pub(crate) mod codec;
pub(crate) mod codings;
mod contexts;
pub(crate) mod deflate;
pub(crate) mod encoding;
#[cfg(feature = "gzip")]
mod gzip;
pub(crate) mod inflate;
#[cfg(any(feature = "gzip", feature = "deflate"))]
mod zlib;
#[cfg(feature = "zstd")]
mod zstd;

#[cfg(test)]
mod tests;
