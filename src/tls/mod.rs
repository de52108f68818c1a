//! TLS on both ends.
//!
//! ```text
//!   ServerTlsConfig ─┐                                       ┌─ ClientTlsConfig
//!   rustls's own     ├─▶ TlsAcceptor                 TlsConnector ◀─┤ rustls's own
//!   TlsReloader     ─┘      │                              │
//!                     server::Handshake                what dialling asks
//!                           └──────── TlsStream ───────────┘
//! ```
//!
//! The two endpoints do not know this module: a server has a [`Handshake`](crate::server::Handshake), a client has a
//! step after dialling, and TLS is one of each. [`ServerTlsConfig`] and [`ClientTlsConfig`] have tonic's names and make
//! `rustls` configurations; a program that has a `rustls` configuration already passes it to [`TlsAcceptor`] or
//! [`TlsConnector`].
//!
//! Three rules hold everywhere here. The crypto provider is named in each configuration, and the process default of `rustls`
//! is neither read nor set. ALPN must agree on `h2`. What goes wrong is a [`TlsError`], whose text says what to do.

#[cfg(feature = "server")]
mod acceptor;
mod alpn;
#[cfg(feature = "client")]
mod client_config;
#[cfg(feature = "server")]
mod connect_info;
#[cfg(feature = "client")]
mod connector;
mod error;
mod pem;
mod provider;
#[cfg(feature = "server")]
mod reloader;
#[cfg(feature = "server")]
mod server_config;
mod stream;

#[cfg(feature = "server")]
pub use acceptor::TlsAcceptor;
#[cfg(feature = "client")]
pub use client_config::ClientTlsConfig;
#[cfg(feature = "server")]
pub use connect_info::TlsConnectInfo;
#[cfg(feature = "client")]
pub use connector::TlsConnector;
pub use error::{TlsError, TlsErrorKind};
pub use pem::{Certificate, Identity};
#[cfg(feature = "server")]
pub use reloader::{TlsFiles, TlsReloader};
#[cfg(feature = "server")]
pub use server_config::ServerTlsConfig;
pub use stream::TlsStream;

/// The `rustls` that configurations are made for.
pub use tokio_rustls::rustls;
