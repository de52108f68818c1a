//! How large may a message become, and how long may that take?
//!
//! A payload of 4 KiB can stand for a message of 4 MiB. So the limit of the reader holds *while* the message grows: a coding is
//! given room up to the limit and no further, then one byte more, and if it fills that byte the message is too long.
//! How many times larger the message is than its payload has no meaning: an honest message of zeros is a thousand times larger.
//!
//! It takes processor time too, and a peer that sends 256 such payloads at once would occupy all threads for a second. So there are two ways:
//!
//! - A message of up to [`AT_ONCE`] is inflated where it is read, into the thread's own room.
//! - A longer one has a task of its own, which inflates [`STEP`] bytes and lets others have their turn, again and again. A core less
//!   than there are may do that at the same time, however many wait; a message that waits holds its payload and nothing else. So all of
//!   them together hold a few windows and messages, and one thread is free for calls that have none.
//!
//! What was inflated before a message was found to be long is thrown away, and done again in the task: 128 KiB at most. Else what
//! waits would hold its state. Most payloads announce their length, and long ones are not tried.
//!
//! This file does not know what a payload is made of, nor when the peer may send more.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;

use super::codec::{Corrupt, Inflater};
use super::contexts;
use super::encoding::Compression;

/// The longest message that is inflated at once, in bytes: some 100 µs of gzip.
pub(crate) const AT_ONCE: usize = 128 * 1024;

/// How much of a longer one is inflated before others have their turn, in bytes.
const STEP: usize = 256 * 1024;

/// The most work that is done at once, as [`Growing`] counts it. An honest message of [`AT_ONCE`] takes little more than a third.
const WORK_AT_ONCE: usize = 3 * AT_ONCE;

/// Memory that is taken because a payload announces it, in bytes. What a longer message needs is taken while it grows.
const BELIEVED: usize = 4 * 1024 * 1024;

/// Why there is no message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// It is longer than the limit.
    TooLong,
    /// The payload is not in its coding, or would take too much memory.
    Corrupt(Corrupt),
    /// A coding of the user's panicked.
    Panicked,
    /// The runtime ended while the message was inflated.
    Stopped,
}

impl From<Corrupt> for Failure {
    fn from(corrupt: Corrupt) -> Self {
        Failure::Corrupt(corrupt)
    }
}

/// A message that is being inflated, or was.
#[derive(Debug)]
pub(crate) enum Inflating {
    Whole(Bytes),
    /// To be polled until it is whole.
    Long(Task),
}

/// The message that `payload` holds, of at most `max_len` bytes.
pub(crate) fn inflate(
    compression: &Compression,
    payload: Bytes,
    max_len: usize,
) -> Result<Inflating, Failure> {
    let mut inflater = contexts::take_inflater(compression);
    let announced = announced_len(inflater.as_ref(), &payload);
    if announced.is_none_or(|len| len <= AT_ONCE) {
        let whole = inflate_at_once(inflater.as_mut(), &payload, max_len);
        contexts::keep_inflater(compression, inflater);
        if let Some(message) = whole? {
            return Ok(Inflating::Whole(message));
        }
    } else {
        contexts::keep_inflater(compression, inflater);
    }
    let work = inflate_in_steps(compression.clone(), payload, max_len);
    Ok(Inflating::Long(match Handle::try_current() {
        Ok(runtime) => {
            let turn = Arc::new(Turn::wanted(turns(runtime.runtime_flavor())));
            let held = turn.clone();
            let task = runtime.spawn(async move {
                poll_fn(|cx| held.poll(cx)).await;
                let message = work.await;
                held.end();
                message
            });
            Task::Spawned(task, turn)
        }
        // A call outside of any runtime has no neighbours there.
        Err(_) => Task::Own(Mutex::new(Box::pin(work))),
    }))
}

fn announced_len(inflater: &dyn Inflater, payload: &[u8]) -> Option<usize> {
    let len = inflater.announced_len(payload)?;
    Some(usize::try_from(len).unwrap_or(usize::MAX))
}

/// The message, if it is not longer than [`AT_ONCE`].
fn inflate_at_once(
    inflater: &mut dyn Inflater,
    payload: &[u8],
    max_len: usize,
) -> Result<Option<Bytes>, Failure> {
    let mut scratch = contexts::take_scratch(AT_ONCE);
    let mut message = Growing::new(payload, max_len);
    let room = &mut scratch[..max_len.min(AT_ONCE)];
    let whole = loop {
        let (at, end) = (message.len, room.len());
        match message.step(inflater, &mut room[at..]) {
            Ok(true) => break Ok(Some(Bytes::copy_from_slice(&room[..message.len]))),
            Ok(false) if message.len == end && end < max_len => break Ok(None),
            Ok(false) if message.work > WORK_AT_ONCE => break Ok(None),
            Ok(false) => {}
            Err(failure) => break Err(failure),
        }
    };
    contexts::keep_scratch(scratch);
    whole
}

/// The message, with others in between.
async fn inflate_in_steps(
    compression: Compression,
    payload: Bytes,
    max_len: usize,
) -> Result<Bytes, Failure> {
    let mut inflater = contexts::take_inflater(&compression);
    let announced = announced_len(inflater.as_ref(), &payload);
    let mut message = Growing::new(&payload, max_len);
    let mut room = Vec::new();
    // It is one of a few that get so far, so it is given what it says it needs: up to the limit, and not on its word alone.
    let believed = announced.unwrap_or(STEP).min(BELIEVED);
    room.try_reserve_exact(believed.min(max_len))
        .map_err(no_memory)?;
    loop {
        let (until, turn) = (message.len + STEP, message.work + STEP);
        while message.len < until && message.work < turn {
            message.make_room(&mut room, until)?;
            let at = message.len;
            if message.step(inflater.as_mut(), &mut room[at..])? {
                contexts::keep_inflater(&compression, inflater);
                room.truncate(message.len);
                return Ok(room.into());
            }
        }
        // Unlike a mere wake of oneself it lets the runtime look at its sockets too.
        tokio::task::yield_now().await;
    }
}

/// A message of which the first `len` bytes are there.
struct Growing<'a> {
    /// What was not read yet.
    payload: &'a [u8],
    len: usize,
    max_len: usize,
    /// How much was done, in bytes that would have taken as long. A payload may be long and make nothing: of empty blocks,
    /// each with its tables, or of empty members.
    work: usize,
}

/// What a step counts at least, in bytes of work.
const LEAST_WORK: usize = 256;

/// What a byte counts that was read and made nothing, in bytes of work.
const IDLE_WORK: usize = 4;

impl<'a> Growing<'a> {
    fn new(payload: &'a [u8], max_len: usize) -> Self {
        Self {
            payload,
            len: 0,
            max_len,
            work: 0,
        }
    }

    /// Lets the message grow into `room`; whether it is whole. The room is full only at the limit, or where the
    /// owner makes more.
    fn step(&mut self, inflater: &mut dyn Inflater, room: &mut [u8]) -> Result<bool, Failure> {
        let mut one_more = [0];
        let is_full = room.is_empty();
        let room = if is_full { &mut one_more } else { room };
        let progress = inflater.inflate(self.payload, room)?;
        let written = progress.written.min(room.len());
        if is_full && written > 0 {
            return Err(Failure::TooLong);
        }
        self.len += written;
        let idle = progress
            .read
            .min(self.payload.len())
            .saturating_sub(written);
        self.work += written.max(LEAST_WORK) + IDLE_WORK * idle;
        self.payload = self.payload.get(progress.read..).unwrap_or_default();
        if progress.is_done && !self.payload.is_empty() {
            let found = self.payload.len();
            return Err(Corrupt::new(format!("{found} bytes follow after its end")).into());
        }
        if !progress.is_done && progress.read == 0 && written == 0 {
            return Err(Corrupt::new("it ends in the middle").into());
        }
        Ok(progress.is_done)
    }

    /// Room up to `until`, or up to the limit. The memory doubles, so that it is moved a few times; and what it is beyond the
    /// message is at most what the message is.
    fn make_room(&self, room: &mut Vec<u8>, until: usize) -> Result<(), Failure> {
        let until = until.min(self.max_len);
        if room.len() < until {
            if room.capacity() < until {
                let target = room.len().saturating_mul(2).clamp(until, self.max_len);
                room.try_reserve_exact(target - room.len())
                    .map_err(no_memory)?;
            }
            room.resize(until, 0);
        }
        Ok(())
    }
}

#[cold]
fn no_memory(error: std::collections::TryReserveError) -> Failure {
    Corrupt::too_costly(format!("there is no memory for its message: {error}")).into()
}

type Work = Pin<Box<dyn Future<Output = Result<Bytes, Failure>> + Send>>;

/// A long message. Dropping it stops the work.
pub(crate) enum Task {
    Spawned(JoinHandle<Result<Bytes, Failure>>, Arc<Turn>),
    /// No thread waits for the lock. It is there because threads share a call, one at a time.
    Own(Mutex<Work>),
}

impl Future for Task {
    type Output = Result<Bytes, Failure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut *self {
            Task::Spawned(task, _) => Pin::new(task).poll(cx).map(|joined| {
                joined.unwrap_or_else(|error| {
                    Err(if error.is_panic() {
                        Failure::Panicked
                    } else {
                        Failure::Stopped
                    })
                })
            }),
            Task::Own(work) => {
                let work = work.get_mut().unwrap_or_else(PoisonError::into_inner);
                work.as_mut().poll(cx)
            }
        }
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        if let Task::Spawned(task, turn) = self {
            task.abort();
            turn.end();
        }
    }
}

impl std::fmt::Debug for Task {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Task")
    }
}

/// The turn that a task has, or will not have. A runtime that is not driven keeps what was aborted, so a turn ends where the
/// [`Task`] is dropped, and not where its work is.
pub(crate) struct Turn(Mutex<AtTurn>);

enum AtTurn {
    Waits(Pin<Box<dyn Future<Output = Permit> + Send>>),
    Has(#[allow(dead_code, reason = "to be dropped")] Permit),
    Over,
}

/// No semaphore of ours is ever closed.
type Permit = Result<OwnedSemaphorePermit, AcquireError>;

impl Turn {
    fn wanted(turns: Arc<Semaphore>) -> Self {
        Self(Mutex::new(AtTurn::Waits(Box::pin(turns.acquire_owned()))))
    }

    fn lock(&self) -> MutexGuard<'_, AtTurn> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ready when it is this task's turn; never after the end.
    fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut turn = self.lock();
        match &mut *turn {
            AtTurn::Waits(permit) => {
                *turn = AtTurn::Has(ready!(permit.as_mut().poll(cx)));
                Poll::Ready(())
            }
            AtTurn::Has(_) => Poll::Ready(()),
            AtTurn::Over => Poll::Pending,
        }
    }

    fn end(&self) {
        // Another task may be woken by it: not under the lock.
        let turn = std::mem::replace(&mut *self.lock(), AtTurn::Over);
        drop(turn);
    }
}

thread_local! {
    /// For runtimes of one thread: while such a runtime is not driven, what it holds makes no other thread wait.
    static OWN: Arc<Semaphore> = Arc::new(Semaphore::new(1));
}

/// One core is for everything else.
fn turns(flavor: RuntimeFlavor) -> Arc<Semaphore> {
    static TURNS: OnceLock<Arc<Semaphore>> = OnceLock::new();
    if let (RuntimeFlavor::CurrentThread, Ok(own)) = (flavor, OWN.try_with(Arc::clone)) {
        return own;
    }
    let turns = TURNS.get_or_init(|| {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Arc::new(Semaphore::new(cores.saturating_sub(1).max(1)))
    });
    turns.clone()
}
