//! A set of bytes as the ranges it is made of: ranges in, how much of each was there already out.
//!
//! Invariant: the ranges of a set neither overlap nor touch.

use std::collections::BTreeMap;

use crate::units::ByteRange;

/// Bytes, by their ranges: the end of each at its start.
#[derive(Debug, Clone, Default)]
pub struct Pieces {
    ranges: BTreeMap<u64, u64>,
}

impl Pieces {
    /// How many ranges there are.
    pub fn len(&self) -> usize {
        self.ranges.len()
    }

    /// Whether there is no byte in it.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Puts a range in; gives how many of its bytes were there.
    pub fn insert(&mut self, range: ByteRange) -> u64 {
        if range.length == 0 {
            return 0;
        }
        let (mut start, mut end) = (range.offset, range.end());
        let mut there = 0;
        // From the last that begins at or before the end, back to the first that reaches the start.
        while let Some((&from, &to)) = self.ranges.range(..=range.end()).next_back() {
            if to < range.offset {
                break;
            }
            there += to.min(range.end()) - from.max(range.offset);
            (start, end) = (start.min(from), end.max(to));
            self.ranges.remove(&from);
        }
        self.ranges.insert(start, end);
        there
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn what_was_there_is_counted_as_byte_by_byte() {
        let mut pieces = Pieces::default();
        let mut bytes: HashSet<u64> = HashSet::new();
        let mut dice: u64 = 1;
        for _ in 0..2000 {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let range = ByteRange::new((dice >> 33) % 3000, (dice >> 20) % 12);
            let there = (range.offset..range.end()).filter(|byte| !bytes.insert(*byte)).count();
            assert_eq!(pieces.insert(range), there as u64, "{range}");
            let all: u64 = pieces.ranges.iter().map(|(from, to)| to - from).sum();
            assert_eq!(all, bytes.len() as u64);
        }
    }

    #[test]
    fn the_end_of_all_offsets_is_no_edge_to_fall_off() {
        let mut pieces = Pieces::default();
        assert!(pieces.is_empty());
        assert_eq!(pieces.insert(ByteRange::new(u64::MAX - 1, 10)), 0);
        assert!(!pieces.is_empty());
        assert_eq!(pieces.insert(ByteRange::new(0, u64::MAX)), 1);
        assert_eq!(pieces.len(), 1);
    }
}
