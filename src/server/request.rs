//! The request half of a call: how does the handler get its request?
//!
//! The head was read when the call began (`begin.rs`). The messages follow: one, or a stream of them. Interceptors see
//! the request before the first message is read. This file does not know what a handler does with it.

use std::future::{Future, poll_fn};
use std::task::Poll;

use super::coding::Agreed;
use super::options::MethodOptions;
use crate::call::codec::Codec;
use crate::call::reader::MessageReader;
use crate::call::retraction::Retraction;
use crate::call::streaming::{Ending, Streaming};
use crate::call::timer::Timer;
use crate::call::writer::MessageWriter;
use crate::conn::inbox::Keeper;
use crate::interceptor::{InterceptedCall, Interceptors};
use crate::request::Request;
use crate::status::{Origin, Status};
use crate::wire::code::Code;

/// The request half of a call: its head was read, and its messages are to be read.
///
/// It stays in one place while the call lasts, and hands out what it holds by reference: a call's future
/// is copied around as little as possible, and small enough to be allocated cheaply.
pub(super) struct RequestHalf {
    pub(super) request: Option<Request<()>>,
    pub(super) reader: Option<MessageReader>,
    /// How messages are compressed, if that is enabled for the call.
    pub(super) agreed: Option<Box<Agreed>>,
    /// Of a stream of requests whose reader may go before the call does.
    pub(super) kept: Option<Keeper>,
    /// Of the server and of the service, in this order.
    pub(super) interceptors: Interceptors,
    /// The call as interceptors know it, if any of them wants to see the answer.
    pub(super) intercepted: Option<Box<InterceptedCall>>,
}

impl RequestHalf {
    /// How messages are compressed, if that is enabled for the call.
    #[inline(always)]
    pub(super) fn agreed(&mut self) -> Option<&mut Agreed> {
        self.agreed.as_deref_mut()
    }

    /// What writes the messages of the response.
    #[inline]
    pub(super) fn writer(&self, options: &MethodOptions) -> MessageWriter {
        match &self.agreed {
            None => options.writer(),
            Some(agreed) => agreed.writer(options),
        }
    }

    /// Nobody reads on: the rest of the request, if any, is not wanted.
    pub(super) fn stop_reading(&mut self) {
        self.reader = None;
    }

    /// The request is a stream, which its handler may leave unread.
    pub(super) fn expect_stream(&mut self) {
        self.kept = (self.reader.as_mut()).and_then(|it| it.source.share_with_call());
    }

    /// The only message of a unary or server-streaming request.
    ///
    /// The end is waited for as well, so that a handler never answers a request with a second message.
    pub(super) async fn one_message<C: Codec>(
        &mut self,
        codec: &C,
    ) -> Result<Request<C::Decode>, Status> {
        self.intercept().await?;
        let Some(reader) = &mut self.reader else {
            return Err(wrong_count("no more"));
        };
        let Some(mut bytes) = poll_fn(|cx| reader.poll_bytes(cx)).await? else {
            return Err(wrong_count("0"));
        };
        //= GRPC-REQ-EOS  the request ends with END_STREAM, and not with its message
        if !reader.is_finished() && poll_fn(|cx| reader.poll_bytes(cx)).await?.is_some() {
            return Err(wrong_count("more than 1"));
        }
        let message = codec.decode(&mut bytes)?;
        Ok(self.take_request().map(|()| message))
    }

    /// All messages of a streaming request, as they come; their end may be taken back.
    pub(super) async fn stream<C: Codec>(
        &mut self,
        codec: &C,
        retraction: &Retraction,
    ) -> Result<Request<Streaming<C::Decode>>, Status> {
        let deadline = Timer::new(self.request.as_ref().and_then(Request::deadline));
        self.intercept().await?;
        let Some(reader) = self.reader.take() else {
            return Err(wrong_count("no more"));
        };
        let ending = Ending::Request(retraction.clone());
        let messages = Streaming::new(reader, codec.clone(), deadline, ending);
        Ok(self.take_request().map(|()| messages))
    }

    /// Lets interceptors see the request.
    async fn intercept(&mut self) -> Result<(), Status> {
        if self.interceptors.is_empty() {
            return Ok(());
        }
        let request = self.take_request();
        // In a box, so that a call without interceptors does not carry room for them.
        let intercepted = &mut self.intercepted;
        let mut passed = Box::pin(self.interceptors.request(request, intercepted));
        let request = poll_fn(|cx| {
            let polled = passed.as_mut().poll(cx);
            if let (Poll::Pending, Some(reader)) = (&polled, &mut self.reader) {
                reader.source.share(None); // nobody reads meanwhile
            }
            polled
        });
        let request = request.await?;
        self.request = Some(request);
        Ok(())
    }

    fn take_request(&mut self) -> Request<()> {
        self.request.take().unwrap_or_else(|| Request::new(()))
    }
}

fn wrong_count(found: &str) -> Status {
    //= CODE-CARDINALITY  none, or more than one, where one is due: UNIMPLEMENTED
    let message = format!("the request has {found} messages; this method takes exactly 1");
    Status::library(Code::Unimplemented, message, Origin::Protocol)
}
