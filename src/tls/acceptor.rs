//! The server's handshake: from an accepted socket to a stream that carries HTTP/2.
//!
//! It is a [`Handshake`] like any other, so it runs in the connection's own task, under `handshake_timeout` and the limit
//! on pending handshakes. A peer that has sent nothing costs its socket: the state of `rustls` is made of the first bytes.

use std::error::Error as StdError;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::server::{Acceptor, ClientHello};
use tokio_rustls::{LazyConfigAcceptor, StartHandshake};

use super::alpn::{self, H2};
use super::connect_info::TlsConnectInfo;
use super::error::{Side, Stage, TlsError, TlsErrorKind, sort_io};
use super::server_config::ServerTlsConfig;
use super::stream::TlsStream;
use crate::connect_info::ConnectInfo;
use crate::error::Error;
use crate::server::{Handshake, Server};

type Cause = Box<dyn StdError + Send + Sync>;

/// TLS as a server's [`Handshake`].
///
/// A clone serves the same configuration.
///
/// ```no_run
/// # fn server(own: rustls::ServerConfig) -> Result<(), temaki::Error> {
/// # use temaki::tls::rustls;
/// use temaki::Server;
/// use temaki::tls::TlsAcceptor;
///
/// let server = Server::builder().handshake(TlsAcceptor::new(own)?);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct TlsAcceptor {
    config: Arc<ServerConfig>,
}

impl TlsAcceptor {
    /// With a configuration of your own, as a `ServerConfig` or in an `Arc`. Its `alpn_protocols` get `h2` if they are
    /// empty.
    ///
    /// # Errors
    /// If its `alpn_protocols` list something, and `h2` is not in it.
    pub fn new(config: impl Into<Arc<ServerConfig>>) -> Result<Self, Error> {
        let mut config = config.into();
        if !config.alpn_protocols.iter().any(|it| it == H2) {
            alpn::with_h2(&mut Arc::make_mut(&mut config).alpn_protocols)?;
        }
        Ok(Self { config })
    }

    /// With a configuration by tonic's names.
    ///
    /// # Errors
    /// As [`ServerTlsConfig::into_rustls`].
    pub fn from_config(config: ServerTlsConfig) -> Result<Self, Error> {
        Self::new(config.into_rustls()?)
    }

    pub(super) fn into_inner(self) -> Arc<ServerConfig> {
        self.config
    }
}

impl Server {
    /// Serves TLS, and nothing else. The server's [handshake](Self::handshake) is a [`TlsAcceptor`] then.
    ///
    /// Certificates that are replaced while the server runs: see [`TlsReloader`](super::TlsReloader). A configuration of
    /// `rustls`: see [`TlsAcceptor::new`].
    ///
    /// # Errors
    /// If there is no identity, a PEM cannot be read, or the key is not the certificate's.
    #[cfg_attr(docsrs, doc(cfg(feature = "tls")))]
    pub fn tls_config(self, config: ServerTlsConfig) -> Result<Server<TlsAcceptor>, Error> {
        Ok(self.handshake(TlsAcceptor::from_config(config)?))
    }
}

impl<IO> Handshake<IO> for TlsAcceptor
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    type Io = TlsStream<IO>;

    fn handshake(
        &self,
        io: IO,
        info: ConnectInfo,
    ) -> impl Future<Output = Result<(TlsStream<IO>, ConnectInfo), Cause>> + Send {
        // In a box: the connection shall not carry room for it when it is over.
        Box::pin(shake_hands(|| self.config.clone(), io, info))
    }
}

/// The handshake, by the configuration that holds when the client has sent its first message.
pub(super) async fn shake_hands<IO>(
    config: impl FnOnce() -> Arc<ServerConfig>,
    io: IO,
    mut info: ConnectInfo,
) -> Result<(TlsStream<IO>, ConnectInfo), Cause>
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let start = first_message(io).await.map_err(sort)?;
    if let Err(error) = offers_h2(&start.client_hello()) {
        refuse(start.io).await;
        return Err(error.into());
    }
    let stream = Box::pin(start.into_stream(config())).await.map_err(sort)?;
    info.extensions
        .insert(TlsConnectInfo::of(stream.get_ref().1));
    Ok((TlsStream::new(stream), info))
}

/// Sends the alert, and closes. The client is refused anyway: whether it learns why is up to its socket.
async fn refuse<IO: AsyncRead + AsyncWrite + Unpin>(mut io: IO) {
    let _ = io.write_all(&NO_APPLICATION_PROTOCOL).await;
    let _ = io.shutdown().await;
}

/// Waits for the client's first message. In boxes, since most of a handshake's time is spent here, and what comes after is larger.
async fn first_message<IO>(io: IO) -> io::Result<Box<StartHandshake<IO>>>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let mut acceptor = Box::new(LazyConfigAcceptor::new(Acceptor::default(), io));
    poll_fn(|cx| Pin::new(&mut *acceptor).poll(cx).map_ok(Box::new)).await
}

fn sort(error: io::Error) -> io::Error {
    sort_io(error, Side::Server, Stage::Handshake)
}

/// A fatal alert as a record of its own (RFC 8446 §6, RFC 7301 §3.2).
const NO_APPLICATION_PROTOCOL: [u8; 7] = [21, 3, 3, 0, 2, 2, 120];

//= GRPC-TLS  h2 by ALPN, or the alert no_application_protocol
/// Whether the client offers `h2` by ALPN. `rustls` would take a client that does not use ALPN at all.
fn offers_h2(hello: &ClientHello<'_>) -> Result<(), TlsError> {
    let Some(mut offered) = hello.alpn() else {
        let text = "the client offers no protocol by ALPN, and gRPC needs \"h2\"; use a client that speaks HTTP/2 in TLS";
        return Err(TlsError::new(TlsErrorKind::Alpn, text));
    };
    if offered.any(|protocol| protocol == H2) {
        return Ok(());
    }
    let offered = alpn::names(hello.alpn().into_iter().flatten());
    let text = format!(
        "the client offers {offered} by ALPN, and gRPC needs \"h2\"; is it a client of HTTP/1.1?"
    );
    Err(TlsError::new(TlsErrorKind::Alpn, text))
}
