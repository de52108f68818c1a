//! [`BinaryMetadataValueRef`]: one byte value inside a map.
//!
//! Spec: [PROTOCOL-HTTP2], Binary-Header. One `-bin` header may hold several values, joined with
//! commas. A reference can point to a whole header only, so a byte value that a map lends is this
//! view. Text has no need of it: see [`MetadataValue`].
//!
//! [PROTOCOL-HTTP2]: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#requests

use std::{fmt, hash};

use bytes::Bytes;
use http::HeaderValue;

use super::encoding::sealed::Sealed;
use super::encoding::{Binary, InvalidMetadataValueBytes};
use super::value::{self, MetadataValue};

/// A byte value inside a [`MetadataMap`](super::MetadataMap). The view is free to copy and lives as
/// long as the map is borrowed. [`to_owned`](Self::to_owned) makes a [`MetadataValue`] of it.
#[derive(Clone, Copy)]
pub struct BinaryMetadataValueRef<'a> {
    header: &'a HeaderValue,
    /// All of `header`, or one piece of it if that is a comma-joined list.
    encoded: &'a [u8],
}

impl<'a> BinaryMetadataValueRef<'a> {
    /// The bytes, decoded.
    ///
    /// # Errors
    /// If the value is not base64.
    pub fn to_bytes(self) -> Result<Bytes, InvalidMetadataValueBytes> {
        Binary::decode(self.encoded)
    }

    /// The value as it stands in the header: still in base64.
    pub fn as_encoded_bytes(self) -> &'a [u8] {
        self.encoded
    }

    /// No bytes at all?
    pub fn is_empty(self) -> bool {
        Binary::is_empty(self.encoded)
    }

    /// As [`MetadataValue::is_sensitive`].
    pub fn is_sensitive(self) -> bool {
        self.header.is_sensitive()
    }

    /// The value on its own. Copies the bytes only if it is one of several in a comma-joined header.
    #[allow(
        clippy::wrong_self_convention,
        reason = "the view is Copy; the name is that of ToOwned, which Clone occupies"
    )]
    pub fn to_owned(self) -> MetadataValue<Binary> {
        if self.encoded.len() == self.header.len() {
            return MetadataValue::of(self.header.clone());
        }
        // A piece of a legal header value is one itself.
        let mut piece =
            HeaderValue::from_bytes(self.encoded).unwrap_or_else(|_| HeaderValue::from_static(""));
        piece.set_sensitive(self.header.is_sensitive());
        MetadataValue::of(piece)
    }

    pub(super) fn piece(header: &'a HeaderValue, encoded: &'a [u8]) -> Self {
        Self { header, encoded }
    }
}

impl From<BinaryMetadataValueRef<'_>> for MetadataValue<Binary> {
    fn from(value: BinaryMetadataValueRef<'_>) -> Self {
        value.to_owned()
    }
}

/// Values are equal if they decode to the same bytes, as those of [`MetadataValue`] are.
impl PartialEq for BinaryMetadataValueRef<'_> {
    fn eq(&self, other: &Self) -> bool {
        value::same::<Binary>(self.encoded, other.encoded)
    }
}
impl Eq for BinaryMetadataValueRef<'_> {}

impl PartialEq<MetadataValue<Binary>> for BinaryMetadataValueRef<'_> {
    fn eq(&self, other: &MetadataValue<Binary>) -> bool {
        *self == other.as_value_ref()
    }
}

impl PartialEq<&MetadataValue<Binary>> for BinaryMetadataValueRef<'_> {
    fn eq(&self, other: &&MetadataValue<Binary>) -> bool {
        *self == other.as_value_ref()
    }
}

impl PartialEq<BinaryMetadataValueRef<'_>> for MetadataValue<Binary> {
    fn eq(&self, other: &BinaryMetadataValueRef<'_>) -> bool {
        self.as_value_ref() == *other
    }
}

/// Compares the decoded bytes.
impl<T: AsRef<[u8]> + ?Sized> PartialEq<T> for BinaryMetadataValueRef<'_> {
    fn eq(&self, other: &T) -> bool {
        self.to_bytes().is_ok_and(|bytes| bytes == other.as_ref())
    }
}

impl hash::Hash for BinaryMetadataValueRef<'_> {
    fn hash<H: hash::Hasher>(&self, state: &mut H) {
        value::hash_encoded::<Binary, H>(self.encoded, state);
    }
}

impl fmt::Debug for BinaryMetadataValueRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        value::show::<Binary>(self.header, self.encoded, f)
    }
}
