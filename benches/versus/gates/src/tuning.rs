//! HTTP/2 settings of the raw ends, the same numbers on both sides.
//!
//! Those of a stack that has been tuned (1 MiB a stream, 4 MiB a connection, finite everything else), not h2's defaults: windows of 65,535 bytes would measure
//! WINDOW_UPDATE traffic instead of calls.

/// Bytes a stream may have on the way.
pub const STREAM_WINDOW: u32 = 1 << 20;
/// Bytes a connection may have on the way.
pub const CONNECTION_WINDOW: u32 = 4 << 20;
/// Streams a connection may have open; more than any program keeps in flight.
pub const STREAMS: u32 = 1024;
/// Bytes of a request's or answer's headers.
pub const HEADER_LIST: u32 = 16 << 10;
/// Bytes that h2 keeps for a stream before it says that the stream has no capacity.
pub const SEND_BUFFER: usize = 1 << 20;
