//! Is this the first poll of a call, in the task of its connection?
//!
//! That poll has no waker: a call that has to wait is moved to a task of its own, and the first poll there leaves one. So
//! the two polls can be told apart by their wakers, without a word in every future between them.

use std::task::{Context, Waker};

/// What a call is polled with where its request arrived.
#[inline]
pub(super) fn context() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

/// Whether the call is polled where its request arrived.
#[inline]
pub(super) fn is_in_place(cx: &Context<'_>) -> bool {
    cx.waker().will_wake(Waker::noop())
}
