//! What all generated clients have in common, beside the calls of their services.
//!
//! [`unmocked`] is the body of each call that a mock leaves out. The macro writes what every client has: how it is
//! made, its interceptors, its limits. It is here and not in the generated text, so that it changes with the library.

use std::future::{Ready, ready};

use crate::status::{Origin, Status};
use crate::wire::code::Code;

/// The end of a call that a mock leaves out: UNIMPLEMENTED, with the call's path.
#[cold]
pub fn unmocked<M, T>(request: M, path: &str) -> Ready<Result<T, Status>> {
    drop(request);
    let message = format!(
        "{path} is not mocked: implement this method of the generated trait, or make the call by a channel"
    );
    ready(Err(Status::library(
        Code::Unimplemented,
        message,
        Origin::Library,
    )))
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
            /// A client of what makes its calls: a channel, another transport, or a mock.
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

            /// A client whose requests `interceptor` sees first, and whose responses it sees last.
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

            /// Reads response messages that the server compressed in this way. Default: none are read.
            pub fn accept_compressed(
                self,
                compression: impl ::core::convert::Into<$crate::codec::Compression>,
            ) -> Self {
                Self::new(self.calls.accept_compressed(compression))
            }

            /// Reads response messages in every coding that temaki was built with.
            pub fn accept_compressed_all(self) -> Self {
                Self::new(self.calls.accept_compressed_all())
            }

            /// Compresses request messages in this way. Default: none are compressed.
            pub fn send_compressed(
                self,
                compression: impl ::core::convert::Into<$crate::codec::Compression>,
            ) -> Self {
                Self::new(self.calls.send_compressed(compression))
            }

            /// Messages that are shorter than this, in bytes, are sent as they are. Default 1 KiB.
            pub fn compression_threshold(self, bytes: usize) -> Self {
                Self::new(self.calls.compression_threshold(bytes))
            }
        }
    };
}
