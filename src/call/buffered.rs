//! What a call holds of messages that are not whole, where a server bounds that for all its calls together.

use std::sync::Arc;

use crate::conn::unread::{Buffered, Limit};
use crate::status::{Origin, Status};
use crate::wire::code::Code;

/// Bytes of messages that a decoder holds, counted with those of all other calls of the server.
#[derive(Debug)]
pub(crate) struct Held {
    buffered: Arc<Buffered>,
    bytes: usize,
}

impl Held {
    #[cfg(feature = "server")]
    pub(crate) fn new(buffered: Arc<Buffered>) -> Self {
        Self { buffered, bytes: 0 }
    }

    /// So many bytes came.
    pub(crate) fn add(&mut self, bytes: usize) -> Result<(), Status> {
        self.bytes += bytes;
        self.buffered.add(bytes).map_err(status_of_limit)
    }

    /// So many were handed on.
    pub(crate) fn sub(&mut self, bytes: usize) {
        self.bytes -= bytes;
        self.buffered.sub(bytes);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.buffered.sub(self.bytes);
    }
}

/// What a call is told that one of this side's limits ended.
#[cold]
pub(crate) fn status_of_limit(limit: Limit) -> Status {
    Status::library(
        Code::ResourceExhausted,
        limit.to_string(),
        Origin::LocalLimit,
    )
}
