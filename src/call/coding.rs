//! What has a call to do with the coding of its messages?
//!
//! gRPC compresses message by message: the Compressed-Flag of each message says whether the coding that `grpc-encoding`
//! names was applied to it. A [`MessageWriter`](super::writer::MessageWriter) is given a [`Write`], a
//! [`MessageReader`](super::reader::MessageReader) a [`Read`]. Without one, messages are sent as they are, and a message with the flag is
//! an error.
//!
//! This file does not know which codings there are, nor who chooses one for a call.
//!
//! Spec: [compression](https://github.com/grpc/grpc/blob/master/doc/compression.md).

use std::cell::Cell;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};

use super::Side;
use crate::compression::codec::Corrupt;
use crate::compression::deflate::deflate;
use crate::compression::encoding::Compression;
use crate::compression::inflate::{Failure, Inflating, Task, inflate};
use crate::status::{Origin, Status};
use crate::wire::code::Code;

/// How the messages of a call are compressed.
#[derive(Debug)]
pub(crate) struct Write {
    compression: Compression,
    /// A shorter message is sent as it is, in bytes.
    min_len: usize,
}

impl Write {
    pub(crate) fn new(compression: Compression, min_len: usize) -> Self {
        Self {
            compression,
            min_len,
        }
    }

    /// Compresses the message that `buf` holds from `begin` on, if that is worth it; whether it was.
    ///
    /// # Errors
    /// INTERNAL if the coding fails.
    pub(super) fn compress(&self, buf: &mut BytesMut, begin: usize) -> Result<bool, Status> {
        let is_marked = MARKED.replace(false);
        if is_marked || buf.len() - begin < self.min_len {
            return Ok(false);
        }
        deflate(&self.compression, buf, begin).map_err(|why| {
            let name = self.compression.name();
            let message = format!("cannot compress the message to send to {name}: {why}");
            Status::library(Code::Internal, message, Origin::Library)
        })
    }
}

thread_local! {
    /// The message that is written next is sent as it is.
    static MARKED: Cell<bool> = const { Cell::new(false) };
}

/// Marks the message that a stream is about to yield: it is sent as it is, also where the call compresses its messages.
///
/// The mark belongs to the poll in which the message comes out of the stream, so this is called where the message is made or passed
/// on, in `map` or in `poll_next`. Where the call compresses nothing, it does nothing.
///
/// ```
/// use futures_util::{StreamExt, stream};
/// use temaki::Status;
/// use temaki::codec::send_as_is;
///
/// # let pictures = vec![vec![0u8; 4096]];
/// let messages = stream::iter(pictures).map(|picture| Ok::<_, Status>(send_as_is(picture)));
/// # drop(messages);
/// ```
pub fn send_as_is<T>(message: T) -> T {
    mark_next();
    message
}

/// The message that this thread writes next is sent as it is.
#[cold]
pub(super) fn mark_next() {
    MARKED.set(true);
}

/// The message that this thread writes next is not marked, whatever was marked before.
#[cold]
pub(super) fn forget_mark() {
    MARKED.set(false);
}

/// How the messages of a call are decompressed.
#[derive(Debug)]
pub(crate) struct Read {
    compression: Compression,
    /// A long message, which is not whole yet.
    task: Option<Task>,
    /// The length of the payload that is worked on, in bytes; 0 between two messages.
    payload_len: usize,
}

impl Read {
    pub(crate) fn new(compression: Compression) -> Self {
        Self {
            compression,
            task: None,
            payload_len: 0,
        }
    }

    /// Whether a message is not whole yet: then it must be polled for.
    pub(super) fn is_busy(&self) -> bool {
        self.task.is_some()
    }

    /// The length of the payload that was worked on, in bytes, once there is a message.
    pub(super) fn take_payload_len(&mut self) -> usize {
        std::mem::take(&mut self.payload_len)
    }

    /// The message that `payload` holds, of at most `max_len` bytes.
    pub(super) fn begin(
        &mut self,
        payload: Bytes,
        max_len: usize,
        side: Side,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Bytes, Status>> {
        self.payload_len = payload.len();
        match inflate(&self.compression, payload, max_len) {
            Ok(Inflating::Whole(message)) => Poll::Ready(Ok(message)),
            Ok(Inflating::Long(task)) => {
                self.task = Some(task);
                self.poll(max_len, side, cx)
            }
            Err(failure) => Poll::Ready(Err(self.status(failure, max_len, side))),
        }
    }

    /// The message that was begun.
    pub(super) fn poll(
        &mut self,
        max_len: usize,
        side: Side,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Bytes, Status>> {
        let Some(task) = &mut self.task else {
            return Poll::Pending;
        };
        Pin::new(task).poll(cx).map(|inflated| {
            self.task = None;
            inflated.map_err(|failure| self.status(failure, max_len, side))
        })
    }

    /// The codes are the same on both sides.
    #[cold]
    fn status(&self, failure: Failure, max_len: usize, side: Side) -> Status {
        let name = self.compression.name();
        let (what, whose) = match side {
            Side::Client => ("response", "client's channel"),
            Side::Server => ("request", "server's service"),
        };
        let (code, message, origin) = match failure {
            //= CODE-TOO-LARGE  a message over the limit: RESOURCE_EXHAUSTED
            Failure::TooLong => (
                Code::ResourceExhausted,
                format!(
                    "the {what} has a message in {name} that becomes longer than max_decoding_message_size of the {whose}, \
                     {max_len} bytes: raise it there, or send smaller messages"
                ),
                Origin::LocalLimit,
            ),
            Failure::Corrupt(why) if why.is_limit() => (
                Code::ResourceExhausted,
                format!("the {what} has a message in {name} that is too costly to read: {why}"),
                Origin::LocalLimit,
            ),
            //= COMP-CORRUPT  a message that is not in its coding: INTERNAL
            Failure::Corrupt(why) => (Code::Internal, corrupt(what, name, &why), Origin::Protocol),
            Failure::Panicked => (
                Code::Internal,
                format!("the coding {name} panicked"),
                Origin::Library,
            ),
            Failure::Stopped => (
                Code::Unavailable,
                "the runtime that decompressed the message has stopped".to_owned(),
                Origin::Library,
            ),
        };
        Status::library(code, message, origin)
    }
}

/// What is said of a message with the flag where no coding was announced.
#[cold]
pub(super) fn flag_without_encoding() -> Status {
    //= COMP-FLAG-NO-HEADER  flag without encoding: INTERNAL
    //= GRPC-LPM-NO-ENCODING  no grpc-encoding means flag 0
    Status::library(
        Code::Internal,
        "the message's compressed-flag is 1, but no grpc-encoding was announced; expected flag 0",
        Origin::Protocol,
    )
}

fn corrupt(what: &str, name: &str, why: &Corrupt) -> String {
    format!("the {what} has a message that is flagged as {name}, and is not: {why}")
}
