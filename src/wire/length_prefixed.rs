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
//! An HTTP/2 DATA frame is a piece of a byte stream and knows nothing of messages: one frame may
//! hold three of them, one message may lie in three frames, and the cut may fall inside the five
//! bytes. So a [`Decoder`] is pushed *chunks* and pulled *messages*:
//!
//! ```text
//! chunks     | 00 00 00 | 00 02 08 01 00 00 00 00 00 | 00 00 …
//! messages     └ prefix ──────┘ └ 1 ┘ └ 2: empty ──┘   └ prefix, cut again
//! ```
//!
//! Two things decide what it costs. A message that lies whole in one chunk is split off that chunk:
//! no byte of it is copied. A message in pieces is copied once, into a buffer that grows with what
//! has *come*, never with what was *announced*: five bytes that promise 4 MiB buy no memory.
//!
//! This file does not know how a message is compressed, what is in it, which status an error
//! deserves, or when flow-control credit goes back to the peer.
//!
//! Spec: [Requests](https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#requests), [Data
//! Frames](https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#data-frames).

use std::collections::VecDeque;
use std::fmt;

use bytes::{Buf, Bytes, BytesMut};

/// Length of what precedes each message: one flag byte and four length bytes.
pub const PREFIX_LEN: usize = 5;

/// The least that is allocated for a message in pieces, if it was announced to be that long.
const FIRST_STEP: usize = 4 * 1024;

/// The five bytes that announce a message of `len` bytes, itself not included.
///
/// `compressed` says that the message, not the prefix, went through the coding named in
/// `grpc-encoding`.
pub const fn prefix(compressed: bool, len: u32) -> [u8; PREFIX_LEN] {
    //= GRPC-LPM-PREFIX  one flag byte, then the length in four bytes, big-endian
    let [a, b, c, d] = len.to_be_bytes();
    [compressed as u8, a, b, c, d]
}

/// One message as it travelled: still compressed, if the flag says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload {
    /// The Compressed-Flag. Whether it was *allowed* to be set is for the reader of `grpc-encoding`
    /// to say.
    pub compressed: bool,
    /// The message's bytes, without the prefix. They may be a part of the chunk that they came in:
    /// a few bytes kept for long keep that whole chunk; copy them out.
    pub bytes: Bytes,
}

/// Turns a byte stream, cut anywhere, into messages.
///
/// Push a chunk, pull until `None`, push the next; when the stream has ended, ask
/// [`finish`](Self::finish) whether it ended between two messages.
///
/// ```
/// use temaki::wire::length_prefixed::Decoder;
///
/// let mut decoder = Decoder::new(1024);
/// decoder.push(vec![0, 0, 0, 0, 2, 0x08].into()); // a prefix and the first of two bytes
/// assert_eq!(decoder.next(), Ok(None));
///
/// decoder.push(vec![0x01].into());
/// assert_eq!(decoder.next().unwrap().unwrap().bytes, &[0x08, 0x01][..]);
/// assert_eq!(decoder.next(), Ok(None));
/// assert_eq!(decoder.finish(), Ok(()));
/// ```
///
/// An error is final: pulling again gives the same error, since nothing after it has a known
/// boundary.
#[derive(Debug)]
pub struct Decoder {
    /// The longest message taken, in bytes on the wire.
    max_len: usize,
    /// What of the oldest chunk has not been looked at. Empty whenever `next` has answered `None`.
    chunk: Bytes,
    /// The message whose prefix has been read and accepted, until its last byte is there.
    announced: Option<Announced>,
    /// What it takes to read what is cut. Most streams are a few small messages, each whole in its
    /// chunk: those never need it, and a decoder for them is small.
    pieces: Option<Box<Pieces>>,
}

/// Prefixes and messages that came in pieces.
#[derive(Debug, Default)]
struct Pieces {
    /// Chunks pushed while `chunk` was not yet read. Empty in normal use.
    later: VecDeque<Bytes>,
    /// The first `head_len` bytes of a prefix that was cut.
    head: [u8; PREFIX_LEN],
    /// `0 ..= PREFIX_LEN`; is full only while the prefix it holds is in error.
    head_len: usize,
    /// The bytes of the announced message that came so far, unless it lies whole in `chunk`.
    gathered: Vec<u8>,
    /// A buffer to gather the next message in, if it has no other users by then.
    spare: Spare,
}

/// An empty buffer whose memory may still have other users: messages that were gathered in it.
#[derive(Debug, Default)]
pub struct Spare {
    /// A handle of the memory.
    pub buffer: BytesMut,
    /// How large the memory is, in bytes.
    pub size: usize,
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
    /// Allocates nothing. What a message may grow to when it is decompressed is another limit, kept
    /// elsewhere.
    pub fn new(max_len: usize) -> Self {
        Decoder {
            max_len,
            chunk: Bytes::new(),
            announced: None,
            pieces: None,
        }
    }

    /// Takes the next piece of the stream, of any length, cut anywhere.
    pub fn push(&mut self, chunk: Bytes) {
        let later = self
            .pieces
            .as_ref()
            .is_some_and(|pieces| !pieces.later.is_empty());
        if self.chunk.is_empty() && !later {
            self.chunk = chunk;
        } else if !chunk.is_empty() {
            self.pieces().later.push_back(chunk);
        }
    }

    /// The next whole message, or `None` when more must be pushed first.
    ///
    /// # Errors
    ///
    /// [`LengthError::Flag`] and [`LengthError::TooLong`], both as soon as the fifth byte of the
    /// prefix is there.
    #[allow(
        clippy::should_implement_trait,
        reason = "not an iterator: after `None` more may come, and an error is not an item"
    )]
    #[inline]
    pub fn next(&mut self) -> Result<Option<Payload>, LengthError> {
        // exercise(01): begin
        let message = match self.announced {
            Some(message) => message,
            None => match self.read_prefix()? {
                Some(message) => *self.announced.insert(message),
                None => return Ok(None),
            },
        };
        //= GRPC-DATA-BOUNDARY  a message ends where its length says, not where a chunk does
        self.turn_page();
        let bytes = if self.gathered() == 0 && self.chunk.len() >= message.len {
            self.chunk.split_to(message.len)
        } else {
            match self.gather(message.len) {
                Some(bytes) => bytes,
                None => return Ok(None),
            }
        };
        self.announced = None;
        Ok(Some(Payload {
            compressed: message.compressed,
            bytes,
        }))
        // exercise(01): end
    }

    /// As [`next`](Self::next), for the common case alone: a message that lies whole, with its prefix, in the chunk that
    /// was pushed last, and is not compressed. `None` says nothing: then ask `next`.
    #[inline]
    pub fn next_whole(&mut self) -> Option<Bytes> {
        // Else bytes of a prefix or of a message may have come before this chunk.
        if self.announced.is_some() || self.pieces.is_some() {
            return None;
        }
        let &[flag, a, b, c, d] = self.chunk.first_chunk::<PREFIX_LEN>()?;
        let len = usize::try_from(u32::from_be_bytes([a, b, c, d])).ok()?;
        if flag != 0 || len > self.max_len || self.chunk.len() - PREFIX_LEN < len {
            return None;
        }
        let mut message = self.chunk.split_to(PREFIX_LEN + len);
        message.advance(PREFIX_LEN);
        Some(message)
    }

    /// To be asked at the end of the stream, after [`next`](Self::next) has answered `None`: was
    /// that all?
    ///
    /// # Errors
    ///
    /// [`LengthError::Truncated`] if the stream ended inside a prefix or inside a message.
    pub fn finish(&self) -> Result<(), LengthError> {
        let (have, expected) = match self.announced {
            Some(message) => (self.gathered() + self.unread(), message.len),
            None => (self.head_len() + self.unread(), PREFIX_LEN),
        };
        if self.announced.is_none() && have == 0 {
            return Ok(());
        }
        Err(LengthError::Truncated { have, expected })
    }

    /// The length of the next message, if its prefix is here and the message will be gathered: it does not lie whole in
    /// the chunk that was pushed, and no byte of it was copied yet. To be asked before [`next`](Self::next).
    pub fn will_gather(&mut self) -> Option<usize> {
        let message = match self.announced {
            Some(message) => message,
            // An error is given by `next`, which meets it again.
            None => {
                let message = self.read_prefix().ok()??;
                *self.announced.insert(message)
            }
        };
        let whole = self.chunk.len() >= message.len;
        (!whole && self.gathered() == 0).then_some(message.len)
    }

    /// Gathers the next message in this buffer, if the message is not much smaller. What was lent before is dropped.
    pub fn lend(&mut self, spare: Spare) {
        self.pieces().spare = spare;
    }

    /// The buffer that messages were gathered in, for another decoder. The messages may still lie in it. A decoder keeps
    /// one such buffer at most, and uses it itself until then.
    pub fn take_spare(&mut self) -> Option<Spare> {
        let spare = std::mem::take(&mut self.pieces.as_mut()?.spare);
        (spare.size > 0).then_some(spare)
    }

    /// Reads the five bytes, from the chunk in one go or from several in turn.
    #[inline]
    fn read_prefix(&mut self) -> Result<Option<Announced>, LengthError> {
        if self.pieces.is_none() && self.chunk.is_empty() {
            return Ok(None);
        }
        if self.head_len() == 0 {
            if let Some(&prefix) = self.chunk.first_chunk::<PREFIX_LEN>() {
                let message = self.accept(prefix)?;
                self.chunk.advance(PREFIX_LEN);
                return Ok(Some(message));
            }
        }
        self.read_prefix_in_pieces()
    }

    fn read_prefix_in_pieces(&mut self) -> Result<Option<Announced>, LengthError> {
        while self.head_len() < PREFIX_LEN {
            if !self.turn_page() {
                return Ok(None);
            }
            let pieces = self.pieces.get_or_insert_default();
            let wanted = &mut pieces.head[pieces.head_len..];
            let n = wanted.len().min(self.chunk.len());
            self.chunk.copy_to_slice(&mut wanted[..n]);
            pieces.head_len += n;
        }
        let head = self.pieces().head;
        let message = self.accept(head)?;
        self.pieces().head_len = 0;
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
        while self.gathered() < len {
            if !self.turn_page() {
                return None;
            }
            let pieces = self.pieces.get_or_insert_default();
            let n = self.chunk.len().min(len - pieces.gathered.len());
            pieces.make_room(n, len);
            pieces.gathered.extend_from_slice(&self.chunk[..n]);
            self.chunk.advance(n);
        }
        Some(self.pieces().message())
    }

    /// Makes `chunk` the oldest one with bytes in it; `false` if there is none.
    #[inline]
    fn turn_page(&mut self) -> bool {
        !self.chunk.is_empty() || self.turn_empty_page()
    }

    fn turn_empty_page(&mut self) -> bool {
        while self.chunk.is_empty() {
            match self
                .pieces
                .as_mut()
                .and_then(|pieces| pieces.later.pop_front())
            {
                Some(chunk) => self.chunk = chunk,
                None => {
                    self.chunk = Bytes::new(); // a piece of no bytes would still hold its buffer
                    return false;
                }
            }
        }
        true
    }

    /// Bytes pushed and not looked at.
    fn unread(&self) -> usize {
        let later = self.pieces.iter().flat_map(|pieces| pieces.later.iter());
        self.chunk.len() + later.map(Bytes::len).sum::<usize>()
    }

    fn pieces(&mut self) -> &mut Pieces {
        self.pieces.get_or_insert_default()
    }

    fn gathered(&self) -> usize {
        self.pieces
            .as_ref()
            .map_or(0, |pieces| pieces.gathered.len())
    }

    fn head_len(&self) -> usize {
        self.pieces.as_ref().map_or(0, |pieces| pieces.head_len)
    }
}

impl Pieces {
    /// Room for `n` more bytes of a message of `len`: double what will then have come, but not
    /// beyond its end, so that a message whose bytes do arrive costs few moves and one whose bytes
    /// do not costs nothing.
    fn make_room(&mut self, n: usize, len: usize) {
        if self.gathered.capacity() == 0 {
            self.use_spare(len);
        }
        let needed = self.gathered.len() + n;
        if self.gathered.capacity() < needed {
            let target = needed.saturating_mul(2).max(FIRST_STEP).min(len);
            self.gathered.reserve_exact(target - self.gathered.len());
        }
    }

    /// Takes the spare buffer for a message of `len` bytes, if nothing else uses it. Not for a message much smaller: who
    /// keeps that message would keep all of the buffer.
    fn use_spare(&mut self, len: usize) {
        let Spare { buffer, size } = &mut self.spare;
        if *size > 0 && *size / 4 <= len && buffer.try_reclaim(len.min(*size)) {
            self.gathered = Vec::from(std::mem::take(buffer));
            *size = 0;
        }
    }

    /// The message that was gathered. Its memory is kept as the spare buffer.
    fn message(&mut self) -> Bytes {
        let size = self.gathered.capacity();
        let mut buffer = BytesMut::from(Bytes::from(std::mem::take(&mut self.gathered)));
        let message = buffer.split().freeze();
        if size >= self.spare.size {
            self.spare = Spare { buffer, size };
        }
        message
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
                "message of {announced} bytes announced, the limit is {max}: raise the limit of the reader or send smaller messages"
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MAX: usize = 4 * 1024 * 1024;

    fn framed(compressed: bool, message: &[u8]) -> Vec<u8> {
        let mut bytes = prefix(compressed, message.len() as u32).to_vec();
        bytes.extend_from_slice(message);
        bytes
    }

    fn plain(bytes: &[u8]) -> Result<Option<Payload>, LengthError> {
        Ok(Some(Payload {
            compressed: false,
            bytes: Bytes::copy_from_slice(bytes),
        }))
    }

    //= GRPC-LPM-PREFIX  type=test
    #[test]
    fn prefix_is_flag_and_big_endian_length() {
        #[rustfmt::skip]
        let rows = [
            (false, 0, [0, 0, 0, 0, 0], "an empty message still has a prefix"),
            (true, 1, [1, 0, 0, 0, 1], "the flag stands first"),
            (false, 0x0102_0304, [0, 1, 2, 3, 4], "the most significant byte comes first"),
            (true, u32::MAX, [1, 255, 255, 255, 255], "all four bytes are used"),
        ];
        for (compressed, len, expected, why) in rows {
            assert_eq!(prefix(compressed, len), expected, "{why}");
        }
    }

    //= GRPC-LPM-PREFIX  type=test
    //= GRPC-LPM-FLAG  type=test
    #[test]
    fn b14_b20_judges_a_prefix_as_soon_as_it_is_whole() {
        let too_long = |announced| Err(LengthError::TooLong { announced, max: 4 });
        #[rustfmt::skip]
        let rows: [(&[u8], _, &str); 10] = [
            (&[0, 0, 0, 0], Ok(None), "four of five bytes: nothing is known yet"),
            (&[0, 0, 0, 0, 0], plain(b""), "no length is a length"),
            (&[0, 0, 0, 0, 4], Ok(None), "the limit itself is allowed"),
            (&[0, 0, 0, 0, 5], too_long(5), "one more is not, and no byte of it need come"),
            (&[1, 0, 0, 0, 5], too_long(5), "compressed or not"),
            (&[0, 255, 255, 255, 255], too_long(u32::MAX), "the most that can be announced"),
            (&[2, 0, 0, 0, 0], Err(LengthError::Flag(2)), "the least flag that is none"),
            (&[255, 0, 0, 0, 0], Err(LengthError::Flag(255)), "the greatest"),
            (&[0x80, 0, 0, 0, 9], Err(LengthError::Flag(0x80)), "gRPC-Web's trailers are not gRPC; flag before length"),
            (b"<html", Err(LengthError::Flag(b'<')), "somebody's error page"),
        ];
        for (bytes, expected, why) in rows {
            for cut in 0..bytes.len() {
                let mut decoder = Decoder::new(4);
                decoder.push(Bytes::copy_from_slice(&bytes[..cut]));
                assert_eq!(decoder.next(), Ok(None), "{why}, cut at {cut}");
                decoder.push(Bytes::copy_from_slice(&bytes[cut..]));
                assert_eq!(decoder.next(), expected, "{why}, cut at {cut}");
                if expected.is_err() {
                    decoder.push(Bytes::from_static(&[0; 5]));
                    assert_eq!(decoder.next(), expected, "{why}: an error is final");
                }
            }
        }
    }

    //= GRPC-DATA-BOUNDARY  type=test
    #[test]
    fn b25_a_cut_may_be_anywhere() {
        let stream = [
            framed(false, b"one"),
            framed(true, b""),
            framed(false, b"three"),
        ]
        .concat();
        for first in 0..=stream.len() {
            for second in first..=stream.len() {
                let mut decoder = Decoder::new(MAX);
                let mut messages = Vec::new();
                for piece in [&stream[..first], &stream[first..second], &stream[second..]] {
                    decoder.push(Bytes::copy_from_slice(piece));
                    while let Some(payload) = decoder.next().unwrap() {
                        messages.push((payload.compressed, payload.bytes));
                    }
                }
                let expected = [(false, "one"), (true, ""), (false, "three")];
                assert_eq!(
                    messages,
                    expected.map(|(c, m)| (c, Bytes::from(m))),
                    "cut at {first} and {second}"
                );
                assert_eq!(decoder.finish(), Ok(()));
            }
        }
    }

    #[test]
    fn b26_an_empty_message_is_a_message() {
        let mut decoder = Decoder::new(0);
        decoder.push(Bytes::from_static(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0]));
        assert_eq!(decoder.next(), plain(b""));
        assert_eq!(decoder.next(), plain(b""));
        assert_eq!(decoder.next(), Ok(None));
        assert_eq!(decoder.finish(), Ok(()));
    }

    #[test]
    fn b24_an_end_inside_a_message_is_no_end() {
        #[rustfmt::skip]
        let rows: [(&[u8], _, &str); 6] = [
            (&[], Ok(()), "nothing came: that is for the caller to judge"),
            (&[0], Err((1, 5)), "inside the prefix"),
            (&[0, 0, 0, 0], Err((4, 5)), "one byte short of a prefix"),
            (&[0, 0, 0, 0, 2], Err((0, 2)), "a prefix without its message"),
            (&[0, 0, 0, 0, 2, 8], Err((1, 2)), "inside the message"),
            (&[0, 0, 0, 0, 1, 8], Ok(()), "just after it"),
        ];
        for (bytes, expected, why) in rows {
            let mut decoder = Decoder::new(MAX);
            decoder.push(Bytes::copy_from_slice(bytes));
            while decoder.next().unwrap().is_some() {}
            let expected =
                expected.map_err(|(have, expected)| LengthError::Truncated { have, expected });
            assert_eq!(decoder.finish(), expected, "{why}");
        }
    }

    #[test]
    fn a_message_that_lies_whole_in_a_chunk_is_not_copied() {
        let chunk = Bytes::from([framed(false, b"first"), framed(false, b"second")].concat());
        let mut decoder = Decoder::new(MAX);
        decoder.push(chunk.clone());
        let (first, second) = (
            decoder.next().unwrap().unwrap(),
            decoder.next().unwrap().unwrap(),
        );
        assert_eq!(first.bytes.as_ptr(), chunk[5..].as_ptr());
        assert_eq!(second.bytes.as_ptr(), chunk[15..].as_ptr());

        // The prefix alone at a chunk's end, the message whole in the next one.
        let message = Bytes::from(b"third".to_vec());
        decoder.push(Bytes::from(prefix(false, 5).to_vec()));
        decoder.push(message.clone());
        assert_eq!(
            decoder.next().unwrap().unwrap().bytes.as_ptr(),
            message.as_ptr()
        );
    }

    #[test]
    fn memory_follows_what_came_and_not_what_was_announced() {
        let announced = 1024 * 1024;
        let mut decoder = Decoder::new(MAX);
        decoder.push(Bytes::from(prefix(false, announced as u32).to_vec()));
        assert_eq!(decoder.next(), Ok(None));
        assert_eq!(
            decoder
                .pieces
                .as_ref()
                .map_or(0, |pieces| pieces.gathered.capacity()),
            0,
            "a promise costs nothing"
        );

        let piece = Bytes::from(vec![7; 1000]);
        let mut came = 0;
        while came < announced {
            let n = piece.len().min(announced - came);
            decoder.push(piece.slice(..n));
            came += n;
            if came < announced {
                assert_eq!(decoder.next(), Ok(None));
                let capacity = decoder
                    .pieces
                    .as_ref()
                    .map_or(0, |pieces| pieces.gathered.capacity());
                assert!(
                    capacity <= FIRST_STEP.max(2 * came).min(announced),
                    "{capacity} bytes for {came}"
                );
            }
        }
        assert_eq!(decoder.next().unwrap().unwrap().bytes, vec![7; announced]);
    }

    #[test]
    fn memory_is_used_again_if_nobody_else_holds_it() {
        let (head, tail) = (framed(false, &[1; 5000]), Bytes::from(vec![1; 2000]));
        let head = Bytes::from(head).slice(..3005);
        let mut decoder = Decoder::new(MAX);
        let message = |decoder: &mut Decoder| {
            decoder.push(head.clone());
            assert_eq!(decoder.next(), Ok(None));
            decoder.push(tail.clone());
            decoder.next().unwrap().unwrap().bytes
        };

        let first = message(&mut decoder);
        let address = first.as_ptr();
        drop(first);
        let second = message(&mut decoder);
        assert_eq!(second.as_ptr(), address, "the same memory again");

        let held = second.clone();
        drop(second);
        let third = message(&mut decoder);
        assert_ne!(third.as_ptr(), address, "somebody holds it");
        assert_eq!(held, third);

        drop(third);
        decoder.push(Bytes::from_static(&[0, 0, 0, 0, 2, 1]));
        assert_eq!(decoder.next(), Ok(None));
        assert!(
            decoder
                .pieces
                .as_ref()
                .map_or(0, |pieces| pieces.gathered.capacity())
                < 5000,
            "two bytes do not sit in a large buffer"
        );
    }

    #[test]
    fn a_chunk_is_let_go_when_it_is_read() {
        let chunk = Bytes::from(framed(false, &[7; 100]));
        let mut decoder = Decoder::new(MAX);
        decoder.push(chunk.slice(..50));
        assert_eq!(decoder.next(), Ok(None));
        assert!(chunk.is_unique(), "what was gathered was copied");
    }

    #[test]
    fn nothing_is_kept_of_a_stream_whose_messages_come_whole() {
        let mut decoder = Decoder::new(MAX);
        decoder.push(Bytes::from(framed(false, b"whole")));
        let payload = decoder.next().unwrap().unwrap();
        drop(payload);
        assert!(decoder.pieces.is_none());
    }

    #[test]
    fn errors_say_what_was_found_and_expected() {
        #[rustfmt::skip]
        let rows = [
            (LengthError::Flag(0x16), "compressed-flag is 0x16, expected 0 or 1"),
            (LengthError::TooLong { announced: 9, max: 4 }, "message of 9 bytes announced, the limit is 4"),
            (LengthError::Truncated { have: 3, expected: 5 }, "stream ended after 3 of 5 bytes"),
        ];
        for (error, start) in rows {
            assert!(error.to_string().starts_with(start), "{error}");
        }
    }

    proptest! {
        //= GRPC-DATA-BOUNDARY  type=test
        #[test]
        fn any_messages_cut_anyhow_come_out_again(
            messages in prop::collection::vec((any::<bool>(), prop::collection::vec(any::<u8>(), 0..9000)), 0..8),
            cuts in prop::collection::vec((1usize..5000, any::<bool>()), 1..40),
            keep in any::<bool>(),
        ) {
            let stream: Vec<u8> = messages.iter().flat_map(|(c, m)| framed(*c, m)).collect();
            let mut rest = Bytes::from(stream);
            let mut decoder = Decoder::new(MAX);
            let mut decoded = Vec::new();
            let mut kept = Vec::new();
            for &(len, pull) in cuts.iter().cycle() {
                let end = rest.is_empty();
                decoder.push(rest.split_to(len.min(rest.len())));
                if pull || end {
                    while let Some(payload) = decoder.next().unwrap() {
                        decoded.push((payload.compressed, payload.bytes.to_vec()));
                        if keep {
                            kept.push(payload.bytes);
                        }
                    }
                }
                if end {
                    break;
                }
            }
            for (bytes, (_, message)) in kept.iter().zip(&messages) {
                prop_assert_eq!(bytes, message, "nothing is written over it");
            }
            prop_assert_eq!(decoded, messages);
            prop_assert_eq!(decoder.finish(), Ok(()));
        }

        #[test]
        fn any_bytes_are_survived(chunks in prop::collection::vec(prop::collection::vec(0u8..4, 0..40), 0..40)) {
            let mut decoder = Decoder::new(300);
            for chunk in chunks {
                decoder.push(chunk.into());
                while let Ok(Some(payload)) = decoder.next() {
                    prop_assert!(payload.bytes.len() <= 300);
                }
                let _ = decoder.finish();
            }
        }
    }
}
