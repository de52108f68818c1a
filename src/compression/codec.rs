//! What does a coding of messages have to do?
//!
//! gRPC compresses message by message, so a coding sees one whole message at a time, and keeps nothing of it for the next one.
//! The library owns every buffer: a coding writes into room that it is given. So no coding can write more than the reader's
//! limit, and none has to know the limit.
//!
//! A [`ContentCodec`] is the description that both ends of a call share. An [`Inflater`] or a [`Deflater`] is the memory that one
//! message needs while it is worked on. Each thread keeps some of them for the messages that follow.
//!
//! Spec: [compression](https://github.com/grpc/grpc/blob/master/doc/compression.md); PROTOCOL-HTTP2.md, "Message-Encoding".

use std::fmt;

/// A coding of messages that users add to those of this crate.
///
/// It is enabled as those are: [`Compression::custom`](crate::codec::Compression::custom) makes it a value that
/// `accept_compressed` and `send_compressed` take.
///
/// ```
/// use temaki::codec::{Compression, ContentCodec, Corrupt, Deflater, Inflater, Progress};
///
/// /// Each byte is sent with its bits turned over.
/// #[derive(Debug)]
/// struct Inverted;
///
/// impl ContentCodec for Inverted {
///     fn name(&self) -> &str {
///         "x-inverted"
///     }
///     fn inflater(&self) -> Box<dyn Inflater> {
///         Box::new(Inverted)
///     }
///     fn deflater(&self) -> Box<dyn Deflater> {
///         Box::new(Inverted)
///     }
/// }
///
/// impl Inflater for Inverted {
///     fn begin(&mut self) {}
///     fn inflate(&mut self, payload: &[u8], message: &mut [u8]) -> Result<Progress, Corrupt> {
///         let len = payload.len().min(message.len());
///         for (to, from) in message.iter_mut().zip(payload) {
///             *to = !from;
///         }
///         Ok(Progress { read: len, written: len, is_done: len == payload.len() })
///     }
/// }
///
/// impl Deflater for Inverted {
///     fn deflate(&mut self, message: &[u8], payload: &mut [u8]) -> Result<Option<usize>, Corrupt> {
///         Ok(self.inflate(message, payload)?.is_done.then_some(message.len()))
///     }
/// }
///
/// let compression = Compression::custom(Inverted);
/// assert_eq!(compression.name(), "x-inverted");
/// ```
pub trait ContentCodec: fmt::Debug + Send + Sync + 'static {
    /// The name in `grpc-encoding`, in lower case: letters, digits and `-`.
    fn name(&self) -> &str;

    /// What decompresses one message after the other. It is kept by a thread, and used for many calls.
    fn inflater(&self) -> Box<dyn Inflater>;

    /// What compresses one message after the other. It is kept by a thread, and used for many calls.
    fn deflater(&self) -> Box<dyn Deflater>;
}

/// Decompresses one message at a time.
pub trait Inflater: Send {
    /// A new message begins. Nothing of the one before, which may have been left in the middle, has a meaning for it.
    fn begin(&mut self);

    /// How long the message says it is, in bytes, if it says so. A guide only: memory is taken by it, up to the limit of the
    /// reader, and nothing is believed.
    fn announced_len(&self, payload: &[u8]) -> Option<u64> {
        let _ = payload;
        None
    }

    /// Decompresses from the front of `payload` into the front of `message`, and reports how far it came.
    ///
    /// `payload` is all that was not read yet of the compressed message. The call ends at the latest when `message` is full.
    /// It must come on: a call that reads nothing, writes nothing and is not done ends the message as truncated.
    ///
    /// # Errors
    /// [`Corrupt`] if `payload` is not in this coding.
    fn inflate(&mut self, payload: &[u8], message: &mut [u8]) -> Result<Progress, Corrupt>;

    /// How many bytes of memory this holds between two messages. More than 512 KiB are not kept. Default: 0.
    fn footprint(&self) -> usize {
        0
    }
}

/// Compresses one message at a time.
pub trait Deflater: Send {
    /// Compresses all of `message` into `payload`, and returns the length of what it wrote; `None` if that does not fit. Then the
    /// message is sent as it is, since compressing it gains nothing.
    ///
    /// # Errors
    /// [`Corrupt`] if the coding failed. The call ends with INTERNAL.
    fn deflate(&mut self, message: &[u8], payload: &mut [u8]) -> Result<Option<usize>, Corrupt>;
}

/// How far an [`Inflater`] came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of the payload that are not needed any more.
    pub read: usize,
    /// Bytes of the message that were written.
    pub written: usize,
    /// The message is whole. Bytes of the payload that are left over make it corrupt.
    pub is_done: bool,
}

/// Why a coding cannot go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Corrupt {
    why: String,
    is_limit: bool,
}

impl Corrupt {
    /// The payload is not in this coding: what was found, and what was expected. The call ends with INTERNAL.
    pub fn new(why: impl Into<String>) -> Self {
        Self {
            why: why.into(),
            is_limit: false,
        }
    }

    /// The payload may be in order, but takes more memory than this side spends on it. The call ends with
    /// RESOURCE_EXHAUSTED.
    pub fn too_costly(why: impl Into<String>) -> Self {
        Self {
            why: why.into(),
            is_limit: true,
        }
    }

    pub(crate) fn is_limit(&self) -> bool {
        self.is_limit
    }
}

impl fmt::Display for Corrupt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl std::error::Error for Corrupt {}
