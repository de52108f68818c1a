//! Metadata: what a call says beside its messages, before the first of them and at its end.
//!
//! [`MetadataMap`] is the map, a [`MetadataKey`] a name, a [`MetadataValue`] a value (a
//! [`MetadataValueRef`] one inside a map). Values are text, or arbitrary bytes under names ending
//! in `-bin`; the type parameter [`Ascii`] or [`Binary`] says which.
//!
//! Where this differs from tonic: reserved names cannot be set or seen; `get` gives a view that is
//! copied freely instead of a reference; several `-bin` values in one comma-joined header come out
//! as several values; there is no mutable access into the map (insert anew).
//!
//! Spec: [PROTOCOL-HTTP2], Custom-Metadata.
//!
//! [PROTOCOL-HTTP2]: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#requests

mod encoding;
mod key;
mod map;
pub(crate) mod names;
mod value;

pub use encoding::{Ascii, Binary, InvalidMetadataValue, InvalidMetadataValueBytes, ValueEncoding};
pub use key::{
    AsciiMetadataKey, BinaryMetadataKey, IntoMetadataKey, InvalidMetadataKey, MetadataKey,
};
pub use map::{GetAll, Iter, KeyAndValueRef, KeyRef, MetadataMap, ValueIter, ValueRef};
pub use value::{
    AsciiMetadataValue, BinaryMetadataValue, MetadataValue, MetadataValueRef, ToStrError,
};

/// The empty map that accessors lend where nothing was ever set.
pub(crate) fn empty() -> &'static MetadataMap {
    static EMPTY: std::sync::LazyLock<MetadataMap> = std::sync::LazyLock::new(MetadataMap::new);
    &EMPTY
}
