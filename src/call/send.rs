//! The outgoing lane: messages in, DATA frames out. Who makes a fast sender wait?
//!
//! Spec: PROTOCOL-HTTP2.md, "Length-Prefixed-Message"; RFC 9113 §5.2 (flow control), §6.9.
//!
//! Two rules of `h2` shape this file. Bytes given to it without granted capacity are buffered without
//! bound; and capacity that is granted to a stream is taken from the whole connection at once, so that
//! a stream which holds some without having bytes starves its neighbours. Hence: first the bytes, then
//! `reserve_capacity` for exactly those, then send what is granted, and wait for the rest.
//!
//! This file does not know what is sent, nor how a call ends.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use h2::{Reason, SendStream};

use crate::call::codec::Codec;
use crate::wire::length_prefixed::{self, PREFIX_LEN};
use crate::{Code, Origin, Status};

/// Appends one length-prefixed message to `buf`.
///
/// An error leaves `buf` as it was: RESOURCE_EXHAUSTED if the message is larger than `max_len`, or
/// what the codec says.
pub(crate) fn encode<C: Codec>(
    codec: &C,
    item: &C::Encode,
    max_len: usize,
    buf: &mut BytesMut,
) -> Result<(), Status> {
    let start = buf.len();
    buf.reserve(PREFIX_LEN + codec.encoded_len(item));
    buf.extend_from_slice(&[0; PREFIX_LEN]);
    let encoded = codec.encode(item, buf).and_then(|()| {
        let len = buf.len() - start - PREFIX_LEN;
        u32::try_from(len)
            .ok()
            .filter(|_| len <= max_len)
            .ok_or_else(|| too_long(len, max_len))
    });
    match encoded {
        Ok(len) => {
            //= GRPC-LPM-PREFIX  1 flag byte, 4 length bytes big-endian
            buf[start..start + PREFIX_LEN].copy_from_slice(&length_prefixed::prefix(false, len));
            Ok(())
        }
        Err(status) => {
            buf.truncate(start);
            Err(status)
        }
    }
}

fn too_long(len: usize, max: usize) -> Status {
    let message = format!(
        "the message to send is {len} bytes, more than the limit of {max}; raise max_encoding_message_size or send less"
    );
    Status::library(Code::ResourceExhausted, message, Origin::LocalLimit)
}

/// Why bytes could not be sent.
#[derive(Debug)]
pub(crate) enum SendError {
    /// The peer reset the stream, with this reason.
    Reset(Reason),
    /// The stream or its connection is gone.
    Gone(h2::Error),
}

/// Gives `bytes` to `h2` as the peer's window allows; `Ready(Ok)` when all are given.
///
/// Bytes that were given are gone from `bytes`: after `Pending`, call again with what is left.
pub(crate) fn poll_send(
    stream: &mut SendStream<Bytes>,
    cx: &mut Context<'_>,
    bytes: &mut Bytes,
) -> Poll<Result<(), SendError>> {
    while !bytes.is_empty() {
        stream.reserve_capacity(bytes.len());
        let granted = stream.capacity().min(bytes.len());
        if granted > 0 {
            stream
                .send_data(bytes.split_to(granted), false)
                .map_err(SendError::Gone)?;
            continue;
        }
        match stream.poll_capacity(cx) {
            Poll::Ready(Some(Ok(_))) => {}
            Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(SendError::Gone(error))),
            Poll::Ready(None) | Poll::Pending => {
                return stream.poll_reset(cx).map(|reset| Err(reset.into()));
            }
        }
    }
    Poll::Ready(Ok(()))
}

impl From<Result<Reason, h2::Error>> for SendError {
    fn from(reset: Result<Reason, h2::Error>) -> Self {
        match reset {
            Ok(reason) => Self::Reset(reason),
            Err(error) => Self::Gone(error),
        }
    }
}

/// The outgoing lane of a call whose two lanes may end each other: a client that streams requests.
///
/// Whoever sends holds one handle, whoever receives another. The receiver closes the lane when the
/// answer is complete or no longer wanted, and a sender that waits for window is woken by that.
#[derive(Clone)]
pub(crate) struct SharedLane(Arc<Mutex<Lane>>);

struct Lane {
    stream: SendStream<Bytes>,
    /// END_STREAM has been given to `h2`.
    half_closed: bool,
    /// Set once, by [`SharedLane::close`]; nothing is sent after it.
    over: Option<Over>,
    /// Why the sender gave up, for the receiver to report.
    failure: Option<Status>,
}

/// Why a call's outgoing lane was closed before its own end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    /// The peer has answered completely: `RST_STREAM(NO_ERROR)`, if requests were still to come.
    Answered,
    /// Nobody wants the answer any more: `RST_STREAM(CANCEL)`.
    Cancelled,
}

impl Over {
    fn reason(self) -> Reason {
        match self {
            Self::Answered => Reason::NO_ERROR,
            Self::Cancelled => Reason::CANCEL,
        }
    }
}

impl SharedLane {
    /// Shares `stream`.
    pub(crate) fn new(stream: SendStream<Bytes>) -> Self {
        Self(Arc::new(Mutex::new(Lane {
            stream,
            half_closed: false,
            over: None,
            failure: None,
        })))
    }

    /// As [`poll_send`]; a lane that was closed says so with the reset that closed it.
    pub(crate) fn poll_send(
        &self,
        cx: &mut Context<'_>,
        bytes: &mut Bytes,
    ) -> Poll<Result<(), SendError>> {
        let mut lane = self.lock();
        match lane.over {
            Some(over) => Poll::Ready(Err(SendError::Reset(over.reason()))),
            None => poll_send(&mut lane.stream, cx, bytes),
        }
    }

    /// Ends the lane in good order: END_STREAM, on an empty DATA frame. A second call does nothing.
    pub(crate) fn half_close(&self) -> Result<(), SendError> {
        let mut lane = self.lock();
        if lane.half_closed || lane.over.is_some() {
            return Ok(());
        }
        lane.half_closed = true;
        //= GRPC-REQ-EOS  request ends with END_STREAM on DATA, an empty one if need be
        lane.stream
            .send_data(Bytes::new(), true)
            .map_err(SendError::Gone)
    }

    /// Ends the lane at once, and tells the peer why.
    pub(crate) fn close(&self, over: Over) {
        let mut lane = self.lock();
        if lane.over.is_some() {
            return;
        }
        lane.over = Some(over);
        match over {
            //= GRPC-EARLY-CLOSE-CLIENT  answered before our end: RST_STREAM(NO_ERROR)
            Over::Answered if !lane.half_closed => lane.stream.send_reset(Reason::NO_ERROR),
            Over::Answered => {}
            //= GRPC-CANCEL  cancel is RST_STREAM(CANCEL)
            Over::Cancelled => lane.stream.send_reset(Reason::CANCEL),
        }
    }

    /// The sender cannot go on: cancels the call, and leaves the reason to its receiver.
    pub(crate) fn fail(&self, status: Status) {
        self.lock().failure.get_or_insert(status);
        self.close(Over::Cancelled);
    }

    /// Why the sender gave up, if it did.
    pub(crate) fn take_failure(&self) -> Option<Status> {
        self.lock().failure.take()
    }

    /// `Ready` when nothing more need be sent: the lane was closed here, or reset by the peer.
    pub(crate) fn poll_over(&self, cx: &mut Context<'_>) -> Poll<SendError> {
        let mut lane = self.lock();
        match lane.over {
            Some(over) => Poll::Ready(SendError::Reset(over.reason())),
            None => lane.stream.poll_reset(cx).map(SendError::from),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Lane> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
