//! `-bin` metadata: how any bytes survive in a header value.
//!
//! A header value may not hold arbitrary bytes, so a key that ends in `-bin` says that its value is
//! base64. Four characters of the alphabet carry three bytes:
//!
//! ```text
//! bytes   01001101 01100001 01101110      3 × 8 bits
//! text    010011 010110 000101 101110     4 × 6 bits, "TWFu"
//! ```
//!
//! What is left over at the end, one byte or two, takes two characters or three, and may be filled
//! up to four with `=`. gRPC writes no padding and reads both. A proxy may have joined several
//! values of one key with `,`, which is not in the alphabet: [`split`] first, then [`decode`] each.
//!
//! Standard alphabet (`+` and `/`), not the URL-safe one. Which keys are binary is metadata's
//! matter.
//!
//! Spec: [Requests](https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#requests), [RFC
//! 4648 §4](https://www.rfc-editor.org/rfc/rfc4648#section-4).

use std::fmt;

const ALPHABET: [u8; 64] = *b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Writes bytes as base64, without padding.
///
/// ```
/// assert_eq!(temaki::wire::base64::encode(&[0xfb, 0xff]), "+/8");
/// ```
pub fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let mut bits = [0; 4];
        bits[1..=three.len()].copy_from_slice(three);
        let bits = u32::from_be_bytes(bits);
        //= GRPC-BIN-UNPADDED  n bytes take n + 1 characters; no padding is written
        for shift in [18, 12, 6, 0].into_iter().take(three.len() + 1) {
            text.push(char::from(ALPHABET[(bits >> shift & 0x3f) as usize]));
        }
    }
    text
}

/// Reads one base64 value, padded or not.
///
/// Bits left over in the last character are ignored, as most peers do.
///
/// # Errors
///
/// [`Base64Error`] for a byte outside the alphabet, for a length that no bytes encode to, and for
/// padding that does not fill up to four.
pub fn decode(text: &[u8]) -> Result<Vec<u8>, Base64Error> {
    // exercise(04): begin
    //= GRPC-BIN-BASE64  padded and unpadded values are read
    let body = match text {
        [body @ .., b'=', b'='] | [body @ .., b'='] => body,
        body => body,
    };
    let padded = body.len() < text.len();
    if body.len() % 4 == 1 || (padded && text.len() % 4 != 0) {
        return Err(Base64Error::Length(text.len()));
    }
    let mut bytes = Vec::with_capacity(body.len().div_ceil(4) * 3);
    for four in body.chunks(4) {
        let mut bits = 0;
        for &symbol in four {
            bits = bits << 6 | six_bits(symbol)?;
        }
        // Left-aligned in 24 bits, whatever is missing.
        bits <<= 6 * (4 - four.len());
        let [_, three @ ..] = bits.to_be_bytes();
        bytes.extend_from_slice(&three[..four.len() - 1]);
    }
    Ok(bytes)
    // exercise(04): end
}

/// The values in a header line that may be several values joined with `,`.
///
/// An empty value is a value of no bytes. Spaces around the commas, which a proxy may add, do not
/// belong to the values.
///
/// ```
/// use temaki::wire::base64::split;
///
/// assert_eq!(split(b"YQ, Yg==").collect::<Vec<_>>(), [&b"YQ"[..], b"Yg=="]);
/// ```
pub fn split(line: &[u8]) -> Split<'_> {
    Split { rest: Some(line) }
}

/// The values of one header line. Made by [`split`].
#[derive(Clone, Debug)]
pub struct Split<'a> {
    /// The values that are still to come, with their commas. `None` after the last.
    rest: Option<&'a [u8]>,
}

impl<'a> Iterator for Split<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest?;
        //= GRPC-BIN-COMMA  split at "," before decoding: it is not a character of base64
        let comma = rest.iter().position(|&byte| byte == b',');
        self.rest = comma.map(|at| &rest[at + 1..]);
        //= GRPC-META-TRIM  "a, b" is how a proxy joins two headers
        Some(rest[..comma.unwrap_or(rest.len())].trim_ascii())
    }
}

fn six_bits(symbol: u8) -> Result<u32, Base64Error> {
    Ok(u32::from(match symbol {
        b'A'..=b'Z' => symbol - b'A',
        b'a'..=b'z' => symbol - b'a' + 26,
        b'0'..=b'9' => symbol - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        other => return Err(Base64Error::Symbol(other)),
    }))
}

/// Why a `-bin` value could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Base64Error {
    /// A byte that is not in the standard alphabet.
    Symbol(u8),
    /// A number of characters that no number of bytes encodes to, or padding where none belongs.
    Length(usize),
}

impl fmt::Display for Base64Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Base64Error::Symbol(byte) => write!(
                f,
                "'{}' is not base64, expected the standard alphabet A-Z a-z 0-9 + /: is the value encoded at all?",
                byte.escape_ascii()
            ),
            Base64Error::Length(len) => write!(
                f,
                "{len} characters are not whole base64, expected full groups of four, or two or three at the end \
                 with or without '=': was the value cut?"
            ),
        }
    }
}

impl std::error::Error for Base64Error {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    //= GRPC-BIN-BASE64  type=test
    //= GRPC-BIN-UNPADDED  type=test
    #[test]
    fn b35_writes_unpadded_and_reads_both() {
        #[rustfmt::skip]
        let rows: [(&[u8], &str, &str, &str); 6] = [
            (b"", "", "", "nothing"),
            (b"M", "TQ", "TQ==", "one byte over"),
            (b"Ma", "TWE", "TWE=", "two bytes over"),
            (b"Man", "TWFu", "TWFu", "none over"),
            (b"Many", "TWFueQ", "TWFueQ==", "one over again"),
            (&[0xfb, 0xff, 0xfe], "+//+", "+//+", "the two symbols that the URL-safe alphabet has not"),
        ];
        for (bytes, unpadded, padded, why) in rows {
            assert_eq!(encode(bytes), unpadded, "{why}");
            assert_eq!(decode(unpadded.as_bytes()).as_deref(), Ok(bytes), "{why}");
            assert_eq!(decode(padded.as_bytes()).as_deref(), Ok(bytes), "{why}");
        }
    }

    #[test]
    fn b37_refuses_what_is_not_base64() {
        use Base64Error::{Length, Symbol};
        #[rustfmt::skip]
        let rows: [(&str, _, &str); 13] = [
            ("T", Err(Length(1)), "six bits are no byte"),
            ("TWFuT", Err(Length(5)), "nor behind a whole group"),
            ("=", Err(Length(1)), "padding of nothing"),
            ("==", Err(Length(2)), "padding of nothing"),
            ("====", Err(Symbol(b'=')), "padding of nothing, though of the right length"),
            ("TQ=", Err(Length(3)), "half the padding"),
            ("TWE==", Err(Length(5)), "too much padding"),
            ("TQ==TQ==", Err(Symbol(b'=')), "padding in the middle: two values without a comma"),
            ("TWF-", Err(Symbol(b'-')), "the URL-safe alphabet"),
            ("TW u", Err(Symbol(b' ')), "a space"),
            ("TQ,TQ", Err(Length(5)), "a list: split it first"),
            ("TQ,TQA", Err(Symbol(b',')), "a list: split it first"),
            ("TR", Ok(&b"M"[..]), "bits left over are ignored"),
        ];
        for (text, expected, why) in rows {
            assert_eq!(
                decode(text.as_bytes()).as_deref(),
                expected.as_deref(),
                "{text:?}: {why}"
            );
        }
    }

    //= GRPC-BIN-COMMA  type=test
    #[test]
    fn b36_splits_before_decoding() {
        #[rustfmt::skip]
        let rows: [(&str, &[&str], &str); 6] = [
            ("", &[""], "a value of no bytes is a value"),
            ("TQ", &["TQ"], "one"),
            ("TQ==,TWE", &["TQ==", "TWE"], "padding ends the value, not the list"),
            ("TQ, TWE", &["TQ", "TWE"], "a proxy's space"),
            ("TQ,,TWE", &["TQ", "", "TWE"], "the middle one has no bytes"),
            ("b,a,b", &["b", "a", "b"], "order and repetition are kept"),
        ];
        for (line, expected, why) in rows {
            let values: Vec<_> = split(line.as_bytes()).collect();
            assert_eq!(
                values,
                expected.iter().map(|v| v.as_bytes()).collect::<Vec<_>>(),
                "{why}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_bytes_come_back(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let text = encode(&bytes);
            let padded = format!("{text}{}", &"==="[..(4 - text.len() % 4) % 4]);
            prop_assert_eq!(&decode(text.as_bytes()).unwrap(), &bytes);
            prop_assert_eq!(&decode(padded.as_bytes()).unwrap(), &bytes);
        }

        #[test]
        fn any_text_is_survived(text in prop::collection::vec(prop_oneof![b'A'..=b'Z', Just(b'='), any::<u8>()], 0..12)) {
            let _ = decode(&text);
        }
    }
}
