//! [`MetadataMap`]: the metadata of a request, of a response or of a call's end, over the header map
//! of HTTP/2.
//!
//! Spec: [PROTOCOL-HTTP2], Custom-Metadata. The map *is* the header map. A received head is moved
//! into it: nothing is parsed, copied or taken out. Names that belong to gRPC stay inside. They are
//! skipped when the map is read, and left out when it is sent.
//!
//! [PROTOCOL-HTTP2]: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#requests

use std::fmt;

use http::HeaderMap;

use super::encoding::{Ascii, Binary, ValueEncoding};
use super::iter::{GetAll, Iter, KeyAndValueRef, Keys, Shown, Values};
use super::key::{IntoMetadataKey, MetadataKey};
use super::names;
use super::value::MetadataValue;
use super::view::BinaryMetadataValueRef;
use crate::header_map;

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
    //= GRPC-META-DUP  values of one name in the order of the wire, never merged
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

    /// The first text value of `key`. `None` for a name that is absent, reserved or ends in `-bin`.
    /// Upper and lower case of `key` are the same.
    pub fn get(&self, key: impl AsRef<str>) -> Option<&MetadataValue<Ascii>> {
        self.get_all(key).iter().next()
    }

    /// The first byte value of `key`, still encoded: see [`BinaryMetadataValueRef::to_bytes`].
    /// `None` for a name that is absent or does not end in `-bin`.
    ///
    /// This is a view and not a reference, because one header may hold several byte values.
    pub fn get_bin(&self, key: impl AsRef<str>) -> Option<BinaryMetadataValueRef<'_>> {
        self.get_all_bin(key).iter().next()
    }

    /// The first text value of `key`, to be changed. `None` as in [`get`](Self::get).
    pub fn get_mut(&mut self, key: impl AsRef<str>) -> Option<&mut MetadataValue<Ascii>> {
        let key = key.as_ref();
        let visible = Ascii::is_valid_key(key) && !names::is_reserved(key);
        let header = visible.then(|| self.headers.get_mut(key)).flatten()?;
        Some(MetadataValue::from_header_mut(header))
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
        Iter::new(&self.headers)
    }

    /// Every visible name, once.
    pub fn keys(&self) -> Keys<'_> {
        Keys::new(&self.headers)
    }

    /// Every visible value.
    pub fn values(&self) -> Values<'_> {
        Values::new(&self.headers)
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

    /// The size of what [`extend_headers`](Self::extend_headers) appends, as HTTP/2 counts a header
    /// list.
    pub(crate) fn sent_size(&self) -> usize {
        self.headers
            .iter()
            .filter(|(name, _)| names::is_sendable(name.as_str()))
            .map(|(name, value)| header_map::field_size(name.as_str().len(), value.len()))
            .sum()
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
        let first = GetAll::<VE>::new(&self.headers, key).iter().next()?;
        let first = VE::to_owned(first);
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
                KeyAndValueRef::Ascii(key, value) => self.append(key, value.clone()),
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
                KeyAndValueRef::Ascii(key, value) => map.entry(key, &Shown(key.as_str(), value)),
                KeyAndValueRef::Binary(key, value) => map.entry(key, &Shown(key.as_str(), value)),
            };
        }
        map.finish()
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::metadata::{AsciiMetadataKey, AsciiMetadataValue, KeyRef};

    /// A map as it comes from a peer: lines of `name: value`.
    fn received(lines: &[(&'static str, &[u8])]) -> MetadataMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_bytes(value).unwrap());
        }
        MetadataMap::from_headers(headers)
    }

    fn sent(map: &MetadataMap) -> Vec<(String, Vec<u8>)> {
        let mut headers = HeaderMap::new();
        map.extend_headers(&mut headers);
        headers
            .iter()
            .map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()))
            .collect()
    }

    fn decoded(values: GetAll<'_, Binary>) -> Vec<Option<Vec<u8>>> {
        values
            .iter()
            .map(|value| value.to_bytes().ok().map(|bytes| bytes.to_vec()))
            .collect()
    }

    //= GRPC-BIN-COMMA  type=test
    //= GRPC-META-TRIM  type=test
    #[test]
    fn b36_bin_comma_list_is_split() {
        type Row = (
            &'static [u8],
            &'static [Option<&'static [u8]>],
            &'static str,
        );
        let rows: [Row; 8] = [
            (b"", &[Some(b"")], "an empty header is one empty value"),
            (b"YQ", &[Some(b"a")], "no comma"),
            (b"YQ,Yg", &[Some(b"a"), Some(b"b")], "two, unpadded"),
            (b"YQ==,Yg==", &[Some(b"a"), Some(b"b")], "two, padded"),
            (
                b"YQ, Yg ,\tYw",
                &[Some(b"a"), Some(b"b"), Some(b"c")],
                "spaces from a proxy",
            ),
            (
                b"YQ,,Yg",
                &[Some(b"a"), Some(b""), Some(b"b")],
                "an empty one between",
            ),
            (b"YQ,", &[Some(b"a"), Some(b"")], "an empty one at the end"),
            (
                b"YQ,!,Yg",
                &[Some(b"a"), None, Some(b"b")],
                "a bad one leaves its neighbours whole",
            ),
        ];
        for (header, expected, why) in rows {
            let map = received(&[("x-bin", header)]);
            let expected: Vec<_> = expected
                .iter()
                .map(|value| value.map(<[u8]>::to_vec))
                .collect();
            assert_eq!(decoded(map.get_all_bin("x-bin")), expected, "{why}");
            assert_eq!(map.len(), expected.len(), "len: {why}");
            assert_eq!(map.values().count(), expected.len(), "values: {why}");
            let first = map.get_bin("x-bin").unwrap().to_owned();
            assert_eq!(
                first.to_bytes().unwrap(),
                expected[0].clone().unwrap(),
                "first: {why}"
            );
        }
        let two = received(&[("x-bin", b"YQ,Yg"), ("x-bin", b"Yw")]);
        assert_eq!(
            decoded(two.get_all_bin("x-bin")),
            [b"a", b"b", b"c"].map(|value| Some(value.to_vec())),
            "across headers"
        );
    }

    #[test]
    fn b37_bad_base64_neither_panics_nor_stops_the_map() {
        let map = received(&[("x-bin", b"%%%"), ("y", b"1")]);
        assert!(map.get_bin("x-bin").unwrap().to_bytes().is_err());
        assert_eq!(map.len(), 2);
        assert_eq!(
            format!("{map:?}"),
            r#"{"x-bin": [not base64: "%%%"], "y": "1"}"#
        );
        assert_eq!(
            sent(&map)[0],
            ("x-bin".to_owned(), b"%%%".to_vec()),
            "sent on as it came"
        );
    }

    //= GRPC-META-DUP  type=test
    #[test]
    fn b38_duplicates_keep_their_order_and_text_is_not_split() {
        let mut map = received(&[("a", b"1,2"), ("b", b"x"), ("a", b"3")]);
        assert!(map.append("a", "4".parse().unwrap()));
        assert!(!map.append("c", "5".parse().unwrap()));
        let all: Vec<_> = map
            .get_all("a")
            .iter()
            .map(|value| value.to_str().unwrap())
            .collect();
        assert_eq!(all, ["1,2", "3", "4"]);
        assert_eq!(map.get("a").unwrap(), "1,2");
        let sent: Vec<_> = sent(&map)
            .into_iter()
            .filter(|(name, _)| name == "a")
            .collect();
        assert_eq!(sent.len(), 3);
        assert_eq!(map.insert("a", "6".parse().unwrap()).unwrap(), "1,2");
        assert_eq!(map.get_all("a").iter().count(), 1);
        assert_eq!(map.remove("a").unwrap(), "6");
        assert_eq!(map.get("a"), None);
    }

    //= GRPC-META-RESERVED  type=test
    #[test]
    fn b39_reserved_names_are_unseen_and_unsent() {
        let mut map = received(&[
            ("te", b"trailers"),
            ("content-type", b"application/grpc"),
            ("grpc-timeout", b"1S"),
            ("grpc-status-details-bin", b"AAEC"),
            ("grpc-previous-rpc-attempts", b"2"),
            ("user-agent", b"grpc-c/1"),
            ("connection", b"close"),
            ("bad~name", b"HTTP allows it, gRPC does not"),
            ("x-id", b"7"),
        ]);
        for name in ["te", "Content-Type", "grpc-timeout", "GRPC-TIMEOUT"] {
            assert_eq!(map.get(name), None, "{name}");
            assert!(!map.contains_key(name), "{name}");
            assert_eq!(
                map.remove(name),
                None,
                "{name} is not the application's to remove"
            );
        }
        assert_eq!(map.get_bin("grpc-status-details-bin"), None);
        assert_eq!(map.get("grpc-previous-rpc-attempts").unwrap(), "2");
        assert_eq!(
            map.get("user-agent").unwrap(),
            "grpc-c/1",
            "what the caller is may be read"
        );
        assert_eq!(map.len(), 5);
        assert_eq!(map.keys().count(), 5);
        let names: Vec<_> = sent(&map).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["grpc-previous-rpc-attempts", "x-id"]);

        assert_eq!(map.insert("grpc-timeout", "9S".parse().unwrap()), None);
        assert!(!map.append("te", "gzip".parse().unwrap()));
        assert_eq!(map.as_headers()["grpc-timeout"], "1S", "not overwritten");
        assert_eq!(
            map.as_headers().get_all("te").iter().count(),
            1,
            "nor added to"
        );

        let only_reserved = received(&[("te", b"trailers")]);
        assert!(only_reserved.is_empty());
        assert_eq!(only_reserved.as_headers().len(), 1, "the head is whole");
    }

    //= GRPC-META-NAME  type=test
    #[test]
    fn b40_a_bad_name_finds_nothing() {
        let map = received(&[("x-id", b"7"), ("x-bin", b"YQ")]);
        for name in ["", "x id", "x\nid", "é", ":path", "x-bin"] {
            assert_eq!(map.get(name), None, "{name:?}");
        }
        assert_eq!(map.get_bin("x-id"), None, "the other encoding");
        assert_eq!(
            map.get("X-ID").unwrap(),
            "7",
            "case does not matter to a reader"
        );
    }

    #[test]
    #[should_panic(expected = "only 0-9 a-z _ - . are allowed")]
    fn b40_a_bad_literal_panics_in_insert() {
        MetadataMap::new().insert("X-Id", "7".parse().unwrap());
    }

    //= GRPC-META-ASCII  type=test
    #[test]
    fn b41_odd_values_are_kept_and_sent_on() {
        let odd: &[u8] = b"caf\xc3\xa9 \x80\xff";
        let request = received(&[("x-odd", odd), ("x-bin", b"YQ==,Yg")]);
        assert_eq!(request.get("x-odd").unwrap().as_bytes(), odd);
        assert!(request.get("x-odd").unwrap().to_str().is_err());
        let mut response = MetadataMap::new();
        response.extend(&request);
        assert_eq!(response.get("x-odd").unwrap().as_bytes(), odd);
        assert_eq!(decoded(response.get_all_bin("x-bin")).len(), 2);
        assert_eq!(
            sent(&request),
            [
                ("x-odd".to_owned(), odd.to_vec()),
                ("x-bin".to_owned(), b"YQ==,Yg".to_vec()),
            ]
        );
    }

    //= GRPC-META-TRIM  type=test
    #[test]
    fn b42_spaces_around_text_are_kept() {
        assert_eq!(received(&[("x", b"  a ")]).get("x").unwrap(), "  a ");
    }

    #[test]
    fn what_a_map_lends_is_compared_cloned_and_changed() {
        let mut map = received(&[("a", b"1"), ("te", b"trailers"), ("x-bin", b"YQ,Yg")]);
        assert_eq!(map.get("a"), Some(&"1".parse().unwrap()));
        let owned: Option<AsciiMetadataValue> = map.get("a").cloned();
        assert_eq!(owned.unwrap(), "1");
        let bytes = crate::metadata::MetadataValue::from_bytes(b"a");
        assert!(map.get_bin("x-bin").is_some_and(|found| found == bytes));
        let names: Vec<&str> = map.keys().map(|key| key.as_str()).collect();
        assert_eq!(names, ["a", "x-bin"]);
        *map.get_mut("A").unwrap() = "2".parse().unwrap();
        assert_eq!(map.get("a").unwrap(), "2");
        assert!(map.get_mut("te").is_none() && map.get_mut("x-bin").is_none());
    }

    #[test]
    fn entries_say_which_encoding_they_are_of() {
        let map = received(&[("a", b"1"), ("x-bin", b"YQ")]);
        let shown: Vec<_> = map.iter().map(|entry| format!("{entry:?}")).collect();
        assert_eq!(shown, [r#"a: "1""#, r#"x-bin: "a""#]);
        assert!(
            map.keys()
                .any(|key| matches!(key, KeyRef::Binary(key) if key == "x-bin"))
        );
    }

    #[test]
    fn debug_hides_secrets_and_escapes_the_rest() {
        let map = received(&[
            ("authorization", b"Bearer hunter2"),
            ("x-session-token-bin", b"aHVudGVyMg"),
            ("x-odd", b"\t\x9b31m"),
        ]);
        assert_eq!(
            format!("{map:?}"),
            r#"{"authorization": [redacted], "x-session-token-bin": [redacted], "x-odd": "\t\x9b31m"}"#
        );
        let entry = format!("{:?}", map.iter().next().unwrap());
        assert_eq!(entry, "authorization: [redacted]");
    }

    #[test]
    fn more_than_a_header_map_holds_is_dropped() {
        let mut map = MetadataMap::with_capacity(usize::MAX);
        for n in 0..40_000_u32 {
            let key = AsciiMetadataKey::from_bytes(format!("k{n}").as_bytes()).unwrap();
            map.insert(&key, AsciiMetadataValue::from(n));
        }
        assert!((20_000..40_000).contains(&map.len()), "{}", map.len());
        let mut headers = map.as_headers().clone();
        map.extend_headers(&mut headers);
    }
}
