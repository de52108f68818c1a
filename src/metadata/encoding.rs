//! The two ways a metadata value is written: as itself ([`Ascii`]), or as base64 of any bytes
//! ([`Binary`], names ending in `-bin`).
//!
//! Spec: [PROTOCOL-HTTP2], "ASCII-Value" and "Binary Header". The markers are types, so that asking
//! for text under a `-bin` name (or the reverse) finds nothing instead of base64 garbage.
//!
//! [PROTOCOL-HTTP2]: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#requests

use super::names;
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
        /// May one header hold several values, joined by commas? Never for text: a comma there is
        /// the application's own.
        const COMMA_LIST: bool;
        /// From the application's bytes to the header's.
        fn encode(value: &[u8]) -> Result<HeaderValue, InvalidMetadataValueBytes>;
        /// From the header's bytes to the application's.
        fn decode(encoded: &[u8]) -> Result<Bytes, InvalidMetadataValueBytes>;
        /// Is `encoded` something this encoding could have written?
        fn is_encoded(encoded: &[u8]) -> bool;
    }
}

impl sealed::Sealed for Ascii {
    const COMMA_LIST: bool = false;

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
    const COMMA_LIST: bool = true;

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
