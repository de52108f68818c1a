//! What one connection holds of what its peer sent and no reader took, and the limits on it.
//!
//! Three things may happen to DATA that lies in `h2` for long. Its reader has an [`Inbox`]: then the
//! connection's task gathers it there. Its reader has gone: then `h2` has thrown it away, and so do these books;
//! a count of what was seen less what was taken, for the connection as a whole, would have kept it for
//! ever. Or it belongs to a call of one message that no task polls, or whose response head was not
//! read: that cannot be reached, so it is *carried* in the books, and bounded.
//!
//! The books are made up when the [`Ledger`] is full or is asked for, and not for each
//! frame. What is said to them meanwhile is a number in a list.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use super::buffers::Buffers;
use super::inbox::Inbox;
use super::ledger::{FORGOTTEN, Ledger, Load};
use super::settings::Http2Settings;

/// Credit is given back in portions of this much, or less where windows are small or streams many.
const PORTION: usize = 4 * 1024;

/// So many streams a client is thought to have open at once: with the default window, 2³¹−1 bytes, their portions
/// come to half of it.
#[cfg(feature = "client")]
const CLIENT_STREAMS: usize = 1 << 18;

/// What a connection carries that no inbox can take, counted as 256 bytes a frame and its own.
#[cfg(feature = "server")]
const CARRIED_BY_SERVER: usize = 8 << 20;
#[cfg(feature = "client")]
const CARRIED_BY_CLIENT: usize = 64 << 20;

/// Streams that have gone and may still be sent what was on its way: more than are cancelled in a round trip.
const PAST: usize = 8 * 1024;

/// The books are made up when so much was said to them, though no DATA came.
const MANY: usize = 1024;

/// A limit of this side's that ended a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    /// Of a channel's connection.
    #[cfg(feature = "client")]
    MaxUnreadBytes(usize),
    /// Of a whole server.
    #[cfg(feature = "server")]
    MaxBufferedBytes(usize),
}

impl std::fmt::Display for Limit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            #[cfg(feature = "client")]
            Self::MaxUnreadBytes(limit) => write!(
                f,
                "more than {limit} bytes of answers lay unread on the connection, and most of them were this \
                 call's: read it sooner, or raise this client's max_unread_bytes"
            ),
            #[cfg(feature = "server")]
            Self::MaxBufferedBytes(limit) => write!(
                f,
                "this server holds {limit} bytes of requests that its handlers have not taken: \
                 try again later, or raise the server's max_buffered_bytes"
            ),
        }
    }
}

/// What all connections of a server may hold together.
#[derive(Debug)]
pub(crate) struct Buffered {
    limit: usize,
    held: AtomicUsize,
}

#[cfg(feature = "server")]
impl Buffered {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            held: AtomicUsize::new(0),
        }
    }
}

impl Buffered {
    /// Counts `bytes` more, even if they are too many.
    pub(crate) fn add(&self, bytes: usize) -> Result<(), Limit> {
        let before = self.held.fetch_add(bytes, Ordering::Relaxed);
        if before.saturating_add(bytes) <= self.limit {
            return Ok(());
        }
        #[cfg(feature = "server")]
        return Err(Limit::MaxBufferedBytes(self.limit));
        #[cfg(not(feature = "server"))]
        Ok(())
    }

    pub(crate) fn sub(&self, bytes: usize) {
        self.held.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// More DATA is carried than may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TooMuch;

/// The books of one connection.
#[derive(Debug)]
pub(crate) struct Unread {
    /// Credit that one stream may keep back. Of all streams together it is less than half of the
    /// connection's window, so that keeping back never stops it; and half of the stream's at most.
    pub(crate) portion: usize,
    /// Of what is carried.
    max_carried: usize,
    /// Of what is gathered and carried; `usize::MAX` where the connection's window is the limit.
    max_unread: usize,
    /// Of the server, if it has such a limit.
    pub(crate) buffered: Option<Arc<Buffered>>,
    /// Bytes in all inboxes.
    gathered: AtomicUsize,
    /// The books are to be made up.
    due: AtomicBool,
    /// Something is carried.
    carrying: AtomicBool,
    /// Memory of large messages. It is here since every call has a handle of these books.
    pub(crate) buffers: Buffers,
    /// Made when they are first opened: most connections have nothing to write in them.
    books: OnceLock<Box<Mutex<Books>>>,
}

#[derive(Debug, Default)]
struct Books {
    inboxes: HashMap<u32, Arc<Inbox>>,
    /// Inboxes to look into, whatever the ledger says: they are new, or asked for it.
    visits: Vec<u32>,
    /// Streams that are not held any more.
    gone: Vec<u32>,
    /// Streams without an inbox, and what came for them.
    carried: HashMap<u32, Load>,
    /// What is carried in all.
    cost: usize,
    past: Past,
}

impl Unread {
    #[cfg(feature = "server")]
    pub(crate) fn of_server(settings: &Http2Settings, buffered: Option<Arc<Buffered>>) -> Self {
        // Twice as many streams as are open may be held: one that the peer reset is, until its handler is dropped.
        let streams = 2 * settings.max_concurrent_streams as usize;
        Self::new(settings, streams, CARRIED_BY_SERVER, usize::MAX, buffered)
    }

    #[cfg(feature = "client")]
    pub(crate) fn of_client(settings: &Http2Settings, max_unread: usize) -> Self {
        Self::new(
            settings,
            CLIENT_STREAMS,
            CARRIED_BY_CLIENT,
            max_unread,
            None,
        )
    }

    fn new(
        settings: &Http2Settings,
        streams: usize,
        max_carried: usize,
        max_unread: usize,
        buffered: Option<Arc<Buffered>>,
    ) -> Self {
        Self {
            portion: portion(settings, streams),
            max_carried,
            max_unread,
            buffered,
            gathered: AtomicUsize::new(0),
            due: AtomicBool::new(false),
            carrying: AtomicBool::new(false),
            buffers: Buffers::default(),
            books: OnceLock::new(),
        }
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        let books = self.books.get_or_init(Box::default);
        books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // What readers say.

    /// A stream has an inbox from now on.
    pub(super) fn enter(&self, id: u32, inbox: Arc<Inbox>) {
        let mut books = self.books();
        books.inboxes.insert(id, inbox);
        books.visits.push(id);
        if books.visits.len() >= MANY {
            self.ask();
        }
    }

    /// An inbox has something to do.
    pub(super) fn visit(&self, id: u32) {
        self.books().visits.push(id);
        self.ask();
    }

    /// An inbox is given up.
    pub(super) fn leave(&self, id: u32) {
        let mut books = self.books();
        let inbox = books.inboxes.remove(&id);
        self.note_gone(&mut books, id);
        drop(books);
        drop(inbox);
    }

    /// The stream is not held any more, though frames of it may be in the books, or still come.
    #[cold]
    pub(crate) fn gone(&self, id: u32) {
        self.note_gone(&mut self.books(), id);
    }

    fn note_gone(&self, books: &mut Books, id: u32) {
        books.gone.push(id);
        if books.gone.len() >= MANY {
            self.ask();
        }
    }

    /// So many bytes were gathered.
    pub(super) fn gathered(&self, bytes: usize) -> Result<(), Limit> {
        self.gathered.fetch_add(bytes, Ordering::Relaxed);
        match &self.buffered {
            Some(buffered) => buffered.add(bytes),
            None => Ok(()),
        }
    }

    /// So many of them were taken, or thrown away.
    pub(super) fn taken(&self, bytes: usize) {
        if bytes > 0 {
            self.gathered.fetch_sub(bytes, Ordering::Relaxed);
            if let Some(buffered) = &self.buffered {
                buffered.sub(bytes);
            }
        }
    }

    // What the connection's task does.

    /// The books are to be made up, soon.
    pub(super) fn ask(&self) {
        self.due.store(true, Ordering::Release);
    }

    /// Whether they are. It is asked once.
    #[inline]
    pub(crate) fn is_due(&self) -> bool {
        self.due.load(Ordering::Relaxed) && self.due.swap(false, Ordering::Acquire)
    }

    /// A stream has ended, of which the ledger has no more than `frames`.
    #[inline]
    pub(super) fn ended(&self, id: u32, frames: u32) {
        // A look at the lock would be dear for each response; this is all that is needed of it.
        if self.is_carrying() {
            self.strike(id, frames);
        }
    }

    fn is_carrying(&self) -> bool {
        self.carrying.load(Ordering::Relaxed)
    }

    #[cold]
    fn strike(&self, id: u32, frames: u32) {
        let mut books = self.books();
        books.bury();
        if books
            .carried
            .get(&id)
            .is_some_and(|load| load.frames + frames <= FORGOTTEN)
        {
            books.let_go(id);
        }
        self.carrying
            .store(!books.carried.is_empty(), Ordering::Relaxed);
    }

    /// Makes up the books: `list` is what came since the last time. An error is the connection's end.
    #[cold]
    pub(crate) fn make_up(&self, list: Vec<Load>) -> Result<(), TooMuch> {
        let mut books = self.books();
        let (due, carried) = books.make_up(list);
        let cost = books.cost;
        self.carrying
            .store(!books.carried.is_empty(), Ordering::Relaxed);
        // `h2` wakes inboxes while it is locked, and these look here: so nothing is asked of it meanwhile.
        drop(books);
        for inbox in due {
            inbox.gather();
        }
        if cost > self.max_carried {
            return Err(TooMuch);
        }
        while self
            .gathered
            .load(Ordering::Relaxed)
            .saturating_add(carried)
            > self.max_unread
        {
            if !self.end_longest() {
                break;
            }
        }
        Ok(())
    }

    /// Ends the stream that has most unread.
    #[cold]
    fn end_longest(&self) -> bool {
        let inboxes: Vec<_> = self.books().inboxes.values().cloned().collect();
        let longest = inboxes.iter().max_by_key(|inbox| inbox.held());
        match longest.filter(|inbox| inbox.held() > 0) {
            #[cfg(feature = "client")]
            Some(inbox) => {
                inbox.end(Limit::MaxUnreadBytes(self.max_unread));
                true
            }
            _ => false,
        }
    }
}

impl Books {
    /// Which inboxes have something in `h2`, and how many bytes are carried.
    fn make_up(&mut self, list: Vec<Load>) -> (Vec<Arc<Inbox>>, usize) {
        self.bury();
        let mut due = Vec::with_capacity(list.len());
        for id in std::mem::take(&mut self.visits) {
            self.let_go(id);
            due.extend(self.inboxes.get(&id).cloned());
        }
        for load in list {
            if let Some(inbox) = self.inboxes.get(&load.id) {
                due.push(inbox.clone());
            } else if !self.past.has(load.id) {
                self.cost += load.cost();
                let id = load.id;
                self.carried.entry(id).or_insert(Load::none(id)).add(load);
            }
        }
        let bytes = self.carried.values().map(|load| load.bytes as usize).sum();
        (due, bytes)
    }

    /// Strikes off who has gone.
    fn bury(&mut self) {
        for id in std::mem::take(&mut self.gone) {
            self.let_go(id);
            self.past.add(id);
        }
    }

    /// The stream is carried no longer.
    fn let_go(&mut self, id: u32) {
        if let Some(load) = self.carried.remove(&id) {
            self.cost -= load.cost();
        }
    }
}

/// The last streams that have gone.
#[derive(Debug, Default)]
struct Past {
    ids: HashSet<u32>,
    order: VecDeque<u32>,
}

impl Past {
    fn add(&mut self, id: u32) {
        if self.ids.insert(id) {
            self.order.push_back(id);
            if self.order.len() > PAST {
                if let Some(oldest) = self.order.pop_front() {
                    self.ids.remove(&oldest);
                }
            }
        }
    }

    fn has(&self, id: u32) -> bool {
        self.ids.contains(&id)
    }
}

/// Keeps the ledger of a connection, in the hands of what reads its socket.
#[derive(Debug)]
pub(super) struct Watch {
    ledger: Ledger,
    unread: Arc<Unread>,
}

impl Watch {
    pub(super) fn new(unread: Arc<Unread>) -> Self {
        Self {
            ledger: Ledger::default(),
            unread,
        }
    }

    /// A DATA frame has begun to arrive.
    #[inline]
    pub(super) fn data(&mut self, id: u32, len: usize, ended: bool) {
        if let Some(frames) = self.ledger.data(id, len, ended) {
            self.unread.ended(id, frames);
        }
    }

    /// Trailers have begun to arrive.
    #[inline]
    pub(super) fn ended(&mut self, id: u32) {
        if let Some(frames) = self.ledger.ended(id) {
            self.unread.ended(id, frames);
        }
    }

    /// Whether the socket must wait for the books to be made up; then they will be.
    #[inline]
    pub(super) fn is_full(&self) -> bool {
        let is_full = self.ledger.is_full();
        if is_full {
            self.unread.ask();
        }
        is_full
    }

    pub(super) fn take(&mut self) -> Vec<Load> {
        self.ledger.take()
    }
}

/// How much credit each of so many streams may keep back.
fn portion(settings: &Http2Settings, streams: usize) -> usize {
    let of_connection = settings.connection_window as usize / 2 / streams.max(1);
    let of_stream = settings.stream_window as usize / 2;
    PORTION.min(of_connection).min(of_stream)
}

#[cfg(all(test, feature = "server", feature = "client"))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn s02_what_streams_keep_back_is_less_than_half_of_the_window(
            stream_window in 1u32..1 << 31,
            connection_window in 1u32..1 << 31,
            streams in any::<u32>(),
        ) {
            let settings = Http2Settings {
                stream_window,
                connection_window,
                max_concurrent_streams: streams,
                ..Http2Settings::default()
            };
            // A stream keeps back less than a portion; none, if that is 0 or 1.
            let server = Unread::of_server(&settings, None).portion.saturating_sub(1);
            prop_assert!(2 * server * streams as usize <= connection_window as usize);
            prop_assert!(2 * server <= stream_window as usize);
            let client = Unread::of_client(&settings, 0).portion.saturating_sub(1);
            prop_assert!(2 * client * CLIENT_STREAMS <= connection_window as usize);
            prop_assert!(2 * client <= stream_window as usize);
        }
    }

    fn load(id: u32, frames: u32) -> Load {
        Load {
            id,
            frames,
            bytes: 0,
        }
    }

    #[test]
    fn what_is_carried_goes_with_its_stream_and_late_frames_do_not_count() {
        let mut books = Books::default();
        books.make_up(vec![load(1, 10), load(3, 5)]);
        assert_eq!(books.cost, 15 * 256);
        books.gone.push(1);
        books.make_up(vec![load(1, 100), load(3, 1)]);
        assert_eq!(
            books.cost,
            6 * 256,
            "the stream is gone, and so are its late frames"
        );
        books.make_up(vec![load(1, 100)]);
        assert_eq!(books.cost, 6 * 256);
        books.gone.push(3);
        books.make_up(Vec::new());
        assert_eq!((books.cost, books.carried.len()), (0, 0));
    }

    #[test]
    fn thirty_thousand_streams_that_go_with_late_frames_leave_nothing() {
        let unread = Unread::of_client(&Http2Settings::default(), usize::MAX);
        for id in (1..60_001).step_by(2) {
            unread.gone(id);
            if unread.is_due() || id % 200 == 1 {
                let late = (id.saturating_sub(400).max(1)..=id).step_by(2);
                unread
                    .make_up(late.map(|id| load(id, 1000)).collect())
                    .unwrap();
            }
        }
        assert_eq!(unread.books().cost, 0);
        assert!(unread.books().past.ids.len() <= PAST);
    }

    #[test]
    fn an_answer_that_is_carried_is_struck_off_at_its_end() {
        let unread = Unread::of_client(&Http2Settings::default(), usize::MAX);
        for (frames, more, left) in [(1, 0, 0), (1, 1, 0), (2, 1, 1), (3, 0, 1)] {
            unread.make_up(vec![load(5, frames)]).unwrap();
            unread.ended(5, more);
            assert_eq!(unread.books().carried.len(), left, "{frames} and {more}");
            unread.gone(5);
            unread.make_up(Vec::new()).unwrap();
            *unread.books() = Books::default();
        }
    }
}
