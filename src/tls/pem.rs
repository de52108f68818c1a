//! Certificates and keys as people have them: PEM (RFC 7468).
//!
//! [`Certificate`] and [`Identity`] hold the text, by tonic's names, and it is read when a configuration is made of
//! them. So making one never fails, and the error names which of them cannot be read.

use std::fmt;

use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::error::{Error, ErrorKind};

/// One certificate or several, as PEM: `-----BEGIN CERTIFICATE-----…`.
#[derive(Clone, PartialEq, Eq)]
pub struct Certificate {
    pem: Vec<u8>,
}

impl Certificate {
    /// Takes PEM. It is read, and found wrong if it is, when a configuration is made of it.
    pub fn from_pem(pem: impl AsRef<[u8]>) -> Self {
        let pem = pem.as_ref().to_vec();
        Self { pem }
    }

    /// The PEM.
    pub fn get_ref(&self) -> &[u8] {
        &self.pem
    }

    /// The PEM.
    pub fn into_inner(self) -> Vec<u8> {
        self.pem
    }

    /// All certificates in it. `what` names them in an error.
    pub(super) fn read(&self, what: &str) -> Result<Vec<CertificateDer<'static>>, Error> {
        let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&self.pem).collect();
        let read = read.map_err(|error| config(format!("{what} is not PEM")).with_source(error))?;
        if read.is_empty() {
            return Err(config(format!(
                "{what} holds no certificate; expected PEM with -----BEGIN CERTIFICATE-----"
            )));
        }
        Ok(read)
    }
}

impl AsRef<[u8]> for Certificate {
    fn as_ref(&self) -> &[u8] {
        &self.pem
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificate({} bytes of PEM)", self.pem.len())
    }
}

/// A certificate and its private key, as PEM.
#[derive(Clone)]
pub struct Identity {
    certificate: Certificate,
    key: Vec<u8>,
}

impl Identity {
    /// Takes PEM: the certificate, followed by those of its issuers below the root, and the key that belongs to it
    /// (PKCS #8, PKCS #1 or SEC 1).
    pub fn from_pem(certificate: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> Self {
        Self {
            certificate: Certificate::from_pem(certificate),
            key: key.as_ref().to_vec(),
        }
    }

    /// The chain of certificates and the key.
    pub(super) fn read(
        &self,
    ) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), Error> {
        let chain = self.certificate.read("the identity's certificate")?;
        let key = PrivateKeyDer::from_pem_slice(&self.key).map_err(|error| {
            config(
                "the identity's private key cannot be read; expected PEM with -----BEGIN PRIVATE KEY-----, unencrypted",
            )
            .with_source(error)
        })?;
        Ok((chain, key))
    }
}

/// The key is not shown.
impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("certificate", &self.certificate)
            .finish_non_exhaustive()
    }
}

/// All certificates of `list`, to trust what they issue.
pub(super) fn trust(list: &[Certificate], what: &str) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    for certificate in list {
        for root in certificate.read(what)? {
            roots.add(root).map_err(|error| {
                config(format!("{what} is not a certificate that can be trusted"))
                    .with_source(error)
            })?;
        }
    }
    Ok(roots)
}

/// An error of a configuration.
pub(super) fn config(what: impl Into<String>) -> Error {
    Error::new(ErrorKind::Config, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_is_named() {
        for (pem, expected) in [
            ("", "the root holds no certificate"),
            ("no PEM", "the root holds no certificate"),
            (
                "-----BEGIN CERTIFICATE-----\n?\n-----END CERTIFICATE-----",
                "the root is not PEM",
            ),
        ] {
            let error = Certificate::from_pem(pem).read("the root").unwrap_err();
            assert!(error.to_string().starts_with(expected), "{error}");
        }
        let certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let error = Identity::from_pem(certificate, "secret")
            .read()
            .unwrap_err();
        assert!(error.to_string().contains("private key"), "{error}");
    }

    #[test]
    fn a_key_is_not_shown() {
        let identity = Identity::from_pem("a", "hunter2");
        assert!(!format!("{identity:?}").contains("hunter2"));
        assert!(
            !format!("{identity:?}").contains("104, 117"),
            "nor its bytes"
        );
    }
}
