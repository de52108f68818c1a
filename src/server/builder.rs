//! How is a server set up, and in which ways can it serve?
//!
//! [`Server`] holds the options. `accept` serves with them. This file does not know what a call or a connection is.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_core::Stream;
use tokio::net::{TcpStream, ToSocketAddrs, lookup_host};

use crate::compression::codings::compression_knobs;
use crate::conn::ping_strikes::PingPolicy;
use crate::conn::settings::Http2Settings;
use crate::conn::unread::Buffered;
use crate::error::{Error, ErrorKind};
use crate::interceptor::Interceptors;
use crate::{AsyncInterceptor, ConnectInfo, Connected, Interceptor};

use super::accept::Acceptor;
use super::connection::Shared;
use super::drain::Drain;
use super::events::Events;
use super::handshake::{Handshake, Plain};
use super::incoming::TcpIncoming;
use super::limits::Limits;
use super::method::Methods;
use super::observer::Observer;
use super::options::MethodOptions;
use super::route::Route;
use super::router::Router;
use super::service::{RegisteredMethods, Service};
use super::tally::DrainReport;
use super::{inline, limit, room};

/// Makes the fallback, when its options are known.
type MakeFallback = Box<dyn FnOnce(MethodOptions) -> Option<Route> + Send + Sync>;

/// A gRPC server: services, and the limits they are served under.
///
/// Every limit is finite by default, and every wait has a time.
///
/// ```no_run
/// # use temaki::server::{Service, RegisteredMethods};
/// # async fn run(greeter: impl Service) -> Result<(), Box<dyn std::error::Error>> {
/// temaki::Server::builder().add_service(greeter).serve("127.0.0.1:50051".parse()?).await?;
/// # Ok(()) }
/// ```
pub struct Server<H = Plain> {
    handshake: H,
    limits: Limits,
    max_buffered_bytes: Option<usize>,
    services: Vec<RegisteredMethods>,
    fallback: Option<MakeFallback>,
    fallback_options: MethodOptions,
    interceptors: Interceptors,
    events: Events,
    /// `None`: as many as there are descriptors for.
    max_connections: Option<usize>,
    max_concurrent_calls: Option<usize>,
    drain_timeout: Duration,
    tcp_nodelay: bool,
    tcp_keepalive: Option<Duration>,
    tcp_keepalive_interval: Option<Duration>,
}

impl Default for Server {
    fn default() -> Self {
        Self::builder()
    }
}

impl Server {
    /// A server without services, with the default limits.
    pub fn builder() -> Self {
        Self {
            handshake: Plain,
            limits: Limits {
                http2: Http2Settings::default(),
                timeout: None,
                handshake_timeout: Duration::from_secs(10),
                handlers_in_place: inline::PASS,
                stall_timeout: Duration::from_secs(30),
                keepalive_interval: None,
                keepalive_timeout: KEEPALIVE_TIMEOUT,
                ping_policy: PingPolicy::default(),
                max_age: None,
                max_age_grace: None,
                max_idle: None,
                compression: None,
            },
            max_buffered_bytes: None,
            services: Vec::new(),
            fallback: None,
            fallback_options: MethodOptions::default(),
            interceptors: Interceptors::default(),
            events: Events::default(),
            max_connections: None,
            max_concurrent_calls: None,
            drain_timeout: Duration::from_secs(30),
            tcp_nodelay: true,
            tcp_keepalive: None,
            tcp_keepalive_interval: None,
        }
    }
}

impl<H> Server<H> {
    /// Serves one more service. Several may share the server; each only once.
    pub fn add_service(mut self, service: impl Service) -> Self {
        self.services.push(service.into_methods());
        self
    }

    /// As [`add_service`](Self::add_service), if there is one.
    pub fn add_optional_service(self, service: Option<impl Service>) -> Self {
        match service {
            Some(service) => self.add_service(service),
            None => self,
        }
    }

    /// Handles every call whose path belongs to no service: for proxies. Messages are the bytes
    /// they are; the path is the request's [`method_path`](crate::Request::method_path).
    pub fn fallback<F, Fut, S>(mut self, handler: F) -> Self
    where
        F: Fn(crate::Request<crate::Streaming<bytes::Bytes>>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<crate::Response<S>, crate::Status>> + Send + 'static,
        S: Stream<Item = Result<bytes::Bytes, crate::Status>> + Send + 'static,
    {
        self.fallback = Some(Box::new(|options| {
            let mut methods = Methods::with_options("", Arc::new(()), options);
            methods.bidi_streaming("*", crate::codec::BytesCodec, move |_, request| {
                handler(request)
            });
            methods.into_methods().routes.pop()
        }));
        self
    }

    /// The largest message that the [`fallback`](Self::fallback) accepts, in bytes. Default 4 MiB, as for a
    /// [service](crate::server::ServiceServer::max_decoding_message_size). A larger one ends its call with
    /// RESOURCE_EXHAUSTED, before memory is taken for it.
    pub fn fallback_max_decoding_message_size(mut self, limit: usize) -> Self {
        self.fallback_options.max_decoding_message_size = limit;
        self
    }

    /// The largest message that the [`fallback`](Self::fallback) sends, in bytes. Default: no limit but the
    /// format's, 4 GiB, as for a [service](crate::server::ServiceServer::max_encoding_message_size). A larger one ends its
    /// call with RESOURCE_EXHAUSTED.
    pub fn fallback_max_encoding_message_size(mut self, limit: usize) -> Self {
        self.fallback_options.max_encoding_message_size = limit;
        self
    }

    /// An interceptor for all services, which sees a call before those of its service do. Calls that name no
    /// method here pass none.
    pub fn interceptor<I>(mut self, interceptor: I) -> Self
    where
        I: Interceptor + Clone + Send + Sync + 'static,
    {
        self.interceptors.push(interceptor);
        self
    }

    /// As [`interceptor`](Self::interceptor), for one that waits or looks at responses too.
    pub fn async_interceptor(mut self, interceptor: impl AsyncInterceptor) -> Self {
        self.interceptors.push_async(interceptor);
        self
    }

    /// Reports connections, calls and the drain to `observer`: for metrics. Default: no observer.
    /// A second one replaces the first.
    pub fn observer(mut self, observer: impl Observer) -> Self {
        self.events.tell(observer);
        self
    }

    // Calls.

    compression_knobs!(
        "For all services, beside what they say themselves: compresses response messages in this way, for clients that read it. Default: none are compressed. Called several times, the coding that was named first is the best. A response is sent as it is after [`Response::disable_compression`](crate::Response::disable_compression), and a message of a stream with [`send_as_is`](crate::codec::send_as_is).",
        send,
        this => this.limits.compression
    );

    /// The longest a call may take, from its head to its trailers. Default: no limit but the client's
    /// own deadline, since only the application knows how long is too long. Of both the earlier counts. At the
    /// limit the handler is dropped, and the call ends with DEADLINE_EXCEEDED.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.limits.timeout = Some(limit.min(FOREVER));
        self
    }

    /// How many calls one connection may have open. Default 256, and never without limit, because each
    /// holds a handler: a client that needs more at once opens another connection. It is announced in
    /// SETTINGS; a stream beyond it is refused with `REFUSED_STREAM`, which clients may try again.
    pub fn max_concurrent_streams(mut self, limit: impl Into<Option<u32>>) -> Self {
        let default = Http2Settings::default().max_concurrent_streams;
        self.limits.http2.max_concurrent_streams = limit.into().unwrap_or(default).max(1);
        self
    }

    /// tonic's name for a limit that here is the same as [`max_concurrent_streams`](Self::max_concurrent_streams),
    /// 256 by default: a handler is counted until it is dropped, so the two cannot differ.
    pub fn concurrency_limit_per_connection(self, limit: usize) -> Self {
        self.max_concurrent_streams(u32::try_from(limit).unwrap_or(u32::MAX))
    }

    /// How many calls the whole server may have open, on all connections together. Default: no limit but connections
    /// times [`max_concurrent_streams`](Self::max_concurrent_streams), since only the application knows what it can
    /// bear. A call beyond it ends with RESOURCE_EXHAUSTED at once, before its handler. A call counts until its
    /// handler was dropped and its response is sent. [Services that are never shed](crate::server::ServiceServer::never_shed), the
    /// health service among them, are served beyond it.
    pub fn max_concurrent_calls(mut self, limit: usize) -> Self {
        self.max_concurrent_calls = Some(limit);
        self
    }

    /// How long a connection may poll handlers in its own task before it spawns the rest of the requests
    /// that came together. Default 50 µs, which is large beside a handler that returns at once and small
    /// beside the time a task may take. Zero spawns nearly all, which suits handlers that all compute.
    pub fn handlers_in_place(mut self, budget: Duration) -> Self {
        self.limits.handlers_in_place = budget;
        self
    }

    // HTTP/2.

    /// How many bytes a client may send ahead of a handler that reads one stream. Default 512 KiB, which
    /// keeps a bulk upload moving over a link of 40 Mbit/s and 100 ms. At least 16 KiB. What a handler leaves unread
    /// costs so much and no more, however small the messages are.
    pub fn initial_stream_window_size(mut self, bytes: impl Into<Option<u32>>) -> Self {
        let default = Http2Settings::default().stream_window;
        self.limits.http2.stream_window = bytes
            .into()
            .unwrap_or(default)
            .clamp(MIN_WINDOW, MAX_WINDOW);
        self
    }

    /// The same for all streams of a connection together. Default 7 MiB. It is the most that handlers
    /// which do not read can make one connection hold; when it is full, all its uploads wait. At least 16 KiB.
    pub fn initial_connection_window_size(mut self, bytes: impl Into<Option<u32>>) -> Self {
        let default = Http2Settings::default().connection_window;
        self.limits.http2.connection_window = bytes
            .into()
            .unwrap_or(default)
            .clamp(MIN_WINDOW, MAX_WINDOW);
        self
    }

    /// The largest DATA frame to accept, in bytes, from 16,384 to 16,777,215. Default 256 KiB: each frame
    /// has a cost, and a frame this large still lets a neighbour's through soon.
    pub fn max_frame_size(mut self, bytes: impl Into<Option<u32>>) -> Self {
        let default = Http2Settings::default().max_frame_size;
        self.limits.http2.max_frame_size =
            bytes.into().unwrap_or(default).clamp(16_384, 16_777_215);
        self
    }

    /// The largest request header list to accept, in bytes, with 32 added for each header. Default 16 KiB:
    /// twice what gRPC suggests, so that a large token fits, and little enough to hold for every call. The response to a
    /// larger one is HTTP 431. One four times as large ends the connection.
    pub fn http2_max_header_list_size(mut self, bytes: impl Into<Option<u32>>) -> Self {
        let default = Http2Settings::default().max_header_list_size;
        self.limits.http2.max_header_list_size = bytes.into().unwrap_or(default);
        self
    }

    /// Asks a silent peer whether it is still there: a PING after this much time without a byte from it, at
    /// least 1 s. Default: off, because a connection that carries nothing costs little, and one that
    /// does is found dead by [`stall_timeout`](Self::stall_timeout).
    pub fn http2_keepalive_interval(mut self, interval: Option<Duration>) -> Self {
        self.limits.keepalive_interval =
            interval.map(|interval| interval.clamp(Duration::from_secs(1), FOREVER));
        self
    }

    /// How long the peer may take to acknowledge a PING before its connection is closed and its calls are
    /// cancelled. Default 20 s, which outlasts a short break of a network. With
    /// [keepalive](Self::http2_keepalive_interval), [`serve`](Self::serve) makes it the sockets' `TCP_USER_TIMEOUT` too,
    /// where the system has that: bytes that the peer's system does not take are waited for as long, PING or not.
    ///
    /// It is also how long a peer that is silent may take to acknowledge the PING behind a GOAWAY of this side.
    pub fn http2_keepalive_timeout(mut self, limit: impl Into<Option<Duration>>) -> Self {
        let limit = limit.into().unwrap_or(KEEPALIVE_TIMEOUT);
        self.limits.keepalive_timeout = limit.min(FOREVER);
        self
    }

    /// How often a client may PING while it has calls open, unless there is something to ping for: HEADERS or DATA
    /// that were sent to it, or credit that it gives. Default 5 minutes, as gRPC has it. The third PING in a row that
    /// comes too soon ends the connection, with GOAWAY ENHANCE_YOUR_CALM and the text `too_many_pings`. Half a second too
    /// soon does not count. Lower it when clients' keepalive (`keepalive_time` and such) is set to less.
    pub fn http2_keepalive_permit_interval(mut self, interval: Duration) -> Self {
        self.limits.ping_policy.permit_interval = interval;
        self
    }

    /// Whether a client may PING as often without a call open. Default no: then it may do so every two hours.
    pub fn http2_keepalive_permit_without_calls(mut self, permit: bool) -> Self {
        self.limits.ping_policy.permit_without_calls = permit;
        self
    }

    /// How many bytes of requests all connections together may hold that handlers have not taken: messages of
    /// which a part has come, and what lies in streams that are not read. Default: no limit but each connection's
    /// window and its calls' largest messages. A call that needs more ends with RESOURCE_EXHAUSTED; those of the
    /// health service never do.
    pub fn max_buffered_bytes(mut self, limit: usize) -> Self {
        self.max_buffered_bytes = Some(limit);
        self
    }

    // Connections.

    /// How many connections to serve at once. Default: as many as the process may have descriptors, less 64
    /// (or half, if they are few) for the application's own, and 65,536 at most; 10,000 where the system does not report
    /// that limit (Linux does). 10,000 idle ones take less than 200 MiB.
    ///
    /// When all are open, room is made for a newcomer by one on which no call was ever made, or else by one
    /// without a call for five minutes, the oldest first and a hundredth of the limit a second at most; they get a
    /// GOAWAY. If there is none, the newcomer is closed at once, so that it may go elsewhere, and an
    /// [observer](Observer::listener_failed) receives an error.
    pub fn max_connections(mut self, limit: usize) -> Self {
        self.max_connections = Some(limit.max(1));
        self
    }

    /// What turns an accepted connection into an IO that carries HTTP/2: TLS, for example. Default: [`Plain`], which
    /// changes nothing. A second one replaces the first.
    ///
    /// It runs in each connection's own task, within [`handshake_timeout`](Self::handshake_timeout). See [`Handshake`].
    pub fn handshake<H2>(self, handshake: H2) -> Server<H2> {
        Server {
            handshake,
            limits: self.limits,
            max_buffered_bytes: self.max_buffered_bytes,
            services: self.services,
            fallback: self.fallback,
            fallback_options: self.fallback_options,
            interceptors: self.interceptors,
            events: self.events,
            max_connections: self.max_connections,
            max_concurrent_calls: self.max_concurrent_calls,
            drain_timeout: self.drain_timeout,
            tcp_nodelay: self.tcp_nodelay,
            tcp_keepalive: self.tcp_keepalive,
            tcp_keepalive_interval: self.tcp_keepalive_interval,
        }
    }

    /// How long a new connection may take until it has shown that it speaks HTTP/2; its
    /// [handshake](Self::handshake) is part of that. Default 10 s: long for any network, and short for a peer that opens
    /// connections and sends nothing.
    pub fn handshake_timeout(mut self, limit: Duration) -> Self {
        self.limits.handshake_timeout = limit.min(FOREVER);
        self
    }

    /// How long a response may wait for a client that takes none of it. Default 30 s: what waits is memory
    /// here. A call whose client opens no window is reset; a connection that takes no bytes at all is closed.
    pub fn stall_timeout(mut self, limit: Duration) -> Self {
        self.limits.stall_timeout = limit.min(FOREVER);
        self
    }

    /// Closes each connection gracefully at this age, give or take 10 %, so that clients spread anew over
    /// a changed set of servers, and not all at once. Default: never.
    pub fn max_connection_age(mut self, age: Duration) -> Self {
        self.limits.max_age = Some(age.min(FOREVER));
        self
    }

    /// How long the calls of a connection that reached its age may still take. Default: as long as they do,
    /// since only the application knows how long is too long. What is left then is cut.
    pub fn max_connection_age_grace(mut self, grace: Duration) -> Self {
        self.limits.max_age_grace = Some(grace.min(FOREVER));
        self
    }

    /// Closes a connection gracefully after this much time without a call. Default: never, because to
    /// open it again costs its client a round trip or more.
    pub fn max_connection_idle(mut self, limit: Duration) -> Self {
        self.limits.max_idle = Some(limit.min(FOREVER));
        self
    }

    /// How long calls in flight may take after the shutdown was asked for. Default 30 s, which is what
    /// orchestrators allow before they kill; then they are cut.
    pub fn drain_timeout(mut self, limit: Duration) -> Self {
        self.drain_timeout = limit.min(FOREVER);
        self
    }

    // Sockets.

    /// `TCP_NODELAY` on sockets that [`serve`](Self::serve) accepts. Default: on, since whole batches are
    /// written and waiting gains nothing.
    pub fn tcp_nodelay(mut self, on: bool) -> Self {
        self.tcp_nodelay = on;
        self
    }

    /// TCP keepalive after this much silence, on sockets that [`serve`](Self::serve) accepts. Default: off;
    /// [HTTP/2's own](Self::http2_keepalive_interval) sees more.
    pub fn tcp_keepalive(mut self, after: Option<Duration>) -> Self {
        self.tcp_keepalive = after;
        self
    }

    /// The time between two probes of TCP keepalive, where that is on. Default: the system's, which its
    /// administrator may have chosen for the network.
    pub fn tcp_keepalive_interval(mut self, interval: Option<Duration>) -> Self {
        self.tcp_keepalive_interval = interval;
        self
    }

    /// Listens at `addr` and serves for ever. Dropping the future stops the server at once.
    ///
    /// The address may be parsed where it is passed: `.serve("127.0.0.1:50051".parse()?)`. For a name, or for more
    /// than one address, there is [`serve_at`](Self::serve_at).
    ///
    /// # Errors
    /// If the server cannot listen at `addr`, or a service was added twice.
    pub async fn serve(self, addr: SocketAddr) -> Result<(), Error>
    where
        H: Handshake<TcpStream>,
    {
        self.serve_at(addr).await
    }

    /// Listens at `addr` and serves until `shutdown` is ready; then lets the calls in flight end.
    ///
    /// # Errors
    /// If the server cannot listen at `addr`, or a service was added twice.
    pub async fn serve_with_shutdown<F>(
        self,
        addr: SocketAddr,
        shutdown: F,
    ) -> Result<DrainReport, Error>
    where
        H: Handshake<TcpStream>,
        F: Future<Output = ()>,
    {
        self.serve_at_with_shutdown(addr, shutdown).await
    }

    /// As [`serve`](Self::serve), at whatever names an address: `"localhost:50051"`, `(host, port)`. A name is looked
    /// up once; of several addresses the first that can be listened at is taken.
    ///
    /// # Errors
    /// If the name has no address, the server cannot listen at any of them, or a service was added twice.
    pub async fn serve_at(self, addr: impl ToSocketAddrs) -> Result<(), Error>
    where
        H: Handshake<TcpStream>,
    {
        self.serve_at_with_shutdown(addr, std::future::pending())
            .await
            .map(|_| ())
    }

    /// As [`serve_with_shutdown`](Self::serve_with_shutdown), at whatever names an address.
    ///
    /// # Errors
    /// If the name has no address, the server cannot listen at any of them, or a service was added twice.
    pub async fn serve_at_with_shutdown<F>(
        self,
        addr: impl ToSocketAddrs,
        shutdown: F,
    ) -> Result<DrainReport, Error>
    where
        H: Handshake<TcpStream>,
        F: Future<Output = ()>,
    {
        let incoming = listen(addr)
            .await?
            .with_nodelay(self.tcp_nodelay)
            .with_keepalive(self.tcp_keepalive)
            .with_keepalive_interval(self.tcp_keepalive_interval)
            .with_user_timeout(self.user_timeout());
        self.serve_with_incoming_shutdown(incoming, shutdown).await
    }

    /// With keepalive only (gRFC A18): a PING that cannot leave is never acknowledged. Without it, how long a peer may
    /// take nothing is `stall_timeout`'s.
    fn user_timeout(&self) -> Option<Duration> {
        let limits = &self.limits;
        limits.keepalive_interval.map(|_| limits.keepalive_timeout)
    }

    /// Serves the connections of `incoming` until it ends. Those that are open then live on in their tasks, each until
    /// it ends by itself.
    ///
    /// An error among them is reported to an [observer](Self::observer), and does not end the server. One that says that
    /// descriptors or memory are used up is waited out; any other is taken for one connection's. If `incoming`
    /// panics, that is its end.
    ///
    /// # Errors
    /// If a service was added twice.
    ///
    /// # Panics
    /// In a runtime without a clock (`enable_time`), as all ways to serve do.
    pub async fn serve_with_incoming<I, IO, E>(self, incoming: I) -> Result<(), Error>
    where
        I: Stream<Item = Result<IO, E>>,
        H: Handshake<IO>,
        IO: Connected + Send + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        self.into_acceptor()?.serve_with_incoming(incoming).await;
        Ok(())
    }

    /// As [`serve_with_incoming`](Self::serve_with_incoming), until `shutdown` is ready; then lets the calls
    /// in flight end. If `incoming` ends before, it waits for the shutdown, or for all connections to end.
    ///
    /// # Errors
    /// If a service was added twice.
    pub async fn serve_with_incoming_shutdown<I, IO, E, F>(
        self,
        incoming: I,
        shutdown: F,
    ) -> Result<DrainReport, Error>
    where
        I: Stream<Item = Result<IO, E>>,
        H: Handshake<IO>,
        IO: Connected + Send + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
        F: Future<Output = ()>,
    {
        let acceptor = self.into_acceptor()?;
        Ok(acceptor
            .serve_with_incoming_shutdown(incoming, shutdown)
            .await)
    }

    /// Serves one connection over any IO until it ends, in the task that polls this future. Its [handshake](Self::handshake) comes
    /// first.
    ///
    /// # Errors
    /// What ended it, if that was not its peer's wish; or if a service was added twice.
    pub async fn serve_connection<IO>(self, io: IO, info: ConnectInfo) -> Result<(), Error>
    where
        H: Handshake<IO>,
        IO: Send + 'static,
    {
        self.into_acceptor()?.serve_connection(io, info).await
    }

    /// Finishes the set-up, for those who accept connections themselves.
    ///
    /// # Errors
    /// If a service was added twice.
    pub fn into_acceptor(self) -> Result<Acceptor<H>, Error> {
        let fallback = self.fallback.and_then(|make| make(self.fallback_options));
        let router = Router::new(self.services, fallback, &self.interceptors)?;
        let drain = Drain::new();
        let shared = Shared {
            calls: self.max_concurrent_calls.map(limit::CallLimit::new),
            router,
            limits: self.limits,
            buffered: self
                .max_buffered_bytes
                .map(|limit| Arc::new(Buffered::new(limit))),
            events: self.events,
        };
        Ok(Acceptor::new(
            self.handshake,
            shared,
            drain,
            self.max_connections.unwrap_or_else(room::default_limit),
            self.drain_timeout,
        ))
    }
}

/// A listener at the first of the addresses that can be had. The error names all that were tried.
async fn listen(addr: impl ToSocketAddrs) -> Result<TcpIncoming, Error> {
    let failed = |what: &str, error| Error::new(ErrorKind::Bind, what).with_source(error);
    let found = lookup_host(addr).await;
    let found = found.map_err(|error| failed("cannot look up the address to listen at", error))?;
    let addrs: Vec<SocketAddr> = found.collect();
    let bound = TcpIncoming::bind(&addrs[..]).await;
    bound.map_err(|error| {
        let addrs: Vec<String> = addrs.iter().map(ToString::to_string).collect();
        failed(&format!("cannot listen at {}", addrs.join(" or ")), error)
    })
}

/// How long a peer may take to acknowledge a PING (gRFC A8).
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);
/// Longer than any wait that is meant, and still within what clocks can add: 100 years.
const FOREVER: Duration = Duration::from_secs(100 * 366 * 24 * 60 * 60);
/// The smallest flow-control window that may be asked for: a smaller one would have readers give credit for each
/// frame.
const MIN_WINDOW: u32 = 16 * 1024;
/// The largest flow-control window (RFC 9113 §6.9.1).
const MAX_WINDOW: u32 = (1 << 31) - 1;

impl<H> std::fmt::Debug for Server<H> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let services: Vec<_> = self
            .services
            .iter()
            .map(|methods| methods.service)
            .collect();
        f.debug_struct("Server")
            .field("services", &services)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s16_the_system_has_a_limit_of_its_own_with_keepalive_only() {
        let limit = Duration::from_secs(7);
        let server = Server::builder().http2_keepalive_timeout(limit);
        assert_eq!(server.user_timeout(), None, "stall_timeout is the limit");
        let server = server.http2_keepalive_interval(Some(Duration::from_secs(60)));
        assert_eq!(server.user_timeout(), Some(limit));
    }
}
