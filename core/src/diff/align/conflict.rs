//! Whether two sides are the same as partial orders: what is independent may come in any order, what conflicts may not.
//!
//! ```text
//! base  w1 r2 w1' F     two writes of one block, a read of another, a flush
//! new   r2 w1 w1' F     the same: the read commutes          new  w1' w1 r2 F     one of the writes moved
//! ```
//!
//! Two sides in, differences out, by device: devices are independent. Both sides are aligned in order first; what that leaves
//! over is paired by its key, wherever it is in the window. Then base is gone through: its next request is the same if none
//! that conflicts with its counterpart and comes before that in new is still to come in base. Of equal requests the first
//! belongs to the first, the second to the second: so two sides are equal as partial orders if and only if nothing is told.
//! The order is that of issue, beside a flush too: a write that was in flight together with one is before it or behind it as it
//! was issued, though nobody says whether it is covered. Letting such writes be on either side is what `epoch` does.
//! Invariants: each request of both sides is told of once; at most the window of each side is held.

mod index;
mod kept;

use std::ops::ControlFlow;
use std::thread;

use self::kept::{Counterpart, Kept, OfBase, remove};
use super::lost::Lost;
use super::order::{Sides, difference};
use crate::diff::ahead::{Ahead, Keyed};
use crate::diff::compared::Compared;
use crate::diff::difference::{Kind, Outcome, Place};
use crate::diff::error::{DiffError, Which};
use crate::diff::rule::Rule;
use crate::diff::sequence::{Aligner, Pair};
use crate::diff::side::{Part, Side};
use crate::request::DeviceId;

/// Compares two sides.
pub(super) fn compare(
    base: &dyn Side,
    new: &dyn Side,
    rule: &Rule,
    outcome: &mut dyn Outcome,
) -> Result<(), DiffError> {
    for device in (0..base.devices().max(new.devices())).map(DeviceId) {
        let part = Part { device: Some(device), ..Part::ALL };
        let broken = thread::scope(|scope| {
            let ahead = |side| Ahead::over(scope, side, vec![part.clone()], rule.facts, |_| true);
            let sides = Sides { base: ahead(base)?, new: ahead(new)?, rule };
            let aligner = Aligner::new(sides, rule.window);
            let place = Place { device: Some(device), ..Place::default() };
            Orders::new(aligner, rule, place, outcome).compare()
        })?;
        if broken.is_break() {
            break;
        }
    }
    Ok(())
}

/// The requests of a device on both sides, as far as they are read and not told of.
struct Orders<'a> {
    aligner: Aligner<Sides<'a>>,
    ended: bool,
    rule: &'a Rule,
    place: Place,
    outcome: &'a mut dyn Outcome,
    /// Same requests that were not told of, and how many of them are masked.
    same: (u64, u64),
    kept: Kept<'a>,
    /// Those that had to be told of before all had come.
    lost: Lost,
}

impl<'a> Orders<'a> {
    fn new(
        aligner: Aligner<Sides<'a>>,
        rule: &'a Rule,
        place: Place,
        outcome: &'a mut dyn Outcome,
    ) -> Orders<'a> {
        let (kept, lost) = (Kept::new(rule), Lost::new(rule.window));
        Orders { aligner, ended: false, rule, place, outcome, same: (0, 0), kept, lost }
    }

    /// Goes over all of it.
    fn compare(mut self) -> Result<ControlFlow<()>, DiffError> {
        loop {
            if self.kept.is_empty() {
                if self.ended {
                    self.tell_same();
                    return Ok(ControlFlow::Continue(()));
                }
                self.read()?;
                continue;
            }
            if !self.is_settled() && self.may_read() {
                self.read()?;
                continue;
            }
            if self.may_read() && self.kept.is_blocked() {
                // Which of several equal requests belong together may look otherwise when more is known.
                while self.may_read() {
                    self.read()?;
                }
                continue;
            }
            if self.step().is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
    }

    /// Whether more can be read and held.
    fn may_read(&self) -> bool {
        !self.ended && self.kept.len() < self.rule.window.max(1)
    }

    /// Whether it is known what becomes of the first of base, and of all in new before its counterpart.
    fn is_settled(&self) -> bool {
        let Some(OfBase { keyed, counterpart }) = self.kept.base.front() else {
            return false;
        };
        let left = self.kept.left_new.all.first();
        match counterpart {
            Counterpart::None => false,
            Counterpart::Like(_) => true,
            Counterpart::Same => left.is_none_or(|left| *left > self.kept.counterpart(keyed.key)),
        }
    }

    /// Reads on.
    fn read(&mut self) -> Result<(), DiffError> {
        match self.aligner.next_pair()? {
            None => self.ended = true,
            Some(Pair::Both(base, new)) if base.key == new.key => {
                if self.kept.is_empty() {
                    self.count_same(&base.one, &new.one);
                    return Ok(());
                }
                self.kept.take_both(base, new);
            }
            Some(Pair::Both(base, new)) => {
                self.kept.take_base(base);
                self.kept.take_new(new);
            }
            Some(Pair::Base(base)) => self.kept.take_base(base),
            Some(Pair::New(new)) => self.kept.take_new(new),
        }
        Ok(())
    }

    /// Tells of the first of base, or of one of new that comes before its counterpart.
    fn step(&mut self) -> ControlFlow<()> {
        let Some(OfBase { keyed, counterpart }) = self.kept.base.front() else {
            let left = self.kept.left_new.all.first().copied();
            return left.map_or(ControlFlow::Continue(()), |left| self.tell_left(left));
        };
        let (keyed, counterpart) = (*keyed, *counterpart);
        match counterpart {
            Counterpart::None | Counterpart::Like(_) if self.kept.takes_back(&keyed) => {
                ControlFlow::Continue(())
            }
            Counterpart::Like(new) => {
                remove(&mut self.kept.alike, keyed.key, self.kept.first);
                self.kept.pop_base();
                self.tell(Some(keyed.one), Some(new))
            }
            Counterpart::None => {
                self.kept.left_base.remove(self.kept.first, &keyed, self.rule);
                self.kept.pop_base();
                let like = self.kept.left_new.of_shape(&keyed, self.rule);
                let new = like.and_then(|like| self.kept.take_left(like));
                self.tell(Some(keyed.one), new.map(|new| new.one))
            }
            Counterpart::Same => {
                let number = self.kept.counterpart(keyed.key);
                match self.kept.left_new.all.first().copied().filter(|left| *left < number) {
                    Some(left) => self.tell_left(left),
                    None => self.tell_both(&keyed, number),
                }
            }
        }
    }

    /// Tells of one of new that has no counterpart, or keeps it for one of base that it is like.
    fn tell_left(&mut self, number: u64) -> ControlFlow<()> {
        if self.kept.comes_before_its_like(number) {
            return ControlFlow::Continue(());
        }
        let Some(new) = self.kept.take_left(number) else {
            return ControlFlow::Continue(());
        };
        let Some(of_base) = self.kept.left_base.of_shape(&new, self.rule) else {
            return self.tell(None, Some(new.one));
        };
        let base = self.kept.at_base(of_base);
        base.counterpart = Counterpart::Like(new.one);
        let keyed = base.keyed;
        self.kept.alike.entry(keyed.key).or_default().insert(of_base);
        self.kept.left_base.remove(of_base, &keyed, self.rule);
        ControlFlow::Continue(())
    }

    /// Tells of the first of base and its counterpart.
    fn tell_both(&mut self, base: &Keyed, number: u64) -> ControlFlow<()> {
        let blockers = self.kept.blockers(base, number);
        if !blockers.is_empty() && (self.kept.leave_first(base) || self.kept.leave(&blockers)) {
            return ControlFlow::Continue(());
        }
        let too_early = !blockers.is_empty()
            && blockers.iter().all(|one| self.kept.is_ahead_of_more(*one, blockers.len()));
        if too_early {
            // They are told of when base comes to them.
            self.kept.move_all(&blockers);
        }
        let Some(new) = self.kept.remove_new(number) else {
            return ControlFlow::Continue(());
        };
        if let Some(numbers) = self.kept.counterparts.get_mut(&base.key) {
            numbers.pop_front();
            if numbers.is_empty() {
                self.kept.counterparts.remove(&base.key);
            }
        }
        remove(&mut self.kept.joined, base.key, self.kept.first);
        self.kept.pop_base();
        if new.moved || !(blockers.is_empty() || too_early) {
            return self.tell(Some(base.one), Some(new.keyed.one));
        }
        self.count_same(&base.one, &new.keyed.one);
        ControlFlow::Continue(())
    }

    fn count_same(&mut self, base: &Compared, new: &Compared) {
        self.same.0 += 1;
        self.same.1 += u64::from(base.masked || new.masked);
    }

    fn tell_same(&mut self) {
        let (count, masked) = std::mem::take(&mut self.same);
        if count > 0 {
            self.outcome.same(self.place, count, masked);
        }
    }

    fn tell(&mut self, base: Option<Compared>, new: Option<Compared>) -> ControlFlow<()> {
        self.tell_same();
        let difference = difference(self.rule, self.place, base, new);
        if difference.kind != Kind::Moved {
            self.note_lost(Which::Base, base);
            self.note_lost(Which::New, new);
        }
        self.outcome.difference(difference)
    }

    /// One that has no counterpart in the window is told of: was there one, or may one come?
    fn note_lost(&mut self, which: Which, one: Option<Compared>) {
        let Some(key) = one.map(|one| one.key(self.rule.facts)) else { return };
        if self.lost.has_pair_of(which, key) {
            self.outcome.gave_up(self.place);
        }
        if !self.ended {
            self.lost.add(which, key);
        }
    }
}

#[cfg(test)]
mod tests;
