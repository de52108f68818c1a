//! `zstd`: frames of RFC 8878, by the library that defined them.
//!
//! A frame says how far back it may refer, and a reader holds as much. It may say up to 3.75 TiB; RFC 9659 lets a reader
//! of HTTP refuse more than 8 MiB, and so does this one. A frame that says its length, and fits into the room at once, takes no
//! such window.

use zstd_safe::zstd_sys::ZSTD_ErrorCode;
use zstd_safe::{CCtx, CParameter, DCtx, DParameter, InBuffer, OutBuffer, ResetDirective};

use super::codec::{ContentCodec, Corrupt, Deflater, Inflater, Progress};

/// The logarithm of 8 MiB.
const WINDOW_LOG_MAX: u32 = 23;

/// How much longer than the room what is read in one step may be, in bytes: what is read may be empty blocks, and make nothing. A frame
/// of honest blocks that fits into the room is read at once.
const READ_BEYOND: usize = 4 * 1024;

/// The coding of the name `zstd`.
#[derive(Debug)]
pub(super) struct Zstd {
    pub(super) level: i32,
}

impl ContentCodec for Zstd {
    fn name(&self) -> &str {
        "zstd"
    }

    fn inflater(&self) -> Box<dyn Inflater> {
        Box::new(ZstdInflater {
            inflate: DCtx::try_create(),
        })
    }

    fn deflater(&self) -> Box<dyn Deflater> {
        let mut deflate = CCtx::try_create();
        if let Some(deflate) = &mut deflate {
            let level = self.level.clamp(-7, zstd_safe::max_c_level());
            // It fails only in the middle of a message.
            let _ = deflate.set_parameter(CParameter::CompressionLevel(level));
        }
        Box::new(ZstdDeflater { deflate })
    }
}

struct ZstdInflater {
    /// `None`: there was no memory.
    inflate: Option<DCtx<'static>>,
}

impl Inflater for ZstdInflater {
    fn begin(&mut self) {
        if let Some(inflate) = &mut self.inflate {
            // Neither can fail at the beginning of a message.
            let _ = inflate.reset(ResetDirective::SessionOnly);
            let _ = inflate.set_parameter(DParameter::WindowLogMax(WINDOW_LOG_MAX));
        }
    }

    fn announced_len(&self, payload: &[u8]) -> Option<u64> {
        zstd_safe::get_frame_content_size(payload).ok().flatten()
    }

    fn inflate(&mut self, payload: &[u8], message: &mut [u8]) -> Result<Progress, Corrupt> {
        let inflate = self.inflate.as_mut().ok_or_else(no_memory)?;
        let most = payload.len().min(message.len() + READ_BEYOND);
        let mut from = InBuffer::around(&payload[..most]);
        let mut to = OutBuffer::around(message);
        let left = inflate
            .decompress_stream(&mut to, &mut from)
            .map_err(corrupt)?;
        Ok(Progress {
            read: from.pos(),
            written: to.pos(),
            is_done: left == 0 && from.pos() == payload.len(),
        })
    }

    fn footprint(&self) -> usize {
        self.inflate.as_ref().map_or(0, DCtx::sizeof)
    }
}

#[cold]
fn no_memory() -> Corrupt {
    Corrupt::too_costly("there is no memory for its state")
}

#[cold]
fn corrupt(code: usize) -> Corrupt {
    if is(
        code,
        ZSTD_ErrorCode::ZSTD_error_frameParameter_windowTooLarge,
    ) {
        return Corrupt::too_costly("it needs a window of more than 8 MiB");
    }
    if is(code, ZSTD_ErrorCode::ZSTD_error_memory_allocation) {
        return no_memory();
    }
    Corrupt::new(zstd_safe::get_error_name(code))
}

/// Errors are their numbers, counted down from the end.
fn is(code: usize, error: ZSTD_ErrorCode) -> bool {
    code == 0usize.wrapping_sub(error as usize)
}

struct ZstdDeflater {
    /// `None`: there was no memory.
    deflate: Option<CCtx<'static>>,
}

impl Deflater for ZstdDeflater {
    fn deflate(&mut self, message: &[u8], payload: &mut [u8]) -> Result<Option<usize>, Corrupt> {
        let deflate = self.deflate.as_mut().ok_or_else(no_memory)?;
        match deflate.compress2(payload, message) {
            Ok(len) => Ok(Some(len)),
            Err(code) => {
                let _ = deflate.reset(ResetDirective::SessionOnly);
                if is(code, ZSTD_ErrorCode::ZSTD_error_dstSize_tooSmall) {
                    return Ok(None);
                }
                Err(corrupt(code))
            }
        }
    }
}
