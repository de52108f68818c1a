//! How is a message compressed on its way out, and when is it not?
//!
//! A message that compressing makes no smaller is sent as it is. So no message needs more room than it has, and bytes that cannot be
//! compressed, such as pictures, cost the peer nothing.

use bytes::BytesMut;

use super::codec::Corrupt;
use super::contexts;
use super::encoding::Compression;

/// Compresses what `buf` holds from `begin` on, in place, if that makes it smaller; whether it does.
pub(crate) fn deflate(
    compression: &Compression,
    buf: &mut BytesMut,
    begin: usize,
) -> Result<bool, Corrupt> {
    let message = buf.get(begin..).unwrap_or_default();
    let Some(room) = message.len().checked_sub(1) else {
        return Ok(false);
    };
    let mut deflater = contexts::take_deflater(compression);
    let mut scratch = contexts::take_scratch(room);
    let mut deflated = deflater.deflate(message, &mut scratch[..room]);
    if let Ok(Some(len)) = deflated {
        match scratch.get(..len) {
            Some(payload) => {
                buf.truncate(begin);
                buf.extend_from_slice(payload);
            }
            None => deflated = Err(Corrupt::new("it wrote more than there was room for")),
        }
    }
    contexts::keep_scratch(scratch);
    if deflated.is_ok() {
        contexts::keep_deflater(compression, deflater);
    }
    deflated.map(|len| len.is_some())
}
