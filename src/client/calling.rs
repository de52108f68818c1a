//! The five kinds of call that a channel makes.
//!
//! This file has their signatures and what they promise. What happens is in `shapes`, and in `held` for a call that is
//! held.

use std::future::Future;

use futures_core::Stream;
use http::uri::PathAndQuery;

use super::channel::Channel;
use super::held::Call;
use super::shapes;
use crate::call::codec::Codec;
use crate::call::streaming::Streaming;
use crate::request::Request;
use crate::response::Response;
use crate::status::Status;

impl Channel {
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
}
