//! From an address to a connection that speaks HTTP/2.
//!
//! Dial, shake hands, and wait for the peer's SETTINGS: before those, calls could be refused that the
//! peer would have taken a moment later. All of it within one time limit, for each address of a name; looking up
//! the name has its own. What goes wrong is told in a sentence, for each address: refused, a TLS port, an HTTP/1.1
//! answer.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use bytes::Bytes;
use h2::SendStream;
use h2::client::{ResponseFuture, SendRequest};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

use super::addresses::in_order;
use super::admission::Places;
use super::attempts::{Loss, Reports};
use super::connection;
use super::endpoint::{Config, Endpoint};
use super::race::{HEAD_START, race};
use super::subchannel::Subchannel;
use super::target::Address;
use crate::conn::frame_meter::FrameMeter;
use crate::conn::io::batched;
use crate::conn::socket;
use crate::conn::unread::Unread;
use crate::error::{Error, ErrorKind};

/// What a connection may run over.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin + 'static {}
impl<IO: AsyncRead + AsyncWrite + Send + Unpin + 'static> Io for IO {}

/// Makes connections to one target.
#[derive(Clone)]
pub(super) struct Connector {
    way: Way,
    /// For people: where it leads.
    name: String,
    /// The address that the last connection was made to or, where none was, began with.
    last: Arc<Mutex<Option<SocketAddr>>>,
}

#[derive(Clone)]
enum Way {
    /// To one of the addresses of a name.
    Tcp { host: String, port: u16 },
    /// To what is no address, or is the user's to know.
    Other(Arc<dyn Fn() -> Dial + Send + Sync>),
}

type Dial = Pin<Box<dyn Future<Output = io::Result<Box<dyn Io>>> + Send>>;

/// Why an attempt has failed.
type Cause = Box<dyn std::error::Error + Send + Sync>;

/// A connection that is READY.
pub(super) struct Connection {
    pub(super) send: SendRequest<Bytes>,
    /// What lies unread on it.
    pub(super) unread: Arc<Unread>,
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
    /// Whether calls may still start on it.
    pub(super) loss: Arc<Loss>,
}

impl Connector {
    /// Over TCP or a Unix socket, to the endpoint's own target.
    pub(super) fn of_target(endpoint: &Endpoint) -> Self {
        let address = endpoint.target.address.clone();
        let name = address.to_string();
        let way = match address {
            Address::Tcp { host, port } => Way::Tcp { host, port },
            Address::Unix(path) => Way::Other(Arc::new(move || Box::pin(dial_unix(path.clone())))),
        };
        Self::new(way, name)
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
        Self::new(Way::Other(dial), "the connector's peer".to_owned())
    }

    fn new(way: Way, name: String) -> Self {
        Self {
            way,
            name,
            last: Arc::default(),
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
        let (host, port) = match &self.way {
            Way::Tcp { host, port } => (host, *port),
            Way::Other(dial) => {
                let made = attempt(dial(), config, Reports::new(subchannel)).await;
                return made.map_err(|cause| self.failed("").with_source(cause));
            }
        };
        let found = look_up(host, port, config).await;
        let found = found.map_err(|cause| self.failed("").with_source(cause))?;
        self.connect_to_one(found, config, subchannel).await
    }

    async fn connect_to_one(
        &self,
        found: Vec<SocketAddr>,
        config: &Arc<Config>,
        subchannel: &Weak<Subchannel>,
    ) -> Result<Made, Error> {
        let order = in_order(found, *self.last());
        *self.last() = order.first().copied();
        let won = race(order, HEAD_START, |address| {
            let address = *address;
            async move {
                let dial = dial_tcp(address, config);
                let made = attempt(dial, config, Reports::new(subchannel)).await?;
                Ok((address, made))
            }
        });
        match won.await {
            Ok((address, made)) => {
                *self.last() = Some(address);
                Ok(made)
            }
            Err(failed) => Err(self.all_failed(failed)),
        }
    }

    /// Tells what became of each address.
    fn all_failed(&self, mut failed: Vec<(SocketAddr, Cause)>) -> Error {
        if failed.len() == 1 {
            if let Some((address, cause)) = failed.pop() {
                let at = match address.to_string() {
                    at if at == self.name => String::new(),
                    at => format!(" at {at}"),
                };
                return self.failed(&at).with_source(cause);
            }
        }
        let each = failed.into_iter().map(|(address, cause)| {
            Error::new(ErrorKind::Connect, address.to_string())
                .with_source(cause)
                .to_string()
        });
        self.failed(&format!(": {}", each.collect::<Vec<_>>().join("; ")))
    }

    fn failed(&self, more: &str) -> Error {
        let what = format!("cannot connect to {}{more}", self.name);
        Error::new(ErrorKind::Connect, what)
    }

    fn last(&self) -> MutexGuard<'_, Option<SocketAddr>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All that makes a connection, within its time.
async fn attempt(
    dial: impl Future<Output = io::Result<Box<dyn Io>>>,
    config: &Arc<Config>,
    reports: Reports,
) -> Result<Made, Cause> {
    let limit = config.time_to_connect();
    let made = tokio::time::timeout(limit, async {
        let io = dial.await?;
        shake_hands(io, config, reports).await
    });
    made.await
        .unwrap_or_else(|_| Err(format!("no answer within {limit:?}").into()))
}

async fn shake_hands(
    io: Box<dyn Io>,
    config: &Arc<Config>,
    reports: Reports,
) -> Result<Made, Cause> {
    let (id, loss) = (reports.id, reports.loss.clone());
    let unread = Arc::new(Unread::of_client(&config.http2, config.max_unread_bytes));
    let meter = FrameMeter::of_client(tokio::time::Instant::now)
        .with_limits(&config.http2)
        .watching(unread.clone());
    let (transport, outlet) = batched(io, meter);
    let handshake = config.http2.client().handshake::<_, Bytes>(transport);
    let (send, h2) = handshake.await?;
    let (ready, is_ready) = oneshot::channel();
    let places = Arc::new(Places::new(&reports.admission()));
    let connection = Arc::new(Connection {
        send,
        unread,
        places,
        id,
    });
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
            Ok(Made { connection, loss })
        }
        Ok(Err(why)) => Err(why.into()),
        Err(_) => Err("it was cancelled: its runtime has stopped".into()),
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

/// The addresses of `host`. The time is the lookup's own: one that is slow leaves the attempts theirs.
async fn look_up(host: &str, port: u16, config: &Config) -> Result<Vec<SocketAddr>, Cause> {
    let limit = config.time_to_connect();
    let found = tokio::time::timeout(limit, tokio::net::lookup_host((host, port)))
        .await
        .map_err(|_| format!("its name was not looked up within {limit:?}"))??;
    let local = config.local_address;
    let fits = |address: &SocketAddr| local.is_none_or(|it| it.is_ipv4() == address.is_ipv4());
    let found: Vec<SocketAddr> = found.filter(fits).collect();
    match (found.is_empty(), local) {
        (false, _) => Ok(found),
        (true, None) => Err("the name has no address".into()),
        (true, Some(_)) => Err("the name has no address of the kind of local_address".into()),
    }
}

async fn dial_tcp(address: SocketAddr, config: &Config) -> io::Result<Box<dyn Io>> {
    let stream = match config.local_address {
        None => TcpStream::connect(address).await,
        Some(local) => connect_from(local, address).await,
    };
    let stream = stream?;
    set_options(&stream, config);
    Ok(Box::new(stream))
}

#[cfg(unix)]
async fn dial_unix(path: PathBuf) -> io::Result<Box<dyn Io>> {
    Ok(Box::new(tokio::net::UnixStream::connect(path).await?))
}

#[cfg(not(unix))]
async fn dial_unix(_: PathBuf) -> io::Result<Box<dyn Io>> {
    Err(io::Error::other("this system has no Unix sockets"))
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
    use std::time::Duration;

    use super::*;

    /// What is found behind an address.
    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Server {
        Serves,
        Refuses,
        Closes,
        IsSilent,
        SpeaksHttp1,
        TurnsAway,
    }

    impl Server {
        async fn start(self) -> SocketAddr {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            if self != Self::Refuses {
                tokio::spawn(async move {
                    while let Ok((socket, _)) = listener.accept().await {
                        tokio::spawn(self.serve(socket));
                    }
                });
            }
            address
        }

        async fn serve(self, mut socket: TcpStream) {
            use tokio::io::AsyncWriteExt;
            match self {
                Self::Refuses | Self::Closes => {}
                Self::IsSilent => std::future::pending().await,
                Self::SpeaksHttp1 => {
                    let _ = socket.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
                }
                Self::TurnsAway => {
                    let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
                    let _ = socket.write_all(&settings).await;
                    let text = "too many connections";
                    let goaway = crate::conn::frame::goaway(0, 11, text);
                    let _ = socket.write_all(&goaway).await;
                    let _ = socket.shutdown().await;
                    let mut unread = Vec::new();
                    let _ = tokio::io::AsyncReadExt::read_to_end(&mut socket, &mut unread).await;
                }
                Self::Serves => {
                    if let Ok(mut h2) = h2::server::handshake(socket).await {
                        let _ = h2.accept().await;
                    }
                }
            }
        }
    }

    #[tokio::test]
    async fn c07_an_address_that_does_not_serve_does_not_stand_before_the_others() {
        use Server::*;
        #[rustfmt::skip]
        let rows: [(&[Server], &[&str]); 8] = [
            (&[Refuses, Serves], &[]),
            (&[Closes, Serves], &[]),
            (&[SpeaksHttp1, Serves], &[]),
            (&[TurnsAway, Serves], &[]),
            (&[IsSilent, Serves], &[]),
            (&[IsSilent, Closes, IsSilent, Serves], &[]),
            (&[Refuses, SpeaksHttp1, TurnsAway], &["refused", "HTTP/1.1", "ENHANCE_YOUR_CALM \"too many connections\""]),
            (&[IsSilent, Closes], &["no answer within 1.5s", ""]),
        ];
        let endpoint = Endpoint::from_static("http://several.test:80");
        let config = endpoint
            .connect_timeout(Duration::from_millis(1500))
            .config();
        let nobody = Weak::new();
        for (servers, expected) in rows {
            let connector = Connector::of_target(&Endpoint::from_static("http://several.test:80"));
            let mut found = Vec::new();
            for server in servers {
                found.push(server.start().await);
            }
            let made = connector.connect_to_one(found.clone(), &config, &nobody);
            match made.await {
                Ok(_) => {
                    assert!(expected.is_empty(), "{servers:?}");
                    assert_eq!(*connector.last(), found.last().copied(), "{servers:?}");
                }
                Err(error) => {
                    let error = error.to_string();
                    assert!(
                        error.starts_with("cannot connect to several.test:80: "),
                        "{error}"
                    );
                    assert!(!expected.is_empty(), "{servers:?}: {error}");
                    for (address, expected) in found.iter().zip(expected) {
                        assert!(error.contains(&address.to_string()), "{error}");
                        assert!(error.contains(expected), "{error}");
                    }
                    assert_eq!(error.matches("cannot connect").count(), 1, "{error}");
                }
            }
        }
    }

    #[tokio::test]
    async fn c07_the_next_connection_begins_elsewhere() {
        let endpoint = Endpoint::from_static("http://several.test:80");
        let (connector, config) = (Connector::of_target(&endpoint), endpoint.config());
        let nobody = Weak::new();
        let found = [Server::Serves.start().await, Server::Serves.start().await];
        for round in 0..4 {
            let made = connector.connect_to_one(found.to_vec(), &config, &nobody);
            assert!(made.await.is_ok());
            assert_eq!(*connector.last(), Some(found[round % 2]), "round {round}");
        }
        // One that failed, too.
        let connector = Connector::of_target(&endpoint);
        let found = [Server::Closes.start().await, Server::Closes.start().await];
        for round in 0..4 {
            let made = connector.connect_to_one(found.to_vec(), &config, &nobody);
            assert!(made.await.is_err());
            assert_eq!(*connector.last(), Some(found[round % 2]), "round {round}");
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
