//! What `h2` does not tell: which frames arrived, read off the 9-byte frame heads.
//!
//! Spec: RFC 9113 §4.1 (frame format) and §3.4 (connection preface).
//!
//! `h2` answers PING and SETTINGS by itself and never shows them. The meter walks over the bytes
//! that are read from the socket, head by head, and counts. It refuses to know what is *in* a
//! frame: payloads are skipped, never looked at, so it costs a few instructions a frame. The one exception
//! is GOAWAY, whose debug text tells a client that it pings too often.

/// Length of a frame head: 24-bit length, 8-bit type, 8-bit flags, 31-bit stream id.
const HEAD_LEN: usize = 9;

/// The client's connection preface, which is no frame.
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The frame type SETTINGS (RFC 9113 §6.5).
const SETTINGS: u8 = 0x4;
/// The frame type GOAWAY (RFC 9113 §6.8).
const GOAWAY: u8 = 0x7;
/// What GOAWAY says to a client whose keepalive is too hasty: a code (RFC 9113 §7) and a text (gRFC A8).
const ENHANCE_YOUR_CALM: [u8; 4] = [0, 0, 0, 0xb];
const TOO_MANY_PINGS: &[u8] = b"too_many_pings";
/// How much of a GOAWAY is kept: the last stream's id, the code, and that text.
const GOAWAY_KEPT: usize = 8 + TOO_MANY_PINGS.len();
/// The ACK flag of SETTINGS and PING.
const ACK: u8 = 0x1;

/// Whether a server has heard enough of a new peer to make anything for it: the preface and the head of the
/// first frame, which follows at once; or something that is no preface.
#[cfg(feature = "server")]
pub(crate) fn is_greeting(heard: &[u8]) -> bool {
    let begun = &heard[..heard.len().min(PREFACE.len())];
    heard.len() >= PREFACE.len() + HEAD_LEN || !PREFACE.starts_with(begun)
}

/// Walks over incoming bytes and counts frames.
#[derive(Debug)]
pub(crate) struct FrameMeter {
    /// Bytes still to skip: the preface, or the payload of the frame whose head was read last.
    skip: usize,
    /// The head being gathered; `head[..head_len]` is valid. `0 <= head_len < HEAD_LEN` between calls.
    head: [u8; HEAD_LEN],
    head_len: usize,
    /// All bytes seen since the connection began; a keepalive timer asks whether this moved.
    bytes: u64,
    /// The peer's first SETTINGS frame has come: its half of the handshake is over.
    settings: bool,
    /// A GOAWAY frame has come: no new streams here. Its payload's first bytes, and how many are to come.
    goaway: Option<Vec<u8>>,
    in_goaway: bool,
}

impl FrameMeter {
    /// A meter for the bytes a client receives: frames from the first byte on.
    pub(crate) fn of_client() -> Self {
        Self {
            skip: 0,
            head: [0; HEAD_LEN],
            head_len: 0,
            bytes: 0,
            settings: false,
            goaway: None,
            in_goaway: false,
        }
    }

    /// A meter for the bytes a server receives: 24 bytes of preface, then frames.
    pub(crate) fn of_server() -> Self {
        Self {
            skip: PREFACE.len(),
            ..Self::of_client()
        }
    }

    /// Takes note of bytes that were just read, in any cut.
    pub(crate) fn observe(&mut self, mut read: &[u8]) {
        self.bytes += read.len() as u64;
        loop {
            let skipped = self.skip.min(read.len());
            if self.in_goaway {
                self.keep(&read[..skipped]);
            }
            self.skip -= skipped;
            read = &read[skipped..];
            if read.is_empty() {
                return;
            }
            let (head, rest) = match read.split_first_chunk::<HEAD_LEN>() {
                Some((head, rest)) if self.head_len == 0 => (*head, rest),
                _ => match self.gather(read) {
                    Some((head, rest)) => (head, rest),
                    None => return,
                },
            };
            read = rest;
            let [l0, l1, l2, kind, flags, ..] = head;
            self.skip = u32::from_be_bytes([0, l0, l1, l2]) as usize;
            self.frame(kind, flags);
        }
    }

    /// Gathers a head that came in pieces; gives it when it is whole, and what follows it.
    #[cold]
    fn gather<'a>(&mut self, read: &'a [u8]) -> Option<([u8; HEAD_LEN], &'a [u8])> {
        let (piece, rest) = read.split_at((HEAD_LEN - self.head_len).min(read.len()));
        self.head[self.head_len..self.head_len + piece.len()].copy_from_slice(piece);
        self.head_len = (self.head_len + piece.len()) % HEAD_LEN;
        (self.head_len == 0).then_some((self.head, rest))
    }

    fn frame(&mut self, kind: u8, flags: u8) {
        match kind {
            SETTINGS if flags & ACK == 0 => self.settings = true,
            GOAWAY => self.goaway = Some(Vec::new()),
            _ => {}
        }
        self.in_goaway = kind == GOAWAY;
    }

    /// Keeps the first bytes of a GOAWAY.
    #[cold]
    fn keep(&mut self, payload: &[u8]) {
        if let Some(kept) = &mut self.goaway {
            let room = GOAWAY_KEPT - kept.len();
            kept.extend_from_slice(&payload[..payload.len().min(room)]);
        }
    }

    /// Whether a GOAWAY has begun to arrive, and what it has said so far.
    pub(crate) fn goaway(&self) -> Option<GoAway> {
        let kept = self.goaway.as_ref()?;
        let too_many_pings =
            kept.get(4..8) == Some(&ENHANCE_YOUR_CALM) && kept.get(8..) == Some(TOO_MANY_PINGS);
        Some(GoAway { too_many_pings })
    }

    /// Whether the peer's first SETTINGS frame has begun to arrive.
    pub(crate) fn settings_seen(&self) -> bool {
        self.settings
    }

    /// How many bytes have been read since the connection began.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// What the peer's GOAWAY says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GoAway {
    /// This side's keepalive is too hasty.
    pub(crate) too_many_pings: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// PING (len 8), a SETTINGS ACK (len 0), SETTINGS (len 6).
    const FRAMES: &[u8] = &[
        0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, // PING
        0, 0, 0, 4, 1, 0, 0, 0, 0, // SETTINGS ACK
        0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 4, 0, 0, 255, 255, // SETTINGS
    ];

    #[test]
    fn settings_are_seen_at_every_cut() {
        let upto = FRAMES.len() - 6; // the head of SETTINGS is complete here
        for cut in 0..upto {
            let mut meter = FrameMeter::of_client();
            meter.observe(&FRAMES[..cut]);
            assert!(
                !meter.settings_seen(),
                "an ACK or a half head is not the peer's SETTINGS ({cut})"
            );
            meter.observe(&FRAMES[cut..upto]);
            assert!(meter.settings_seen(), "cut at {cut}");
            assert_eq!(meter.bytes(), upto as u64);
        }
    }

    #[test]
    fn a_server_skips_the_preface() {
        let mut meter = FrameMeter::of_server();
        meter.observe(PREFACE);
        assert!(!meter.settings_seen());
        for byte in FRAMES {
            meter.observe(std::slice::from_ref(byte));
        }
        assert!(meter.settings_seen());
    }

    #[cfg(feature = "server")]
    #[test]
    fn a_greeting_is_a_preface_and_a_frame_or_no_preface_at_all() {
        let settings = [PREFACE, FRAMES].concat();
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

    #[test]
    fn a_goaway_is_understood_at_every_cut() {
        let rows: [(u8, &str, bool, &str); 5] = [
            (0xb, "too_many_pings", true, "as servers say it"),
            (0xb, "too_many_pings, and more", true, "with more to say"),
            (0xb, "too_many_streams", false, "calm in another matter"),
            (0xb, "", false, "no text"),
            (0x0, "too_many_pings", false, "no error"),
        ];
        for (code, text, too_many_pings, why) in rows {
            let len = 8 + text.len() as u8;
            let head = [0, 0, len, 7, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, code];
            let bytes = [&head, text.as_bytes(), FRAMES].concat();
            for cut in 0..bytes.len() {
                let mut meter = FrameMeter::of_client();
                meter.observe(&bytes[..cut]);
                assert_eq!(meter.goaway().is_some(), cut >= HEAD_LEN, "{why} ({cut})");
                meter.observe(&bytes[cut..]);
                assert_eq!(
                    meter.goaway(),
                    Some(GoAway { too_many_pings }),
                    "{why} ({cut})"
                );
                assert!(meter.settings_seen(), "what follows is understood too");
            }
        }
    }
}
