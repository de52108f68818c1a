//! FLOOR 3. The calling endpoint.
//!
//! [`Endpoint`] holds the knobs; `target` says where to; `subchannel` keeps a connection to it, by
//! way of `attempts`, `connect`, `connection` and `backoff`; `call` is the life of one RPC, `foreign` what
//! is made of an answer that is no gRPC, `pump` the task that sends a call's requests, and `retry` whether it may
//! have another; `held` is a call as a conversation, and
//! `opening` how that begins. [`Channel`] is what people hold, and `calls` what generated
//! clients stand on. Never sees the server's side.

mod attempts;
mod backoff;
mod call;
mod calls;
mod channel;
mod connect;
mod connection;
mod connectivity;
mod endpoint;
mod foreign;
mod held;
mod opening;
mod pump;
mod retry;
mod subchannel;
mod target;
mod tasks;

#[doc(hidden)]
pub use calls::Calls;
pub use channel::Channel;
pub use connect::Io;
pub use connectivity::ConnectivityState;
pub use endpoint::Endpoint;
pub use held::{Call, CallReceiver, CallSender};
