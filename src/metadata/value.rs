//! [`MetadataValue`]: one value of metadata.
//!
//! Spec: [PROTOCOL-HTTP2], ASCII-Value and Binary-Header. A value is kept in its *encoded* form: the
//! bytes of the header as they were received or will be sent. A `-bin` value is decoded when it is
//! read. So metadata that is not read costs nothing, and bad base64 is an error to its reader only.
//!
//! A value inside a map is a reference to this type: `ref-cast` makes it of the map's own header
//! value. One `-bin` header may hold several values, so byte values inside a map are
//! [views](super::BinaryMetadataValueRef).
//!
//! [PROTOCOL-HTTP2]: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#requests

use super::encoding::sealed::Sealed;
use super::encoding::{
    Ascii, Binary, InvalidMetadataValue, InvalidMetadataValueBytes, ValueEncoding,
};
use super::view::BinaryMetadataValueRef;
use bytes::Bytes;
use http::HeaderValue;
use ref_cast::{RefCastCustom, ref_cast_custom};
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
#[derive(Clone, RefCastCustom)]
#[repr(transparent)]
pub struct MetadataValue<VE: ValueEncoding> {
    encoded: HeaderValue,
    #[trivial]
    encoding: PhantomData<VE>,
}

/// An owned text value.
pub type AsciiMetadataValue = MetadataValue<Ascii>;

/// An owned byte value.
pub type BinaryMetadataValue = MetadataValue<Binary>;

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
        VE::decode(self.encoded.as_bytes())
    }

    /// The value as it stands in the header: `-bin` values still in base64.
    pub fn as_encoded_bytes(&self) -> &[u8] {
        self.encoded.as_bytes()
    }

    /// No bytes at all?
    pub fn is_empty(&self) -> bool {
        VE::is_empty(self.encoded.as_bytes())
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

    /// The header value of a map, seen as a value. Nothing is checked.
    #[ref_cast_custom]
    pub(super) const fn from_header_ref(encoded: &HeaderValue) -> &Self;

    /// The header value of a map, seen as a value that may be changed.
    #[ref_cast_custom]
    pub(super) fn from_header_mut(encoded: &mut HeaderValue) -> &mut Self;

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
    /// The value came from a peer with bytes that are not printable ASCII;
    /// [`as_bytes`](Self::as_bytes) has them.
    pub fn to_str(&self) -> Result<&str, ToStrError> {
        let text = self.encoded.as_bytes();
        if !text.iter().all(|b| matches!(b, b'\t' | 0x20..=0x7e)) {
            return Err(ToStrError(()));
        }
        std::str::from_utf8(text).map_err(|_| ToStrError(()))
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

    /// The same value as a view.
    pub fn as_value_ref(&self) -> BinaryMetadataValueRef<'_> {
        BinaryMetadataValueRef::piece(&self.encoded, self.encoded.as_bytes())
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

/// Byte values are equal if they decode to the same bytes: padding is not a difference. Values that
/// do not decode are equal if their headers are.
impl<VE: ValueEncoding> PartialEq for MetadataValue<VE> {
    fn eq(&self, other: &Self) -> bool {
        same::<VE>(self.encoded.as_bytes(), other.encoded.as_bytes())
    }
}
impl<VE: ValueEncoding> Eq for MetadataValue<VE> {}

/// Whether two encoded values stand for the same value.
pub(super) fn same<VE: ValueEncoding>(one: &[u8], other: &[u8]) -> bool {
    let decoded = || VE::decode(one).is_ok_and(|one| VE::decode(other) == Ok(one));
    one == other || decoded()
}

/// Compares what the application means: text, or decoded bytes.
impl<VE: ValueEncoding, T: AsRef<[u8]> + ?Sized> PartialEq<T> for MetadataValue<VE> {
    fn eq(&self, other: &T) -> bool {
        self.to_bytes().is_ok_and(|bytes| bytes == other.as_ref())
    }
}

impl<VE: ValueEncoding> PartialEq<&MetadataValue<VE>> for MetadataValue<VE> {
    fn eq(&self, other: &&MetadataValue<VE>) -> bool {
        *self == **other
    }
}

impl<VE: ValueEncoding> PartialEq<MetadataValue<VE>> for &MetadataValue<VE> {
    fn eq(&self, other: &MetadataValue<VE>) -> bool {
        **self == *other
    }
}

macro_rules! on_the_left {
    ($($left:ty)*) => {$(
        impl<VE: ValueEncoding> PartialEq<MetadataValue<VE>> for $left {
            fn eq(&self, other: &MetadataValue<VE>) -> bool {
                *other == *self
            }
        }
    )*};
}
on_the_left!([u8] str &str String);

impl<VE: ValueEncoding> hash::Hash for MetadataValue<VE> {
    fn hash<H: hash::Hasher>(&self, state: &mut H) {
        hash_encoded::<VE, H>(self.encoded.as_bytes(), state);
    }
}

/// Agrees with `Eq`: the decoded bytes, or those of the header if they do not decode.
pub(super) fn hash_encoded<VE: ValueEncoding, H: hash::Hasher>(encoded: &[u8], state: &mut H) {
    match VE::decode(encoded) {
        Ok(bytes) => hash::Hash::hash(&bytes, state),
        Err(_) => hash::Hash::hash(encoded, state),
    }
}

impl<VE: ValueEncoding> fmt::Debug for MetadataValue<VE> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show::<VE>(&self.encoded, self.encoded.as_bytes(), f)
    }
}

/// Shows `encoded`, which is `header` or a piece of it; not if it is a secret.
pub(super) fn show<VE: ValueEncoding>(
    header: &HeaderValue,
    encoded: &[u8],
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    if header.is_sensitive() {
        return f.write_str("[redacted]");
    }
    match VE::decode(encoded) {
        Ok(bytes) => write!(f, "\"{}\"", bytes.escape_ascii()),
        Err(_) => write!(f, "[not base64: \"{}\"]", encoded.escape_ascii()),
    }
}

/// A text value holds bytes that are not printable ASCII.
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
        assert_ne!(text, "abcd");
        let bytes = MetadataValue::from_bytes(b"\x00\xff");
        assert_eq!(bytes, b"\x00\xff");
        assert_ne!(bytes, "AP8", "not with the base64");
        assert_eq!(bytes.as_value_ref(), bytes);
        assert_eq!(bytes.as_value_ref(), &bytes);
        assert_eq!(bytes, bytes.as_value_ref());
        assert_eq!(bytes.as_value_ref(), b"\x00\xff");
    }

    #[test]
    fn a_marked_value_does_not_show() {
        let mut value: MetadataValue<_> = "hunter2".parse().unwrap();
        assert_eq!(format!("{value:?}"), "\"hunter2\"");
        value.set_sensitive(true);
        assert!(value.is_sensitive() && value.clone().is_sensitive());
        assert_eq!(format!("{value:?}"), "[redacted]");
        let mut bytes = MetadataValue::from_bytes(b"hunter2");
        bytes.set_sensitive(true);
        assert!(bytes.as_value_ref().to_owned().is_sensitive());
        assert_eq!(format!("{:?}", bytes.as_value_ref()), "[redacted]");
    }

    #[test]
    #[should_panic(expected = "no metadata value of this encoding")]
    fn a_literal_that_is_not_base64_panics() {
        BinaryMetadataValue::from_static("not base64");
    }
}
