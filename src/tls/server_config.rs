//! What a server shows of itself, and what it asks of its clients.
//!
//! Tonic's names, and one `rustls::ServerConfig` made of them. This file does not know connections.

use std::sync::Arc;

use tokio_rustls::rustls::crypto::CryptoProvider;
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{KeyLogFile, ServerConfig};

use super::alpn;
use super::pem::{Certificate, Identity, config, trust};
use super::provider::Provider;
use crate::error::Error;

/// TLS of a server: its identity, and which client certificates it asks for.
///
/// Default: no identity, which every server needs; no client certificate is asked for; TLS 1.2 and 1.3; the crypto
/// provider of the feature `tls-ring`, or else of `tls-aws-lc`.
///
/// ```no_run
/// # fn server() -> Result<(), Box<dyn std::error::Error>> {
/// use temaki::Server;
/// use temaki::tls::{Certificate, Identity, ServerTlsConfig};
///
/// let identity = Identity::from_pem(std::fs::read("server.pem")?, std::fs::read("server.key")?);
/// let clients = Certificate::from_pem(std::fs::read("clients_ca.pem")?);
/// let tls = ServerTlsConfig::new().identity(identity).client_ca_root(clients);
/// let server = Server::builder().tls_config(tls)?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, Default)]
pub struct ServerTlsConfig {
    identity: Option<Identity>,
    client_roots: Vec<Certificate>,
    client_auth_optional: bool,
    ignore_client_order: bool,
    key_log: bool,
    provider: Provider,
}

impl ServerTlsConfig {
    /// The default.
    pub fn new() -> Self {
        Self::default()
    }

    /// The server's certificate and key.
    pub fn identity(mut self, identity: Identity) -> Self {
        self.identity = Some(identity);
        self
    }

    /// Asks clients for a certificate that this authority has issued, and refuses a client without one unless
    /// [`client_auth_optional`](Self::client_auth_optional) is set. Several authorities may be added, one by one or in one
    /// PEM.
    pub fn client_ca_root(mut self, root: Certificate) -> Self {
        self.client_roots.push(root);
        self
    }

    /// Whether a client without a certificate is served as well; a certificate that it does send must still be a good
    /// one. Default: no. Without [`client_ca_root`](Self::client_ca_root) it changes nothing.
    pub fn client_auth_optional(mut self, optional: bool) -> Self {
        self.client_auth_optional = optional;
        self
    }

    /// Whether the server's order of cipher suites counts, and not the client's. Default: the client's.
    pub fn ignore_client_order(mut self, ignore: bool) -> Self {
        self.ignore_client_order = ignore;
        self
    }

    /// Writes the secrets of each connection to the file that the environment variable `SSLKEYLOGFILE` names, for
    /// Wireshark. Default: no, whatever the environment says. Who has the file can read what was sent.
    pub fn use_key_log(mut self) -> Self {
        self.key_log = true;
        self
    }

    /// The cryptography to use, in place of the one that a feature has compiled in. It is the only one where the
    /// feature `tls` is on without `tls-ring` and `tls-aws-lc`.
    pub fn crypto_provider(mut self, provider: Arc<CryptoProvider>) -> Self {
        self.provider = Provider::of(provider);
        self
    }

    /// The configuration of `rustls`.
    ///
    /// # Errors
    /// If there is no identity, a PEM cannot be read, or the key is not the certificate's.
    pub fn into_rustls(self) -> Result<ServerConfig, Error> {
        let identity = self.identity.ok_or_else(|| {
            config("a TLS server needs a certificate and its key; set them with ServerTlsConfig::identity")
        })?;
        let (chain, key) = identity.read()?;
        let provider = self.provider.get()?;
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| config("the crypto provider cannot be used").with_source(error))?;
        let builder = if self.client_roots.is_empty() {
            builder.with_no_client_auth()
        } else {
            let roots = trust(&self.client_roots, "the root of client certificates")?;
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            let verifier = if self.client_auth_optional {
                verifier.allow_unauthenticated()
            } else {
                verifier
            };
            let verifier = verifier.build().map_err(|error| {
                config("the roots of client certificates cannot be used").with_source(error)
            })?;
            builder.with_client_cert_verifier(verifier)
        };
        let mut made = builder.with_single_cert(chain, key).map_err(|error| {
            config("the identity cannot be used; its key must be the one of its first certificate")
                .with_source(error)
        })?;
        made.alpn_protocols.push(alpn::H2.to_vec());
        made.ignore_client_order = self.ignore_client_order;
        if self.key_log {
            made.key_log = Arc::new(KeyLogFile::new());
        }
        Ok(made)
    }
}
