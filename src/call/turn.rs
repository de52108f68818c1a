//! How long may a stream that is always ready go on?
//!
//! A task that never waits keeps its thread: every other call there stands still, on other connections too, for as
//! long as the stream has messages and its peer has window for them. Bytes alone do not bound that time, since a message
//! of a few bytes may take microseconds to make. So what one stream does in a row is a turn, bounded by the number of
//! messages and by time; then others have theirs.

use std::task::Context;
use std::time::{Duration, Instant};

/// How long a turn may take: many small messages, and little to wait for.
const TIME: Duration = Duration::from_micros(100);

/// How many messages a turn may have: some batches of small ones.
const MESSAGES: u32 = 1024;

/// What a stream has done since it last had to wait.
#[derive(Debug)]
pub(crate) struct Turn {
    /// When the first message had been made.
    begun: Option<Instant>,
    messages: u32,
    /// The clock is looked at again after so many messages: twice as many each time, so that it costs little and the time
    /// is at most doubled.
    look: u32,
    is_over: bool,
}

impl Default for Turn {
    fn default() -> Self {
        Self {
            begun: None,
            messages: 0,
            look: 1,
            is_over: false,
        }
    }
}

impl Turn {
    /// One more message was made. Is it somebody else's turn?
    #[inline]
    pub(crate) fn made_one(&mut self) -> bool {
        self.messages += 1;
        if self.messages >= self.look {
            self.judge(Instant::now());
        }
        self.is_over
    }

    fn judge(&mut self, now: Instant) {
        let begun = *self.begun.get_or_insert(now);
        self.look = (self.messages * 2).min(MESSAGES);
        self.is_over = now.saturating_duration_since(begun) >= TIME || self.messages >= MESSAGES;
    }

    #[cfg(test)]
    fn is_over(&self) -> bool {
        self.is_over
    }

    /// Lets others have their turn; the task that is polled goes on behind them.
    pub(crate) fn pass_on(&mut self, cx: &mut Context<'_>) {
        self.begin();
        cx.waker().wake_by_ref();
    }

    /// It had to wait, or let others have their turn.
    pub(crate) fn begin(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s25_a_turn_is_bounded_by_messages_and_by_time() {
        let mut turn = Turn::default();
        let mut quick = 1;
        while !turn.made_one() {
            quick += 1;
        }
        assert!(quick <= MESSAGES, "{quick}");

        let begun = Instant::now();
        for micros in [1, 20, 1000] {
            let mut turn = Turn::default();
            let mut now = begun;
            while !turn.is_over() {
                now += Duration::from_micros(micros);
                turn.messages += 1;
                if turn.messages >= turn.look {
                    turn.judge(now);
                }
            }
            let most = 2 * TIME + 2 * Duration::from_micros(micros);
            assert!(now - begun <= most, "{micros} µs each: {:?}", now - begun);
        }
        turn.begin();
        assert!(!turn.is_over());
    }
}
