//! What can be said of a channel's connection?
//!
//! Spec: gRPC's connectivity-semantics-and-api.md. How one state follows upon another, `subchannel` tells.

/// The state of a channel's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectivityState {
    /// There is no connection, and nobody needs one. A call will make one.
    Idle,
    /// The first attempt is under way. Calls wait for it.
    Connecting,
    /// Calls go through.
    Ready,
    /// The last attempt failed. Others are made, with pauses that grow, until one succeeds; meanwhile calls fail at
    /// once, unless they wait for ready.
    TransientFailure,
    /// The channel is closed.
    Shutdown,
}
