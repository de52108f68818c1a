//! From a typed handler to a route.
//!
//! Generated code registers each method with [`Methods`]: its name, its codec, and a closure that calls
//! the user's `async fn`. What happens in a call is in `call.rs`; this file does not know it.

use std::future::Future;
use std::sync::Arc;

use futures_core::Stream;

use super::begin::begin;
use super::call::{self, Method};
use super::options::MethodOptions;
use super::reply::Reply;
use super::request::RequestHalf;
use super::route::{CallFuture, Route};
use super::service::{RegisteredMethods, Service};
use crate::call::codec::Codec;
use crate::call::streaming::Streaming;
use crate::compression::codings::compression_knobs;
use crate::interceptor::Interceptors;
use crate::request::Request;
use crate::response::Response;
use crate::status::Status;
use crate::wire;

/// Collects the methods of a service whose handlers work on a shared `T`.
pub struct Methods<T> {
    name: &'static str,
    service: Arc<T>,
    options: MethodOptions,
    routes: Vec<Route>,
}

impl<T> Methods<T> {
    /// A table without methods yet, whose methods are served with these options.
    pub(super) fn with_options(
        name: &'static str,
        service: Arc<T>,
        options: MethodOptions,
    ) -> Self {
        Self {
            name,
            service,
            options,
            routes: Vec::new(),
        }
    }
}

impl<T: Send + Sync + 'static> Methods<T> {
    /// Starts the table of the service `name` (`package.Service`), by hand.
    pub fn new(name: &'static str, service: Arc<T>) -> Self {
        Self::with_options(name, service, MethodOptions::default())
    }

    /// The largest message to accept by the methods that are registered from here on; as
    /// [`ServiceServer::max_decoding_message_size`](super::ServiceServer::max_decoding_message_size).
    pub fn max_decoding_message_size(mut self, limit: usize) -> Self {
        self.options.max_decoding_message_size = limit;
        self
    }

    /// The largest message to send by the methods that are registered from here on; as
    /// [`ServiceServer::max_encoding_message_size`](super::ServiceServer::max_encoding_message_size).
    pub fn max_encoding_message_size(mut self, limit: usize) -> Self {
        self.options.max_encoding_message_size = limit;
        self
    }

    compression_knobs!(
        "As [`ServiceServer::send_compressed`](super::ServiceServer::send_compressed), for the methods that are registered from here on.",
        send,
        this => this.options.compression
    );

    /// As [`ServiceServer::never_shed`](super::ServiceServer::never_shed), for the methods that are registered from
    /// here on.
    pub fn never_shed(mut self) -> Self {
        self.options.never_shed = true;
        self
    }

    /// One message in, one message out.
    pub fn unary<C, F, Fut>(&mut self, name: &str, codec: C, handler: F)
    where
        C: Codec,
        F: Fn(Arc<T>, Request<C::Decode>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Response<C::Encode>, Status>> + Send,
    {
        self.route(name, codec, handler, |method, reply, request| {
            call::unary(method, reply, request)
        });
    }

    /// One message in, a stream out.
    pub fn server_streaming<C, F, Fut, S>(&mut self, name: &str, codec: C, handler: F)
    where
        C: Codec,
        F: Fn(Arc<T>, Request<C::Decode>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Response<S>, Status>> + Send,
        S: Stream<Item = Result<C::Encode, Status>> + Send + 'static,
    {
        self.route(name, codec, handler, |method, reply, request| {
            call::server_streaming(method, reply, request)
        });
    }

    /// A stream in, one message out.
    pub fn client_streaming<C, F, Fut>(&mut self, name: &str, codec: C, handler: F)
    where
        C: Codec,
        F: Fn(Arc<T>, Request<Streaming<C::Decode>>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Response<C::Encode>, Status>> + Send,
    {
        self.route(name, codec, handler, |method, reply, request| {
            call::client_streaming(method, reply, request)
        });
    }

    /// A stream in, a stream out; neither waits for the other.
    pub fn bidi_streaming<C, F, Fut, S>(&mut self, name: &str, codec: C, handler: F)
    where
        C: Codec,
        F: Fn(Arc<T>, Request<Streaming<C::Decode>>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Response<S>, Status>> + Send,
        S: Stream<Item = Result<C::Encode, Status>> + Send + 'static,
    {
        self.route(name, codec, handler, |method, reply, request| {
            call::bidi_streaming(method, reply, request)
        });
    }

    /// Registers one method; `shape` is the life of its calls.
    fn route<C, F, R>(&mut self, name: &str, codec: C, handler: F, shape: R)
    where
        C: Codec,
        F: Send + Sync + 'static,
        R: Fn(Arc<Method<T, C, F>>, Reply, RequestHalf) -> CallFuture + Send + Sync + 'static,
    {
        let method = Arc::new(Method {
            service: self.service.clone(),
            codec,
            handler,
            options: self.options.clone(),
        });
        self.routes.push(Route {
            path: wire::path::join(self.name, name).into(),
            handler: Box::new(move |incoming, context, interceptors| {
                let (reply, request) = begin(incoming, context, interceptors, &method.options)?;
                Ok(shape(method.clone(), reply, request))
            }),
            spawn_always: self.options.spawn_always,
            never_shed: self.options.never_shed,
        });
    }
}

impl<T> Service for Methods<T> {
    fn into_methods(self) -> RegisteredMethods {
        RegisteredMethods {
            service: self.name,
            routes: self.routes,
            interceptors: Interceptors::default(),
        }
    }
}

impl<T> std::fmt::Debug for Methods<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let paths: Vec<_> = self.routes.iter().map(|route| &route.path).collect();
        f.debug_struct("Methods")
            .field("paths", &paths)
            .finish_non_exhaustive()
    }
}
