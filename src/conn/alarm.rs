//! One timer for all the reasons a connection may have to wake up.
//!
//! A connection that serves calls touches its alarm once a second, not once a call: whoever needs to
//! be woken says by when, an earlier alarm is left standing, and when it rings the connection looks
//! at its counters and decides. A quiet connection has no alarm set at all.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use tokio::time::{Instant, Sleep, sleep_until};

/// A timer that is armed for the earliest of many requests.
#[derive(Default)]
pub(crate) struct Alarm {
    /// Made at the first request and then reused.
    sleep: Option<Pin<Box<Sleep>>>,
    /// When it rings; `None` while it is not set.
    at: Option<Instant>,
    /// Who is woken then; `None` until the timer was set.
    waker: Option<Waker>,
}

impl Alarm {
    /// Whether it is set at all; spares a look at the clock.
    pub(crate) fn is_set(&self) -> bool {
        self.at.is_some()
    }

    /// Sees to it that the alarm rings no later than `at`.
    pub(crate) fn ring_by(&mut self, at: Instant) {
        if self.at.is_some_and(|set| set <= at) {
            return;
        }
        self.at = Some(at);
        self.waker = None;
        match &mut self.sleep {
            Some(sleep) => sleep.as_mut().reset(at),
            none => *none = Some(Box::pin(sleep_until(at))),
        }
    }

    /// `Ready` once the alarm rings; it is then unset. In nearly all turns this is two comparisons.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let (Some(_), Some(sleep)) = (self.at, &mut self.sleep) else {
            return Poll::Pending;
        };
        let told = self
            .waker
            .as_ref()
            .is_some_and(|waker| waker.will_wake(cx.waker()));
        if told && !sleep.is_elapsed() {
            return Poll::Pending;
        }
        self.waker = Some(cx.waker().clone());
        // In a task whose budget is used up, tokio's timer would say `Pending` without having taken the waker.
        let mut sleep = std::pin::pin!(tokio::task::unconstrained(sleep.as_mut()));
        std::task::ready!(sleep.as_mut().poll(cx));
        self.at = None;
        Poll::Ready(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Uses up what tokio lets a task do in one turn.
    fn use_up_the_budget(cx: &mut Context<'_>) {
        let mut work = std::pin::pin!(async {
            loop {
                tokio::task::consume_budget().await;
            }
        });
        let _: Poll<()> = work.as_mut().poll(cx);
    }

    #[tokio::test(start_paused = true)]
    async fn s17_an_alarm_that_is_first_polled_without_budget_rings() {
        let mut alarm = Alarm::default();
        alarm.ring_by(Instant::now() + Duration::from_secs(1));
        let mut turns = 0;
        let rings = std::future::poll_fn(|cx| {
            turns += 1;
            if turns == 1 {
                use_up_the_budget(cx);
            }
            alarm.poll(cx)
        });
        let rings = tokio::time::timeout(Duration::from_secs(60), rings).await;
        rings.expect("it rings");
        assert!(turns < 5, "and nobody is kept busy by it: {turns} turns");
    }
}
