//! Is it worth while to let others speak first?
//!
//! A connection that has something to write may go once more to the back of the run queue, behind the tasks that are
//! ready: what they say leaves in the same write. Where they have nothing to say, that lap costs time and gains
//! nothing, as with many streams open and a single stream that moves. [`Laps`] remembers whether laps
//! have gained anything lately. One that did not is tried again after a while, and after longer each time.

/// At most so many writes go without a lap before the next one is tried.
const LONGEST: u32 = 63;

/// Decides, write by write, whether others speak first.
#[derive(Debug, Default)]
pub(crate) struct Laps {
    /// So many more writes go without.
    without: u32,
    /// How many went without after the last lap that gained nothing. `0 <= penalty <= LONGEST`.
    penalty: u32,
    /// What had been said before the lap that is being gone.
    before: Option<u64>,
}

impl Laps {
    /// There is something to write, up to `said`, in bytes since the beginning. Should the caller go a lap, and ask
    /// again then?
    pub(crate) fn go(&mut self, said: u64) -> bool {
        if let Some(before) = self.before.take() {
            self.penalty = if said > before {
                0
            } else {
                (2 * self.penalty + 1).min(LONGEST)
            };
            self.without = self.penalty;
            return false;
        }
        if self.without > 0 {
            self.without -= 1;
            return false;
        }
        self.before = Some(said);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of `writes`, before how many is a lap gone, if others say so many bytes meanwhile?
    fn laps(laps: &mut Laps, writes: u32, others: u64) -> u32 {
        let (mut said, mut gone) = (0, 0);
        for _ in 0..writes {
            said += 10;
            if laps.go(said) {
                gone += 1;
                said += others;
                assert!(!laps.go(said), "one lap, and no second");
            }
        }
        gone
    }

    #[test]
    fn laps_that_gain_nothing_become_rare() {
        let mut gone = Laps::default();
        assert_eq!(laps(&mut gone, 1000, 10), 1000, "others speak every time");
        let few = laps(&mut gone, 6400, 0);
        assert!((100..=110).contains(&few), "nobody else speaks: {few}");
        // They speak again: it is found out within so many writes.
        assert!(laps(&mut gone, 164, 10) >= 100);
    }
}
