//! What has come for a reader who lags, out of `h2`'s hands.
//!
//! `h2` keeps each DATA frame by itself until its stream is polled, at 250 bytes a frame and the read buffer
//! that it was cut from: a window of 512 KiB, full of messages of 16 bytes, held 6 MiB, and frames of one byte
//! among large ones 4 GiB. So a stream whose reader may lag has an [`Inbox`], which the connection's task can
//! reach: when the [`Ledger`](super::ledger) is full, the task takes the frames out of `h2` and copies
//! the small ones together. Their credit is given back when the reader takes them, as if they still
//! lay in `h2`; so what a reader leaves unread costs what its window says, and a peer that keeps to the window
//! is never cut, however small its frames are.
//!
//! ```text
//!   socket ──▶ h2 ──poll_data──▶ reader           while it keeps up
//!                └─▶ gathered ───▶ reader           once it lags
//! ```
//!
//! One mutex guards both ways, so a reader finds the bytes in order. The task polls `h2` with the waker that
//! the reader left: the reader's place in `h2` is never taken from it.
//!
//! This file does not know what the bytes mean, nor who else has an inbox: that is [`Unread`]'s.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use bytes::{Bytes, BytesMut};
use h2::RecvStream;
use http::HeaderMap;

use super::unread::{Limit, Unread};

/// Frames from this size on are kept as they are: less than half of the memory they hold is not theirs.
const LARGE: usize = 4 * 1024;

/// Small frames are copied together into blocks of up to this size.
const BLOCK: usize = 16 * 1024;

/// One stream's incoming DATA, in reach of its reader and of its connection.
#[derive(Debug)]
pub(crate) struct Inbox {
    id: u32,
    unread: Arc<Unread>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// `None` once no more is wanted from it.
    stream: Option<RecvStream>,
    /// Taken out of `h2` and not read; their credit is still to be given.
    gathered: VecDeque<Bytes>,
    /// The last block, which is still filled. It comes after `gathered`.
    tail: BytesMut,
    /// Bytes in both.
    held: usize,
    /// The reader's, as it last waited.
    waker: Option<Waker>,
    /// A limit ended the stream, and the reader shall get an error.
    shed: Option<Limit>,
    /// The reader has gone, but the call goes on: what comes is thrown away.
    discards: bool,
    /// The call is over, or has no other holder than the reader.
    call_over: bool,
}

/// Why an inbox gives nothing more.
#[derive(Debug)]
pub(crate) enum Broken {
    H2(h2::Error),
    Shed(Limit),
}

/// Held by a call whose reader may go before it: what comes then is read, thrown away and credited, so that
/// neither the peer nor its other streams wait for window. The stream is let go when this is dropped.
#[derive(Debug)]
pub(crate) struct Keeper(Arc<Inbox>);

impl Inbox {
    /// An inbox for `stream`, known to its connection.
    pub(crate) fn new(stream: RecvStream, waker: Option<Waker>, unread: Arc<Unread>) -> Arc<Self> {
        let inbox = Arc::new(Self {
            id: stream.stream_id().as_u32(),
            unread: unread.clone(),
            state: Mutex::new(State {
                stream: Some(stream),
                gathered: VecDeque::new(),
                tail: BytesMut::new(),
                held: 0,
                waker,
                shed: None,
                discards: false,
                call_over: true,
            }),
        });
        unread.enter(inbox.id, inbox.clone());
        inbox
    }

    /// The call goes on when the reader goes, until what this gives is dropped.
    #[cfg(feature = "server")]
    pub(crate) fn keeper(self: &Arc<Self>) -> Keeper {
        self.lock().call_over = false;
        Keeper(self.clone())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next bytes, for the reader.
    pub(crate) fn poll_data(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Broken>>> {
        let mut state = self.lock();
        if state.held > 0 {
            let block = match state.gathered.pop_front() {
                Some(block) => block,
                None => state.tail.split().freeze(),
            };
            state.held -= block.len();
            self.unread.taken(block.len());
            return Poll::Ready(Some(Ok(block)));
        }
        let state = &mut *state;
        let Some(stream) = &mut state.stream else {
            let shed = state.shed;
            return Poll::Ready(shed.map(|limit| Err(Broken::Shed(limit))));
        };
        let polled = stream.poll_data(cx);
        if polled.is_pending() {
            state.remember(cx);
        }
        polled.map_err(Broken::H2)
    }

    /// The trailers, once [`poll_data`](Self::poll_data) has said `None`.
    pub(crate) fn poll_trailers(
        &self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<HeaderMap>, h2::Error>> {
        let mut state = self.lock();
        let Some(stream) = &mut state.stream else {
            return Poll::Ready(Ok(None));
        };
        let polled = stream.poll_trailers(cx);
        if polled.is_pending() {
            state.remember(cx);
        }
        polled
    }

    /// Whether all has come and was read.
    pub(crate) fn is_end_stream(&self) -> bool {
        let state = self.lock();
        state.held == 0 && state.stream.as_ref().is_some_and(RecvStream::is_end_stream)
    }

    /// The peer may send `len` bytes more.
    pub(crate) fn release(&self, len: usize) {
        if let Some(stream) = &mut self.lock().stream {
            let _ = stream.flow_control().release_capacity(len);
        }
    }

    /// The reader has gone. `is_whole` says that it saw the stream's end.
    pub(crate) fn leave(self: &Arc<Self>, is_whole: bool) {
        let mut state = self.lock();
        state.waker = None;
        self.empty(&mut state);
        if !is_whole && !state.call_over && state.stream.is_some() {
            state.discards = true;
            drop(state);
            self.gather();
            return;
        }
        self.let_go(state, is_whole);
    }

    fn let_go(&self, mut state: MutexGuard<'_, State>, is_whole: bool) {
        let mut stream = state.stream.take();
        drop(state);
        if let (Some(stream), false) = (&mut stream, is_whole) {
            give_back(stream);
        }
        self.unread.leave(self.id);
    }

    /// Throws away what was gathered.
    fn empty(&self, state: &mut State) {
        self.unread.taken(state.held);
        (state.gathered, state.tail, state.held) = (VecDeque::new(), BytesMut::new(), 0);
    }

    /// Takes out of `h2` what lies there. Called by the connection's task.
    pub(crate) fn gather(self: &Arc<Self>) {
        let mut guard = self.lock();
        let state = &mut *guard;
        let Some(stream) = &mut state.stream else {
            return;
        };
        if state.discards {
            discard(stream, &Waker::from(self.clone()));
            return;
        }
        let mut cx = Context::from_waker(state.waker.as_ref().unwrap_or(Waker::noop()));
        let mut came = 0;
        while let Poll::Ready(Some(Ok(chunk))) = stream.poll_data(&mut cx) {
            came += chunk.len();
            if chunk.len() >= LARGE {
                if !state.tail.is_empty() {
                    state.gathered.push_back(state.tail.split().freeze());
                }
                state.gathered.push_back(chunk);
                continue;
            }
            if state.tail.len() + chunk.len() > BLOCK {
                state
                    .gathered
                    .push_back(std::mem::take(&mut state.tail).freeze());
            }
            state.tail.extend_from_slice(&chunk);
        }
        state.held += came;
        if let Err(limit) = self.unread.gathered(came) {
            let reader = self.shed(state, limit);
            drop(guard);
            wake(reader);
        }
    }

    /// How many bytes were gathered.
    pub(crate) fn held(&self) -> usize {
        self.lock().held
    }

    /// Ends the stream: its reader gets the reason, and what it left unread is thrown away.
    #[cold]
    pub(crate) fn end(&self, limit: Limit) {
        let reader = self.shed(&mut self.lock(), limit);
        wake(reader);
    }

    /// Gives who is to be woken, when nothing is locked any more.
    #[cold]
    fn shed(&self, state: &mut State, limit: Limit) -> Option<Waker> {
        self.empty(state);
        state.shed = Some(limit);
        if let Some(mut stream) = state.stream.take() {
            give_back(&mut stream);
        }
        state.waker.take()
    }
}

impl State {
    /// Keeps the reader's waker, for the connection's task to poll with.
    fn remember(&mut self, cx: &mut Context<'_>) {
        match &mut self.waker {
            Some(waker) if waker.will_wake(cx.waker()) => {}
            waker => *waker = Some(cx.waker().clone()),
        }
    }
}

/// The next frame that no reader wants has come: the connection's task, in whose turn it did, throws it away.
impl Wake for Inbox {
    fn wake(self: Arc<Self>) {
        self.unread.visit(self.id);
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.call_over = true;
        if state.discards {
            self.0.let_go(state, false);
        }
    }
}

fn wake(reader: Option<Waker>) {
    if let Some(reader) = reader {
        reader.wake();
    }
}

/// Takes and credits what lies in `h2` and was read before, and leaves a waker for what comes.
fn discard(stream: &mut RecvStream, waker: &Waker) {
    let mut cx = Context::from_waker(waker);
    while let Poll::Ready(Some(Ok(_))) = stream.poll_data(&mut cx) {}
    give_back(stream);
}

/// Gives back all credit that a stream still owes.
fn give_back(stream: &mut RecvStream) {
    let credit = stream.flow_control();
    let owed = credit.used_capacity();
    if owed > 0 {
        let _ = credit.release_capacity(owed);
    }
}
