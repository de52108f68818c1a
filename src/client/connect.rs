//! From an address to a connection that speaks HTTP/2.
//!
//! Dial, shake hands, and wait for the peer's SETTINGS: before those, calls could be refused that the
//! peer would have taken a moment later. All of it within one time limit, for each address of a name; looking up
//! the name has its own. What goes wrong is told in a sentence, for each address: refused, a TLS port, an HTTP/1.1
//! answer.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::uri::Scheme;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

use super::address::Address;
use super::addresses::in_order;
use super::config::PerConnection;
use super::connection::{self, Cause};
use super::dial::{Dialled, Dialler, Io};
use super::places::{Connection, Places};
use super::plan::Plan;
use super::race::{HEAD_START, race};
use super::reports::{Loss, Reports};
use super::secure::Secured;
use crate::conn::frame_meter::FrameMeter;
use crate::conn::io::batched;
use crate::conn::unread::Unread;
use crate::error::{Error, ErrorKind};

/// Makes connections to one target.
#[derive(Clone)]
pub(super) struct Connector {
    address: Address,
    dialler: Dialler,
    /// What makes the stream private.
    secured: Option<Secured>,
    /// For people: where it leads.
    name: String,
    /// The address that the last connection was made to or, where none was, began with.
    last: Arc<Mutex<Option<SocketAddr>>>,
}

/// Why nothing is dialled for `https://` without TLS.
const NO_TLS: &str = "https:// needs TLS; configure it with Endpoint::tls_config (feature tls), bring a connector that \
                      speaks it (connect_with_connector), or write http:// for plaintext";

/// What an attempt has come to.
pub(super) struct Made {
    pub(super) connection: Arc<Connection>,
    /// Whether calls may still start on it.
    pub(super) loss: Arc<Loss>,
}

impl Connector {
    /// By the library's own means.
    pub(super) fn plain(address: Address) -> Self {
        let name = address.to_string();
        Self::new(address, Dialler::Plain, name)
    }

    /// By a connector of the user's.
    pub(super) fn custom(address: Address, dialler: Dialler) -> Self {
        Self::new(address, dialler, "the connector's peer".to_owned())
    }

    fn new(address: Address, dialler: Dialler, name: String) -> Self {
        Self {
            address,
            dialler,
            secured: None,
            name,
            last: Arc::default(),
        }
    }

    /// With a step that makes each stream private.
    pub(super) fn secured(mut self, by: Option<Secured>) -> Self {
        self.secured = by;
        self
    }

    /// For people: where it leads.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Connects. The connection's task runs until it ends, and reports when no more calls may start on it.
    pub(super) async fn connect(&self, plan: &Plan) -> Result<Made, Error> {
        if self.cannot_be_private() {
            return Err(self.failed("").with_source(NO_TLS));
        }
        let made = match self.to_look_up() {
            Some((host, port)) => match look_up(host, port, &plan.config).await {
                Ok(found) => return self.connect_to_one(found, plan).await,
                Err(cause) => Err(cause),
            },
            None => {
                let dial = self.dial(&self.address, &plan.config);
                attempt(dial, plan, Reports::new(&plan.owner)).await
            }
        };
        made.map_err(|cause| self.failed("").with_source(cause))
    }

    /// A stream that carries HTTP/2.
    async fn dial(&self, address: &Address, config: &PerConnection) -> io::Result<Dialled> {
        let dialled = self.dialler.dial(address, config).await?;
        match &self.secured {
            None => Ok(dialled),
            Some(secured) => secured.secure(dialled.io).await,
        }
    }

    /// Whether a private connection is asked for, and nothing here can make one.
    fn cannot_be_private(&self) -> bool {
        self.secured.is_none()
            && self.dialler.needs_lookup()
            && self.address.uri().scheme() == Some(&Scheme::HTTPS)
    }

    /// The host and port of an address that dialling does not look up by itself.
    fn to_look_up(&self) -> Option<(&str, u16)> {
        let (host, port) = (self.address.host()?, self.address.port()?);
        self.dialler.needs_lookup().then_some((host, port))
    }

    async fn connect_to_one(&self, found: Vec<SocketAddr>, plan: &Plan) -> Result<Made, Error> {
        let order = in_order(found, *self.last());
        *self.last() = order.first().copied();
        let won = race(order, HEAD_START, |address| {
            let address = *address;
            async move {
                let resolved = self.address.resolved_to(address);
                let dial = self.dial(&resolved, &plan.config);
                let made = attempt(dial, plan, Reports::new(&plan.owner)).await?;
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
    dial: impl Future<Output = io::Result<Dialled>>,
    plan: &Plan,
    reports: Reports,
) -> Result<Made, Cause> {
    let limit = plan.config.connect_timeout;
    let made = tokio::time::timeout(limit, async {
        let dialled = dial.await?;
        dialled.negotiated.allows_http2()?;
        shake_hands(dialled.io, plan, reports).await
    });
    made.await
        .unwrap_or_else(|_| Err(format!("no answer within {limit:?}").into()))
}

async fn shake_hands(io: Box<dyn Io>, plan: &Plan, reports: Reports) -> Result<Made, Cause> {
    let config = &plan.config;
    let (owner, loss) = (reports.owner.clone(), reports.loss.clone());
    let unread = Arc::new(Unread::of_client(&config.http2, config.max_unread_bytes));
    let meter = FrameMeter::of_client(tokio::time::Instant::now)
        .with_limits(&config.http2)
        .watching(unread.clone());
    let (transport, outlet) = batched(io, meter);
    let handshake = config.http2.client().handshake::<_, Bytes>(transport);
    let (send, h2) = handshake.await?;
    let (ready, is_ready) = oneshot::channel();
    let places = Arc::new(Places::new(plan.waiters.clone()));
    let connection = Arc::new(Connection {
        send,
        unread,
        places,
        owner,
    });
    let task = Task::spawn(connection::run(
        h2,
        outlet,
        plan,
        &connection,
        ready,
        reports,
    ));
    match is_ready.await {
        Ok(Ok(())) => {
            task.go_on();
            Ok(Made { connection, loss })
        }
        Ok(Err(why)) => Err(why),
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
async fn look_up(host: &str, port: u16, config: &PerConnection) -> Result<Vec<SocketAddr>, Cause> {
    let limit = config.connect_timeout;
    let found = tokio::time::timeout(limit, tokio::net::lookup_host((host, port)))
        .await
        .map_err(|_| format!("its name was not looked up within {limit:?}"))??;
    let found = found.filter(|address| config.socket.reaches(address));
    let found: Vec<SocketAddr> = found.collect();
    match (found.is_empty(), config.socket.local_address) {
        (false, _) => Ok(found),
        (true, None) => Err("the name has no address".into()),
        (true, Some(_)) => Err("the name has no address of the kind of local_address".into()),
    }
}

impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Connector").field(&self.name).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Weak;
    use std::time::Duration;

    use http::Uri;
    use tokio::net::TcpStream;

    use super::*;
    use crate::client::admission::Admission;
    use crate::client::reports::Owner;

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

    /// To a name that has several addresses.
    fn several() -> Connector {
        let uri = Uri::from_static("http://several.test:80");
        Connector::plain(Address::of_host(uri, "several.test".to_owned(), 80))
    }

    fn plan() -> Plan {
        let config = PerConnection {
            connect_timeout: Duration::from_millis(1500),
            ..PerConnection::default()
        };
        Plan {
            keepalive: config.keepalive,
            config: Arc::new(config),
            owner: Weak::<Nobody>::new(),
            waiters: Admission::new().waiters(),
        }
    }

    struct Nobody;

    impl Owner for Nobody {
        fn next_id(&self) -> u64 {
            0
        }

        fn lost(&self, _: u64) {}

        fn too_many_pings(&self) {}
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
        let plan = plan();
        for (servers, expected) in rows {
            let connector = several();
            let mut found = Vec::new();
            for server in servers {
                found.push(server.start().await);
            }
            let made = connector.connect_to_one(found.clone(), &plan);
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
        let (connector, plan) = (several(), plan());
        let found = [Server::Serves.start().await, Server::Serves.start().await];
        for round in 0..4 {
            let made = connector.connect_to_one(found.to_vec(), &plan);
            assert!(made.await.is_ok());
            assert_eq!(*connector.last(), Some(found[round % 2]), "round {round}");
        }
        // One that failed, too.
        let connector = several();
        let found = [Server::Closes.start().await, Server::Closes.start().await];
        for round in 0..4 {
            let made = connector.connect_to_one(found.to_vec(), &plan);
            assert!(made.await.is_err());
            assert_eq!(*connector.last(), Some(found[round % 2]), "round {round}");
        }
    }
}
