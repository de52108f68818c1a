//! `grpc-message`: how any text survives in a header value.
//!
//! ```text
//! Status-Message         → "grpc-message" Percent-Encoded
//! Percent-Byte-Unencoded → %x20-24 / %x26-7E      space and what is printable, except %
//! Percent-Byte-Encoded   → "%" 2HEXDIGIT          every other byte of the text's UTF-8
//! ```
//!
//! Encoding has one right answer. Decoding has none for a broken value, and one duty: the text is all that a person
//! will ever learn about a failure, so it is *never* refused and never lost. An escape that is none stays as it is;
//! bytes that are not UTF-8 become U+FFFD; the status code beside it is not touched.
//!
//! What is decoded may hold line ends and escape sequences of a terminal. To show it safely is for `Status`.
//!
//! Spec: [Responses](https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#responses).

use std::borrow::Cow;

const HEX: [u8; 16] = *b"0123456789ABCDEF";

/// Writes text so that a header value can carry it. Borrowed when no byte needs escaping.
///
/// ```
/// assert_eq!(temaki::wire::percent::encode("50% off\n"), "50%25 off%0A");
/// ```
pub fn encode(text: &str) -> Cow<'_, str> {
    //= GRPC-MSG-ENCODE  everything but %x20-7E without '%' is escaped
    let Some(first) = text.bytes().position(|byte| !travels_raw(byte)) else {
        return Cow::Borrowed(text);
    };
    let (clean, rest) = text.split_at(first);
    let mut out = String::with_capacity(text.len() + 2 * rest.len().min(64));
    out.push_str(clean);
    for byte in rest.bytes() {
        if travels_raw(byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 0xf)]));
        }
    }
    Cow::Owned(out)
}

/// Reads text that a header value carried. Cannot fail; borrowed when there was nothing to undo.
///
/// ```
/// use temaki::wire::percent::decode;
///
/// assert_eq!(decode(b"50%25 off"), "50% off");
/// assert_eq!(decode(b"100%, %zz, %"), "100%, %zz, %"); // no escapes: nothing is lost
/// assert_eq!(decode(b"caf%E9"), "caf\u{fffd}"); // Latin-1, not UTF-8
/// ```
pub fn decode(value: &[u8]) -> Cow<'_, str> {
    // exercise(03): begin
    //= GRPC-MSG-DECODE-LENIENT  bad escapes stay, bad UTF-8 is replaced, nothing is dropped
    let Some(first) = value.iter().position(|&byte| byte == b'%') else {
        return String::from_utf8_lossy(value);
    };
    let (clean, mut rest) = value.split_at(first);
    let mut bytes = Vec::with_capacity(value.len());
    bytes.extend_from_slice(clean);
    while let Some((&byte, tail)) = rest.split_first() {
        (bytes, rest) = match unescape(rest) {
            Some(escaped) => (push(bytes, escaped), &rest[3..]),
            None => (push(bytes, byte), tail),
        };
    }
    match String::from_utf8(bytes) {
        Ok(text) => Cow::Owned(text),
        Err(bad) => Cow::Owned(String::from_utf8_lossy(bad.as_bytes()).into_owned()),
    }
    // exercise(03): end
}

fn push(mut bytes: Vec<u8>, byte: u8) -> Vec<u8> {
    bytes.push(byte);
    bytes
}

/// May this byte stand for itself?
const fn travels_raw(byte: u8) -> bool {
    matches!(byte, 0x20..=0x24 | 0x26..=0x7E)
}

/// The byte that `value` begins with the escape of.
fn unescape(value: &[u8]) -> Option<u8> {
    let [b'%', high, low, ..] = *value else {
        return None;
    };
    Some(hex_digit(high)? << 4 | hex_digit(low)?)
}

/// Lower case is accepted, though never written.
fn hex_digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}
