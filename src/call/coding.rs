//! How is one message compressed?
//!
//! gRPC compresses message by message: the Compressed-Flag of each message says whether the coding that `grpc-encoding`
//! names was applied to it. So a coding sees one whole message, and keeps nothing from one message to the next.
//! A [`MessageWriter`](super::writer::MessageWriter) and a [`MessageReader`](super::reader::MessageReader) are given the coding of
//! their call. Without one, messages are sent as they are, and a message with the flag is an error.
//!
//! This file does not know which codings there are, nor who chooses one for a call. No coding is built in today.
//!
//! Spec: [compression](https://github.com/grpc/grpc/blob/master/doc/compression.md).

use bytes::{Bytes, BytesMut};

use crate::status::{Origin, Status};
use crate::wire::code::Code;

/// A way to compress whole messages. Calls share it, so what it needs for its work is not part of it.
pub(crate) trait Coding: std::fmt::Debug + Send + Sync {
    /// Appends the compressed form of `message` to `to`.
    ///
    /// # Errors
    /// INTERNAL if the coding fails. What was appended by then is cut off again by the writer.
    fn compress(&self, message: &[u8], to: &mut BytesMut) -> Result<(), Status>;

    /// The message that `payload` is the compressed form of.
    ///
    /// `max_len` bounds the message, in bytes. It is checked while the message grows, so that a small `payload` cannot
    /// make this side allocate more.
    ///
    /// # Errors
    /// RESOURCE_EXHAUSTED beyond `max_len`; INTERNAL if `payload` is not what this coding writes.
    fn decompress(&self, payload: Bytes, max_len: usize) -> Result<Bytes, Status>;
}

/// The message that was compressed to `payload`, of at most `max_len` bytes.
#[cold]
pub(crate) fn decompress(
    coding: Option<&'static dyn Coding>,
    payload: Bytes,
    max_len: usize,
) -> Result<Bytes, Status> {
    let coding = coding.ok_or_else(flag_without_encoding)?;
    coding.decompress(payload, max_len)
}

fn flag_without_encoding() -> Status {
    //= COMP-FLAG-NO-HEADER  flag without encoding: INTERNAL
    //= GRPC-LPM-NO-ENCODING  no grpc-encoding means flag 0
    Status::library(
        Code::Internal,
        "the message's compressed-flag is 1, but no grpc-encoding was announced; expected flag 0",
        Origin::Protocol,
    )
}

/// What a writer needs to know to compress its messages.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Compression {
    pub(crate) coding: &'static dyn Coding,
    /// A shorter message is sent as it is, in bytes.
    pub(crate) min_len: usize,
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Run-length coding: each byte, and how often it comes in a row.
    #[derive(Debug)]
    pub(crate) struct Runs;

    impl Coding for Runs {
        fn compress(&self, message: &[u8], to: &mut BytesMut) -> Result<(), Status> {
            for run in message.chunk_by(|a, b| a == b) {
                for piece in run.chunks(255) {
                    to.extend_from_slice(&[piece[0], u8::try_from(piece.len()).unwrap()]);
                }
            }
            Ok(())
        }

        fn decompress(&self, payload: Bytes, max_len: usize) -> Result<Bytes, Status> {
            let mut message = BytesMut::new();
            for run in payload.chunks(2) {
                let len = message.len() + usize::from(run[1]);
                if len > max_len {
                    let text = "grows too large";
                    return Err(Status::library(
                        Code::ResourceExhausted,
                        text,
                        Origin::LocalLimit,
                    ));
                }
                message.resize(len, run[0]);
            }
            Ok(message.freeze())
        }
    }

    #[test]
    fn a_compressed_message_needs_a_coding_and_stays_within_the_limit() {
        let payload = || Bytes::from_static(b"a\xffb\x01");
        let status = decompress(None, payload(), 1000).unwrap_err();
        assert_eq!(status.code(), Code::Internal);
        assert_eq!(status.origin(), Origin::Protocol);
        let message = decompress(Some(&Runs), payload(), 256).unwrap();
        assert_eq!(message.len(), 256);
        let status = decompress(Some(&Runs), payload(), 255).unwrap_err();
        assert_eq!(status.code(), Code::ResourceExhausted);
    }
}
