//! What a request and a response say before their first message.
#![no_main]

use http::{Method, StatusCode};
use libfuzzer_sys::fuzz_target;
use temaki_fuzz::headers;

fuzz_target!(|data: &[u8]| {
    let [how, low, lines @ ..] = data else {
        return;
    };
    let headers = headers(lines);
    let method = if how & 1 == 0 {
        Method::POST
    } else {
        Method::PUT
    };
    temaki::__fuzz::read_request(&method, &headers);
    let status = 100 + (u16::from(*how) * 256 + u16::from(*low)) % 900;
    let status = StatusCode::from_u16(status).expect("three digits");
    for is_end in [false, true] {
        if let Err(status) = temaki::__fuzz::read_response(status, headers.clone(), is_end) {
            let shown = format!("{status} {status:?}");
            assert!(shown.chars().all(|char| !char.is_control()));
        }
    }
});
