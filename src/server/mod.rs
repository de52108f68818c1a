//! FLOOR 3. The serving endpoint.
//!
//! [`Server`] (in `builder`) holds the options; `accept` takes connections; `connection` is the loop of one;
//! `router` finds the handler that `method` registered; `call` is the life of one call; `drain` is how it all
//! stops. Never sees the client's side.

mod accept;
mod answers;
mod begin;
mod builder;
mod call;
mod closed;
mod coding;
mod connection;
mod context;
mod drain;
mod end;
mod events;
mod greeting;
mod handshake;
mod in_place;
mod incoming;
mod inline;
mod limit;
mod limits;
mod linger;
mod method;
mod observer;
mod options;
mod pace;
mod reply;
mod request;
mod resets;
mod room;
mod route;
mod router;
mod service;
mod service_server;
mod shown;
mod tally;
mod upkeep;
mod watch;

pub use accept::Acceptor;
pub use builder::Server;
pub use handshake::{Handshake, Plain};
pub use incoming::TcpIncoming;
#[cfg(unix)]
pub use incoming::UnixIncoming;
pub use method::Methods;
pub use observer::{CallEnd, CallOutcome, CallStart, CloseReason, ConnectionEnd, Observer};
pub use service::{NamedService, RegisteredMethods, Service};
pub use service_server::{MethodTable, ServiceServer};
pub use tally::{DrainCount, DrainReport};
