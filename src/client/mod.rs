//! FLOOR 3. The calling endpoint.
//!
//! How to call is in `guide::call`. Begin with [`Channel::connect`], or with the `connect` of a generated client; [`Endpoint`] has
//! the settings.
//!
//! The files, from the top down:
//!
//! | file | what is there |
//! |---|---|
//! | [`Endpoint`], `config`, `target`, `address` | what can be set, and where to |
//! | [`Channel`], `connecting`, `calling` | what clients hold, how it is made in one step, and its five kinds of call |
//! | [`Transport`], `calls` | what may stand in its place under a generated client; what all generated clients have in common |
//! | `call` | the life of one call, and its loop of attempts |
//! | `shapes`, `held`, `opening` | the kinds of call: four functions, and a call that is held |
//! | `outgoing`, `header_list`, `stage` | a request until its HEADERS leave, and where it was at its deadline |
//! | `pump`, `uploading` | who sends a stream of requests, and one large request |
//! | `asked`, `response`, `foreign` | a request that was sent; its response; a response that is not gRPC |
//! | `shown` | what interceptors see |
//! | `retry`, `within`, `doubt` | may it have another attempt; until when; what an expired call makes of its connection |
//! | `young` | how calls are given up that have only just begun |
//! | `picker` | which connection a call gets, and whether it waits for one |
//! | `places`, `admission`, `order` | is there a place on the connection; who waits for one, and in which order |
//! | `subchannel`, `backoff`, `tasks` | one address and the connection to it; waits between attempts; the runtime |
//! | `attempts`, `plan`, `addresses`, `race` | who connects, and in which order the addresses of a name are tried |
//! | `connect`, `dial`, `connection`, `reports` | a connection: how it is made, over what, its task, and what it tells |
//!
//! Never sees the server's side.

mod address;
mod addresses;
mod admission;
mod asked;
mod attempts;
mod backoff;
mod call;
mod calling;
mod calls;
mod channel;
mod coding;
mod config;
mod connect;
mod connecting;
mod connection;
mod connectivity;
pub(crate) mod dial;
mod doubt;
mod endpoint;
mod foreign;
mod header_list;
mod held;
mod opening;
mod order;
mod outgoing;
mod picker;
mod places;
mod plan;
mod pump;
mod race;
mod reports;
mod response;
mod retry;
pub(crate) mod secure;
mod shapes;
mod shown;
mod stage;
mod subchannel;
mod target;
mod tasks;
mod transport;
mod uploading;
mod within;
mod young;

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
