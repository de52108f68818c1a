//! What is taken for gRPC begins like it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use temaki::wire::content_type::{APPLICATION_GRPC, parse};

fuzz_target!(|data: &[u8]| {
    if parse(data).is_some() {
        let start = &data.trim_ascii_start()[..APPLICATION_GRPC.len()];
        assert!(start.eq_ignore_ascii_case(APPLICATION_GRPC.as_bytes()));
    }
});
