//! `-bin` metadata: how any bytes survive in a header value.
//!
//! A header value may not hold arbitrary bytes, so a key that ends in `-bin` says that its value is base64. Four
//! characters of the alphabet carry three bytes:
//!
//! ```text
//! bytes   01001101 01100001 01101110      3 × 8 bits
//! text    010011 010110 000101 101110     4 × 6 bits, "TWFu"
//! ```
//!
//! What is left over at the end, one byte or two, takes two characters or three, and may be filled up to four with
//! `=`. gRPC writes no padding and reads both. A proxy may have joined several values of one key with `,`, which is
//! not in the alphabet: [`split`] first, then [`decode`] each.
//!
//! Standard alphabet (`+` and `/`), not the URL-safe one. Which keys are binary is metadata's matter.
//!
//! Spec: [Requests](https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#requests),
//! [RFC 4648 §4](https://www.rfc-editor.org/rfc/rfc4648#section-4).

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
/// [`Base64Error`] for a byte outside the alphabet, for a length that no bytes encode to, and for padding that does
/// not fill up to four.
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
/// An empty value is a value of no bytes. Spaces around the commas, which a proxy may add, do not belong to the values.
///
/// ```
/// use temaki::wire::base64::split;
///
/// assert_eq!(split(b"YQ, Yg==").collect::<Vec<_>>(), [&b"YQ"[..], b"Yg=="]);
/// ```
pub fn split(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    //= GRPC-BIN-COMMA  split on ',' before decoding
    line.split(|&byte| byte == b',').map(<[u8]>::trim_ascii)
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
