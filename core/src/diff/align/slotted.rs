//! Holds the epochs of each slot against each other, whatever the order of their requests.
//!
//! Epochs with sorted keys and slots in, what is the same and what is left into the pool. Invariant: what is the same in a slot has the same
//! key.

use std::ops::{ControlFlow, Range};

use super::cancel::{Sorted, common, paired};
use super::pool::Pool;
use super::slots::{Epochs, Slot};
use crate::diff::difference::Place;
use crate::diff::error::Which;
use crate::request::DeviceId;

/// Epochs of a device that were read, in slots.
pub(super) struct Slotted<'read> {
    pub(super) device: DeviceId,
    pub(super) base: &'read Epochs,
    pub(super) new: &'read Epochs,
    pub(super) slots: &'read [Slot],
}

/// What a slot has on both sides.
struct Same {
    /// Whether each request of base has a counterpart.
    base: Vec<bool>,
    /// The same of new.
    new: Vec<bool>,
    /// How many have one, and are masked, by slot.
    counts: Vec<(u64, u64)>,
}

impl Slotted<'_> {
    /// Tells the pool of all slots.
    pub(super) fn tell(&self, base: &Sorted, new: &Sorted, pool: &mut Pool<'_>) -> ControlFlow<()> {
        let in_base: Vec<_> = self.slots.iter().map(|slot| self.base.range(&slot.base)).collect();
        let in_new: Vec<_> = self.slots.iter().map(|slot| self.new.range(&slot.new)).collect();
        let same = self.same((base, &in_base), (new, &in_new));
        for (at, slot) in self.slots.iter().enumerate() {
            pool.slot(self.place(slot));
            let (count, masked) = same.counts[at];
            pool.same(count, masked);
            for (which, epochs, range, taken) in [
                (Which::Base, self.base, &in_base[at], &same.base),
                (Which::New, self.new, &in_new[at], &same.new),
            ] {
                for place in range.clone().filter(|place| !taken[*place]) {
                    pool.left(which, epochs.list[place], place - range.start, range.len());
                }
            }
            if pool.is_full() {
                pool.settle()?;
            }
        }
        ControlFlow::Continue(())
    }

    fn place(&self, slot: &Slot) -> Place {
        let first = |epochs: &Epochs, range: &Range<usize>| {
            (!range.is_empty()).then_some(epochs.first + range.start as u64)
        };
        Place {
            device: Some(self.device),
            base_epoch: first(self.base, &slot.base),
            new_epoch: first(self.new, &slot.new),
        }
    }

    /// Pairs requests of the same key in the same slot. The slots lie in these ranges of both lists.
    fn same(
        &self,
        (base, in_base): (&Sorted, &[Range<usize>]),
        (new, in_new): (&Sorted, &[Range<usize>]),
    ) -> Same {
        let mut same = Same {
            base: vec![false; self.base.list.len()],
            new: vec![false; self.new.list.len()],
            counts: vec![(0, 0); self.slots.len()],
        };
        common(base, new, |mut base, mut new| {
            while let (Some((_, one)), Some((_, other))) = (base.first(), new.first()) {
                let here = in_base.partition_point(|range| range.end <= *one);
                let there = in_new.partition_point(|range| range.end <= *other);
                // What lies behind the slots waits for more.
                let (Some(range), Some(others)) = (in_base.get(here), in_new.get(there)) else {
                    return;
                };
                let count =
                    |list: &[(_, usize)], end| list.iter().take_while(|(_, at)| *at < end).count();
                let (of_base, of_new) = (count(base, range.end), count(new, others.end));
                if here == there {
                    let (here_base, here_new) = (&base[..of_base], &new[..of_new]);
                    paired((here_base, range.clone()), (here_new, others.clone()), |one, other| {
                        same.base[one] = true;
                        same.new[other] = true;
                        same.counts[here].0 += 1;
                        same.counts[here].1 += u64::from(self.base.list[one].one.masked);
                    });
                }
                if here <= there {
                    base = &base[of_base..];
                }
                if there <= here {
                    new = &new[of_new..];
                }
            }
        });
        same
    }
}
