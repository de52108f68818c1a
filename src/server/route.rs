//! A method that a router can hold: a path, and how its calls begin. The types of its messages are gone.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use super::context::{CallContext, Incoming};
use super::end::Outcome;
use crate::interceptor::Interceptors;

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
    pub(crate) path: Arc<str>,
    pub(crate) handler: Handler,
    /// Never polled in the connection's task: `ServiceServer::spawn_always`.
    pub(crate) spawn_always: bool,
    /// Served beyond `max_concurrent_calls`: `ServiceServer::never_shed`.
    pub(crate) never_shed: bool,
}
