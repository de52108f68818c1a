//! The nine bytes in front of every frame, and the one frame that is written here.
//!
//! Spec: RFC 9113 §4.1 (frame format), §6 (frame types), §3.4 (connection preface). `h2` reads and writes frames;
//! these few facts are for who counts them beside it.

/// Length of a frame head: 24-bit length, 8-bit type, 8-bit flags, 31-bit stream id.
pub(crate) const HEAD_LEN: usize = 9;

/// The client's connection preface, which is no frame.
pub(crate) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Frame types.
pub(crate) mod kind {
    pub(crate) const DATA: u8 = 0x0;
    pub(crate) const HEADERS: u8 = 0x1;
    pub(crate) const RST_STREAM: u8 = 0x3;
    pub(crate) const SETTINGS: u8 = 0x4;
    pub(crate) const PING: u8 = 0x6;
    pub(crate) const GOAWAY: u8 = 0x7;
    pub(crate) const WINDOW_UPDATE: u8 = 0x8;
    pub(crate) const CONTINUATION: u8 = 0x9;
}

/// Flags. ACK and END_STREAM are the same bit, on different frames.
pub(crate) mod flag {
    pub(crate) const ACK: u8 = 0x1;
    pub(crate) const END_STREAM: u8 = 0x1;
    pub(crate) const END_HEADERS: u8 = 0x4;
    pub(crate) const PADDED: u8 = 0x8;
}

/// Error codes (RFC 9113 §7).
pub(crate) mod code {
    pub(crate) const NO_ERROR: u32 = 0x0;
    pub(crate) const CANCEL: u32 = 0x8;
    pub(crate) const ENHANCE_YOUR_CALM: u32 = 0xb;
}

/// A frame's head, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// Of the payload that follows. `0 <= len < 2^24`.
    pub(crate) len: usize,
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    /// 0 is the connection.
    pub(crate) stream: u32,
}

impl Head {
    #[inline(always)]
    pub(crate) fn parse(bytes: &[u8; HEAD_LEN]) -> Self {
        let [l0, l1, l2, kind, flags, s0, s1, s2, s3] = *bytes;
        Self {
            len: u32::from_be_bytes([0, l0, l1, l2]) as usize,
            kind,
            flags,
            stream: u32::from_be_bytes([s0 & 0x7f, s1, s2, s3]),
        }
    }

    pub(crate) fn has(self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

// On the path of every frame, a head's first eight bytes are one number, and taken apart only as far as is needed.

/// The first eight bytes of the head at `at`, if all nine are there.
#[inline(always)]
pub(crate) fn head_at(bytes: &[u8], at: usize) -> Option<u64> {
    let (word, rest) = bytes.get(at..)?.split_first_chunk()?;
    (!rest.is_empty()).then_some(u64::from_be_bytes(*word))
}

/// The length of its payload.
#[inline(always)]
pub(crate) fn len(word: u64) -> usize {
    (word >> 40) as usize
}

/// Its type.
#[inline(always)]
pub(crate) fn kind_of(word: u64) -> u8 {
    (word >> 32) as u8
}

/// Its flags.
#[inline(always)]
pub(crate) fn flags(word: u64) -> u8 {
    (word >> 24) as u8
}

/// The stream of a head that is there.
#[inline(always)]
pub(crate) fn stream(bytes: &[u8], at: usize) -> u32 {
    let stream = bytes.get(at + 5..).and_then(|bytes| bytes.first_chunk());
    stream.map_or(0, |stream| u32::from_be_bytes(*stream) & 0x7fff_ffff)
}

/// The whole of a head that is there.
#[cold]
pub(crate) fn whole_head(bytes: &[u8], at: usize) -> Head {
    let head = bytes.get(at..).and_then(|bytes| bytes.first_chunk());
    Head::parse(head.unwrap_or(&[0; HEAD_LEN]))
}

/// GOAWAY with a debug text, which `h2`'s own cannot be given. `text` is shorter than 2^16 bytes.
pub(crate) fn goaway(last_stream: u32, code: u32, text: &str) -> Vec<u8> {
    let len = (8 + text.len()) as u32;
    let mut bytes = len.to_be_bytes()[1..].to_vec();
    bytes.extend_from_slice(&[kind::GOAWAY, 0, 0, 0, 0, 0]);
    bytes.extend_from_slice(&last_stream.to_be_bytes());
    bytes.extend_from_slice(&code.to_be_bytes());
    bytes.extend_from_slice(text.as_bytes());
    bytes
}

/// Whether a server has heard enough of a new peer to make anything for it: the preface and the head of the
/// first frame, which follows at once; or something that is no preface.
#[cfg(feature = "server")]
pub(crate) fn is_greeting(heard: &[u8]) -> bool {
    let begun = &heard[..heard.len().min(PREFACE.len())];
    heard.len() >= PREFACE.len() + HEAD_LEN || !PREFACE.starts_with(begun)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_nine_bytes_big_endian() {
        let bytes = [0, 0x40, 1, 0x1, 0x5, 0x80, 0, 0, 3]; // the reserved bit before the stream is set
        let head = Head {
            len: 0x4001,
            kind: kind::HEADERS,
            flags: 0x5,
            stream: 3,
        };
        assert_eq!(Head::parse(&bytes), head);
        assert!(head.has(flag::END_HEADERS) && !head.has(flag::PADDED));
    }

    #[test]
    fn a_goaway_says_the_last_stream_the_code_and_a_text() {
        let bytes = [
            0, 0, 11, 7, 0, 0, 0, 0, 0, // GOAWAY, 11 bytes, on the connection
            0, 0, 0, 5, 0, 0, 0, 0xb, // last stream 5, ENHANCE_YOUR_CALM
            b'w', b'h', b'y',
        ];
        assert_eq!(goaway(5, code::ENHANCE_YOUR_CALM, "why"), bytes);
    }

    #[cfg(feature = "server")]
    #[test]
    fn a_greeting_is_a_preface_and_a_frame_or_no_preface_at_all() {
        let settings = [&PREFACE[..], &[0, 0, 0, 4, 0, 0, 0, 0, 0]].concat();
        let rows: [(&[u8], bool, &str); 6] = [
            (b"", false, "nothing"),
            (&PREFACE[..1], false, "a byte"),
            (PREFACE, false, "the frame is still to come"),
            (&settings[..32], false, "half of its head"),
            (&settings[..33], true, "its head"),
            (b"GET / HTTP/1.1", true, "somebody else"),
        ];
        for (heard, expected, why) in rows {
            assert_eq!(is_greeting(heard), expected, "{why}");
        }
    }
}
