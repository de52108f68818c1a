//! The two ways a metadata value is written: as itself ([`Ascii`]), or as base64 of any bytes
//! ([`Binary`], names ending in `-bin`).
//!
//! Spec: [PROTOCOL-HTTP2], "ASCII-Value" and "Binary Header". The markers are types, so that asking
//! for text under a `-bin` name (or the reverse) finds nothing instead of base64 garbage.
//!
//! [PROTOCOL-HTTP2]: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#requests

use super::names;
use super::value::MetadataValue;
use super::view::BinaryMetadataValueRef;
use crate::wire::base64;
use bytes::Bytes;
use http::HeaderValue;
use std::{error::Error, fmt, hash::Hash};

/// How the values under a name are written: [`Ascii`] or [`Binary`]. Sealed: gRPC knows no third
/// way.
pub trait ValueEncoding:
    Clone + fmt::Debug + Eq + Hash + Send + Sync + 'static + sealed::Sealed
{
    /// Are values under `key` written this way? That is what the suffix `-bin` says.
    fn is_valid_key(key: &str) -> bool;
}

/// Marks names and values of text. A type without values.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Ascii {}

/// Marks names ending in `-bin` and their values, arbitrary bytes. A type without values.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Binary {}

impl ValueEncoding for Ascii {
    fn is_valid_key(key: &str) -> bool {
        !names::is_binary(key)
    }
}

impl ValueEncoding for Binary {
    fn is_valid_key(key: &str) -> bool {
        names::is_binary(key)
    }
}

pub(super) mod sealed {
    use super::*;

    pub trait Sealed {
        /// What a map lends of one value: a reference, or a view if one header may hold several
        /// values. A comma in text is the application's own.
        type Ref<'a>: Copy + fmt::Debug;
        /// The one value that `header` is; `None` if it may be several.
        fn of_header(header: &HeaderValue) -> Option<Self::Ref<'_>>;
        /// One value of a header that may hold several; `None` if a header is always one value.
        fn of_piece(piece: BinaryMetadataValueRef<'_>) -> Option<Self::Ref<'_>>;
        /// A value of its own.
        fn to_owned(lent: Self::Ref<'_>) -> MetadataValue<Self>
        where
            Self: ValueEncoding;
        /// Does `encoded` stand for no bytes at all?
        fn is_empty(encoded: &[u8]) -> bool;
        /// From the application's bytes to the header's.
        fn encode(value: &[u8]) -> Result<HeaderValue, InvalidMetadataValueBytes>;
        /// From the header's bytes to the application's.
        fn decode(encoded: &[u8]) -> Result<Bytes, InvalidMetadataValueBytes>;
        /// Is `encoded` something this encoding could have written?
        fn is_encoded(encoded: &[u8]) -> bool;
    }
}

impl sealed::Sealed for Ascii {
    type Ref<'a> = &'a MetadataValue<Ascii>;

    fn of_header(header: &HeaderValue) -> Option<&MetadataValue<Ascii>> {
        Some(MetadataValue::from_header_ref(header))
    }

    fn of_piece(_: BinaryMetadataValueRef<'_>) -> Option<Self::Ref<'_>> {
        None
    }

    fn to_owned(lent: &MetadataValue<Ascii>) -> MetadataValue<Ascii> {
        lent.clone()
    }

    fn is_empty(encoded: &[u8]) -> bool {
        encoded.is_empty()
    }

    fn encode(value: &[u8]) -> Result<HeaderValue, InvalidMetadataValueBytes> {
        //= GRPC-META-ASCII  bytes that HTTP allows pass, 0x80 to 0xFF too
        HeaderValue::from_bytes(value)
            .map_err(|_| InvalidMetadataValueBytes(InvalidMetadataValue::Control))
    }

    fn decode(encoded: &[u8]) -> Result<Bytes, InvalidMetadataValueBytes> {
        Ok(Bytes::copy_from_slice(encoded))
    }

    fn is_encoded(encoded: &[u8]) -> bool {
        encoded.iter().all(|b| matches!(b, 0x20..=0x7e))
    }
}

impl sealed::Sealed for Binary {
    type Ref<'a> = BinaryMetadataValueRef<'a>;

    fn of_header(_: &HeaderValue) -> Option<Self::Ref<'_>> {
        None
    }

    fn of_piece(piece: BinaryMetadataValueRef<'_>) -> Option<Self::Ref<'_>> {
        Some(piece)
    }

    fn to_owned(lent: BinaryMetadataValueRef<'_>) -> MetadataValue<Binary> {
        lent.to_owned()
    }

    fn is_empty(encoded: &[u8]) -> bool {
        // Padding alone decodes to nothing, too.
        encoded.iter().all(|b| *b == b'=')
    }

    fn encode(value: &[u8]) -> Result<HeaderValue, InvalidMetadataValueBytes> {
        //= GRPC-BIN-UNPADDED  written without '='
        HeaderValue::try_from(base64::encode(value))
            .map_err(|_| InvalidMetadataValueBytes(InvalidMetadataValue::Base64))
    }

    fn decode(encoded: &[u8]) -> Result<Bytes, InvalidMetadataValueBytes> {
        //= GRPC-BIN-BASE64  read padded and unpadded
        base64::decode(encoded)
            .map(Bytes::from)
            .map_err(|_| InvalidMetadataValueBytes(InvalidMetadataValue::Base64))
    }

    fn is_encoded(encoded: &[u8]) -> bool {
        base64::decode(encoded).is_ok()
    }
}

/// A text is no metadata value: it holds a control character or something that is not ASCII. Send
/// such data under a `-bin` name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum InvalidMetadataValue {
    /// A byte that no header may hold (CR, LF, NUL and their like).
    Control,
    /// A `-bin` value that is not base64.
    Base64,
    /// Text outside 0x20 to 0x7E.
    NotAscii,
}

impl fmt::Display for InvalidMetadataValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Control => {
                "metadata value holds a control byte; arbitrary bytes need a name ending in -bin"
            }
            Self::Base64 => "-bin metadata value is not base64",
            Self::NotAscii => {
                "metadata value is not printable ASCII; other text needs a name ending in -bin"
            }
        })
    }
}

impl Error for InvalidMetadataValue {}

/// Bytes are no metadata value, or (in [`to_bytes`](super::MetadataValue::to_bytes)) a received
/// `-bin` value is not base64.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct InvalidMetadataValueBytes(pub(super) InvalidMetadataValue);

impl fmt::Display for InvalidMetadataValueBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for InvalidMetadataValueBytes {}
