//! From an address to a stream of bytes.
//!
//! Three ways: TCP, a Unix socket, and a connector of the user's. Each gets the [`Address`] and gives the stream and
//! what was [`Negotiated`] on it. What is spoken over it, and for how long that may take, is `connect`'s; one more
//! kind of dialling, such as TLS, needs to touch only this file.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream};

use super::address::Address;
use super::config::PerConnection;

/// What a connection may run over.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin + 'static {}
impl<IO: AsyncRead + AsyncWrite + Send + Unpin + 'static> Io for IO {}

/// A stream of bytes to the peer, on which nothing of HTTP/2 has been said.
pub(crate) struct Dialled {
    pub(crate) io: Box<dyn Io>,
    pub(crate) negotiated: Negotiated,
}

/// What both sides agreed on before HTTP/2.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Negotiated {
    /// The protocol by ALPN's name. `None`: nobody negotiated one, and HTTP/2 is spoken by prior knowledge (RFC 9113
    /// §3.3).
    pub(crate) protocol: Option<Vec<u8>>,
}

impl Negotiated {
    /// Whether HTTP/2 may be spoken.
    ///
    /// # Errors
    /// If another protocol was agreed on; for people.
    pub(super) fn allows_http2(&self) -> Result<(), String> {
        match self.protocol.as_deref() {
            None | Some(b"h2") => Ok(()),
            Some(other) => Err(format!(
                "the peer chose the protocol {:?} by ALPN; gRPC needs \"h2\"",
                String::from_utf8_lossy(other)
            )),
        }
    }
}

/// How streams to an address are made.
#[derive(Clone)]
pub(super) enum Dialler {
    /// Over TCP or a Unix socket, as the address says.
    Plain,
    /// By the user's own means, which also look up names.
    Custom(Arc<dyn Fn(Address) -> Custom + Send + Sync>),
}

type Custom = Pin<Box<dyn Future<Output = io::Result<Dialled>> + Send>>;

impl Dialler {
    /// By the user's own means.
    pub(super) fn custom<F, Fut, IO>(connector: F) -> Self
    where
        F: Fn(Address) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = io::Result<IO>> + Send + 'static,
        IO: Io,
    {
        Self::Custom(Arc::new(move |address| {
            let io = connector(address);
            Box::pin(async move { Ok(Dialled::plain(io.await?)) })
        }))
    }

    /// Whether a host must be looked up before it is dialled.
    pub(super) fn needs_lookup(&self) -> bool {
        matches!(self, Self::Plain)
    }

    /// Makes a stream to `address`.
    ///
    /// # Errors
    /// What the system, or the user's connector, says.
    pub(super) async fn dial(
        &self,
        address: &Address,
        config: &PerConnection,
    ) -> io::Result<Dialled> {
        if let Self::Custom(connector) = self {
            return connector(address.clone()).await;
        }
        match (address.socket_addr(), address.unix_path()) {
            (Some(address), _) => tcp(address, config).await,
            (None, Some(path)) => unix(path).await,
            (None, None) => Err(io::Error::other("the host was not looked up")),
        }
    }
}

impl Dialled {
    /// A stream on which nothing was negotiated.
    fn plain(io: impl Io) -> Self {
        Self {
            io: Box::new(io),
            negotiated: Negotiated::default(),
        }
    }
}

async fn tcp(address: SocketAddr, config: &PerConnection) -> io::Result<Dialled> {
    let stream = match config.socket.local_address {
        None => TcpStream::connect(address).await,
        Some(local) => connect_from(local, address).await,
    };
    let stream = stream?;
    config.socket.apply(&stream, &config.keepalive);
    Ok(Dialled::plain(stream))
}

async fn connect_from(local: IpAddr, address: SocketAddr) -> io::Result<TcpStream> {
    let socket = match local {
        IpAddr::V4(_) => TcpSocket::new_v4()?,
        IpAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.bind(SocketAddr::new(local, 0))?;
    socket.connect(address).await
}

#[cfg(unix)]
async fn unix(path: &Path) -> io::Result<Dialled> {
    let stream = tokio::net::UnixStream::connect(path).await?;
    Ok(Dialled::plain(stream))
}

#[cfg(not(unix))]
async fn unix(_: &Path) -> io::Result<Dialled> {
    Err(io::Error::other("this system has no Unix sockets"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::client::Endpoint;

    #[test]
    fn http2_is_spoken_where_nothing_else_was_agreed_on() {
        let rows: [(Option<&[u8]>, bool); 4] = [
            (None, true),
            (Some(b"h2"), true),
            (Some(b"http/1.1"), false),
            (Some(b""), false),
        ];
        for (protocol, expected) in rows {
            let protocol = protocol.map(<[u8]>::to_vec);
            let allowed = Negotiated { protocol }.allows_http2();
            assert_eq!(allowed.is_ok(), expected, "{allowed:?}");
        }
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn sockets_get_the_options_that_were_asked_for() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = Endpoint::from_static("http://localhost");
        let limit = Duration::from_secs(7);
        let kept_alive = endpoint.clone().keep_alive_timeout(limit);
        let kept_alive = kept_alive.http2_keep_alive_interval(Duration::from_secs(60));
        for (endpoint, expected) in [(endpoint, None), (kept_alive, Some(limit))] {
            let stream = TcpStream::connect(listener.local_addr().unwrap()).await;
            let stream = stream.unwrap();
            let config = &endpoint.per_connection;
            config.socket.apply(&stream, &config.keepalive);
            assert!(stream.nodelay().unwrap(), "by default");
            let found = socket2::SockRef::from(&stream).tcp_user_timeout().unwrap();
            assert_eq!(found, expected, "with keepalive only");
        }
    }
}
