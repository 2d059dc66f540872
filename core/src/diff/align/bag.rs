//! Which requests of two parts have no counterpart in the other, in whatever order they come, and however many they are.
//!
//! Two parts in; what is the same, and what is left, into the pool. Invariants: no more than the window of each side is held; what is left
//! out of a pass is equal by its sum.
//!
//! A part that does not fit the window is first summed up by buckets of what requests ask, so that a request and what became of it
//! are in one bucket. Those buckets whose sums differ are then gone over, as many together as fit. A bucket that does not fit
//! alone is gone over with a window that slides on both sides.

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

/// With more passes than this the window slides over the rest in one.
const PASSES_MAX: usize = 64;

/// A part of each side.
pub(super) struct Bags<'sides> {
    pub(super) base: (&'sides dyn Side, Part),
    pub(super) new: (&'sides dyn Side, Part),
    pub(super) rule: &'sides Rule,
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
                let sum = &mut buckets.sums[self.bucket(&one) & (count - 1)];
                sum.count += 1;
                sum.masked += u64::from(one.masked);
                sum.keys = sum.keys.wrapping_add(one.key(self.rule.facts).0);
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
        self.pass(|_| true, pool)
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
        let larger = |(base, new): (&Sum, &Sum)| base.count.max(new.count);
        let differ = pairs().zip(0..).filter(|((base, new), _)| !base.is(new));
        let differ: Vec<(u64, usize)> =
            differ.map(|(pair, bucket)| (larger(pair), bucket)).collect();
        for group in groups(&differ, self.rule.window as u64) {
            let mut wanted = vec![false; summed.base.sums.len()];
            for (_, bucket) in group {
                wanted[*bucket] = true;
            }
            if self.pass(|one| wanted[self.bucket(one) & (wanted.len() - 1)], pool)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Goes over both parts once, for what is `wanted`.
    fn pass(
        &self,
        wanted: impl Fn(&Compared) -> bool + Send + Sync,
        pool: &mut Pool<'_>,
    ) -> Result<ControlFlow<()>, DiffError> {
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
            loop {
                for side in &mut sides {
                    side.fill(window)?;
                }
                cancel(&mut sides, pool);
                let done = sides.iter().all(|side| side.ended);
                for side in &mut sides {
                    // Half of the window is kept, for what comes late on the other side.
                    let keep = if done { 0 } else { window / 2 };
                    if side.let_go(keep, pool) && !done {
                        pool.gave_up();
                    }
                }
                if pool.is_full() && pool.settle_within().is_break() {
                    return Ok(ControlFlow::Break(()));
                }
                if done {
                    return Ok(ControlFlow::Continue(()));
                }
            }
        })
    }
}

/// Buckets with their sizes, in groups that fit.
fn groups(buckets: &[(u64, usize)], window: u64) -> Vec<&[(u64, usize)]> {
    let (mut groups, mut first, mut size) = (Vec::new(), 0, 0_u64);
    for (at, (count, _)) in buckets.iter().enumerate() {
        if at > first && size + count > window {
            groups.push(&buckets[first..at]);
            (first, size) = (at, 0);
            if groups.len() + 1 == PASSES_MAX {
                break;
            }
        }
        size += count;
    }
    if first < buckets.len() {
        groups.push(&buckets[first..]);
    }
    groups
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

/// Takes away what both sides have.
fn cancel([base, new]: &mut [Held; 2], pool: &mut Pool<'_>) {
    let (in_base, in_new) = (sorted(&base.list), sorted(&new.list));
    let (mut of_base, mut of_new) = (vec![false; base.list.len()], vec![false; new.list.len()]);
    let (mut count, mut masked) = (0, 0);
    common(&in_base, &in_new, |one, other| {
        paired((one, 0..base.list.len()), (other, 0..new.list.len()), |one, other| {
            of_base[one] = true;
            of_new[other] = true;
            count += 1;
            masked += u64::from(base.list[one].one.masked);
        });
    });
    pool.same(count, masked);
    base.keep(&of_base);
    new.keep(&of_new);
}
