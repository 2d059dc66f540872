//! Whether two sides have the same requests in the same order of issue, over all devices.
//!
//! Two sides in, differences out. What one side has at another place than the other, up to the window away, is moved.
//! Invariants: each request of both sides is told of once; at most the window is held.

use std::collections::{HashMap, VecDeque};
use std::ops::ControlFlow;
use std::thread;

use super::lost::Lost;
use crate::diff::ahead::{Ahead, Keyed};
use crate::diff::compared::{Compared, Facts, Key};
use crate::diff::difference::{Difference, Kind, Outcome, Place};
use crate::diff::error::{DiffError, Which};
use crate::diff::rule::Rule;
use crate::diff::sequence::{Aligner, Pair, Sequences};
use crate::diff::side::{Part, Side};

/// Compares two sides.
pub(super) fn compare(
    base: &dyn Side,
    new: &dyn Side,
    rule: &Rule,
    outcome: &mut dyn Outcome,
) -> Result<(), DiffError> {
    thread::scope(|scope| {
        let ahead = |side| Ahead::over(scope, side, vec![Part::ALL], rule.facts, |_| true);
        let sides = Sides { base: ahead(base)?, new: ahead(new)?, rule };
        let mut aligner = Aligner::new(sides, rule.window);
        let mut moves = Moves::new(rule, outcome);
        while let Some(pair) = aligner.next_pair()? {
            if moves.take(pair).is_break() {
                return Ok(());
            }
        }
        // To break at the end changes nothing.
        let _ = moves.finish();
        Ok(())
    })
}

/// Both sides as sequences of requests.
pub(super) struct Sides<'a> {
    pub(super) base: Ahead,
    pub(super) new: Ahead,
    pub(super) rule: &'a Rule,
}

impl Sequences for Sides<'_> {
    type Item = Keyed;
    type Error = DiffError;

    fn next_item(&mut self, which: Which) -> Result<Option<Keyed>, DiffError> {
        let side = match which {
            Which::Base => &mut self.base,
            Which::New => &mut self.new,
        };
        side.next()
    }

    fn same(&self, base: &Keyed, new: &Keyed) -> bool {
        base.key == new.key
    }

    fn full(&self, item: &Keyed) -> u128 {
        item.key.0
    }

    fn shape(&self, item: &Keyed) -> u128 {
        item.one.key(self.rule.shape()).0
    }

    fn alike(&self, base: &Keyed, new: &Keyed) -> bool {
        let (base, new) = (&base.one, &new.one);
        base.device == new.device && base.differing(new).among(self.rule.shape()) == Facts::NONE
    }
}

/// A difference of at most one request a side.
pub(super) fn difference(
    rule: &Rule,
    place: Place,
    base: Option<Compared>,
    new: Option<Compared>,
) -> Difference {
    let (kind, facts) = match (&base, &new) {
        (Some(base), Some(new)) => {
            let facts = base.differing(new).among(rule.facts);
            let moved = facts.iter().next().is_none();
            (if moved { Kind::Moved } else { Kind::Changed }, facts)
        }
        (Some(_), None) => (Kind::Removed, Facts::NONE),
        (None, _) => (Kind::Added, Facts::NONE),
    };
    let (base, new) = (base.into_iter().collect(), new.into_iter().collect());
    Difference { kind, place, base, new, facts }
}

/// Tells what an alignment found, a window later: what is gone here may come again there.
struct Moves<'a> {
    rule: &'a Rule,
    outcome: &'a mut dyn Outcome,
    waiting: VecDeque<(u64, Said)>,
    /// The number of the first that waits.
    first: u64,
    /// Numbers of those that wait and that one side has and the other not, by their key.
    removed: HashMap<Key, VecDeque<u64>>,
    added: HashMap<Key, VecDeque<u64>>,
    /// Pairs taken so far.
    taken: u64,
    /// Those that were told of when nothing more could wait for them.
    lost: Lost,
}

/// What is to be told.
#[derive(Debug, Clone, Copy)]
enum Said {
    Same {
        count: u64,
        masked: u64,
    },
    Both(Compared, Compared),
    Removed(Keyed),
    Added(Keyed),
    /// It was moved, and is told of elsewhere.
    Elsewhere,
}

impl<'a> Moves<'a> {
    fn new(rule: &'a Rule, outcome: &'a mut dyn Outcome) -> Moves<'a> {
        let (removed, added, lost) = (HashMap::new(), HashMap::new(), Lost::new(rule.window));
        Moves { rule, outcome, waiting: VecDeque::new(), first: 0, removed, added, taken: 0, lost }
    }

    fn take(&mut self, pair: Pair<Keyed>) -> ControlFlow<()> {
        self.taken += 1;
        match pair {
            Pair::Both(base, new) if base.key == new.key => {
                let more = u64::from(base.one.masked || new.one.masked);
                if let Some((_, Said::Same { count, masked })) = self.waiting.back_mut() {
                    *count += 1;
                    *masked += more;
                } else {
                    self.wait(Said::Same { count: 1, masked: more });
                }
            }
            Pair::Both(base, new) => {
                self.wait(Said::Both(base.one, new.one));
            }
            Pair::Base(base) => {
                if let Some(number) = first_of(&mut self.added, base.key) {
                    let told = std::mem::replace(self.at(number), Said::Elsewhere);
                    let Said::Added(new) = told else { unreachable!("{told:?} was added") };
                    self.wait(Said::Both(base.one, new.one));
                } else {
                    self.look_for(Which::Base, base.key);
                    let number = self.wait(Said::Removed(base));
                    self.removed.entry(base.key).or_default().push_back(number);
                }
            }
            Pair::New(new) => {
                if let Some(number) = first_of(&mut self.removed, new.key) {
                    let told = self.at(number);
                    let Said::Removed(base) = *told else { unreachable!("{told:?} was removed") };
                    *told = Said::Both(base.one, new.one);
                } else {
                    self.look_for(Which::New, new.key);
                    let number = self.wait(Said::Added(new));
                    self.added.entry(new.key).or_default().push_back(number);
                }
            }
        }
        self.tell_until(self.taken.saturating_sub(self.rule.window as u64))
    }

    /// Says so if one that only this side has would have been a pair with one that was told of already.
    fn look_for(&mut self, which: Which, key: Key) {
        if self.lost.has_pair_of(which, key) {
            self.outcome.gave_up(Place::default());
        }
    }

    /// Lets it wait; its number.
    fn wait(&mut self, said: Said) -> u64 {
        self.waiting.push_back((self.taken, said));
        self.first + self.waiting.len() as u64 - 1
    }

    fn at(&mut self, number: u64) -> &mut Said {
        let place = usize::try_from(number - self.first).unwrap_or(usize::MAX);
        &mut self.waiting[place].1
    }

    /// Tells what was taken before the pair `taken`, and what nothing is waiting before.
    fn tell_until(&mut self, taken: u64) -> ControlFlow<()> {
        while let Some((since, said)) = self.waiting.front().copied() {
            let sure = match said {
                Said::Removed(_) | Said::Added(_) => since < taken,
                // It may still grow, unless something follows.
                Said::Same { .. } => since < taken || self.waiting.len() > 1,
                Said::Both(..) | Said::Elsewhere => true,
            };
            if !sure {
                break;
            }
            self.waiting.pop_front();
            self.first += 1;
            self.tell(said)?;
        }
        ControlFlow::Continue(())
    }

    fn tell(&mut self, said: Said) -> ControlFlow<()> {
        let place = Place::default();
        let (base, new) = match said {
            Said::Elsewhere => return ControlFlow::Continue(()),
            Said::Same { count, masked } => {
                self.outcome.same(place, count, masked);
                return ControlFlow::Continue(());
            }
            Said::Both(base, new) => (Some(base), Some(new)),
            Said::Removed(base) => {
                first_of(&mut self.removed, base.key);
                self.lost.add(Which::Base, base.key);
                (Some(base.one), None)
            }
            Said::Added(new) => {
                first_of(&mut self.added, new.key);
                self.lost.add(Which::New, new.key);
                (None, Some(new.one))
            }
        };
        self.outcome.difference(difference(self.rule, place, base, new))
    }

    fn finish(mut self) -> ControlFlow<()> {
        while let Some((_, said)) = self.waiting.pop_front() {
            self.first += 1;
            self.tell(said)?;
        }
        ControlFlow::Continue(())
    }
}

/// Takes the first number of a key.
fn first_of(numbers: &mut HashMap<Key, VecDeque<u64>>, key: Key) -> Option<u64> {
    let of_key = numbers.get_mut(&key)?;
    let first = of_key.pop_front();
    if of_key.is_empty() {
        numbers.remove(&key);
    }
    first
}

#[cfg(test)]
mod tests;
