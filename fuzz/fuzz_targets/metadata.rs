//! Metadata of a peer is read, shown and sent on, whatever is in it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use temaki::metadata::{AsciiMetadataKey, BinaryMetadataKey, KeyAndValueRef, MetadataMap};
use temaki_fuzz::headers;

fuzz_target!(|data: &[u8]| {
    let metadata = MetadataMap::from_headers(headers(data));
    let shown = format!("{metadata:?}");
    assert!(shown.chars().all(|char| !char.is_control()), "{shown:?}");
    for entry in metadata.iter() {
        match entry {
            KeyAndValueRef::Ascii(_, value) => drop(value.to_str().map(str::len)),
            KeyAndValueRef::Binary(_, value) => drop(value.to_bytes()),
        }
    }
    let mut again = MetadataMap::new();
    again.extend(metadata.iter());
    assert_eq!(again.len(), metadata.len());
    for key in metadata.keys() {
        drop(format!("{key:?}"));
    }
    if let Ok(key) = AsciiMetadataKey::from_bytes(data) {
        assert!(!key.as_str().ends_with("-bin"));
    }
    if let Ok(key) = BinaryMetadataKey::from_bytes(data) {
        assert!(key.as_str().ends_with("-bin"));
    }
});
