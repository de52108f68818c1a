//! What `h2` does not report: which frames come and go, read off the 9-byte frame heads.
//!
//! Spec: RFC 9113 §4.1 (frame format), §10.5 (denial of service).
//!
//! `h2` acknowledges PING and SETTINGS by itself and never shows them, and what it counts of a peer's doings it
//! counts for a connection's whole life. The meter walks over the bytes in both directions, head by head. It counts
//! what is useful (HEADERS and DATA) and holds against it what costs a peer nothing: control frames, and the
//! RST_STREAM frames that a peer which breaks HTTP/2 makes `h2` write. Payloads are skipped, except
//! of control frames, which are small: these are handed on whole, so that they can be read where they lie.
//!
//! ```text
//!   socket ──▶ incoming ──▶ h2      holds back: half a head, half a control frame; drops: empty DATA
//!   socket ◀── outgoing ◀── h2      only looks
//! ```
//!
//! It decides, and does nothing: a [`Verdict`] is for the IO and the connection to carry out. Frames that
//! come late for streams which *this* side has ended are nobody's fault ([`EarlyEnds`]).

use std::sync::Arc;

use tokio::time::Instant;

use super::announced::{GoAway, PeerSettings};
use super::budget::{Budget, Overdrawn};
use super::early_ends::EarlyEnds;
use super::frame::{self, HEAD_LEN, Head, PREFACE, code, flag, kind};
use super::ledger::Load;
#[cfg(feature = "server")]
use super::ping_strikes::{PingPolicy, PingStrikes};
use super::settings::Http2Settings;
use super::unread::{Unread, Watch};
use super::verdict::Verdict;

/// A control frame is handed on when this much of its payload has come, or all of it.
const CONTROL_LEN: usize = 1024;

/// `h2` makes room for a whole frame when it sees the head. Of a frame larger than this …
const LARGE: usize = 64 * 1024;
/// … that we would take at all, one part in so many has to come first.
const LARGE_PART: usize = 16;

/// Control frames that a server takes: so many at once, then so many a second, …
#[cfg(feature = "server")]
const SERVER_BURST: u32 = 1000;
/// A client chose its server, which may have reasons that a stranger has not.
#[cfg(feature = "client")]
const CLIENT_BURST: u32 = 10_000;
const CONTROL_PER_SECOND: u32 = 100;
/// … and so many for each HEADERS and DATA frame that is sent: credit, and measuring the path, are responses to
/// those. A DATA frame that comes pays for one, since some proxies send an empty one behind it.
const CONTROL_PER_SENT: u64 = 10;
/// What was sent may be answered long afterwards, a whole window of small frames at once.
const CONTROL_SAVINGS: u32 = 1_000_000;

/// Credit costs nothing where it is given back for what was sent: small messages leave together, in one frame, and some
/// peers give credit for each message as it is read, on its stream and on the connection. So many bytes pay for one.
const BYTES_PER_UPDATE: u64 = 4;

/// SETTINGS that change the window of streams cost more: `h2` walks over all of them.
const WINDOW_CHANGE_COST: u32 = 8;

/// Streams that we reset because the peer broke the protocol on them: the guard against MadeYouReset
/// (CVE-2025-8671). A stream beyond MAX_CONCURRENT_STREAMS, which is refused, counts as well.
const ERROR_RESETS_BURST: u32 = 1024;
const ERROR_RESETS_PER_SECOND: u32 = 10;

/// While the peer takes no bytes, every reset waits in `h2` and is memory: no more than so many.
const WAITING_RESETS: u32 = 1024;

/// Walks over the bytes of one connection. See the file's head.
#[derive(Debug)]
pub(crate) struct FrameMeter {
    clock: fn() -> Instant,
    /// Incoming bytes that belong to the frame whose head was handed on last (or to the preface), and its kind.
    skip: usize,
    skipped_kind: u8,
    /// Outgoing ones; and a head that was cut, of which `out_head[..out_head_len]` is there.
    out_skip: usize,
    out_head: [u8; HEAD_LEN],
    out_head_len: usize,
    /// Heads that have come.
    heads: u64,
    /// The header block that is open: which head began it.
    block: Option<u64>,
    /// HEADERS and DATA that were sent; how many of them ended a stream.
    sent: u64,
    sent_ends: u64,
    /// Bytes in these frames.
    sent_bytes: u64,
    /// DATA that has come, and was not empty; HEADERS.
    data: u64,
    headers: u64,
    /// The newest stream of the peer's making; how many it has made. A client counts its own.
    newest: u32,
    opened: u64,
    /// RST_STREAM and WINDOW_UPDATE frames that have come.
    resets: u64,
    updates: u64,
    control: Budget,
    /// What was sent pays for it, and nothing else.
    credit: Budget,
    error_resets: Budget,
    #[cfg(feature = "server")]
    pings: Option<(PingPolicy, PingStrikes)>,
    /// Made when this side first ends a stream early.
    early_ends: Option<Box<EarlyEnds>>,
    /// How many bytes may still come late: a stream's window for each that was ended early.
    late_credit: u64,
    stream_window: u32,
    max_frame_size: usize,
    max_streams: u32,
    /// The socket takes no bytes, and `h2` waits for it. Since then, frames have come that may make it reset streams.
    blocked: bool,
    waiting: u32,
    waiting_late: u32,
    settings: Option<PeerSettings>,
    /// SETTINGS of this side's that the peer has acknowledged.
    settings_acks: u64,
    goaway: Option<GoAway>,
    /// PINGs that were acknowledged.
    pongs: u64,
    verdict: Option<Verdict>,
    /// Counts DATA by stream.
    watch: Option<Watch>,
    /// `blocked`, or there is a verdict.
    alert: bool,
}

/// What became of bytes that were read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Walked {
    /// `bytes[..pass]` is for `h2`.
    pub(crate) pass: usize,
    /// `bytes[held..]` comes again, with what is read next. `pass <= held`; between them is waste.
    pub(crate) held: usize,
}

/// What is begun and not ended. Equal values at two moments mean: no progress between them.
#[cfg(feature = "server")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HalfFrame {
    head: u64,
    /// DATA may take its time, as long as some of it comes: what is still to come.
    rest: usize,
}

impl FrameMeter {
    fn new(control_burst: u32, clock: fn() -> Instant) -> Self {
        let now = clock();
        Self {
            clock,
            skip: 0,
            skipped_kind: kind::HEADERS,
            out_skip: 0,
            out_head: [0; HEAD_LEN],
            out_head_len: 0,
            heads: 0,
            block: None,
            sent: 0,
            sent_ends: 0,
            sent_bytes: 0,
            data: 0,
            headers: 0,
            newest: 0,
            opened: 0,
            resets: 0,
            updates: 0,
            control: Budget::new(control_burst, CONTROL_PER_SECOND, CONTROL_SAVINGS, now),
            credit: Budget::new(0, 0, CONTROL_SAVINGS, now),
            error_resets: Budget::new(ERROR_RESETS_BURST, ERROR_RESETS_PER_SECOND, 0, now),
            #[cfg(feature = "server")]
            pings: None,
            early_ends: None,
            late_credit: 0,
            stream_window: 1 << 20,
            max_frame_size: 256 << 10,
            max_streams: 256,
            blocked: false,
            waiting: 0,
            waiting_late: 0,
            settings: None,
            settings_acks: 0,
            goaway: None,
            pongs: 0,
            verdict: None,
            watch: None,
            alert: false,
        }
    }

    /// A meter for the bytes of a client: frames come from the first byte on, and go behind a preface.
    #[cfg(feature = "client")]
    pub(crate) fn of_client(clock: fn() -> Instant) -> Self {
        Self {
            out_skip: PREFACE.len(),
            ..Self::new(CLIENT_BURST, clock)
        }
    }

    /// A meter for the bytes of a server: 24 bytes of preface come, then frames.
    #[cfg(feature = "server")]
    pub(crate) fn of_server(policy: PingPolicy, clock: fn() -> Instant) -> Self {
        Self {
            skip: PREFACE.len(),
            pings: Some((policy, PingStrikes::default())),
            ..Self::new(SERVER_BURST, clock)
        }
    }

    /// What this side has announced.
    pub(crate) fn with_limits(mut self, settings: &Http2Settings) -> Self {
        self.stream_window = settings.stream_window;
        self.max_frame_size = settings.max_frame_size as usize;
        self.max_streams = settings.max_concurrent_streams;
        self
    }

    /// Counts DATA by stream as well, for these books.
    pub(crate) fn watching(mut self, unread: Arc<Unread>) -> Self {
        self.watch = Some(Watch::new(unread));
        self
    }

    /// Whether nothing more shall be read before the books are made up.
    #[inline]
    pub(super) fn is_full(&self) -> bool {
        self.watch.as_ref().is_some_and(Watch::is_full)
    }

    /// The DATA that came since the last time.
    pub(super) fn take_list(&mut self) -> Vec<Load> {
        self.watch.as_mut().map_or_else(Vec::new, Watch::take)
    }

    /// Takes note of what was read: what was held back the last time, and what came now.
    pub(crate) fn incoming(&mut self, bytes: &mut [u8]) -> Walked {
        let len = bytes.len();
        let (mut at, mut last) = (self.skip, self.skipped_kind);
        self.skip = 0;
        let mut dropped = 0;
        while let Some(word) = frame::head_at(bytes, at) {
            let end = at + HEAD_LEN + frame::len(word);
            match frame::kind_of(word) {
                kind::DATA if frame::len(word) != 0 => {
                    let mut is_late = false;
                    if frame::len(word) > LARGE || self.early_ends.is_some() {
                        let head = frame::whole_head(bytes, at);
                        if head.len > LARGE && self.is_foretaste(head, len - at) {
                            break;
                        }
                        is_late = self.late(head);
                    }
                    if let Some(watch) = &mut self.watch {
                        let ended = frame::flags(word) & flag::END_STREAM != 0;
                        watch.data(frame::stream(bytes, at), frame::len(word), ended);
                    }
                    self.data += u64::from(!is_late);
                }
                kind::HEADERS => {
                    self.headers += 1;
                    let stream = frame::stream(bytes, at);
                    if stream > self.newest {
                        self.newest = stream;
                        self.opened += 1;
                    }
                    if frame::flags(word) & flag::END_HEADERS == 0 || self.blocked {
                        self.odd_headers(frame::whole_head(bytes, at));
                    }
                    let ended = frame::flags(word) & flag::END_STREAM != 0;
                    if let (Some(watch), true) = (&mut self.watch, ended) {
                        watch.ended(stream);
                    }
                }
                kind::DATA => {
                    if self.empty_data(frame::whole_head(bytes, at)) {
                        dropped += HEAD_LEN;
                        at = end;
                        continue;
                    }
                    if let Some(watch) = &mut self.watch {
                        let ended = frame::flags(word) & flag::END_STREAM != 0;
                        watch.data(frame::stream(bytes, at), 0, ended);
                    }
                }
                _ => {
                    let head = frame::whole_head(bytes, at);
                    let there = &bytes[at + HEAD_LEN..end.min(len)];
                    if there.len() < head.len.min(CONTROL_LEN) && head.kind <= kind::CONTINUATION {
                        break;
                    }
                    self.control(head, there);
                    if self.verdict.is_some() {
                        break;
                    }
                }
            }
            self.heads += 1;
            if dropped != 0 {
                bytes.copy_within(at..end.min(len), at - dropped);
            }
            last = frame::kind_of(word);
            at = end;
        }
        if at > len {
            (self.skip, self.skipped_kind) = (at - len, last);
            at = len;
        }
        if self.alert && self.verdict.is_some() {
            // None of it is answered any more.
            return Walked { pass: 0, held: len };
        }
        Walked {
            pass: at - dropped,
            held: at,
        }
    }

    /// Takes note of what was written.
    #[inline]
    pub(crate) fn outgoing(&mut self, bytes: &[u8]) {
        let mut at = self.out_skip;
        if self.out_head_len != 0 {
            at = self.gather(bytes);
        }
        while let Some(head) = frame::head_at(bytes, at) {
            at += HEAD_LEN + frame::len(head);
            let kind = frame::kind_of(head);
            if kind <= kind::HEADERS {
                self.sent += 1;
                self.sent_bytes += frame::len(head) as u64;
                self.sent_ends += u64::from(frame::flags(head) & flag::END_STREAM);
            } else if kind == kind::RST_STREAM {
                self.reset(bytes, at);
            }
        }
        match at.checked_sub(bytes.len()) {
            Some(more) => self.out_skip = more,
            None => self.keep(&bytes[at..]),
        }
    }

    /// A head that is cut is kept until its rest is written.
    #[cold]
    fn keep(&mut self, piece: &[u8]) {
        self.out_head[..piece.len()].copy_from_slice(piece);
        (self.out_head_len, self.out_skip) = (piece.len(), 0);
    }

    /// Completes a head that was cut. Gives where the next one begins, as far as `bytes` are concerned.
    #[cold]
    fn gather(&mut self, bytes: &[u8]) -> usize {
        let before = self.out_head_len;
        let taken = (HEAD_LEN - before).min(bytes.len());
        self.out_head[before..before + taken].copy_from_slice(&bytes[..taken]);
        self.out_head_len += taken;
        if self.out_head_len < HEAD_LEN {
            return taken;
        }
        self.out_head_len = 0;
        let whole = self.out_head;
        self.outgoing(&whole);
        // What the head says is still to come, beside what came of it here.
        taken + self.out_skip
    }

    /// Whether too little of a large frame has come for `h2` to make room for it all.
    #[cold]
    fn is_foretaste(&self, head: Head, there: usize) -> bool {
        head.len <= self.max_frame_size && there < HEAD_LEN + head.len / LARGE_PART
    }

    /// DATA, of a connection on which this side has ended streams early. Whether it comes late for one of those.
    #[cold]
    fn late(&mut self, head: Head) -> bool {
        let is_late = |ends: &EarlyEnds| ends.contains(head.stream);
        if !self.early_ends.as_deref().is_some_and(is_late) {
            return false;
        }
        self.waiting_late += u32::from(self.blocked);
        match self.late_credit.checked_sub(head.len as u64) {
            Some(left) => self.late_credit = left,
            // More than could be under way.
            None => self.spend(1),
        }
        true
    }

    /// HEADERS that begin a block, or that come while this side cannot respond.
    #[cold]
    fn odd_headers(&mut self, head: Head) {
        if !head.has(flag::END_HEADERS) {
            self.block = Some(self.heads);
        }
        if self.blocked && self.is_server() {
            self.waiting += 1;
            // So many may be calls.
            if self.waiting > WAITING_RESETS.saturating_add(self.max_streams) {
                self.condemn(Verdict::ErrorResets);
            }
        }
    }

    /// DATA of no length. Whether `h2`, which takes 100 of them in a connection's life, shall not see it. DATA of a
    /// stream that never was is for `h2` to judge.
    #[cold]
    fn empty_data(&mut self, head: Head) -> bool {
        self.spend(1);
        let is_known = head.stream != 0 && head.stream <= self.newest;
        !head.has(flag::END_STREAM) && !head.has(flag::PADDED) && is_known
    }

    /// Every other frame: `payload` is what there is of it.
    #[inline(never)]
    fn control(&mut self, head: Head, payload: &[u8]) {
        let is_ack = head.has(flag::ACK);
        match head.kind {
            kind::RST_STREAM => {
                // One for each stream is its right; what that does to us is the call layer's to judge.
                self.resets += 1;
                if self.resets <= self.opened || !self.is_server() {
                    return;
                }
            }
            kind::WINDOW_UPDATE => {
                self.updates += 1;
                let earned = self.sent_bytes / BYTES_PER_UPDATE;
                if self.credit.spend(1, earned, self.clock).is_ok() {
                    return;
                }
            }
            kind::SETTINGS if !is_ack => {
                let mut settings = self.settings.unwrap_or_default();
                settings.update(payload);
                let before = self.settings.replace(settings);
                if before.is_some_and(|it| it.initial_window_size != settings.initial_window_size) {
                    self.spend(WINDOW_CHANGE_COST - 1);
                }
            }
            kind::SETTINGS => self.settings_acks += 1,
            kind::PING if !is_ack => self.ping(),
            kind::PING => self.pongs += 1,
            kind::GOAWAY => self.goaway = GoAway::parse(payload).or(self.goaway.take()),
            kind::CONTINUATION if head.has(flag::END_HEADERS) => self.block = None,
            _ => {}
        }
        self.spend(1);
    }

    #[cfg(feature = "server")]
    fn ping(&mut self) {
        let has_calls = self.opened > self.sent_ends;
        let reasons = self.sent + self.updates + self.opened + self.data;
        if let Some((policy, strikes)) = &mut self.pings {
            if strikes.ping(*policy, has_calls, reasons, (self.clock)()) {
                self.condemn(Verdict::Pings);
            }
        }
    }

    #[cfg(not(feature = "server"))]
    fn ping(&mut self) {}

    /// Something came that costs its sender nothing.
    fn spend(&mut self, cost: u32) {
        let earned = CONTROL_PER_SENT * self.sent + self.data;
        if self.control.spend(cost, earned, self.clock) == Err(Overdrawn) {
            self.condemn(Verdict::ControlFrames);
        }
    }

    /// RST_STREAM was sent: `bytes[..end]` ends with it, if the write was not cut there.
    #[cold]
    fn reset(&mut self, bytes: &[u8], end: usize) {
        let Some(head) = end.checked_sub(HEAD_LEN + 4).and_then(|at| bytes.get(at..)) else {
            return;
        };
        let Some((head, payload)) = head.split_first_chunk::<HEAD_LEN>() else {
            return;
        };
        let ends = self.early_ends.get_or_insert_default();
        if !ends.insert(Head::parse(head).stream) {
            return; // what came late was answered once more
        }
        self.late_credit += u64::from(self.stream_window);
        let asked = payload
            .first_chunk()
            .is_none_or(|code| matches!(u32::from_be_bytes(*code), code::NO_ERROR | code::CANCEL));
        if asked {
            return;
        }
        #[cfg(feature = "tracing")]
        tracing::debug!(
            stream = Head::parse(head).stream,
            "a stream was reset for what the peer sent; if it was a new call, h2 does not take one of its header fields, \
             often an :authority that is not a host with a port: set that in the client"
        );
        if self.error_resets.spend(1, 0, self.clock) == Err(Overdrawn) {
            self.condemn(Verdict::ErrorResets);
        }
    }

    fn is_server(&self) -> bool {
        #[cfg(feature = "server")]
        return self.pings.is_some();
        #[cfg(not(feature = "server"))]
        return false;
    }

    /// `h2` has something to write, and the socket takes nothing; or it does again.
    #[cold]
    pub(crate) fn set_blocked(&mut self, blocked: bool) {
        if self.blocked != blocked {
            self.blocked = blocked;
            (self.waiting, self.waiting_late) = (0, 0);
        }
        self.alert = blocked || self.verdict.is_some();
    }

    /// Whether reading or writing is not as usual: the socket takes nothing, or there is a verdict.
    #[inline(always)]
    pub(crate) fn is_alert(&self) -> bool {
        self.alert
    }

    /// How many acknowledgements of PINGs have come.
    #[cfg(feature = "server")]
    pub(crate) fn pongs(&self) -> u64 {
        self.pongs
    }

    /// Whether `h2` shall read nothing now: it could only answer what comes late, and that waits already.
    pub(crate) fn holds_reads(&self) -> bool {
        self.blocked && self.waiting_late >= WAITING_RESETS
    }

    /// Closes the connection, unless that was decided before.
    #[cold]
    pub(crate) fn condemn(&mut self, verdict: Verdict) {
        self.verdict.get_or_insert(verdict);
        self.alert = true;
    }

    /// Why the connection has to be closed, if it has.
    pub(crate) fn verdict(&self) -> Option<Verdict> {
        self.verdict
    }

    /// Whether what was handed on ends in the middle of a frame or header block.
    pub(crate) fn is_in_frame(&self) -> bool {
        self.skip != 0 || self.block.is_some()
    }

    /// A frame or header block that has begun and not ended; `held` bytes wait for more.
    #[cfg(feature = "server")]
    pub(crate) fn half_frame(&self, held: usize) -> Option<HalfFrame> {
        let (head, rest) = match self.block {
            Some(head) => (head, 0),
            None if self.skip > 0 && self.skipped_kind == kind::DATA => (self.heads, self.skip),
            // A large frame's beginning.
            None if held > HEAD_LEN + CONTROL_LEN => (self.heads, held),
            None if self.skip > 0 || held > 0 => (self.heads, 0),
            None => return None,
        };
        Some(HalfFrame { head, rest })
    }

    /// The head of a GOAWAY that this side may write between two frames: the newest stream that it knows.
    /// `None` in the middle of a frame.
    pub(crate) fn last_stream(&self) -> Option<u32> {
        let is_between = self.out_skip == 0 && self.out_head_len == 0;
        let last = if self.is_server() { self.newest } else { 0 };
        is_between.then_some(last)
    }

    /// How many HEADERS and DATA have come: what a peer says on its streams.
    #[cfg(feature = "client")]
    pub(crate) fn heard(&self) -> u64 {
        self.headers.wrapping_add(self.data)
    }

    /// Whether the peer has said GOAWAY, and what with it.
    pub(crate) fn goaway(&self) -> Option<&GoAway> {
        self.goaway.as_ref()
    }

    /// How many SETTINGS of this side's the peer has acknowledged.
    #[cfg(feature = "client")]
    pub(crate) fn settings_acks(&self) -> u64 {
        self.settings_acks
    }

    /// The peer's SETTINGS, once the first of them are complete.
    pub(crate) fn settings(&self) -> Option<PeerSettings> {
        self.settings
    }
}

#[cfg(all(test, feature = "server", feature = "client"))]
mod tests {
    use std::cell::Cell;
    use std::time::Duration;

    use super::*;

    fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let mut bytes = (payload.len() as u32).to_be_bytes()[1..].to_vec();
        bytes.extend_from_slice(&[kind, flags]);
        bytes.extend_from_slice(&stream.to_be_bytes());
        bytes.extend_from_slice(payload);
        bytes
    }

    /// A server's meter that has read the preface.
    fn server() -> FrameMeter {
        let mut meter = FrameMeter::of_server(PingPolicy::default(), Instant::now);
        let mut preface = *PREFACE;
        assert_eq!(meter.incoming(&mut preface), Walked { pass: 24, held: 24 });
        meter
    }

    /// A connection's reads, each followed by what was held back of it: what `h2` gets.
    fn read(meter: &mut FrameMeter, cuts: &[&[u8]]) -> Vec<u8> {
        let (mut held, mut passed) = (Vec::new(), Vec::new());
        for cut in cuts {
            held.extend_from_slice(cut);
            let walked = meter.incoming(&mut held);
            passed.extend_from_slice(&held[..walked.pass]);
            held.drain(..walked.held);
        }
        passed
    }

    /// PING, SETTINGS ACK, SETTINGS (MAX_FRAME_SIZE: 65,535), HEADERS, DATA.
    fn frames() -> Vec<u8> {
        [
            frame(kind::PING, 0, 0, &[1, 2, 3, 4, 5, 6, 7, 8]),
            frame(kind::SETTINGS, flag::ACK, 0, &[]),
            frame(kind::SETTINGS, 0, 0, &[0, 5, 0, 0, 255, 255]),
            frame(kind::HEADERS, flag::END_HEADERS, 1, b"block"),
            frame(kind::DATA, 0, 1, b"payload"),
        ]
        .concat()
    }

    #[test]
    fn all_is_handed_on_at_every_cut_and_control_frames_whole() {
        let bytes = frames();
        let settings_end = 17 + 9 + 15;
        for cut in 0..=bytes.len() {
            let mut meter = server();
            let passed = read(&mut meter, &[&bytes[..cut]]);
            assert_eq!(meter.settings().is_some(), cut >= settings_end, "{cut}");
            assert!(
                passed.len() >= cut.saturating_sub(16),
                "{cut}: little is held back"
            );
            let mut meter = server();
            assert_eq!(
                read(&mut meter, &[&bytes[..cut], &bytes[cut..]]),
                bytes,
                "{cut}"
            );
            assert_eq!((meter.heads, meter.opened, meter.data), (5, 1, 1), "{cut}");
        }
        let mut meter = server();
        let each: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(read(&mut meter, &each), bytes);
        assert_eq!(meter.verdict(), None);
    }

    #[test]
    fn c26_empty_data_is_dropped_wherever_it_stands() {
        let headers = frame(kind::HEADERS, flag::END_HEADERS, 1, b"block");
        let (empty, data) = (
            frame(kind::DATA, 0, 1, &[]),
            frame(kind::DATA, 0, 1, b"data"),
        );
        let end = frame(kind::DATA, flag::END_STREAM, 1, &[]);
        let (e, d) = (&empty, &data);
        let bytes = [&headers, e, d, e, e, d, d, e, &end]
            .map(|bytes| &bytes[..])
            .concat();
        let expected = [&headers, d, d, d, &end].map(|bytes| &bytes[..]).concat();
        for cut in 0..=bytes.len() {
            let mut meter = server();
            let passed = read(&mut meter, &[&bytes[..cut], &bytes[cut..]]);
            assert_eq!(passed, expected, "{cut}");
        }
        // On a stream that was not opened it is `h2`'s to say so.
        assert_eq!(read(&mut server(), &[&empty]), empty);
        assert_eq!(
            read(&mut server(), &[&frame(kind::DATA, flag::PADDED, 1, &[])]).len(),
            9
        );
    }

    #[test]
    fn s19_a_large_frame_is_held_back_until_some_of_it_has_come() {
        let head = &frame(kind::DATA, 0, 1, &[0; 256 << 10])[..];
        for (cut, passes) in [(9, false), (9 + 16_383, false), (9 + 16_384, true)] {
            let passed = read(&mut server(), &[&head[..cut]]);
            assert_eq!(passed.len(), if passes { cut } else { 0 }, "{cut}");
            assert_eq!(
                read(&mut server(), &[&head[..cut], &head[cut..]]),
                head,
                "{cut}"
            );
        }
        // What we would not take at all is refused at its head.
        let too_large = [4, 0, 1, kind::DATA, 0, 0, 0, 0, 1];
        assert_eq!(read(&mut server(), &[&too_large]), too_large);
    }

    #[test]
    fn a_goaway_is_understood_at_every_cut() {
        let payload = [&[0, 0, 0, 1, 0, 0, 0, 0xb][..], b"too_many_pings"].concat();
        let goaway = frame(kind::GOAWAY, 0, 0, &payload);
        for cut in 0..=goaway.len() {
            let mut meter = FrameMeter::of_client(Instant::now);
            assert_eq!(read(&mut meter, &[&goaway[..cut], &goaway[cut..]]), goaway);
            let goaway = meter.goaway().unwrap();
            assert!(
                goaway.too_many_pings && &*goaway.text == "too_many_pings",
                "{cut}"
            );
        }
    }

    thread_local!(static NOW: Cell<Option<Instant>> = const { Cell::new(None) });

    /// How many of these frames are taken, so many of them a second, each after DATA or nothing was sent.
    fn taken(frames: &[Vec<u8>], per_second: u64, sent: bool) -> u64 {
        let begin = Instant::now();
        NOW.set(Some(begin));
        let clock = || NOW.get().unwrap();
        let permissive = PingPolicy {
            permit_interval: Duration::ZERO,
            permit_without_calls: true,
        };
        let mut meter = FrameMeter::of_server(permissive, clock);
        meter.incoming(&mut PREFACE.to_owned());
        meter.incoming(&mut frame(kind::HEADERS, flag::END_HEADERS, 1, b"block"));
        for n in 0..20_000 {
            NOW.set(Some(
                begin + Duration::from_micros(n * 1_000_000 / per_second),
            ));
            if sent {
                meter.outgoing(&frame(kind::DATA, 0, 1, b"answer"));
            }
            meter.incoming(&mut frames[n as usize % frames.len()].clone());
            if let Some(verdict) = meter.verdict() {
                assert_eq!(verdict, Verdict::ControlFrames);
                return n;
            }
        }
        20_000
    }

    #[test]
    fn s24_floods_of_cheap_frames_are_judged_and_answers_pay_for_credit_and_pings() {
        let window = |size| frame(kind::SETTINGS, 0, 0, &[0, 4, 0, 0, size, 0]);
        type Row<'a> = (&'a [Vec<u8>], u64, bool, u64, &'a str);
        let rows: [Row<'_>; 12] = [
            (
                &[frame(kind::PING, 0, 0, &[0; 8])],
                100_000,
                false,
                1000,
                "PING",
            ),
            (
                &[frame(kind::PING, flag::ACK, 0, &[0; 8])],
                100_000,
                false,
                1000,
                "PING ACK",
            ),
            (
                &[frame(kind::SETTINGS, 0, 0, &[])],
                100_000,
                false,
                1000,
                "SETTINGS",
            ),
            (
                &[window(1), window(2)],
                100_000,
                false,
                125,
                "windows of all streams",
            ),
            (&[frame(2, 0, 1, &[0; 5])], 100_000, false, 1000, "PRIORITY"),
            (
                &[frame(0x77, 0, 0, &[0; 30])],
                100_000,
                false,
                1000,
                "unknown",
            ),
            (
                &[frame(kind::WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1])],
                100_000,
                false,
                1000,
                "credit",
            ),
            (
                &[frame(kind::RST_STREAM, 0, 1, &[0; 4])],
                100_000,
                false,
                1001,
                "resets of one stream",
            ),
            (
                &[frame(kind::DATA, 0, 1, &[])],
                100_000,
                false,
                1000,
                "empty DATA",
            ),
            (
                &[frame(kind::PING, 0, 0, &[0; 8])],
                100,
                false,
                20_000,
                "100 a second",
            ),
            (
                &[frame(kind::PING, 0, 0, &[0; 8])],
                100_000,
                true,
                20_000,
                "pings that measure a path",
            ),
            (
                &[frame(kind::WINDOW_UPDATE, 0, 1, &[0, 0, 0, 9])],
                100_000,
                true,
                20_000,
                "credit for answers",
            ),
        ];
        for (frames, per_second, sent, expected, why) in rows {
            let found = taken(frames, per_second, sent);
            assert!(
                found >= expected && found <= expected + expected / 8,
                "{why}: {found}"
            );
        }
    }

    fn reset(stream: u32, code: u32) -> Vec<u8> {
        frame(kind::RST_STREAM, 0, stream, &code.to_be_bytes())
    }

    #[test]
    fn resets_without_a_cause_are_counted_once_a_stream() {
        const STREAM_CLOSED: u32 = 5;
        let streams = |count: u32| (0..count).map(|n| 2 * n + 1);
        // Cancelled here, and answered once more when something came late for them.
        let mut meter = server();
        for stream in streams(5000) {
            meter.outgoing(&reset(stream, code::CANCEL));
        }
        for stream in streams(5000) {
            meter.outgoing(&reset(stream, STREAM_CLOSED));
        }
        assert_eq!(meter.verdict(), None);
        // Reset for the peer's faults.
        for stream in streams(6500).skip(5000) {
            meter.outgoing(&reset(stream, STREAM_CLOSED));
        }
        assert_eq!(meter.verdict(), Some(Verdict::ErrorResets));
    }

    #[test]
    fn what_comes_late_is_free_as_far_as_it_can_be_under_way() {
        let mut meter = server();
        meter.outgoing(&reset(1, code::NO_ERROR));
        let mut late = frame(kind::DATA, 0, 1, &[0; 16 << 10]);
        for _ in 0..64 {
            meter.incoming(&mut late); // the window of a stream, to the last byte
        }
        assert_eq!(
            meter.control.spend(1000, 0, Instant::now),
            Ok(()),
            "nothing was charged"
        );
        for _ in 0..200 {
            meter.incoming(&mut late);
        }
        assert_eq!(meter.verdict(), Some(Verdict::ControlFrames));
    }

    #[test]
    fn while_the_peer_takes_nothing_resets_are_bounded() {
        let mut meter = server();
        meter.outgoing(&reset(1, code::NO_ERROR));
        meter.set_blocked(true);
        for n in 0..1024 {
            assert!(!meter.holds_reads(), "{n}");
            meter.incoming(&mut frame(kind::DATA, 0, 1, &[0]));
        }
        assert!(meter.holds_reads(), "what is late waits in the socket");
        meter.set_blocked(false);
        assert!(!meter.holds_reads());
        meter.set_blocked(true);
        for n in 0..=1024 + 256 {
            assert_eq!(meter.verdict(), None, "{n}");
            let stream = 2 * n + 1;
            meter.incoming(&mut frame(kind::HEADERS, flag::END_HEADERS, stream, &[0]));
        }
        assert_eq!(meter.verdict(), Some(Verdict::ErrorResets));
    }

    #[test]
    fn outgoing_frames_are_counted_at_every_cut() {
        let bytes = frames();
        for cut in 0..=bytes.len() {
            let mut meter = server();
            meter.outgoing(&bytes[..cut]);
            let is_between = [0, 17, 26, 41, 55, 71].contains(&cut);
            assert_eq!(meter.last_stream().is_some(), is_between, "{cut}");
            meter.outgoing(&bytes[cut..]);
            assert_eq!((meter.sent, meter.last_stream()), (2, Some(0)), "{cut}");
        }
    }

    #[test]
    fn what_is_not_finished_is_known() {
        let block = frame(kind::HEADERS, 0, 1, b"block");
        let more = frame(kind::CONTINUATION, 0, 1, b"block");
        let last = frame(kind::CONTINUATION, flag::END_HEADERS, 1, b"block");
        let half = |meter: &FrameMeter| meter.half_frame(0);
        let mut meter = server();
        assert_eq!(half(&meter), None);
        read(&mut meter, &[&block]);
        let begun = half(&meter);
        assert!(begun.is_some() && meter.is_in_frame());
        read(&mut meter, &[&more, &more[..12]]);
        assert_eq!(half(&meter), begun, "it is the same block");
        let mut meter = server();
        read(&mut meter, &[&block, &last]);
        assert_eq!(half(&meter), None);
        let data = frame(kind::DATA, 0, 1, &[0; 100]);
        read(&mut meter, &[&data[..50]]);
        let before = half(&meter);
        read(&mut meter, &[&data[50..60]]);
        assert_ne!(half(&meter), before, "DATA moves");
        assert!(meter.half_frame(5).is_some(), "half a head");
    }
}
