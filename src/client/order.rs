//! Which call is next, when there are more of them than the peer takes?
//!
//! While the queue drains, the one that has waited longest. That is fair, and right for a burst: it is over
//! before anybody notices.
//!
//! Under lasting overload it is the worst choice. More calls come than can be served, so the queue grows
//! until each call waits about as long as its deadline allows; from then on each turn falls to a call
//! whose caller has given up, or will before the answer comes. Everybody waits, the peer is busy, and next to
//! nobody is served. So once the queue has not been empty for [`PATIENCE`], the *newest* call with a deadline is
//! next: it has the most time left, its answer still counts, and the peer's whole capacity goes to
//! answers that count. The old ones expire in the queue, as they would have anyhow, and leave it.
//!
//! Calls without a deadline (watches, conversations) never give up, and would wait for ever. They are served in
//! their order, and every fourth turn is theirs, so that neither kind starves the other.
//!
//! gRPC promises an order inside of a call only; between calls there is none to keep. Pure: the time is an
//! argument, and what waits is anything.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// A queue that was not empty for so long does not drain.
pub(super) const PATIENCE: Duration = Duration::from_millis(100);

/// Of so many turns under overload, one is for a call without a deadline.
const SHARE: u8 = 4;

/// The calls that wait, and whose turn it is.
pub(super) struct Order<T> {
    /// Those with a deadline, by their arrival.
    dated: BTreeMap<u64, T>,
    /// Those without, by their arrival.
    undated: BTreeMap<u64, T>,
    /// The number of the next that comes; later numbers are larger.
    next: u64,
    /// Since when somebody waits, although there is a peer that takes calls. `None` if nobody does.
    waited_since: Option<Instant>,
    /// How many turns in a row went to calls with a deadline under overload. `< SHARE` while others wait.
    dated_turns: u8,
    patience: Duration,
}

/// A place in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticket {
    number: u64,
    has_deadline: bool,
}

impl<T> Order<T> {
    /// An empty queue that turns round after so long.
    pub(super) fn new(patience: Duration) -> Self {
        Self {
            dated: BTreeMap::new(),
            undated: BTreeMap::new(),
            next: 0,
            waited_since: None,
            dated_turns: 0,
            patience,
        }
    }

    /// Who comes is the last, for now.
    pub(super) fn join(&mut self, now: Instant, has_deadline: bool, who: T) -> Ticket {
        let number = self.next;
        self.next += 1;
        let ticket = Ticket {
            number,
            has_deadline,
        };
        self.rejoin(now, ticket, who);
        ticket
    }

    /// Who had its turn for nothing is where it was before.
    pub(super) fn rejoin(&mut self, now: Instant, ticket: Ticket, who: T) {
        self.waited_since.get_or_insert(now);
        self.of(ticket).insert(ticket.number, who);
    }

    /// Who gave up is gone, and leaves nothing behind.
    pub(super) fn leave(&mut self, ticket: Ticket) -> Option<T> {
        let left = self.of(ticket).remove(&ticket.number);
        self.note_empty();
        left
    }

    /// Whose turn it is.
    pub(super) fn next(&mut self, now: Instant) -> Option<(Ticket, T)> {
        let overload = self.is_overload(now);
        let (first, last) = (self.dated.first_key_value(), self.dated.last_key_value());
        let dated = if overload { last } else { first };
        let undated = self.undated.first_key_value().map(|(number, _)| *number);
        let ticket = match (dated.map(|(number, _)| *number), undated) {
            (None, None) => return None,
            (Some(dated), Some(undated)) => {
                let is_dated = if overload {
                    self.dated_turns < SHARE - 1
                } else {
                    dated < undated
                };
                self.dated_turns = if is_dated { self.dated_turns + 1 } else { 0 };
                self.dated_turns = self.dated_turns.min(SHARE - 1);
                Ticket {
                    number: if is_dated { dated } else { undated },
                    has_deadline: is_dated,
                }
            }
            (Some(number), None) => Ticket {
                number,
                has_deadline: true,
            },
            (None, Some(number)) => Ticket {
                number,
                has_deadline: false,
            },
        };
        self.leave(ticket).map(|who| (ticket, who))
    }

    /// There was no peer to take calls, and now there is one: from here on a queue that does not drain counts.
    pub(super) fn begin(&mut self, now: Instant) {
        if self.waited_since.is_some() {
            self.waited_since = Some(now);
        }
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.dated.len() + self.undated.len()
    }

    fn is_overload(&self, now: Instant) -> bool {
        self.waited_since
            .is_some_and(|since| now.saturating_duration_since(since) >= self.patience)
    }

    fn of(&mut self, ticket: Ticket) -> &mut BTreeMap<u64, T> {
        if ticket.has_deadline {
            &mut self.dated
        } else {
            &mut self.undated
        }
    }

    fn note_empty(&mut self) {
        if self.len() == 0 {
            self.waited_since = None;
            self.dated_turns = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    /// `d` joins with a deadline and `u` without, named by their place in the row; a number is the time of
    /// the turns that follow.
    #[test]
    fn c06_the_order_of_turns() {
        type Row = (&'static str, u64, &'static [usize], &'static str);
        let rows: [Row; 9] = [
            ("", 0, &[], "nobody"),
            ("ddd", 0, &[0, 1, 2], "a burst: as they came"),
            ("udud", 99, &[0, 1, 2, 3], "both kinds in one order"),
            ("dddd", 100, &[3, 2, 1, 0], "overload: the newest first"),
            (
                "uuu",
                100,
                &[0, 1, 2],
                "without a deadline: never turned round",
            ),
            (
                "dudududu",
                100,
                &[6, 4, 2, 1, 0, 3, 5, 7],
                "every fourth turn is theirs, and what is left over",
            ),
            ("uddddd", 100, &[5, 4, 3, 0, 2, 1], "one watch among many"),
            ("du", 100, &[0, 1], "each kind, when the other has nobody"),
            ("ud", 5_000, &[1, 0], "long overload"),
        ];
        for (joined, at, expected, why) in rows {
            let mut order = Order::new(PATIENCE);
            let begun = Instant::now();
            for (who, kind) in joined.chars().enumerate() {
                order.join(begun, kind == 'd', who);
            }
            let mut found = Vec::new();
            while let Some((_, who)) = order.next(begun + ms(at)) {
                found.push(who);
            }
            assert_eq!(found, expected, "{why}");
            assert_eq!(order.len(), 0);
        }
    }

    #[test]
    fn c06_overload_ends_when_the_queue_was_empty_or_began_anew() {
        let begun = Instant::now();
        let mut order = Order::new(PATIENCE);
        order.join(begun, true, 0);
        order.next(begun + ms(150));
        for who in 1..3 {
            order.join(begun + ms(150), true, who);
        }
        let next = order.next(begun + ms(249)).map(|(_, who)| who);
        assert_eq!(next, Some(1), "it was empty at 150 ms");

        order.join(begun + ms(249), true, 3);
        order.begin(begun + ms(500));
        let next = order.next(begun + ms(599)).map(|(_, who)| who);
        assert_eq!(next, Some(2), "until 500 ms there was no peer");
        order.join(begun + ms(600), true, 4);
        let next = order.next(begun + ms(600)).map(|(_, who)| who);
        assert_eq!(next, Some(4), "since then there is, and it does not drain");
    }

    #[test]
    fn a_turn_for_nothing_is_given_back_and_who_leaves_is_gone() {
        let now = Instant::now();
        let mut order = Order::new(PATIENCE);
        let first = order.join(now, true, "first");
        let second = order.join(now, false, "second");
        order.join(now, true, "third");
        assert_eq!(order.next(now), Some((first, "first")));
        order.rejoin(now, first, "first, again");
        assert_eq!(order.leave(second), Some("second"));
        assert_eq!(order.leave(second), None, "once");
        assert_eq!(order.next(now), Some((first, "first, again")));
        assert_eq!(order.len(), 1);
    }

    /// A peer that takes `STREAMS` calls at a time, `TAKES` each: 1,000 a second. Calls come at 137 % of that for
    /// five seconds, each with 300 ms. Gives how many were answered in time, of what the peer could have
    /// answered.
    fn simulated(patience: Duration) -> f64 {
        const STREAMS: usize = 50;
        const TAKES: Duration = Duration::from_millis(50);
        const LIMIT: Duration = Duration::from_millis(300);
        let begun = Instant::now();
        let mut order = Order::new(patience);
        let mut waiting: VecDeque<(Instant, Ticket)> = VecDeque::new();
        let mut open: VecDeque<(Instant, Instant)> = VecDeque::new(); // ends at, deadline
        let (mut come, mut good) = (0, 0);
        for tick in 0..50_000 {
            let now = begun + Duration::from_micros(100 * tick);
            while open.front().is_some_and(|(ends, _)| *ends <= now) {
                let (ends, deadline) = open.pop_front().unwrap();
                good += usize::from(ends <= deadline);
            }
            while waiting
                .front()
                .is_some_and(|(deadline, _)| *deadline <= now)
            {
                let (_, ticket) = waiting.pop_front().unwrap();
                order.leave(ticket);
            }
            // 1,370 a second: one every 730 µs.
            while come * 730 <= tick * 100 {
                come += 1;
                waiting.push_back((now + LIMIT, order.join(now, true, now + LIMIT)));
            }
            while open.len() < STREAMS {
                let Some((_, deadline)) = order.next(now) else {
                    break;
                };
                // A call that is cancelled at its deadline does not free the peer: its work goes on.
                open.push_back((now + TAKES, deadline));
            }
        }
        good as f64 / 5_000.0
    }

    #[test]
    fn c06_overload_does_not_collapse() {
        let (ours, first_come) = (simulated(PATIENCE), simulated(Duration::MAX));
        assert!(ours >= 0.7, "{ours:.2} of the capacity");
        assert!(
            first_come < 0.3,
            "{first_come:.2}: first come, first served"
        );
    }
}
