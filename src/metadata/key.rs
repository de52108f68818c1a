//! [`MetadataKey`]: the name of a metadata entry, checked once when it is made.
//!
//! Spec: [PROTOCOL-HTTP2], Header-Name: digits, lower-case letters, `_`, `-`, `.`. The key knows
//! whether its values are text or bytes, not whether gRPC reserves it: that is asked where entries
//! are read and sent ([`MetadataMap`](super::MetadataMap)).
//!
//! [PROTOCOL-HTTP2]: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#requests

use super::{Ascii, Binary, ValueEncoding, names};
use http::HeaderName;
use ref_cast::{RefCastCustom, ref_cast_custom};
use std::{error::Error, fmt, marker::PhantomData, str::FromStr};

/// The name of a metadata entry whose values are written as `VE` says. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, RefCastCustom)]
#[repr(transparent)]
pub struct MetadataKey<VE: ValueEncoding> {
    name: HeaderName,
    #[trivial]
    encoding: PhantomData<VE>,
}

/// The name of text values.
pub type AsciiMetadataKey = MetadataKey<Ascii>;

/// The name of byte values; it ends in `-bin`.
pub type BinaryMetadataKey = MetadataKey<Binary>;

impl<VE: ValueEncoding> MetadataKey<VE> {
    /// A key from bytes that are known at run time. Upper-case letters become lower-case, as in
    /// `http`.
    ///
    /// # Errors
    /// A character outside `0-9 a-z _ - .`, or a suffix that does not fit `VE`.
    pub fn from_bytes(src: &[u8]) -> Result<Self, InvalidMetadataKey> {
        let name = HeaderName::from_bytes(src).map_err(|_| InvalidMetadataKey::Characters)?;
        if !names::is_well_formed(name.as_str()) {
            return Err(InvalidMetadataKey::Characters);
        }
        if !VE::is_valid_key(name.as_str()) {
            return Err(InvalidMetadataKey::Suffix);
        }
        Ok(Self::of(name))
    }

    /// A key from a literal.
    ///
    /// # Panics
    /// If the literal is no key, upper-case letters included, or its suffix does not fit `VE`. Use
    /// [`from_bytes`](Self::from_bytes) for anything that is not a literal.
    pub fn from_static(src: &'static str) -> Self {
        assert!(
            names::is_well_formed(src),
            "metadata key {src:?}: only 0-9 a-z _ - . are allowed"
        );
        assert!(
            VE::is_valid_key(src),
            "metadata key {src:?}: binary keys end in -bin, and only they"
        );
        Self::of(HeaderName::from_static(src))
    }

    /// The name, lower-case.
    pub fn as_str(&self) -> &str {
        self.name.as_str()
    }

    /// The same name, seen as a key. Nothing is checked.
    #[ref_cast_custom]
    pub(super) const fn from_name_ref(name: &HeaderName) -> &Self;

    pub(super) fn of(name: HeaderName) -> Self {
        Self {
            name,
            encoding: PhantomData,
        }
    }

    pub(super) fn into_name(self) -> HeaderName {
        self.name
    }
}

/// What [`MetadataMap::insert`](super::MetadataMap::insert) takes as a key: a literal (checked,
/// panics if bad) or a [`MetadataKey`].
///
/// Only `'static` text, so that nobody panics on a name that came from outside. Sealed.
pub trait IntoMetadataKey<VE: ValueEncoding>: sealed::Sealed<VE> {}

mod sealed {
    use super::*;

    pub trait Sealed<VE: ValueEncoding> {
        fn into_key(self) -> MetadataKey<VE>;
    }
}
pub(super) use sealed::Sealed as IntoKey;

impl<VE: ValueEncoding> IntoMetadataKey<VE> for &'static str {}
impl<VE: ValueEncoding> IntoKey<VE> for &'static str {
    fn into_key(self) -> MetadataKey<VE> {
        MetadataKey::from_static(self)
    }
}

impl<VE: ValueEncoding> IntoMetadataKey<VE> for MetadataKey<VE> {}
impl<VE: ValueEncoding> IntoKey<VE> for MetadataKey<VE> {
    fn into_key(self) -> MetadataKey<VE> {
        self
    }
}

impl<VE: ValueEncoding> IntoMetadataKey<VE> for &MetadataKey<VE> {}
impl<VE: ValueEncoding> IntoKey<VE> for &MetadataKey<VE> {
    fn into_key(self) -> MetadataKey<VE> {
        self.clone()
    }
}

impl<VE: ValueEncoding> FromStr for MetadataKey<VE> {
    type Err = InvalidMetadataKey;

    fn from_str(src: &str) -> Result<Self, InvalidMetadataKey> {
        Self::from_bytes(src.as_bytes())
    }
}

impl<VE: ValueEncoding> AsRef<str> for MetadataKey<VE> {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl<VE: ValueEncoding> PartialEq<str> for MetadataKey<VE> {
    fn eq(&self, other: &str) -> bool {
        self.name == *other
    }
}

impl<VE: ValueEncoding> PartialEq<&str> for MetadataKey<VE> {
    fn eq(&self, other: &&str) -> bool {
        self.name == **other
    }
}

impl<VE: ValueEncoding> fmt::Debug for MetadataKey<VE> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl<VE: ValueEncoding> fmt::Display for MetadataKey<VE> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a text is no [`MetadataKey`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum InvalidMetadataKey {
    /// Empty, or a character outside `0-9 a-z _ - .`.
    Characters,
    /// A binary key without the suffix `-bin`, or a text key with it.
    Suffix,
}

impl fmt::Display for InvalidMetadataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Characters => {
                "metadata key is empty or holds a character other than 0-9 a-z _ - ."
            }
            Self::Suffix => "metadata key for bytes must end in -bin, and a key for text must not",
        })
    }
}

impl Error for InvalidMetadataKey {}

#[cfg(test)]
mod tests {
    use super::*;

    //= GRPC-META-NAME  type=test
    #[test]
    fn b40_keys_are_checked_when_made() {
        let rows: [(&[u8], Result<&str, InvalidMetadataKey>, &str); 8] = [
            (
                b"",
                Err(InvalidMetadataKey::Characters),
                "at least one character",
            ),
            (b"x-request-id", Ok("x-request-id"), "ordinary"),
            (
                b"X-Request-Id",
                Ok("x-request-id"),
                "lower-cased, as http does",
            ),
            (b"a_b.c-9", Ok("a_b.c-9"), "every class of character"),
            (
                b"a~b",
                Err(InvalidMetadataKey::Characters),
                "HTTP would take it, gRPC does not",
            ),
            (b"a b", Err(InvalidMetadataKey::Characters), "space"),
            (
                b"\xff",
                Err(InvalidMetadataKey::Characters),
                "not UTF-8 at all",
            ),
            (
                b"trace-bin",
                Err(InvalidMetadataKey::Suffix),
                "bytes under a text key",
            ),
        ];
        for (input, expected, why) in rows {
            let found = AsciiMetadataKey::from_bytes(input);
            assert_eq!(
                found.as_ref().map(MetadataKey::as_str),
                expected.as_ref().copied(),
                "{why}"
            );
        }
        assert_eq!(
            BinaryMetadataKey::from_bytes(b"trace-bin").unwrap(),
            "trace-bin"
        );
        assert_eq!(
            "trace".parse::<BinaryMetadataKey>(),
            Err(InvalidMetadataKey::Suffix)
        );
    }

    #[test]
    #[should_panic(expected = "only 0-9 a-z _ - . are allowed")]
    fn b40_a_literal_in_upper_case_panics() {
        AsciiMetadataKey::from_static("X-Id");
    }

    #[test]
    #[should_panic(expected = "binary keys end in -bin")]
    fn a_literal_of_the_other_encoding_panics() {
        AsciiMetadataKey::from_static("x-bin");
    }
}
