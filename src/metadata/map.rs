//! [`MetadataMap`]: the metadata of a request, a response or a call's end, over the header map that
//! HTTP/2 gave or will take.
//!
//! Spec: PROTOCOL-HTTP2, Custom-Metadata. The map *is* the header map: making one from a received
//! head moves it, nothing is parsed, copied or taken out. Names that belong to gRPC stay inside
//! unseen; they are skipped when somebody looks and dropped when the map is sent.

use super::key::IntoMetadataKey;
use super::{Ascii, Binary, MetadataKey, MetadataValue, MetadataValueRef, ValueEncoding, names};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use std::{fmt, marker::PhantomData};

/// Metadata: names and values beside the messages of a call.
///
/// Names ending in `-bin` hold arbitrary bytes and are reached by the methods ending in `_bin`; all
/// others hold text. A name may occur several times; the order of its values is kept.
///
/// Names that gRPC reserves are neither visible nor settable: everything beginning with `grpc-`
/// (but `grpc-previous-rpc-attempts` and `grpc-retry-pushback-ms`), `te` and `content-type`.
/// `user-agent` and the names of HTTP connections can be read where a peer sent them, and are left
/// out when a map is sent. So a received map can be sent on as it is.
///
/// An empty map allocates nothing.
///
/// ```
/// use temaki::metadata::MetadataMap;
///
/// let mut map = MetadataMap::new();
/// map.insert("x-request-id", "42".parse().unwrap());
/// map.append("x-request-id", "43".parse().unwrap());
/// assert_eq!(map.get("x-request-id").unwrap(), "42");
/// assert_eq!(map.get_all("x-request-id").iter().count(), 2);
/// assert_eq!(map.get("grpc-timeout"), None);
/// ```
#[derive(Clone, Default)]
pub struct MetadataMap {
    /// Everything that HTTP carried, the reserved names included.
    headers: HeaderMap,
}

impl MetadataMap {
    /// An empty map.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty map with room for `capacity` values.
    pub fn with_capacity(capacity: usize) -> Self {
        // More than a header map can ever hold is no reason to panic: it grows when it must.
        Self {
            headers: HeaderMap::try_with_capacity(capacity).unwrap_or_default(),
        }
    }

    /// A map over `headers`, without copying. Reserved names stay inside, invisible.
    pub fn from_headers(headers: HeaderMap) -> Self {
        Self { headers }
    }

    /// All of it, as HTTP carried it: reserved names included if the map was received.
    pub fn into_headers(self) -> HeaderMap {
        self.headers
    }

    /// As [`into_headers`](Self::into_headers), borrowed.
    pub fn as_headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Number of values, each piece of a comma-joined `-bin` list counted. Walks the map.
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Nothing visible inside?
    pub fn is_empty(&self) -> bool {
        self.headers.is_empty() || self.iter().next().is_none()
    }

    /// Removes everything; keeps the memory.
    pub fn clear(&mut self) {
        self.headers.clear();
    }

    /// The first text value of `key`. None for a name that is absent, reserved or ends in `-bin`.
    /// Case of `key` does not matter.
    pub fn get(&self, key: impl AsRef<str>) -> Option<MetadataValueRef<'_, Ascii>> {
        self.get_all(key).iter().next()
    }

    /// The first byte value of `key`, still encoded: see [`MetadataValueRef::to_bytes`]. None for a
    /// name that is absent or does not end in `-bin`.
    pub fn get_bin(&self, key: impl AsRef<str>) -> Option<MetadataValueRef<'_, Binary>> {
        self.get_all_bin(key).iter().next()
    }

    /// All text values of `key`, in the order of the wire. A comma inside a value is part of it.
    pub fn get_all(&self, key: impl AsRef<str>) -> GetAll<'_, Ascii> {
        GetAll::new(&self.headers, key.as_ref())
    }

    /// All byte values of `key`, in the order of the wire. A header that holds several, joined by
    /// commas, gives each.
    pub fn get_all_bin(&self, key: impl AsRef<str>) -> GetAll<'_, Binary> {
        GetAll::new(&self.headers, key.as_ref())
    }

    /// Is there a value of this name, of whichever encoding?
    pub fn contains_key(&self, key: impl AsRef<str>) -> bool {
        !names::is_reserved(key.as_ref()) && self.headers.contains_key(key.as_ref())
    }

    /// Sets the text value of `key` and removes what it had; the first value removed is returned.
    ///
    /// A reserved name changes nothing, and so does a value beyond the 24 thousand that a header
    /// map can hold.
    ///
    /// # Panics
    /// If `key` is a literal that is no key: upper-case letters, characters other than `0-9 a-z _ -
    /// .`, suffix `-bin`.
    pub fn insert(
        &mut self,
        key: impl IntoMetadataKey<Ascii>,
        value: MetadataValue<Ascii>,
    ) -> Option<MetadataValue<Ascii>> {
        self.put(key.into_key(), value)
    }

    /// As [`insert`](Self::insert), for a name ending in `-bin`.
    ///
    /// # Panics
    /// If `key` is a literal that is no key, or does not end in `-bin`.
    pub fn insert_bin(
        &mut self,
        key: impl IntoMetadataKey<Binary>,
        value: MetadataValue<Binary>,
    ) -> Option<MetadataValue<Binary>> {
        self.put(key.into_key(), value)
    }

    /// Adds a text value behind those that `key` has; true if it had any.
    ///
    /// A reserved name changes nothing, and so does a value beyond the 24 thousand that a header
    /// map can hold.
    ///
    /// # Panics
    /// As [`insert`](Self::insert).
    pub fn append(
        &mut self,
        key: impl IntoMetadataKey<Ascii>,
        value: MetadataValue<Ascii>,
    ) -> bool {
        self.add(key.into_key(), value)
    }

    /// As [`append`](Self::append), for a name ending in `-bin`.
    ///
    /// # Panics
    /// As [`insert_bin`](Self::insert_bin).
    pub fn append_bin(
        &mut self,
        key: impl IntoMetadataKey<Binary>,
        value: MetadataValue<Binary>,
    ) -> bool {
        self.add(key.into_key(), value)
    }

    /// Removes all text values of `key`; the first is returned.
    pub fn remove(&mut self, key: impl AsRef<str>) -> Option<MetadataValue<Ascii>> {
        self.take(key.as_ref())
    }

    /// Removes all byte values of `key`; the first is returned.
    pub fn remove_bin(&mut self, key: impl AsRef<str>) -> Option<MetadataValue<Binary>> {
        self.take(key.as_ref())
    }

    /// Every visible entry. Values of one name stand together, in their order.
    pub fn iter(&self) -> Iter<'_> {
        Iter {
            headers: self.headers.iter(),
            list: None,
        }
    }

    /// Every visible name, once.
    pub fn keys(&self) -> impl Iterator<Item = KeyRef> + '_ {
        self.headers
            .keys()
            .filter(|name| !names::is_reserved(name.as_str()))
            .map(|name| {
                if names::is_binary(name.as_str()) {
                    KeyRef::Binary(MetadataKey::of(name.clone()))
                } else {
                    KeyRef::Ascii(MetadataKey::of(name.clone()))
                }
            })
    }

    /// Every visible value.
    pub fn values(&self) -> impl Iterator<Item = ValueRef<'_>> {
        self.iter().map(|entry| match entry {
            KeyAndValueRef::Ascii(_, value) => ValueRef::Ascii(value),
            KeyAndValueRef::Binary(_, value) => ValueRef::Binary(value),
        })
    }

    /// Appends to `into` what may leave the process: all but the reserved names and those that
    /// HTTP/2 would refuse.
    pub(crate) fn extend_headers(&self, into: &mut HeaderMap) {
        //= GRPC-META-RESERVED  whatever a map holds, reserved names are not sent from it
        for (name, value) in &self.headers {
            // Too many for a header map: nothing that a peer's header limit would let through
            // anyway.
            if names::is_sendable(name.as_str())
                && into.try_append(name.clone(), value.clone()).is_err()
            {
                return;
            }
        }
    }

    fn put<VE: ValueEncoding>(
        &mut self,
        key: MetadataKey<VE>,
        value: MetadataValue<VE>,
    ) -> Option<MetadataValue<VE>> {
        if names::is_reserved(key.as_str()) {
            return None;
        }
        self.headers
            .try_insert(key.into_name(), value.into_header())
            .ok()
            .flatten()
            .map(MetadataValue::of)
    }

    fn add<VE: ValueEncoding>(&mut self, key: MetadataKey<VE>, value: MetadataValue<VE>) -> bool {
        !names::is_reserved(key.as_str())
            && self
                .headers
                .try_append(key.into_name(), value.into_header())
                .unwrap_or(false)
    }

    fn take<VE: ValueEncoding>(&mut self, key: &str) -> Option<MetadataValue<VE>> {
        let first = GetAll::<VE>::new(&self.headers, key)
            .iter()
            .next()?
            .to_owned();
        self.headers.remove(key);
        Some(first)
    }
}

/// Takes headers as they are, as [`MetadataMap::from_headers`].
impl From<HeaderMap> for MetadataMap {
    fn from(headers: HeaderMap) -> Self {
        Self::from_headers(headers)
    }
}

/// Appends entries of another map: `to.extend(from.iter())`.
impl<'a> Extend<KeyAndValueRef<'a>> for MetadataMap {
    fn extend<I: IntoIterator<Item = KeyAndValueRef<'a>>>(&mut self, entries: I) {
        for entry in entries {
            match entry {
                KeyAndValueRef::Ascii(key, value) => self.append(key, value.to_owned()),
                KeyAndValueRef::Binary(key, value) => self.append_bin(key, value.to_owned()),
            };
        }
    }
}

impl<'a> IntoIterator for &'a MetadataMap {
    type Item = KeyAndValueRef<'a>;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

/// Values whose name says that they are secret, or that are marked so, print as `[redacted]`;
/// others with control bytes escaped.
impl fmt::Debug for MetadataMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        for entry in self {
            match &entry {
                KeyAndValueRef::Ascii(key, value) => map.entry(key, &Shown(key, value)),
                KeyAndValueRef::Binary(key, value) => map.entry(key, &Shown(key, value)),
            };
        }
        map.finish()
    }
}

/// A value beside the name that decides whether it may be shown.
struct Shown<'a, VE: ValueEncoding>(&'a MetadataKey<VE>, &'a MetadataValueRef<'a, VE>);

impl<VE: ValueEncoding> fmt::Debug for Shown<'_, VE> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if names::is_secret(self.0.as_str()) {
            f.write_str("[redacted]")
        } else {
            self.1.fmt(f)
        }
    }
}

/// An entry of a [`MetadataMap`].
#[derive(Clone)]
pub enum KeyAndValueRef<'a> {
    /// Text.
    Ascii(MetadataKey<Ascii>, MetadataValueRef<'a, Ascii>),
    /// Bytes, under a name ending in `-bin`.
    Binary(MetadataKey<Binary>, MetadataValueRef<'a, Binary>),
}

/// A secret shows as in the map's own `Debug`: as `[redacted]`.
impl fmt::Debug for KeyAndValueRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ascii(key, value) => write!(f, "{key}: {:?}", Shown(key, value)),
            Self::Binary(key, value) => write!(f, "{key}: {:?}", Shown(key, value)),
        }
    }
}

/// A name in a [`MetadataMap`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyRef {
    /// Of text values.
    Ascii(MetadataKey<Ascii>),
    /// Of byte values; it ends in `-bin`.
    Binary(MetadataKey<Binary>),
}

/// A value in a [`MetadataMap`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueRef<'a> {
    /// Text.
    Ascii(MetadataValueRef<'a, Ascii>),
    /// Bytes.
    Binary(MetadataValueRef<'a, Binary>),
}

/// All values of one name. Made by [`MetadataMap::get_all`] and [`MetadataMap::get_all_bin`].
pub struct GetAll<'a, VE: ValueEncoding> {
    /// None where the name is reserved or of the other encoding.
    headers: Option<header::GetAll<'a, HeaderValue>>,
    encoding: PhantomData<VE>,
}

impl<'a, VE: ValueEncoding> GetAll<'a, VE> {
    fn new(headers: &'a HeaderMap, key: &str) -> Self {
        let visible = VE::is_valid_key(key) && !names::is_reserved(key);
        Self {
            headers: visible.then(|| headers.get_all(key)),
            encoding: PhantomData,
        }
    }

    /// The values from the first on.
    pub fn iter(&self) -> ValueIter<'a, VE> {
        ValueIter {
            headers: self.headers.as_ref().map(|all| all.iter()),
            list: None,
            encoding: PhantomData,
        }
    }
}

impl<'a, VE: ValueEncoding> IntoIterator for GetAll<'a, VE> {
    type Item = MetadataValueRef<'a, VE>;
    type IntoIter = ValueIter<'a, VE>;

    fn into_iter(self) -> ValueIter<'a, VE> {
        self.iter()
    }
}

impl<'a, VE: ValueEncoding> IntoIterator for &GetAll<'a, VE> {
    type Item = MetadataValueRef<'a, VE>;
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

/// The values of one name, in the order of the wire.
pub struct ValueIter<'a, VE: ValueEncoding> {
    headers: Option<header::ValueIter<'a, HeaderValue>>,
    /// The header that is being taken to pieces. Always None for text.
    list: Option<CommaList<'a>>,
    encoding: PhantomData<VE>,
}

impl<'a, VE: ValueEncoding> Iterator for ValueIter<'a, VE> {
    type Item = MetadataValueRef<'a, VE>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(piece) = self.list.as_mut().and_then(CommaList::next) {
                return Some(piece.of());
            }
            let header = self.headers.as_mut()?.next()?;
            if !VE::COMMA_LIST {
                return Some(MetadataValueRef::whole(header));
            }
            self.list = Some(CommaList::new(header));
        }
    }
}

/// Every visible entry of a [`MetadataMap`].
pub struct Iter<'a> {
    headers: header::Iter<'a, HeaderValue>,
    /// The `-bin` header that is being taken to pieces.
    list: Option<(&'a HeaderName, CommaList<'a>)>,
}

impl<'a> Iterator for Iter<'a> {
    type Item = KeyAndValueRef<'a>;

    fn next(&mut self) -> Option<KeyAndValueRef<'a>> {
        loop {
            if let Some((name, list)) = &mut self.list {
                if let Some(piece) = list.next() {
                    return Some(KeyAndValueRef::Binary(
                        MetadataKey::of((*name).clone()),
                        piece.of(),
                    ));
                }
            }
            let (name, header) = self
                .headers
                .find(|(name, _)| !names::is_reserved(name.as_str()))?;
            if !names::is_binary(name.as_str()) {
                return Some(KeyAndValueRef::Ascii(
                    MetadataKey::of(name.clone()),
                    MetadataValueRef::whole(header),
                ));
            }
            self.list = Some((name, CommaList::new(header)));
        }
    }
}

/// The pieces of one `-bin` header.
struct CommaList<'a> {
    header: &'a HeaderValue,
    /// What is still to come; None behind the last piece. An empty header is one empty value.
    rest: Option<&'a [u8]>,
}

/// One piece and the header it came from.
struct Piece<'a>(&'a HeaderValue, &'a [u8]);

impl<'a> CommaList<'a> {
    fn new(header: &'a HeaderValue) -> Self {
        Self {
            header,
            rest: Some(header.as_bytes()),
        }
    }

    //= GRPC-BIN-COMMA  split first, decode then: "," is no character of base64
    fn next(&mut self) -> Option<Piece<'a>> {
        let rest = self.rest?;
        let piece = match rest.iter().position(|b| *b == b',') {
            Some(comma) => {
                self.rest = rest.get(comma + 1..);
                &rest[..comma]
            }
            None => {
                self.rest = None;
                rest
            }
        };
        //= GRPC-META-TRIM  "a, b" is how a proxy joins two headers
        Some(Piece(self.header, piece.trim_ascii()))
    }
}

impl<'a> Piece<'a> {
    fn of<VE: ValueEncoding>(self) -> MetadataValueRef<'a, VE> {
        MetadataValueRef::piece(self.0, self.1)
    }
}
