//! A call that had to wait: it is polled on in a task of its own.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use crate::call::carried::Carried;
use crate::call::caught::caught;
use crate::conn::counter::Counted;
use crate::server::answers::Answers;
use crate::server::end::Outcome;
use crate::server::route::CallFuture;

/// Polls a call, which sees to panics of the user's code itself; but what that code leaves behind is dropped
/// last, and may panic too. It must not take its neighbours along.
pub(super) fn poll_call(call: &mut CallFuture, cx: &mut Context<'_>) -> Poll<Outcome> {
    caught(|| call.as_mut().poll(cx)).unwrap_or(Poll::Ready(Outcome::Cut))
}

/// A call that had to wait, in a task of its own.
pub(super) struct Spawn {
    /// Dropped before `open`: a handler that is counted as gone is gone.
    pub(super) call: CallFuture,
    /// Of the task in which the call began.
    pub(super) span: Carried,
    pub(super) path: Arc<str>,
    pub(super) answers: Arc<Answers>,
    pub(super) open: Counted,
}

impl Future for Spawn {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        this.open.stir();
        let outcome = ready!(this.span.run(|| poll_call(&mut this.call, cx)));
        this.answers.ended(&this.path, outcome);
        Poll::Ready(())
    }
}
