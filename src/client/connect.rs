//! From an address to a connection that speaks HTTP/2.
//!
//! Dial, shake hands, and wait for the peer's SETTINGS: before those, calls could be refused that the
//! peer would have taken a moment later. All of it within one time limit. What goes wrong is told in a
//! sentence: refused, a TLS port, an HTTP/1.1 answer.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use h2::client::SendRequest;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::oneshot;

use super::attempts::Reports;
use super::backoff::MIN_CONNECT_TIMEOUT;
use super::connection;
use super::endpoint::{Config, Endpoint};
use super::target::Address;
use crate::conn::counter::Counter;
use crate::conn::frame_meter::FrameMeter;
use crate::conn::io::batched;
use crate::error::{Error, ErrorKind};

/// What a connection may run over.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin + 'static {}
impl<IO: AsyncRead + AsyncWrite + Send + Unpin + 'static> Io for IO {}

/// Makes connections to one address.
#[derive(Clone)]
pub(super) struct Connector {
    dial: Arc<dyn Fn() -> Dial + Send + Sync>,
    /// For people: where it leads.
    name: String,
}

type Dial = Pin<Box<dyn Future<Output = io::Result<Box<dyn Io>>> + Send>>;

/// A connection that is READY.
#[derive(Clone)]
pub(super) struct Connection {
    pub(super) send: SendRequest<Bytes>,
    /// The calls that are open on it.
    pub(super) calls: Arc<Counter>,
    /// Tells it from the ones before and after it.
    pub(super) id: u64,
}

impl Connector {
    /// Over TCP or a Unix socket, to the endpoint's own target.
    pub(super) fn of_target(endpoint: &Endpoint) -> Self {
        let (address, config) = (endpoint.target.address.clone(), endpoint.config());
        let name = address.to_string();
        let dial = Arc::new(move || -> Dial {
            let (address, config) = (address.clone(), config.clone());
            Box::pin(async move {
                match address {
                    Address::Tcp { host, port } => dial_tcp(&host, port, &config).await,
                    #[cfg(unix)]
                    Address::Unix(path) => {
                        Ok(Box::new(tokio::net::UnixStream::connect(path).await?) as _)
                    }
                    #[cfg(not(unix))]
                    Address::Unix(_) => Err(io::Error::other("this system has no Unix sockets")),
                }
            })
        });
        Self { dial, name }
    }

    /// By the user's own means.
    pub(super) fn custom<F, Fut, IO>(connector: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = io::Result<IO>> + Send + 'static,
        IO: Io,
    {
        let dial = Arc::new(move || -> Dial {
            let io = connector();
            Box::pin(async move { Ok(Box::new(io.await?) as _) })
        });
        Self {
            dial,
            name: "the connector's peer".to_owned(),
        }
    }

    /// Connects. The connection's task runs until it ends, and reports when no more calls may start on it.
    pub(super) async fn connect(
        &self,
        config: &Arc<Config>,
        reports: Reports,
    ) -> Result<Connection, Error> {
        let limit = config.connect_timeout.unwrap_or(MIN_CONNECT_TIMEOUT);
        match tokio::time::timeout(limit, self.attempt(config, reports)).await {
            Ok(result) => result,
            Err(_) => {
                let what = format!(
                    "cannot connect to {}: no answer within {limit:?}",
                    self.name
                );
                Err(Error::new(ErrorKind::Connect, what))
            }
        }
    }

    async fn attempt(&self, config: &Arc<Config>, reports: Reports) -> Result<Connection, Error> {
        let id = reports.id;
        let failed = || format!("cannot connect to {}", self.name);
        let io = (self.dial)()
            .await
            .map_err(|error| Error::new(ErrorKind::Connect, failed()).with_source(error))?;
        let (transport, outlet) = batched(io, FrameMeter::of_client());
        let (send, h2) = config
            .http2
            .client()
            .handshake::<_, Bytes>(transport)
            .await
            .map_err(|error| Error::new(ErrorKind::Connect, failed()).with_source(error))?;
        let (ready, is_ready) = oneshot::channel();
        let calls = Arc::new(Counter::default());
        tokio::spawn(connection::run(
            h2,
            outlet,
            config.clone(),
            calls.clone(),
            ready,
            reports,
        ));
        match is_ready.await {
            Ok(Ok(())) => Ok(Connection { send, calls, id }),
            Ok(Err(why)) => Err(Error::new(
                ErrorKind::Connect,
                format!("{}: {why}", failed()),
            )),
            Err(_) => Err(Error::new(
                ErrorKind::Connect,
                format!("{}: the runtime is shutting down", failed()),
            )),
        }
    }
}

/// Tries the addresses of `host` one after the other; the error is the last one's.
async fn dial_tcp(host: &str, port: u16, config: &Config) -> io::Result<Box<dyn Io>> {
    let mut last = io::Error::new(
        io::ErrorKind::NotFound,
        match config.local_address {
            None => "the name has no address",
            Some(_) => "the name has no address of the kind of local_address",
        },
    );
    for address in tokio::net::lookup_host((host, port)).await? {
        let connected = match config.local_address {
            None => TcpStream::connect(address).await,
            Some(local) if local.is_ipv4() == address.is_ipv4() => {
                connect_from(local, address).await
            }
            Some(_) => continue,
        };
        match connected {
            Ok(stream) => {
                set_options(&stream, config);
                return Ok(Box::new(stream));
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

async fn connect_from(local: IpAddr, address: SocketAddr) -> io::Result<TcpStream> {
    let socket = match local {
        IpAddr::V4(_) => TcpSocket::new_v4()?,
        IpAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.bind(SocketAddr::new(local, 0))?;
    socket.connect(address).await
}

/// A socket that will not take an option still carries calls.
fn set_options(stream: &TcpStream, config: &Config) {
    let _ = stream.set_nodelay(config.tcp_nodelay);
    if let Some(after) = config.tcp_keepalive {
        let mut keepalive = socket2::TcpKeepalive::new().with_time(after);
        if let Some(interval) = config.tcp_keepalive_interval {
            keepalive = keepalive.with_interval(interval);
        }
        let _ = socket2::SockRef::from(stream).set_tcp_keepalive(&keepalive);
    }
}

impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Connector").field(&self.name).finish()
    }
}
