//! What is waited for, and for how long?
//!
//! The one place where a call's deadline ends a wait: for interceptors, for a connection, for the response, for the
//! end of the requests. The work is dropped together with whatever it holds; a stream is reset by that.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::time::Instant;

use super::tasks::Tasks;
use crate::call::timer::Timer;

/// `work`, or what `expired` makes at the moment the deadline passes. `tasks` are those of the channel, if `work` may
/// be polled outside of any runtime: they know one whose timers can be used.
pub(super) async fn within<T, E>(
    tasks: Option<&Tasks>,
    deadline: Option<Instant>,
    mut work: Pin<&mut impl Future<Output = Result<T, E>>>,
    expired: impl Fn() -> E,
) -> Result<T, E> {
    let mut deadline = Timer::new(deadline);
    poll_fn(|cx| {
        // An answer is passed on where it lies: it is large.
        let polled = work.as_mut().poll(cx);
        if polled.is_ready() {
            return polled;
        }
        // Made here, at once; what the peer may still say is not waited for.
        let passed = deadline.poll_at(cx, || tasks?.home());
        passed.map(|()| Err(expired()))
    })
    .await
}
