//! From a typed handler to one that a router can hold.
//!
//! Generated code registers each method with [`Methods`]: its name, its codec, and a closure that calls
//! the user's `async fn`. Here the four shapes of a call become one, [`Handler`]: request in, answer
//! sent.

use std::future::Future;
use std::marker::PhantomData;
use std::pin::{Pin, pin};
use std::sync::Arc;

use futures_core::Stream;

use super::call::{self, CallContext, Incoming, Opened, Outcome, Reply};
use crate::call::codec::Codec;
use crate::call::ending::Retraction;
use crate::call::streaming::Streaming;
use crate::interceptor::Interceptors;
use crate::{AsyncInterceptor, Interceptor, Request, Response, Status, wire};

/// The default limit on a received message, 4 MiB, as in other gRPC libraries.
pub(crate) const DEFAULT_MAX_DECODING: usize = 4 * 1024 * 1024;

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
    /// Never polled in the connection's task; see [`ServiceServer::spawn_always`].
    pub(crate) spawn_always: bool,
}

/// What a service's methods have in common.
#[derive(Clone, Debug)]
pub(crate) struct MethodOptions {
    pub(crate) max_decoding_message_size: usize,
    pub(crate) max_encoding_message_size: usize,
    pub(crate) spawn_always: bool,
}

impl Default for MethodOptions {
    fn default() -> Self {
        Self {
            max_decoding_message_size: DEFAULT_MAX_DECODING,
            max_encoding_message_size: usize::MAX,
            spawn_always: false,
        }
    }
}

/// Something with methods that a [`Server`](super::Server) can answer calls with.
///
/// Generated servers are; [`Methods`] is, for services put together by hand.
pub trait Service {
    /// Hands over the methods.
    fn into_methods(self) -> RegisteredMethods;
}

/// The methods of one service, ready to be served.
pub struct RegisteredMethods {
    pub(crate) service: &'static str,
    pub(crate) routes: Vec<Route>,
    /// They see every call of these methods.
    pub(crate) interceptors: Interceptors,
}

impl std::fmt::Debug for RegisteredMethods {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RegisteredMethods")
            .field("service", &self.service)
            .field("methods", &self.routes.len())
            .finish_non_exhaustive()
    }
}

/// The table of a generated service: which methods it has, and how each calls a `T`.
pub trait MethodTable<T> {
    /// `package.Service`, as it stands in the path of a request.
    const SERVICE: &'static str;

    /// Registers every method.
    fn register(methods: &mut Methods<T>);
}

/// Serves an implementation `T` of a generated service trait by its table `M`.
///
/// Generated code names it for each service: `GreeterServer<T>` is a `ServiceServer<T, GreeterMethods>`.
pub struct ServiceServer<T, M> {
    service: Arc<T>,
    options: MethodOptions,
    interceptors: Interceptors,
    table: PhantomData<fn() -> M>,
}

impl<T, M: MethodTable<T>> ServiceServer<T, M> {
    /// Serves `service`.
    pub fn new(service: T) -> Self {
        Self::from_arc(Arc::new(service))
    }

    /// Serves a service that others hold as well.
    pub fn from_arc(service: Arc<T>) -> Self {
        Self {
            service,
            options: MethodOptions::default(),
            interceptors: Interceptors::default(),
            table: PhantomData,
        }
    }

    /// Serves `service` behind an interceptor, which sees every call before its handler does.
    pub fn with_interceptor<I>(service: T, interceptor: I) -> Self
    where
        I: Interceptor + Clone + Send + Sync + 'static,
    {
        let mut server = Self::new(service);
        server.interceptors.push(interceptor);
        server
    }

    /// As [`with_interceptor`](Self::with_interceptor), for one that waits or looks at answers too.
    pub fn with_async_interceptor<I: AsyncInterceptor>(service: T, interceptor: I) -> Self {
        let mut server = Self::new(service);
        server.interceptors.push_async(interceptor);
        server
    }

    /// The largest message to accept, in bytes. Default 4 MiB. A larger one ends its call with
    /// RESOURCE_EXHAUSTED, before memory is taken for it.
    pub fn max_decoding_message_size(mut self, limit: usize) -> Self {
        self.options.max_decoding_message_size = limit;
        self
    }

    /// The largest message to send, in bytes. Default: no limit but the format's, 4 GiB. A larger one
    /// ends its call with RESOURCE_EXHAUSTED.
    pub fn max_encoding_message_size(mut self, limit: usize) -> Self {
        self.options.max_encoding_message_size = limit;
        self
    }

    /// Runs each handler in a task of its own from the start. Default: off.
    ///
    /// A handler is first polled in its connection's task, which is quickest when it answers at once.
    /// Choose this for handlers that block the thread or compute for long: while one does, its
    /// connection does nothing else. (Connections notice handlers that are always slow, and
    /// stop polling them in place; this is for those that are slow now and then.)
    pub fn spawn_always(mut self) -> Self {
        self.options.spawn_always = true;
        self
    }
}

impl<T, M: MethodTable<T>> Service for ServiceServer<T, M> {
    fn into_methods(self) -> RegisteredMethods {
        let mut methods = Methods {
            name: M::SERVICE,
            service: self.service,
            options: self.options,
            routes: Vec::new(),
        };
        M::register(&mut methods);
        RegisteredMethods {
            interceptors: self.interceptors,
            ..methods.into_methods()
        }
    }
}

impl<T, M> Clone for ServiceServer<T, M> {
    fn clone(&self) -> Self {
        Self {
            service: self.service.clone(),
            options: self.options.clone(),
            interceptors: self.interceptors.clone(),
            table: PhantomData,
        }
    }
}

impl<T, M> std::fmt::Debug for ServiceServer<T, M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServiceServer")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

/// Collects the methods of a service whose handlers work on a shared `T`.
pub struct Methods<T> {
    name: &'static str,
    service: Arc<T>,
    options: MethodOptions,
    routes: Vec<Route>,
}

/// One registered method: everything its calls share.
struct Entry<T, F> {
    service: Arc<T>,
    handler: F,
    options: MethodOptions,
}

impl<T: Send + Sync + 'static> Methods<T> {
    /// Starts the table of the service `name` (`package.Service`), by hand.
    pub fn new(name: &'static str, service: Arc<T>) -> Self {
        Self {
            name,
            service,
            options: MethodOptions::default(),
            routes: Vec::new(),
        }
    }

    pub(super) fn with_options(self, options: MethodOptions) -> Self {
        Self { options, ..self }
    }

    /// The largest message to accept by the methods that are registered from here on; as
    /// [`ServiceServer::max_decoding_message_size`].
    pub fn max_decoding_message_size(mut self, limit: usize) -> Self {
        self.options.max_decoding_message_size = limit;
        self
    }

    /// The largest message to send by the methods that are registered from here on; as
    /// [`ServiceServer::max_encoding_message_size`].
    pub fn max_encoding_message_size(mut self, limit: usize) -> Self {
        self.options.max_encoding_message_size = limit;
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
                    let request = opened.one_message().await?;
                    (entry.handler)(entry.service.clone(), request).await
                };
                let response = reply.watch(pin!(handled)).await;
                match reply.send_headers(response, &mut opened) {
                    Ok((message, trailers)) => {
                        reply
                            .send_message(message, trailers, &opened, &entry.options)
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
                    let request = opened.one_message().await?;
                    (entry.handler)(entry.service.clone(), request).await
                };
                let response = reply.watch(pin!(handled)).await;
                match reply.send_headers(response, &mut opened) {
                    Ok((messages, trailers)) => {
                        reply
                            .send_messages(messages, trailers, &opened, &entry.options, None)
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
            Box::pin(async move {
                let requests = Retraction::default();
                let handled = async {
                    let request = opened.stream(&requests).await?;
                    (entry.handler)(entry.service.clone(), request).await
                };
                let response = reply.watch_reading(pin!(handled), &requests).await;
                match reply.send_headers(response, &mut opened) {
                    Ok((message, trailers)) => {
                        reply
                            .send_message(message, trailers, &opened, &entry.options)
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
            Box::pin(async move {
                let requests = Retraction::default();
                let handled = async {
                    let request = opened.stream(&requests).await?;
                    (entry.handler)(entry.service.clone(), request).await
                };
                let response = reply.watch_reading(pin!(handled), &requests).await;
                match reply.send_headers(response, &mut opened) {
                    Ok((messages, trailers)) => {
                        reply
                            .send_messages(
                                messages,
                                trailers,
                                &opened,
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
        R: Fn(Arc<Entry<T, F>>, Reply, Opened<C>) -> CallFuture + Send + Sync + 'static,
    {
        let entry = Arc::new(Entry {
            service: self.service.clone(),
            handler,
            options: self.options.clone(),
        });
        self.routes.push(Route {
            path: wire::path::join(self.name, name),
            handler: Box::new(move |incoming, context, interceptors| {
                let (options, codec) = (&entry.options, codec.clone());
                let (reply, opened) = call::open(incoming, context, interceptors, options, codec)?;
                Ok(run(entry.clone(), reply, opened))
            }),
            spawn_always: self.options.spawn_always,
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
