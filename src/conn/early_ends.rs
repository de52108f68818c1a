//! Which streams did this side end before its peer did?
//!
//! A call that expires, is cancelled, or is answered before its request has ended, is ended by RST_STREAM; what
//! the peer had sent until it heard of that arrives afterwards, a round trip later or twenty seconds. `h2`
//! remembers few such streams, and resets the others again as if the peer were at fault. It is not, and this
//! memory is what tells: one bit a stream, made at the first early end.

use std::collections::VecDeque;

/// So many of the newest streams are remembered, 16 KiB; all that are older count as ended by this side.
const REMEMBERED: usize = 128 * 1024;

/// See the file's head. Streams are numbered in the order in which they are opened, 1, 3, 5, …
#[derive(Debug, Default)]
pub(crate) struct EarlyEnds {
    /// One bit for each stream, 64 a word, from stream `2 * 64 * first + 1` on.
    words: VecDeque<u64>,
    first: u32,
}

impl EarlyEnds {
    /// This side has ended `stream`. Whether it is new that it has.
    pub(crate) fn insert(&mut self, stream: u32) -> bool {
        let (word, bit) = Self::place(stream);
        if self.words.is_empty() {
            self.first = word;
        }
        if word < self.first {
            // Far back, or before the first that was ended.
            let missing = (self.first - word) as usize;
            if self.words.len() + missing > REMEMBERED / 64 {
                return false;
            }
            (0..missing).for_each(|_| self.words.push_front(0));
            self.first = word;
        }
        let index = (word - self.first) as usize;
        if index >= self.words.len() {
            let new_len = index + 1;
            let too_many = new_len.saturating_sub(REMEMBERED / 64);
            if too_many >= self.words.len() {
                self.words.clear();
            } else {
                self.words.drain(..too_many);
            }
            self.first += too_many as u32;
            self.words.resize(new_len - too_many, 0);
        }
        let Some(word) = self.words.get_mut((word - self.first) as usize) else {
            return false;
        };
        let is_new = *word & bit == 0;
        *word |= bit;
        is_new
    }

    /// Whether this side has ended `stream`, or it is so old that it is not known.
    pub(crate) fn contains(&self, stream: u32) -> bool {
        let (word, bit) = Self::place(stream);
        match word.checked_sub(self.first) {
            None => self.words.len() >= REMEMBERED / 64,
            Some(index) => self
                .words
                .get(index as usize)
                .is_some_and(|word| word & bit != 0),
        }
    }

    fn place(stream: u32) -> (u32, u64) {
        let number = stream / 2;
        (number / 64, 1 << (number % 64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembers_the_newest_and_forgives_the_oldest() {
        let mut ends = EarlyEnds::default();
        assert!(!ends.contains(1));
        assert!(ends.insert(1001));
        assert!(!ends.insert(1001), "it is known");
        assert!(ends.insert(3), "streams need not end in their order");
        for (stream, expected) in [
            (1001, true),
            (3, true),
            (1, false),
            (999, false),
            (1003, false),
        ] {
            assert_eq!(ends.contains(stream), expected, "{stream}");
        }
        let far = 1001 + 2 * REMEMBERED as u32;
        assert!(ends.insert(far));
        assert!(ends.words.len() <= REMEMBERED / 64);
        assert!(ends.contains(far) && !ends.contains(far - 2) && !ends.contains(far + 2));
        assert!(ends.contains(3) && ends.contains(5), "too old to be known");
        assert!(!ends.insert(3));
        // The last stream there is, at once.
        assert!(ends.insert(0x7fff_ffff));
        assert!(ends.contains(0x7fff_ffff) && ends.words.len() <= REMEMBERED / 64);
    }
}
