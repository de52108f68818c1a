//! However a call ends, it is told on one line; and what is sent on fits, and keeps its code.
#![no_main]

use libfuzzer_sys::fuzz_target;
use temaki_fuzz::headers;

fuzz_target!(|data: &[u8]| {
    let Err(status) = temaki::__fuzz::read_trailers(headers(data)) else {
        return;
    };
    let shown = format!("{status} {status:?}");
    assert!(shown.chars().all(|char| !char.is_control()), "{shown:?}");
    let code = status.code();
    for status in [status.clone(), status.forward_metadata()] {
        let written = temaki::__fuzz::write_trailers(&status);
        let size = written
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len() + 32);
        assert!(size.sum::<usize>() <= 8 * 1024);
        let again = temaki::__fuzz::read_trailers(written);
        assert_eq!(again.expect_err("an error stays one").code(), code);
    }
});
