//! From an address to a connection that speaks HTTP/2.
//!
//! Dial, shake hands, and wait for the peer's SETTINGS: before those, calls could be refused that the
//! peer would have taken a moment later. All of it within one time limit. What goes wrong is told in a
//! sentence: refused, a TLS port, an HTTP/1.1 answer.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use h2::SendStream;
use h2::client::{ResponseFuture, SendRequest};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::oneshot;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::admission::Places;
use super::attempts::Reports;
use super::connection;
use super::endpoint::{Config, Endpoint};
use super::subchannel::Subchannel;
use super::target::Address;
use crate::conn::frame_meter::FrameMeter;
use crate::conn::io::batched;
use crate::conn::socket;
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
pub(super) struct Connection {
    pub(super) send: SendRequest<Bytes>,
    /// The calls that are open on it, and how many may be.
    pub(super) places: Arc<Places>,
    /// Tells it from the ones before and after it.
    pub(super) id: u64,
}

impl Connection {
    /// Opens a stream with these headers.
    #[inline]
    pub(super) fn send(
        &self,
        request: http::Request<()>,
    ) -> Result<(ResponseFuture, SendStream<Bytes>), h2::Error> {
        // A handle that has opened a stream over the peer's limit holds on to it; so each call has its own.
        self.send.clone().send_request(request, false)
    }
}

/// What an attempt has come to.
pub(super) struct Made {
    pub(super) connection: Arc<Connection>,
    /// No calls may start on it any more.
    pub(super) lost: Arc<AtomicBool>,
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

    /// For people: where it leads.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Connects. The connection's task runs until it ends, and reports when no more calls may start on it.
    pub(super) async fn connect(
        &self,
        config: &Arc<Config>,
        subchannel: &Weak<Subchannel>,
    ) -> Result<Made, Error> {
        let reports = Reports::new(subchannel);
        let limit = config.time_to_connect();
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

    async fn attempt(&self, config: &Arc<Config>, reports: Reports) -> Result<Made, Error> {
        let (id, lost) = (reports.id, reports.lost.clone());
        let failed = || format!("cannot connect to {}", self.name);
        let io = (self.dial)()
            .await
            .map_err(|error| Error::new(ErrorKind::Connect, failed()).with_source(error))?;
        let meter = FrameMeter::of_client(tokio::time::Instant::now).with_limits(&config.http2);
        let (transport, outlet) = batched(io, meter);
        let (send, h2) = config
            .http2
            .client()
            .handshake::<_, Bytes>(transport)
            .await
            .map_err(|error| Error::new(ErrorKind::Connect, failed()).with_source(error))?;
        let (ready, is_ready) = oneshot::channel();
        let places = Arc::new(Places::new(&reports.admission()));
        let connection = Arc::new(Connection { send, places, id });
        let task = Task::spawn(connection::run(
            h2,
            outlet,
            config.clone(),
            &connection,
            ready,
            reports,
        ));
        match is_ready.await {
            Ok(Ok(())) => {
                task.go_on();
                Ok(Made { connection, lost })
            }
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

/// A task that ends with this, unless it is let go on.
struct Task(Option<AbortHandle>);

impl Task {
    fn spawn(task: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(Some(tokio::spawn(task).abort_handle()))
    }

    fn go_on(mut self) {
        self.0 = None;
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}

/// Connects to one of the addresses of `host`.
async fn dial_tcp(host: &str, port: u16, config: &Config) -> io::Result<Box<dyn Io>> {
    let addresses = tokio::net::lookup_host((host, port)).await?;
    let (local, limit) = (config.local_address, config.time_to_connect());
    let stream = match local {
        None => try_each(addresses.collect(), limit, TcpStream::connect).await,
        Some(local) => {
            let of_its_kind = addresses.filter(|address| address.is_ipv4() == local.is_ipv4());
            let connect = |address| connect_from(local, address);
            try_each(of_its_kind.collect(), limit, connect).await
        }
    };
    let stream = stream?.ok_or_else(|| {
        let what = match local {
            None => "the name has no address",
            Some(_) => "the name has no address of the kind of local_address",
        };
        io::Error::new(io::ErrorKind::NotFound, what)
    })?;
    set_options(&stream, config);
    Ok(Box::new(stream))
}

/// A connection over the longest way takes less than this.
const LEAST_SHARE: Duration = Duration::from_secs(1);

/// Tries the addresses one after the other. Each is given its share of the time that is left, so that one which
/// does not answer, as of a protocol that the way there does not carry, leaves some to the others. The error
/// is the last one's; `None` if there is no address.
async fn try_each<T, F>(
    addresses: Vec<SocketAddr>,
    limit: Duration,
    connect: impl Fn(SocketAddr) -> F,
) -> io::Result<Option<T>>
where
    F: Future<Output = io::Result<T>>,
{
    let begun = Instant::now();
    let mut last = Ok(None);
    for (index, &address) in addresses.iter().enumerate() {
        let left = limit.saturating_sub(begun.elapsed());
        let share = left / u32::try_from(addresses.len() - index).unwrap_or(u32::MAX);
        let share = share.max(LEAST_SHARE);
        last = match tokio::time::timeout(share, connect(address)).await {
            Ok(Ok(connected)) => return Ok(Some(connected)),
            Ok(Err(error)) => Err(error),
            Err(_) => {
                let what = format!("{address} did not answer within {share:?}");
                Err(io::Error::new(io::ErrorKind::TimedOut, what))
            }
        };
    }
    last
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
        socket::set_keepalive(stream, after, config.tcp_keepalive_interval);
    }
    // A PING that cannot leave is never answered; the system knows sooner what became of it.
    if config.keepalive_interval.is_some() {
        socket::set_user_timeout(stream, config.keepalive_timeout);
    }
}

impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Connector").field(&self.name).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A network of three: one address that never answers, one that refuses, one that is there.
    async fn connect(address: SocketAddr) -> io::Result<u16> {
        match address.port() {
            1 => std::future::pending().await,
            2 => Err(io::ErrorKind::ConnectionRefused.into()),
            port => Ok(port),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_that_does_not_answer_leaves_time_for_the_next() {
        type Row<'a> = (
            &'a [u16],
            u64,
            Result<Option<u16>, io::ErrorKind>,
            u64,
            &'a str,
        );
        #[rustfmt::skip]
        let rows: [Row<'_>; 7] = [
            (&[3], 20, Ok(Some(3)), 0, "the first"),
            (&[1, 3], 20, Ok(Some(3)), 10, "half of the time for the first of two"),
            (&[2, 1, 3], 20, Ok(Some(3)), 10, "what a refusal did not use is for the others"),
            (&[1, 1], 20, Err(io::ErrorKind::TimedOut), 20, "all of it, for nobody"),
            (&[1, 2], 20, Err(io::ErrorKind::ConnectionRefused), 10, "the last error"),
            (&[1, 1, 1, 3], 2, Ok(Some(3)), 3, "never less than a second for each"),
            (&[], 20, Ok(None), 0, "no address"),
        ];
        for (ports, limit, expected, took, why) in rows {
            let addresses = ports.iter().map(|port| ([10, 0, 0, 1], *port).into());
            let begun = Instant::now();
            let found = try_each(addresses.collect(), Duration::from_secs(limit), connect).await;
            assert_eq!(found.map_err(|error| error.kind()), expected, "{why}");
            assert_eq!(begun.elapsed().as_secs(), took, "{why}");
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
            set_options(&stream, &endpoint.config);
            assert!(stream.nodelay().unwrap(), "by default");
            let found = socket2::SockRef::from(&stream).tcp_user_timeout().unwrap();
            assert_eq!(found, expected, "with keepalive only");
        }
    }
}
