//! What does a call get from its connection?
//!
//! The request with its two handles of `h2`, and what all calls of the connection share. This file holds data only.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use h2::RecvStream;
use h2::server::SendResponse;

use super::answers::Answers;
use super::resets::Resets;
use crate::call::meter::Meter;
use crate::compression::codings::Enabled;
use crate::conn::counter::Counter;
use crate::conn::unread::Unread;
use crate::connect_info::ConnectInfo;

/// A request as the connection hands it over.
pub(crate) struct Incoming {
    pub(crate) request: http::Request<RecvStream>,
    pub(crate) respond: SendResponse<Bytes>,
}

/// What all calls of one connection share.
pub(crate) struct CallContext {
    pub(crate) connection: Arc<ConnectInfo>,
    /// The server's own limit on the time of a call; the caller's may be shorter.
    pub(crate) timeout: Option<Duration>,
    /// How long a call may wait for a caller that takes nothing.
    pub(crate) stall_timeout: Duration,
    /// Calls that were reset before they were answered.
    pub(crate) resets: Arc<Resets>,
    /// What lies unread on the connection.
    pub(crate) unread: Arc<Unread>,
    /// Those who read a stream of requests, in their handlers or after them.
    pub(crate) readers: Arc<Counter>,
    /// What became of the calls that ended in a drain.
    pub(crate) answers: Arc<Answers>,
    /// What the server reads and writes, beside what its services do.
    pub(crate) compression: Enabled,
    /// Counts the bytes of a call that somebody watches; such a call has a context of its own.
    pub(crate) meter: Option<Arc<Meter>>,
}

impl CallContext {
    /// The same, for one call that `meter` counts.
    pub(crate) fn with_meter(&self, meter: Arc<Meter>) -> Self {
        Self {
            connection: self.connection.clone(),
            resets: self.resets.clone(),
            unread: self.unread.clone(),
            readers: self.readers.clone(),
            answers: self.answers.clone(),
            compression: self.compression.clone(),
            meter: Some(meter),
            ..*self
        }
    }
}
