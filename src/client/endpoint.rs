//! The knobs of a channel.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::uri::Authority;
use http::{HeaderValue, Uri};
use tokio::io::{AsyncRead, AsyncWrite};

use super::address::Address;
use super::channel::{Channel, Parts};
use super::config::{PerCall, PerConnection};
use super::connect::Connector;
use super::dial::Dialler;
use super::secure::{Secure, Security};
use super::target::{self, Target};
use crate::compression::codings::{Enabled, compression_knobs};
use crate::conn::settings::Http2Settings;
use crate::error::{Error, ErrorKind};
use crate::head::RequestTemplate;
use crate::wire::user_agent;

/// Where to, and under which limits. Where a number may be an `Option`, as in tonic, `None` is the
/// default.
///
/// ```no_run
/// # async fn run() -> Result<(), temaki::Error> {
/// use std::time::Duration;
///
/// let channel = temaki::Endpoint::from_static("http://127.0.0.1:50051")
///     .timeout(Duration::from_secs(5))
///     .connect()
///     .await?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Endpoint {
    pub(super) target: Target,
    user_agent: HeaderValue,
    pub(super) per_call: PerCall,
    /// What channels begin with.
    pub(super) compression: Enabled,
    pub(super) per_connection: PerConnection,
    security: Security,
}

//= KEEPALIVE-CLIENT  off by default, not under 10 s, 20 s for an answer
/// The shortest keepalive that gRFC A8 allows a client.
const MIN_KEEPALIVE: Duration = Duration::from_secs(10);

impl Endpoint {
    /// The endpoint at `http://host:port`, at `https://host:port` or, on Unix systems, at `unix:/path`. An `https://` target
    /// needs TLS as well (feature `tls`): `tls_config`.
    ///
    /// # Errors
    /// If the target is not understood; the error says what to write.
    pub fn new(target: impl AsRef<str>) -> Result<Self, Error> {
        Ok(Self {
            target: target::parse(target.as_ref())?,
            user_agent: HeaderValue::from_static(user_agent::USER_AGENT),
            per_call: PerCall::default(),
            compression: None,
            per_connection: PerConnection::default(),
            security: Security::default(),
        })
    }

    /// As [`new`](Self::new), for a target that is part of the program.
    ///
    /// # Panics
    /// If the target is not understood.
    pub fn from_static(target: &'static str) -> Self {
        match Self::new(target) {
            Ok(endpoint) => endpoint,
            Err(error) => panic!("{error}"),
        }
    }

    /// As [`new`](Self::new), by tonic's name.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn from_shared(target: impl AsRef<str>) -> Result<Self, Error> {
        Self::new(target)
    }

    /// The longest a call may take, to its last trailer. Default: as long as it does, since only the
    /// application knows. A request's own [`set_timeout`](crate::Request::set_timeout) may be shorter; the
    /// earlier of both counts. It is sent as `grpc-timeout`, so that the server stops too.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.per_call.timeout = Some(limit);
        self
    }

    /// How long one attempt to connect to one address may take, to the peer's SETTINGS; and how long looking up the
    /// name may. Default 20 s, gRPC's least: a server in need of a connection's time is helped by no second one. Of a
    /// name with several addresses each has a head start of 250 ms before the next is tried beside it, and none once
    /// it has failed; the first to serve is taken.
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.per_connection.connect_timeout = limit;
        self
    }

    /// The wait after the first attempt to connect that failed. Default 1 s; less than 10 ms is taken as 10 ms. This
    /// and the next three are the numbers of gRPC's connection backoff, by its names;
    /// [`Channel::reset_connect_backoff`] ends a wait.
    pub fn initial_backoff(mut self, wait: Duration) -> Self {
        self.per_connection.backoff.initial = wait;
        self
    }

    /// How many times longer each wait is than the one before. Default 1.6; less than 1 is taken as 1.
    pub fn backoff_multiplier(mut self, factor: f64) -> Self {
        self.per_connection.backoff.multiplier = factor.max(1.0);
        self
    }

    /// By which share of itself a wait may be longer or shorter, by chance: without it, all clients of a server
    /// that went away come back together. Default 0.2, from 0 to 1.
    pub fn backoff_jitter(mut self, share: f64) -> Self {
        let share = if share.is_nan() { 0.0 } else { share };
        self.per_connection.backoff.jitter = share.clamp(0.0, 1.0);
        self
    }

    /// The longest wait between two attempts, before jitter. Default 120 s.
    pub fn max_backoff(mut self, wait: Duration) -> Self {
        self.per_connection.backoff.max = wait;
        self
    }

    /// Whether calls wait while there is no connection and the last attempt failed. Default: no, they
    /// fail with UNAVAILABLE and the reason. A request may say otherwise
    /// ([`set_wait_for_ready`](crate::Request::set_wait_for_ready)). Calls always wait for the first
    /// attempt; after it has failed, none waits that did not ask to, until there is a connection.
    pub fn wait_for_ready(mut self, wait: bool) -> Self {
        self.per_call.wait_for_ready = wait;
        self
    }

    /// The application's name and version, put before temaki's own in `user-agent`.
    ///
    /// # Errors
    /// If it holds what a header value may not.
    pub fn user_agent(mut self, application: impl AsRef<str>) -> Result<Self, Error> {
        let value = user_agent::with_application(application.as_ref());
        self.user_agent = HeaderValue::try_from(value).map_err(|error| {
            Error::new(ErrorKind::Config, "cannot use the user agent").with_source(error)
        })?;
        Ok(self)
    }

    /// What to say as `:authority`, where it is not the target's own host and port: for a server that is
    /// reached by way of another name, or a proxy that chooses by it.
    ///
    /// # Errors
    /// If it is not a host with an optional port.
    pub fn authority(mut self, authority: impl AsRef<str>) -> Result<Self, Error> {
        // RFC 9113 §8.3.1: it names no user; nor is one shown in an error.
        let authority = authority.as_ref();
        if authority.contains('@') {
            let what = "cannot use an authority that names a user; send credentials as metadata";
            return Err(Error::new(ErrorKind::Config, what));
        }
        self.target.authority = Authority::try_from(authority).map_err(|error| {
            Error::new(ErrorKind::Config, "cannot use the authority").with_source(error)
        })?;
        Ok(self)
    }

    /// What to say as `:scheme` and `:authority`: those of `origin`, as far as it has them. By tonic's name;
    /// where only the authority differs, [`authority`](Self::authority) is shorter. A user in it is left out.
    pub fn origin(mut self, origin: Uri) -> Self {
        let origin = origin.into_parts();
        if let Some(scheme) = origin.scheme {
            self.target.scheme = scheme;
        }
        if let Some(authority) = origin.authority {
            let text = authority.as_str();
            let without_user = text.rsplit_once('@').map(|(_, host)| host.parse());
            self.target.authority = match without_user {
                Some(Ok(host)) => host,
                _ => authority,
            };
        }
        self
    }

    /// Asks a silent server whether it is still there: a PING after this much time without a byte from
    /// it, while calls are open. Default: off, since a server must permit it. Less than 10 s is taken as 10 s:
    /// servers cut the connection of a client that asks too often. If one says `too_many_pings`, the interval
    /// is doubled for this channel's next connections.
    pub fn http2_keep_alive_interval(mut self, interval: Duration) -> Self {
        self.per_connection.keepalive.interval = Some(interval.max(MIN_KEEPALIVE));
        self
    }

    /// How long the server may take to answer a PING before its calls end with UNAVAILABLE. Default 20 s. A PING is sent
    /// for keepalive, and once when a call expires unanswered while nothing comes from the server. With
    /// keepalive on, it is also how long bytes may stay unacknowledged (`TCP_USER_TIMEOUT`), where the system
    /// can be told.
    pub fn keep_alive_timeout(mut self, limit: Duration) -> Self {
        self.per_connection.keepalive.timeout = limit;
        self
    }

    /// Keepalive without open calls too. Default: no; many servers do not permit it.
    pub fn keep_alive_while_idle(mut self, on: bool) -> Self {
        self.per_connection.keepalive.while_idle = on;
        self
    }

    /// How many bytes the server may send ahead of a reader of one stream. Default 512 KiB, which keeps a bulk
    /// download moving over a link of 40 Mbit/s and 100 ms. At least 16 KiB. It is the most that a stream
    /// which is not read can make this side hold.
    pub fn initial_stream_window_size(mut self, bytes: impl Into<Option<u32>>) -> Self {
        let bytes = bytes
            .into()
            .unwrap_or(Http2Settings::for_client().stream_window);
        self.per_connection.http2.stream_window = bytes.clamp(MIN_WINDOW, MAX_WINDOW);
        self
    }

    /// The same for all streams of the connection together. Default 2³¹−1, the most there is, so that streams
    /// which are not read never stop one that is; what they make this side hold is bounded by
    /// [`max_unread_bytes`](Self::max_unread_bytes). At least 16 KiB.
    pub fn initial_connection_window_size(mut self, bytes: impl Into<Option<u32>>) -> Self {
        let bytes = bytes
            .into()
            .unwrap_or(Http2Settings::for_client().connection_window);
        self.per_connection.http2.connection_window = bytes.clamp(MIN_WINDOW, MAX_WINDOW);
        self
    }

    /// How many bytes of answers may lie unread on one connection, of all its streams together. Default 256 MiB,
    /// which is 512 streams whose readers have stopped. When there are more, the stream that has most of them ends
    /// with RESOURCE_EXHAUSTED, and the others go on.
    pub fn max_unread_bytes(mut self, bytes: usize) -> Self {
        self.per_connection.max_unread_bytes = bytes;
        self
    }

    /// The largest DATA frame to accept, in bytes, from 16,384 to 16,777,215. Default 256 KiB: each frame has
    /// a cost, and a frame this large still lets a neighbour's through soon.
    pub fn max_frame_size(mut self, bytes: impl Into<Option<u32>>) -> Self {
        let bytes = bytes
            .into()
            .unwrap_or(Http2Settings::for_client().max_frame_size);
        self.per_connection.http2.max_frame_size = bytes.clamp(16_384, 16_777_215);
        self
    }

    /// The largest list of headers or trailers to accept, in bytes, with 32 added for each. Default 64 KiB:
    /// room for a status with details. A call whose response headers exceed it fails; of
    /// trailers, what does not fit is lost: the status with it, and the error says so, if it came last. What exceeds it four times over ends the connection.
    pub fn http2_max_header_list_size(mut self, bytes: u32) -> Self {
        self.per_connection.http2.max_header_list_size = bytes;
        self
    }

    /// Whether an interceptor that [adds credentials](crate::AsyncInterceptor::adds_credentials) may do so on a plaintext
    /// connection. Default: no, its calls end with UNAUTHENTICATED before anything is sent. Connections to `https://`
    /// and `unix:` targets are not meant by it: they carry credentials always.
    pub fn credentials_over_plaintext(mut self, allow: bool) -> Self {
        self.security.credentials_over_plaintext = allow;
        self
    }

    /// `TCP_NODELAY`. Default: on, since whole batches are written and waiting gains nothing.
    pub fn tcp_nodelay(mut self, on: bool) -> Self {
        self.per_connection.socket.nodelay = on;
        self
    }

    /// TCP keepalive after this much silence. Default: off; HTTP/2's own PING sees more.
    pub fn tcp_keepalive(mut self, after: Option<Duration>) -> Self {
        self.per_connection.socket.keepalive = after;
        self
    }

    /// The time between two probes of TCP keepalive, where that is on. Default: the system's.
    pub fn tcp_keepalive_interval(mut self, interval: Option<Duration>) -> Self {
        self.per_connection.socket.keepalive_interval = interval;
        self
    }

    /// The address to connect from, on a host that has several. Default: the system's choice. Of the target's
    /// addresses, those of the other family are passed over.
    pub fn local_address(mut self, address: Option<IpAddr>) -> Self {
        self.per_connection.socket.local_address = address;
        self
    }

    compression_knobs!(
        "Compresses request messages in this way. A server that does not read it ends the call with UNIMPLEMENTED. Default: none are compressed. Called several times, the last one counts. A request is sent as it is after [`Request::disable_compression`](crate::Request::disable_compression), and a message of a stream with [`send_as_is`](crate::codec::send_as_is).",
        send_only,
        this => this.compression
    );

    /// Connects, and is there when the server's SETTINGS have come.
    ///
    /// Later, when the connection is lost, the channel makes a new one by itself.
    ///
    /// # Errors
    /// If the first attempt fails: with what was tried and what the system said.
    pub async fn connect(&self) -> Result<Channel, Error> {
        let channel = self.connect_lazy();
        channel.first_connection().await?;
        Ok(channel)
    }

    /// A channel that connects when the first call is made.
    pub fn connect_lazy(&self) -> Channel {
        self.channel(Connector::plain(self.target.address.clone()))
    }

    /// As [`connect`](Self::connect), over connections that `connector` makes: a proxy, a test's pipe, TLS of
    /// your own. If the endpoint has a TLS configuration, TLS is spoken over them. The connector is called whenever a connection is needed, with the [`Address`] of the target. It
    /// looks up names itself.
    ///
    /// # Errors
    /// If the first attempt fails.
    pub async fn connect_with_connector<F, Fut, IO>(&self, connector: F) -> Result<Channel, Error>
    where
        F: Fn(Address) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = std::io::Result<IO>> + Send + 'static,
        IO: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let channel = self.connect_with_connector_lazy(connector);
        channel.first_connection().await?;
        Ok(channel)
    }

    /// The same, connected when the first call is made.
    pub fn connect_with_connector_lazy<F, Fut, IO>(&self, connector: F) -> Channel
    where
        F: Fn(Address) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = std::io::Result<IO>> + Send + 'static,
        IO: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let dialler = Dialler::custom(connector);
        self.channel(Connector::custom(self.target.address.clone(), dialler))
    }

    /// A channel over one connection that is there already. When it is lost, calls fail.
    ///
    /// # Errors
    /// If the peer does not speak HTTP/2.
    pub async fn connect_with_io<IO>(&self, io: IO) -> Result<Channel, Error>
    where
        IO: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let io = std::sync::Mutex::new(Some(io));
        self.connect_with_connector(move |_| {
            let io = io.lock().ok().and_then(|mut io| io.take());
            async move {
                io.ok_or_else(|| {
                    std::io::Error::other("the one connection of this channel has been used up")
                })
            }
        })
        .await
    }

    /// Has each connection made private by `step` before HTTP/2 begins.
    ///
    /// # Errors
    /// If the target is `http://`.
    #[cfg_attr(
        not(feature = "tls"),
        allow(dead_code, reason = "of the feature `tls`")
    )]
    pub(crate) fn secured_by(mut self, step: Arc<dyn Secure>) -> Result<Self, Error> {
        self.security.set(step, &mut self.target)?;
        Ok(self)
    }

    fn channel(&self, connector: Connector) -> Channel {
        Channel::new(Parts {
            connector: connector.secured(self.security.secured(&self.target)),
            template: self.template(),
            per_call: self.per_call,
            per_connection: self.per_connection.clone(),
            compression: self.compression.clone(),
            allows_credentials: self.security.allows_credentials(&self.target),
        })
    }

    fn template(&self) -> RequestTemplate {
        RequestTemplate::new(
            self.target.scheme.clone(),
            self.target.authority.clone(),
            self.user_agent.clone(),
        )
    }
}

/// The smallest flow-control window that may be asked for: a smaller one would have readers give credit for each
/// frame.
const MIN_WINDOW: u32 = 16 * 1024;
/// The largest flow-control window (RFC 9113 §6.9.1).
const MAX_WINDOW: u32 = (1 << 31) - 1;

impl TryFrom<&str> for Endpoint {
    type Error = Error;

    fn try_from(target: &str) -> Result<Self, Error> {
        Self::new(target)
    }
}

impl std::str::FromStr for Endpoint {
    type Err = Error;

    fn from_str(target: &str) -> Result<Self, Error> {
        Self::new(target)
    }
}

impl TryFrom<String> for Endpoint {
    type Error = Error;

    fn try_from(target: String) -> Result<Self, Error> {
        Self::new(target)
    }
}

impl TryFrom<http::Uri> for Endpoint {
    type Error = Error;

    fn try_from(target: http::Uri) -> Result<Self, Error> {
        Self::new(target.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_may_be_named_in_each_of_tonics_ways() {
        let expected = Endpoint::from_static("http://localhost:1").target;
        for endpoint in [
            Endpoint::from_shared("http://localhost:1").unwrap(),
            Endpoint::try_from("http://localhost:1").unwrap(),
            "http://localhost:1".parse().unwrap(),
            Endpoint::try_from("http://localhost:1".to_owned()).unwrap(),
            Endpoint::try_from(http::Uri::from_static("http://localhost:1")).unwrap(),
            Channel::builder(http::Uri::from_static("http://localhost:1")),
            Channel::from_static("http://localhost:1"),
            Channel::from_shared("http://localhost:1").unwrap(),
        ] {
            assert_eq!(endpoint.target, expected);
        }
        assert!(Endpoint::try_from(http::Uri::from_static("/no/host")).is_err());
    }

    #[test]
    fn c19_no_user_is_named_to_a_server_or_shown() {
        let endpoint = Endpoint::from_static("http://localhost");
        let error = endpoint
            .clone()
            .authority("alice:hunter2@host")
            .unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
        let origin = http::Uri::from_static("https://alice:hunter2@host:1");
        let endpoint = endpoint.origin(origin);
        assert_eq!(endpoint.target.authority, "host:1");
        assert!(!format!("{endpoint:?}").contains("hunter2"));
    }

    #[test]
    fn no_number_is_the_default() {
        let endpoint = Endpoint::from_static("http://localhost");
        let limits = |endpoint: &Endpoint| {
            let http2 = &endpoint.per_connection.http2;
            (
                http2.stream_window,
                http2.connection_window,
                http2.max_frame_size,
            )
        };
        let same = endpoint
            .clone()
            .initial_stream_window_size(None)
            .initial_connection_window_size(None)
            .max_frame_size(None);
        assert_eq!(limits(&same), limits(&endpoint));
        let other = endpoint
            .initial_stream_window_size(Some(20_000))
            .initial_connection_window_size(30_000)
            .max_frame_size(40_000);
        assert_eq!(limits(&other), (20_000, 30_000, 40_000));
    }

    //= KEEPALIVE-CLIENT  type=test
    #[test]
    fn b80_keepalive_is_off_and_never_hasty() {
        let endpoint = Endpoint::from_static("http://localhost");
        assert_eq!(
            endpoint.per_connection.keepalive.interval, None,
            "off by default"
        );
        assert_eq!(
            endpoint.per_connection.keepalive.timeout,
            Duration::from_secs(20)
        );
        assert!(!endpoint.per_connection.keepalive.while_idle);
        for (asked, given) in [(1, 10), (10, 10), (11, 11)] {
            let endpoint = endpoint.clone();
            let endpoint = endpoint.http2_keep_alive_interval(Duration::from_secs(asked));
            let given = Some(Duration::from_secs(given));
            assert_eq!(endpoint.per_connection.keepalive.interval, given);
        }
    }
}
