//! [`MetadataValue`], one value that is owned, and [`MetadataValueRef`], one value inside a map.
//!
//! Spec: [PROTOCOL-HTTP2], ASCII-Value and Binary-Header. A value is kept in its *encoded* form,
//! the bytes of the header as they came or will go; a `-bin` value is decoded when somebody asks,
//! so that metadata that nobody reads costs nothing and bad base64 harms nobody but its reader.
//!
//! Why two types, where tonic has one behind references: a reference to a wrapper inside a foreign
//! map needs `unsafe`; and one header may hold several binary values, which a view can point into
//! and a reference could not.
//!
//! [PROTOCOL-HTTP2]: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#requests

use super::encoding::sealed::Sealed;
use super::{Ascii, Binary, InvalidMetadataValue, InvalidMetadataValueBytes, ValueEncoding};
use bytes::Bytes;
use http::HeaderValue;
use std::{error::Error, fmt, hash, marker::PhantomData, str::FromStr};

/// An owned metadata value. Cheap to clone.
///
/// Text values are made by `parse`, `TryFrom` or [`from_static`](Self::from_static), byte values by
/// [`from_bytes`](MetadataValue::<Binary>::from_bytes):
///
/// ```
/// use temaki::metadata::{MetadataMap, MetadataValue};
/// let token: MetadataValue<_> = "Bearer some-token".parse().unwrap();
/// let mut map = MetadataMap::new();
/// map.insert("authorization", token.clone());
/// map.insert_bin("trace-bin", MetadataValue::from_bytes(&[0, 159, 146, 150]));
/// assert!(map.get("authorization").is_some_and(|found| found == token));
/// assert_eq!(map.get_bin("trace-bin").unwrap().to_bytes().unwrap()[1], 159);
/// ```
#[derive(Clone)]
pub struct MetadataValue<VE: ValueEncoding> {
    encoded: HeaderValue,
    encoding: PhantomData<VE>,
}

/// An owned text value.
pub type AsciiMetadataValue = MetadataValue<Ascii>;

/// An owned byte value.
pub type BinaryMetadataValue = MetadataValue<Binary>;

/// A value inside a [`MetadataMap`](super::MetadataMap): a view that is free to copy and lives as
/// long as the map is borrowed. [`to_owned`](Self::to_owned) makes a [`MetadataValue`] of it.
pub struct MetadataValueRef<'a, VE: ValueEncoding> {
    header: &'a HeaderValue,
    /// All of `header`, or one piece of it if that is a comma-joined list.
    encoded: &'a [u8],
    encoding: PhantomData<VE>,
}

impl<VE: ValueEncoding> MetadataValue<VE> {
    /// A value from a literal in encoded form: the text itself, or the base64 of the bytes.
    ///
    /// # Panics
    /// If the literal cannot be such a value.
    pub fn from_static(encoded: &'static str) -> Self {
        assert!(
            VE::is_encoded(encoded.as_bytes()),
            "{encoded:?} is no metadata value of this encoding"
        );
        Self::of(HeaderValue::from_static(encoded))
    }

    /// The value as the application means it: text as it stands, `-bin` values decoded.
    ///
    /// # Errors
    /// A `-bin` value that is not base64.
    pub fn to_bytes(&self) -> Result<Bytes, InvalidMetadataValueBytes> {
        self.as_value_ref().to_bytes()
    }

    /// The value as it stands in the header: `-bin` values still in base64.
    pub fn as_encoded_bytes(&self) -> &[u8] {
        self.encoded.as_bytes()
    }

    /// No bytes at all?
    pub fn is_empty(&self) -> bool {
        self.as_value_ref().is_empty()
    }

    /// Marks the value as a secret: `Debug` hides it, and HPACK never puts it into a shared table.
    pub fn set_sensitive(&mut self, sensitive: bool) {
        self.encoded.set_sensitive(sensitive);
    }

    /// Was the value marked by [`set_sensitive`](Self::set_sensitive)? Values from the wire never
    /// are.
    pub fn is_sensitive(&self) -> bool {
        self.encoded.is_sensitive()
    }

    /// The same value as a view.
    pub fn as_value_ref(&self) -> MetadataValueRef<'_, VE> {
        MetadataValueRef::whole(&self.encoded)
    }

    pub(super) fn of(encoded: HeaderValue) -> Self {
        Self {
            encoded,
            encoding: PhantomData,
        }
    }

    pub(super) fn into_header(self) -> HeaderValue {
        self.encoded
    }
}

impl MetadataValue<Ascii> {
    /// The text.
    ///
    /// # Errors
    /// The value came from a peer with bytes that are no printable ASCII;
    /// [`as_bytes`](Self::as_bytes) has them.
    pub fn to_str(&self) -> Result<&str, ToStrError> {
        self.as_value_ref().to_str()
    }

    /// The bytes of the text.
    pub fn as_bytes(&self) -> &[u8] {
        self.encoded.as_bytes()
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.encoded.len()
    }
}

impl MetadataValue<Binary> {
    /// A value of any bytes. They are written as base64 at once.
    pub fn from_bytes(src: &[u8]) -> Self {
        // Base64 is always a legal header; an empty value is the answer that cannot panic.
        <Binary as Sealed>::encode(src)
            .map_or_else(|_| Self::of(HeaderValue::from_static("")), Self::of)
    }
}

impl<'a, VE: ValueEncoding> MetadataValueRef<'a, VE> {
    /// As [`MetadataValue::to_bytes`].
    ///
    /// # Errors
    /// A `-bin` value that is not base64.
    pub fn to_bytes(self) -> Result<Bytes, InvalidMetadataValueBytes> {
        VE::decode(self.encoded)
    }

    /// The value as it stands in the header: `-bin` values still in base64.
    pub fn as_encoded_bytes(self) -> &'a [u8] {
        self.encoded
    }

    /// No bytes at all?
    pub fn is_empty(self) -> bool {
        // Padding alone decodes to nothing, too.
        if VE::COMMA_LIST {
            self.encoded.iter().all(|b| *b == b'=')
        } else {
            self.encoded.is_empty()
        }
    }

    /// As [`MetadataValue::is_sensitive`].
    pub fn is_sensitive(self) -> bool {
        self.header.is_sensitive()
    }

    /// The value on its own. Copies nothing, unless it is one of several in a comma-joined header.
    #[allow(
        clippy::wrong_self_convention,
        reason = "the view is Copy; the name is that of ToOwned, which Clone occupies"
    )]
    pub fn to_owned(self) -> MetadataValue<VE> {
        if self.encoded.len() == self.header.len() {
            return MetadataValue::of(self.header.clone());
        }
        // A piece of a legal header value is one itself.
        let mut piece =
            HeaderValue::from_bytes(self.encoded).unwrap_or_else(|_| HeaderValue::from_static(""));
        piece.set_sensitive(self.header.is_sensitive());
        MetadataValue::of(piece)
    }

    pub(super) fn whole(header: &'a HeaderValue) -> Self {
        Self {
            header,
            encoded: header.as_bytes(),
            encoding: PhantomData,
        }
    }

    pub(super) fn piece(header: &'a HeaderValue, encoded: &'a [u8]) -> Self {
        Self {
            header,
            encoded,
            encoding: PhantomData,
        }
    }
}

impl<'a> MetadataValueRef<'a, Ascii> {
    /// As [`MetadataValue::to_str`].
    ///
    /// # Errors
    /// The value came from a peer with bytes that are no printable ASCII;
    /// [`as_bytes`](Self::as_bytes) has them.
    pub fn to_str(self) -> Result<&'a str, ToStrError> {
        if !self
            .encoded
            .iter()
            .all(|b| matches!(b, b'\t' | 0x20..=0x7e))
        {
            return Err(ToStrError(()));
        }
        std::str::from_utf8(self.encoded).map_err(|_| ToStrError(()))
    }

    /// The bytes of the text.
    pub fn as_bytes(self) -> &'a [u8] {
        self.encoded
    }

    /// Length in bytes.
    #[allow(
        clippy::len_without_is_empty,
        reason = "is_empty stands in the impl for every encoding"
    )]
    pub fn len(self) -> usize {
        self.encoded.len()
    }
}

impl<VE: ValueEncoding> Copy for MetadataValueRef<'_, VE> {}
impl<VE: ValueEncoding> Clone for MetadataValueRef<'_, VE> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<VE: ValueEncoding> From<MetadataValueRef<'_, VE>> for MetadataValue<VE> {
    fn from(value: MetadataValueRef<'_, VE>) -> Self {
        value.to_owned()
    }
}

/// Text that is typed, not received: printable ASCII only.
impl FromStr for MetadataValue<Ascii> {
    type Err = InvalidMetadataValue;

    fn from_str(text: &str) -> Result<Self, InvalidMetadataValue> {
        //= GRPC-META-ASCII  what we write ourselves is 0x20 to 0x7E
        if !<Ascii as Sealed>::is_encoded(text.as_bytes()) {
            return Err(InvalidMetadataValue::NotAscii);
        }
        HeaderValue::from_str(text)
            .map(Self::of)
            .map_err(|_| InvalidMetadataValue::NotAscii)
    }
}

impl TryFrom<&str> for MetadataValue<Ascii> {
    type Error = InvalidMetadataValue;

    fn try_from(text: &str) -> Result<Self, InvalidMetadataValue> {
        text.parse()
    }
}

impl TryFrom<String> for MetadataValue<Ascii> {
    type Error = InvalidMetadataValue;

    fn try_from(text: String) -> Result<Self, InvalidMetadataValue> {
        // Not straight to HeaderValue: that would let text beyond ASCII pass from a String and not
        // from a &str.
        text.parse()
    }
}

impl TryFrom<&String> for MetadataValue<Ascii> {
    type Error = InvalidMetadataValue;

    fn try_from(text: &String) -> Result<Self, InvalidMetadataValue> {
        text.parse()
    }
}

macro_rules! from_bytes_like {
    ($($source:ty $(, $generic:ident)?);* $(;)?) => {$(
        impl<VE: ValueEncoding $(, const $generic: usize)?> TryFrom<$source> for MetadataValue<VE> {
            type Error = InvalidMetadataValueBytes;

            fn try_from(bytes: $source) -> Result<Self, InvalidMetadataValueBytes> {
                VE::encode(bytes.as_ref()).map(Self::of)
            }
        }
    )*};
}
from_bytes_like!(&[u8]; &[u8; N], N; Vec<u8>; Bytes);

macro_rules! number {
    ($($number:ty)*) => {$(
        impl From<$number> for MetadataValue<Ascii> {
            fn from(number: $number) -> Self {
                Self::of(HeaderValue::from(number))
            }
        }
    )*};
}
number!(i16 u16 i32 u32 i64 u64 usize isize);

/// Byte values are equal if they decode to the same bytes (padding is no difference); values that
/// do not decode are equal if their headers are.
impl<VE: ValueEncoding> PartialEq for MetadataValueRef<'_, VE> {
    fn eq(&self, other: &Self) -> bool {
        self.encoded == other.encoded
            || self
                .to_bytes()
                .is_ok_and(|ours| other.to_bytes().is_ok_and(|theirs| ours == theirs))
    }
}
impl<VE: ValueEncoding> Eq for MetadataValueRef<'_, VE> {}

impl<VE: ValueEncoding> PartialEq for MetadataValue<VE> {
    fn eq(&self, other: &Self) -> bool {
        self.as_value_ref() == other.as_value_ref()
    }
}
impl<VE: ValueEncoding> Eq for MetadataValue<VE> {}

impl<VE: ValueEncoding> PartialEq<MetadataValueRef<'_, VE>> for MetadataValue<VE> {
    fn eq(&self, other: &MetadataValueRef<'_, VE>) -> bool {
        self.as_value_ref() == *other
    }
}

impl<VE: ValueEncoding> PartialEq<MetadataValue<VE>> for MetadataValueRef<'_, VE> {
    fn eq(&self, other: &MetadataValue<VE>) -> bool {
        *self == other.as_value_ref()
    }
}

impl<VE: ValueEncoding> PartialEq<&MetadataValue<VE>> for MetadataValueRef<'_, VE> {
    fn eq(&self, other: &&MetadataValue<VE>) -> bool {
        *self == other.as_value_ref()
    }
}

/// Compares what the application means: text, or decoded bytes.
impl<VE: ValueEncoding, T: AsRef<[u8]> + ?Sized> PartialEq<T> for MetadataValueRef<'_, VE> {
    fn eq(&self, other: &T) -> bool {
        self.to_bytes().is_ok_and(|bytes| bytes == other.as_ref())
    }
}

/// Compares what the application means: text, or decoded bytes.
impl<VE: ValueEncoding, T: AsRef<[u8]> + ?Sized> PartialEq<T> for MetadataValue<VE> {
    fn eq(&self, other: &T) -> bool {
        self.as_value_ref() == *other
    }
}

impl<VE: ValueEncoding> hash::Hash for MetadataValue<VE> {
    fn hash<H: hash::Hasher>(&self, state: &mut H) {
        // As Eq has it: the decoded bytes, or those of the header where that fails.
        match self.to_bytes() {
            Ok(bytes) => bytes.hash(state),
            Err(_) => self.encoded.as_bytes().hash(state),
        }
    }
}

impl<VE: ValueEncoding> fmt::Debug for MetadataValue<VE> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_value_ref().fmt(f)
    }
}

impl<VE: ValueEncoding> fmt::Debug for MetadataValueRef<'_, VE> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_sensitive() {
            return f.write_str("[redacted]");
        }
        match self.to_bytes() {
            Ok(bytes) => write!(f, "\"{}\"", bytes.escape_ascii()),
            Err(_) => write!(f, "[not base64: \"{}\"]", self.encoded.escape_ascii()),
        }
    }
}

/// A text value holds bytes that are no printable ASCII.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ToStrError(());

impl fmt::Display for ToStrError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("metadata value holds bytes that are not printable ASCII")
    }
}

impl Error for ToStrError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn binary(encoded: &str) -> BinaryMetadataValue {
        MetadataValue::of(HeaderValue::from_str(encoded).unwrap())
    }

    //= GRPC-BIN-BASE64  type=test
    //= GRPC-BIN-UNPADDED  type=test
    #[test]
    fn b35_bin_is_read_padded_and_unpadded_and_written_unpadded() {
        let rows: [(&[u8], &str, &str); 4] = [
            (b"", "", "nothing is nothing"),
            (b"\x00", "AA==", "two to fill"),
            (b"\x00\x01", "AAE=", "one to fill"),
            (b"\xff\xfe\xfd", "//79", "none to fill"),
        ];
        for (bytes, padded, why) in rows {
            let unpadded = padded.trim_end_matches('=');
            assert_eq!(binary(padded).to_bytes().unwrap(), bytes, "padded: {why}");
            assert_eq!(
                binary(unpadded).to_bytes().unwrap(),
                bytes,
                "unpadded: {why}"
            );
            let written = MetadataValue::from_bytes(bytes);
            assert_eq!(
                written.as_encoded_bytes(),
                unpadded.as_bytes(),
                "written: {why}"
            );
            assert_eq!(
                binary(padded),
                binary(unpadded),
                "padding is no difference: {why}"
            );
            assert_eq!(binary(padded).is_empty(), bytes.is_empty(), "{why}");
        }
    }

    #[test]
    fn b37_bad_base64_is_an_error_to_its_reader_and_nobody_else() {
        for encoded in ["A", "A===", "AA=A", "!!!!", "AA-_", "AA AA", "="] {
            let value = binary(encoded);
            assert!(value.to_bytes().is_err(), "{encoded}");
            assert_eq!(value, value.clone(), "{encoded} equals itself");
            assert_eq!(
                value.as_encoded_bytes(),
                encoded.as_bytes(),
                "{encoded} is kept"
            );
            assert_eq!(format!("{value:?}"), format!("[not base64: \"{encoded}\"]"));
        }
    }

    //= GRPC-META-ASCII  type=test
    #[test]
    fn b41_text_values() {
        let rows: [(&[u8], bool, bool, bool, &str); 9] = [
            // (bytes, taken as bytes, typed as text, read as text, why)
            (b"", true, true, true, "an empty value is a value"),
            (b" ~", true, true, true, "the ends of the spec's range"),
            (b"a, b", true, true, true, "a comma in text is text"),
            (
                b"\t",
                true,
                false,
                true,
                "a tab: HTTP allows it, gRPC does not",
            ),
            (
                "é".as_bytes(),
                true,
                false,
                false,
                "received and sent on, not typed",
            ),
            (b"\x80\xff", true, false, false, "not even UTF-8"),
            (b"a\r\nb: c", false, false, false, "a header of its own"),
            (b"\0", false, false, false, "NUL"),
            (b"\x7f", false, false, false, "DEL"),
        ];
        for (bytes, as_bytes, typed, read, why) in rows {
            let from_bytes = AsciiMetadataValue::try_from(bytes);
            assert_eq!(from_bytes.is_ok(), as_bytes, "bytes: {why}");
            if let Ok(value) = from_bytes {
                assert_eq!(value.as_bytes(), bytes, "kept as it is: {why}");
                assert_eq!(value.to_str().is_ok(), read, "to_str: {why}");
            }
            if let Ok(text) = std::str::from_utf8(bytes) {
                assert_eq!(
                    text.parse::<AsciiMetadataValue>().is_ok(),
                    typed,
                    "parse: {why}"
                );
                let owned = AsciiMetadataValue::try_from(text.to_owned());
                assert_eq!(owned.is_ok(), typed, "String: {why}");
            }
        }
    }

    #[test]
    fn values_compare_with_what_the_application_means() {
        let text: MetadataValue<_> = "abc".parse().unwrap();
        assert_eq!(text, "abc");
        assert_eq!(text, *"abc");
        assert_eq!(text, String::from("abc"));
        assert_eq!(text, b"abc");
        assert_eq!(text.as_value_ref(), text);
        assert_eq!(text, text.as_value_ref());
        assert_ne!(text, "abcd");
        let bytes = MetadataValue::from_bytes(b"\x00\xff");
        assert_eq!(bytes, b"\x00\xff");
        assert_ne!(bytes, "AP8", "not with the base64");
    }

    #[test]
    fn a_marked_value_does_not_show() {
        let mut value: MetadataValue<_> = "hunter2".parse().unwrap();
        assert_eq!(format!("{value:?}"), "\"hunter2\"");
        value.set_sensitive(true);
        assert!(value.is_sensitive() && value.as_value_ref().to_owned().is_sensitive());
        assert_eq!(format!("{value:?}"), "[redacted]");
    }

    #[test]
    #[should_panic(expected = "no metadata value of this encoding")]
    fn a_literal_that_is_not_base64_panics() {
        BinaryMetadataValue::from_static("not base64");
    }
}
