//! The client's handshake: from a dialled stream to one that carries HTTP/2.
//!
//! It is a step of dialling, so it is under the connect timeout, for each address that is tried.

use std::io;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

use super::alpn::{self, H2};
use super::client_config::ClientTlsConfig;
use super::error::{Side, Stage, TlsError, TlsErrorKind, sort_io};
use super::pem::config;
use super::stream::TlsStream;
use crate::client::dial::{Dialled, Negotiated};
use crate::client::secure::{Secure, Securing};
use crate::client::{Endpoint, Io};
use crate::error::Error;

/// TLS as a client speaks it: for an [`Endpoint`], or in a connector of your own.
///
/// A clone speaks it in the same way.
///
/// ```no_run
/// # async fn run(own: rustls::ClientConfig) -> Result<(), temaki::Error> {
/// # use temaki::tls::rustls;
/// use temaki::Endpoint;
/// use temaki::tls::TlsConnector;
///
/// let endpoint = Endpoint::from_static("https://localhost:50051");
/// let channel = endpoint.tls_connector(TlsConnector::new(own)?)?.connect().await?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct TlsConnector {
    config: Arc<ClientConfig>,
    name: Option<ServerName<'static>>,
}

impl TlsConnector {
    /// With a configuration of your own, as a `ClientConfig` or in an `Arc`. Its `alpn_protocols` get `h2` if they are
    /// empty.
    ///
    /// # Errors
    /// If its `alpn_protocols` list something, and `h2` is not in it.
    pub fn new(config: impl Into<Arc<ClientConfig>>) -> Result<Self, Error> {
        let mut config = config.into();
        if !config.alpn_protocols.iter().any(|it| it == H2) {
            alpn::with_h2(&mut Arc::make_mut(&mut config).alpn_protocols)?;
        }
        Ok(Self { config, name: None })
    }

    /// With a configuration by tonic's names.
    ///
    /// # Errors
    /// As [`ClientTlsConfig::into_rustls`], or if its name is not a name of the domain name system nor an IP address.
    pub fn from_config(config: ClientTlsConfig) -> Result<Self, Error> {
        let name = config.name().map(str::to_owned);
        let made = Self::new(config.into_rustls()?)?;
        match name {
            None => Ok(made),
            Some(name) => made.domain_name(&name),
        }
    }

    /// As [`ClientTlsConfig::domain_name`].
    ///
    /// # Errors
    /// If `name` is not a name of the domain name system nor an IP address.
    pub fn domain_name(mut self, name: &str) -> Result<Self, Error> {
        let parsed = server_name(name);
        self.name = Some(parsed.map_err(|error| config(error.to_string()))?);
        Ok(self)
    }

    /// Completes the handshake with the server at the other end of `io`. `host`: the name that its certificate must have,
    /// unless a [`domain_name`](Self::domain_name) is set. Dropping the future closes `io`.
    ///
    /// # Errors
    /// A [`TlsError`] within an `io::Error`, or what `io` reports.
    pub async fn connect<IO>(&self, host: &str, io: IO) -> io::Result<TlsStream<IO>>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        let name = match &self.name {
            Some(name) => name.clone(),
            None => server_name(host).map_err(TlsError::into_io)?,
        };
        let connector = tokio_rustls::TlsConnector::from(self.config.clone());
        // In a box: it is soon over.
        let stream = Box::pin(connector.connect(name, io)).await;
        let stream = stream.map_err(|error| sort_io(error, Side::Client, Stage::Handshake))?;
        agreed_on_h2(stream.get_ref().1.alpn_protocol()).map_err(TlsError::into_io)?;
        Ok(TlsStream::new(stream))
    }
}

impl Endpoint {
    /// Speaks TLS on each connection. The target must be `https://` or `unix:`, and `:scheme` is `https`.
    ///
    /// # Errors
    /// If the target is `http://`, no authority is trusted, a PEM cannot be read, or the key is not the certificate's.
    #[cfg_attr(docsrs, doc(cfg(feature = "tls")))]
    pub fn tls_config(self, config: ClientTlsConfig) -> Result<Self, Error> {
        self.tls_connector(TlsConnector::from_config(config)?)
    }

    /// The same, by a configuration of `rustls`: see [`TlsConnector::new`].
    ///
    /// # Errors
    /// If the target is `http://`.
    #[cfg_attr(docsrs, doc(cfg(feature = "tls")))]
    pub fn tls_connector(self, tls: TlsConnector) -> Result<Self, Error> {
        self.secured_by(Arc::new(tls))
    }
}

impl Secure for TlsConnector {
    fn secure(&self, host: &str, io: Box<dyn Io>) -> Securing {
        let (tls, host) = (self.clone(), host.to_owned());
        Box::pin(async move {
            let io = tls.connect(&host, io).await?;
            let protocol = Some(H2.to_vec());
            Ok(Dialled {
                io: Box::new(io),
                negotiated: Negotiated { protocol },
            })
        })
    }
}

//= GRPC-TLS  h2 by ALPN, or no connection
/// `rustls` takes a server that does not use ALPN.
fn agreed_on_h2(protocol: Option<&[u8]>) -> Result<(), TlsError> {
    let text = match protocol {
        Some(H2) => return Ok(()),
        Some(other) => format!(
            "the server chose {} by ALPN, and gRPC needs \"h2\"; is it a server of HTTP/1.1?",
            alpn::names([other])
        ),
        None => "the server offers no protocol by ALPN, and gRPC needs \"h2\"; connect to a port that serves HTTP/2"
            .to_owned(),
    };
    Err(TlsError::new(TlsErrorKind::Alpn, text))
}

fn server_name(host: &str) -> Result<ServerName<'static>, TlsError> {
    let bare = host.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
    ServerName::try_from(bare.unwrap_or(host).to_owned()).map_err(|_| {
        let text = format!(
            "{host:?} cannot be the name in a certificate; say which name the server has with ClientTlsConfig::domain_name"
        );
        TlsError::new(TlsErrorKind::WrongName, text)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_are_names() {
        for (host, is_one) in [
            ("localhost", true),
            ("a.test", true),
            ("127.0.0.1", true),
            ("[::1]", true),
            ("::1", true),
            ("a b", false),
            ("", false),
        ] {
            let name = server_name(host);
            assert_eq!(name.is_ok(), is_one, "{host}");
            if let Err(error) = name {
                assert_eq!(error.kind(), TlsErrorKind::WrongName);
            }
        }
    }

    #[test]
    fn only_h2_is_agreed_on() {
        assert!(agreed_on_h2(Some(b"h2")).is_ok());
        for (protocol, text) in [
            (Some(&b"http/1.1"[..]), "\"http/1.1\""),
            (None, "no protocol"),
        ] {
            let error = agreed_on_h2(protocol).unwrap_err();
            assert_eq!(error.kind(), TlsErrorKind::Alpn);
            assert!(error.to_string().contains(text), "{error}");
        }
    }
}
