//! A call that is held: a conversation.
//!
//! A client that streams by handing over a stream of requests must have them thought out beforehand. In a
//! conversation what is sent next depends on what was said; so here both ends of the call are values, to
//! be used in any order and from two tasks. Neither waits for the other: the sender exists before the
//! server has answered anything, so that a server which answers only when spoken to is no deadlock.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::BytesMut;
use h2::client::ResponseFuture;
use http::uri::PathAndQuery;
use tokio::sync::OnceCell;

use super::call::{Head, Opened, Outgoing, read_head, within};
use super::channel::Channel;
use crate::call::codec::Codec;
use crate::call::send::{self, Over, SendError, SharedLane};
use crate::call::streaming::{Ending, ResponseEnding, Streaming};
use crate::call::timer::Timer;
use crate::conn::counter::Counted;
use crate::metadata::MetadataMap;
use crate::{Code, Origin, Request, Status, deadline};

/// A call with both its ends: send requests, receive answers, in any order.
///
/// Nothing is sent before the first use. Dropping the call, or its receiver, before the end cancels it
/// (`RST_STREAM(CANCEL)`); dropping the sender alone does too, unless [`half_close`](Self::half_close) was
/// called: a conversation broken off is not one that was ended.
pub struct Call<Req, Res> {
    sender: CallSender<Req>,
    receiver: CallReceiver<Res>,
}

/// The sending end of a [`Call`].
pub struct CallSender<Req> {
    opening: Arc<Opening>,
    encode: Encode<Req>,
    buffer: BytesMut,
    half_closed: bool,
}

/// The receiving end of a [`Call`].
pub struct CallReceiver<Res> {
    opening: Arc<Opening>,
    reading: Reading<Res>,
    /// While it is waited for.
    response: Option<(ResponseFuture, Counted)>,
    /// Makes the stream of messages out of an opened call.
    read: Read<Res>,
}

type Encode<Req> = Box<dyn Fn(Req, &mut BytesMut) -> Result<(), Status> + Send + Sync>;
type Read<Res> =
    Box<dyn Fn(crate::call::recv::Receiver, Timer, Ending) -> Streaming<Res> + Send + Sync>;

enum Reading<Res> {
    /// Response headers have not been read.
    Head,
    Open((MetadataMap, Streaming<Res>)),
    /// The call failed before its first message.
    Failed,
}

/// A call that is opened by whichever end is used first.
struct Opening {
    channel: Channel,
    path: PathAndQuery,
    /// Taken when the call is opened.
    head: Mutex<Option<Request<()>>>,
    lanes: OnceCell<Result<Lanes, Status>>,
}

/// An opened call.
struct Lanes {
    outgoing: Outgoing,
    requests: SharedLane,
    /// Taken by the receiver.
    response: Mutex<Option<(ResponseFuture, Counted)>>,
}

impl Opening {
    async fn lanes(&self) -> Result<&Lanes, Status> {
        let lanes = self.lanes.get_or_init(async || {
            let head = self
                .head
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take();
            let head = head.unwrap_or(Request::new(()));
            let mut outgoing = Outgoing::new(&self.channel, self.path.clone(), head);
            if !self.channel.interceptors.is_empty() {
                outgoing.intercept(&self.channel).await?;
            }
            let Opened {
                response,
                stream,
                open,
            } = within(
                outgoing.deadline,
                pin!(outgoing.open_for_stream(&self.channel)),
            )
            .await??;
            Ok(Lanes {
                outgoing,
                requests: SharedLane::new(stream),
                response: Mutex::new(Some((response, open))),
            })
        });
        lanes.await.as_ref().map_err(again)
    }

    fn close(&self, over: Over) {
        if let Some(Ok(lanes)) = self.lanes.get() {
            lanes.requests.close(over);
        }
    }
}

/// The status once more: both ends of a call that could not be opened are told the same.
fn again(status: &Status) -> Status {
    Status::library(status.code(), status.message().to_owned(), status.origin())
}

impl<Req: Send + 'static, Res: Send + 'static> Call<Req, Res> {
    pub(super) fn new<C>(channel: &Channel, path: PathAndQuery, codec: C) -> Self
    where
        C: Codec<Encode = Req, Decode = Res>,
    {
        let opening = Arc::new(Opening {
            channel: channel.clone(),
            path,
            head: Mutex::new(Some(Request::new(()))),
            lanes: OnceCell::new(),
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
                reading: Reading::Head,
                response: None,
                read,
            },
        }
    }

    /// Sends this metadata with the request. It must be said before the first use of the call.
    pub fn with_metadata(self, metadata: MetadataMap) -> Self {
        self.change_head(|head| *head.metadata_mut() = metadata)
    }

    /// The longest the call may take, to its last trailer. It must be said before the first use of the call.
    pub fn with_timeout(self, limit: Duration) -> Self {
        self.change_head(|head| head.set_timeout(limit))
    }

    fn change_head(self, change: impl FnOnce(&mut Request<()>)) -> Self {
        if let Some(head) = &mut *self
            .sender
            .opening
            .head
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
        {
            change(head);
        }
        self
    }

    /// As [`CallSender::send`].
    ///
    /// # Errors
    /// As there.
    pub async fn send(&mut self, message: Req) -> Result<(), Status> {
        self.sender.send(message).await
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
    /// Sends one message; waits while the peer's window is closed.
    ///
    /// Dropping the future while it waits leaves the message half sent: then drop the call too.
    ///
    /// # Errors
    /// If the message is too large; the call goes on. If the call is over: then the receiver knows how it
    /// ended.
    pub async fn send(&mut self, message: Req) -> Result<(), Status> {
        if self.half_closed {
            return Err(Status::library(
                Code::Internal,
                "the call was half-closed; nothing can be sent after that",
                Origin::LocalLimit,
            ));
        }
        let lanes = self.opening.lanes().await?;
        (self.encode)(message, &mut self.buffer)?;
        let mut bytes = self.buffer.split().freeze();
        let sent = within(
            lanes.outgoing.deadline,
            pin!(poll_fn(|cx| lanes.requests.poll_send(cx, &mut bytes))),
        )
        .await;
        match sent {
            Ok(sent) => sent.map_err(is_over),
            Err(status) => {
                lanes.requests.fail(deadline::exceeded());
                Err(status)
            }
        }
    }

    /// Ends the stream of requests: END_STREAM. The answers go on. A second call does nothing.
    ///
    /// # Errors
    /// If the call could not be opened, or is over.
    pub async fn half_close(&mut self) -> Result<(), Status> {
        let lanes = self.opening.lanes().await?;
        self.half_closed = true;
        lanes.requests.half_close().map_err(is_over)
    }
}

/// What a sender is told of a call that is over.
fn is_over(error: SendError) -> Status {
    let what = match error {
        SendError::Reset(h2::Reason::NO_ERROR) => "the peer has answered already".to_owned(),
        SendError::Reset(reason) => format!(
            "its stream was reset: {}",
            crate::call::ending::name(reason)
        ),
        SendError::Gone(error) => error.to_string(),
    };
    let message = format!("the call is over ({what}); its receiver has the status");
    Status::library(Code::Cancelled, message, Origin::Transport)
}

impl<Req> Drop for CallSender<Req> {
    fn drop(&mut self) {
        if !self.half_closed {
            self.opening.close(Over::Cancelled);
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
        if let Reading::Head = self.reading {
            match self.read_head().await {
                Ok(open) => self.reading = Reading::Open(open),
                Err(status) => {
                    self.reading = Reading::Failed;
                    return Err(status);
                }
            }
        }
        match &mut self.reading {
            Reading::Open(open) => Ok(open),
            Reading::Head | Reading::Failed => Err(ended()),
        }
    }

    async fn read_head(&mut self) -> Result<(MetadataMap, Streaming<Res>), Status> {
        let lanes = self.opening.lanes().await?;
        if self.response.is_none() {
            self.response = lanes
                .response
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take();
        }
        // It stays where it is while it is waited for: the wait may be dropped and begun again.
        let Some((response, _)) = &mut self.response else {
            return Err(ended());
        };
        let deadline = lanes.outgoing.deadline;
        let head = within(
            deadline,
            pin!(read_head(
                response,
                self.opening.channel.max_decoding_message_size
            )),
        )
        .await;
        let head = head.and_then(|head| head.map_err(|failed| failed.status));
        let Some((_, open)) = self.response.take() else {
            return Err(ended());
        };
        let (over, result) = match head {
            Ok(Head::Open(mut metadata, receiver)) => {
                lanes
                    .outgoing
                    .show_response(&self.opening.channel, &mut metadata);
                let requests = Some(lanes.requests.clone());
                let ending = ResponseEnding {
                    requests,
                    on_end: lanes.outgoing.on_end(&self.opening.channel),
                    _open: open,
                };
                let messages =
                    (self.read)(receiver, Timer::new(deadline), Ending::Response(ending));
                return Ok((metadata, messages));
            }
            Ok(Head::Over(end)) => (Over::Answered, end),
            Err(status) => (Over::Cancelled, Err(lanes.outgoing.settle(status))),
        };
        let mut result = match (result, lanes.requests.take_failure()) {
            (Err(_), Some(failure)) => Err(failure),
            (result, _) => result,
        };
        lanes.requests.close(over);
        if let Some(on_end) = lanes.outgoing.on_end(&self.opening.channel) {
            on_end(&mut result);
        }
        Ok((MetadataMap::new(), Streaming::over(result?)))
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

impl<Res> Drop for CallReceiver<Res> {
    fn drop(&mut self) {
        // Once the answers are read, their stream does it.
        if let Reading::Head = self.reading {
            self.opening.close(Over::Cancelled);
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
