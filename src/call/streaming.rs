//! The incoming messages of a call, as its user holds them.
//!
//! [`Streaming`] is a server's request stream and a client's response stream. Messages come out of it
//! the same way; it is their *ends* that differ. A request stream ends with END_STREAM. A response
//! stream ends with trailers, and what they say decides whether the end was good: so the client's side
//! reads them here, and turns everything but `grpc-status: 0` into an error.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;

use crate::call::codec::Codec;
use crate::call::exclusive::Exclusive;
use crate::call::lane::{Over, SharedLane};
use crate::call::reader::{MessageReader, Read};
use crate::call::retraction::Retraction;
use crate::call::timer::Timer;
use crate::metadata::MetadataMap;
use crate::status::Status;
use crate::{deadline, trailers};

/// A stream of incoming messages.
///
/// Read it with [`message`](Self::message), or as a [`Stream`]. `None` is a clean end: END_STREAM in
/// good order on a server, status OK on a client. Everything else is an error, given once, whose
/// [`Status::origin`] tells a cancelled call from a passed deadline, a lost connection, or a peer that
/// broke the protocol; after it, the stream is at its end, and [`trailers`](Self::trailers) has the error still.
///
/// A reader that stops reading stops the sender, when the flow-control window is full. Dropping it
/// before its end cancels the call on a client (`RST_STREAM(CANCEL)`), and on a server means that the
/// rest of the request is not wanted.
pub struct Streaming<T>(Source<T>);

enum Source<T> {
    Wire(Box<Wire<T>>),
    /// Messages made in this process: a mock's answer.
    Local(Exclusive<Local<T>>),
    /// Ended, in this way; trailing metadata until it is asked for.
    Over(End),
}

struct Wire<T> {
    /// `None` once the stream has ended; with it goes the stream's last claim on the connection.
    reader: Option<MessageReader>,
    read: ReadNext<T>,
    deadline: Timer,
    ending: Ending,
    /// Read before anybody asked for it.
    ahead: Option<Box<Exclusive<Ahead<T>>>>,
    /// How it ended, once it has: trailing metadata of a client's call, until it is asked for.
    end: End,
}

/// What is read ahead of who reads: in bytes, and one message at least.
const AHEAD: usize = 64 * 1024;
/// What the smallest message counts for there.
const LEAST: usize = 64;

/// Messages, and perhaps the end, that were read before anybody asked for them, and how much each counts.
struct Ahead<T> {
    read: VecDeque<(Next<T>, usize)>,
    /// The sum of what they count.
    len: usize,
}

type Local<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// How a stream ended: trailing metadata, until it is asked for, or the error.
type End = Result<Option<MetadataMap>, Status>;

/// What [`Streaming::message`] gives.
type Next<T> = Result<Option<T>, Status>;

/// Reads the next message, with the codec of the method.
type ReadNext<T> = Box<dyn Fn(&mut MessageReader, &mut Context<'_>) -> Poll<Read<T>> + Send + Sync>;

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
    /// The call has its place on the connection until then.
    pub(crate) open: Option<Box<dyn Claim>>,
}

/// A call's place on its connection, given back when it is dropped.
pub(crate) trait Claim: Send + Sync {
    /// The call ended so. Without it, it was cancelled.
    fn ended(&mut self, end: Result<(), &Status>);
}

/// Sees, and may change, how a call ended.
pub(crate) type OnEnd = Box<dyn FnOnce(&mut Result<MetadataMap, Status>) + Send + Sync>;

impl<T: 'static> Streaming<T> {
    /// The messages of `reader`, decoded by `codec`, until `deadline`.
    pub(crate) fn new<C>(reader: MessageReader, codec: C, deadline: Timer, ending: Ending) -> Self
    where
        C: Codec<Decode = T>,
    {
        let read: ReadNext<T> = Box::new(move |reader, cx| reader.poll_message(&codec, cx));
        Self(Source::Wire(Box::new(Wire {
            reader: Some(reader),
            read,
            deadline,
            ending,
            ahead: None,
            end: Ok(None),
        })))
    }

    /// A stream that ended well without a message.
    #[cfg(feature = "client")]
    pub(crate) fn over(trailers: MetadataMap) -> Self {
        Self(Source::Over(Ok(Some(trailers))))
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
    /// `None` for a server's request stream, which has none, and when they were asked for before.
    ///
    /// # Errors
    /// How the stream ended, if that was not well, as often as it is asked.
    pub async fn trailers(&mut self) -> Result<Option<MetadataMap>, Status> {
        std::future::poll_fn(|cx| self.poll_trailers(cx)).await
    }

    pub(crate) fn poll_trailers(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<MetadataMap>, Status>> {
        while ready!(self.poll_message(cx))?.is_some() {}
        Poll::Ready(match &mut self.0 {
            Source::Wire(wire) => match (&mut wire.end, &wire.ending) {
                (Err(status), _) => Err(status.clone()),
                (Ok(_), Ending::Request(_)) => Ok(None),
                (Ok(trailers), Ending::Response(_)) => Ok(trailers.take()),
            },
            Source::Over(Err(status)) => Err(status.clone()),
            Source::Over(Ok(trailers)) => Ok(trailers.take()),
            Source::Local(_) => Ok(None),
        })
    }

    /// Reads some messages ahead of the reader: so the end of a call is noticed although nobody reads.
    #[cfg(feature = "client")]
    pub(crate) fn poll_ahead(&mut self, cx: &mut Context<'_>) {
        if let Source::Wire(wire) = &mut self.0 {
            wire.poll_ahead(cx);
        }
    }

    pub(crate) fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Next<T>> {
        match &mut self.0 {
            Source::Wire(wire) => wire.poll_message(cx),
            Source::Local(stream) => {
                let next = ready!(stream.get_mut().as_mut().poll_next(cx));
                // It is never polled again: most streams do not bear that.
                match &next {
                    Some(Ok(_)) => {}
                    Some(Err(status)) => self.0 = Source::Over(Err(status.clone())),
                    None => self.0 = Source::Over(Ok(None)),
                }
                Poll::Ready(next.transpose())
            }
            Source::Over(_) => Poll::Ready(Ok(None)),
        }
    }
}

impl<T> Wire<T> {
    fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Next<T>> {
        if let Some(next) = self.take_ahead() {
            return Poll::Ready(next);
        }
        self.poll_read(cx)
            .map_ok(|next| next.map(|(message, _)| message))
    }

    #[inline]
    fn take_ahead(&mut self) -> Option<Next<T>> {
        let ahead = self.ahead.as_mut()?.get_mut();
        match ahead.read.pop_front() {
            Some((next, len)) => {
                ahead.len -= len;
                Some(next)
            }
            None => {
                self.ahead = None;
                None
            }
        }
    }

    #[cfg(feature = "client")]
    fn poll_ahead(&mut self, cx: &mut Context<'_>) {
        while self.reader.is_some()
            && self
                .ahead
                .as_mut()
                .is_none_or(|it| it.get_mut().len < AHEAD)
        {
            let Poll::Ready(next) = self.poll_read(cx) else {
                return;
            };
            let (next, len) = match next {
                Ok(Some((message, len))) => (Ok(Some(message)), len.max(LEAST)),
                Ok(None) => (Ok(None), 0),
                Err(status) => (Err(status), 0),
            };
            let ahead = self.ahead.get_or_insert_with(|| {
                Box::new(Exclusive::new(Ahead {
                    read: VecDeque::new(),
                    len: 0,
                }))
            });
            let ahead = ahead.get_mut();
            ahead.len += len;
            ahead.read.push_back((next, len));
        }
    }

    /// The next message that was not read ahead, and its length.
    #[inline]
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Read<T>> {
        let Some(reader) = &mut self.reader else {
            return Poll::Ready(Ok(None));
        };
        let read = (self.read)(reader, cx);
        if let Poll::Ready(Ok(Some(_))) = read {
            // A peer that is faster than its reader would otherwise never meet the deadline.
            if self.deadline.is_over() {
                reader.source.give_no_more_credit();
            }
            return read;
        }
        self.poll_end(cx, read.map_ok(drop))
    }

    /// There is no message: is it the end?
    fn poll_end(&mut self, cx: &mut Context<'_>, read: Poll<Result<(), Status>>) -> Poll<Read<T>> {
        let Some(reader) = &mut self.reader else {
            return Poll::Ready(Ok(None));
        };
        let end = match read {
            Poll::Ready(Ok(())) => poll_trailers(reader, &mut self.ending, cx),
            Poll::Ready(Err(status)) => Poll::Ready(Err(status)),
            Poll::Pending => Poll::Pending,
        };
        let end = match end {
            Poll::Ready(end) => end,
            Poll::Pending => {
                ready!(self.deadline.poll(cx));
                Err(deadline::exceeded(deadline::IN_ANSWER))
            }
        };
        let end = end.map_err(|status| {
            let over = self.deadline.is_over();
            deadline::settle(status, over, deadline::IN_ANSWER)
        });
        Poll::Ready(self.end(end).map(|()| None))
    }

    /// Lets go of both lanes, and lets others see the end.
    fn end(&mut self, mut end: Result<MetadataMap, Status>) -> Result<(), Status> {
        if let Ending::Response(ending) = &mut self.ending {
            let requests = ending.requests.take();
            if let Some(requests) = &requests {
                end = requests.finish(end);
            }
            end = show_end(end, ending.on_end.take(), requests.as_ref());
            if let Some(mut open) = ending.open.take() {
                open.ended(end.as_ref().map(drop));
            }
        }
        // `h2` cancels a stream that nobody holds and that has not ended.
        self.reader = None;
        self.end = end.map(Some);
        match &self.end {
            Ok(_) => Ok(()),
            Err(status) => Err(status.clone()),
        }
    }
}

/// Lets interceptors see how a call ended. If they spoil a good end, its sender is told too.
pub(crate) fn show_end(
    mut end: Result<MetadataMap, Status>,
    on_end: Option<OnEnd>,
    requests: Option<&SharedLane>,
) -> Result<MetadataMap, Status> {
    if let Some(on_end) = on_end {
        let was_good = end.is_ok();
        on_end(&mut end);
        if let (true, Err(status), Some(requests)) = (was_good, &end, requests) {
            requests.spoil(status.clone());
        }
    }
    end
}

/// DATA has ended: the end of the stream as its side understands it, with a response's trailing metadata.
fn poll_trailers(
    reader: &mut MessageReader,
    ending: &mut Ending,
    cx: &mut Context<'_>,
) -> Poll<Result<MetadataMap, Status>> {
    if let Ending::Request(retraction) = ending {
        ready!(retraction.poll_end(cx))?;
        return Poll::Ready(Ok(MetadataMap::new()));
    }
    //= GRPC-RES-TRAILERS  status in trailers, even when OK
    let trailers = ready!(reader.poll_trailers(cx))?;
    Poll::Ready(trailers::read_end(trailers))
}

impl<T> Drop for Wire<T> {
    fn drop(&mut self) {
        if let (
            Some(_),
            Ending::Response(ResponseEnding {
                requests: Some(requests),
                ..
            }),
        ) = (&self.reader, &self.ending)
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
        for _ in 0..2 {
            let status = messages.trailers().await.unwrap_err();
            assert_eq!(status.code(), crate::Code::Aborted, "c21: still there");
        }
    }
}
