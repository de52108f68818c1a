//! Certificates for tests: an authority, and what it issues.
//!
//! ```text
//!   Authority ──issue──▶ Leaf { certificate, key }, as PEM
//! ```
//!
//! Everything is made anew in each process, so no key lies in the repository and no test begins to fail on a certain day.

#![cfg(feature = "make")]

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, date_time_ymd,
};

/// For peers that are not temaki.
pub use tokio_rustls;

/// Who issues certificates.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, as PEM.
#[derive(Clone)]
pub struct Leaf {
    pub certificate: String,
    pub key: String,
}

/// When a certificate is valid.
#[derive(Clone, Copy, PartialEq)]
pub enum Valid {
    Now,
    /// It has been, in 2001.
    Before,
    /// It will be, in 2101.
    Later,
}

impl Authority {
    /// One of this name, with a certificate of its own making.
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("a key");
        Self(CertifiedIssuer::self_signed(params, key).expect("a certificate"))
    }

    /// Its certificate, as PEM.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for a server with these names; an IP address is a name too.
    pub fn server(&self, names: &[&str]) -> Leaf {
        self.issue(names, Valid::Now)
    }

    /// A certificate for a client of this name.
    pub fn client(&self, name: &str) -> Leaf {
        self.issue(&[name], Valid::Now)
    }

    /// A certificate for these names.
    pub fn issue(&self, names: &[&str], valid: Valid) -> Leaf {
        let names: Vec<String> = names.iter().map(|it| it.to_string()).collect();
        let name = names.first().cloned().unwrap_or_default();
        let mut params = CertificateParams::new(names).expect("names");
        params.distinguished_name.push(DnType::CommonName, name);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        params.use_authority_key_identifier_extension = true;
        let year = match valid {
            Valid::Now => None,
            Valid::Before => Some(2001),
            Valid::Later => Some(2101),
        };
        if let Some(year) = year {
            params.not_before = date_time_ymd(year, 1, 1);
            params.not_after = date_time_ymd(year, 12, 31);
        }
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.0).expect("a certificate");
        Leaf {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        }
    }
}
