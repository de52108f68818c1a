//! How a held call is opened, and in whose task.
//!
//! The first use of either end opens the call. Interceptors run in the task that uses it, as they do for all
//! other calls: there they see its task-locals and its tracing span. They may have to wait, and a use may be dropped
//! meanwhile; then they stand where they are until the next use, of either end. When they have let the call
//! pass, two tasks go on by themselves: one sends the messages ([`pump`]), one waits for the head of the answer
//! and may open the call anew until it comes.
//!
//! Two ends may wait for the same thing, and what is waited for knows one waker: that of [`Ends`], which wakes both.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use http::uri::PathAndQuery;
use tokio::sync::oneshot;

use super::channel::Channel;
use super::outgoing::Outgoing;
use super::pump;
use super::response::{Head, read_head};
use crate::call::caught::caught;
use crate::call::lane::SharedLane;
use crate::call::reader::MessageReader;
use crate::call::streaming::Claim;
use crate::metadata::MetadataMap;
use crate::request::Request;
use crate::status::{Origin, Status};
use crate::wire::code::Code;

/// What both ends of a held call have in common.
pub(super) struct Opening {
    pub(super) path: PathAndQuery,
    pub(super) lane: SharedLane,
    pub(super) ends: Arc<Ends>,
    stage: Mutex<Stage>,
}

/// How far the call has got.
enum Stage {
    /// Nobody has used it.
    New(Box<Start>),
    /// Interceptors have not let it pass yet.
    Intercepting(Intercepting),
    /// One end polls them, and will wake the other.
    Busy,
    /// It is on its way, or was refused.
    Begun,
}

/// What is needed to open the call.
struct Start {
    channel: Channel,
    head: Request<()>,
    answer: oneshot::Sender<Answered>,
}

struct Intercepting {
    work: Pin<Box<dyn Future<Output = Passed> + Send>>,
    answer: oneshot::Sender<Answered>,
}

/// A call, and whether interceptors let it pass.
type Passed = (Channel, Outgoing, Result<(), Status>);

/// What came of opening the call.
pub(super) struct Answered {
    pub(super) result: Result<Answer, Status>,
    /// The call, where interceptors have yet to see the result.
    pub(super) unseen: Option<(Channel, Outgoing)>,
}

/// What the server answers with, before its first message.
pub(super) enum Answer {
    Open {
        metadata: MetadataMap,
        receiver: MessageReader,
        open: Option<Box<dyn Claim>>,
    },
    /// The call is over, and ended well.
    Over(MetadataMap),
}

impl Opening {
    /// A call that nobody has used, and where to learn what comes of it.
    pub(super) fn new(
        channel: &Channel,
        path: PathAndQuery,
    ) -> (Self, oneshot::Receiver<Answered>) {
        let (answer, answered) = oneshot::channel();
        let start = Start {
            channel: channel.clone(),
            head: Request::new(()),
            answer,
        };
        let opening = Self {
            path,
            lane: SharedLane::new(),
            ends: Arc::default(),
            stage: Mutex::new(Stage::New(Box::new(start))),
        };
        (opening, answered)
    }

    /// A call that is over before its first use.
    pub(super) fn refused(status: Status) -> Self {
        let lane = SharedLane::new();
        lane.fail(status);
        Self {
            path: PathAndQuery::from_static("/"),
            lane,
            ends: Arc::default(),
            stage: Mutex::new(Stage::Begun),
        }
    }

    /// Changes the head of a call that nobody has used.
    pub(super) fn change_head(&self, change: impl FnOnce(&mut Request<()>)) {
        if let Stage::New(start) = &mut *self.stage() {
            change(&mut start.head);
        }
    }

    /// Opens the call, unless that was done before. `Ready` when it is on its way, or was refused: then its lane
    /// and its answer say so.
    pub(super) fn poll_begin(&self, cx: &mut Context<'_>, end: End) -> Poll<()> {
        let mut stage = self.stage();
        let mut intercepting = match std::mem::replace(&mut *stage, Stage::Busy) {
            Stage::Begun => {
                *stage = Stage::Begun;
                return Poll::Ready(());
            }
            Stage::Busy => {
                self.ends.wait(end, cx);
                return Poll::Pending;
            }
            // An end was dropped meanwhile: no frame leaves for such a call.
            Stage::New(start) if self.lane.is_over() => {
                *stage = Stage::Begun;
                self.refuse(self.lane.told(), start.answer);
                return Poll::Ready(());
            }
            Stage::New(start) if start.channel.interceptors.is_empty() => {
                *stage = Stage::Begun;
                let call = Outgoing::new(&start.channel, self.path.clone(), start.head);
                self.go(start.channel, call, start.answer);
                return Poll::Ready(());
            }
            Stage::New(start) => self.intercept(*start),
            Stage::Intercepting(intercepting) => intercepting,
        };
        drop(stage);
        self.ends.wait(end, cx);
        let waker = self.ends.waker();
        let cx = &mut Context::from_waker(&waker);
        let next = match caught(|| intercepting.work.as_mut().poll(cx)) {
            Ok(Poll::Pending | Poll::Ready((_, _, Ok(())))) if self.lane.is_over() => {
                let _ = caught(|| drop(intercepting.work));
                self.refuse(self.lane.told(), intercepting.answer);
                Stage::Begun
            }
            Ok(Poll::Pending) => Stage::Intercepting(intercepting),
            Ok(Poll::Ready((channel, call, Ok(())))) => {
                self.go(channel, call, intercepting.answer);
                Stage::Begun
            }
            Ok(Poll::Ready((_, _, Err(status)))) => {
                self.refuse(status, intercepting.answer);
                Stage::Begun
            }
            Err(panicked) => {
                let _ = caught(|| drop(intercepting.work));
                self.refuse(panicked.status("the interceptor"), intercepting.answer);
                Stage::Begun
            }
        };
        let begun = matches!(next, Stage::Begun);
        *self.stage() = next;
        if !begun {
            return Poll::Pending;
        }
        self.ends.wake_all();
        Poll::Ready(())
    }

    fn intercept(&self, start: Start) -> Intercepting {
        let Start {
            channel,
            head,
            answer,
        } = start;
        let mut call = Outgoing::new(&channel, self.path.clone(), head);
        let work = async move {
            let passed = call.intercept(&channel).await;
            (channel, call, passed)
        };
        Intercepting {
            work: Box::pin(work),
            answer,
        }
    }

    /// Both ends learn why the call was not made.
    fn refuse(&self, status: Status, answer: oneshot::Sender<Answered>) {
        let status = self.lane.fail(status);
        let _ = answer.send(Answered {
            result: Err(status),
            unseen: None,
        });
    }

    /// From here on the call goes by itself.
    fn go(&self, channel: Channel, call: Outgoing, answer: oneshot::Sender<Answered>) {
        let runtime = match channel.tasks().of_call() {
            Ok(runtime) => runtime,
            Err(none) => return self.refuse(none.into(), answer),
        };
        pump::spawn(&self.lane, &channel, call.deadline);
        runtime.spawn(open(channel, call, self.lane.clone(), answer));
    }

    fn stage(&self) -> MutexGuard<'_, Stage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Opens a call, and waits for the head of its answer: until then it may be opened again.
async fn open(
    channel: Channel,
    call: Outgoing,
    lane: SharedLane,
    answer: oneshot::Sender<Answered>,
) {
    let result = {
        let mut work = pin!(answered(&channel, &call, &lane));
        let result = poll_fn(|cx| match work.as_mut().poll(cx) {
            // Either end was dropped, or the deadline passed.
            Poll::Pending => lane.poll_over(cx).map(|()| Err(lane.told())),
            ready => ready,
        });
        result.await
    };
    if let Err(status) = &result {
        lane.fail(status.clone());
    }
    // If nobody waits for it any more, the call was cancelled by the receiver's being dropped.
    let _ = answer.send(Answered {
        result,
        unseen: Some((channel, call)),
    });
}

async fn answered(channel: &Channel, call: &Outgoing, lane: &SharedLane) -> Result<Answer, Status> {
    let head = call
        .attempts_of_stream(channel, lane, |mut asked| async move {
            let head = read_head(channel, &mut asked, call).await?;
            Ok((head, asked))
        })
        .await;
    let over = match head {
        Ok((Head::Open(metadata, mut receiver), asked)) => {
            receiver.source.share(None);
            return Ok(Answer::Open {
                metadata,
                receiver,
                open: asked.into_claim(),
            });
        }
        Ok((Head::Over(end), mut asked)) => {
            asked.ended(end.as_ref());
            end
        }
        Err(status) => Err(status),
    };
    lane.finish(over).map(Answer::Over)
}

/// What is said if the call's task is gone without a word: it was dropped together with its runtime.
pub(super) fn stopped() -> Status {
    Status::library(
        Code::Unavailable,
        "the runtime that made the call has stopped",
        Origin::Library,
    )
}

/// One end of a held call.
#[derive(Clone, Copy, Debug)]
pub(super) enum End {
    Sender,
    Receiver,
}

/// Who waits at either end.
#[derive(Debug, Default)]
pub(super) struct Ends(Mutex<[Option<Waker>; 2]>);

impl Ends {
    /// `end` waits for whatever comes.
    pub(super) fn wait(&self, end: End, cx: &Context<'_>) {
        match &mut self.lock()[end as usize] {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
    }

    /// What wakes both ends.
    pub(super) fn waker(self: &Arc<Self>) -> Waker {
        Waker::from(self.clone())
    }

    /// `end` has what it waited for; the other may have something to do now.
    pub(super) fn leave(&self, end: End) {
        let mut waiting = std::mem::take(&mut *self.lock());
        waiting[end as usize] = None;
        waiting.into_iter().flatten().for_each(Waker::wake);
    }

    pub(super) fn wake_all(&self) {
        let waiting = std::mem::take(&mut *self.lock());
        waiting.into_iter().flatten().for_each(Waker::wake);
    }

    fn lock(&self) -> MutexGuard<'_, [Option<Waker>; 2]> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Ends {
    fn wake(self: Arc<Self>) {
        self.wake_all();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.wake_all();
    }
}
