//! A list of codings is read, and what was read is written and read again as it was.
#![no_main]

use libfuzzer_sys::fuzz_target;
use temaki::wire::content_coding::{is, list, names};

fuzz_target!(|data: &[u8]| {
    let read: Vec<&str> = names(data).filter_map(|name| std::str::from_utf8(name).ok()).collect();
    assert!(read.iter().all(|name| is(name.as_bytes(), name)));
    let written = list(read.iter().copied());
    let mut again = names(written.as_bytes());
    assert!(read.iter().all(|name| again.next() == Some(name.as_bytes())));
    assert_eq!(again.next(), Some(&b"identity"[..]));
});
