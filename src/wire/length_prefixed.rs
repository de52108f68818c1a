//! The five bytes before every message, and the messages behind them.
//!
//! ```text
//! Length-Prefixed-Message → Compressed-Flag Message-Length Message
//!
//!   00           Compressed-Flag   1 byte: 0 = as it is, 1 = compressed
//!   00 00 00 04  Message-Length    4 bytes, big-endian, the prefix not counted
//!   0a 02 42 6f  Message
//! ```
//!
//! An HTTP/2 DATA frame is a piece of a byte stream and knows nothing of messages: one frame may hold three of them,
//! one message may lie in three frames, and the cut may fall inside the five bytes. So a [`Decoder`] is pushed
//! *chunks* and pulled *messages*:
//!
//! ```text
//! chunks     | 00 00 00 | 00 02 08 01 00 00 00 00 00 | 00 00 …
//! messages     └ prefix ──────┘ └ 1 ┘ └ 2: empty ──┘   └ prefix, cut again
//! ```
//!
//! Two things decide what it costs. A message that lies whole in one chunk is split off that chunk: no byte of it is
//! copied. A message in pieces is copied once, into a buffer that grows with what has *come*, never with what was
//! *announced*: five bytes that promise 4 MiB buy no memory.
//!
//! This file does not know how a message is compressed, what is in it, which status an error deserves, or when
//! flow-control credit goes back to the peer. It does tell how much a half-read message still lacks
//! ([`Decoder::missing`]), because whoever returns that credit must know.
//!
//! Spec: [Requests](https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#requests),
//! [Data Frames](https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#data-frames).

use std::collections::VecDeque;
use std::fmt;

use bytes::{Buf, Bytes};

/// Length of what precedes each message: one flag byte and four length bytes.
pub const PREFIX_LEN: usize = 5;

/// The least that is allocated for a message in pieces, if it was announced to be that long.
const FIRST_STEP: usize = 4 * 1024;

/// The five bytes that announce a message of `len` bytes, itself not included.
///
/// `compressed` says that the message, not the prefix, went through the coding named in `grpc-encoding`.
pub const fn prefix(compressed: bool, len: u32) -> [u8; PREFIX_LEN] {
    //= GRPC-LPM-PREFIX  one flag byte, then the length in four bytes, big-endian
    let [a, b, c, d] = len.to_be_bytes();
    [compressed as u8, a, b, c, d]
}

/// One message as it travelled: still compressed, if the flag says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload {
    /// The Compressed-Flag. Whether it was *allowed* to be set is for the reader of `grpc-encoding` to say.
    pub compressed: bool,
    /// The message's bytes, without the prefix. May share memory with the chunk that they came in.
    pub bytes: Bytes,
}

/// Turns a byte stream, cut anywhere, into messages.
///
/// Push a chunk, pull until `None`, push the next; when the stream has ended, ask [`finish`](Self::finish) whether it
/// ended between two messages.
///
/// ```
/// use temaki::wire::length_prefixed::Decoder;
///
/// let mut decoder = Decoder::new(1024);
/// decoder.push((&[0, 0, 0, 0, 2, 0x08]).to_vec().into()); // a prefix and the first of two bytes
/// assert_eq!(decoder.next(), Ok(None));
/// assert_eq!(decoder.missing(), 1);
///
/// decoder.push(vec![0x01].into());
/// assert_eq!(decoder.next().unwrap().unwrap().bytes, &[0x08, 0x01][..]);
/// assert_eq!(decoder.next(), Ok(None));
/// assert_eq!(decoder.finish(), Ok(()));
/// ```
///
/// An error is final: pulling again gives the same error, since nothing after it has a known boundary.
#[derive(Debug)]
pub struct Decoder {
    /// The longest message taken, in bytes on the wire.
    max_len: usize,
    /// What of the oldest chunk has not been looked at. Empty whenever `next` has answered `None`.
    chunk: Bytes,
    /// Chunks pushed while `chunk` was not yet read. Empty in normal use: then it owns no memory.
    later: VecDeque<Bytes>,
    /// The first `head_len` bytes of a prefix that was cut.
    head: [u8; PREFIX_LEN],
    /// `0 ..= PREFIX_LEN`; is full only while the prefix it holds is in error.
    head_len: usize,
    /// The message whose prefix has been read and accepted, until its last byte is there.
    announced: Option<Announced>,
    /// The bytes of `announced` that came so far, unless it lies whole in `chunk`.
    gathered: Vec<u8>,
    /// An empty buffer to gather the next message in. Capacity ≤ `max_len`.
    spare: Vec<u8>,
    /// Has any message come in pieces? Only then is a buffer given back worth keeping.
    gathers: bool,
}

/// An accepted prefix: `len <= max_len`.
#[derive(Clone, Copy, Debug)]
struct Announced {
    compressed: bool,
    len: usize,
}

impl Decoder {
    /// A decoder at the start of a stream, for messages of at most `max_len` bytes as they travel.
    ///
    /// Allocates nothing. What a message may grow to when it is decompressed is another limit, kept elsewhere.
    pub fn new(max_len: usize) -> Self {
        Decoder {
            max_len,
            chunk: Bytes::new(),
            later: VecDeque::new(),
            head: [0; PREFIX_LEN],
            head_len: 0,
            announced: None,
            gathered: Vec::new(),
            spare: Vec::new(),
            gathers: false,
        }
    }

    /// Takes the next piece of the stream, of any length, cut anywhere.
    pub fn push(&mut self, chunk: Bytes) {
        if self.chunk.is_empty() && self.later.is_empty() {
            self.chunk = chunk;
        } else if !chunk.is_empty() {
            self.later.push_back(chunk);
        }
    }

    /// The next whole message, or `None` when more must be pushed first.
    ///
    /// # Errors
    ///
    /// [`LengthError::Flag`] and [`LengthError::TooLong`], both as soon as the fifth byte of the prefix is there.
    #[allow(
        clippy::should_implement_trait,
        reason = "not an iterator: after `None` more may come, and an error is not an item"
    )]
    #[inline]
    pub fn next(&mut self) -> Result<Option<Payload>, LengthError> {
        // exercise(01): begin
        loop {
            let Some(message) = self.announced else {
                match self.read_prefix()? {
                    Some(message) => self.announced = Some(message),
                    None => return Ok(None),
                }
                continue;
            };
            //= GRPC-DATA-BOUNDARY  a message ends where its length says, not where a chunk does
            let bytes = if self.gathered.is_empty() && self.chunk.len() >= message.len {
                self.chunk.split_to(message.len)
            } else {
                match self.gather(message.len) {
                    Some(bytes) => bytes,
                    None => return Ok(None),
                }
            };
            self.announced = None;
            return Ok(Some(Payload {
                compressed: message.compressed,
                bytes,
            }));
        }
        // exercise(01): end
    }

    /// To be asked at the end of the stream, after [`next`](Self::next) has answered `None`: was that all?
    ///
    /// # Errors
    ///
    /// [`LengthError::Truncated`] if the stream ended inside a prefix or inside a message.
    pub fn finish(&self) -> Result<(), LengthError> {
        let (have, expected) = match self.announced {
            Some(message) => (self.gathered.len() + self.unread(), message.len),
            None => (self.head_len + self.unread(), PREFIX_LEN),
        };
        if self.announced.is_none() && have == 0 {
            return Ok(());
        }
        Err(LengthError::Truncated { have, expected })
    }

    /// How many bytes the message that is being gathered still lacks; 0 when no message is announced.
    ///
    /// Its length has been checked by then, so this is never more than the limit. A receiver that has seen `None`
    /// needs this many more bytes before it can answer otherwise, whatever the flow-control window says.
    pub fn missing(&self) -> usize {
        let Some(message) = self.announced else {
            return 0;
        };
        message
            .len
            .saturating_sub(self.gathered.len() + self.unread())
    }

    /// Gives a decoded payload's memory back, for the next message that comes in pieces.
    ///
    /// It is used if nobody else holds it (a message type with `bytes` fields may) and this stream's messages do come
    /// in pieces; otherwise this is a plain drop.
    pub fn recycle(&mut self, spent: Bytes) {
        if !self.gathers {
            return;
        }
        if let Ok(unique) = spent.try_into_mut() {
            let mut buffer = Vec::from(unique);
            buffer.clear();
            if buffer.capacity() > self.spare.capacity() && buffer.capacity() <= self.max_len {
                self.spare = buffer;
            }
        }
    }

    /// Reads the five bytes, from the chunk in one go or from several in turn.
    #[inline]
    fn read_prefix(&mut self) -> Result<Option<Announced>, LengthError> {
        if self.head_len == 0 {
            if let Some(&prefix) = self.chunk.first_chunk::<PREFIX_LEN>() {
                let message = self.accept(prefix)?;
                self.chunk.advance(PREFIX_LEN);
                return Ok(Some(message));
            }
        }
        while self.head_len < PREFIX_LEN {
            if !self.turn_page() {
                return Ok(None);
            }
            let wanted = &mut self.head[self.head_len..];
            let n = wanted.len().min(self.chunk.len());
            self.chunk.copy_to_slice(&mut wanted[..n]);
            self.head_len += n;
        }
        let message = self.accept(self.head)?;
        self.head_len = 0;
        Ok(Some(message))
    }

    /// Judges a prefix before a byte of its message is kept.
    #[inline]
    fn accept(&self, prefix: [u8; PREFIX_LEN]) -> Result<Announced, LengthError> {
        //= GRPC-LPM-PREFIX  one flag byte, then the length in four bytes, big-endian
        let [flag, length @ ..] = prefix;
        let announced = u32::from_be_bytes(length);
        //= GRPC-LPM-FLAG  the flag is 0 or 1
        let compressed = match flag {
            0 => false,
            1 => true,
            other => return Err(LengthError::Flag(other)),
        };
        match usize::try_from(announced) {
            Ok(len) if len <= self.max_len => Ok(Announced { compressed, len }),
            _ => Err(LengthError::TooLong {
                announced,
                max: self.max_len,
            }),
        }
    }

    /// Copies what came of a message in pieces; the message, once it is all there.
    fn gather(&mut self, len: usize) -> Option<Bytes> {
        while self.gathered.len() < len {
            if !self.turn_page() {
                return None;
            }
            let n = self.chunk.len().min(len - self.gathered.len());
            self.make_room(n, len);
            self.gathered.extend_from_slice(&self.chunk[..n]);
            self.chunk.advance(n);
        }
        Some(Bytes::from(std::mem::take(&mut self.gathered)))
    }

    /// Room for `n` more bytes of a message of `len`: double what will then have come, but not beyond its end, so
    /// that a message whose bytes do arrive costs few moves and one whose bytes do not costs nothing.
    fn make_room(&mut self, n: usize, len: usize) {
        self.gathers = true;
        if self.gathered.capacity() == 0 {
            self.gathered = std::mem::take(&mut self.spare);
        }
        let needed = self.gathered.len() + n;
        if self.gathered.capacity() < needed {
            let target = needed.saturating_mul(2).max(FIRST_STEP).min(len);
            self.gathered.reserve_exact(target - self.gathered.len());
        }
    }

    /// Makes `chunk` the oldest one with bytes in it; `false` if there is none.
    fn turn_page(&mut self) -> bool {
        while self.chunk.is_empty() {
            match self.later.pop_front() {
                Some(chunk) => self.chunk = chunk,
                None => return false,
            }
        }
        true
    }

    /// Bytes pushed and not looked at.
    fn unread(&self) -> usize {
        self.chunk.len() + self.later.iter().map(Bytes::len).sum::<usize>()
    }
}

/// Why a byte stream is not a sequence of messages that this side will take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LengthError {
    /// The Compressed-Flag was neither 0 nor 1. The peer does not speak gRPC, or lost count.
    Flag(u8),
    /// A longer message was announced than this side takes. None of it was kept.
    TooLong {
        /// The length in the prefix.
        announced: u32,
        /// The limit that this side set.
        max: usize,
    },
    /// The stream ended inside a prefix or a message.
    Truncated {
        /// The bytes that came.
        have: usize,
        /// The bytes that a whole prefix or message would have had.
        expected: usize,
    },
}

impl fmt::Display for LengthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LengthError::Flag(flag) => write!(
                f,
                "compressed-flag is {flag:#04x}, expected 0 or 1: the stream is not gRPC or has lost its framing"
            ),
            LengthError::TooLong { announced, max } => write!(
                f,
                "message of {announced} bytes announced, the limit is {max}: raise the limit or send smaller messages"
            ),
            LengthError::Truncated { have, expected } => {
                write!(
                    f,
                    "stream ended after {have} of {expected} bytes of a message or its prefix"
                )
            }
        }
    }
}

impl std::error::Error for LengthError {}
