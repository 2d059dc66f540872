//! Which requests of two parts have no counterpart in the other, in whatever order they come, and however many they are.
//!
//! Two parts in; what is the same, and what is left, into the pool. Invariants: no more than the window of each side is held; what is left
//! out of a pass is equal by its sum.
//!
//! A part that does not fit the window is first summed up by buckets of what requests ask, so that a request and what became of it
//! are in one bucket. Those buckets whose sums differ are then gone over together: what both sides have goes at once, and only
//! what is left takes room. Where that is too much, the pass is given up, and they are gone over in smaller groups; what has no room
//! even so, or would take too many passes, with a window that slides on both sides.

use std::ops::ControlFlow;
use std::thread;

use super::cancel::{common, paired, sorted};
use super::pool::Pool;
use crate::diff::ahead::{Ahead, Keyed};
use crate::diff::compared::Compared;
use crate::diff::error::{DiffError, Which};
use crate::diff::rule::Rule;
use crate::diff::side::{Part, Side};
use crate::diff::sums::{Sum, both};

/// Buckets for parts of any size.
pub(super) const BUCKETS_MAX: usize = 1 << 16;

/// After so many passes the window slides over the rest in one. Each reads both parts.
const PASSES_MAX: usize = 8;

/// A part of each side.
pub(super) struct Bags<'sides> {
    pub(super) base: (&'sides dyn Side, Part),
    pub(super) new: (&'sides dyn Side, Part),
    pub(super) rule: &'sides Rule,
}

/// How a pass ended.
enum Passed {
    /// All was told.
    Done,
    /// Nobody wants more.
    Broken,
    /// More was left than there is room for, when so many had come: nothing was told.
    Full { came: u64 },
}

/// What a part is, by bucket.
struct Buckets {
    sums: Vec<Sum>,
    barriers: u64,
}

/// What both parts are.
pub(super) struct Summed {
    base: Buckets,
    new: Buckets,
}

impl Summed {
    /// How many barriers there are on both sides.
    pub(super) fn barriers(&self) -> (u64, u64) {
        (self.base.barriers, self.new.barriers)
    }
}

impl<'sides> Bags<'sides> {
    /// Sums both parts up. `count` is how many requests there may be.
    pub(super) fn sum_up(&self, count: u64) -> Result<Summed, DiffError> {
        let most = usize::try_from(count).unwrap_or(BUCKETS_MAX).min(BUCKETS_MAX);
        let count = most.next_power_of_two();
        let of = |(side, part): &(&dyn Side, Part)| {
            let mut buckets = Buckets { sums: vec![Sum::default(); count], barriers: 0 };
            let mut requests = side.requests(part)?;
            while let Some(one) = requests.next_request()? {
                buckets.sums[self.bucket(&one) & (count - 1)].add(&one, self.rule.facts);
                buckets.barriers += u64::from(self.rule.barrier.is(&one.request));
            }
            Ok(buckets)
        };
        let (base, new) = both(|| of(&self.base), || of(&self.new))?;
        Ok(Summed { base, new })
    }

    /// Of its bits so many count as there are buckets.
    fn bucket(&self, one: &Compared) -> usize {
        let [low, high, ..] = one.key(self.rule.shape()).0.to_le_bytes();
        usize::from(u16::from_le_bytes([low, high]))
    }

    /// Tells the pool of parts that fit the window.
    pub(super) fn compare_all(&self, pool: &mut Pool<'_>) -> Result<ControlFlow<()>, DiffError> {
        Ok(match self.pass(|_| true, true, pool)? {
            Passed::Broken => ControlFlow::Break(()),
            Passed::Done | Passed::Full { .. } => ControlFlow::Continue(()),
        })
    }

    /// Tells the pool of parts that were summed up.
    pub(super) fn compare(
        &self,
        summed: &Summed,
        pool: &mut Pool<'_>,
    ) -> Result<ControlFlow<()>, DiffError> {
        let pairs = || summed.base.sums.iter().zip(&summed.new.sums);
        for (base, _) in pairs().filter(|(base, new)| base.is(new)) {
            pool.same(base.count, base.masked);
        }
        let differ = pairs().zip(0..).filter(|((base, new), _)| !base.is(new));
        let differ: Vec<(u64, usize)> =
            differ.map(|((base, new), bucket)| (base.count.max(new.count), bucket)).collect();
        let mut groups = vec![differ];
        let mut passes = PASSES_MAX;
        while let Some(mut group) = groups.pop() {
            passes -= 1;
            if passes == 0 {
                group.extend(std::mem::take(&mut groups).into_iter().flatten());
            }
            if group.is_empty() {
                continue;
            }
            let mut wanted = vec![false; summed.base.sums.len()];
            for (_, bucket) in &group {
                wanted[*bucket] = true;
            }
            let wanted = |one: &Compared| wanted[self.bucket(one) & (wanted.len() - 1)];
            match self.pass(wanted, passes == 0 || group.len() == 1, pool)? {
                Passed::Done => {}
                Passed::Broken => return Ok(ControlFlow::Break(())),
                Passed::Full { came } => {
                    let more = split(&group, came);
                    if groups.len() + more.len() > passes {
                        passes = 1;
                    }
                    groups.extend(more);
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Goes over both parts once, for what is `wanted`. Unless it is `sliding`, all that is left of it has to fit.
    fn pass(
        &self,
        wanted: impl Fn(&Compared) -> bool + Send + Sync,
        sliding: bool,
        pool: &mut Pool<'_>,
    ) -> Result<Passed, DiffError> {
        let facts = self.rule.facts;
        thread::scope(|scope| {
            let wanted = &wanted;
            let over = |side: &'sides dyn Side, part: &Part| {
                Ahead::over(scope, side, vec![part.clone()], facts, wanted)
            };
            let base = over(self.base.0, &self.base.1)?;
            let new = over(self.new.0, &self.new.1)?;
            let window = self.rule.window.max(1);
            let mut sides = [Held::of(base, Which::Base), Held::of(new, Which::New)];
            let mut same = Sum::default();
            loop {
                for side in &mut sides {
                    side.fill(window)?;
                }
                cancel(&mut sides, &mut same);
                let done = sides.iter().all(|side| side.ended);
                // Half of the window is kept, for what comes late on the other side.
                let keep = if done { 0 } else { window / 2 };
                if !sliding && !done {
                    if sides.iter().any(|side| side.list.len() > keep) {
                        let came = sides.iter().map(|side| side.came as u64).max();
                        return Ok(Passed::Full { came: came.unwrap_or(0) });
                    }
                    continue;
                }
                let Sum { count, masked, .. } = std::mem::take(&mut same);
                pool.same(count, masked);
                for side in &mut sides {
                    if side.let_go(keep, pool) && !done {
                        pool.gave_up();
                    }
                }
                if pool.is_full() && pool.settle_within().is_break() {
                    return Ok(Passed::Broken);
                }
                if done {
                    return Ok(Passed::Done);
                }
            }
        })
    }
}

/// Buckets with their sizes, in groups that are likely to fit: a pass over all of them was full when so many had come.
fn split(group: &[(u64, usize)], came: u64) -> Vec<Vec<(u64, usize)>> {
    let all: u64 = group.iter().map(|(count, _)| *count).sum();
    let parts = usize::try_from(all / came.max(1) + 1).unwrap_or(usize::MAX).clamp(2, group.len());
    group.chunks(group.len().div_ceil(parts)).map(<[_]>::to_vec).collect()
}

/// Requests of a side that are looked at together.
struct Held {
    ahead: Ahead,
    which: Which,
    list: Vec<Keyed>,
    /// Places of those of the list among all that came.
    at: Vec<usize>,
    came: usize,
    ended: bool,
}

impl Held {
    fn of(ahead: Ahead, which: Which) -> Held {
        Held { ahead, which, list: Vec::new(), at: Vec::new(), came: 0, ended: false }
    }

    fn fill(&mut self, window: usize) -> Result<(), DiffError> {
        while !self.ended && self.list.len() < window {
            match self.ahead.next()? {
                Some(keyed) => {
                    self.list.push(keyed);
                    self.at.push(self.came);
                    self.came += 1;
                }
                None => self.ended = true,
            }
        }
        // It may end just here.
        self.ended = self.ended || self.ahead.peek()?.is_none();
        Ok(())
    }

    fn keep(&mut self, taken: &[bool]) {
        let mut kept = taken.iter();
        self.list.retain(|_| !kept.next().copied().unwrap_or(false));
        let mut kept = taken.iter();
        self.at.retain(|_| !kept.next().copied().unwrap_or(false));
    }

    /// Gives the oldest to the pool, but for so many; says whether there were any.
    fn let_go(&mut self, keep: usize, pool: &mut Pool<'_>) -> bool {
        let count = self.list.len().saturating_sub(keep);
        for (keyed, at) in self.list.drain(..count).zip(self.at.drain(..count)) {
            pool.left(self.which, keyed, at, self.came);
        }
        count > 0
    }
}

/// Takes away what both sides have, and counts it.
fn cancel([base, new]: &mut [Held; 2], same: &mut Sum) {
    let (in_base, in_new) = (sorted(&base.list), sorted(&new.list));
    let (mut of_base, mut of_new) = (vec![false; base.list.len()], vec![false; new.list.len()]);
    common(&in_base, &in_new, |one, other| {
        paired((one, 0..base.list.len()), (other, 0..new.list.len()), |one, other| {
            of_base[one] = true;
            of_new[other] = true;
            same.count += 1;
            same.masked += u64::from(base.list[one].one.masked);
        });
    });
    base.keep(&of_base);
    new.keep(&of_new);
}
