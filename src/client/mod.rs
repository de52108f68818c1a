//! FLOOR 3. The calling endpoint.
//!
//! [`Endpoint`] holds the knobs; `target` says where to; `subchannel` keeps a connection to it, by
//! way of `attempts`, `addresses`, `race`, `connect`, `connection` and `backoff`; `tasks` knows in which runtime;
//! `call` is the life of one RPC: `admission` is when it may leave, in the `order` of the queue, `header_list` whether it may at all, `asked` how it is given up, `stage`
//! how far it came, `foreign` what is made of an answer that is no gRPC, `shown` what interceptors see of one,
//! `uploading` how one large request is sent, `pump` the task that sends a stream of them, and `retry` whether it may have another; `held` is a call as a
//! conversation, and `opening` how that begins; `doubt` is what an expired call thinks of its connection.
//! [`Channel`] is what people hold; [`Transport`] is what may stand in its place under a generated client, and `calls` what all
//! generated clients have in common. Never sees the server's side.

mod address;
mod addresses;
mod admission;
mod asked;
mod attempts;
mod backoff;
mod call;
mod calls;
mod channel;
mod config;
mod connect;
mod connection;
mod connectivity;
mod dial;
mod doubt;
mod endpoint;
mod foreign;
mod header_list;
mod held;
mod opening;
mod order;
mod pump;
mod race;
mod retry;
mod shown;
mod stage;
mod subchannel;
mod target;
mod tasks;
mod transport;
mod uploading;

pub use address::Address;
#[doc(hidden)]
pub use calls::unmocked;
pub use channel::Channel;
pub use connectivity::ConnectivityState;
pub use dial::Io;
pub use endpoint::Endpoint;
pub use held::{Call, CallReceiver, CallSender};
pub use http::uri::PathAndQuery;
pub use transport::Transport;
