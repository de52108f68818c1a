//! A call that is held: a conversation.
//!
//! A client that streams by handing over a stream of requests must have them thought out beforehand. In a
//! conversation what is sent next depends on what was said; so here both ends of the call are values, to
//! be used in any order and from two tasks. Neither waits for the other: the sender exists before the
//! server has answered anything, so that a server which answers only when spoken to is no deadlock.
//!
//! What opens the call and what sends its messages goes on by itself once it has begun
//! ([`opening`](super::opening)). So any future of either end may be dropped without harm: a wait was given up,
//! nothing more.
//!
//! A server may have answered completely while there are requests to come, and the window be closed. So a sender that
//! waits reads some of the answers ahead of the receiver, who may be somewhere else: the end, if it comes,
//! ends its wait.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::uri::PathAndQuery;
use tokio::sync::oneshot;

use super::channel::Channel;
use super::opening::{Answer, Answered, End, Opening, stopped};
use crate::call::codec::Codec;
use crate::call::coding;
use crate::call::lane::{Over, SharedLane};
use crate::call::reader::MessageReader;
use crate::call::streaming::{Ending, ResponseEnding, Streaming, show_end};
use crate::call::timer::Timer;
use crate::call::writer::MessageWriter;
use crate::metadata::MetadataMap;
use crate::request::Request;
use crate::status::{Origin, Status};
use crate::wire::code::Code;

/// A call with both its ends: send requests, receive answers, in any order.
///
/// Nothing is sent before the first use. Interceptors see the request in the task that uses the call first, and
/// the answer in the one that receives it, or waits to send. Dropping the call, or its receiver, before the end cancels it
/// (`RST_STREAM(CANCEL)`); dropping the sender alone does too, unless [`half_close`](Self::half_close) was
/// called: a conversation broken off is not one that was ended.
///
/// If the server turns the call away before a handler has seen it, because it drains or is too busy, the
/// call is made again once, with all that was sent, as long as that is no more than 64 KiB.
pub struct Call<Req, Res> {
    sender: CallSender<Req>,
    receiver: CallReceiver<Res>,
}

/// The sending end of a [`Call`].
pub struct CallSender<Req> {
    opening: Arc<Opening>,
    write: Write<Req>,
    /// Has the message that the lane has not taken over.
    writer: MessageWriter,
    half_closed: bool,
    /// The answers, of which this end sees only whether they have ended.
    answers: Arc<dyn Ahead>,
}

/// The receiving end of a [`Call`].
pub struct CallReceiver<Res> {
    opening: Arc<Opening>,
    /// Once it has come.
    metadata: Option<MetadataMap>,
    answers: Arc<Mutex<Answers<Res>>>,
}

/// Writes a message, with the codec of the method.
type Write<Req> = Box<dyn Fn(&mut MessageWriter, Req) -> Result<(), Status> + Send + Sync>;
type Read<Res> = Box<dyn Fn(MessageReader, Timer, Ending) -> Streaming<Res> + Send>;

/// What the server says.
struct Answers<Res> {
    reading: Reading<Res>,
    /// Makes the stream of messages out of an answer.
    read: Read<Res>,
}

enum Reading<Res> {
    /// Response headers have not been read.
    Head(oneshot::Receiver<Answered>),
    /// The metadata is the receiver's as soon as it asks for anything.
    Open(Option<MetadataMap>, Streaming<Res>),
    /// The call failed before its first message, and whether that was told.
    Failed(Status, bool),
    /// There is no receiver.
    Gone,
}

impl<Res: 'static> Answers<Res> {
    /// `Ready` when it is known what the server answers with.
    fn poll_head(&mut self, lane: &SharedLane, cx: &mut Context<'_>) -> Poll<()> {
        if let Reading::Head(answered) = &mut self.reading {
            let answered = ready!(Pin::new(answered).poll(cx));
            let opened = match answered {
                Ok(answered) => self.open(answered, lane),
                Err(_) => Err(stopped()),
            };
            self.reading = opened.unwrap_or_else(|status| Reading::Failed(status, false));
        }
        Poll::Ready(())
    }

    /// Lets interceptors see the head of the answer, or the end.
    fn open(&self, answered: Answered, lane: &SharedLane) -> Result<Reading<Res>, Status> {
        let Answered { result, unseen } = answered;
        let unseen = unseen.as_ref();
        let on_end = unseen.and_then(|(channel, call)| call.on_end(channel));
        let end = match result {
            Ok(Answer::Open {
                mut metadata,
                receiver,
                open,
            }) => {
                let mut deadline = Timer::default();
                if let Some((channel, call)) = unseen {
                    deadline = Timer::at_home(call.deadline, || channel.tasks().home());
                    call.show_response(channel, &mut metadata)
                        .map_err(|status| lane.fail(status))?;
                }
                let ending = ResponseEnding {
                    requests: Some(lane.clone()),
                    on_end,
                    open,
                };
                let messages = (self.read)(receiver, deadline, Ending::Response(ending));
                return Ok(Reading::Open(Some(metadata), messages));
            }
            Ok(Answer::Over(trailers)) => Ok(trailers),
            Err(status) => Err(status),
        };
        let trailers = show_end(end, on_end, Some(lane))?;
        let nothing = Some(MetadataMap::new());
        Ok(Reading::Open(nothing, Streaming::over(trailers)))
    }

    fn poll_message(
        &mut self,
        lane: &SharedLane,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Res>, Status>> {
        ready!(self.poll_head(lane, cx));
        match &mut self.reading {
            Reading::Open(_, messages) => messages.poll_message(cx),
            Reading::Failed(status, told @ false) => {
                *told = true;
                Poll::Ready(Err(status.clone()))
            }
            Reading::Failed(_, true) | Reading::Head(_) | Reading::Gone => Poll::Ready(Ok(None)),
        }
    }

    fn poll_trailers(
        &mut self,
        lane: &SharedLane,
        cx: &mut Context<'_>,
    ) -> Poll<Result<MetadataMap, Status>> {
        ready!(self.poll_head(lane, cx));
        match &mut self.reading {
            Reading::Open(_, messages) => messages
                .poll_trailers(cx)
                .map_ok(|trailers| trailers.unwrap_or_default()),
            reading => Poll::Ready(Err(reading.failure())),
        }
    }
}

impl<Res> Reading<Res> {
    /// Why there is nothing to be had from it.
    fn failure(&mut self) -> Status {
        match self {
            Self::Failed(status, told) => {
                *told = true;
                status.clone()
            }
            Self::Head(_) | Self::Open(..) | Self::Gone => stopped(),
        }
    }
}

/// What a sender that waits does with the answers, whatever they are made of.
trait Ahead: Send + Sync {
    fn poll_ahead(&self, opening: &Opening, cx: &mut Context<'_>);
}

impl<Res: Send + 'static> Ahead for Mutex<Answers<Res>> {
    fn poll_ahead(&self, opening: &Opening, cx: &mut Context<'_>) {
        opening.ends.wait(End::Sender, cx);
        let waker = opening.ends.waker();
        let cx = &mut Context::from_waker(&waker);
        let mut answers = lock(self);
        let known = answers.poll_head(&opening.lane, cx);
        if let (Poll::Ready(()), Reading::Open(_, messages)) = (known, &mut answers.reading) {
            messages.poll_ahead(cx);
        }
    }
}

fn lock<T>(answers: &Mutex<T>) -> MutexGuard<'_, T> {
    answers.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<Req: Send + 'static, Res: Send + 'static> Call<Req, Res> {
    pub(super) fn new<C>(channel: &Channel, path: PathAndQuery, codec: C) -> Self
    where
        C: Codec<Encode = Req, Decode = Res>,
    {
        let (opening, answered) = Opening::new(channel, path);
        let opening = Arc::new(opening);
        let encoder = codec.clone();
        let write =
            Box::new(move |writer: &mut MessageWriter, message| writer.write(&encoder, &message));
        let read = Box::new(move |receiver, deadline, ending| {
            Streaming::new(receiver, codec.clone(), deadline, ending)
        });
        let answers = Arc::new(Mutex::new(Answers {
            reading: Reading::Head(answered),
            read,
        }));
        Self::of(opening, (write, channel.writer()), answers)
    }

    /// A call that fails before it leaves: each use of it reports `status`. For a
    /// [`Transport`](super::Transport) that refuses a call.
    pub fn failed(status: Status) -> Self {
        let opening = Arc::new(Opening::refused(status.clone()));
        let answers = Arc::new(Mutex::new(Answers {
            reading: Reading::Failed(status, false),
            read: Box::new(|_, _, _| Streaming::over(MetadataMap::new())),
        }));
        let write = Box::new(|_: &mut MessageWriter, _| Ok(()));
        Self::of(opening, (write, MessageWriter::new(usize::MAX)), answers)
    }

    fn of(
        opening: Arc<Opening>,
        (write, writer): (Write<Req>, MessageWriter),
        answers: Arc<Mutex<Answers<Res>>>,
    ) -> Self {
        Self {
            sender: CallSender {
                opening: opening.clone(),
                write,
                writer,
                half_closed: false,
                answers: answers.clone(),
            },
            receiver: CallReceiver {
                opening,
                metadata: None,
                answers,
            },
        }
    }

    /// Sends this metadata with the request. It must be said before the first use of the call.
    pub fn with_metadata(self, metadata: MetadataMap) -> Self {
        self.change_head(|head| *head.metadata_mut() = metadata)
    }

    /// The longest the call may take, to its last trailer, from its first use on. It must be said before that.
    pub fn with_timeout(self, limit: Duration) -> Self {
        self.change_head(|head| head.set_timeout(limit))
    }

    /// Sends all messages of the call as they are, also over a channel that compresses. To be called before the
    /// first use of the call.
    pub fn disable_compression(mut self) -> Self {
        self.sender.writer.set_compresses(false);
        self.change_head(Request::disable_compression)
    }

    fn change_head(self, change: impl FnOnce(&mut Request<()>)) -> Self {
        self.sender.opening.change_head(change);
        self
    }

    /// As [`CallSender::send`].
    ///
    /// # Errors
    /// The status that the call has ended with, or with which this use of it is refused.
    pub async fn send(&mut self, message: Req) -> Result<(), Status> {
        self.sender.send(message).await
    }

    /// As [`CallSender::send_as_is`].
    ///
    /// # Errors
    /// As for [`send`](Self::send).
    pub async fn send_as_is(&mut self, message: Req) -> Result<(), Status> {
        self.sender.send_as_is(message).await
    }

    /// As [`CallSender::half_close`].
    ///
    /// # Errors
    /// The status that the call has ended with, or with which this use of it is refused.
    pub async fn half_close(&mut self) -> Result<(), Status> {
        self.sender.half_close().await
    }

    /// As [`CallReceiver::metadata`].
    ///
    /// # Errors
    /// The status that the call has ended with, or with which this use of it is refused.
    pub async fn metadata(&mut self) -> Result<&MetadataMap, Status> {
        self.receiver.metadata().await
    }

    /// As [`CallReceiver::message`].
    ///
    /// # Errors
    /// The status that the call has ended with, or with which this use of it is refused.
    pub async fn message(&mut self) -> Result<Option<Res>, Status> {
        self.receiver.message().await
    }

    /// As [`CallReceiver::trailers`].
    ///
    /// # Errors
    /// The status that the call has ended with, or with which this use of it is refused.
    pub async fn trailers(&mut self) -> Result<MetadataMap, Status> {
        self.receiver.trailers().await
    }

    /// The two ends, for two tasks.
    pub fn split(self) -> (CallSender<Req>, CallReceiver<Res>) {
        (self.sender, self.receiver)
    }
}

impl<Req> CallSender<Req> {
    /// Sends one message: puts it on its way, and waits while 16 KiB or more have not left because the
    /// server's window is full. So a slow server slows its caller down. Messages sent in one breath travel
    /// together. While it waits it reads up to 64 KiB of the answers ahead, or one message, so that a server
    /// which has answered completely does not keep it waiting.
    ///
    /// A message is sent once and whole, or not at all. Dropping the future while it waits leaves open which of
    /// them: what was put on its way arrives, and what had to wait for the message before it, or for interceptors,
    /// does not. The call goes on either way.
    ///
    /// # Errors
    /// If the message is too large; the call goes on. If the call is over: then the receiver knows how it
    /// ended.
    pub async fn send(&mut self, message: Req) -> Result<(), Status> {
        self.writer.forget_mark();
        self.put(message)?;
        poll_fn(|cx| self.poll_sent(cx)).await
    }

    /// As [`send`](Self::send), for a message that is not compressed, also where the call compresses the others: a picture, or a
    /// secret whose length must not depend on what stands beside it.
    ///
    /// # Errors
    /// As for [`send`](Self::send).
    pub async fn send_as_is(&mut self, message: Req) -> Result<(), Status> {
        self.put(coding::send_as_is(message))?;
        poll_fn(|cx| self.poll_sent(cx)).await
    }

    /// Makes the bytes of `message`, for [`poll_sent`](Self::poll_sent).
    fn put(&mut self, message: Req) -> Result<(), Status> {
        if self.half_closed {
            return Err(Status::library(
                Code::Internal,
                "the call was half-closed; nothing can be sent after that",
                Origin::Library,
            ));
        }
        self.writer.clear();
        (self.write)(&mut self.writer, message)
    }

    /// Hands them over to the lane, and waits for room in it.
    fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        ready!(self.opening.poll_begin(cx, End::Sender));
        let sent = self.opening.lane.poll_offer(cx, self.writer.buffer());
        if sent.is_pending() {
            self.answers.poll_ahead(&self.opening, cx);
        }
        sent
    }

    /// Ends the stream of requests: END_STREAM, after all that was sent. The answers go on. A second call
    /// does nothing. Dropping the future, which waits for interceptors only, may leave the requests open.
    ///
    /// # Errors
    /// If the call is over.
    pub async fn half_close(&mut self) -> Result<(), Status> {
        poll_fn(|cx| self.opening.poll_begin(cx, End::Sender)).await;
        if self.half_closed {
            return Ok(());
        }
        self.half_closed = true;
        self.opening.lane.end()
    }
}

impl<Req> Drop for CallSender<Req> {
    fn drop(&mut self) {
        if !self.half_closed {
            self.opening.lane.fail(Status::library(
                Code::Cancelled,
                "the call's sender was dropped; call half_close first to end the requests in good order",
                Origin::Library,
            ));
        }
    }
}

impl<Res: 'static> CallReceiver<Res> {
    /// The response metadata. Waits until it has come.
    ///
    /// # Errors
    /// How the call ended, if it did before.
    pub async fn metadata(&mut self) -> Result<&MetadataMap, Status> {
        poll_fn(|cx| self.poll(cx, |_, _, _| Poll::Ready(()))).await;
        match &self.metadata {
            Some(metadata) => Ok(metadata),
            None => Err(lock(&self.answers).reading.failure()),
        }
    }

    /// The next message; `None` when the call has ended with status OK.
    ///
    /// Dropping the future loses nothing: the message comes with the next call.
    ///
    /// # Errors
    /// How the call ended, once; after that `None`, and [`trailers`](Self::trailers) has the error still.
    pub async fn message(&mut self) -> Result<Option<Res>, Status> {
        poll_fn(|cx| self.poll(cx, Answers::poll_message)).await
    }

    /// The trailing metadata: reads, and drops, what messages are left.
    ///
    /// # Errors
    /// How the call ended, if that was not well, as often as it is asked.
    pub async fn trailers(&mut self) -> Result<MetadataMap, Status> {
        poll_fn(|cx| self.poll(cx, Answers::poll_trailers)).await
    }

    /// Asks for something that comes after the head of the answer.
    fn poll<T>(
        &mut self,
        cx: &mut Context<'_>,
        ask: impl FnOnce(&mut Answers<Res>, &SharedLane, &mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        let opening = &*self.opening;
        ready!(opening.poll_begin(cx, End::Receiver));
        opening.ends.wait(End::Receiver, cx);
        let waker = opening.ends.waker();
        let cx = &mut Context::from_waker(&waker);
        let mut answers = lock(&self.answers);
        ready!(answers.poll_head(&opening.lane, cx));
        if let Reading::Open(metadata, _) = &mut answers.reading {
            self.metadata = self.metadata.take().or_else(|| metadata.take());
        }
        let answer = ready!(ask(&mut answers, &opening.lane, cx));
        drop(answers);
        // There is room for a sender that reads ahead.
        opening.ends.leave(End::Receiver);
        Poll::Ready(answer)
    }
}

impl<Res> Drop for CallReceiver<Res> {
    fn drop(&mut self) {
        let reading = std::mem::replace(&mut lock(&self.answers).reading, Reading::Gone);
        // Once the answers are read, their stream does it.
        if let Reading::Head(_) = reading {
            self.opening.lane.close(Over::Cancelled);
        }
    }
}

impl<Req, Res> std::fmt::Debug for Call<Req, Res> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Call")
            .field("path", &self.sender.opening.path)
            .finish_non_exhaustive()
    }
}

impl<Req> std::fmt::Debug for CallSender<Req> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CallSender")
            .field("path", &self.opening.path)
            .finish_non_exhaustive()
    }
}

impl<Res> std::fmt::Debug for CallReceiver<Res> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CallReceiver")
            .field("path", &self.opening.path)
            .finish_non_exhaustive()
    }
}
