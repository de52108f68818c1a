//! Whatever a payload in gzip holds, it becomes no longer than the limit; and what it became is written and read again as it was.
#![no_main]

use libfuzzer_sys::fuzz_target;
use temaki::codec::CompressionEncoding::Gzip;

fuzz_target!(|data: &[u8]| temaki_fuzz::inflate(Gzip, data));
