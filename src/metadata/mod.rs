//! Metadata: what a call says beside its messages, before the first of them and at its end.
//!
//! [`MetadataMap`] is the map, a [`MetadataKey`] a name, a [`MetadataValue`] a value. Values are text,
//! or arbitrary bytes under names ending in `-bin`; the type parameter [`Ascii`] or [`Binary`] says
//! which. A byte value inside a map is a [`BinaryMetadataValueRef`].
//!
//! Where this differs from tonic: reserved names cannot be set or seen. Several `-bin` values in one
//! comma-joined header are several values; therefore `get_bin` returns a view instead of a reference.
//!
//! Trace context of OpenTelemetry, whose traits these two have the shape of:
//!
//! ```
//! use temaki::metadata::{MetadataKey, MetadataMap, MetadataValue};
//!
//! struct Carrier<M>(M);
//! // impl opentelemetry::propagation::Extractor
//! impl Carrier<&MetadataMap> {
//!     fn get(&self, key: &str) -> Option<&str> {
//!         self.0.get(key)?.to_str().ok()
//!     }
//!     fn keys(&self) -> Vec<&str> {
//!         self.0.keys().map(|key| key.as_str()).collect()
//!     }
//! }
//! // impl opentelemetry::propagation::Injector
//! impl Carrier<&mut MetadataMap> {
//!     fn set(&mut self, key: &str, value: String) {
//!         let key = MetadataKey::from_bytes(key.as_bytes());
//!         if let (Ok(key), Ok(value)) = (key, MetadataValue::try_from(&value)) {
//!             self.0.insert(key, value);
//!         }
//!     }
//! }
//! let mut map = MetadataMap::new();
//! Carrier(&mut map).set("traceparent", "00-4bf92f35-00f067aa-01".to_owned());
//! assert_eq!(Carrier(&map).keys(), ["traceparent"]);
//! assert!(Carrier(&map).get("traceparent").is_some());
//! ```
//!
//! Spec: [PROTOCOL-HTTP2], Custom-Metadata.
//!
//! [PROTOCOL-HTTP2]: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#requests

mod encoding;
pub mod errors;
mod iter;
mod key;
mod map;
pub(crate) mod names;
mod value;
mod view;

pub use encoding::{Ascii, Binary, InvalidMetadataValue, InvalidMetadataValueBytes, ValueEncoding};
pub use iter::{GetAll, Iter, KeyAndValueRef, KeyRef, Keys, ValueIter, ValueRef, Values};
pub use key::{
    AsciiMetadataKey, BinaryMetadataKey, IntoMetadataKey, InvalidMetadataKey, MetadataKey,
};
pub use map::MetadataMap;
pub use value::{AsciiMetadataValue, BinaryMetadataValue, MetadataValue, ToStrError};
pub use view::BinaryMetadataValueRef;

/// The empty map that accessors lend where nothing was ever set.
pub(crate) fn empty() -> &'static MetadataMap {
    static EMPTY: std::sync::LazyLock<MetadataMap> = std::sync::LazyLock::new(MetadataMap::new);
    &EMPTY
}
