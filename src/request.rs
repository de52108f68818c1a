//! [`Request`]: a message, or a stream of them, with what goes beside it.
//!
//! A client's request says what should happen (metadata, timeout); a server's also knows what did
//! (deadline, path, connection). Both are one type, so that a handler can hand what it got to a
//! client. How this becomes a head of HTTP/2 is the business of `head.rs`.

use crate::connect_info::ConnectInfo;
use crate::metadata::MetadataMap;
use futures_core::Stream;
use http::{Extensions, uri::PathAndQuery};
use std::{fmt, net::SocketAddr, sync::Arc, time::Duration, time::Instant};

/// A message (or a stream of them) to a method, with metadata and what is known of the call.
///
/// ```
/// use std::time::Duration;
/// use temaki::Request;
///
/// let mut request = Request::new("Ada");
/// request.metadata_mut().insert("x-request-id", "42".parse().unwrap());
/// request.set_timeout(Duration::from_secs(2));
/// assert_eq!(request.into_inner(), "Ada");
/// ```
pub struct Request<T> {
    metadata: MetadataMap,
    message: T,
    extensions: Extensions,
    facts: Facts,
}

/// What a request knows besides what the application put in. In place and not in a box: moving some
/// words is cheaper than an allocation.
#[derive(Debug, Clone, Default)]
struct Facts {
    /// Server: where the call's time ends, by this side's clock.
    deadline: Option<Instant>,
    /// Client: how long the call may take.
    timeout: Option<Duration>,
    /// Client: wait for a connection; None: as the channel is set.
    wait_for_ready: Option<bool>,
    /// Server, and on the client once a channel has it: `/package.Service/Method`.
    path: Option<PathAndQuery>,
    /// Server: made once for the connection.
    connection: Option<Arc<ConnectInfo>>,
}

/// What the server knows of a request when it arrives.
pub(crate) struct ServerFacts {
    /// None: the caller set no limit.
    pub(crate) deadline: Option<Instant>,
    pub(crate) path: PathAndQuery,
    pub(crate) connection: Arc<ConnectInfo>,
    pub(crate) extensions: Extensions,
}

/// The mark of a request or response whose messages are not compressed, among its extensions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SentAsIs;

impl SentAsIs {
    /// Whether `extensions` have the mark.
    pub(crate) fn is_in(extensions: &Extensions) -> bool {
        extensions.get::<Self>().is_some()
    }
}

impl<T> Request<T> {
    /// A request without metadata and without a time limit of its own. Allocates nothing.
    pub fn new(message: T) -> Self {
        Self {
            metadata: MetadataMap::new(),
            message,
            extensions: Extensions::new(),
            facts: Facts::default(),
        }
    }

    /// The message.
    pub fn get_ref(&self) -> &T {
        &self.message
    }

    /// The message, to be changed.
    pub fn get_mut(&mut self) -> &mut T {
        &mut self.message
    }

    /// The message alone.
    pub fn into_inner(self) -> T {
        self.message
    }

    /// The metadata.
    pub fn metadata(&self) -> &MetadataMap {
        &self.metadata
    }

    /// The metadata, to be changed.
    pub fn metadata_mut(&mut self) -> &mut MetadataMap {
        &mut self.metadata
    }

    /// Values that interceptors and handlers pass on inside the process. Never sent.
    pub fn extensions(&self) -> &Extensions {
        &self.extensions
    }

    /// The extensions, to be changed.
    pub fn extensions_mut(&mut self) -> &mut Extensions {
        &mut self.extensions
    }

    /// Sends the messages of this request as they are, also over a channel that compresses.
    pub fn disable_compression(&mut self) {
        self.extensions.insert(SentAsIs);
    }

    /// The request with another message; all else stays.
    pub fn map<F, U>(self, f: F) -> Request<U>
    where
        F: FnOnce(T) -> U,
    {
        Request {
            metadata: self.metadata,
            message: f(self.message),
            extensions: self.extensions,
            facts: self.facts,
        }
    }

    /// Metadata, extensions and message. [`from_parts`](Self::from_parts) makes a request of them
    /// that knows all this one knew: what has no part of its own (deadline, addresses …) travels in
    /// the extensions.
    pub fn into_parts(self) -> (MetadataMap, Extensions, T) {
        let Self {
            metadata,
            message,
            mut extensions,
            facts,
        } = self;
        if facts.any() {
            extensions.insert(facts);
        }
        (metadata, extensions, message)
    }

    /// A request from its parts.
    pub fn from_parts(metadata: MetadataMap, mut extensions: Extensions, message: T) -> Self {
        let facts = extensions.remove().unwrap_or_default();
        Self {
            metadata,
            message,
            extensions,
            facts,
        }
    }

    /// Client: lets the call take at most `timeout`, from the moment it is started to its last
    /// byte. It is sent as `grpc-timeout`, so that the server stops, too. The earlier of this and
    /// the channel's own limit holds.
    pub fn set_timeout(&mut self, timeout: Duration) {
        self.facts.timeout = Some(timeout);
    }

    /// Client: should the call wait while there is no connection, up to its deadline, instead of
    /// failing with UNAVAILABLE when connecting fails? Overrides what the channel is set to. See
    /// [wait-for-ready](https://github.com/grpc/grpc/blob/master/doc/wait-for-ready.md).
    pub fn set_wait_for_ready(&mut self, wait: bool) {
        self.facts.wait_for_ready = Some(wait);
    }

    /// Server: when the caller's time is up, by this side's clock. None if it set no limit. A
    /// client call made with this request ends by then, too.
    pub fn deadline(&self) -> Option<Instant> {
        self.facts.deadline
    }

    /// Server: the time left of [`deadline`](Self::deadline), zero once it has passed.
    pub fn remaining(&self) -> Option<Duration> {
        // The one clock that floor 1 reads: for the handler to look at, nothing here decides by it.
        self.facts
            .deadline
            .map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }

    /// The path of the method, `/package.Service/Method`, to its last byte: a query, which no method has,
    /// is a part of it. None on a client's request that no channel has seen.
    pub fn method_path(&self) -> Option<&str> {
        self.facts.path.as_ref().map(PathAndQuery::as_str)
    }

    /// Server: what is known of the connection.
    pub fn connect_info(&self) -> Option<&ConnectInfo> {
        self.facts.connection.as_deref()
    }

    /// Server: the peer's address. None for anything but TCP.
    pub fn remote_addr(&self) -> Option<SocketAddr> {
        self.connect_info()?.remote_addr
    }

    /// Server: the address that the peer connected to. None for anything but TCP.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.connect_info()?.local_addr
    }

    /// A request as it arrived.
    pub(crate) fn from_server(metadata: MetadataMap, message: T, facts: ServerFacts) -> Self {
        let ServerFacts {
            deadline,
            path,
            connection,
            extensions,
        } = facts;
        let facts = Facts {
            deadline,
            path: Some(path),
            connection: Some(connection),
            ..Facts::default()
        };
        Self {
            metadata,
            message,
            extensions,
            facts,
        }
    }

    /// What [`set_timeout`](Self::set_timeout) said.
    pub(crate) fn timeout(&self) -> Option<Duration> {
        self.facts.timeout
    }

    /// What [`set_wait_for_ready`](Self::set_wait_for_ready) said.
    pub(crate) fn wait_for_ready(&self) -> Option<bool> {
        self.facts.wait_for_ready
    }

    /// The path, to be cloned without copying.
    pub(crate) fn path(&self) -> Option<&PathAndQuery> {
        self.facts.path.as_ref()
    }

    /// The channel says which method the request goes to, so that interceptors can tell.
    pub(crate) fn set_path(&mut self, path: PathAndQuery) {
        self.facts.path = Some(path);
    }

    /// The message apart from the request around it, for interceptors; `request.map(|()| message)`
    /// joins them.
    #[inline(always)] // else a request is copied once more
    pub(crate) fn split(self) -> (Request<()>, T) {
        let Self {
            metadata,
            message,
            extensions,
            facts,
        } = self;
        (
            Request {
                metadata,
                message: (),
                extensions,
                facts,
            },
            message,
        )
    }
}

impl Facts {
    fn any(&self) -> bool {
        self.deadline.is_some()
            || self.timeout.is_some()
            || self.wait_for_ready.is_some()
            || self.path.is_some()
            || self.connection.is_some()
    }
}

/// Secret metadata shows as `[redacted]`.
impl<T: fmt::Debug> fmt::Debug for Request<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut all = f.debug_struct("Request");
        if let Some(path) = self.method_path() {
            all.field("path", &path);
        }
        all.field("metadata", &self.metadata)
            .field("message", &self.message);
        if let Some(timeout) = self.facts.timeout {
            all.field("timeout", &timeout);
        }
        if let Some(remaining) = self.remaining() {
            all.field("remaining", &remaining);
        }
        if let Some(remote_addr) = self.remote_addr() {
            all.field("remote_addr", &remote_addr);
        }
        all.field("extensions", &self.extensions).finish()
    }
}

/// What a client method takes: a message, or a [`Request`] around one. Sealed: it is implemented
/// for everything that fits.
pub trait IntoRequest<T>: sealed::Sealed {
    /// The request around the message.
    fn into_request(self) -> Request<T>;
}

impl<T> IntoRequest<T> for T {
    fn into_request(self) -> Request<T> {
        Request::new(self)
    }
}

impl<T> IntoRequest<T> for Request<T> {
    fn into_request(self) -> Request<T> {
        self
    }
}

/// What a client method with a stream of requests takes: a stream of messages, or a [`Request`]
/// around one. Sealed, as [`IntoRequest`].
pub trait IntoStreamingRequest: sealed::Sealed {
    /// The stream.
    type Stream: Stream<Item = Self::Message> + Send + 'static;
    /// What it yields.
    type Message;

    /// The request around the stream.
    fn into_streaming_request(self) -> Request<Self::Stream>;
}

impl<T: Stream + Send + 'static> IntoStreamingRequest for T {
    type Stream = T;
    type Message = T::Item;

    fn into_streaming_request(self) -> Request<T> {
        Request::new(self)
    }
}

impl<T: Stream + Send + 'static> IntoStreamingRequest for Request<T> {
    type Stream = T;
    type Message = T::Item;

    fn into_streaming_request(self) -> Request<T> {
        self
    }
}

mod sealed {
    pub trait Sealed {}
    impl<T> Sealed for T {}
}

#[cfg(test)]
mod tests {
    use super::*;

    fn served() -> Request<&'static str> {
        let connection = ConnectInfo {
            remote_addr: Some(([10, 0, 0, 1], 40_000).into()),
            local_addr: Some(([10, 0, 0, 2], 443).into()),
            ..ConnectInfo::default()
        };
        Request::from_server(
            MetadataMap::new(),
            "hello",
            ServerFacts {
                deadline: Some(Instant::now() + Duration::from_secs(60)),
                path: PathAndQuery::from_static("/helloworld.Greeter/SayHello"),
                connection: Arc::new(connection),
                extensions: Extensions::new(),
            },
        )
    }

    fn knows_all<T>(request: &Request<T>) -> bool {
        request
            .remaining()
            .is_some_and(|left| left > Duration::from_secs(50))
            && request.method_path() == Some("/helloworld.Greeter/SayHello")
            && request.remote_addr() == Some(([10, 0, 0, 1], 40_000).into())
            && request.local_addr() == Some(([10, 0, 0, 2], 443).into())
    }

    #[test]
    fn what_the_server_knows_survives_map_and_parts() {
        assert!(knows_all(&served()));
        assert!(knows_all(&served().map(str::len)));
        let (bare, message) = served().split();
        assert!(knows_all(&bare.map(|()| message)));
        let (metadata, extensions, message) = served().into_parts();
        let again = Request::from_parts(metadata, extensions, message.len());
        assert!(knows_all(&again));
        assert!(
            again.extensions().is_empty(),
            "nothing of it stays in sight"
        );
    }

    #[test]
    fn what_the_client_asks_for_survives_parts() {
        let mut request = Request::new(());
        request.set_timeout(Duration::from_millis(5));
        request.set_wait_for_ready(true);
        let (metadata, extensions, ()) = request.into_parts();
        let again = Request::from_parts(metadata, extensions, ());
        assert_eq!(again.timeout(), Some(Duration::from_millis(5)));
        assert_eq!(again.wait_for_ready(), Some(true));
    }

    #[test]
    fn a_new_request_knows_nothing_and_puts_nothing_into_its_parts() {
        let request = Request::new(());
        assert_eq!((request.deadline(), request.method_path()), (None, None));
        assert!(request.connect_info().is_none() && request.timeout().is_none());
        assert!(request.into_parts().1.is_empty());
    }

    #[test]
    fn a_passed_deadline_leaves_no_time() {
        let mut request = served();
        request.facts.deadline = Instant::now().checked_sub(Duration::from_millis(1));
        assert_eq!(request.remaining(), Some(Duration::ZERO));
    }

    #[test]
    fn a_request_is_small() {
        assert!(
            size_of::<Request<()>>() <= 192,
            "{}",
            size_of::<Request<()>>()
        );
    }

    #[test]
    fn debug_hides_secrets() {
        let mut request = Request::new(1);
        request
            .metadata_mut()
            .insert("authorization", "hunter2".parse().unwrap());
        assert!(!format!("{request:?}").contains("hunter2"));
    }

    #[test]
    fn a_message_and_a_request_are_both_a_request() {
        assert_eq!(IntoRequest::<i32>::into_request(1).into_inner(), 1);
        assert_eq!(
            IntoRequest::<i32>::into_request(Request::new(1)).into_inner(),
            1
        );
    }
}
