//! What generated clients stand on: each call of a service, by a channel or by none.
//!
//! A generated trait has a method for each call, and each has a body that comes here with whatever the
//! trait was implemented for. A [`Channel`] makes the call; a mock is not one, and what it does not
//! override answers UNIMPLEMENTED. So a mock is one `impl` with the methods that its test is about.

use std::any::Any;

use futures_core::Stream;
use http::uri::PathAndQuery;

use super::{Call, Channel};
use crate::codec::Codec;
use crate::{Code, Error, Origin, Request, Response, Status, Streaming};

/// Whether `calls` is a channel is known when the code is compiled: the question costs nothing.
fn channel<'a, T: Any>(calls: &'a T, path: &str) -> Result<&'a Channel, Status> {
    (calls as &dyn Any).downcast_ref().ok_or_else(|| {
        Status::library(
            Code::Unimplemented,
            format!("{path} is not mocked"),
            Origin::Library,
        )
    })
}

/// The calls, under one name that generated code imports. No value of it exists.
#[derive(Debug)]
pub enum Calls {}

impl Calls {
    /// See [`Channel::unary`].
    pub async fn unary<T: Any + Sync, C: Codec>(
        calls: &T,
        path: &'static str,
        codec: C,
        request: Request<C::Encode>,
    ) -> Result<Response<C::Decode>, Status> {
        let channel = channel(calls, path)?;
        let path = PathAndQuery::from_static(path);
        channel.unary(path, codec, request).await
    }

    /// See [`Channel::server_streaming`].
    pub async fn server_streaming<T: Any + Sync, C: Codec>(
        calls: &T,
        path: &'static str,
        codec: C,
        request: Request<C::Encode>,
    ) -> Result<Response<Streaming<C::Decode>>, Status> {
        let channel = channel(calls, path)?;
        let path = PathAndQuery::from_static(path);
        channel.server_streaming(path, codec, request).await
    }

    /// See [`Channel::client_streaming`].
    pub async fn client_streaming<T: Any + Sync, C: Codec, S>(
        calls: &T,
        path: &'static str,
        codec: C,
        request: Request<S>,
    ) -> Result<Response<C::Decode>, Status>
    where
        S: Stream<Item = C::Encode> + Send + 'static,
    {
        let channel = channel(calls, path)?;
        let path = PathAndQuery::from_static(path);
        channel.client_streaming(path, codec, request).await
    }

    /// See [`Channel::streaming`].
    pub async fn streaming<T: Any + Sync, C: Codec, S>(
        calls: &T,
        path: &'static str,
        codec: C,
        request: Request<S>,
    ) -> Result<Response<Streaming<C::Decode>>, Status>
    where
        S: Stream<Item = C::Encode> + Send + 'static,
    {
        let channel = channel(calls, path)?;
        let path = PathAndQuery::from_static(path);
        channel.streaming(path, codec, request).await
    }

    /// See [`Channel::start`].
    pub fn start<C: Codec>(
        channel: &Channel,
        path: &'static str,
        codec: C,
    ) -> Call<C::Encode, C::Decode> {
        channel.start(PathAndQuery::from_static(path), codec)
    }
}

/// An endpoint is itself a target, and cannot be a wrong one.
impl From<std::convert::Infallible> for Error {
    fn from(never: std::convert::Infallible) -> Self {
        match never {}
    }
}

/// What each generated client has beside the calls of its service.
#[doc(hidden)]
#[macro_export]
macro_rules! __client {
    ($name:ident) => {
        impl $name {
            /// A client of the server at `http://host:port` or `unix:/path`, or of an `Endpoint`.
            ///
            /// # Errors
            /// If the target is not understood, or the first attempt to connect fails.
            pub async fn connect<T>(target: T) -> ::core::result::Result<Self, $crate::Error>
            where
                T: ::core::convert::TryInto<$crate::Endpoint>,
                T::Error: ::core::convert::Into<$crate::Error>,
            {
                ::core::result::Result::Ok(Self::new($crate::Channel::connect(target).await?))
            }
        }

        $crate::__client!($name, without connect);
    };
    ($name:ident, without connect) => {
        impl<C> $name<C> {
            /// A client of what makes its calls: a channel, or a mock.
            pub fn new(calls: C) -> Self {
                Self { calls }
            }
        }

        impl $name {
            /// A client whose calls `interceptor` sees first.
            pub fn with_interceptor<I>(channel: $crate::Channel, interceptor: I) -> Self
            where
                I: $crate::Interceptor
                    + ::core::clone::Clone
                    + ::core::marker::Send
                    + ::core::marker::Sync
                    + 'static,
            {
                Self::new(channel.with_interceptor(interceptor))
            }

            /// A client whose calls `interceptor` sees first, and whose answers it sees last.
            pub fn with_async_interceptor(
                channel: $crate::Channel,
                interceptor: impl $crate::AsyncInterceptor,
            ) -> Self {
                Self::new(channel.with_async_interceptor(interceptor))
            }

            /// The largest message to accept, in bytes. Default 4 MiB.
            pub fn max_decoding_message_size(self, limit: usize) -> Self {
                Self::new(self.calls.max_decoding_message_size(limit))
            }

            /// The largest message to send, in bytes. Default: the format's limit, 4 GiB.
            pub fn max_encoding_message_size(self, limit: usize) -> Self {
                Self::new(self.calls.max_encoding_message_size(limit))
            }
        }
    };
}
