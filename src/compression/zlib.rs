//! `deflate`: the zlib format, and the bare format of RFC 1951 that `gzip` wraps too.
//!
//! ```text
//!   78 9c          RFC 1950: method and window, check bits and level
//!   …              RFC 1951: the message
//!   xx xx xx xx    Adler-32 of the message, big-endian
//! ```
//!
//! HTTP calls this `deflate`, and so does gRPC. What bare RFC 1951 begins with is refused here, as in other gRPC libraries.

use flate2::{Compress, Decompress, FlushCompress, FlushDecompress, Status};

#[cfg(feature = "deflate")]
use super::codec::{ContentCodec, Deflater, Inflater};
use super::codec::{Corrupt, Progress};

/// What flate2 calls a level.
pub(super) fn level(level: i32) -> flate2::Compression {
    flate2::Compression::new(level.clamp(0, 9).unsigned_abs())
}

/// So much is read in one step, in bytes: what is read may be empty blocks, and make nothing.
const READ_AT_ONCE: usize = 16 * 1024;

/// One step of a message: as much as there is room for.
pub(super) fn inflate(
    inflate: &mut Decompress,
    payload: &[u8],
    message: &mut [u8],
) -> Result<Progress, Corrupt> {
    let payload = &payload[..payload.len().min(READ_AT_ONCE)];
    let (read, written) = (inflate.total_in(), inflate.total_out());
    let status = inflate
        .decompress(payload, message, FlushDecompress::None)
        .map_err(|error| Corrupt::new(error.message().unwrap_or("not valid deflate").to_owned()))?;
    Ok(Progress {
        read: since(read, inflate.total_in()),
        written: since(written, inflate.total_out()),
        is_done: status == Status::StreamEnd,
    })
}

/// A whole message, if it fits.
pub(super) fn deflate(
    deflate: &mut Compress,
    message: &[u8],
    payload: &mut [u8],
) -> Result<Option<usize>, Corrupt> {
    deflate.reset();
    let status = deflate
        .compress(message, payload, FlushCompress::Finish)
        .map_err(|error| Corrupt::new(error.to_string()))?;
    let len = since(0, deflate.total_out());
    Ok((status == Status::StreamEnd).then_some(len))
}

/// Both are counts of bytes of buffers that are in memory.
fn since(begin: u64, end: u64) -> usize {
    usize::try_from(end - begin).unwrap_or(usize::MAX)
}

/// The coding of the name `deflate`.
#[cfg(feature = "deflate")]
#[derive(Debug)]
pub(super) struct Deflate {
    pub(super) level: i32,
}

#[cfg(feature = "deflate")]
impl ContentCodec for Deflate {
    fn name(&self) -> &str {
        "deflate"
    }

    fn inflater(&self) -> Box<dyn Inflater> {
        Box::new(ZlibInflater(Decompress::new(true)))
    }

    fn deflater(&self) -> Box<dyn Deflater> {
        Box::new(ZlibDeflater(Compress::new(level(self.level), true)))
    }
}

#[cfg(feature = "deflate")]
struct ZlibInflater(Decompress);

#[cfg(feature = "deflate")]
impl Inflater for ZlibInflater {
    fn begin(&mut self) {
        self.0.reset(true);
    }

    fn inflate(&mut self, payload: &[u8], message: &mut [u8]) -> Result<Progress, Corrupt> {
        inflate(&mut self.0, payload, message)
    }
}

#[cfg(feature = "deflate")]
struct ZlibDeflater(Compress);

#[cfg(feature = "deflate")]
impl Deflater for ZlibDeflater {
    fn deflate(&mut self, message: &[u8], payload: &mut [u8]) -> Result<Option<usize>, Corrupt> {
        deflate(&mut self.0, message, payload)
    }
}
