//! A call that is held: a conversation.
//!
//! A client that streams by handing over a stream of requests must have them thought out beforehand. In a
//! conversation what is sent next depends on what was said; so here both ends of the call are values, to
//! be used in any order and from two tasks. Neither waits for the other: the sender exists before the
//! server has answered anything, so that a server which answers only when spoken to is no deadlock.
//!
//! What opens the call and what sends its messages are two tasks behind it, begun by the first use of
//! either end. So any future of either end may be dropped without harm: a wait was given up, nothing more.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use http::uri::PathAndQuery;
use tokio::sync::oneshot;

use super::call::{Head, Outgoing, read_head};
use super::channel::Channel;
use super::pump;
use crate::call::codec::Codec;
use crate::call::lane::{Over, SharedLane};
use crate::call::recv::Receiver;
use crate::call::send;
use crate::call::streaming::{Ending, ResponseEnding, Streaming};
use crate::call::timer::Timer;
use crate::metadata::MetadataMap;
use crate::{Code, Origin, Request, Status};

/// A call with both its ends: send requests, receive answers, in any order.
///
/// Nothing is sent before the first use. Dropping the call, or its receiver, before the end cancels it
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
    encode: Encode<Req>,
    /// A message that the lane has not taken over.
    buffer: BytesMut,
    half_closed: bool,
}

/// The receiving end of a [`Call`].
pub struct CallReceiver<Res> {
    opening: Arc<Opening>,
    reading: Reading<Res>,
    /// Makes the stream of messages out of an answer.
    read: Read<Res>,
}

type Encode<Req> = Box<dyn Fn(Req, &mut BytesMut) -> Result<(), Status> + Send + Sync>;
type Read<Res> = Box<dyn Fn(Receiver, Timer, Ending) -> Streaming<Res> + Send + Sync>;

enum Reading<Res> {
    /// Response headers have not been read.
    Head(oneshot::Receiver<Result<Answer, Status>>),
    Open((MetadataMap, Streaming<Res>)),
    /// The call failed before its first message, which nobody was told yet.
    Broken(Status),
    /// It did, and that was told.
    Failed,
}

/// A call that is opened when either end is first used.
struct Opening {
    path: PathAndQuery,
    lane: SharedLane,
    /// Taken then.
    start: Mutex<Option<Start>>,
}

/// What is needed to open the call.
struct Start {
    channel: Channel,
    head: Request<()>,
    answer: oneshot::Sender<Result<Answer, Status>>,
}

/// What the server answers with, before its first message.
enum Answer {
    Open {
        metadata: MetadataMap,
        receiver: Receiver,
        deadline: Option<Instant>,
        ending: ResponseEnding,
    },
    /// The call is over, and ended well.
    Over(MetadataMap),
}

impl Opening {
    /// Opens the call, unless that was done before.
    fn begin(&self) {
        if let Some(start) = self.start().take() {
            tokio::spawn(open(start, self.path.clone(), self.lane.clone()));
        }
    }

    fn start(&self) -> MutexGuard<'_, Option<Start>> {
        self.start.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Opens a call, and waits for the head of its answer: until then it may be opened again.
async fn open(start: Start, path: PathAndQuery, lane: SharedLane) {
    let Start {
        channel,
        head,
        answer,
    } = start;
    let mut work = pin!(answered(channel, path, head, &lane));
    let result = poll_fn(|cx| match work.as_mut().poll(cx) {
        // Either end was dropped, or the deadline passed.
        Poll::Pending => lane.poll_over(cx).map(|()| Err(lane.told())),
        ready => ready,
    });
    let result = result.await;
    if let Err(status) = &result {
        lane.fail(status.clone());
    }
    // If nobody waits for it any more, the call was cancelled by the receiver's being dropped.
    let _ = answer.send(result);
}

async fn answered(
    channel: Channel,
    path: PathAndQuery,
    head: Request<()>,
    lane: &SharedLane,
) -> Result<Answer, Status> {
    let max_len = channel.max_decoding_message_size;
    let mut call = Outgoing::new(&channel, path, head);
    if !channel.interceptors.is_empty() {
        call.intercept(&channel).await?;
    }
    pump::spawn(lane.clone(), call.deadline);
    let head = call
        .attempts_of_stream(&channel, lane, |response, open| async move {
            Ok((read_head(response, max_len).await?, open))
        })
        .await;
    let mut over = match head {
        Ok((Head::Open(mut metadata, receiver), open)) => {
            call.show_response(&channel, &mut metadata);
            let ending = ResponseEnding {
                requests: Some(lane.clone()),
                on_end: call.on_end(&channel),
                open: Some(open),
            };
            return Ok(Answer::Open {
                metadata,
                receiver,
                deadline: call.deadline,
                ending,
            });
        }
        Ok((Head::Over(end), _)) => end,
        Err(status) => Err(status),
    };
    over = lane.finish(over);
    if let Some(on_end) = call.on_end(&channel) {
        on_end(&mut over);
    }
    over.map(Answer::Over)
}

impl<Req: Send + 'static, Res: Send + 'static> Call<Req, Res> {
    pub(super) fn new<C>(channel: &Channel, path: PathAndQuery, codec: C) -> Self
    where
        C: Codec<Encode = Req, Decode = Res>,
    {
        let (answer, head) = oneshot::channel();
        let start = Start {
            channel: channel.clone(),
            head: Request::new(()),
            answer,
        };
        let opening = Arc::new(Opening {
            path,
            lane: SharedLane::new(),
            start: Mutex::new(Some(start)),
        });
        let max_len = channel.max_encoding_message_size;
        let encoder = codec.clone();
        let encode =
            Box::new(move |item, buf: &mut BytesMut| send::encode(&encoder, &item, max_len, buf));
        let read = Box::new(move |receiver, deadline, ending| {
            Streaming::new(receiver, codec.clone(), deadline, ending)
        });
        Self {
            sender: CallSender {
                opening: opening.clone(),
                encode,
                buffer: BytesMut::new(),
                half_closed: false,
            },
            receiver: CallReceiver {
                opening,
                reading: Reading::Head(head),
                read,
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

    fn change_head(self, change: impl FnOnce(&mut Request<()>)) -> Self {
        if let Some(start) = &mut *self.sender.opening.start() {
            change(&mut start.head);
        }
        self
    }

    /// As [`CallSender::send`]. While it waits it reads one message ahead, so that a server which has answered
    /// completely does not keep it waiting.
    ///
    /// # Errors
    /// As there.
    pub async fn send(&mut self, message: Req) -> Result<(), Status> {
        let Self { sender, receiver } = self;
        sender.put(message)?;
        poll_fn(|cx| {
            let sent = sender.poll_sent(cx);
            if sent.is_pending() {
                receiver.poll_ahead(cx);
            }
            sent
        })
        .await
    }

    /// As [`CallSender::half_close`].
    ///
    /// # Errors
    /// As there.
    pub async fn half_close(&mut self) -> Result<(), Status> {
        self.sender.half_close().await
    }

    /// As [`CallReceiver::metadata`].
    ///
    /// # Errors
    /// As there.
    pub async fn metadata(&mut self) -> Result<&MetadataMap, Status> {
        self.receiver.metadata().await
    }

    /// As [`CallReceiver::message`].
    ///
    /// # Errors
    /// As there.
    pub async fn message(&mut self) -> Result<Option<Res>, Status> {
        self.receiver.message().await
    }

    /// As [`CallReceiver::trailers`].
    ///
    /// # Errors
    /// As there.
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
    /// together.
    ///
    /// A message is sent once and whole, or not at all. Dropping the future while it waits leaves open which of
    /// them: what was put on its way arrives, and what had to wait for the message before it does not. The
    /// call goes on either way.
    ///
    /// # Errors
    /// If the message is too large; the call goes on. If the call is over: then the receiver knows how it
    /// ended.
    pub async fn send(&mut self, message: Req) -> Result<(), Status> {
        self.put(message)?;
        poll_fn(|cx| self.poll_sent(cx)).await
    }

    /// Makes the bytes of `message`, for [`poll_sent`](Self::poll_sent).
    fn put(&mut self, message: Req) -> Result<(), Status> {
        if self.half_closed {
            return Err(Status::library(
                Code::Internal,
                "the call was half-closed; nothing can be sent after that",
                Origin::LocalLimit,
            ));
        }
        self.opening.begin();
        self.buffer.clear();
        (self.encode)(message, &mut self.buffer)
    }

    /// Hands them over to the lane, and waits for room in it.
    fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        self.opening.lane.poll_offer(cx, &mut self.buffer)
    }

    /// Ends the stream of requests: END_STREAM, after all that was sent. The answers go on. A second call
    /// does nothing.
    ///
    /// # Errors
    /// If the call is over.
    pub async fn half_close(&mut self) -> Result<(), Status> {
        self.opening.begin();
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
                Origin::Application,
            ));
        }
    }
}

impl<Res: 'static> CallReceiver<Res> {
    /// The response metadata. Waits until it has come.
    ///
    /// # Errors
    /// If the call ends before.
    pub async fn metadata(&mut self) -> Result<&MetadataMap, Status> {
        Ok(&self.head().await?.0)
    }

    /// The next message; `None` when the call has ended with status OK.
    ///
    /// Dropping the future loses nothing: the message comes with the next call.
    ///
    /// # Errors
    /// How the call ended, once; after that `None`.
    pub async fn message(&mut self) -> Result<Option<Res>, Status> {
        if matches!(self.reading, Reading::Failed) {
            return Ok(None);
        }
        self.head().await?.1.message().await
    }

    /// The trailing metadata: reads, and drops, what messages are left.
    ///
    /// # Errors
    /// How the call ended, if that was not well.
    pub async fn trailers(&mut self) -> Result<MetadataMap, Status> {
        if matches!(self.reading, Reading::Failed) {
            return Ok(MetadataMap::new());
        }
        Ok(self.head().await?.1.trailers().await?.unwrap_or_default())
    }

    /// What the server answers with, once it does.
    async fn head(&mut self) -> Result<&mut (MetadataMap, Streaming<Res>), Status> {
        if matches!(self.reading, Reading::Head(_)) {
            self.opening.begin();
            poll_fn(|cx| self.poll_head(cx)).await;
        }
        if let Reading::Broken(status) = &self.reading {
            let status = status.clone();
            self.reading = Reading::Failed;
            return Err(status);
        }
        match &mut self.reading {
            Reading::Open(open) => Ok(open),
            Reading::Head(_) | Reading::Broken(_) | Reading::Failed => Err(ended()),
        }
    }

    /// `Ready` when it is known what the server answers with.
    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Reading::Head(answer) = &mut self.reading {
            let answer = ready!(Pin::new(answer).poll(cx));
            // A task that is gone without a word was dropped together with its runtime.
            self.reading = match answer.unwrap_or_else(|_| Err(stopped())) {
                Ok(answer) => Reading::Open(self.open(answer)),
                Err(status) => Reading::Broken(status),
            };
        }
        Poll::Ready(())
    }

    /// Reads one message ahead of who uses this end: that the answer is complete is then known to the lane.
    fn poll_ahead(&mut self, cx: &mut Context<'_>) {
        let known = self.poll_head(cx);
        if let (Poll::Ready(()), Reading::Open((_, messages))) = (known, &mut self.reading) {
            messages.poll_ahead(cx);
        }
    }

    fn open(&self, answer: Answer) -> (MetadataMap, Streaming<Res>) {
        match answer {
            Answer::Open {
                metadata,
                receiver,
                deadline,
                ending,
            } => {
                let (deadline, ending) = (Timer::new(deadline), Ending::Response(ending));
                (metadata, (self.read)(receiver, deadline, ending))
            }
            Answer::Over(trailers) => (MetadataMap::new(), Streaming::over(trailers)),
        }
    }
}

/// What is said to those who ask on after an error.
fn ended() -> Status {
    Status::library(
        Code::Cancelled,
        "the call has ended; its status was told before",
        Origin::LocalLimit,
    )
}

fn stopped() -> Status {
    Status::library(
        Code::Cancelled,
        "the runtime that made the call has stopped",
        Origin::Application,
    )
}

impl<Res> Drop for CallReceiver<Res> {
    fn drop(&mut self) {
        // Once the answers are read, their stream does it.
        if let Reading::Head(_) = self.reading {
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
