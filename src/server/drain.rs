//! How do a server and its callers stop without losing a call?
//!
//! Spec: RFC 9113 §6.8 (GOAWAY); PROTOCOL-HTTP2.md, "GOAWAY Frame".
//!
//! In two steps, on every connection at once. First the listeners close and each connection says GOAWAY:
//! no new calls, those in flight may end. Then, when all have ended or the time is up, what is left is
//! cut. Both steps are a phase that connections look at, so that none of them keeps a list of the others.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Waker};

use tokio::sync::watch;

use super::answers::Answers;
use super::room::Place;
use super::tally::{Phase, Tally};

/// The switch of one server, and its count of what became of the calls in flight.
#[derive(Debug)]
pub(crate) struct Drain {
    phase: watch::Sender<Phase>,
    tally: Arc<Tally>,
}

impl Drain {
    pub(crate) fn new() -> Self {
        Self {
            phase: watch::Sender::new(Phase::Serving),
            tally: Arc::default(),
        }
    }

    /// Moves on to `phase`, if it has not come so far yet; it never goes back.
    pub(crate) fn enter(&self, phase: Phase) -> bool {
        self.phase.send_if_modified(|now| {
            let moves = *now < phase;
            if moves {
                *now = phase;
                self.tally.enter(phase);
            }
            moves
        })
    }

    /// What a connection watches.
    pub(crate) fn watch(&self, place: Arc<Place>) -> ConnectionDrain {
        let mut changes = self.phase.subscribe();
        ConnectionDrain {
            phase: self.phase.subscribe(),
            changes: Box::pin(async move {
                loop {
                    if changes.changed().await.is_err() {
                        std::future::pending::<()>().await;
                    }
                }
            }),
            registered: None,
            seen: Phase::Serving,
            place,
            answers: Arc::new(Answers::new(self.tally.clone())),
        }
    }

    pub(crate) fn tally(&self) -> Arc<Tally> {
        self.tally.clone()
    }
}

/// The switch, seen from a connection.
pub(crate) struct ConnectionDrain {
    phase: watch::Receiver<Phase>,
    /// Never ends; it is where the connection's waker waits for the next phase.
    changes: Pin<Box<dyn Future<Output = ()> + Send>>,
    registered: Option<Waker>,
    seen: Phase,
    /// It may be asked to go by itself, to make room for another.
    place: Arc<Place>,
    answers: Arc<Answers>,
}

impl ConnectionDrain {
    /// What becomes of the connection's calls.
    pub(crate) fn answers(&self) -> Arc<Answers> {
        self.answers.clone()
    }

    /// The phase as it is; the task is woken when it changes. In nearly all turns this is three comparisons.
    pub(crate) fn poll_phase(&mut self, cx: &mut Context<'_>) -> Phase {
        let registered = self
            .registered
            .as_ref()
            .is_some_and(|waker| waker.will_wake(cx.waker()));
        // An error means that nobody is left to change it, and may have done so last.
        if !registered || self.phase.has_changed().unwrap_or(true) {
            // In a task whose budget is used up, tokio would say `Pending` without having taken the waker.
            let mut changes = std::pin::pin!(tokio::task::unconstrained(self.changes.as_mut()));
            let _ = changes.as_mut().poll(cx);
            self.place.wake(cx.waker());
            self.registered = Some(cx.waker().clone());
            self.seen = *self.phase.borrow_and_update();
        }
        if self.place.is_asked() {
            return self.seen.max(Phase::Draining);
        }
        self.seen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn s17_a_connection_first_polled_without_budget_hears_of_the_drain() {
        let drain = Drain::new();
        let place = super::super::room::Greeting::apart().place().clone();
        let mut connection = drain.watch(place);
        let mut turns = 0;
        let told = std::future::poll_fn(|cx| {
            turns += 1;
            if turns == 1 {
                let mut work = std::pin::pin!(async {
                    loop {
                        tokio::task::consume_budget().await;
                    }
                });
                let _: std::task::Poll<()> = work.as_mut().poll(cx);
            }
            match connection.poll_phase(cx) {
                Phase::Serving => std::task::Poll::Pending,
                _ => std::task::Poll::Ready(()),
            }
        });
        let later = async {
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            drain.enter(Phase::Draining);
        };
        let both = async { tokio::join!(told, later) };
        let both = tokio::time::timeout(std::time::Duration::from_secs(60), both);
        both.await.expect("it hears");
    }
}
