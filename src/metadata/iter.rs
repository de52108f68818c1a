//! What a [`MetadataMap`](super::MetadataMap) lends: its entries, its names, its values, and the values
//! of one name.
//!
//! Text is lent by reference, as the header that holds it. A `-bin` header may hold several values,
//! joined with commas by a proxy (the rule is [`base64::split`]'s), so those are lent as views. Reserved names
//! are skipped here; this file does not know what makes a name reserved.

use std::fmt;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use super::encoding::{Ascii, Binary, ValueEncoding};
use super::key::MetadataKey;
use super::names;
use super::value::MetadataValue;
use super::view::BinaryMetadataValueRef;
use crate::wire::base64;

/// An entry of a [`MetadataMap`](super::MetadataMap).
#[derive(Clone, Copy)]
pub enum KeyAndValueRef<'a> {
    /// Text.
    Ascii(&'a MetadataKey<Ascii>, &'a MetadataValue<Ascii>),
    /// Bytes, under a name ending in `-bin`.
    Binary(&'a MetadataKey<Binary>, BinaryMetadataValueRef<'a>),
}

/// A name in a [`MetadataMap`](super::MetadataMap).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyRef<'a> {
    /// Of text values.
    Ascii(&'a MetadataKey<Ascii>),
    /// Of byte values; it ends in `-bin`.
    Binary(&'a MetadataKey<Binary>),
}

impl<'a> KeyRef<'a> {
    /// The name, lower-case.
    pub fn as_str(self) -> &'a str {
        match self {
            Self::Ascii(key) => key.as_str(),
            Self::Binary(key) => key.as_str(),
        }
    }
}

/// A value in a [`MetadataMap`](super::MetadataMap).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueRef<'a> {
    /// Text.
    Ascii(&'a MetadataValue<Ascii>),
    /// Bytes.
    Binary(BinaryMetadataValueRef<'a>),
}

/// A value beside its name. The name decides whether the value may be shown.
pub(super) struct Shown<'a, V>(pub(super) &'a str, pub(super) &'a V);

impl<V: fmt::Debug> fmt::Debug for Shown<'_, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if names::is_secret(self.0) {
            f.write_str("[redacted]")
        } else {
            self.1.fmt(f)
        }
    }
}

/// A secret is shown as in the map's own `Debug`: as `[redacted]`.
impl fmt::Debug for KeyAndValueRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ascii(key, value) => write!(f, "{key}: {:?}", Shown(key.as_str(), value)),
            Self::Binary(key, value) => write!(f, "{key}: {:?}", Shown(key.as_str(), value)),
        }
    }
}

/// All values of one name. Made by [`MetadataMap::get_all`](super::MetadataMap::get_all) and
/// [`MetadataMap::get_all_bin`](super::MetadataMap::get_all_bin).
pub struct GetAll<'a, VE: ValueEncoding> {
    /// `None` if the name is reserved or of the other encoding.
    headers: Option<header::GetAll<'a, HeaderValue>>,
    encoding: std::marker::PhantomData<VE>,
}

impl<'a, VE: ValueEncoding> GetAll<'a, VE> {
    pub(super) fn new(headers: &'a HeaderMap, key: &str) -> Self {
        let visible = VE::is_valid_key(key) && !names::is_reserved(key);
        Self {
            headers: visible.then(|| headers.get_all(key)),
            encoding: std::marker::PhantomData,
        }
    }

    /// The values from the first on.
    pub fn iter(&self) -> ValueIter<'a, VE> {
        ValueIter {
            headers: self.headers.as_ref().map(|all| all.iter()),
            pieces: None,
            encoding: std::marker::PhantomData,
        }
    }
}

impl<'a, VE: ValueEncoding> IntoIterator for GetAll<'a, VE> {
    type Item = VE::Ref<'a>;
    type IntoIter = ValueIter<'a, VE>;

    fn into_iter(self) -> ValueIter<'a, VE> {
        self.iter()
    }
}

impl<'a, VE: ValueEncoding> IntoIterator for &GetAll<'a, VE> {
    type Item = VE::Ref<'a>;
    type IntoIter = ValueIter<'a, VE>;

    fn into_iter(self) -> ValueIter<'a, VE> {
        self.iter()
    }
}

impl<VE: ValueEncoding> fmt::Debug for GetAll<'_, VE> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self).finish()
    }
}

/// The values of one `-bin` header, one after the other.
struct Pieces<'a> {
    header: &'a HeaderValue,
    rest: base64::Split<'a>,
}

impl<'a> Pieces<'a> {
    fn of(header: &'a HeaderValue) -> Self {
        let rest = base64::split(header.as_bytes());
        Self { header, rest }
    }

    fn next(&mut self) -> Option<BinaryMetadataValueRef<'a>> {
        let piece = self.rest.next()?;
        Some(BinaryMetadataValueRef::piece(self.header, piece))
    }
}

/// The values of one name, in the order of the wire.
pub struct ValueIter<'a, VE: ValueEncoding> {
    headers: Option<header::ValueIter<'a, HeaderValue>>,
    /// The values of the current header. Always `None` for text.
    pieces: Option<Pieces<'a>>,
    encoding: std::marker::PhantomData<VE>,
}

impl<'a, VE: ValueEncoding> Iterator for ValueIter<'a, VE> {
    type Item = VE::Ref<'a>;

    fn next(&mut self) -> Option<VE::Ref<'a>> {
        loop {
            if let Some(piece) = self.pieces.as_mut().and_then(Pieces::next) {
                return VE::of_piece(piece);
            }
            let header = self.headers.as_mut()?.next()?;
            if let Some(whole) = VE::of_header(header) {
                return Some(whole);
            }
            self.pieces = Some(Pieces::of(header));
        }
    }
}

/// Every visible entry of a [`MetadataMap`](super::MetadataMap).
pub struct Iter<'a> {
    headers: header::Iter<'a, HeaderValue>,
    /// The `-bin` header whose values are being given.
    pieces: Option<(&'a HeaderName, Pieces<'a>)>,
}

impl<'a> Iter<'a> {
    pub(super) fn new(headers: &'a HeaderMap) -> Self {
        Self {
            headers: headers.iter(),
            pieces: None,
        }
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = KeyAndValueRef<'a>;

    fn next(&mut self) -> Option<KeyAndValueRef<'a>> {
        loop {
            if let Some((name, pieces)) = &mut self.pieces {
                if let Some(piece) = pieces.next() {
                    let key = MetadataKey::from_name_ref(name);
                    return Some(KeyAndValueRef::Binary(key, piece));
                }
            }
            let mut visible = |(name, _): &(&HeaderName, _)| !names::is_reserved(name.as_str());
            let (name, header) = self.headers.find(&mut visible)?;
            if !names::is_binary(name.as_str()) {
                return Some(KeyAndValueRef::Ascii(
                    MetadataKey::from_name_ref(name),
                    MetadataValue::from_header_ref(header),
                ));
            }
            self.pieces = Some((name, Pieces::of(header)));
        }
    }
}

/// Every visible name of a [`MetadataMap`](super::MetadataMap), once.
pub struct Keys<'a>(header::Keys<'a, HeaderValue>);

impl<'a> Keys<'a> {
    pub(super) fn new(headers: &'a HeaderMap) -> Self {
        Self(headers.keys())
    }
}

impl<'a> Iterator for Keys<'a> {
    type Item = KeyRef<'a>;

    fn next(&mut self) -> Option<KeyRef<'a>> {
        let name = self.0.find(|name| !names::is_reserved(name.as_str()))?;
        Some(if names::is_binary(name.as_str()) {
            KeyRef::Binary(MetadataKey::from_name_ref(name))
        } else {
            KeyRef::Ascii(MetadataKey::from_name_ref(name))
        })
    }
}

/// Every visible value of a [`MetadataMap`](super::MetadataMap).
pub struct Values<'a>(Iter<'a>);

impl<'a> Values<'a> {
    pub(super) fn new(headers: &'a HeaderMap) -> Self {
        Self(Iter::new(headers))
    }
}

impl<'a> Iterator for Values<'a> {
    type Item = ValueRef<'a>;

    fn next(&mut self) -> Option<ValueRef<'a>> {
        Some(match self.0.next()? {
            KeyAndValueRef::Ascii(_, value) => ValueRef::Ascii(value),
            KeyAndValueRef::Binary(_, value) => ValueRef::Binary(value),
        })
    }
}

// The values that are still to come may be secret: an iterator does not show them.

macro_rules! shows_its_name {
    ($($name:ident $(<$encoding:ident>)?)*) => {$(
        impl<$($encoding: ValueEncoding)?> fmt::Debug for $name<'_ $(, $encoding)?> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(stringify!($name))
            }
        }
    )*};
}
shows_its_name!(ValueIter<VE> Iter Keys Values);
