//! Whose cryptography? The provider that a configuration names, or the one that a feature has compiled in.
//!
//! `rustls` has a default for the whole process. It is neither read nor set here: a process in which two crates set it, or
//! in which two providers are compiled in and no code sets it, would panic at the first handshake.

use std::sync::Arc;

use tokio_rustls::rustls::crypto::CryptoProvider;

use super::pem::config;
use crate::error::Error;

/// A provider that a configuration names.
#[derive(Clone, Debug, Default)]
pub(super) struct Provider(Option<Arc<CryptoProvider>>);

impl Provider {
    pub(super) fn of(provider: Arc<CryptoProvider>) -> Self {
        Self(Some(provider))
    }

    /// The provider that was named, or else the one that is compiled in: `ring` before AWS-LC.
    pub(super) fn get(&self) -> Result<Arc<CryptoProvider>, Error> {
        let provider = self.0.clone().or_else(compiled_in);
        provider.ok_or_else(|| {
            config(
                "no crypto provider is compiled in; enable the feature tls-ring or tls-aws-lc, or name one with crypto_provider",
            )
        })
    }
}

#[cfg(feature = "tls-ring")]
fn compiled_in() -> Option<Arc<CryptoProvider>> {
    Some(Arc::new(
        tokio_rustls::rustls::crypto::ring::default_provider(),
    ))
}

#[cfg(all(feature = "tls-aws-lc", not(feature = "tls-ring")))]
fn compiled_in() -> Option<Arc<CryptoProvider>> {
    Some(Arc::new(
        tokio_rustls::rustls::crypto::aws_lc_rs::default_provider(),
    ))
}

#[cfg(not(any(feature = "tls-ring", feature = "tls-aws-lc")))]
fn compiled_in() -> Option<Arc<CryptoProvider>> {
    None
}
