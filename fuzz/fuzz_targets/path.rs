//! A path that comes apart goes together again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use temaki::wire::path::{join, split};

fuzz_target!(|path: &str| {
    if let Some((service, method)) = split(path) {
        assert_eq!(join(service, method), path);
    }
});
