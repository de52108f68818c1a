//! Which streams were sent DATA that perhaps was not read?
//!
//! A DATA frame that waits in `h2` costs about 250 bytes beside its own, and holds on to the read buffer that
//! it was cut from; flow control counts neither. So the frame heads are counted here, by stream, until they
//! come to a budget. Then the connection's task takes the list, and sees to it that the frames are taken out
//! of `h2` (`inbox.rs`).
//!
//! Most calls are one request and one response, a frame each, and must not pay for this: a stream that has ended
//! after one or two frames is struck off at once. What an unread one holds is bounded by the number of streams.
//!
//! This file knows frame heads, and not who reads what.

use std::collections::HashMap;

/// What a frame is taken to cost beside its own bytes.
pub(crate) const FRAME: usize = 256;

/// A list is due when what is on it costs this much.
pub(crate) const BUDGET: usize = 256 * 1024;

/// A stream that ends after so many frames is not kept in the books.
pub(crate) const FORGOTTEN: u32 = 2;

/// Streams that are counted without looking for them: more than a busy connection has in flight.
const SLOTS: usize = 128;

/// The frames of one stream since the last list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Load {
    /// The stream's; 0 in a slot that is free.
    pub(crate) id: u32,
    pub(crate) frames: u32,
    pub(crate) bytes: u64,
}

impl Load {
    /// Nothing yet.
    pub(crate) fn none(id: u32) -> Self {
        Self {
            id,
            ..Self::default()
        }
    }

    /// What the frames cost while they wait.
    pub(crate) fn cost(&self) -> usize {
        (self.frames as usize).saturating_mul(FRAME) + self.bytes as usize
    }

    /// The two together.
    pub(crate) fn add(&mut self, other: Load) {
        self.frames = self.frames.saturating_add(other.frames);
        self.bytes = self.bytes.saturating_add(other.bytes);
    }
}

/// Counts DATA by stream.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// Made for the first stream that does not end with its first frame. A stream's slot is chosen by its
    /// number, so that streams which are open at the same time rarely share one.
    slots: Option<Box<[Load; SLOTS]>>,
    /// Streams whose slot was wanted by another, and is not theirs now.
    spilled: HashMap<u32, Load>,
    /// The cost of all that is in `slots` and `spilled`, or more: DATA on stream 0, for which `h2` ends the
    /// connection a moment later, is counted in a free slot and lost with it.
    cost: usize,
}

/// Puts aside what was in a slot, and brings back what was put aside of the stream that is in it now.
#[cold]
fn swap(spilled: &mut HashMap<u32, Load>, evicted: Load, slot: &mut Load) {
    if let Some(load) = spilled.remove(&slot.id) {
        *slot = load;
    }
    if evicted.id != 0 {
        spilled.insert(evicted.id, evicted);
    }
}

fn slot_of(id: u32) -> usize {
    (id >> 1) as usize % SLOTS
}

impl Ledger {
    /// A DATA frame's head was read. As [`ended`](Self::ended), if the stream ends with it.
    #[inline]
    pub(crate) fn data(&mut self, id: u32, len: usize, ended: bool) -> Option<u32> {
        let Some(slots) = &mut self.slots else {
            return if ended { Some(1) } else { self.first(id, len) };
        };
        let slot = &mut slots[slot_of(id)];
        if slot.id != id {
            if ended {
                return self.ended(id).map(|frames| frames + 1);
            }
            let evicted = std::mem::replace(slot, Load::none(id));
            if evicted.id != 0 || !self.spilled.is_empty() {
                swap(&mut self.spilled, evicted, slot);
            }
        }
        slot.frames += 1;
        slot.bytes += len as u64;
        self.cost += FRAME + len;
        if ended { self.ended(id) } else { None }
    }

    #[cold]
    fn first(&mut self, id: u32, len: usize) -> Option<u32> {
        self.slots = Some(Box::new([Load::default(); SLOTS]));
        self.data(id, len, false)
    }

    /// A stream has ended: it is struck off, unless it had many frames. Gives how many it had here, in the
    /// first case.
    #[inline]
    pub(crate) fn ended(&mut self, id: u32) -> Option<u32> {
        let Some(slots) = &self.slots else {
            return Some(0);
        };
        let load = slots[slot_of(id)];
        if load.id == id {
            if load.frames > FORGOTTEN {
                return None;
            }
            self.strike(id);
            return Some(load.frames);
        }
        if self.spilled.is_empty() {
            return Some(0);
        }
        self.ended_spilled(id)
    }

    fn strike(&mut self, id: u32) {
        if let Some(slots) = &mut self.slots {
            let slot = &mut slots[slot_of(id)];
            self.cost -= std::mem::take(slot).cost();
        }
    }

    #[cold]
    fn ended_spilled(&mut self, id: u32) -> Option<u32> {
        let frames = self.spilled.get(&id).map_or(0, |load| load.frames);
        if frames > FORGOTTEN {
            return None;
        }
        if let Some(load) = self.spilled.remove(&id) {
            self.cost -= load.cost();
        }
        Some(frames)
    }

    /// Whether the list should be taken before more is read.
    #[inline]
    pub(crate) fn is_full(&self) -> bool {
        self.cost >= BUDGET
    }

    /// The list; a new one begins.
    #[cold]
    pub(crate) fn take(&mut self) -> Vec<Load> {
        self.cost = 0;
        let mut list: Vec<Load> = self.spilled.drain().map(|(_, load)| load).collect();
        if let Some(slots) = &mut self.slots {
            let all = slots.iter_mut().map(std::mem::take);
            list.extend(all.filter(|load| load.id != 0));
        }
        list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(ledger: &mut Ledger) -> Vec<(u32, u32, u64)> {
        let mut list: Vec<_> = ledger
            .take()
            .iter()
            .map(|load| (load.id, load.frames, load.bytes))
            .collect();
        list.sort_unstable();
        list
    }

    #[test]
    fn small_calls_leave_nothing_behind() {
        let mut ledger = Ledger::default();
        for id in (1..20_001).step_by(2) {
            ledger.data(id, 100, true); // a request
        }
        assert!(ledger.slots.is_none(), "not even memory");
        for id in (1..20_001).step_by(2) {
            ledger.data(id, 100, false); // an answer …
            assert_eq!(ledger.ended(id), Some(1)); // … and its trailers
            ledger.data(id, 100, false); // a request
            ledger.data(id, 0, true); // and its end
        }
        assert!(!ledger.is_full());
        assert_eq!(ledger.cost, 0);
        assert_eq!(listed(&mut ledger), []);
    }

    #[test]
    fn streams_are_counted_one_by_one_though_they_share_a_slot() {
        let mut ledger = Ledger::default();
        let ids = [1, 1 + 2 * SLOTS as u32, 1 + 4 * SLOTS as u32];
        for _ in 0..400 {
            for id in ids {
                ledger.data(id, 10, false);
            }
        }
        assert!(ledger.is_full());
        assert_eq!(ledger.cost, 1200 * (FRAME + 10));
        assert_eq!(ledger.ended(ids[0]), None, "too many to be forgotten");
        assert_eq!(listed(&mut ledger), ids.map(|id| (id, 400, 4000)));
        assert_eq!(ledger.cost, 0);
        assert_eq!(listed(&mut ledger), []);
    }

    /// `h2` ends the connection for it, but only after its head was counted here.
    #[test]
    fn data_on_stream_0_is_never_subtracted_twice() {
        let mut ledger = Ledger::default();
        ledger.data(1, 10, false);
        assert_eq!(ledger.ended(1), Some(1), "a slot that was used is free");
        assert_eq!(ledger.data(0, 10, true), Some(1));
        assert_eq!(ledger.cost, 0);
        ledger.data(0, 10, false);
        assert_eq!(listed(&mut ledger), [], "a list between the two frames");
        assert_eq!(ledger.data(0, 10, true), Some(1));
        ledger.data(0, 10, false);
        ledger.data(1, 10, false);
        assert_eq!(ledger.ended(1), Some(1), "the slot has another owner");
        assert!(ledger.cost <= FRAME + 10);
    }

    #[test]
    fn a_spilled_stream_that_ends_is_forgotten_as_well() {
        let mut ledger = Ledger::default();
        ledger.data(1, 10, false);
        ledger.data(1 + 2 * SLOTS as u32, 10, false);
        assert_eq!(ledger.ended(1), Some(1));
        assert_eq!(ledger.cost, FRAME + 10);
        assert_eq!(listed(&mut ledger).len(), 1);
    }
}
