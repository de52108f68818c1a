//! FLOOR 2. What stands between a socket and `h2`: batching of reads and writes, the settings both
//! ends announce, the socket's options, and the clock of a connection. Knows no gRPC.

pub(crate) mod alarm;
pub(crate) mod announced;
pub(crate) mod budget;
pub(crate) mod buffers;
pub(crate) mod chance;
pub(crate) mod counter;
mod early_ends;
pub(crate) mod frame;
pub(crate) mod frame_meter;
pub(crate) mod inbox;
pub(crate) mod io;
pub(crate) mod keepalive;
#[cfg(feature = "client")]
pub(crate) mod laps;
pub(crate) mod ledger;
#[cfg(feature = "server")]
pub(crate) mod ping_strikes;
pub(crate) mod settings;
pub(crate) mod socket;
pub(crate) mod unread;
pub(crate) mod verdict;
