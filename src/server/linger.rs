//! Do the last bytes arrive?
//!
//! A socket may be closed while bytes come for it, such as a WINDOW_UPDATE or the acknowledgement of a PING. TCP then sends a
//! reset, and a reset destroys what the peer has not read yet: the end of a response, the GOAWAY. So a connection
//! that had calls ends in three steps. Its writing half is shut down. What still comes is read
//! and thrown away. When the peer has closed too, the socket is dropped. Until then it counts as open.
//!
//! A peer that closes has taken what it wanted. One that stays silent may have, or may be slow: without `unsafe` code no system
//! shows how much it has taken. [`Untaken`] guesses, from how much was written and when: a peer that
//! may have little left to take is soon let go of.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep};

use super::drain::ConnectionDrain;
use super::tally::Phase;
use crate::conn::io::Outlet;

/// Peers take at least so many bytes in a second, or are slower than is waited for: 128 kbit/s.
const SLOWEST: u64 = 16 * 1024;

/// More than this the systems at both ends do not hold between them.
const MOST: u64 = 4 << 20;

/// Less than this has arrived, as far as is to be known, when the peer has been silent for as long as it takes.
const LITTLE: u64 = 64 * 1024;

/// A moment, even for a peer that has nothing left to take but GOAWAY.
const LEAST: Duration = Duration::from_secs(1);

/// However much the peer goes on saying, it is listened to for no longer than this, …
const LONGEST: Duration = Duration::from_secs(300);
/// … and to no more bytes than this, …
pub(crate) const LISTENS: usize = 1 << 20;
/// … of a peer that was cut, who has but a GOAWAY to take, to no more than this: what a flood has under way.
pub(crate) const LISTENS_BRIEFLY: usize = 64 << 10;

/// What a slow peer may not have taken yet of all that was written to it.
#[derive(Debug)]
pub(crate) struct Untaken {
    /// `0 <= bytes <= MOST`.
    bytes: u64,
    /// When that was, and how much had been written by then.
    at: Instant,
    written: u64,
}

impl Untaken {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            bytes: 0,
            at: now,
            written: 0,
        }
    }

    /// So much has been written by now. To be called about once a second while there is something to write.
    pub(crate) fn look(&mut self, now: Instant, written: u64) {
        let millis = now.saturating_duration_since(self.at).as_millis();
        let taken = u64::try_from(millis).map_or(u64::MAX, |ms| ms.saturating_mul(SLOWEST) / 1000);
        let added = written.saturating_sub(self.written);
        self.bytes = self.bytes.saturating_sub(taken).saturating_add(added);
        self.bytes = self.bytes.min(MOST);
        (self.at, self.written) = (now, written);
    }

    /// How long the peer may be silent, and still be taking what is left; at most `longest`.
    fn patience(&self, longest: Duration) -> Duration {
        let takes = Duration::from_millis(self.bytes.saturating_mul(1000) / SLOWEST);
        takes.max(LEAST).min(longest)
    }

    /// Of a peer that was silent for so long: how far had it got, counted as all that was written is?
    fn taken_at_least(&self) -> u64 {
        if self.bytes < LITTLE {
            return u64::MAX;
        }
        self.written - self.bytes.min(self.written)
    }
}

/// Reads and throws away until the peer has closed, was silent for too long (at most `longest`), has said more than
/// `listens` bytes, or the server's drain is over. Gives how much of what was written it has taken, as far as is known.
pub(crate) async fn linger<IO: AsyncRead + AsyncWrite + Unpin>(
    outlet: &Outlet<IO>,
    drain: &mut ConnectionDrain,
    mut untaken: Untaken,
    longest: Duration,
    listens: usize,
) -> u64 {
    let written = outlet.progress().written;
    untaken.look(Instant::now(), written);
    let silence = untaken.patience(longest);
    let end = Instant::now() + LONGEST;
    let mut heard = 0;
    let mut alarm = pin!(sleep(silence));
    let has_gone = poll_fn(|cx| {
        if drain.poll_phase(cx) == Phase::Forced {
            return Poll::Ready(false);
        }
        while let Poll::Ready(read) = outlet.poll_discard(cx) {
            match read {
                // Closed in good order, or not: the peer takes nothing more.
                Ok(0) | Err(_) => return Poll::Ready(true),
                Ok(n) => heard += n,
            }
            if heard >= listens {
                return Poll::Ready(false);
            }
            alarm.as_mut().reset(end.min(Instant::now() + silence));
        }
        alarm.as_mut().poll(cx).map(|()| false)
    });
    if has_gone.await {
        return u64::MAX;
    }
    untaken.look(Instant::now(), written);
    untaken.taken_at_least()
}

/// The end without waiting. What has come is read, so that it is no reset, if nothing comes behind. A peer that
/// does not close may not have taken all; gives how much it has.
pub(crate) fn hang_up<IO: AsyncRead + AsyncWrite + Unpin>(
    outlet: &Outlet<IO>,
    mut untaken: Untaken,
    is_unanswered: bool,
) -> u64 {
    let cx = &mut Context::from_waker(Waker::noop());
    let mut heard = 0;
    while let Poll::Ready(Ok(n @ 1..)) = outlet.poll_discard(cx) {
        heard += n;
        if heard >= LISTENS {
            break;
        }
    }
    if !is_unanswered {
        return u64::MAX;
    }
    untaken.look(Instant::now(), outlet.progress().written);
    untaken.taken_at_least()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_for_as_long_as_a_slow_peer_may_take() {
        let begin = Instant::now();
        let at = |seconds| begin + Duration::from_secs(seconds);
        let longest = Duration::from_secs(30);
        #[rustfmt::skip]
        let rows: [(u64, u64, u64, u64, &str); 7] = [
            // second, written by then, patience in seconds, taken at least, why this row
            (0, 60, 1, u64::MAX, "SETTINGS: a moment"),
            (1, 100_060, 6, 60, "an answer was written just now"),
            (4, 100_060, 3, u64::MAX, "three seconds later half of it is left, which is little"),
            (60, 100_060, 1, u64::MAX, "all of it is taken by now"),
            (61, 1_100_060, 30, 100_060, "a megabyte, but no longer than may be"),
            (62, 101_100_060, 30, 101_100_060 - MOST, "the systems hold no more than this"),
            (1000, 101_100_060, 1, u64::MAX, "long ago"),
        ];
        let mut untaken = Untaken::new(begin);
        for (second, written, patience, taken, why) in rows {
            untaken.look(at(second), written);
            assert_eq!(untaken.patience(longest).as_secs(), patience, "{why}");
            assert_eq!(untaken.taken_at_least(), taken, "{why}");
        }
        assert_eq!(untaken.patience(Duration::ZERO), Duration::ZERO, "a knob");
    }
}
