//! `gzip`: a head, a message in the format of RFC 1951, and a check behind it.
//!
//! ```text
//!   1f 8b          magic
//!   08             method: deflate
//!   00             flags: what else the head has
//!   00 00 00 00    time, which means nothing here
//!   00 ff          how hard it was tried; on which system
//!   …              RFC 1951: the message
//!   xx xx xx xx    CRC-32 of the message, little-endian
//!   xx xx xx xx    length of the message, modulo 2^32, little-endian
//! ```
//!
//! Several such members may follow each other; the message is what they hold together. Head and check are read and written here,
//! and not by flate2, so that one state of it serves message after message without a new allocation.
//!
//! Spec: RFC 1952, §2.2 and §2.3.

use flate2::{Compress, Crc, Decompress};

use super::codec::{ContentCodec, Corrupt, Deflater, Inflater, Progress};
use super::zlib;

const HEAD: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

/// CRC and length.
const CHECK_LEN: usize = 8;

/// FHCRC, FEXTRA, FNAME, FCOMMENT: the head has more.
const HEAD_CHECK: u8 = 1 << 1;
const EXTRA: u8 = 1 << 2;
const NAME: u8 = 1 << 3;
const COMMENT: u8 = 1 << 4;
const RESERVED: u8 = 0b1110_0000;

/// The coding of the name `gzip`.
#[derive(Debug)]
pub(super) struct Gzip {
    pub(super) level: i32,
}

impl ContentCodec for Gzip {
    fn name(&self) -> &str {
        "gzip"
    }

    fn inflater(&self) -> Box<dyn Inflater> {
        Box::new(GzipInflater {
            inflate: Decompress::new(false),
            at: At::Head,
            crc: Crc::new(),
        })
    }

    fn deflater(&self) -> Box<dyn Deflater> {
        Box::new(GzipDeflater(Compress::new(zlib::level(self.level), false)))
    }
}

struct GzipInflater {
    inflate: Decompress,
    at: At,
    /// Of what came out of this member.
    crc: Crc,
}

/// What comes next.
#[derive(Clone, Copy)]
enum At {
    Head,
    Message,
    Check,
}

impl Inflater for GzipInflater {
    fn begin(&mut self) {
        self.at = At::Head;
    }

    fn announced_len(&self, payload: &[u8]) -> Option<u64> {
        // Of the last member; nearly always there is one.
        payload
            .last_chunk()
            .map(|len| u64::from(u32::from_le_bytes(*len)))
    }

    /// A step is one of the three parts of a member.
    fn inflate(&mut self, payload: &[u8], message: &mut [u8]) -> Result<Progress, Corrupt> {
        let mut progress = Progress {
            read: 0,
            written: 0,
            is_done: false,
        };
        match self.at {
            At::Head => {
                progress.read = head_len(payload)?;
                self.inflate.reset(false);
                self.crc.reset();
                self.at = At::Message;
            }
            At::Message => {
                progress = zlib::inflate(&mut self.inflate, payload, message)?;
                self.crc.update(&message[..progress.written]);
                if progress.is_done {
                    self.at = At::Check;
                    progress.is_done = false;
                }
            }
            At::Check => {
                let check = payload.first_chunk::<CHECK_LEN>();
                if *check.ok_or_else(|| truncated("CRC and length"))? != self.check() {
                    return Err(Corrupt::new(
                        "its CRC or its length is not that of the message",
                    ));
                }
                self.at = At::Head;
                progress.read = CHECK_LEN;
                progress.is_done = payload.len() == CHECK_LEN;
            }
        }
        Ok(progress)
    }
}

impl GzipInflater {
    fn check(&self) -> [u8; CHECK_LEN] {
        check(&self.crc)
    }
}

fn check(crc: &Crc) -> [u8; CHECK_LEN] {
    let [a, b, c, d] = crc.sum().to_le_bytes();
    let [e, f, g, h] = crc.amount().to_le_bytes();
    [a, b, c, d, e, f, g, h]
}

#[cold]
fn truncated(what: &str) -> Corrupt {
    Corrupt::new(format!("it ends inside of its {what}"))
}

/// The length of the head of a member.
fn head_len(payload: &[u8]) -> Result<usize, Corrupt> {
    let head = payload.first_chunk::<{ HEAD.len() }>();
    let &[magic, magic_too, method, flags, ..] = head.ok_or_else(|| truncated("head"))?;
    if [magic, magic_too, method] != HEAD[..3] {
        return Err(Corrupt::new(format!(
            "it begins with {magic:02x} {magic_too:02x} {method:02x}; expected 1f 8b 08"
        )));
    }
    if flags & RESERVED != 0 {
        return Err(Corrupt::new(format!(
            "its head has the flags {flags:#04x}; expected none above 0x1f"
        )));
    }
    let mut len = HEAD.len();
    if flags & EXTRA != 0 {
        let extra = payload.get(len..).and_then(<[u8]>::first_chunk);
        let extra = extra.ok_or_else(|| truncated("head"))?;
        len += 2 + usize::from(u16::from_le_bytes(*extra));
    }
    for text in [NAME, COMMENT] {
        if flags & text != 0 {
            let rest = payload.get(len..).unwrap_or_default();
            let end = rest.iter().position(|&byte| byte == 0);
            len += 1 + end.ok_or_else(|| truncated("head"))?;
        }
    }
    if flags & HEAD_CHECK != 0 {
        len += 2; // a check of the head, which is not looked at
    }
    if len > payload.len() {
        return Err(truncated("head"));
    }
    Ok(len)
}

struct GzipDeflater(Compress);

impl Deflater for GzipDeflater {
    fn deflate(&mut self, message: &[u8], payload: &mut [u8]) -> Result<Option<usize>, Corrupt> {
        let Some(room) = payload.len().checked_sub(HEAD.len() + CHECK_LEN) else {
            return Ok(None);
        };
        let (head, rest) = payload.split_at_mut(HEAD.len());
        let Some(len) = zlib::deflate(&mut self.0, message, &mut rest[..room])? else {
            return Ok(None);
        };
        head.copy_from_slice(&HEAD);
        let mut crc = Crc::new();
        crc.update(message);
        rest[len..len + CHECK_LEN].copy_from_slice(&check(&crc));
        Ok(Some(HEAD.len() + len + CHECK_LEN))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_ends_where_its_flags_say() {
        #[rustfmt::skip]
        let rows: [(&[u8], _, &str); 13] = [
            (b"", None, "nothing"),
            (b"\x1f\x8b\x08\0\0\0\0\0\0", None, "nine of ten bytes"),
            (b"\x1f\x8b\x08\0\0\0\0\0\0\xff", Some(10), "the shortest"),
            (b"\x1f\x8b\x08\0\0\0\0\0\0\xff\x03\0", Some(10), "the message is not of the head"),
            (b"\x1f\x8b\x07\0\0\0\0\0\0\xff", None, "another method"),
            (b"\x28\xb5\x2f\xfd\0\0\0\0\0\0", None, "zstd"),
            (b"\x1f\x8b\x08\x20\0\0\0\0\0\xff", None, "a flag without a meaning"),
            (b"\x1f\x8b\x08\x08\0\0\0\0\0\xffab\0.", Some(13), "a name"),
            (b"\x1f\x8b\x08\x08\0\0\0\0\0\xffab", None, "a name without an end"),
            (b"\x1f\x8b\x08\x18\0\0\0\0\0\xff\0\0", Some(12), "an empty name, an empty comment"),
            (b"\x1f\x8b\x08\x04\0\0\0\0\0\xff\x02\0ab", Some(14), "something extra"),
            (b"\x1f\x8b\x08\x04\0\0\0\0\0\xff\x03\0ab", None, "less of it than it says"),
            (b"\x1f\x8b\x08\x02\0\0\0\0\0\xff\xab\xcd", Some(12), "a check of the head"),
        ];
        for (payload, expected, why) in rows {
            assert_eq!(head_len(payload).ok(), expected, "{why}");
        }
    }
}
