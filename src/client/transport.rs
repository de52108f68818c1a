//! What may stand under a generated client: whatever makes the five kinds of call.
//!
//! A [`Channel`] is one transport. A wrapper is another: it counts, delays, refuses, chooses one of several channels,
//! and passes the call on to the transport within. A generated client asks nothing else of what it holds, so it
//! works with every transport, and no call costs more than a direct call of the channel's method.
//!
//! This file does not know how a call is made, and does not know any service. A mock of one service needs no
//! transport: it implements the generated trait (`GreeterCalls`), message by message.

use std::future::Future;
use std::sync::Arc;

use futures_core::Stream;
use http::uri::PathAndQuery;

use super::channel::Channel;
use super::held::Call;
use crate::call::codec::Codec;
use crate::call::streaming::Streaming;
use crate::request::Request;
use crate::response::Response;
use crate::status::Status;

/// Whatever makes the five kinds of call: a [`Channel`], or a type of your own around one.
///
/// Each generated client (`GreeterClient<C>`) works with every transport. `path` is the path of the call, such as
/// `/helloworld.Greeter/SayHello`; the generated module `greeter_paths` has it as a constant, and a path can be
/// compared with it: `path == greeter_paths::SAY_HELLO`.
///
/// A transport that counts the calls, and refuses those of one method:
///
/// ```
/// # use std::sync::atomic::{AtomicUsize, Ordering};
/// use temaki::client::{Call, Channel, PathAndQuery, Transport};
/// use temaki::codec::Codec;
/// use temaki::{Request, Response, Status, Stream, Streaming};
///
/// struct Counted<T = Channel> {
///     inner: T,
///     calls: AtomicUsize,
/// }
///
/// impl<T> Counted<T> {
///     fn admit(&self, path: &PathAndQuery) -> Result<(), Status> {
///         self.calls.fetch_add(1, Ordering::Relaxed);
///         match path.path() {
///             "/helloworld.Greeter/SayHello" => Err(Status::unavailable("a fault of the test's own")),
///             _ => Ok(()),
///         }
///     }
/// }
///
/// impl<T: Transport> Transport for Counted<T> {
///     async fn unary<C: Codec>(
///         &self,
///         path: PathAndQuery,
///         codec: C,
///         request: Request<C::Encode>,
///     ) -> Result<Response<C::Decode>, Status> {
///         self.admit(&path)?;
///         self.inner.unary(path, codec, request).await
///     }
///
///     async fn server_streaming<C: Codec>(
///         &self,
///         path: PathAndQuery,
///         codec: C,
///         request: Request<C::Encode>,
///     ) -> Result<Response<Streaming<C::Decode>>, Status> {
///         self.admit(&path)?;
///         self.inner.server_streaming(path, codec, request).await
///     }
///
///     async fn client_streaming<C: Codec, S>(
///         &self,
///         path: PathAndQuery,
///         codec: C,
///         request: Request<S>,
///     ) -> Result<Response<C::Decode>, Status>
///     where
///         S: Stream<Item = C::Encode> + Send + 'static,
///     {
///         self.admit(&path)?;
///         self.inner.client_streaming(path, codec, request).await
///     }
///
///     async fn streaming<C: Codec, S>(
///         &self,
///         path: PathAndQuery,
///         codec: C,
///         request: Request<S>,
///     ) -> Result<Response<Streaming<C::Decode>>, Status>
///     where
///         S: Stream<Item = C::Encode> + Send + 'static,
///     {
///         self.admit(&path)?;
///         self.inner.streaming(path, codec, request).await
///     }
///
///     fn start<C: Codec>(&self, path: PathAndQuery, codec: C) -> Call<C::Encode, C::Decode> {
///         match self.admit(&path) {
///             Ok(()) => self.inner.start(path, codec),
///             Err(status) => Call::failed(status),
///         }
///     }
/// }
/// ```
///
/// An `Arc` of a transport is a transport too: clients that share it can be cloned.
pub trait Transport: Send + Sync + 'static {
    /// Calls `path` with one message, for one message. See [`Channel::unary`].
    ///
    /// # Errors
    /// The status that the call ended with.
    fn unary<C: Codec>(
        &self,
        path: PathAndQuery,
        codec: C,
        request: Request<C::Encode>,
    ) -> impl Future<Output = Result<Response<C::Decode>, Status>> + Send;

    /// Calls `path` with one message, for a stream of messages. See [`Channel::server_streaming`].
    ///
    /// # Errors
    /// The status that the call ended with before the stream. Later errors come out of the stream.
    fn server_streaming<C: Codec>(
        &self,
        path: PathAndQuery,
        codec: C,
        request: Request<C::Encode>,
    ) -> impl Future<Output = Result<Response<Streaming<C::Decode>>, Status>> + Send;

    /// Calls `path` with a stream of messages, for one message. See [`Channel::client_streaming`].
    ///
    /// # Errors
    /// The status that the call ended with.
    fn client_streaming<C: Codec, S>(
        &self,
        path: PathAndQuery,
        codec: C,
        request: Request<S>,
    ) -> impl Future<Output = Result<Response<C::Decode>, Status>> + Send
    where
        S: Stream<Item = C::Encode> + Send + 'static;

    /// Calls `path` with a stream of messages, for a stream of messages. See [`Channel::streaming`].
    ///
    /// # Errors
    /// The status that the call ended with before the stream. Later errors come out of the stream.
    fn streaming<C: Codec, S>(
        &self,
        path: PathAndQuery,
        codec: C,
        request: Request<S>,
    ) -> impl Future<Output = Result<Response<Streaming<C::Decode>>, Status>> + Send
    where
        S: Stream<Item = C::Encode> + Send + 'static;

    /// A call of `path` that is held: a sender and a receiver. See [`Channel::start`]. A transport that refuses
    /// the call returns [`Call::failed`].
    fn start<C: Codec>(&self, path: PathAndQuery, codec: C) -> Call<C::Encode, C::Decode>;
}

/// Both implementations hand the call on, method by method, and do nothing else.
macro_rules! hand_on {
    ([$($t:ident)?] $of:ty, |$this:ident| $to:expr) => {
        impl$(<$t: Transport>)? Transport for $of {
            fn unary<C: Codec>(
                &self,
                path: PathAndQuery,
                codec: C,
                request: Request<C::Encode>,
            ) -> impl Future<Output = Result<Response<C::Decode>, Status>> + Send {
                let $this = self;
                $to.unary(path, codec, request)
            }

            fn server_streaming<C: Codec>(
                &self,
                path: PathAndQuery,
                codec: C,
                request: Request<C::Encode>,
            ) -> impl Future<Output = Result<Response<Streaming<C::Decode>>, Status>> + Send {
                let $this = self;
                $to.server_streaming(path, codec, request)
            }

            fn client_streaming<C: Codec, S>(
                &self,
                path: PathAndQuery,
                codec: C,
                request: Request<S>,
            ) -> impl Future<Output = Result<Response<C::Decode>, Status>> + Send
            where
                S: Stream<Item = C::Encode> + Send + 'static,
            {
                let $this = self;
                $to.client_streaming(path, codec, request)
            }

            fn streaming<C: Codec, S>(
                &self,
                path: PathAndQuery,
                codec: C,
                request: Request<S>,
            ) -> impl Future<Output = Result<Response<Streaming<C::Decode>>, Status>> + Send
            where
                S: Stream<Item = C::Encode> + Send + 'static,
            {
                let $this = self;
                $to.streaming(path, codec, request)
            }

            fn start<C: Codec>(&self, path: PathAndQuery, codec: C) -> Call<C::Encode, C::Decode> {
                let $this = self;
                $to.start(path, codec)
            }
        }
    };
}

// An inherent method comes before a trait's of the same name: these are the channel's own.
hand_on!([] Channel, |channel| channel);
hand_on!([T] Arc<T>, |shared| (**shared));
