//! A list of codings is a set, which is written and read again as it was.
#![no_main]

use libfuzzer_sys::fuzz_target;
use temaki::wire::content_coding::{ContentCoding, ContentCodings};

fuzz_target!(|data: &[u8]| {
    let set = ContentCodings::parse(data);
    assert!(set.contains(ContentCoding::Identity));
    assert!(set.iter().all(|coding| set.contains(coding)));
    assert!(ContentCodings::parse(set.wire().as_bytes()) == set);
    if let Some(coding) = ContentCoding::parse(data) {
        assert!(set.contains(coding));
    }
});
