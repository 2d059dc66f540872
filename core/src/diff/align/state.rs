//! Whether a device holds the same at every barrier, and at the end, whatever the requests were.
//!
//! ```text
//! base ── epochs ──▶ disk ─┐ sums of what each epoch wrote: which epochs belong together
//! new  ── epochs ──▶ disk ─┘ where they differ: again, with both disks side by side ──▶ ranges ── last writers ──▶ outcome
//! ```
//!
//! Two sides in, differences out, by device. Requests that failed change nothing; discarded bytes read as zeroes; what was never
//! written is unknown, and differs from all that was. A difference is told at the first barrier that has it, with those who
//! wrote last what differs. A barrier that only one side has is one too if anything was written since the one before; what lies
//! before it is compared at the next. What a straddling request wrote may come in the epoch before or behind. Nothing of reads
//! is compared: they count as the same, as do writes that left nothing that differs. Where data are not compared, only what is
//! written is. Invariants: memory is bounded by the window, but for a few numbers an epoch, of which there may be so many only; what
//! is said to be the same was compared byte by byte; the disks lie in files without names.

mod disk;
mod half;
mod ranges;
mod writers;

use std::ops::{ControlFlow, Range};

use self::half::{Epoch, Half};
use self::ranges::Ranges;
use self::writers::{Told, Writers, differences};
use super::Scratch;
use super::order::difference;
use crate::diff::difference::{Outcome, Place};
use crate::diff::error::{DiffError, Which};
use crate::diff::lcs::{Behind, common};
use crate::diff::rule::Rule;
use crate::diff::side::Side;
use crate::limits::EPOCHS_LISTED_MAX;
use crate::request::DeviceId;

/// Where very many bytes differ, whole blocks of so many count as different.
const BLOCK: u64 = 512;

/// Compares two sides. `same` counts requests of base.
pub(super) fn compare(
    base: &dyn Side,
    new: &dyn Side,
    rule: &Rule,
    scratch: Scratch<'_>,
    outcome: &mut dyn Outcome,
) -> Result<(), DiffError> {
    for device in (0..base.devices().max(new.devices())).map(DeviceId) {
        let half = |side, which| Half::new(side, which, device, rule, scratch);
        let wrote = |side, which| half(side, which)?.all_epochs(EPOCHS_LISTED_MAX);
        let (of_base, of_new) = (wrote(base, Which::Base)?, wrote(new, Which::New)?);
        let pairs = pairs(&of_base, &of_new);
        outcome.epochs(device, of_base.len() as u64, of_new.len() as u64);
        if of_base.len() == of_new.len()
            && of_base.iter().zip(&of_new).all(|(one, two)| one.sum.is_some() && one.sum == two.sum)
        {
            tell_same(device, &of_base, outcome);
            continue;
        }
        let (base, new) = (half(base, Which::Base)?, half(new, Which::New)?);
        let mut states = States { base, new, device, rule, waiting: Vec::new(), outcome };
        if states.compare(&pairs, of_base.len(), of_new.len())?.is_break() {
            break;
        }
    }
    Ok(())
}

/// Which epochs belong together: each to the one with its number, or, if one side has more, as many that wrote the same as can be.
fn pairs(base: &[Epoch], new: &[Epoch]) -> Vec<(usize, usize)> {
    if base.len() == new.len() {
        return (0..base.len()).map(|epoch| (epoch, epoch)).collect();
    }
    let sums = |epochs: &[Epoch]| -> Vec<u128> {
        epochs.iter().map(|epoch| epoch.sum.unwrap_or_default()).collect()
    };
    common(&sums(base), &sums(new), Behind::Known)
}

/// Tells that a device holds the same at the end of each of these epochs, and of as many of the other side.
fn tell_same(device: DeviceId, epochs: &[Epoch], outcome: &mut dyn Outcome) {
    for (number, epoch) in (0..).zip(epochs).filter(|(_, epoch)| epoch.count > 0) {
        let number = Some(number);
        let place = Place { device: Some(device), base_epoch: number, new_epoch: number };
        outcome.same(place, epoch.count, epoch.masked);
    }
}

/// Both sides of a device.
struct States<'a> {
    base: Half<'a>,
    new: Half<'a>,
    device: DeviceId,
    rule: &'a Rule,
    /// What differed, and may not at the next barrier.
    waiting: Vec<Waiting>,
    outcome: &'a mut dyn Outcome,
}

/// What differed at a barrier, where a straddling request wrote.
struct Waiting {
    ranges: Ranges,
    at: At,
}

/// What was told of.
#[derive(Default)]
struct Counted {
    differences: u64,
    /// Requests of base in them.
    of_base: u64,
}

/// A barrier, and the epochs before it that are compared there.
#[derive(Clone)]
struct At {
    place: Place,
    base: Range<u64>,
    new: Range<u64>,
}

impl States<'_> {
    /// Goes over both sides; these epochs wrote the same.
    fn compare(
        &mut self,
        pairs: &[(usize, usize)],
        base_count: usize,
        new_count: usize,
    ) -> Result<ControlFlow<()>, DiffError> {
        let (mut i, mut j) = (0, 0);
        for (to_i, to_j) in pairs.iter().copied().chain([(base_count, new_count)]) {
            if self.between(to_i - i, to_j - j)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
            if to_i < base_count && to_j < new_count {
                self.base.go_over_epoch()?;
                self.new.go_over_epoch()?;
                if self.barrier()?.is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            (i, j) = (to_i + 1, to_j + 1);
        }
        // What waits for a barrier that does not come.
        let told = self.settle()?;
        Ok(told)
    }

    /// Goes over so many epochs that did not write the same: the last belong together.
    fn between(&mut self, of_base: usize, of_new: usize) -> Result<ControlFlow<()>, DiffError> {
        let both = of_base.min(of_new);
        for (half, count) in [(&mut self.base, of_base), (&mut self.new, of_new)] {
            for _ in both..count {
                half.go_over_epoch()?;
                let Some(barrier) = half.barrier.filter(|_| half.changed) else { continue };
                half.count -= 1;
                half.masked -= u64::from(barrier.masked);
                let device = Some(self.device);
                let (place, base, new) = match half.which {
                    Which::Base => {
                        let epoch = Some(barrier.epoch);
                        (Place { device, base_epoch: epoch, new_epoch: None }, Some(barrier), None)
                    }
                    Which::New => {
                        let epoch = Some(barrier.epoch);
                        (Place { device, base_epoch: None, new_epoch: epoch }, None, Some(barrier))
                    }
                };
                if self.outcome.difference(difference(self.rule, place, base, new)).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
        }
        for _ in 0..both {
            self.base.go_over_epoch()?;
            self.new.go_over_epoch()?;
            if self.barrier()?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        if both == 0 && of_base + of_new > 0 {
            // Only one side goes on: its last state is held against the other's.
            return self.barrier();
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Compares both disks where they were written since the last barrier.
    fn barrier(&mut self) -> Result<ControlFlow<()>, DiffError> {
        let epoch = |half: &Half| half.epochs.end.checked_sub(1);
        let place = Place {
            device: Some(self.device),
            base_epoch: epoch(&self.base),
            new_epoch: epoch(&self.new),
        };
        if self.settle()?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
        let at = At { place, base: self.base.epochs.clone(), new: self.new.epochs.clone() };
        let mut wrote = self.base.wrote.clone();
        wrote.extend(&self.new.wrote);
        let mut straddling = self.base.straddling.clone();
        straddling.extend(&self.new.straddling);
        let mut waiting = Ranges::default();
        let told = self.tell_differing(&wrote, &at, |from, to, differing| {
            let mut start = from;
            for (may_from, may_to) in straddling.within(from, to) {
                differing.insert(start, may_from);
                waiting.insert(may_from, may_to);
                start = may_to;
            }
            differing.insert(start, to);
        })?;
        let Some(Counted { differences, of_base }) = told else {
            return Ok(ControlFlow::Break(()));
        };
        if differences > 0 && (self.base.coarse || self.new.coarse) {
            self.outcome.gave_up(place);
        }
        if !waiting.is_empty() {
            self.waiting.push(Waiting { ranges: waiting, at });
        }
        let count = self.base.count.saturating_sub(of_base);
        if count > 0 {
            self.outcome.same(place, count, self.base.masked.min(count));
        }
        self.base.compared();
        self.new.compared();
        Ok(ControlFlow::Continue(()))
    }

    /// Tells of what waits, if it still differs.
    fn settle(&mut self) -> Result<ControlFlow<()>, DiffError> {
        for Waiting { ranges, at } in std::mem::take(&mut self.waiting) {
            let insert = |from, to, differing: &mut Ranges| differing.insert(from, to);
            if self.tell_differing(&ranges, &at, insert)?.is_none() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Tells of what differs within `ranges`, as far as `take` takes it; `None` if the outcome broke it off.
    fn tell_differing(
        &mut self,
        ranges: &Ranges,
        at: &At,
        mut take: impl FnMut(u64, u64, &mut Ranges),
    ) -> Result<Option<Counted>, DiffError> {
        let (mut differing, mut counted, mut broken) =
            (Ranges::default(), Counted::default(), false);
        let mut told = Told::default();
        let (base, new, rule) = (&self.base, &self.new, self.rule);
        let (device, outcome) = (self.device, &mut *self.outcome);
        let mut tell = |differing: &mut Ranges| -> Result<(), DiffError> {
            let differing = std::mem::take(differing);
            if broken || differing.is_empty() {
                return Ok(());
            }
            let writers = |half: &Half, epochs: &Range<u64>| {
                Writers::of(half.side, device, epochs.clone(), &differing, rule.window)
            };
            let (base, new) = (writers(base, &at.base)?, writers(new, &at.new)?);
            let differences = differences(&differing, &base, &new, at.place);
            for (difference, of_base) in told.first_told(differences) {
                counted.differences += 1;
                counted.of_base += of_base;
                if outcome.difference(difference).is_break() {
                    broken = true;
                    break;
                }
            }
            Ok(())
        };
        let room = rule.window.max(1);
        for range in ranges.iter() {
            base.disk.differing(&new.disk, range, |from, to| {
                take(from, to, &mut differing);
                if differing.len() < room {
                    return Ok(());
                }
                differing = differing.widened(BLOCK, ranges);
                if 2 * differing.len() > room { tell(&mut differing) } else { Ok(()) }
            })?;
        }
        tell(&mut differing)?;
        Ok((!broken).then_some(counted))
    }
}

#[cfg(test)]
mod tests;
