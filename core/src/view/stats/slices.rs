//! Equal slices of a range whose ends nobody knows beforehand: places in, what lies in their slices out.
//!
//! Slices begin narrow; when there are too many, neighbours are put together. Invariant: no more than `SLICES_MAX` slices that
//! hold something, all of one width.

use std::collections::BTreeMap;

use crate::limits::STATS_SLICES_MAX;

/// What can be put together.
pub(super) trait Merge {
    fn merge(&mut self, other: Self);
}

/// By how much slices grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Growth {
    /// Twice: 4096, 8192, 16384.
    Binary,
    /// To the next of 1, 2, 10, 20, 100: each a multiple of the one before.
    Decimal,
}

/// Slices of one width.
#[derive(Debug, Clone)]
pub(super) struct Slices<T> {
    width: u64,
    growth: Growth,
    /// How often they grew.
    grown: u32,
    slots: BTreeMap<u64, T>,
}

impl<T: Merge + Default> Slices<T> {
    pub(super) fn new(width: u64, growth: Growth) -> Slices<T> {
        Slices { width, growth, grown: 0, slots: BTreeMap::new() }
    }

    /// The slice in which `place` lies.
    pub(super) fn at(&mut self, place: u64) -> &mut T {
        while self.slots.len() >= STATS_SLICES_MAX
            && !self.slots.contains_key(&(place / self.width))
        {
            self.grow();
        }
        self.slots.entry(place / self.width).or_default()
    }

    fn grow(&mut self) {
        let factor = match self.growth {
            Growth::Binary => 2,
            Growth::Decimal if self.grown.is_multiple_of(2) => 2,
            Growth::Decimal => 5,
        };
        self.grown += 1;
        self.width = self.width.saturating_mul(factor);
        for (slice, slot) in std::mem::take(&mut self.slots) {
            self.slots.entry(slice / factor).or_default().merge(slot);
        }
    }

    pub(super) fn width(&self) -> u64 {
        self.width
    }

    /// The slices that hold something, in order, each with the place where it begins.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, &T)> {
        self.slots.iter().map(|(slice, slot)| (slice.saturating_mul(self.width), slot))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Merge for u64 {
        fn merge(&mut self, other: u64) {
            *self += other;
        }
    }

    #[test]
    fn slices_hold_what_lies_in_them_however_often_they_grew() {
        for growth in [Growth::Binary, Growth::Decimal] {
            let mut slices = Slices::new(1, growth);
            let places: Vec<u64> = (0..5000).map(|step| step * 7 % 4001).chain([1 << 40]).collect();
            for place in &places {
                *slices.at(*place) += 1;
            }
            let found: Vec<(u64, u64)> =
                slices.iter().map(|(from, count)| (from, *count)).collect();
            assert!(found.len() <= STATS_SLICES_MAX && found.len() > 1, "{}", found.len());
            for (from, count) in found {
                let slice = from..from + slices.width();
                let exact = places.iter().filter(|place| slice.contains(place)).count();
                assert_eq!(count, exact as u64, "{slice:?}");
            }
        }
    }

    #[test]
    fn few_places_keep_slices_of_their_own_however_far_apart() {
        let mut slices: Slices<u64> = Slices::new(1, Growth::Decimal);
        for place in [0, 3, u64::MAX] {
            *slices.at(place) += 1;
        }
        assert_eq!(slices.iter().map(|(from, _)| from).collect::<Vec<_>>(), [0, 3, u64::MAX]);
    }
}
