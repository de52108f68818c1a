//! Code of the user's, run in tasks of ours. Whom may a panic of it hurt?
//!
//! Handlers, streams, codecs, interceptors, observers, an IO, and the `Drop` of every value that they made: all of
//! it may panic, and a task of ours serves others too. So whatever of it runs there runs in [`caught`], and a panic
//! is the end of the call (or of the connection, if it is the connection's own IO) that the code ran for.
//!
//! Two things are easily forgotten. A value's `Drop` is code of the user's as well, so values are dropped here
//! ([`drop_caught`]) before the end of their call is decided. And a future that panicked is never polled again.
//!
//! What was said in the panic stays in this process: the panic hook has printed it.

#[cfg(feature = "server")]
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
#[cfg(feature = "server")]
use std::pin::Pin;
#[cfg(feature = "server")]
use std::task::{Context, Poll};

use crate::status::{Origin, Status};
use crate::wire::code::Code;

/// Code of the user's has panicked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Panicked;

impl Panicked {
    /// The status of a call that ends so: what a caller learns of a panic is that it happened. `who` is whose code
    /// it was: "the handler".
    #[cold]
    pub(crate) fn status(self, who: &str) -> Status {
        let message = format!("{who} panicked");
        Status::library(Code::Internal, message, Origin::Library)
    }
}

/// Runs code of the user's.
#[inline]
pub(crate) fn caught<T>(code: impl FnOnce() -> T) -> Result<T, Panicked> {
    catch_unwind(AssertUnwindSafe(code)).map_err(forget)
}

/// Drops a value of the user's.
#[inline]
pub(crate) fn drop_caught<T>(value: T) -> Result<(), Panicked> {
    if std::mem::needs_drop::<T>() {
        caught(|| drop(value))
    } else {
        Ok(())
    }
}

/// Polls a future of the user's, and drops it as soon as it is ready or has panicked. `Pending` for ever once it
/// is gone.
#[cfg(feature = "server")]
#[inline]
pub(crate) fn poll_caught<W: Future>(
    mut work: Pin<&mut Option<W>>,
    cx: &mut Context<'_>,
) -> Poll<Result<W::Output, Panicked>> {
    let Some(running) = work.as_mut().as_pin_mut() else {
        return Poll::Pending;
    };
    match caught(|| running.poll(cx)) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(output)) => match clear_caught(work) {
            Ok(()) => Poll::Ready(Ok(output)),
            Err(panicked) => {
                let _ = drop_caught(output);
                Poll::Ready(Err(panicked))
            }
        },
        Err(panicked) => {
            let _ = clear_caught(work);
            Poll::Ready(Err(panicked))
        }
    }
}

/// Drops a value of the user's where it is pinned.
#[cfg(feature = "server")]
#[inline]
pub(crate) fn clear_caught<T>(mut value: Pin<&mut Option<T>>) -> Result<(), Panicked> {
    if std::mem::needs_drop::<T>() {
        caught(|| value.set(None))
    } else {
        value.set(None);
        Ok(())
    }
}

/// What a panic carries is a value of the user's too, whose `Drop` may panic; then it is let be.
#[cold]
fn forget(payload: Box<dyn std::any::Any + Send>) -> Panicked {
    if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(again);
    }
    Panicked
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Panics when it is dropped.
    struct Mine;

    impl Drop for Mine {
        fn drop(&mut self) {
            panic!("dropped");
        }
    }

    #[test]
    fn s08_a_panic_is_caught_whatever_it_carries_and_wherever_it_comes_from() {
        assert_eq!(caught(|| 7), Ok(7));
        assert_eq!(caught(|| panic!("text")), Err::<(), _>(Panicked));
        assert_eq!(
            caught(|| std::panic::panic_any(Mine)),
            Err::<(), _>(Panicked)
        );
        assert_eq!(drop_caught(7), Ok(()));
        assert_eq!(drop_caught(Mine), Err(Panicked));
    }

    #[cfg(feature = "server")]
    #[test]
    fn s08_a_future_is_dropped_when_it_is_ready_and_may_panic_then() {
        use std::pin::pin;

        let cx = &mut Context::from_waker(std::task::Waker::noop());
        let mut ready = pin!(Some(async { 7 }));
        assert_eq!(poll_caught(ready.as_mut(), cx), Poll::Ready(Ok(7)));
        assert!(ready.is_none());
        assert_eq!(poll_caught(ready, cx), Poll::Pending);

        let mine = Mine;
        let mut last = pin!(Some(std::future::poll_fn(move |_| {
            let _ = &mine;
            Poll::Ready(7)
        })));
        assert_eq!(poll_caught(last.as_mut(), cx), Poll::Ready(Err(Panicked)));
        assert!(last.is_none());

        let mut panics = pin!(Some(std::future::poll_fn(|_| -> Poll<()> { panic!() })));
        assert_eq!(poll_caught(panics.as_mut(), cx), Poll::Ready(Err(Panicked)));
        assert!(panics.is_none());
    }
}
