//! A service, as generated code gives it to a server: an implementation, its table of methods, and its options.
//!
//! [`ServiceServer`] is what generated code calls `GreeterServer`. What becomes of its methods is in `method.rs`.

use std::marker::PhantomData;
use std::sync::Arc;

use super::method::Methods;
use super::options::MethodOptions;
use super::service::{NamedService, RegisteredMethods, Service};
use crate::compression::codings::compression_knobs;
use crate::interceptor::{AsyncInterceptor, Interceptor, Interceptors};

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

    compression_knobs!(
        "Compresses response messages in this way, for clients that read it. Default: none are compressed. Called several times, the coding that was named first is the best. A response is sent as it is after [`Response::disable_compression`](crate::Response::disable_compression), and a message of a stream with [`send_as_is`](crate::codec::send_as_is).",
        send,
        this => this.options.compression
    );

    /// Runs each handler in a task of its own from the start. Default: off.
    ///
    /// A handler is first polled in its connection's task, which is quickest when it answers at once.
    /// Choose this for handlers that block the thread or compute for long: while one does, its
    /// connection does nothing else. (Connections notice handlers that are always slow, and
    /// stop polling them in place; this is for those that are slow now and then.)
    ///
    /// A handler that has to wait is moved to a task of its own, where its connection's task-locals are not. They are
    /// of use only to code that calls `serve_connection` inside of their scope; with this, a handler never sees them, and
    /// without it until it first waits. With the feature `tracing` the span that is current when a handler begins
    /// goes with it either way.
    pub fn spawn_always(mut self) -> Self {
        self.options.spawn_always = true;
        self
    }

    /// Serves calls beyond [`max_concurrent_calls`](super::Server::max_concurrent_calls) too, and does not count
    /// them. Default: off. For what must answer when a server is busy, as `temaki::health` does.
    pub fn never_shed(mut self) -> Self {
        self.options.never_shed = true;
        self
    }
}

impl<T, M: MethodTable<T>> Service for ServiceServer<T, M> {
    fn into_methods(self) -> RegisteredMethods {
        let mut methods = Methods::with_options(M::SERVICE, self.service, self.options);
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

impl<T, M: MethodTable<T>> NamedService for ServiceServer<T, M> {
    const NAME: &'static str = M::SERVICE;
}
