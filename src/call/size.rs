//! How long may a message be?
//!
//! As long as the user lets it, and as `h2` can count: it counts in 32 bits what waits for the peer's window, prefixes
//! included. Pure.

use crate::call::Side;
use crate::status::{Origin, Status};
use crate::wire::code::Code;
use crate::wire::length_prefixed::{LengthError, PREFIX_LEN};

/// What is sent at once, in bytes: messages of a stream leave together up to this size, a message up to this size is given
/// to `h2` whole, and a sender waits while this much has not left.
///
/// It is the largest DATA frame that every peer takes: SETTINGS_MAX_FRAME_SIZE is 16,384 or more (RFC 9113 §6.5.2).
pub(crate) const FRAME: usize = 16 * 1024;

/// The longest message that is sent, in bytes: with its prefix it is the most that `h2` can count. It counts
/// what waits for the peer's window in 32 bits, and would wait for ever for what it counts as nothing.
pub(super) const LONGEST: usize = u32::MAX as usize - PREFIX_LEN;

/// The length of a message, if it may be sent.
pub(super) fn fits(len: usize, max_len: usize) -> Option<u32> {
    let len = (len <= max_len.min(LONGEST)).then_some(len)?;
    u32::try_from(len).ok()
}

/// How much of `len` bytes to ask the peer's window for at once: no window is larger (RFC 9113 §6.9.1).
#[inline]
pub(crate) fn askable(len: usize) -> usize {
    len.min((1 << 31) - 1)
}

#[cold]
pub(super) fn too_long(len: usize, max: usize) -> Status {
    let message = if max < LONGEST {
        format!(
            "the message to send is {len} bytes, more than this side's max_encoding_message_size, {max}; \
             raise it or send less"
        )
    } else {
        format!(
            "the message to send is {len} bytes; one message holds at most {LONGEST}: send several"
        )
    };
    Status::library(Code::ResourceExhausted, message, Origin::LocalLimit)
}

/// What a broken prefix or message means to the call. The code is the same on both sides.
#[cold]
pub(super) fn status_of_length(error: LengthError, side: Side) -> Status {
    let LengthError::TooLong { announced, max } = error else {
        return Status::library(Code::Internal, error.to_string(), Origin::Protocol);
    };
    //= CODE-TOO-LARGE  a message over the limit: RESOURCE_EXHAUSTED
    let (what, whose) = match side {
        Side::Client => ("answer", "client's channel"),
        Side::Server => ("request", "server's service"),
    };
    let message = format!(
        "the {what} has a message of {announced} bytes, more than max_decoding_message_size of the {whose}, {max}: \
         raise it there, or send smaller messages"
    );
    Status::library(Code::ResourceExhausted, message, Origin::LocalLimit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c23_no_message_is_longer_than_h2_can_count() {
        const MAX: usize = u32::MAX as usize;
        #[rustfmt::skip]
        let rows = [
            (0, 0, true, "empty"),
            (10, 10, true, "just as much"),
            (11, 10, false, "one byte more"),
            (MAX - 5, MAX, true, "with its prefix, the most that 32 bits count"),
            (MAX - 4, MAX, false, "with its prefix, 2^32, which h2 takes for 0"),
            (MAX - 4, usize::MAX, false, "without a limit of the user's"),
            (MAX, usize::MAX, false, "what the prefix could still say"),
            (usize::MAX, usize::MAX, false, "anything"),
        ];
        for (len, max_len, expected, why) in rows {
            assert_eq!(fits(len, max_len).is_some(), expected, "{why}");
        }
        assert_eq!(askable(MAX + 1), (1 << 31) - 1);
        let status = too_long(MAX, usize::MAX);
        assert_eq!(status.code(), Code::ResourceExhausted);
        assert!(!status.message().contains("raise"), "{status}");
    }
}
