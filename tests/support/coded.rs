//! Compressed messages, as a raw peer sends them.

use std::io::{Read, Write};

use bytes::Bytes;

use super::grpc::prefixed;

/// Compresses bytes.
pub type Compress = fn(&[u8]) -> Vec<u8>;

/// The codings that temaki has, each with what makes a payload of a message.
pub const CODINGS: [(&str, Compress); 3] = [("gzip", gzip), ("deflate", deflate), ("zstd", zstd)];

/// RFC 1952.
pub fn gzip(message: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(message).expect("memory");
    encoder.finish().expect("memory")
}

/// RFC 1950.
pub fn deflate(message: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(message).expect("memory");
    encoder.finish().expect("memory")
}

/// RFC 8878, by hand: a window of 1 MiB, and blocks that repeat one byte, or are as they are.
pub fn zstd(message: &[u8]) -> Vec<u8> {
    zstd_with_window(10 << 3, message)
}

/// The same, with this Window_Descriptor.
pub fn zstd_with_window(window: u8, message: &[u8]) -> Vec<u8> {
    let mut frame = b"\x28\xb5\x2f\xfd\x00".to_vec();
    frame.push(window);
    let mut blocks = message.chunks(128 * 1024).peekable();
    while let Some(block) = blocks.next() {
        let repeats = block.iter().all(|byte| *byte == block[0]);
        let is_last = u32::from(blocks.peek().is_none());
        let len = u32::try_from(block.len()).expect("128 KiB at most");
        let head = len << 3 | u32::from(repeats) << 1 | is_last;
        frame.extend_from_slice(&head.to_le_bytes()[..3]);
        frame.extend_from_slice(if repeats { &block[..1] } else { block });
    }
    frame
}

/// What a payload in gzip holds.
pub fn gunzip(payload: &[u8]) -> Vec<u8> {
    let mut message = Vec::new();
    let mut decoder = flate2::read::GzDecoder::new(payload);
    decoder.read_to_end(&mut message).expect("gzip");
    message
}

/// A compressed message behind its prefix.
pub fn coded(payload: impl AsRef<[u8]>) -> Bytes {
    prefixed(1, payload)
}
