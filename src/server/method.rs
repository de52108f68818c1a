//! From a typed handler to one that a router can hold.
//!
//! Generated code registers each method with [`Methods`]: its name, its codec, and a closure that calls
//! the user's `async fn`. Here the four shapes of a call become one, [`Handler`]: request in, answer
//! sent.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;

use futures_core::Stream;

use super::call::{self, CallContext, Incoming, Opened, Outcome, Reply};
use super::service::{MethodOptions, RegisteredMethods, Service};
use crate::call::codec::Codec;
use crate::call::streaming::Streaming;
use crate::interceptor::Interceptors;
use crate::{Request, Response, Status, wire};

/// Begins to serve one request, behind these interceptors. An error is a request that was answered without
/// its handler.
pub(crate) type Handler = Box<
    dyn Fn(Incoming, Arc<CallContext>, &Interceptors) -> Result<CallFuture, Outcome> + Send + Sync,
>;

/// One call, to be polled until it is over.
pub(crate) type CallFuture = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// One method that a server answers.
pub(crate) struct Route {
    /// `/package.Service/Method`.
    pub(crate) path: String,
    pub(crate) handler: Handler,
    /// Never polled in the connection's task: `ServiceServer::spawn_always`.
    pub(crate) spawn_always: bool,
    /// Served beyond `max_concurrent_calls`: `ServiceServer::never_shed`.
    pub(crate) never_shed: bool,
}

/// Collects the methods of a service whose handlers work on a shared `T`.
pub struct Methods<T> {
    name: &'static str,
    service: Arc<T>,
    options: MethodOptions,
    routes: Vec<Route>,
}

/// One registered method: everything its calls share.
struct Entry<T, C, F> {
    service: Arc<T>,
    codec: C,
    handler: F,
    options: MethodOptions,
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
        self.route(name, codec, handler, |entry, mut reply, mut opened| {
            Box::pin(async move {
                let handled = async {
                    let request = opened.one_message(&entry.codec).await?;
                    (entry.handler)(entry.service.clone(), request).await
                };
                let response = reply.watch(pin!(Some(handled))).await;
                match reply.send_headers(response, &mut opened) {
                    Ok((message, trailers)) => {
                        reply
                            .send_message(message, trailers, &opened, &entry.codec, &entry.options)
                            .await
                    }
                    Err(outcome) => outcome,
                }
            })
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
        self.route(name, codec, handler, |entry, mut reply, mut opened| {
            Box::pin(async move {
                let handled = async {
                    let request = opened.one_message(&entry.codec).await?;
                    (entry.handler)(entry.service.clone(), request).await
                };
                let response = reply.watch(pin!(Some(handled))).await;
                match reply.send_headers(response, &mut opened) {
                    Ok((messages, trailers)) => {
                        reply
                            .send_messages(
                                messages,
                                trailers,
                                &opened,
                                &entry.codec,
                                &entry.options,
                                None,
                            )
                            .await
                    }
                    Err(outcome) => outcome,
                }
            })
        });
    }

    /// A stream in, one message out.
    pub fn client_streaming<C, F, Fut>(&mut self, name: &str, codec: C, handler: F)
    where
        C: Codec,
        F: Fn(Arc<T>, Request<Streaming<C::Decode>>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Response<C::Encode>, Status>> + Send,
    {
        self.route(name, codec, handler, |entry, mut reply, mut opened| {
            opened.expect_stream();
            Box::pin(async move {
                let requests = reply.requests();
                let handled = async {
                    let request = opened.stream(&entry.codec, &requests).await?;
                    (entry.handler)(entry.service.clone(), request).await
                };
                let response = reply.watch_reading(pin!(Some(handled)), &requests).await;
                match reply.send_headers(response, &mut opened) {
                    Ok((message, trailers)) => {
                        reply
                            .send_message(message, trailers, &opened, &entry.codec, &entry.options)
                            .await
                    }
                    Err(outcome) => outcome,
                }
            })
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
        self.route(name, codec, handler, |entry, mut reply, mut opened| {
            opened.expect_stream();
            Box::pin(async move {
                let requests = reply.requests();
                let handled = async {
                    let request = opened.stream(&entry.codec, &requests).await?;
                    (entry.handler)(entry.service.clone(), request).await
                };
                let response = reply.watch_reading(pin!(Some(handled)), &requests).await;
                match reply.send_headers(response, &mut opened) {
                    Ok((messages, trailers)) => {
                        reply
                            .send_messages(
                                messages,
                                trailers,
                                &opened,
                                &entry.codec,
                                &entry.options,
                                Some(&requests),
                            )
                            .await
                    }
                    Err(outcome) => outcome,
                }
            })
        });
    }

    /// `run` runs a handler of one shape, from the request's first message to the answer's trailers.
    fn route<C, F, R>(&mut self, name: &str, codec: C, handler: F, run: R)
    where
        C: Codec,
        F: Send + Sync + 'static,
        R: Fn(Arc<Entry<T, C, F>>, Reply, Opened) -> CallFuture + Send + Sync + 'static,
    {
        let entry = Arc::new(Entry {
            service: self.service.clone(),
            codec,
            handler,
            options: self.options.clone(),
        });
        self.routes.push(Route {
            path: wire::path::join(self.name, name),
            handler: Box::new(move |incoming, context, interceptors| {
                let (reply, opened) = call::open(incoming, context, interceptors, &entry.options)?;
                Ok(run(entry.clone(), reply, opened))
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
