//! The incoming messages of a call, as its user holds them.
//!
//! [`Streaming`] is a server's request stream and a client's response stream. Messages come out of it
//! the same way; it is their *ends* that differ. A request stream ends with END_STREAM. A response
//! stream ends with trailers, and what they say decides whether the end was good: so the client's side
//! reads them here, and turns everything but `grpc-status: 0` into an error.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_core::Stream;

use crate::call::codec::Codec;
use crate::call::exclusive::Exclusive;
use crate::call::lane::{Over, SharedLane};
use crate::call::recv::Receiver;
use crate::call::retraction::Retraction;
use crate::call::timer::Timer;
use crate::conn::counter::Counted;
use crate::metadata::MetadataMap;
use crate::{Status, deadline, trailers};

/// A stream of incoming messages.
///
/// Read it with [`message`](Self::message), or as a [`Stream`]. `None` is a clean end: END_STREAM in
/// good order on a server, status OK on a client. Everything else is an error, given once, whose
/// [`Status::origin`] tells a cancelled call from a passed deadline, a lost connection, or a peer that
/// broke the protocol; after it, the stream is at its end.
///
/// A reader that stops reading stops the sender, when the flow-control window is full. Dropping it
/// before its end cancels the call on a client (`RST_STREAM(CANCEL)`), and on a server means that the
/// rest of the request is not wanted.
pub struct Streaming<T>(Source<T>);

enum Source<T> {
    Wire(Box<Wire<T>>),
    /// Messages made in this process: a mock's answer.
    Local(Exclusive<Local<T>>),
    /// Ended before the first message, with this trailing metadata.
    Over(Option<MetadataMap>),
}

struct Wire<T> {
    /// `None` once the stream has ended; with it goes the stream's last claim on the connection.
    receiver: Option<Receiver>,
    decode: Decode<T>,
    deadline: Timer,
    ending: Ending,
    /// Read before anybody asked for it.
    ahead: Option<Box<Exclusive<Next<T>>>>,
    /// The trailing metadata of a client's call, once it has come.
    trailers: Option<MetadataMap>,
}

type Local<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// What [`Streaming::message`] gives.
type Next<T> = Result<Option<T>, Status>;

type Decode<T> = Box<dyn Fn(&mut Bytes) -> Result<T, Status> + Send + Sync>;

/// What the end of the messages means, and who must be told of it.
pub(crate) enum Ending {
    /// A request: the end of DATA is the end, unless it was taken back.
    Request(Retraction),
    /// A response: trailers decide.
    Response(ResponseEnding),
}

/// What ends together with a stream of answers.
pub(crate) struct ResponseEnding {
    /// The lane of requests, where it may still be open.
    pub(crate) requests: Option<SharedLane>,
    /// Who wants to see the end.
    pub(crate) on_end: Option<OnEnd>,
    /// The call is counted as open until then.
    pub(crate) open: Option<Counted>,
}

/// Sees, and may change, how a call ended.
pub(crate) type OnEnd = Box<dyn FnOnce(&mut Result<MetadataMap, Status>) + Send + Sync>;

/// One step of reading.
enum Step<T> {
    Message(T),
    /// A clean end, with a response's trailing metadata.
    End(MetadataMap),
}

impl<T: 'static> Streaming<T> {
    /// The messages of `receiver`, read by `codec`, until `deadline`.
    pub(crate) fn new<C>(receiver: Receiver, codec: C, deadline: Timer, ending: Ending) -> Self
    where
        C: Codec<Decode = T>,
    {
        let decode: Decode<T> = Box::new(move |payload| codec.decode(payload));
        Self(Source::Wire(Box::new(Wire {
            receiver: Some(receiver),
            decode,
            deadline,
            ending,
            ahead: None,
            trailers: None,
        })))
    }

    /// A stream that ended well without a message.
    #[cfg(feature = "client")]
    pub(crate) fn over(trailers: MetadataMap) -> Self {
        Self(Source::Over(Some(trailers)))
    }

    /// A stream of messages from this process, for mocks and tests.
    pub fn from_stream(messages: impl Stream<Item = Result<T, Status>> + Send + 'static) -> Self {
        Self(Source::Local(Exclusive::new(Box::pin(messages))))
    }
}

impl<T> Streaming<T> {
    /// The next message; `None` at a clean end.
    ///
    /// Dropping the future loses nothing: the message comes with the next call.
    pub async fn message(&mut self) -> Result<Option<T>, Status> {
        std::future::poll_fn(|cx| self.poll_message(cx)).await
    }

    /// The trailing metadata of a client's call: reads, and drops, what messages are left.
    ///
    /// `None` for a server's request stream, which has none.
    pub async fn trailers(&mut self) -> Result<Option<MetadataMap>, Status> {
        while self.message().await?.is_some() {}
        match &mut self.0 {
            Source::Wire(wire) => match wire.ending {
                Ending::Request(_) => Ok(None),
                Ending::Response(_) => Ok(wire.trailers.take()),
            },
            Source::Over(trailers) => Ok(trailers.take()),
            Source::Local(_) => Ok(None),
        }
    }

    /// Reads one message ahead of the reader: so the end of a call is noticed although nobody reads.
    #[cfg(feature = "client")]
    pub(crate) fn poll_ahead(&mut self, cx: &mut Context<'_>) {
        if let Source::Wire(wire) = &mut self.0 {
            if wire.ahead.is_none() {
                if let Poll::Ready(next) = wire.poll_message(cx) {
                    wire.ahead = Some(Box::new(Exclusive::new(next)));
                }
            }
        }
    }

    pub(crate) fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Next<T>> {
        match &mut self.0 {
            Source::Wire(wire) => wire.poll_message(cx),
            Source::Local(stream) => {
                let next = ready!(stream.get_mut().as_mut().poll_next(cx));
                // It is never polled again: most streams do not bear that.
                if !matches!(next, Some(Ok(_))) {
                    self.0 = Source::Over(None);
                }
                Poll::Ready(next.transpose())
            }
            Source::Over(_) => Poll::Ready(Ok(None)),
        }
    }
}

impl<T> Wire<T> {
    fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Next<T>> {
        if let Some(ahead) = self.ahead.take() {
            return Poll::Ready(ahead.into_inner());
        }
        let Some(receiver) = &mut self.receiver else {
            return Poll::Ready(Ok(None));
        };
        let step = match poll_step(receiver, &self.decode, &mut self.ending, cx) {
            Poll::Ready(step) => step,
            Poll::Pending => {
                ready!(self.deadline.poll(cx));
                Err(deadline::exceeded())
            }
        };
        Poll::Ready(match step {
            Ok(Step::Message(message)) => {
                // A peer that is faster than its reader would otherwise never meet the deadline.
                if self.deadline.is_over() {
                    receiver.give_no_more_credit();
                }
                Ok(Some(message))
            }
            Ok(Step::End(trailers)) => self.end(Ok(trailers)).map(|()| None),
            Err(status) => {
                let status = deadline::settle(status, self.deadline.is_over());
                self.end(Err(status)).map(|()| None)
            }
        })
    }

    /// Lets go of both lanes, and lets others see the end.
    fn end(&mut self, mut end: Result<MetadataMap, Status>) -> Result<(), Status> {
        if let Ending::Response(ending) = &mut self.ending {
            if let Some(requests) = ending.requests.take() {
                end = requests.finish(end);
            }
            if let Some(on_end) = ending.on_end.take() {
                on_end(&mut end);
            }
            ending.open = None;
        }
        // `h2` cancels a stream that nobody holds and that has not ended.
        self.receiver = None;
        self.trailers = Some(end?);
        Ok(())
    }
}

/// The next message, or the end as its side understands it.
fn poll_step<T>(
    receiver: &mut Receiver,
    decode: &Decode<T>,
    ending: &mut Ending,
    cx: &mut Context<'_>,
) -> Poll<Result<Step<T>, Status>> {
    if let Some(mut payload) = ready!(receiver.poll_message(cx))? {
        let message = decode(&mut payload)?;
        receiver.recycle(payload);
        return Poll::Ready(Ok(Step::Message(message)));
    }
    if let Ending::Request(retraction) = ending {
        ready!(retraction.poll_end(cx))?;
        return Poll::Ready(Ok(Step::End(MetadataMap::new())));
    }
    //= GRPC-RES-TRAILERS  status in trailers, even when OK
    let trailers = ready!(receiver.poll_trailers(cx))?;
    Poll::Ready(trailers::read_end(trailers).map(Step::End))
}

impl<T> Drop for Wire<T> {
    fn drop(&mut self) {
        if let (
            Some(_),
            Ending::Response(ResponseEnding {
                requests: Some(requests),
                ..
            }),
        ) = (&self.receiver, &self.ending)
        {
            requests.close(Over::Cancelled);
        }
    }
}

impl<T> Stream for Streaming<T> {
    type Item = Result<T, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_message(cx).map(Result::transpose)
    }
}

impl<T> std::fmt::Debug for Streaming<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Streaming")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Most streams do not bear to be asked again.
    fn once_only(items: Vec<Result<u32, Status>>) -> Streaming<u32> {
        let mut items = Some(items.into_iter());
        Streaming::from_stream(futures_util::stream::poll_fn(move |_| {
            let mut left = items.take().expect("it was asked after its end");
            let next = left.next();
            if matches!(next, Some(Ok(_))) {
                items = Some(left);
            }
            Poll::Ready(next)
        }))
    }

    #[tokio::test]
    async fn a_stream_of_this_process_is_not_asked_after_its_end() {
        let mut messages = once_only(vec![Ok(1)]);
        assert_eq!(messages.message().await.unwrap(), Some(1));
        assert_eq!(messages.message().await.unwrap(), None);
        assert_eq!(messages.message().await.unwrap(), None);
        assert!(messages.trailers().await.unwrap().is_none());

        let mut messages = once_only(vec![Err(Status::aborted("enough")), Ok(2)]);
        messages.message().await.unwrap_err();
        assert_eq!(messages.message().await.unwrap(), None, "told once");
    }
}
