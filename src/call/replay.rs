//! What must be kept so that a stream of requests can be sent once more?
//!
//! Spec: gRFC A6, "Transparent Retries" and "Memory Management (Buffering)".
//!
//! A server that drains, or has its hands full, turns calls away that no handler has seen. A call with one
//! request simply makes it again; a stream of requests cannot be asked to begin anew, so what it has given
//! away is kept here until the response headers come. Without this, each restart of a server would fail
//! some streams and no unary call, and every user would have to write the same loop.
//!
//! They are copied, so that what is kept is what it says and no more: a piece that shared its memory with
//! others would hold on to all of it. A call that has sent more than [`LIMIT`] before its response headers is
//! kept no longer, and so is not made again.

use bytes::BytesMut;

/// What one call may keep: a conversation's opening, not an upload.
const LIMIT: usize = 64 * 1024;

/// The bytes of a call's requests that have been given away, in their order.
#[derive(Debug, Default)]
pub(crate) struct Replay(BytesMut);

impl Replay {
    /// Keeps `given` too, if that is not too much.
    pub(crate) fn keep(&mut self, given: &[u8]) -> Result<(), Full> {
        //= RETRY-BUFFER  beyond the limit the call is committed
        if given.len() > LIMIT - self.0.len() {
            return Err(Full);
        }
        self.0.extend_from_slice(given);
        Ok(())
    }

    /// All that is kept, and then `rest`: what is to be sent when the call begins anew. Keeps none of it
    /// itself; it will be given all of it again.
    pub(crate) fn rewind(&mut self, rest: &[u8]) -> BytesMut {
        let mut all = std::mem::take(&mut self.0);
        all.extend_from_slice(rest);
        all
    }
}

/// More than may be kept.
#[derive(Debug, PartialEq)]
pub(crate) struct Full;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_begins_anew_with_all_it_has_said() {
        let mut replay = Replay::default();
        assert_eq!(replay.keep(b"one "), Ok(()));
        assert_eq!(replay.keep(b"two "), Ok(()));
        assert_eq!(replay.rewind(b"three"), "one two three");
        assert_eq!(replay.rewind(b""), "", "given away once");
    }

    #[test]
    fn no_more_is_kept_than_may_be() {
        let rows = [
            (LIMIT, 0, Ok(()), "just as much"),
            (LIMIT, 1, Err(Full), "one byte more"),
            (LIMIT + 1, 0, Err(Full), "at once"),
        ];
        for (first, second, expected, why) in rows {
            let mut replay = Replay::default();
            let kept = replay.keep(&vec![0; first]);
            let kept = kept.and_then(|()| replay.keep(&vec![0; second]));
            assert_eq!(kept, expected, "{why}");
        }
    }
}
