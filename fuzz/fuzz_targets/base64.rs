//! Bytes survive, and text that is not base64 is an error.
#![no_main]

use libfuzzer_sys::fuzz_target;
use temaki::wire::base64::{decode, encode, split};

fuzz_target!(|data: &[u8]| {
    let written = encode(data);
    assert!(!written.contains('='), "unpadded");
    assert_eq!(decode(written.as_bytes()).as_deref(), Ok(data));
    for value in split(data) {
        match decode(value) {
            Ok(bytes) => assert_eq!(decode(encode(&bytes).as_bytes()), Ok(bytes)),
            Err(error) => drop(error.to_string()),
        }
    }
});
