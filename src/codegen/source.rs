//! The text of a `.proto` file, as the parser can take it.
//!
//! protoc takes a byte order mark, bytes that are no UTF-8 in a comment (old files are in Latin-1),
//! and options behind a single number in `extensions 100 [declaration = {…}];`. protox takes none
//! of these. What is changed here keeps every line and column where it was, since errors name them.

use std::fs;
use std::path::Path;

use super::error::{Error, Place};

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// Reads a file for the parser.
pub(super) fn read(path: &Path) -> Result<String, Error> {
    let bytes = fs::read(path).map_err(|error| Error::io("read", path, error))?;
    let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&bytes);
    match decode(bytes) {
        Ok(text) => Ok(without_range_options(text)),
        Err((line, column, byte)) => {
            let file = path.to_owned();
            let place = Place { file, line, column };
            let message =
                format!("the byte 0x{byte:02X} is not UTF-8, which a file is outside its comments");
            Err(Error::at(&place, &message))
        }
    }
}

/// Reads a file for people: whatever is in it.
pub(super) fn read_anyhow(path: &Path) -> String {
    let bytes = fs::read(path).unwrap_or_default();
    let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&bytes);
    String::from_utf8_lossy(bytes).into_owned()
}

/// UTF-8, or Latin-1 byte by byte where a comment is not. Else the line, column and byte.
fn decode(bytes: &[u8]) -> Result<String, (usize, usize, u8)> {
    let mut text = String::with_capacity(bytes.len());
    let (mut at, mut kinds) = (0, None);
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        at += chunk.valid().len();
        for &byte in chunk.invalid() {
            let kinds = kinds.get_or_insert_with(|| code(bytes));
            if kinds[at] != COMMENT {
                let line = text.rsplit('\n').next().unwrap_or_default();
                let lines = text.matches('\n').count();
                return Err((lines + 1, line.chars().count() + 1, byte));
            }
            text.push(char::from(byte));
            at += 1;
        }
    }
    Ok(text)
}

const COMMENT: u8 = b' ';
const STRING: u8 = b'"';

/// The code alone: what stands in comments and strings is replaced, byte by byte.
fn code(bytes: &[u8]) -> Vec<u8> {
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let (length, kind) = match rest {
            [b'/', b'/', ..] => (length_to(rest, b"\n", 2), COMMENT),
            [b'/', b'*', ..] => (length_to(rest, b"*/", 2) + 2, COMMENT),
            [quote @ (b'"' | b'\''), ..] => (length_of_string(rest, *quote), STRING),
            _ => {
                at += 1;
                continue;
            }
        };
        let end = bytes.len().min(at + length);
        out[at..end].fill(kind);
        at = end;
    }
    out
}

/// Up to where `mark` begins, or all.
fn length_to(bytes: &[u8], mark: &[u8], from: usize) -> usize {
    let found = bytes[from..].windows(mark.len()).position(|at| at == mark);
    found.map_or(bytes.len(), |found| from + found)
}

/// With both quotes. A string ends with its line at the latest.
fn length_of_string(bytes: &[u8], quote: u8) -> usize {
    let mut escaped = false;
    for (at, &byte) in bytes.iter().enumerate().skip(1) {
        match byte {
            b'\n' => return at,
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            _ if byte == quote => return at + 1,
            _ => {}
        }
    }
    bytes.len()
}

/// Without the options of a range of extensions that is one number: they say nothing to a code
/// generator, and the parser knows them only behind `to`.
fn without_range_options(text: String) -> String {
    if !text.contains("extensions") {
        return text;
    }
    let code = code(text.as_bytes());
    let (mut out, mut copied, mut at) = (String::new(), 0, 0);
    while let Some(found) = code[at..]
        .windows(10)
        .position(|word| word == b"extensions")
    {
        let begin = at + found;
        at = begin + 10;
        let is_word = |at: usize| code.get(at).is_some_and(|byte| is_name(*byte));
        if is_word(at) || begin.checked_sub(1).is_some_and(is_word) {
            continue;
        }
        let rest = &code[at..];
        let Some(open) = rest.iter().position(|byte| b"[;{}".contains(byte)) else {
            break;
        };
        let last = rest[..open].rsplit(|byte| *byte == b',').next();
        let words = last.unwrap_or_default().split(|byte| !is_name(*byte));
        let words: Vec<&[u8]> = words.filter(|word| !word.is_empty()).collect();
        let is_number = |word: &[u8]| word.first().is_some_and(u8::is_ascii_digit);
        if rest[open] != b'[' || words.len() != 1 || !is_number(words[0]) {
            continue;
        }
        // The brackets that close: options hold lists of their own.
        let mut depth = 0_usize;
        let closes = rest[open..].iter().position(|byte| {
            match byte {
                b'[' => depth += 1,
                b']' => depth -= 1,
                _ => {}
            }
            depth == 0
        });
        let Some(length) = closes else { break };
        let (begin, end) = (at + open, at + open + length + 1);
        out.push_str(&text[copied..begin]);
        // A blank a character: columns count those.
        let blank = |c: char| if c == '\n' { c } else { ' ' };
        out.extend(text[begin..end].chars().map(blank));
        copied = end;
        at = end;
    }
    out.push_str(&text[copied..]);
    out
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_comments_may_be_latin() {
        type Row<'a> = (&'a [u8], Result<&'a str, (usize, usize, u8)>, &'a str);
        let rows: [Row<'_>; 7] = [
            (b"// caf\xC3\xA9", Ok("// caf\u{E9}"), "UTF-8 stays"),
            (b"// caf\xE9\nx", Ok("// caf\u{E9}\nx"), "Latin-1"),
            (b"/* \xE9 \n \xFC */", Ok("/* \u{E9} \n \u{FC} */"), "lines"),
            (b"a\n  b\xE9", Err((2, 4, 0xE9)), "a name"),
            (
                b"\"//\xE9\"",
                Err((1, 4, 0xE9)),
                "a string that only looks so",
            ),
            (b"'\\'' // \xE9", Ok("'\\'' // \u{E9}"), "an escaped quote"),
            (b"\xFF\xFEs\0", Err((1, 1, 0xFF)), "UTF-16"),
        ];
        for (bytes, expected, why) in rows {
            assert_eq!(decode(bytes), expected.map(str::to_owned), "{why}");
        }
    }

    #[test]
    fn options_of_single_extension_numbers_are_blank() {
        let rows = [
            ("extensions 100 [a = 1];", "extensions 100        ;"),
            (
                "extensions 1, 2 [a=[1],\nb=2];",
                "extensions 1, 2        \n    ;",
            ),
            ("extensions 1 to 2 [a = 1];", "extensions 1 to 2 [a = 1];"),
            (
                "extensions 1; int32 a = 1 [b = 2];",
                "extensions 1; int32 a = 1 [b = 2];",
            ),
            ("my_extensions 1 [a = 1];", "my_extensions 1 [a = 1];"),
            ("// extensions 1 [a = 1];", "// extensions 1 [a = 1];"),
            (
                "extensions 1 [a = \"\u{E9}]\"];",
                "extensions 1           ;",
            ),
        ];
        for (text, expected) in rows {
            assert_eq!(without_range_options(text.to_owned()), expected);
        }
    }
}
