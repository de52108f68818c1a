//! The outgoing lane of a call that streams requests: between what its user says and what `h2` takes.
//!
//! Whoever sends puts whole messages in at one end. One task, the lane's pump, takes them out at the other
//! and gives them to `h2` as the peer's window allows. What has come together until the pump gets its turn
//! leaves together: a thousand small messages sent in one breath, or while the window is closed, are a few
//! DATA frames, and one message is one. Nothing waits for company, since the first message wakes the pump;
//! and nothing is held back while its sender waits for an answer, since the pump is a task of its own.
//!
//! ```text
//!   sender ──poll_offer──▶ unsent ──poll_flush, by the pump──▶ h2
//!                             ▲                                │
//!                             └──────── rewind ◀── replay ◀────┘ a copy, until the response headers come
//! ```
//!
//! The lane is there before the call's stream is, and outlives a stream that the peer refused. It is over
//! when the answer is complete, or when either end of the call gives up; both ends are told why.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::{Bytes, BytesMut};
use h2::{Reason, SendStream};

use crate::call::ending;
use crate::call::replay::Replay;
use crate::call::size::{FRAME, askable};
use crate::deadline;
use crate::status::{Origin, Status};
use crate::wire::code::Code;

/// A handle of the lane. Whoever sends holds one, whoever receives another, and the pump a third.
#[derive(Clone)]
pub(crate) struct SharedLane(Arc<Mutex<Lane>>);

struct Lane {
    /// `None` before the call is opened, and between two attempts.
    stream: Option<SendStream<Bytes>>,
    /// Whole messages, and at the front the rest of one, that `h2` has not been given.
    unsent: BytesMut,
    /// No message comes after those.
    ended: bool,
    /// END_STREAM has been given to `h2`.
    half_closed: bool,
    /// What `h2` has been given; `None` once the call cannot be made again.
    replay: Option<Replay>,
    /// The stream is gone, in this way, and the call may yet be made again: the task that waits for the answer decides.
    /// `None` once it cannot.
    broken: Option<Over>,
    /// The peer has begun to answer.
    committed: bool,
    /// Set once; nothing is sent after it.
    over: Option<Over>,
    /// Why this side gave up, for both ends to report.
    failure: Option<Status>,
    waiting: Waiting,
}

/// Who waits for what. Each is one task at most.
#[derive(Default)]
struct Waiting {
    /// The sender, for room.
    room: Option<Waker>,
    /// The pump, for something to do.
    work: Option<Waker>,
    /// Whoever opens the call, for its being over before that.
    over: Option<Waker>,
}

/// Why a lane is over before its own end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    /// The peer has answered completely: `RST_STREAM(NO_ERROR)`, if requests were still to come.
    Answered,
    /// Nobody wants the answer any more: `RST_STREAM(CANCEL)`.
    Cancelled,
    /// The peer reset the stream.
    Reset(Reason),
    /// The connection is gone.
    Lost,
}

impl SharedLane {
    /// A lane for messages to come, which may be sent twice.
    pub(crate) fn new() -> Self {
        Self::with(BytesMut::new(), false, Some(Replay::default()))
    }

    /// A lane for this and no more.
    pub(crate) fn of_one(body: BytesMut) -> Self {
        Self::with(body, true, None)
    }

    fn with(unsent: BytesMut, ended: bool, replay: Option<Replay>) -> Self {
        Self(Arc::new(Mutex::new(Lane {
            stream: None,
            unsent,
            ended,
            half_closed: false,
            replay,
            broken: None,
            committed: false,
            over: None,
            failure: None,
            waiting: Waiting::default(),
        })))
    }

    // The sender's end.

    /// Takes over the message in `buf`, whole, once there is room, and is ready when there is room again.
    ///
    /// Whoever does not want to wait any longer has either said nothing, or all of it.
    pub(crate) fn poll_offer(
        &self,
        cx: &mut Context<'_>,
        buf: &mut BytesMut,
    ) -> Poll<Result<(), Status>> {
        let mut lane = self.lock();
        if lane.over.is_some() {
            return Poll::Ready(Err(lane.told()));
        }
        if lane.unsent.len() < FRAME && !buf.is_empty() {
            lane.push(buf);
        }
        if lane.unsent.len() < FRAME {
            return Poll::Ready(Ok(()));
        }
        lane.waiting.room = Some(cx.waker().clone());
        Poll::Pending
    }

    /// No message comes after those that are here: END_STREAM.
    pub(crate) fn end(&self) -> Result<(), Status> {
        let mut lane = self.lock();
        lane.ended = true;
        wake(&mut lane.waiting.work);
        match lane.over {
            None | Some(Over::Answered | Over::Reset(Reason::NO_ERROR)) => Ok(()),
            Some(_) => Err(lane.told()),
        }
    }

    /// What a sender is told of a lane that is over.
    pub(crate) fn told(&self) -> Status {
        self.lock().told()
    }

    /// Whether nothing is sent any more.
    pub(crate) fn is_over(&self) -> bool {
        self.lock().over.is_some()
    }

    // The pump's end.

    /// Whether the pump should gather more, from a stream that it sends itself.
    pub(crate) fn wants_more(&self) -> bool {
        let lane = self.lock();
        lane.stream.is_some() && lane.over.is_none() && lane.unsent.len() < FRAME
    }

    /// Takes over what the pump gathered.
    pub(crate) fn push(&self, buf: &mut BytesMut) {
        self.lock().push(buf);
    }

    /// Gives to `h2` what the peer takes. `Ready` when there will be nothing more to give.
    pub(crate) fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut lane = self.lock();
        lane.waiting.work = Some(cx.waker().clone());
        lane.poll_flush(cx)
    }

    // The call's end.

    /// What is here, and what comes, is sent on `stream` from now on.
    pub(crate) fn attach(&self, stream: SendStream<Bytes>) -> Result<(), Status> {
        let mut lane = self.lock();
        if lane.over.is_some() {
            return Err(lane.told());
        }
        lane.stream = Some(stream);
        wake(&mut lane.waiting.work);
        Ok(())
    }

    /// Everything is to be sent again, on a stream to come. `false` if it is no longer held.
    pub(crate) fn rewind(&self) -> bool {
        let mut lane = self.lock();
        let Lane { replay, unsent, .. } = &mut *lane;
        let Some(replay) = replay else { return false };
        *unsent = replay.rewind(unsent);
        lane.stream = None;
        lane.broken = None;
        lane.half_closed = false;
        true
    }

    /// The peer has begun to answer: nothing will be sent again.
    pub(crate) fn commit(&self) {
        let mut lane = self.lock();
        lane.replay = None;
        lane.committed = true;
        match lane.broken.take() {
            // The answer came with a reset behind it, which was seen first.
            Some(over) if lane.over.is_none() => lane.over(over),
            _ => wake(&mut lane.waiting.work),
        }
    }

    /// DEADLINE_EXCEEDED, and where the call was; `waits` says what for, if it had no stream.
    pub(crate) fn expired(&self, waits: impl FnOnce() -> String) -> Status {
        let lane = self.lock();
        let opened = lane.stream.is_some() || lane.broken.is_some();
        let committed = lane.committed;
        drop(lane);
        match (committed, opened) {
            (true, _) => deadline::exceeded(deadline::IN_ANSWER),
            (false, true) => deadline::exceeded(deadline::IN_REQUEST),
            (false, false) => deadline::exceeded(&waits()),
        }
    }

    /// The task that waited for the answer has given up, and resets the stream when it sees fit.
    #[cfg(feature = "client")]
    pub(crate) fn let_go(&self) {
        self.lock().stream = None;
    }

    /// Ends the lane at once, and tells the peer why.
    pub(crate) fn close(&self, over: Over) {
        self.lock().close(over);
    }

    /// This side cannot go on: cancels the call, and leaves the reason to both ends. Gives the reason that
    /// counts, which is the first.
    pub(crate) fn fail(&self, status: Status) -> Status {
        let mut lane = self.lock();
        if lane.over.is_some() {
            return lane.failure.clone().unwrap_or(status);
        }
        lane.failure = Some(status.clone());
        lane.close(Over::Cancelled);
        status
    }

    /// The call ended well, and this side's look at its end failed: what both ends are told.
    pub(crate) fn spoil(&self, status: Status) {
        self.lock().failure.get_or_insert(status);
    }

    /// The call has ended so. If this side gave up before, its reason is the call's; if the peer has not
    /// answered, this side does so now.
    pub(crate) fn finish<T>(&self, end: Result<T, Status>) -> Result<T, Status> {
        match end {
            Err(status) if status.origin() != Origin::Peer => Err(self.fail(status)),
            end => {
                let mut lane = self.lock();
                lane.close(Over::Answered);
                end.map_err(|status| lane.failure.clone().unwrap_or(status))
            }
        }
    }

    /// `Ready` when the lane is over.
    pub(crate) fn poll_over(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut lane = self.lock();
        if lane.over.is_some() {
            return Poll::Ready(());
        }
        lane.waiting.over = Some(cx.waker().clone());
        Poll::Pending
    }

    /// `Ready` when this side has given the call up. The task that waits for the answer must see it, and give up too.
    #[cfg(feature = "client")]
    pub(crate) fn poll_cancelled(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut lane = self.lock();
        match lane.over {
            Some(Over::Cancelled) => Poll::Ready(()),
            Some(_) => Poll::Pending,
            None => {
                match &mut lane.waiting.over {
                    Some(waker) => waker.clone_from(cx.waker()),
                    none => *none = Some(cx.waker().clone()),
                }
                Poll::Pending
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Lane> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lane {
    fn push(&mut self, buf: &mut BytesMut) {
        if self.unsent.is_empty() {
            std::mem::swap(&mut self.unsent, buf);
        } else {
            self.unsent.extend_from_slice(buf);
            buf.clear();
        }
        wake(&mut self.waiting.work);
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let (None, Some(stream)) = (self.over, &mut self.stream) else {
                return if self.over.is_some() {
                    Poll::Ready(())
                } else {
                    Poll::Pending
                };
            };
            if self.ended && self.unsent.is_empty() && !self.half_closed {
                self.half_closed = true;
                //= GRPC-REQ-EOS  request ends with END_STREAM on DATA, an empty one if need be
                let _ = stream.send_data(Bytes::new(), true);
            }
            if self.half_closed && self.replay.is_none() {
                return Poll::Ready(());
            }
            if !self.unsent.is_empty() {
                stream.reserve_capacity(askable(self.unsent.len()));
                let granted = stream.capacity().min(self.unsent.len());
                if granted > 0 {
                    self.give(granted);
                    continue;
                }
                if let Poll::Ready(Some(Ok(_))) = stream.poll_capacity(cx) {
                    continue;
                }
            }
            let reset = std::task::ready!(stream.poll_reset(cx));
            self.stream = None;
            let over = reset.map_or(Over::Lost, Over::Reset);
            if self.replay.is_none() {
                self.over(over);
            } else {
                self.broken = Some(over);
            }
        }
    }

    /// Gives the first `len` bytes to `h2`, which has granted as many.
    fn give(&mut self, len: usize) {
        let Some(stream) = &mut self.stream else {
            return;
        };
        let bytes = self.unsent.split_to(len).freeze();
        if let Some(replay) = &mut self.replay {
            if replay.keep(&bytes).is_err() {
                self.replay = None;
            }
        }
        self.half_closed = self.ended && self.unsent.is_empty();
        // If it fails, the stream is gone, which the next look at it tells.
        let _ = stream.send_data(bytes, self.half_closed);
        if self.unsent.len() < FRAME {
            wake(&mut self.waiting.room);
        }
    }

    fn close(&mut self, over: Over) {
        if self.over.is_some() {
            return;
        }
        if let Some(mut stream) = self.stream.take() {
            match over {
                //= GRPC-EARLY-CLOSE-CLIENT  answered before our end: RST_STREAM(NO_ERROR)
                Over::Answered if !self.half_closed => stream.send_reset(Reason::NO_ERROR),
                //= GRPC-CANCEL  cancel is RST_STREAM(CANCEL)
                Over::Cancelled if self.committed => stream.send_reset(Reason::CANCEL),
                // Before the answer has begun, the stream is reset by the task that waits for it, in its turn: see
                // `poll_cancelled`.
                Over::Cancelled => {}
                Over::Answered | Over::Reset(_) | Over::Lost => {}
            }
        }
        self.over(over);
    }

    fn over(&mut self, over: Over) {
        self.over = Some(over);
        self.unsent = BytesMut::new();
        self.replay = None;
        let Waiting { room, work, over } = &mut self.waiting;
        for waiting in [room, work, over] {
            wake(waiting);
        }
    }

    fn told(&self) -> Status {
        if let Some(failure) = &self.failure {
            return failure.clone();
        }
        let what = match self.over {
            Some(Over::Answered) | Some(Over::Reset(Reason::NO_ERROR)) => {
                "the peer has answered already".to_owned()
            }
            Some(Over::Reset(reason)) => format!("its stream was reset: {}", ending::name(reason)),
            Some(Over::Lost) => "its connection was lost".to_owned(),
            Some(Over::Cancelled) | None => "it was cancelled on this side".to_owned(),
        };
        let message = format!("the call is over ({what}); its receiver has the status");
        Status::library(Code::Cancelled, message, Origin::Library)
    }
}

fn wake(waiting: &mut Option<Waker>) {
    if let Some(waker) = waiting.take() {
        waker.wake();
    }
}
