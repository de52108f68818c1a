//! Which of several addresses serves first?
//!
//! Spec: gRFC A61, after RFC 8305 ("happy eyeballs"). Each address gets all that makes a connection, from the dial to
//! the peer's SETTINGS: one that accepts and then says nothing serves nobody. An address has a head start before the
//! next one begins, and none if it has failed. The first that succeeds wins; the others are dropped in the same
//! moment. Knows neither sockets nor HTTP/2.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

//= HAPPY-EYEBALLS  250 ms, none after a failure
/// How long an address goes alone, as A61 and RFC 8305 have it.
pub(super) const HEAD_START: Duration = Duration::from_millis(250);

/// The first success among `addresses`; or each address that was tried, and what became of it, in the order of
/// their ends.
pub(super) async fn race<A, T, E, F>(
    addresses: impl IntoIterator<Item = A>,
    head_start: Duration,
    attempt: impl Fn(&A) -> F,
) -> Result<T, Vec<(A, E)>>
where
    F: Future<Output = Result<T, E>>,
{
    let mut to_come = addresses.into_iter().peekable();
    let mut running: Vec<(A, Pin<Box<F>>)> = Vec::new();
    let mut failed = Vec::new();
    let mut alone = pin!(tokio::time::sleep(head_start));
    poll_fn(|cx| {
        loop {
            let mut next = running.is_empty();
            let mut index = 0;
            while let Some((_, attempt)) = running.get_mut(index) {
                match attempt.as_mut().poll(cx) {
                    Poll::Ready(Ok(won)) => return Poll::Ready(Ok(won)),
                    Poll::Ready(Err(error)) => {
                        failed.push((running.remove(index).0, error));
                        next = true;
                    }
                    Poll::Pending => index += 1,
                }
            }
            next |= to_come.peek().is_some() && alone.as_mut().poll(cx).is_ready();
            if !next {
                return Poll::Pending;
            }
            let Some(address) = to_come.next() else {
                if running.is_empty() {
                    return Poll::Ready(Err(std::mem::take(&mut failed)));
                }
                return Poll::Pending;
            };
            let begun = Box::pin(attempt(&address));
            running.push((address, begun));
            let now = tokio::time::Instant::now();
            if let Some(end) = now.checked_add(head_start) {
                alone.as_mut().reset(end);
            }
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use tokio::time::{Instant, sleep};

    use super::*;

    /// After so many milliseconds: success, failure, or never.
    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Address {
        Serves(u64),
        Fails(u64),
        Silent,
    }
    use Address::*;

    struct Open<'a>(&'a Cell<u32>);

    impl Drop for Open<'_> {
        fn drop(&mut self) {
            self.0.set(self.0.get() - 1);
        }
    }

    //= HAPPY-EYEBALLS  type=test
    #[tokio::test(start_paused = true)]
    async fn c07_the_first_to_serve_wins() {
        type Row<'a> = (&'a [Address], Option<Address>, u64, u32, &'a str);
        #[rustfmt::skip]
        let rows: [Row<'_>; 12] = [
            (&[Serves(10)], Some(Serves(10)), 10, 1, "one that serves"),
            (&[Serves(10), Serves(0)], Some(Serves(10)), 10, 1, "the second is not needed"),
            (&[Silent, Serves(10)], Some(Serves(10)), 260, 2, "a head start, and its own handshake"),
            (&[Fails(0), Serves(10)], Some(Serves(10)), 10, 2, "a failure starts the next at once"),
            (&[Fails(100), Serves(10)], Some(Serves(10)), 110, 2, "whenever it comes"),
            (&[Serves(300), Serves(10)], Some(Serves(10)), 260, 2, "slow, and overtaken"),
            (&[Serves(300), Serves(100)], Some(Serves(300)), 300, 2, "slow, and not overtaken"),
            (&[Silent, Silent, Serves(0)], Some(Serves(0)), 500, 3, "each has its head start"),
            (&[Silent, Fails(50), Serves(0)], Some(Serves(0)), 300, 3, "a failure of the second"),
            (&[Fails(300), Silent, Serves(5)], Some(Serves(5)), 305, 3, "a late failure counts too"),
            (&[Fails(300), Fails(0), Fails(7)], None, 300, 3, "all have failed"),
            (&[], None, 0, 0, "no address"),
        ];
        for (addresses, winner, took, begun, why) in rows {
            let (open, count) = (Cell::new(0), Cell::new(0));
            let attempt = |address: &Address| {
                let address = *address;
                open.set(open.get() + 1);
                count.set(count.get() + 1);
                let held = Open(&open);
                async move {
                    let _held = held;
                    match address {
                        Serves(after) => sleep(Duration::from_millis(after)).await,
                        Fails(after) => {
                            sleep(Duration::from_millis(after)).await;
                            return Err(after);
                        }
                        Silent => std::future::pending().await,
                    }
                    Ok(address)
                }
            };
            let begin = Instant::now();
            let won = race(addresses.iter().copied(), HEAD_START, attempt).await;
            assert_eq!(begin.elapsed().as_millis() as u64, took, "{why}");
            assert_eq!(count.get(), begun, "{why}: attempts that were begun");
            assert_eq!(open.get(), 0, "{why}: none is left");
            match won {
                Ok(won) => assert_eq!(Some(won), winner, "{why}"),
                Err(failed) => {
                    assert_eq!(winner, None, "{why}");
                    assert_eq!(failed.len(), addresses.len(), "{why}: all are told");
                    assert!(
                        failed
                            .iter()
                            .all(|(address, after)| *address == Fails(*after))
                    );
                }
            }
        }
    }
}
