//! Messages come out the same, wherever the bytes are cut.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use temaki::wire::length_prefixed::{Decoder, LengthError};

type Found = (Vec<(bool, Vec<u8>)>, Result<(), LengthError>);

/// All messages of these chunks, and how they end.
fn decode(chunks: impl Iterator<Item = Bytes>, max_len: usize) -> Found {
    let mut decoder = Decoder::new(max_len);
    let mut messages = Vec::new();
    for chunk in chunks {
        decoder.push(chunk);
        loop {
            match decoder.next() {
                Ok(Some(payload)) => {
                    assert!(payload.bytes.len() <= max_len);
                    messages.push((payload.compressed, payload.bytes.to_vec()));
                }
                Ok(None) => break,
                Err(error) => return (messages, Err(error)),
            }
        }
    }
    (messages, decoder.finish())
}

fuzz_target!(|data: &[u8]| {
    let [limit, cuts, body @ ..] = data else {
        return;
    };
    let max_len = usize::from(*limit) * 4;
    let whole = decode([Bytes::copy_from_slice(body)].into_iter(), max_len);
    let size = usize::from(cuts % 16) + 1;
    let pieces = decode(body.chunks(size).map(Bytes::copy_from_slice), max_len);
    assert_eq!(whole, pieces);
    // Pieces that share memory, pushed all at once.
    let mut decoder = Decoder::new(max_len);
    let shared = Bytes::copy_from_slice(body);
    for start in (0..shared.len()).step_by(size) {
        decoder.push(shared.slice(start..shared.len().min(start + size)));
    }
    let mut found = Vec::new();
    while let Ok(Some(payload)) = decoder.next() {
        found.push((payload.compressed, payload.bytes.to_vec()));
    }
    assert_eq!(found, whole.0);
});
