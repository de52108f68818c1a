//! What people hold: a way to call one server.

use std::future::Future;
use std::sync::Arc;

use futures_core::Stream;
use http::uri::PathAndQuery;
use tokio::sync::watch;

use super::coding;
use super::config::PerCall;
use super::connect::Connector;
use super::connectivity::ConnectivityState;
use super::endpoint::Endpoint;
use super::held::Call;
use super::secure::refuse_plaintext;
use super::shapes;
use super::subchannel::Subchannel;
use super::tasks::Tasks;
use crate::call::codec::Codec;
use crate::call::streaming::Streaming;
use crate::call::writer::MessageWriter;
use crate::compression::codings::{Enabled, compression_knobs};
use crate::error::Error;
use crate::head::RequestTemplate;
use crate::interceptor::Interceptors;
use crate::{AsyncInterceptor, Interceptor, Request, Response, Status};

/// A way to call one server, connected when there is need of it.
///
/// Clones share the connection, cost next to nothing, and may be used from any task. Each carries its own
/// interceptors and limits. When the last one is dropped, calls in flight still end, and then the
/// connection is closed.
#[derive(Clone)]
pub struct Channel {
    shared: Arc<Shared>,
    pub(super) interceptors: Interceptors,
    pub(super) per_call: PerCall,
    /// Which codings of messages are read and written. Each clone has its own.
    pub(super) compression: Enabled,
}

struct Shared {
    subchannel: Arc<Subchannel>,
    template: RequestTemplate,
    /// Whether calls may carry credentials.
    allows_credentials: bool,
}

impl Channel {
    pub(super) fn new(endpoint: &Endpoint, connector: Connector) -> Self {
        let subchannel = Subchannel::new(connector, Arc::new(endpoint.per_connection.clone()));
        Self {
            shared: Arc::new(Shared {
                subchannel,
                template: endpoint.template(),
                allows_credentials: endpoint.allows_credentials(),
            }),
            interceptors: Interceptors::default(),
            per_call: endpoint.per_call,
            compression: endpoint.compression.clone(),
        }
    }

    /// Connects to `http://host:port` or `unix:/path`, with default settings; [`Endpoint`] has the others.
    ///
    /// # Errors
    /// If the target is not understood, or the first attempt fails.
    pub async fn connect<T>(target: T) -> Result<Self, Error>
    where
        T: TryInto<Endpoint>,
        T::Error: Into<Error>,
    {
        target.try_into().map_err(Into::into)?.connect().await
    }

    /// The settings of a channel to `uri`, by tonic's name. See [`Endpoint::new`].
    ///
    /// # Panics
    /// If the target is not understood; [`Endpoint::new`] gives an error instead.
    pub fn builder(uri: http::Uri) -> Endpoint {
        match Endpoint::try_from(uri) {
            Ok(endpoint) => endpoint,
            Err(error) => panic!("{error}"),
        }
    }

    /// [`Endpoint::from_static`], by tonic's name.
    ///
    /// # Panics
    /// If the target is not understood.
    pub fn from_static(target: &'static str) -> Endpoint {
        Endpoint::from_static(target)
    }

    /// [`Endpoint::new`], by tonic's name.
    ///
    /// # Errors
    /// If the target is not understood.
    pub fn from_shared(target: impl AsRef<str>) -> Result<Endpoint, Error> {
        Endpoint::new(target)
    }

    /// A channel that connects when the first call is made.
    ///
    /// # Errors
    /// If the target is not understood.
    pub fn connect_lazy<T>(target: T) -> Result<Self, Error>
    where
        T: TryInto<Endpoint>,
        T::Error: Into<Error>,
    {
        Ok(target.try_into().map_err(Into::into)?.connect_lazy())
    }

    pub(super) async fn first_connection(&self) -> Result<(), Error> {
        self.shared.subchannel.first_attempt().await
    }

    /// The state of the connection, as it is now.
    pub fn state(&self) -> ConnectivityState {
        self.shared.subchannel.state()
    }

    /// The state of the connection, now and at each change. A state that lasts shorter than a look may be
    /// missed. The last is SHUTDOWN: all clones of the channel were dropped, and all calls have been answered.
    pub fn watch_state(&self) -> watch::Receiver<ConnectivityState> {
        self.shared.subchannel.watch()
    }

    /// Ends the wait between two attempts to connect, if there is one now, and lets the waits begin anew from
    /// [`initial_backoff`](Endpoint::initial_backoff): for an application that knows more than the channel, as that
    /// the network is back. Nothing else shortens a wait: a thousand clients that try when their users do would fall
    /// upon a server in the moment it comes back.
    ///
    /// With a connection, or an attempt under way, there is no wait to end.
    pub fn reset_connect_backoff(&self) {
        self.shared.subchannel.reset_backoff();
    }

    /// A channel over the same connection whose calls `interceptor` sees, after those it has already. It runs in
    /// the task that makes the call, or first uses one that is held. If it panics, its call ends with INTERNAL.
    pub fn with_interceptor<I>(mut self, interceptor: I) -> Self
    where
        I: Interceptor + Clone + Send + Sync + 'static,
    {
        self.interceptors.push(interceptor);
        self
    }

    /// As [`with_interceptor`](Self::with_interceptor), for one that waits or looks at answers too. One that
    /// [adds credentials](AsyncInterceptor::adds_credentials) does so on a private connection only.
    pub fn with_async_interceptor(mut self, interceptor: impl AsyncInterceptor) -> Self {
        if interceptor.adds_credentials() && !self.shared.allows_credentials {
            self.interceptors.push(refuse_plaintext);
        } else {
            self.interceptors.push_async(interceptor);
        }
        self
    }

    /// The largest message to accept, in bytes. Default 4 MiB. A larger one ends its call with
    /// RESOURCE_EXHAUSTED, before memory is taken for it.
    pub fn max_decoding_message_size(mut self, limit: usize) -> Self {
        self.per_call.max_decoding_message_size = limit;
        self
    }

    /// The largest message to send, in bytes. Default: no limit but the format's, 4 GiB. A larger one is
    /// not sent; its call ends with RESOURCE_EXHAUSTED.
    pub fn max_encoding_message_size(mut self, limit: usize) -> Self {
        self.per_call.max_encoding_message_size = limit;
        self
    }

    compression_knobs!(
        "Compresses request messages in this way. A server that does not read it ends the call with UNIMPLEMENTED. Default: none are compressed. Called several times, the last one counts. A request is sent as it is after [`Request::disable_compression`](crate::Request::disable_compression), and a message of a stream with [`send_as_is`](crate::codec::send_as_is).",
        send_only,
        this => this.compression
    );

    /// Calls `path` with one message, for one message.
    ///
    /// Dropping the future cancels the call: `RST_STREAM(CANCEL)`.
    ///
    /// # Errors
    /// The status that the server ended the call with, or that was made here; [`Status::origin`] tells.
    pub fn unary<C: Codec>(
        &self,
        path: PathAndQuery,
        codec: C,
        request: Request<C::Encode>,
    ) -> impl Future<Output = Result<Response<C::Decode>, Status>> + Send {
        shapes::unary(self, path, codec, request)
    }

    /// Calls `path` with one message, for a stream of them. Ready when the response headers are.
    ///
    /// # Errors
    /// As [`unary`](Self::unary), for what happens before the stream; later errors come out of it.
    pub fn server_streaming<C: Codec>(
        &self,
        path: PathAndQuery,
        codec: C,
        request: Request<C::Encode>,
    ) -> impl Future<Output = Result<Response<Streaming<C::Decode>>, Status>> + Send {
        shapes::server_streaming(self, path, codec, request)
    }

    /// Calls `path` with a stream of messages, for one message. The stream is sent from a task of its own, which has
    /// the caller's tracing span (feature `tracing`) and not its task-locals. If it panics there, the call ends
    /// with INTERNAL; a codec that reads the answer runs in the caller's task, and a panic of it is the caller's.
    ///
    /// # Errors
    /// As [`unary`](Self::unary).
    pub async fn client_streaming<C: Codec, S>(
        &self,
        path: PathAndQuery,
        codec: C,
        request: Request<S>,
    ) -> Result<Response<C::Decode>, Status>
    where
        S: Stream<Item = C::Encode> + Send + 'static,
    {
        shapes::client_streaming(self, path, codec, request).await
    }

    /// Calls `path` with a stream of messages, for another. Ready when the response headers are: a server
    /// that answers only once it has read a message must be sent one by the stream, or be spoken to
    /// through [`start`](Self::start).
    ///
    /// # Errors
    /// As [`server_streaming`](Self::server_streaming).
    pub async fn streaming<C: Codec, S>(
        &self,
        path: PathAndQuery,
        codec: C,
        request: Request<S>,
    ) -> Result<Response<Streaming<C::Decode>>, Status>
    where
        S: Stream<Item = C::Encode> + Send + 'static,
    {
        shapes::streaming(self, path, codec, request).await
    }

    /// A call of `path` that is held: a sender and a receiver, to be used in any order. Nothing is sent
    /// before one of them is first used.
    pub fn start<C: Codec>(&self, path: PathAndQuery, codec: C) -> Call<C::Encode, C::Decode> {
        Call::new(self, path, codec)
    }

    /// What writes the messages of one call.
    #[inline]
    pub(super) fn writer(&self) -> MessageWriter {
        let writer = MessageWriter::new(self.per_call.max_encoding_message_size);
        match &self.compression {
            None => writer,
            Some(_) => coding::compressing(writer, &self.compression),
        }
    }

    pub(super) fn subchannel(&self) -> &Arc<Subchannel> {
        &self.shared.subchannel
    }

    pub(super) fn tasks(&self) -> &Tasks {
        &self.shared.subchannel.tasks
    }

    pub(super) fn template(&self) -> &RequestTemplate {
        &self.shared.template
    }
}

impl std::fmt::Debug for Channel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Channel")
            .field("authority", &self.shared.template.authority())
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}
