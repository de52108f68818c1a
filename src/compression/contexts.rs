//! Who owns the memory that compressing takes, between two messages?
//!
//! The thread. What inflates or deflates one message holds between 40 KiB and 1 MiB, and takes longer to make than a short message
//! takes to compress. Connections and calls are many, and most of them rest; threads are few. So each thread keeps what its
//! last messages were worked on with, of each coding one, and gives it to the next message that has the same coding.
//!
//! The same holds for the room that messages are written to while their length is not known.

use std::cell::RefCell;

use super::codec::{Deflater, Inflater};
use super::encoding::Compression;

/// A thread keeps so many of each. A thread that uses more codings or levels in turn makes them anew.
const KEPT: usize = 4;

/// What holds more than this is not kept: a zstd window may be 8 MiB.
const LARGE: usize = 512 * 1024;

#[derive(Default)]
struct Contexts {
    inflaters: Vec<(Compression, Box<dyn Inflater>)>,
    deflaters: Vec<(Compression, Box<dyn Deflater>)>,
    scratch: Vec<u8>,
}

thread_local! {
    static CONTEXTS: RefCell<Contexts> = RefCell::default();
}

/// Something to decompress messages of this coding with, at the beginning of a message.
pub(super) fn take_inflater(compression: &Compression) -> Box<dyn Inflater> {
    let kept = with(|contexts| {
        let kept = &mut contexts.inflaters;
        let at = kept
            .iter()
            .position(|(known, _)| known.reads_like(compression))?;
        Some(kept.swap_remove(at).1)
    });
    //= GRPC-LPM-FRESH-CONTEXT  what is kept is memory: `begin` forgets the message before
    let mut inflater = kept.unwrap_or_else(|| compression.with_codec(|codec| codec.inflater()));
    inflater.begin();
    inflater
}

/// Keeps it for the next message.
pub(super) fn keep_inflater(compression: &Compression, inflater: Box<dyn Inflater>) {
    if inflater.footprint() <= LARGE {
        with(|contexts| keep(&mut contexts.inflaters, compression, inflater));
    }
}

/// Something to compress messages with as this coding does.
pub(super) fn take_deflater(compression: &Compression) -> Box<dyn Deflater> {
    let kept = with(|contexts| {
        let kept = &mut contexts.deflaters;
        let at = kept
            .iter()
            .position(|(known, _)| known.writes_like(compression))?;
        Some(kept.swap_remove(at).1)
    });
    kept.unwrap_or_else(|| compression.with_codec(|codec| codec.deflater()))
}

/// Keeps it for the next message.
pub(super) fn keep_deflater(compression: &Compression, deflater: Box<dyn Deflater>) {
    with(|contexts| keep(&mut contexts.deflaters, compression, deflater));
}

/// At least `len` bytes of room, with anything in it.
pub(super) fn take_scratch(len: usize) -> Vec<u8> {
    let mut scratch =
        with(|contexts| Some(std::mem::take(&mut contexts.scratch))).unwrap_or_default();
    if scratch.len() < len {
        scratch.clear(); // so that growing moves no bytes
        scratch.resize(len, 0);
    }
    scratch
}

/// Keeps the room for the next message.
pub(super) fn keep_scratch(scratch: Vec<u8>) {
    if scratch.capacity() <= LARGE {
        with(|contexts| {
            contexts.scratch = scratch;
            None::<()>
        });
    }
}

fn keep<T: ?Sized>(
    kept: &mut Vec<(Compression, Box<T>)>,
    compression: &Compression,
    context: Box<T>,
) -> Option<()> {
    if kept.len() >= KEPT {
        kept.remove(0);
    }
    kept.push((compression.clone(), context));
    None
}

/// `None` also in a thread that is about to end, and inside of another look: a coding of the user's may do anything in its `Drop`.
fn with<T>(look: impl FnOnce(&mut Contexts) -> Option<T>) -> Option<T> {
    CONTEXTS
        .try_with(|contexts| look(&mut *contexts.try_borrow_mut().ok()?))
        .ok()
        .flatten()
}
