//! FLOOR 3. The serving endpoint.
//!
//! [`Server`] (in `builder`) holds the options; `accept` takes connections; `connection` is the loop of one;
//! `router` and `method` find the handler; `call` is the life of one RPC; `drain` is how it all
//! stops. Never sees the client's side.

mod accept;
mod answers;
mod builder;
pub(crate) mod call;
mod closed;
pub(crate) mod connection;
mod drain;
mod events;
mod greeting;
mod handshake;
mod incoming;
mod inline;
mod limit;
mod limits;
mod linger;
mod method;
mod observer;
mod outcome;
mod pace;
mod resets;
mod room;
mod router;
mod service;
mod shown;
mod upkeep;

pub use accept::Acceptor;
pub use builder::Server;
pub use drain::{DrainCount, DrainReport};
pub use handshake::{Handshake, Plain};
pub use incoming::TcpIncoming;
#[cfg(unix)]
pub use incoming::UnixIncoming;
pub use method::Methods;
pub use observer::{CallEnd, CallOutcome, CallStart, CloseReason, ConnectionEnd, Observer};
pub use service::{MethodTable, NamedService, RegisteredMethods, Service, ServiceServer};
