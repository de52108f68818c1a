//! Which servers a client trusts, and what it shows of itself.
//!
//! Tonic's names, and one `rustls::ClientConfig` made of them. This file does not know connections.

use std::sync::Arc;

use tokio_rustls::rustls::crypto::CryptoProvider;
use tokio_rustls::rustls::pki_types::TrustAnchor;
use tokio_rustls::rustls::{ClientConfig, KeyLogFile, RootCertStore};

use super::alpn;
use super::pem::{Certificate, Identity, config, trust};
use super::provider::Provider;
use crate::error::Error;

/// TLS of a client: which authorities it trusts, and its own certificate if servers ask for one.
///
/// Default: trusts no authority, so each client needs a root; no certificate of its own; TLS 1.2 and 1.3; the crypto provider
/// of the feature `tls-ring`, or else of `tls-aws-lc`.
///
/// ```no_run
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// use temaki::Endpoint;
/// use temaki::tls::{Certificate, ClientTlsConfig};
///
/// let ca = Certificate::from_pem(std::fs::read("ca.pem")?);
/// let tls = ClientTlsConfig::new().ca_certificate(ca);
/// let channel = Endpoint::new("https://localhost:50051")?.tls_config(tls)?.connect().await?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, Default)]
pub struct ClientTlsConfig {
    domain_name: Option<String>,
    roots: Vec<Certificate>,
    anchors: Vec<TrustAnchor<'static>>,
    native_roots: bool,
    webpki_roots: bool,
    identity: Option<Identity>,
    key_log: bool,
    provider: Provider,
}

impl ClientTlsConfig {
    /// The default.
    pub fn new() -> Self {
        Self::default()
    }

    /// The name to ask the server for (SNI) and to find in its certificate. Default: the host of the endpoint's
    /// authority, which is the target's host unless [`authority`](crate::Endpoint::authority) or
    /// [`origin`](crate::Endpoint::origin) has set another. An IP address is a name too.
    pub fn domain_name(mut self, name: impl Into<String>) -> Self {
        self.domain_name = Some(name.into());
        self
    }

    /// Trusts what this authority issues. Several may be added, one by one or in one PEM.
    pub fn ca_certificate(mut self, root: Certificate) -> Self {
        self.roots.push(root);
        self
    }

    /// Trusts what each of these authorities issues.
    pub fn ca_certificates(mut self, roots: impl IntoIterator<Item = Certificate>) -> Self {
        self.roots.extend(roots);
        self
    }

    /// Trusts what this authority issues, in the form that `webpki` has.
    pub fn trust_anchor(mut self, anchor: TrustAnchor<'static>) -> Self {
        self.anchors.push(anchor);
        self
    }

    /// Trusts what each of these authorities issues, in the form that `webpki` has.
    pub fn trust_anchors(
        mut self,
        anchors: impl IntoIterator<Item = TrustAnchor<'static>>,
    ) -> Self {
        self.anchors.extend(anchors);
        self
    }

    /// Trusts the authorities that the system trusts. They are read when the configuration is used, and not again.
    #[cfg(feature = "tls-native-roots")]
    #[cfg_attr(docsrs, doc(cfg(feature = "tls-native-roots")))]
    pub fn with_native_roots(mut self) -> Self {
        self.native_roots = true;
        self
    }

    /// Trusts the authorities that Mozilla trusted when `webpki-roots` was released.
    #[cfg(feature = "tls-webpki-roots")]
    #[cfg_attr(docsrs, doc(cfg(feature = "tls-webpki-roots")))]
    pub fn with_webpki_roots(mut self) -> Self {
        self.webpki_roots = true;
        self
    }

    /// Trusts the authorities of each feature that is on: `tls-native-roots`, `tls-webpki-roots`. With neither it
    /// changes nothing.
    pub fn with_enabled_roots(mut self) -> Self {
        self.native_roots |= cfg!(feature = "tls-native-roots");
        self.webpki_roots |= cfg!(feature = "tls-webpki-roots");
        self
    }

    /// The certificate and key to show to a server that asks for one.
    pub fn identity(mut self, identity: Identity) -> Self {
        self.identity = Some(identity);
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

    /// The name that was set.
    pub(super) fn name(&self) -> Option<&str> {
        self.domain_name.as_deref()
    }

    /// The configuration of `rustls`. It does not hold the [name](Self::domain_name).
    ///
    /// # Errors
    /// If no authority is trusted, a PEM or the system's roots cannot be read, or the key is not the certificate's.
    pub fn into_rustls(self) -> Result<ClientConfig, Error> {
        let roots = self.trusted()?;
        let builder = ClientConfig::builder_with_provider(self.provider.get()?)
            .with_safe_default_protocol_versions()
            .map_err(|error| config("the crypto provider cannot be used").with_source(error))?
            .with_root_certificates(roots);
        let mut made = match &self.identity {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                let (chain, key) = identity.read()?;
                builder.with_client_auth_cert(chain, key).map_err(|error| {
                    config("the identity cannot be used; its key must be the one of its first certificate")
                        .with_source(error)
                })?
            }
        };
        made.alpn_protocols.push(alpn::H2.to_vec());
        if self.key_log {
            made.key_log = Arc::new(KeyLogFile::new());
        }
        Ok(made)
    }

    /// All authorities that were named.
    fn trusted(&self) -> Result<RootCertStore, Error> {
        let mut roots = trust(&self.roots, "the root certificate")?;
        roots.extend(self.anchors.iter().cloned());
        if self.native_roots {
            add_native(&mut roots)?;
        }
        if self.webpki_roots {
            add_webpki(&mut roots);
        }
        if roots.is_empty() {
            return Err(config(
                "the client trusts no authority, so no server could be verified; use ca_certificate, with_native_roots \
                 or with_webpki_roots",
            ));
        }
        Ok(roots)
    }
}

/// The system's roots. One that cannot be read or used does not matter, as long as there are others.
#[cfg(feature = "tls-native-roots")]
fn add_native(roots: &mut RootCertStore) -> Result<(), Error> {
    let found = rustls_native_certs::load_native_certs();
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added > 0 {
        return Ok(());
    }
    let error = config(
        "the system has no root certificates; install them (ca-certificates), or use ca_certificate",
    );
    Err(match found.errors.into_iter().next() {
        Some(why) => error.with_source(why),
        None => error,
    })
}

#[cfg(not(feature = "tls-native-roots"))]
fn add_native(_: &mut RootCertStore) -> Result<(), Error> {
    Ok(())
}

#[cfg(feature = "tls-webpki-roots")]
fn add_webpki(roots: &mut RootCertStore) {
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
}

#[cfg(not(feature = "tls-webpki-roots"))]
fn add_webpki(_: &mut RootCertStore) {}
