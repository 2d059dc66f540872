//! Sets of bytes, as ranges that neither touch nor overlap.
//!
//! Invariant: a set of more ranges than it may have is made coarser, never smaller.

use std::collections::BTreeMap;

/// A set of bytes.
#[derive(Debug, Clone, Default)]
pub(super) struct Ranges {
    /// From the first byte of each range to behind its last.
    ends: BTreeMap<u64, u64>,
}

impl Ranges {
    pub(super) fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// How many ranges.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, u64)> {
        self.ends.iter().map(|(start, end)| (*start, *end))
    }

    /// Adds the bytes from `start` to before `end`.
    pub(super) fn insert(&mut self, mut start: u64, mut end: u64) {
        if start >= end {
            return;
        }
        while let Some((&other, &other_end)) = self.ends.range(..=end).next_back() {
            if other_end < start {
                break;
            }
            self.ends.remove(&other);
            (start, end) = (start.min(other), end.max(other_end));
        }
        self.ends.insert(start, end);
    }

    /// Adds all of `other`.
    pub(super) fn extend(&mut self, other: &Ranges) {
        for (start, end) in other.iter() {
            self.insert(start, end);
        }
    }

    /// What of it lies from `start` to before `end`.
    pub(super) fn within(&self, start: u64, end: u64) -> impl Iterator<Item = (u64, u64)> {
        let before = self.ends.range(..start).next_back();
        let of = before.into_iter().chain(self.ends.range(start..end.max(start)));
        let cut = move |(one, one_end): (&u64, &u64)| (start.max(*one), end.min(*one_end));
        of.map(cut).filter(|(start, end)| start < end)
    }

    /// What of the bytes from `start` to before `end` is in one of the two sets and not in the other.
    pub(super) fn differing(&self, other: &Ranges, start: u64, end: u64) -> Ranges {
        let mut differing = Ranges::default();
        for (one, two) in [(self, other), (other, self)] {
            for (start, end) in one.within(start, end) {
                let mut from = start;
                for (two_start, two_end) in two.within(start, end) {
                    differing.insert(from, two_start);
                    from = two_end;
                }
                differing.insert(from, end);
            }
        }
        differing
    }

    /// The same widened to whole blocks of so many bytes, as far as they lie in `bounds`.
    pub(super) fn widened(&self, block: u64, bounds: &Ranges) -> Ranges {
        let mut wide = Ranges::default();
        for (start, end) in self.iter() {
            let end = end.div_ceil(block).saturating_mul(block);
            for (start, end) in bounds.within(start / block * block, end) {
                wide.insert(start, end);
            }
        }
        wide
    }

    /// Takes neighbours together until there are no more than `most`; whether it had to.
    pub(super) fn coarsen(&mut self, most: usize) -> bool {
        let was = self.len();
        while self.len() > most.max(1) {
            let all: Vec<_> = std::mem::take(&mut self.ends).into_iter().collect();
            let twos = all.chunks(2).filter_map(|two| Some((two.first()?.0, two.last()?.1)));
            self.ends = twos.collect();
        }
        self.len() < was
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::device::Dice;

    fn bytes(ranges: &Ranges) -> BTreeSet<u64> {
        ranges.iter().flat_map(|(start, end)| start..end).collect()
    }

    #[test]
    fn ranges_hold_the_bytes_that_were_put_in_and_none_touches_another() {
        for seed in 0..300 {
            let mut dice = Dice::new(seed);
            let mut any = || {
                let (mut ranges, mut all) = (Ranges::default(), BTreeSet::new());
                for _ in 0..dice.below(12) {
                    let start = dice.below(60);
                    let end = start + dice.below(9);
                    ranges.insert(start, end);
                    all.extend(start..end);
                }
                (ranges, all)
            };
            let ((one, all), (two, others)) = (any(), any());
            assert_eq!(bytes(&one), all, "seed {seed}");
            let list: Vec<_> = one.iter().collect();
            assert!(list.windows(2).all(|two| two[0].1 < two[1].0), "seed {seed}: {list:?}");
            let (start, end) = (10, 40);
            let part: BTreeSet<u64> =
                one.within(start, end).flat_map(|(one, two)| one..two).collect();
            assert_eq!(part, all.range(start..end).copied().collect(), "seed {seed}");
            let either: BTreeSet<u64> = all
                .symmetric_difference(&others)
                .copied()
                .filter(|at| (start..end).contains(at))
                .collect();
            assert_eq!(bytes(&one.differing(&two, start, end)), either, "seed {seed}");
            let blocks = |at: &u64| at / 8 * 8..at / 8 * 8 + 8;
            let touched: BTreeSet<u64> = all.iter().flat_map(blocks).collect();
            assert_eq!(bytes(&one.widened(8, &two)), &touched & &others, "seed {seed}");
            let mut both = one.clone();
            both.extend(&two);
            assert_eq!(bytes(&both), &all | &others, "seed {seed}");
        }
    }

    #[test]
    fn too_many_ranges_are_taken_together_and_lose_nothing() {
        let mut ranges = Ranges::default();
        (0..100).for_each(|at| ranges.insert(at * 10, at * 10 + 1));
        let all = bytes(&ranges);
        assert!(!ranges.coarsen(100));
        assert!(ranges.coarsen(30));
        assert!(ranges.len() <= 30 && bytes(&ranges).is_superset(&all));
        assert!(!Ranges::default().coarsen(0));
    }
}
