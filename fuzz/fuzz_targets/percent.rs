//! A message is always read, and what was read is written and read again as it was.
#![no_main]

use libfuzzer_sys::fuzz_target;
use temaki::wire::percent::{decode, encode};

fuzz_target!(|data: &[u8]| {
    let read = decode(data);
    let written = encode(&read);
    assert!(written.bytes().all(|byte| (0x20..=0x7e).contains(&byte)));
    assert_eq!(decode(written.as_bytes()), read);
});
