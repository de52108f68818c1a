//! What a server tells of itself: `tracing` events, with the feature `tracing`. Without it each of these
//! functions is empty, and its arguments are borrowed and never made.

use super::call::Outcome;
use super::connection::Closed;
use crate::ConnectInfo;

#[cfg(feature = "tracing")]
mod told {
    use super::{Closed, ConnectInfo, Outcome};

    pub(super) fn connection_accepted(info: &ConnectInfo) {
        tracing::debug!(remote = ?info.remote_addr, "connection accepted");
    }

    pub(super) fn connection_closed(info: &ConnectInfo, closed: &Closed) {
        match closed {
            Closed::Done => tracing::debug!(remote = ?info.remote_addr, "connection closed"),
            other => {
                tracing::info!(remote = ?info.remote_addr, reason = ?other, "connection closed");
            }
        }
    }

    pub(super) fn listener_failed(error: &(dyn std::error::Error + 'static)) {
        tracing::warn!(error, "accepting failed; it is tried again");
    }

    pub(super) fn call_ended(path: &str, outcome: Outcome) {
        tracing::debug!(path, ?outcome, "call ended");
    }

    pub(super) fn draining() {
        tracing::info!("draining: no new calls; those in flight may end");
    }
}

/// A connection was accepted.
pub(crate) fn connection_accepted(info: &ConnectInfo) {
    #[cfg(feature = "tracing")]
    told::connection_accepted(info);
    let _ = info;
}

/// A connection is over.
pub(crate) fn connection_closed(info: &ConnectInfo, closed: &Closed) {
    #[cfg(feature = "tracing")]
    told::connection_closed(info, closed);
    let _ = (info, closed);
}

/// The listener could not give a connection.
pub(crate) fn listener_failed(error: &(dyn std::error::Error + 'static)) {
    #[cfg(feature = "tracing")]
    told::listener_failed(error);
    let _ = error;
}

/// A call is over.
pub(crate) fn call_ended(path: &str, outcome: Outcome) {
    #[cfg(feature = "tracing")]
    told::call_ended(path, outcome);
    let _ = (path, outcome);
}

/// The server was told to stop.
pub(crate) fn draining() {
    #[cfg(feature = "tracing")]
    told::draining();
}
