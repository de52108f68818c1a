//! tonic's import paths for the two endpoints: `temaki::transport::{Server, Channel, Endpoint}`.
//!
//! Aliases and nothing else, so that code which moves here changes one word of its imports.
//! `temaki::metadata`, `temaki::codec`, `temaki::service::Interceptor` and the crate's root have
//! tonic's names as well. One name means something else: `tonic::codegen` is what generated code
//! stands on, while `temaki::codegen` *is* the code generator, what `tonic-prost-build` is there.

#[cfg(feature = "client")]
pub use crate::client::{Channel, Endpoint};
pub use crate::error::Error;
#[cfg(feature = "server")]
pub use crate::server::Server;
#[cfg(all(feature = "tls", feature = "client"))]
pub use crate::tls::ClientTlsConfig;
#[cfg(all(feature = "tls", feature = "server"))]
pub use crate::tls::ServerTlsConfig;
#[cfg(all(feature = "tls", any(feature = "server", feature = "client")))]
pub use crate::tls::{Certificate, Identity};
#[cfg(feature = "client")]
pub use http::Uri;

/// What a server accepts connections with.
#[cfg(feature = "server")]
pub mod server {
    pub use crate::connect_info::Connected;
    pub use crate::server::TcpIncoming;
    #[cfg(feature = "tls")]
    pub use crate::tls::TlsConnectInfo;
}

/// What a client calls through.
#[cfg(feature = "client")]
pub mod channel {
    pub use crate::client::{Channel, Endpoint};
    #[cfg(feature = "tls")]
    pub use crate::tls::ClientTlsConfig;
}
