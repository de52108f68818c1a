//! The life of one call, at the server.
//!
//! ```text
//!   head ─▶ first message ─▶ handler ─▶ headers ─▶ messages ─▶ end
//!     │           │             │          │           │        ▲
//!     └───────────┴─────────────┴──────────┴───────────┴────────┘ any failure
//! ```
//!
//! | step | where |
//! |---|---|
//! | read the head; refuse, or learn the deadline | [`begin`], `begin.rs` |
//! | interceptors, then the message or the stream of them | `one_message` and `stream`, `request.rs` |
//! | run the handler, beside a reset, the deadline and a panic | `watch` and `watch_reading`, `watch.rs` |
//! | send headers, then a message or a stream of them | `send_headers`, `send_message`, `send_messages`, `reply.rs` |
//! | what interceptors see of the response | `shown.rs` |
//! | every end becomes trailers, a reset, or nothing | `Reply::finish`, `reply.rs`, with `end.rs` |
//!
//! [`begin`] is a function and no future: a request that is refused costs none. Each of the four shapes is one future. The
//! connection polls it where the request arrived, and most unary calls are over in that one poll; one that has to wait
//! is moved to a task.
//!
//! The four futures repeat what they share. One generic `async fn` with helpers for all of them was tried: each level of a
//! future keeps its own copy of its arguments, so a call's future was three times as large, and it is allocated for each
//! call. For the same reason these are functions that return a boxed `async` block, and not `async fn`s.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;

use futures_core::Stream;

use super::begin::begin;
use super::context::{CallContext, Incoming};
use super::end::{Failure, Outcome};
use super::options::MethodOptions;
use super::reply::Reply;
use super::request::RequestHalf;
use super::route::CallFuture;
use crate::call::codec::Codec;
use crate::call::streaming::Streaming;
use crate::interceptor::Interceptors;
use crate::request::Request;
use crate::response::Response;
use crate::status::Status;

/// What all calls of one method share.
pub(super) struct Method<T, C, F> {
    pub(super) service: Arc<T>,
    pub(super) codec: C,
    pub(super) handler: F,
    pub(super) options: MethodOptions,
}

/// One message in, one message out.
pub(super) fn unary<T, C, F, Fut>(
    method: Arc<Method<T, C, F>>,
    mut reply: Reply,
    mut request: RequestHalf,
) -> CallFuture
where
    T: Send + Sync + 'static,
    C: Codec,
    F: Fn(Arc<T>, Request<C::Decode>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Response<C::Encode>, Status>> + Send,
{
    Box::pin(async move {
        let handled = async {
            let request = request.one_message(&method.codec).await?;
            (method.handler)(method.service.clone(), request).await
        };
        let response = reply.watch(pin!(Some(handled))).await;
        match reply.send_headers(response, &mut request) {
            Ok((message, trailing)) => {
                reply
                    .send_message(message, trailing, &request, &method.codec, &method.options)
                    .await
            }
            Err(outcome) => outcome,
        }
    })
}

/// One message in, a stream out.
pub(super) fn server_streaming<T, C, F, Fut, S>(
    method: Arc<Method<T, C, F>>,
    mut reply: Reply,
    mut request: RequestHalf,
) -> CallFuture
where
    T: Send + Sync + 'static,
    C: Codec,
    F: Fn(Arc<T>, Request<C::Decode>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Response<S>, Status>> + Send,
    S: Stream<Item = Result<C::Encode, Status>> + Send + 'static,
{
    Box::pin(async move {
        let handled = async {
            let request = request.one_message(&method.codec).await?;
            (method.handler)(method.service.clone(), request).await
        };
        let response = reply.watch(pin!(Some(handled))).await;
        match reply.send_headers(response, &mut request) {
            Ok((messages, trailing)) => {
                reply
                    .send_messages(
                        messages,
                        trailing,
                        &request,
                        &method.codec,
                        &method.options,
                        None,
                    )
                    .await
            }
            Err(outcome) => outcome,
        }
    })
}

/// A stream in, one message out.
pub(super) fn client_streaming<T, C, F, Fut>(
    method: Arc<Method<T, C, F>>,
    mut reply: Reply,
    mut request: RequestHalf,
) -> CallFuture
where
    T: Send + Sync + 'static,
    C: Codec,
    F: Fn(Arc<T>, Request<Streaming<C::Decode>>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Response<C::Encode>, Status>> + Send,
{
    request.expect_stream();
    Box::pin(async move {
        let requests = reply.requests();
        let handled = async {
            let request = request.stream(&method.codec, &requests).await?;
            (method.handler)(method.service.clone(), request).await
        };
        let response = reply.watch_reading(pin!(Some(handled)), &requests).await;
        match reply.send_headers(response, &mut request) {
            Ok((message, trailing)) => {
                reply
                    .send_message(message, trailing, &request, &method.codec, &method.options)
                    .await
            }
            Err(outcome) => outcome,
        }
    })
}

/// A stream in, a stream out; neither waits for the other.
pub(super) fn bidi_streaming<T, C, F, Fut, S>(
    method: Arc<Method<T, C, F>>,
    mut reply: Reply,
    mut request: RequestHalf,
) -> CallFuture
where
    T: Send + Sync + 'static,
    C: Codec,
    F: Fn(Arc<T>, Request<Streaming<C::Decode>>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Response<S>, Status>> + Send,
    S: Stream<Item = Result<C::Encode, Status>> + Send + 'static,
{
    request.expect_stream();
    Box::pin(async move {
        let requests = reply.requests();
        let handled = async {
            let request = request.stream(&method.codec, &requests).await?;
            (method.handler)(method.service.clone(), request).await
        };
        let response = reply.watch_reading(pin!(Some(handled)), &requests).await;
        match reply.send_headers(response, &mut request) {
            Ok((messages, trailing)) => {
                reply
                    .send_messages(
                        messages,
                        trailing,
                        &request,
                        &method.codec,
                        &method.options,
                        Some(&requests),
                    )
                    .await
            }
            Err(outcome) => outcome,
        }
    })
}

/// Ends a call that no method is registered for, or that is one too many.
pub(super) fn refuse(incoming: Incoming, context: Arc<CallContext>, status: Status) -> Outcome {
    let (nobody, options) = (Interceptors::default(), MethodOptions::default());
    match begin(incoming, context, &nobody, &options) {
        Ok((mut reply, _)) => reply.finish(Err(Failure::Status(status))),
        Err(outcome) => outcome,
    }
}
