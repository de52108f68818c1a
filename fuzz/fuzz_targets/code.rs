//! Numbers of every origin become codes, and none that is the application's alone unless it was said.
#![no_main]

use libfuzzer_sys::fuzz_target;
use temaki::Code;
use temaki::wire::mapping::{code_from_http, code_from_reset};

fuzz_target!(|data: &[u8]| {
    let code = Code::from_bytes(data);
    assert!(code == Code::Unknown || code.wire().as_bytes() == data);
    assert_eq!(Code::from_bytes(code.wire().as_bytes()), code);
    if let Some(number) = data.first_chunk::<4>() {
        let number = u32::from_be_bytes(*number);
        for code in [code_from_reset(number), code_from_http(number as u16)] {
            #[rustfmt::skip]
            let is_applications = matches!(
                code,
                Code::Ok | Code::InvalidArgument | Code::NotFound | Code::AlreadyExists | Code::FailedPrecondition | Code::Aborted | Code::OutOfRange | Code::DataLoss
            );
            assert!(!is_applications, "{number} is {code:?}");
        }
    }
});
