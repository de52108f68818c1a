//! `grpc-message`: how any text survives in a header value.
//!
//! ```text
//! Status-Message         → "grpc-message" Percent-Encoded
//! Percent-Byte-Unencoded → %x20-24 / %x26-7E      space and what is printable, except %
//! Percent-Byte-Encoded   → "%" 2HEXDIGIT          every other byte of the text's UTF-8
//! ```
//!
//! Encoding has one right answer. Decoding has none for a broken value, and one duty: the text is
//! all that a person will ever learn about a failure, so it is *never* refused and never lost. An
//! escape that is none stays as it is; bytes that are not UTF-8 become U+FFFD; the status code
//! beside it is not touched.
//!
//! What is decoded may hold line ends and escape sequences of a terminal. To show it safely is for
//! `Status`.
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
    let mut out = String::with_capacity(text.len() + 16); // room for a few escapes
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
    while let [byte, after @ ..] = rest {
        match unescape(rest) {
            Some((escaped, after)) => {
                bytes.push(escaped);
                rest = after;
            }
            None => {
                bytes.push(*byte);
                rest = after;
            }
        }
    }
    match String::from_utf8(bytes) {
        Ok(text) => Cow::Owned(text),
        Err(bad) => Cow::Owned(String::from_utf8_lossy(bad.as_bytes()).into_owned()),
    }
    // exercise(03): end
}

/// May this byte stand for itself?
const fn travels_raw(byte: u8) -> bool {
    matches!(byte, 0x20..=0x24 | 0x26..=0x7E)
}

/// The byte whose escape `value` begins with, and what stands behind the escape.
fn unescape(value: &[u8]) -> Option<(u8, &[u8])> {
    let [b'%', high, low, after @ ..] = value else {
        return None;
    };
    Some((hex_digit(*high)? << 4 | hex_digit(*low)?, after))
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    //= GRPC-MSG-ENCODE  type=test
    #[test]
    fn b57_escapes_what_a_header_cannot_carry() {
        #[rustfmt::skip]
        let rows = [
            ("", "", "nothing"),
            (" ", " ", "0x20, the first that travels raw"),
            ("\u{1f}", "%1F", "the last before it"),
            ("~", "~", "0x7E, the last that travels raw"),
            ("\u{7f}", "%7F", "the first after it"),
            ("$%&", "$%25&", "the one hole in the range"),
            ("%41", "%2541", "what looks like an escape is text"),
            ("\0", "%00", "the least byte"),
            ("é", "%C3%A9", "UTF-8, byte by byte, upper-case digits"),
            ("a\tb\r\nc", "a%09b%0D%0Ac", "no line end gets into a header"),
            (
                "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n",
                "%09%0Atest with whitespace%0D%0Aand Unicode BMP %E2%98%BA and non-BMP %F0%9F%98%88%09%0A",
                "the message of the special_status_message interop test",
            ),
        ];
        for (text, expected, why) in rows {
            assert_eq!(encode(text), expected, "{why}");
            assert_eq!(decode(expected.as_bytes()), text, "and back: {why}");
        }
    }

    //= GRPC-MSG-DECODE-LENIENT  type=test
    #[test]
    fn b56_bad_percent_kept() {
        #[rustfmt::skip]
        let rows: [(&[u8], &str, &str); 13] = [
            (b"%", "%", "an escape of no digits"),
            (b"%4", "%4", "of one digit"),
            (b"%4%41", "%4A", "and a whole one behind it"),
            (b"%zz", "%zz", "of no hexadecimal digits"),
            (b"%4z", "%4z", "of one that is and one that is not"),
            (b"%+1", "%+1", "a sign, which from_str_radix would take"),
            (b"%%41", "%A", "the first percent sign stands for itself"),
            (b"%c3%a9", "é", "lower-case digits"),
            (b"%00", "\0", "decoded all the same: to show it safely is not our matter"),
            (b"100%, really", "100%, really", "somebody forgot to encode"),
            (b"%FF!", "\u{fffd}!", "not UTF-8"),
            (b"%C3", "\u{fffd}", "half a character"),
            (b"caf\xc3\xa9 \xff", "café \u{fffd}", "raw bytes that HTTP lets through"),
        ];
        for (value, expected, why) in rows {
            assert_eq!(decode(value), expected, "{why}");
        }
    }

    #[test]
    fn copies_only_when_there_is_something_to_change() {
        assert!(matches!(encode("user not found"), Cow::Borrowed(_)));
        assert!(matches!(decode(b"user not found"), Cow::Borrowed(_)));
        assert!(matches!(encode("50%"), Cow::Owned(_)));
        assert!(matches!(decode(b"50%25"), Cow::Owned(_)));
    }

    proptest! {
        //= GRPC-MSG-ENCODE  type=test
        #[test]
        fn any_text_comes_back(text in any::<String>()) {
            let value = encode(&text);
            prop_assert!(value.bytes().all(|byte| (0x20..=0x7e).contains(&byte)));
            prop_assert_eq!(decode(value.as_bytes()), text.as_str());
        }

        //= GRPC-MSG-DECODE-LENIENT  type=test
        #[test]
        fn any_bytes_are_read(value in prop::collection::vec(prop_oneof![Just(b'%'), b'0'..=b'9', any::<u8>()], 0..40)) {
            prop_assert_eq!(decode(&value).is_empty(), value.is_empty());
        }
    }
}
