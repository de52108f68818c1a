//! What the peer says about itself: its SETTINGS, and its GOAWAY.
//!
//! Spec: RFC 9113 §6.5 and §6.8. `h2` keeps to both and shows of them: how many streams it may open. How
//! large a header list may be, it does not keep at all; of a GOAWAY, only what calls fail with.

use std::sync::Arc;

use super::frame::code;
use crate::call::ending;

/// What GOAWAY says to a client whose keepalive is too hasty (gRFC A8).
const TOO_MANY_PINGS: &[u8] = b"too_many_pings";

/// How much of a GOAWAY's text is kept; it goes into the messages of statuses.
const TEXT_KEPT: usize = 256;

/// The settings that the peer has announced, the last value of each; `None` until it says one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PeerSettings {
    pub(crate) max_concurrent_streams: Option<u32>,
    pub(crate) initial_window_size: Option<u32>,
    /// Counted as RFC 9113 does: name + value + 32 for each field.
    pub(crate) max_header_list_size: Option<u32>,
}

impl PeerSettings {
    /// Takes note of a SETTINGS payload.
    pub(crate) fn update(&mut self, payload: &[u8]) {
        for setting in payload.chunks_exact(6) {
            let (id, value) = setting.split_at(2);
            let value = Some(
                value
                    .iter()
                    .fold(0, |sum, byte| sum << 8 | u32::from(*byte)),
            );
            match id {
                [0, 0x3] => self.max_concurrent_streams = value,
                [0, 0x4] => self.initial_window_size = value,
                [0, 0x6] => self.max_header_list_size = value,
                _ => {}
            }
        }
    }
}

/// What the peer's GOAWAY says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GoAway {
    /// Why (RFC 9113 §7).
    pub(crate) code: u32,
    /// The debug text: at most 256 bytes of it, escaped, fit for a message. Often empty.
    pub(crate) text: Arc<str>,
    /// This side's keepalive is too hasty.
    pub(crate) too_many_pings: bool,
}

impl GoAway {
    /// Reads a payload, or the first part of a long one. One without a code is `h2`'s to refuse.
    pub(crate) fn parse(payload: &[u8]) -> Option<Self> {
        let (fixed, text) = payload.split_first_chunk::<8>()?;
        let [.., c0, c1, c2, c3] = *fixed;
        let code = u32::from_be_bytes([c0, c1, c2, c3]);
        let shown = &text[..text.len().min(TEXT_KEPT)];
        Some(Self {
            code,
            text: shown.escape_ascii().to_string().into(),
            too_many_pings: code == code::ENHANCE_YOUR_CALM && text.starts_with(TOO_MANY_PINGS),
        })
    }
}

#[cfg(feature = "client")]
impl GoAway {
    /// The error that calls get for its end.
    pub(crate) fn closed(&self) -> String {
        ending::goaway(self.code.into(), &self.text)
    }
}

impl std::fmt::Display for GoAway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "GOAWAY {}", ending::name(self.code.into()))?;
        if !self.text.is_empty() {
            write!(f, " \"{}\"", self.text)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_value_of_each_setting_counts() {
        let mut settings = PeerSettings::default();
        settings.update(&[0, 3, 0, 0, 0, 100, 0, 6, 0, 0, 0x40, 0, 0, 9, 1, 1, 1, 1]);
        settings.update(&[0, 4, 0, 0, 0xff, 0xff, 0, 4, 0, 1, 0, 0, 0, 6]); // and half a setting
        let expected = PeerSettings {
            max_concurrent_streams: Some(100),
            initial_window_size: Some(65_536),
            max_header_list_size: Some(16_384),
        };
        assert_eq!(settings, expected);
    }

    #[test]
    fn a_goaway_is_a_code_and_a_text_that_is_fit_to_be_shown() {
        let rows: [(u8, &[u8], &str, bool); 6] = [
            (0xb, b"too_many_pings", "too_many_pings", true),
            (
                0xb,
                b"too_many_pings, and more",
                "too_many_pings, and more",
                true,
            ),
            (0xb, b"too_many_streams", "too_many_streams", false),
            (0xb, b"", "", false),
            (0x0, b"too_many_pings", "too_many_pings", false),
            (0x2, b"a\n\xff", "a\\n\\xff", false),
        ];
        for (code, text, shown, too_many_pings) in rows {
            let payload = [&[0, 0, 0, 1, 0, 0, 0, code], text].concat();
            let goaway = GoAway::parse(&payload).unwrap();
            let expected = GoAway {
                code: code.into(),
                text: shown.into(),
                too_many_pings,
            };
            assert_eq!(goaway, expected);
        }
        assert_eq!(GoAway::parse(&[0; 7]), None);
        let long = GoAway::parse(&[b'x'; 1000]).unwrap();
        assert_eq!(long.text.len(), TEXT_KEPT);
    }
}
