//! The message writer: how do messages become the bytes of DATA?
//!
//! A writer is made once per call, from the limit on a message's length and the coding. The codec is the method's, and comes
//! with each message. The writer puts each message behind its five bytes of prefix, one after the other, into one buffer. The owner of the writer takes that buffer and
//! gives it to `h2`. Every message that this library sends, on either end, goes through [`MessageWriter::write`].
//!
//! ```text
//!   message ── codec ──▶ bytes ── coding, if the message shall be compressed ──▶ prefix + bytes ──▶ buffer
//! ```
//!
//! This file does not know when the buffer is sent, nor how a call ends.
//!
//! Spec: PROTOCOL-HTTP2.md, "Length-Prefixed-Message".

use bytes::{Bytes, BytesMut};

use super::codec::Codec;
use super::coding;
use super::size::{FRAME, LONGEST, fits, too_long};
use crate::conn::buffers::{Buffers, Kept};
use crate::status::Status;
use crate::wire::length_prefixed::{self, PREFIX_LEN};

/// Writes the messages of one call.
#[derive(Debug)]
pub(crate) struct MessageWriter {
    /// The longest message, in bytes as it travels.
    max_len: usize,
    /// `None`: messages are sent as they are.
    coding: Option<Box<coding::Write>>,
    /// Whether the messages that follow shall be compressed.
    compresses: bool,
    /// Whole messages with their prefixes.
    buf: BytesMut,
    /// How large the memory of the buffer is, in bytes, if it goes to the connection in the end; else 0.
    borrowed: usize,
}

impl MessageWriter {
    /// A writer of messages of at most `max_len` bytes. Allocates nothing.
    #[inline]
    pub(crate) fn new(max_len: usize) -> Self {
        Self {
            max_len,
            coding: None,
            compresses: true,
            buf: BytesMut::new(),
            borrowed: 0,
        }
    }

    /// The same writer, which compresses the messages that are long enough.
    pub(crate) fn compressing(mut self, coding: coding::Write) -> Self {
        self.coding = Some(Box::new(coding));
        self
    }

    /// Whether the messages that follow may be compressed, if the call has a coding. Default: they may.
    pub(crate) fn set_compresses(&mut self, compresses: bool) {
        self.compresses = compresses;
    }

    /// Forgets a mark of [`send_as_is`](coding::send_as_is) that was not made for the message that comes next. A message that
    /// was marked and never written here has left one: it was dropped, or its call compresses nothing.
    #[inline]
    pub(crate) fn forget_mark(&self) {
        if self.coding.is_some() {
            coding::forget_mark();
        }
    }

    /// Appends `message`, as `codec` encodes it, to the buffer.
    ///
    /// An error leaves the buffer as it was.
    ///
    /// # Errors
    /// RESOURCE_EXHAUSTED if the message is longer than the limit of the writer; else the error of the codec, or of the
    /// coding.
    #[inline]
    pub(crate) fn write<C: Codec>(&mut self, codec: &C, message: &C::Encode) -> Result<(), Status> {
        self.write_in(None, codec, message)
    }

    /// As [`write`](Self::write), for a call of one message: a large one is written in a buffer of the connection, which
    /// [`take_one`](Self::take_one) gives back.
    #[inline]
    pub(crate) fn write_one<C: Codec>(
        &mut self,
        buffers: &Buffers,
        codec: &C,
        message: &C::Encode,
    ) -> Result<(), Status> {
        self.forget_mark();
        self.write_in(Some(buffers), codec, message)
    }

    #[inline]
    fn write_in<C: Codec>(
        &mut self,
        buffers: Option<&Buffers>,
        codec: &C,
        message: &C::Encode,
    ) -> Result<(), Status> {
        let start = self.buf.len();
        let written = self.append(buffers, codec, message, start);
        if written.is_err() {
            self.buf.truncate(start);
        }
        written
    }

    #[inline]
    fn append<C: Codec>(
        &mut self,
        buffers: Option<&Buffers>,
        codec: &C,
        message: &C::Encode,
        start: usize,
    ) -> Result<(), Status> {
        // The codec may guess too much: for what may not be sent no room is made.
        let guess = codec.encoded_len(message);
        let room = PREFIX_LEN + guess.min(self.max_len).min(LONGEST);
        if let (true, Some(buffers)) = (room > FRAME, buffers) {
            self.borrow(buffers, room);
        } else if self.buf.capacity() == 0 {
            self.buf = BytesMut::with_capacity(room); // cheaper than room in one that has none
        } else {
            self.buf.reserve(room);
        }
        self.buf.extend_from_slice(&[0; PREFIX_LEN]);
        let begin = start + PREFIX_LEN;
        codec.encode(message, &mut self.buf)?;
        let compressed = match &self.coding {
            None => false,
            Some(coding) if self.compresses => coding.compress(&mut self.buf, begin)?,
            Some(_) => false,
        };
        let len = self.buf.len() - begin;
        let announced = fits(len, self.max_len).ok_or_else(|| too_long(len, self.max_len))?;
        //= GRPC-LPM-PREFIX  1 flag byte, 4 length bytes big-endian
        let prefix = length_prefixed::prefix(compressed, announced);
        self.buf[start..begin].copy_from_slice(&prefix);
        Ok(())
    }

    /// Writes in a buffer of the connection, or in a new one that the connection will keep.
    #[cold]
    fn borrow(&mut self, buffers: &Buffers, room: usize) {
        let kept = buffers.take(room).unwrap_or_else(|| Kept {
            buffer: BytesMut::with_capacity(room),
            size: room,
        });
        self.buf = kept.buffer;
        self.borrowed = kept.size;
    }

    /// All that was written, if nothing more is written: the buffer leaves with it, which is cheaper than sharing it.
    #[inline]
    pub(crate) fn take_last(&mut self) -> Bytes {
        std::mem::take(&mut self.buf).freeze()
    }

    /// The message that [`write_one`](Self::write_one) wrote.
    #[inline]
    pub(crate) fn take_one(&mut self, buffers: &Buffers) -> Bytes {
        if self.borrowed == 0 {
            return self.take_last();
        }
        let message = self.buf.split().freeze();
        self.give_back(buffers);
        message
    }

    #[cold]
    fn give_back(&mut self, buffers: &Buffers) {
        let size = std::mem::take(&mut self.borrowed);
        let buffer = std::mem::take(&mut self.buf);
        // It has grown, if the codec's guess was too small.
        let size = size.max(buffer.capacity());
        buffers.give(Kept { buffer, size });
    }

    /// All that was written. The writer keeps the rest of the buffer for more.
    pub(crate) fn take(&mut self) -> Bytes {
        self.buf.split().freeze()
    }

    /// The buffer itself, for an owner that gives its bytes to another one.
    pub(crate) fn buffer(&mut self) -> &mut BytesMut {
        &mut self.buf
    }

    /// Drops what was written. After a panic of the codec the buffer may hold a part of a message.
    pub(crate) fn clear(&mut self) {
        self.buf.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::super::codec::BytesCodec;
    use super::*;
    use crate::wire::code::Code;

    /// A codec whose guess is wild.
    #[derive(Clone, Default)]
    struct Boasts;

    impl Codec for Boasts {
        type Encode = ();
        type Decode = ();

        fn encoded_len(&self, (): &()) -> usize {
            usize::MAX
        }

        fn encode(&self, (): &(), buf: &mut BytesMut) -> Result<(), Status> {
            buf.extend_from_slice(b"hi");
            Ok(())
        }

        fn decode(&self, _: &mut Bytes) -> Result<(), Status> {
            Ok(())
        }
    }

    #[test]
    fn c23_a_guess_takes_no_more_than_may_be_sent() {
        let mut writer = MessageWriter::new(100);
        writer.write(&Boasts, &()).unwrap();
        assert_eq!(writer.buf, b"\0\0\0\0\x02hi"[..]);
        assert!(writer.buf.capacity() < 1000);
    }

    #[test]
    fn an_error_leaves_the_messages_before_it() {
        let mut writer = MessageWriter::new(3);
        writer.write(&BytesCodec, &"abc".into()).unwrap();
        let status = writer.write(&BytesCodec, &"abcd".into()).unwrap_err();
        assert_eq!(status.code(), Code::ResourceExhausted);
        writer.write(&BytesCodec, &"d".into()).unwrap();
        assert_eq!(writer.take_last(), b"\0\0\0\0\x03abc\0\0\0\0\x01d"[..]);
    }

    #[cfg(feature = "gzip")]
    #[test]
    fn a_message_is_compressed_if_it_shall_be_and_is_long_enough() {
        use crate::compression::encoding::CompressionEncoding::Gzip;

        let plain = Bytes::from(vec![b'a'; 1000]);
        let mut writer = MessageWriter::new(999).compressing(coding::Write::new(Gzip.into(), 1000));
        writer.write(&BytesCodec, &plain).unwrap();
        let sent = writer.take();
        assert_eq!(
            (sent[0], &sent[5..8]),
            (1, &b"\x1f\x8b\x08"[..]),
            "long enough"
        );
        assert_eq!(usize::from(sent[4]), sent.len() - PREFIX_LEN);
        writer.write(&BytesCodec, &plain.slice(1..)).unwrap();
        assert_eq!(writer.take()[..6], *b"\0\0\0\x03\xe7a", "too short");
        writer
            .write(&BytesCodec, &coding::send_as_is(plain.clone()))
            .expect_err("as it is, it is too long");
        writer.set_compresses(false);
        writer
            .write(&BytesCodec, &plain)
            .expect_err("not asked for");
        assert!(writer.take().is_empty());
    }
}
