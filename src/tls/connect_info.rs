//! What is known of a TLS client: its certificates, and what was agreed on.
//!
//! A handshake puts a [`TlsConnectInfo`] into the connection's [`ConnectInfo`], where handlers, interceptors and
//! observers find it.

use std::sync::Arc;

use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::{CipherSuite, ProtocolVersion, ServerConnection};

use crate::connect_info::ConnectInfo;
use crate::request::Request;

/// The TLS side of a connection that a server has accepted.
#[derive(Clone, Debug)]
pub struct TlsConnectInfo {
    peer_certs: Option<Arc<Vec<CertificateDer<'static>>>>,
    server_name: Option<String>,
    version: Option<ProtocolVersion>,
    cipher_suite: Option<CipherSuite>,
}

impl TlsConnectInfo {
    pub(super) fn of(connection: &ServerConnection) -> Self {
        let certificates = connection.peer_certificates();
        Self {
            peer_certs: certificates
                .map(|it| Arc::new(it.iter().map(|it| it.clone().into_owned()).collect())),
            server_name: connection.server_name().map(str::to_owned),
            version: connection.protocol_version(),
            cipher_suite: connection.negotiated_cipher_suite().map(|it| it.suite()),
        }
    }

    /// The TLS side of a connection. `None` if it is not in TLS.
    pub fn find(connection: &ConnectInfo) -> Option<&Self> {
        connection.extensions.get()
    }

    /// The client's certificates, its own first, in DER. They were verified. `None` if it has sent none.
    pub fn peer_certs(&self) -> Option<Arc<Vec<CertificateDer<'static>>>> {
        self.peer_certs.clone()
    }

    /// The name that the client asked for (SNI). `None` if it named none: it connected by an IP address, for example.
    pub fn server_name(&self) -> Option<&str> {
        self.server_name.as_deref()
    }

    /// The version of TLS.
    pub fn protocol_version(&self) -> Option<ProtocolVersion> {
        self.version
    }

    /// The cipher suite.
    pub fn cipher_suite(&self) -> Option<CipherSuite> {
        self.cipher_suite
    }
}

impl<T> Request<T> {
    /// The certificates of the client that made this call, its own first, in DER. They were verified when the connection
    /// was made. `None` if the client has sent none, or the connection is not in TLS.
    #[cfg_attr(docsrs, doc(cfg(feature = "tls")))]
    pub fn peer_certs(&self) -> Option<Arc<Vec<CertificateDer<'static>>>> {
        TlsConnectInfo::find(self.connect_info()?)?.peer_certs()
    }
}
