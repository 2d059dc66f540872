//! Goes over both sides once, and tells what an alignment finds. Two sides in, what was found since the last time out.
//!
//! Invariant: what is told together is what `blkreplay diff` counts.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use blkreplay_core::diff::{self, Difference, Outcome, Place};
use blkreplay_core::request::DeviceId;

use super::found::Found;
use super::{Comparison, MOST, Sides, Stoppable, Told, Wanted};

/// How long is gathered before it is told.
const GATHER: Duration = Duration::from_millis(200);

/// Compares, for as long as anybody wants it.
pub(super) fn find(
    sides: &Sides<'_>,
    comparison: &dyn Comparison,
    wanted: Wanted<'_>,
    tell: &(dyn Fn(Told) -> bool + Sync),
) {
    let (base, new) = (Stoppable::new(sides.base, wanted), Stoppable::new(sides.new, wanted));
    let found = Found::keeping(MOST);
    let mut finder = Finder { found, sides, wanted, tell, told: Instant::now() };
    let compared = diff::compare(&base, &new, sides.rule, &sides.scratch, &mut finder);
    if !wanted() {
        return;
    }
    finder.tell();
    tell(match compared {
        Ok(()) => Told::Done,
        Err(error) => Told::Trouble(comparison.trouble(error)),
    });
}

struct Finder<'a> {
    found: Found,
    sides: &'a Sides<'a>,
    wanted: Wanted<'a>,
    tell: &'a (dyn Fn(Told) -> bool + Sync),
    told: Instant,
}

impl Finder<'_> {
    fn tell(&mut self) {
        let behind = self.found.behind();
        let found = std::mem::replace(&mut self.found, behind);
        // Who does not hear it does not want it.
        (self.tell)(Told::Found(found));
        self.told = Instant::now();
    }

    fn tell_in_time(&mut self) {
        if self.told.elapsed() >= GATHER {
            self.tell();
        }
    }
}

impl Outcome for Finder<'_> {
    fn same(&mut self, place: Place, count: u64, masked: u64) {
        self.found.same(place, count, masked);
        self.tell_in_time();
    }

    fn difference(&mut self, difference: Difference) -> ControlFlow<()> {
        if !(self.wanted)() {
            return ControlFlow::Break(());
        }
        if !self.sides.until.may_lie_behind(&difference) {
            self.found.difference(difference);
        }
        self.tell_in_time();
        ControlFlow::Continue(())
    }

    fn epochs(&mut self, _: DeviceId, base: u64, new: u64) {
        self.found.epochs(base, new);
    }

    fn gave_up(&mut self, _: Place) {
        self.found.gave_up = Some(self.sides.rule.window);
    }
}
