//! A timeout that can be read can be written, and never becomes shorter.
#![no_main]

use libfuzzer_sys::fuzz_target;
use temaki::wire::timeout::{decode, encode};

fuzz_target!(|data: &[u8]| {
    match decode(data) {
        Ok(timeout) => {
            let written = encode(timeout);
            assert!((2..=9).contains(&written.as_bytes().len()));
            assert!(decode(written.as_bytes()).expect("what we write we can read") >= timeout);
        }
        Err(error) => assert!(error.to_string().chars().all(|char| !char.is_control())),
    }
});
