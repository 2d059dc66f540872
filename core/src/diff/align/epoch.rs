//! Whether two sides have the same requests in each epoch, in whatever order.
//!
//! Two sides in, differences out. Epochs whose sums are equal are the same and are not read. Invariants: of what is read no more than the
//! window of each side is held; each request of both sides is told of once.

use std::ops::{ControlFlow, Range};
use std::thread;

use super::bag::Bags;
use super::cancel::sorted;
use super::pool::Pool;
use super::runs::{Run, runs};
use super::slots::{Epochs, slots};
use super::slotted::Slotted;
use super::split::Split;
use super::wanted::{Wanted, wanted};
use crate::diff::ahead::Ahead;
use crate::diff::compared::Compared;
use crate::diff::difference::{Outcome, Place};
use crate::diff::error::{DiffError, Which};
use crate::diff::rule::Rule;
use crate::diff::side::{Part, Side};
use crate::diff::sums::{Lists, Sum, Sums};
use crate::request::DeviceId;

/// Compares two sides.
pub(super) fn compare(
    base: &dyn Side,
    new: &dyn Side,
    rule: &Rule,
    outcome: &mut dyn Outcome,
) -> Result<(), DiffError> {
    compare_by(Sums::of(base, new, rule), base, new, rule, outcome)
}

/// The same with these sums.
pub(super) fn compare_by(
    mut sums: Sums<'_>,
    base: &dyn Side,
    new: &dyn Side,
    rule: &Rule,
    outcome: &mut dyn Outcome,
) -> Result<(), DiffError> {
    let mut pool = Pool::new(rule, outcome);
    for device in (0..base.devices().max(new.devices())).map(DeviceId) {
        let (mut from, mut count) = ((0, 0), (0, 0));
        loop {
            let lists = sums.lists(device, from)?;
            let mut runs = runs(&lists.base, &lists.new);
            let more = lists.more;
            from = lists.from;
            let end = |from: u64, list: &[Sum]| {
                if list.is_empty() { 0 } else { from + list.len() as u64 }
            };
            count = (end(from.0, &lists.base).max(count.0), end(from.1, &lists.new).max(count.1));
            let window = Window { base, new, rule, device, from, lists };
            let end = window.cut(&mut runs);
            if window.compare(&runs, &mut pool)?.is_break() || pool.settle().is_break() {
                return Ok(());
            }
            if !more {
                break;
            }
            from = (from.0 + end.0 as u64, from.1 + end.1 as u64);
        }
        pool.epochs(device, count);
    }
    Ok(())
}

/// Some epochs of a device, all of them unless there are very many.
struct Window<'sides> {
    base: &'sides dyn Side,
    new: &'sides dyn Side,
    rule: &'sides Rule,
    device: DeviceId,
    /// The first epochs in the lists.
    from: (u64, u64),
    lists: Lists,
}

impl<'sides> Window<'sides> {
    /// Leaves out what lies behind the last equal epochs, if more epochs follow that it may belong to. Where the runs end.
    fn cut(&self, runs: &mut Vec<Run>) -> (usize, usize) {
        if self.lists.more && runs.len() > 1 && matches!(runs.last(), Some(Run::Differ { .. })) {
            runs.pop();
        }
        match runs.last() {
            Some(Run::Same { base, new, count }) => (base + count, new + count),
            _ => (self.lists.base.len(), self.lists.new.len()),
        }
    }

    fn compare(&self, runs: &[Run], pool: &mut Pool<'_>) -> Result<ControlFlow<()>, DiffError> {
        let runs = &self.splits().runs(runs);
        let hunks: Vec<(Range<usize>, Range<usize>)> = runs
            .iter()
            .filter_map(|run| match run {
                Run::Differ { base, new } => Some((base.clone(), new.clone())),
                Run::Same { .. } => None,
            })
            .filter(|(base, new)| !self.is_big(base, new))
            .collect();
        if hunks.is_empty() {
            return self.go_over(runs, None, pool);
        }
        let (base, new): (Vec<_>, Vec<_>) = hunks.into_iter().unzip();
        let base = wanted(&self.lists.base, base, self.from.0);
        let new = wanted(&self.lists.new, new, self.from.1);
        thread::scope(|scope| {
            let over = |side: &'sides dyn Side, wanted: Wanted| {
                let parts = wanted.parts(self.device);
                let takes = move |one: &Compared| wanted.takes(one.epoch);
                Ahead::over(scope, side, parts, self.rule.facts, takes)
            };
            let both = Both {
                base: (over(self.base, base)?, Epochs::default()),
                new: (over(self.new, new)?, Epochs::default()),
            };
            self.go_over(runs, Some(both), pool)
        })
    }

    fn go_over(
        &self,
        runs: &[Run],
        mut both: Option<Both>,
        pool: &mut Pool<'_>,
    ) -> Result<ControlFlow<()>, DiffError> {
        for run in runs {
            let told = match run {
                Run::Same { base, new, count } => {
                    for ahead in 0..*count {
                        let Sum { count, masked, .. } = self.lists.base[base + ahead];
                        let place = self.place(
                            &(base + ahead..base + ahead + 1),
                            &(new + ahead..new + ahead + 1),
                        );
                        pool.same_slot(place, count, masked);
                    }
                    ControlFlow::Continue(())
                }
                Run::Differ { base, new } => match &mut both {
                    Some(both) if !self.is_big(base, new) => {
                        self.hunk(base.clone(), new.clone(), both, pool)?
                    }
                    _ => self.big(base.clone(), new.clone(), pool)?,
                },
            };
            if told.is_break() || pool.is_full() && pool.settle().is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Whether an epoch does not fit the window.
    fn is_big(&self, base: &Range<usize>, new: &Range<usize>) -> bool {
        self.splits().has_big(base, new)
    }

    fn splits(&self) -> Split<'_> {
        let window = self.rule.window as u64;
        Split { base: &self.lists.base, new: &self.lists.new, window }
    }

    /// How many requests the larger side has there.
    fn most(&self, base: &Range<usize>, new: &Range<usize>) -> u64 {
        let all = |sums: &[Sum]| sums.iter().map(|sum| sum.count).sum::<u64>();
        all(&self.lists.base[base.clone()]).max(all(&self.lists.new[new.clone()]))
    }

    /// Where some epochs of the lists lie.
    fn place(&self, base: &Range<usize>, new: &Range<usize>) -> Place {
        let first = |range: &Range<usize>, from: u64| {
            (!range.is_empty()).then_some(from + range.start as u64)
        };
        Place {
            device: Some(self.device),
            base_epoch: first(base, self.from.0),
            new_epoch: first(new, self.from.1),
        }
    }

    /// Compares epochs that fit the window one by one.
    fn hunk(
        &self,
        mut base: Range<usize>,
        mut new: Range<usize>,
        both: &mut Both,
        pool: &mut Pool<'_>,
    ) -> Result<ControlFlow<()>, DiffError> {
        both.base.1.begin(base.start as u64 + self.from.0);
        both.new.1.begin(new.start as u64 + self.from.1);
        while !base.is_empty() || !new.is_empty() {
            let lists = (&self.lists.base[base.clone()], &self.lists.new[new.clone()]);
            let (whole_base, whole_new) = self.load_both(both, lists)?;
            let (in_base, in_new) = (&mut both.base.1, &mut both.new.1);
            let alone = base.is_empty() || new.is_empty();
            let slots = {
                let keys = (sorted(&in_base.list), sorted(&in_new.list));
                let all = whole_base && whole_new || alone;
                let shape = self.rule.shape();
                let slots = slots(in_base, in_new, (&keys.0, &keys.1), shape, all);
                let device = self.device;
                let slotted = Slotted { device, base: in_base, new: in_new, slots: &slots };
                if slotted.tell(&keys.0, &keys.1, pool).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
                slots
            };
            let done = slots.last().map_or((0, 0), |slot| (slot.base.end, slot.new.end));
            in_base.drop_first(done.0);
            in_new.drop_first(done.1);
            base.start += done.0;
            new.start += done.1;
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Reads more epochs of both sides, as many as fit; says whether these are all of each. They take turns, so that the threads
    /// that read ahead are both at work.
    fn load_both(
        &self,
        both: &mut Both,
        (base, new): (&[Sum], &[Sum]),
    ) -> Result<(bool, bool), DiffError> {
        loop {
            let in_base = self.load(&mut both.base, base, Which::Base)?;
            let in_new = self.load(&mut both.new, new, Which::New)?;
            if let (Some(whole_base), Some(whole_new)) = (in_base, in_new) {
                return Ok((whole_base, whole_new));
            }
        }
    }

    /// Reads one more epoch, if it fits; if not, says whether these are all of `sums`.
    fn load(
        &self,
        (ahead, epochs): &mut (Ahead, Epochs),
        sums: &[Sum],
        which: Which,
    ) -> Result<Option<bool>, DiffError> {
        let Some(sum) = sums.get(epochs.count()) else { return Ok(Some(true)) };
        let fits = epochs.list.len() as u64 + sum.count <= self.rule.window as u64;
        if !fits && epochs.count() > 0 {
            return Ok(Some(false));
        }
        let epoch = epochs.first + epochs.count() as u64;
        let from = epochs.list.len();
        // One more than there should be is enough to see that the sums are wrong.
        let most = sum.count.saturating_add(1);
        if ahead.take_epoch(epoch, most, &mut epochs.list)? != sum.count {
            let device = self.device;
            return Err(DiffError::Sums { device, epoch, said: sum.count }.of(which));
        }
        let list = epochs.list[from..].iter();
        epochs.barriers.push(list.filter(|keyed| self.rule.barrier.is(&keyed.one.request)).count());
        epochs.ends.push(epochs.list.len());
        Ok(None)
    }

    /// Compares epochs some of which do not fit the window.
    fn big(
        &self,
        base: Range<usize>,
        new: Range<usize>,
        pool: &mut Pool<'_>,
    ) -> Result<ControlFlow<()>, DiffError> {
        if base.len().min(new.len()) == 1 && base.len() != new.len() {
            // Barriers that were taken out make one epoch of several: if there are that many fewer, nothing else is hidden.
            let bags = self.bags(&base, &new);
            let summed = bags.sum_up(self.most(&base, &new))?;
            let (more, fewer) = summed.barriers();
            if more + new.len() as u64 == fewer + base.len() as u64 {
                pool.slot(self.place(&base, &new));
                return bags.compare(&summed, pool);
            }
        }
        let pairs = base.len().max(new.len());
        for at in 0..pairs {
            let one = |range: &Range<usize>| {
                let at = (range.start + at).min(range.end);
                at..(at + 1).min(range.end)
            };
            let (base, new) = (one(&base), one(&new));
            let bags = self.bags(&base, &new);
            pool.slot(self.place(&base, &new));
            let told = if self.is_big(&base, &new) {
                bags.compare(&bags.sum_up(self.most(&base, &new))?, pool)?
            } else {
                bags.compare_all(pool)?
            };
            if told.is_break() || pool.is_full() && pool.settle().is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn bags(&self, base: &Range<usize>, new: &Range<usize>) -> Bags<'sides> {
        let part = |range: &Range<usize>, from: u64| Part {
            device: Some(self.device),
            epochs: from + range.start as u64..from + range.end as u64,
        };
        Bags {
            base: (self.base, part(base, self.from.0)),
            new: (self.new, part(new, self.from.1)),
            rule: self.rule,
        }
    }
}

/// Requests of both sides that are read ahead, and epochs of them that wait to be compared.
struct Both {
    base: (Ahead, Epochs),
    new: (Ahead, Epochs),
}
