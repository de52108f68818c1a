//! Who goes when there is no room for a newcomer?
//!
//! A server that has all the connections it may have could leave the next one in the kernel's queue: its peer would
//! wait in silence, until it gives up. So each newcomer is accepted. Then another connection is closed for it, or the newcomer is
//! closed at once, so that its peer knows. The first of these that exists is closed, the longest silent of its kind:
//!
//! 1. a connection in its handshake on which nothing has come for two seconds; one on which nothing came at all before one
//!    that has begun. It is the peer's turn: what this side had to say was said at once. Beyond
//!    [`MANY_HANDSHAKES`] this happens whether the server is full or not;
//! 2. a connection on which no call was ever made, one that is still in its handshake before one that is not;
//! 3. a connection without a call for five minutes.
//!
//! The last two get a GOAWAY if they speak HTTP/2, and as many a second have to go as a hundredth of the limit: a peer that fills the
//! server with busy connections does not push out those that rest between two calls. A connection with a
//! call, or with one a short while ago, never has to go.
//!
//! Connections say how they are when they look around, once a second at most; the list is read only when there is
//! no room.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::Waker;
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::Instant;

/// Beyond so many connections in their handshake, the silent ones among them have to go; each holds memory
/// for nothing.
const MANY_HANDSHAKES: usize = 1024;

/// So long a peer may be silent in its handshake, while the server is not full: six round trips of 300 ms, which is
/// more than TLS inside of an IO needs.
const SILENT: Duration = Duration::from_secs(2);

/// So long a connection may rest between two calls, whatever happens.
const IDLE: Duration = Duration::from_secs(5 * 60);

/// After no connection was found that has to go, the list is not read for so long.
const PAUSE: Duration = Duration::from_millis(100);

/// The first rank of those whose number a second is limited.
const PUSHED: u8 = 10;

/// How often a lack of room is reported.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// How a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Stage {
    /// It has said nothing.
    Silent,
    /// It has said something, and not all of its handshake.
    Greeting,
    /// It speaks HTTP/2, and has made no call.
    Unused,
    /// It has made calls, and has none open.
    Idle,
    /// A call is open.
    Busy,
}

/// One connection, as others see it.
#[derive(Debug)]
pub(crate) struct Place {
    /// What `since` counts from.
    epoch: Instant,
    stage: AtomicU8,
    /// Since when it is at this stage, or, in a handshake, when bytes came last: milliseconds of `epoch`.
    since: AtomicU64,
    /// Bytes that came in the handshake.
    heard: AtomicU64,
    /// It has been asked to go.
    asked: AtomicBool,
    /// It is woken when it is asked to.
    waker: Mutex<Option<Waker>>,
    /// Ends its task, where that is ours.
    task: OnceLock<AbortHandle>,
}

impl Place {
    fn new(epoch: Instant) -> Self {
        let place = Self {
            epoch,
            stage: AtomicU8::new(Stage::Silent as u8),
            since: AtomicU64::new(0),
            heard: AtomicU64::new(0),
            asked: AtomicBool::new(false),
            waker: Mutex::new(None),
            task: OnceLock::new(),
        };
        place.is(Stage::Silent, Instant::now());
        place
    }

    /// It is at this stage since then.
    pub(crate) fn is(&self, stage: Stage, since: Instant) {
        let since = since.saturating_duration_since(self.epoch).as_millis();
        let since = u64::try_from(since).unwrap_or(u64::MAX);
        self.since.store(since, Ordering::Relaxed);
        self.stage.store(stage as u8, Ordering::Relaxed);
    }

    /// In its handshake, it has said so many bytes by now.
    pub(crate) fn hears(&self, bytes: u64) {
        if bytes > self.heard.swap(bytes, Ordering::Relaxed) {
            self.is(Stage::Greeting, Instant::now());
        }
    }

    /// Has it been asked to go?
    #[inline]
    pub(crate) fn is_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    /// Who is woken when it is asked to.
    pub(crate) fn wake(&self, waker: &Waker) {
        *lock(&self.waker) = Some(waker.clone());
    }

    /// Its task can be ended so.
    pub(crate) fn runs_in(&self, task: AbortHandle) {
        let _ = self.task.set(task);
        // It may have been asked before.
        if self.is_asked() && self.is_greeting() {
            self.go();
        }
    }

    fn is_greeting(&self) -> bool {
        self.stage.load(Ordering::Relaxed) <= Stage::Greeting as u8
    }

    /// Asks it to go: at once in its handshake, and else when its calls have ended.
    fn go(&self) {
        let is_greeting = self.is_greeting();
        self.asked.store(true, Ordering::SeqCst);
        if let (true, Some(task)) = (is_greeting, self.task.get()) {
            task.abort();
        }
        if let Some(waker) = lock(&self.waker).take() {
            waker.wake();
        }
    }

    /// How soon it has to go; the lowest goes first, `None` does not.
    fn rank(&self, now: Instant, may_push: bool) -> Option<(u8, u64)> {
        let stage = self.stage.load(Ordering::Relaxed);
        let since = self.since.load(Ordering::Relaxed);
        let lasts = (now - self.epoch).saturating_sub(Duration::from_millis(since));
        let silent = stage <= Stage::Greeting as u8 && lasts >= SILENT;
        let idle = stage == Stage::Idle as u8 && lasts >= IDLE;
        let unused = stage <= Stage::Unused as u8;
        match stage {
            _ if silent => Some((stage, since)),
            _ if may_push && (unused || idle) => Some((PUSHED + stage, since)),
            _ => None,
        }
    }
}

/// The connections of a server.
#[derive(Debug)]
pub(crate) struct Room {
    limit: usize,
    begun: Instant,
    list: Mutex<List>,
}

#[derive(Debug)]
struct List {
    /// Those that were not asked to go, oldest first.
    places: BTreeMap<u64, Arc<Place>>,
    next: u64,
    /// Asked to go when their calls have ended, and not gone yet.
    leaving: BTreeSet<u64>,
    /// In their handshake.
    greeting: usize,
    /// So many may still be asked to go in this second, which began then.
    pushes: usize,
    second: Instant,
    /// No connection was found that has to go; the list is not read before.
    pause: Option<Instant>,
    /// Newcomers closed since the last report.
    refused: u64,
    told: Option<Instant>,
}

/// What becomes of a newcomer.
#[derive(Debug)]
pub(crate) enum Newcomer {
    /// It is served.
    In(Seat, Greeting),
    /// It is closed. `Some` is to be reported: so many since the last report.
    Out(Option<u64>),
}

impl Room {
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        let now = Instant::now();
        Arc::new(Self {
            limit,
            begun: now,
            list: Mutex::new(List {
                places: BTreeMap::new(),
                next: 0,
                leaving: BTreeSet::new(),
                greeting: 0,
                pushes: hundredth(limit),
                second: now,
                pause: None,
                refused: 0,
                told: None,
            }),
        })
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// A connection was accepted.
    pub(crate) fn enter(self: &Arc<Self>) -> Newcomer {
        let now = Instant::now();
        let mut list = lock(&self.list);
        let is_full = list.places.len() >= self.limit;
        if is_full || list.greeting >= MANY_HANDSHAKES {
            // Those who were asked to go are still there; there are never many.
            let may_push = is_full && list.leaving.len() < 2 * hundredth(self.limit);
            let found = list.make_room(now, may_push, hundredth(self.limit));
            if is_full && !found {
                list.refused += 1;
                if list.told.is_some_and(|told| now - told < TELL_EVERY) {
                    return Newcomer::Out(None);
                }
                list.told = Some(now);
                return Newcomer::Out(Some(std::mem::take(&mut list.refused)));
            }
        }
        let id = list.next;
        list.next += 1;
        list.greeting += 1;
        let place = Arc::new(Place::new(self.begun));
        list.places.insert(id, place.clone());
        let greeting = Greeting {
            room: Some(self.clone()),
            place: place.clone(),
        };
        let room = self.clone();
        Newcomer::In(Seat { room, place, id }, greeting)
    }

    /// There are no descriptors left, whatever the limit.
    pub(crate) fn make_room(&self) {
        let now = Instant::now();
        let mut list = lock(&self.list);
        let may_push = list.leaving.len() < 2 * hundredth(self.limit);
        list.make_room(now, may_push, hundredth(self.limit));
    }
}

impl List {
    /// Asks one to go, if there is one who has to.
    fn make_room(&mut self, now: Instant, may_push: bool, a_second: usize) -> bool {
        if now - self.second >= Duration::from_secs(1) {
            (self.pushes, self.second) = (a_second, now);
        }
        if self.pause.is_some_and(|until| now < until) {
            return false;
        }
        let may_push = may_push && self.pushes > 0;
        let ranked = self.places.iter();
        let ranked = ranked.filter_map(|(id, place)| Some((place.rank(now, may_push)?, *id)));
        let Some(((rank, _), id)) = ranked.min() else {
            self.pause = Some(now + PAUSE);
            return false;
        };
        if rank >= PUSHED {
            self.pushes -= 1;
            self.leaving.insert(id);
        }
        if let Some(place) = self.places.remove(&id) {
            place.go();
        }
        true
    }
}

/// A connection's place in the room, until this is dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    room: Arc<Room>,
    place: Arc<Place>,
    id: u64,
}

impl Seat {
    pub(crate) fn place(&self) -> &Arc<Place> {
        &self.place
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut list = lock(&self.room.list);
        list.places.remove(&self.id);
        list.leaving.remove(&self.id);
        // There is room now.
        list.pause = None;
    }
}

/// A connection in its handshake, until this is dropped.
#[derive(Debug)]
pub(crate) struct Greeting {
    /// `None` where it is not counted.
    room: Option<Arc<Room>>,
    place: Arc<Place>,
}

impl Greeting {
    /// Of a connection that is not counted.
    pub(crate) fn apart() -> Self {
        let place = Arc::new(Place::new(Instant::now()));
        Self { room: None, place }
    }

    pub(crate) fn place(&self) -> &Arc<Place> {
        &self.place
    }
}

impl Drop for Greeting {
    fn drop(&mut self) {
        self.place.is(Stage::Unused, Instant::now());
        if let Some(room) = &self.room {
            lock(&room.list).greeting -= 1;
        }
    }
}

/// How many connections a server has room for, by default: as many as it may have descriptors, with room left
/// for the application's own.
pub(crate) fn default_limit() -> usize {
    descriptors().map_or(UNKNOWN_LIMIT, limit_for)
}

/// Where the system does not report how many descriptors there may be. Running out of them is borne as well.
const UNKNOWN_LIMIT: usize = 10_000;

/// More have to be asked for: idle, these take about a gigabyte.
const MAX_DEFAULT: usize = 65_536;

/// The limit for so many descriptors: 64 are left for the application, or half of a few. If it needs more, running
/// out of them makes room as well.
fn limit_for(descriptors: usize) -> usize {
    let kept = (descriptors / 2).min(64);
    (descriptors - kept).clamp(1, MAX_DEFAULT)
}

/// `RLIMIT_NOFILE`, which `std` cannot ask for; Linux has it in a file.
fn descriptors() -> Option<usize> {
    if cfg!(not(target_os = "linux")) {
        return None;
    }
    parse_descriptors(&std::fs::read_to_string("/proc/self/limits").ok()?)
}

fn parse_descriptors(limits: &str) -> Option<usize> {
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    match line.split_whitespace().next()? {
        "unlimited" => Some(usize::MAX),
        soft => soft.parse().ok(),
    }
}

/// A hundredth, and one at least.
fn hundredth(limit: usize) -> usize {
    (limit / 100).max(1)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn d13_the_default_follows_the_descriptors() {
        for (descriptors, limit, why) in [
            (0, 1, "a server without any would be none"),
            (64, 32, "few"),
            (1024, 960, "as most systems have it"),
            (20_000, 19_936, "many"),
            (usize::MAX, MAX_DEFAULT, "memory is finite"),
        ] {
            assert_eq!(limit_for(descriptors), limit, "{why}");
        }
        let limits = "Limit                     Soft Limit           Hard Limit           Units     \n\
            Max processes             unlimited            unlimited            processes \n\
            Max open files            1024                 524288               files     \n";
        assert_eq!(parse_descriptors(limits), Some(1024));
        assert_eq!(
            parse_descriptors("Max open files unlimited unlimited files"),
            Some(usize::MAX)
        );
        assert_eq!(parse_descriptors("nothing of the kind"), None);
    }

    /// What became of places that are at these stages for so many seconds: who goes for `newcomers`?
    async fn who_goes(stages: &[(Stage, u64)], newcomers: usize) -> Vec<usize> {
        let room = Room::new(stages.len());
        tokio::time::advance(secs(1000)).await;
        let now = Instant::now();
        let mut seats = Vec::new();
        for (stage, since) in stages {
            let Newcomer::In(seat, greeting) = room.enter() else {
                panic!("there is room");
            };
            drop(greeting);
            seat.place().is(*stage, now - secs(*since));
            seats.push(seat);
        }
        let mut gone = Vec::new();
        let mut more = Vec::new();
        for _ in 0..newcomers {
            // Those who come greet at once.
            if let Newcomer::In(seat, _) = room.enter() {
                more.push(seat);
            }
            let is_new = |index: &usize| !gone.contains(index);
            let asked = |index: &usize| seats[*index].place().is_asked();
            let found = (0..seats.len()).filter(asked).find(is_new);
            gone.extend(found);
        }
        gone
    }

    #[tokio::test(start_paused = true)]
    async fn d13_room_is_made_by_those_who_do_nothing_and_in_this_order() {
        use Stage::*;
        type At = &'static [(Stage, u64)];
        let rows: [(At, usize, &[usize], &str); 6] = [
            (
                &[(Busy, 900), (Idle, 299), (Busy, 1)],
                3,
                &[],
                "nobody has to go",
            ),
            (
                &[(Idle, 400), (Unused, 1), (Idle, 300)],
                1,
                &[1],
                "no call ever made",
            ),
            (
                &[(Idle, 400), (Busy, 9), (Idle, 500)],
                1,
                &[2],
                "the longest idle",
            ),
            (
                &[(Idle, 400), (Unused, 5), (Idle, 500)],
                3,
                &[1],
                "one a second",
            ),
            (
                &[(Greeting, 9), (Silent, 2), (Silent, 3), (Unused, 9)],
                4,
                &[2, 1, 0, 3],
                "silent in the handshake, and no limit on those",
            ),
            (
                &[(Silent, 0), (Greeting, 0), (Busy, 9)],
                1,
                &[0],
                "a new one, if it must be",
            ),
        ];
        for (stages, newcomers, gone, why) in rows {
            assert_eq!(who_goes(stages, newcomers).await, gone, "{why}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn d13_not_more_than_a_hundredth_a_second_and_not_while_they_stay() {
        let room = Room::new(1000);
        let enter = || match room.enter() {
            Newcomer::In(seat, greeting) => {
                drop(greeting);
                Some(seat)
            }
            Newcomer::Out(_) => None,
        };
        let mut seats: Vec<_> = std::iter::from_fn(enter).take(1000).collect();
        let mut come = Vec::new();
        for second in 1..=4 {
            come.extend((0..100).filter_map(|_| enter()));
            let asked = seats.iter().filter(|seat| seat.place().is_asked()).count();
            assert_eq!(asked, (10 * second).min(20), "after {second} seconds");
            tokio::time::advance(secs(1)).await;
        }
        seats.retain(|seat| !seat.place().is_asked());
        come.extend((0..100).filter_map(|_| enter()));
        assert_eq!(
            come.len(),
            30,
            "when those have gone it is the next ones' turn"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn s14_silent_peers_go_when_there_are_many_of_them_and_not_before_their_time() {
        let room = Room::new(1_000_000);
        let mut all = Vec::new();
        for _ in 0..MANY_HANDSHAKES {
            all.push(room.enter());
        }
        let asked = |all: &[Newcomer]| {
            let is_asked =
                |one: &&Newcomer| matches!(one, Newcomer::In(seat, _) if seat.place().is_asked());
            all.iter().filter(is_asked).count()
        };
        for _ in 0..100 {
            all.push(room.enter());
        }
        assert_eq!(asked(&all), 0, "each has its time");
        tokio::time::advance(SILENT).await;
        for _ in 0..100 {
            all.push(room.enter());
        }
        assert_eq!(asked(&all), 100, "then they make room");
        assert_eq!(asked(&all[..100]), 100, "the longest silent");
    }
}
