//! FLOOR 3. The serving endpoint.
//!
//! How to serve is in `guide::serve`. Begin with [`Server::builder`]: add services, then `serve`. [`Methods`] is for services
//! without a `.proto` file, [`Acceptor`] for several listeners, [`Observer`] for metrics, [`Handshake`] for what comes before HTTP/2.
//!
//! The files, from the top down:
//!
//! | file | what is there |
//! |---|---|
//! | `builder`, `limits`, `limit`, `options` | what can be set: on the server, on one service or method; how many calls a server has at once |
//! | `incoming`, `pace`, `accept`, `room`, `handshake`, `greeting` | listeners and their errors; a connection until its first HTTP/2 frame, and which one makes room for it |
//! | `connection`, `inline`, `in_place` | the loop of one connection, and which handlers run in its task |
//! | `router`, `route`, `service`, `service_server`, `method` | how a path finds its handler, and how services register theirs |
//! | `call`, `begin`, `request`, `reply`, `watch`, `end` | the life of one call |
//! | `context`, `coding`, `shown` | what a call knows, its coding, and what interceptors see |
//! | `events`, `observer`, `tally`, `closed` | what is reported: calls, connections, a drain |
//! | `upkeep`, `resets` | keepalive and age; clients that reset what they have begun |
//! | `drain`, `linger` | how a server stops, and how a socket closes |
//!
//! Never sees the client's side.

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
