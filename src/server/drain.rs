//! How do a server and its callers stop without losing a call?
//!
//! Spec: RFC 9113 §6.8 (GOAWAY); PROTOCOL-HTTP2.md, "GOAWAY Frame".
//!
//! In two steps, on every connection at once. First the listeners close and each connection says GOAWAY:
//! no new calls, those in flight may end. Then, when all have ended or the time is up, what is left is
//! cut. Both steps are a phase that connections look at, so that none of them keeps a list of the others.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Waker};

use tokio::sync::watch;

use super::answers::Answers;
use super::room::Place;
use super::router::Entry;

/// How far a server has come with stopping.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// It has not begun.
    Serving,
    /// No new calls; those in flight may end.
    Draining,
    /// What is left is cut.
    Forced,
}

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
                self.tally.phase.store(phase as u8, Ordering::Relaxed);
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

/// What became of the calls that were in flight when a drain began.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// The [`Phase`], where a call can see it for the price of a load.
    phase: AtomicU8,
    report: Mutex<DrainReport>,
}

impl Tally {
    /// Whether the server is in this phase. Costs a load.
    #[inline]
    pub(crate) fn is_in(&self, phase: Phase) -> bool {
        self.phase.load(Ordering::Relaxed) == phase as u8
    }

    /// Counts one call.
    pub(crate) fn count(&self, entry: &Entry, cut: bool) {
        let mut report = self.report.lock().unwrap_or_else(PoisonError::into_inner);
        let report = &mut *report;
        let method = report.methods.entry(entry.path().to_owned()).or_default();
        for count in [&mut report.total, method] {
            *(if cut {
                &mut count.cut
            } else {
                &mut count.finished
            }) += 1;
        }
    }

    /// The report so far.
    pub(crate) fn report(&self) -> DrainReport {
        self.report
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// What became of the calls that were in flight when a server was told to stop.
///
/// A call that its caller cancelled meanwhile counts as finished: nothing of it was lost by stopping. One whose
/// answer had not left when its connection was cut counts as cut, and so does one whose caller has not taken the answer
/// from the network in the time there was, as far as a server can know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DrainReport {
    /// All calls together.
    pub total: DrainCount,
    /// By method, `/package.Service/Method`.
    pub methods: BTreeMap<String, DrainCount>,
}

/// How many calls ended by themselves during a drain, and how many were cut at its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DrainCount {
    /// Ended by themselves.
    pub finished: u64,
    /// Still open when the time was up.
    pub cut: u64,
}

impl std::fmt::Display for DrainReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} calls finished, {} cut",
            self.total.finished, self.total.cut
        )
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
