//! `--tls-cert`, `--tls-key`, `--ca`, `--mutual`: TLS, if the program was built with it (feature `tls-ring`).
//! `examples/user_client.rs` uses this file too.

use std::path::PathBuf;

use temaki::Channel;

/// The flags that are about TLS.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tls {
    /// What this program shows of itself, as PEM.
    pub certificate: Option<PathBuf>,
    pub key: Option<PathBuf>,
    /// Who issues certificates, as PEM.
    pub ca: Option<PathBuf>,
    /// Whether a server asks its clients for a certificate.
    pub mutual: bool,
}

impl Tls {
    /// Whether any of it was asked for.
    pub fn is_on(&self) -> bool {
        *self != Self::default()
    }

    /// Finds out what is missing. The error is a sentence for people.
    pub fn check(&self, is_server: bool) -> Result<(), String> {
        if !self.is_on() {
            return Ok(());
        }
        if !cfg!(feature = "tls-ring") {
            return Err(
                "this program was built without TLS; build it with --features tls-ring".into(),
            );
        }
        if self.certificate.is_some() != self.key.is_some() {
            return Err("--tls-cert and --tls-key belong together".into());
        }
        if self.ca.is_none() {
            return Err("TLS needs --ca as well: who has issued the certificates".into());
        }
        if is_server && self.certificate.is_none() {
            return Err("a server in TLS needs --tls-cert and --tls-key".into());
        }
        Ok(())
    }

    /// A channel to `host:port`, in TLS if that is asked for.
    pub async fn connect(&self, addr: &str) -> Result<Channel, String> {
        if !self.is_on() {
            let channel = Channel::connect(format!("http://{addr}")).await;
            return channel.map_err(|error| error.to_string());
        }
        self.connect_in_tls(addr).await
    }

    #[cfg(not(feature = "tls-ring"))]
    async fn connect_in_tls(&self, _: &str) -> Result<Channel, String> {
        self.check(false)?;
        Err("no TLS".into())
    }
}

#[cfg(feature = "tls-ring")]
mod built {
    use std::path::Path;

    use temaki::tls::{Certificate, ClientTlsConfig, Identity};
    use temaki::{Channel, Endpoint};

    use super::Tls;

    impl Tls {
        pub(super) async fn connect_in_tls(&self, addr: &str) -> Result<Channel, String> {
            let mut tls = ClientTlsConfig::new();
            if let Some(ca) = &self.ca {
                tls = tls.ca_certificate(Certificate::from_pem(read(ca)?));
            }
            if let Some(identity) = self.identity()? {
                tls = tls.identity(identity);
            }
            let channel = async {
                let endpoint = Endpoint::new(format!("https://{addr}"))?;
                endpoint.tls_config(tls)?.connect().await
            };
            channel
                .await
                .map_err(|error: temaki::Error| error.to_string())
        }

        fn identity(&self) -> Result<Option<Identity>, String> {
            let (Some(certificate), Some(key)) = (&self.certificate, &self.key) else {
                return Ok(None);
            };
            Ok(Some(Identity::from_pem(read(certificate)?, read(key)?)))
        }
    }

    fn read(file: &Path) -> Result<Vec<u8>, String> {
        std::fs::read(file).map_err(|error| format!("cannot read {}: {error}", file.display()))
    }
}

#[cfg(feature = "tls-ring")]
#[allow(unused_imports, reason = "a client does not serve")]
pub use serving::files;

#[cfg(feature = "tls-ring")]
mod serving {
    use temaki::tls::TlsFiles;

    use super::Tls;

    /// The files of a server in TLS; `None` without.
    #[allow(dead_code, reason = "a client does not serve")]
    pub fn files(tls: &Tls) -> Option<TlsFiles> {
        let files = TlsFiles::new(tls.certificate.as_ref()?, tls.key.as_ref()?);
        Some(match &tls.ca {
            Some(ca) if tls.mutual => files.client_ca_root(ca),
            _ => files,
        })
    }
}
