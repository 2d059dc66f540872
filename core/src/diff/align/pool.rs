//! Requests that found no counterpart where they are: they wait here for one elsewhere, and then are told of.
//!
//! Requests and places in, what is the same and what differs out, in the order of the places. Invariants: each request that came in is
//! told of once; the pool asks to be settled before it holds more than the window of either side.

use std::collections::{BTreeMap, VecDeque};
use std::ops::ControlFlow;

use super::lost::Lost;
use super::nearest::{Places, nearest};
use crate::diff::ahead::Keyed;
use crate::diff::compared::{Compared, Facts};
use crate::diff::difference::{Difference, Kind, Outcome, Place};
use crate::diff::error::Which;
use crate::diff::rule::Rule;
use crate::request::DeviceId;

/// Where requests of both sides are held against each other.
#[derive(Debug)]
struct Slot {
    /// Slots whose numbers follow each other are neighbours.
    number: u64,
    place: Place,
    same: u64,
    masked: u64,
    gave_up: bool,
}

/// A request without a counterpart.
#[derive(Debug, Clone, Copy)]
struct Left {
    slot: usize,
    /// Its place among the requests of its slot, and how many these are.
    at: usize,
    of: usize,
    keyed: Keyed,
    taken: bool,
}

/// What is told of, by places in the lists.
#[derive(Debug, Clone, Copy)]
struct Finding {
    kind: Kind,
    base: Option<usize>,
    new: Option<usize>,
}

/// What waits.
pub(super) struct Pool<'compare> {
    rule: &'compare Rule,
    outcome: &'compare mut dyn Outcome,
    slots: Vec<Slot>,
    number: u64,
    base: Vec<Left>,
    new: Vec<Left>,
    /// Those that had to be told of before all had come.
    lost: Lost,
}

impl<'compare> Pool<'compare> {
    pub(super) fn new(rule: &'compare Rule, outcome: &'compare mut dyn Outcome) -> Pool<'compare> {
        let (slots, base, new, lost) = (Vec::new(), Vec::new(), Vec::new(), Lost::new(rule.window));
        Pool { rule, outcome, slots, number: 0, base, new, lost }
    }

    /// So many epochs of a device each side has.
    pub(super) fn epochs(&mut self, device: DeviceId, (base, new): (u64, u64)) {
        self.outcome.epochs(device, base, new);
    }

    /// What comes from here on lies there.
    pub(super) fn slot(&mut self, place: Place) {
        let number = self.number;
        self.number += 1;
        self.slots.push(Slot { number, place, same: 0, masked: 0, gave_up: false });
    }

    /// All of a slot is the same.
    pub(super) fn same_slot(&mut self, place: Place, count: u64, masked: u64) {
        if self.slots.is_empty() {
            self.number += 1;
            self.outcome.same(place, count, masked);
        } else {
            self.slot(place);
            self.same(count, masked);
        }
    }

    /// So many requests of the slot are the same.
    pub(super) fn same(&mut self, count: u64, masked: u64) {
        if let Some(slot) = self.slots.last_mut() {
            slot.same += count;
            slot.masked += masked;
        }
    }

    /// Not all of the slot was held against each other.
    pub(super) fn gave_up(&mut self) {
        if let Some(slot) = self.slots.last_mut() {
            slot.gave_up = true;
        }
    }

    /// A request of the slot has no counterpart there; it is the one at a place among so many.
    pub(super) fn left(&mut self, which: Which, keyed: Keyed, at: usize, of: usize) {
        let Some(slot) = self.slots.len().checked_sub(1) else { return };
        let list = match which {
            Which::Base => &mut self.base,
            Which::New => &mut self.new,
        };
        list.push(Left { slot, at, of, keyed, taken: false });
    }

    /// Whether no more than the window should wait.
    pub(super) fn is_full(&self) -> bool {
        let window = self.rule.window;
        self.base.len().max(self.new.len()) >= window || self.slots.len() > window.max(1 << 12)
    }

    /// The same in the midst of a slot.
    pub(super) fn settle_within(&mut self) -> ControlFlow<()> {
        let last = self.slots.last().map(|slot| (slot.number, slot.place));
        self.settle()?;
        let again = |(number, place)| Slot { number, place, same: 0, masked: 0, gave_up: false };
        self.slots.extend(last.map(again));
        ControlFlow::Continue(())
    }

    /// Tells of all that waits, and forgets it.
    pub(super) fn settle(&mut self) -> ControlFlow<()> {
        let mut findings = Vec::new();
        self.pair_equal(&mut findings);
        self.pair_alike(&mut findings);
        self.take_rest(&mut findings);
        let told = self.tell(findings);
        self.slots.clear();
        self.base.clear();
        self.new.clear();
        told
    }

    /// Pairs those of the same key: of one slot or across a barrier that one of them straddles they are the same, else they
    /// were moved.
    fn pair_equal(&mut self, findings: &mut Vec<Finding>) {
        let key = |left: &Left| left.keyed.key;
        for (base, new) in groups(&self.base, &self.new, key) {
            self.pair_near(&base, &new, |pool, base, new| {
                let (one, masked) = (pool.base[base].slot, pool.base[base].keyed.one.masked);
                pool.take(base, new);
                pool.slots[one].same += 1;
                pool.slots[one].masked += u64::from(masked);
            });
            let (base, new) = (open(&self.base, &base), open(&self.new, &new));
            for (base, new) in base.into_iter().zip(new) {
                self.take(base, new);
                findings.push(Finding { kind: Kind::Moved, base: Some(base), new: Some(new) });
            }
        }
    }

    /// Pairs those that ask the same, and differ in something else.
    fn pair_alike(&mut self, findings: &mut Vec<Finding>) {
        let shape = self.rule.shape();
        let in_slot = |left: &Left| (left.keyed.one.key(shape), left.slot);
        for (base, new) in groups(&self.base, &self.new, in_slot) {
            let (first, other) = (&self.base[base[0]], &self.new[new[0]]);
            let (of_base, of_new) = (first.of, other.of);
            let at = |list: &[Left], group: &[usize]| -> Vec<usize> {
                group.iter().map(|place| list[*place].at).collect()
            };
            let (in_base, in_new) = (at(&self.base, &base), at(&self.new, &new));
            let pairs =
                nearest(Places { at: &in_base, of: of_base }, Places { at: &in_new, of: of_new });
            for (one, other) in pairs {
                self.take(base[one], new[other]);
                let (base, new) = (Some(base[one]), Some(new[other]));
                findings.push(Finding { kind: Kind::Changed, base, new });
            }
        }
        let anywhere = |left: &Left| left.keyed.one.key(shape);
        for (base, new) in groups(&self.base, &self.new, anywhere) {
            self.pair_near(&base, &new, |pool, base, new| {
                pool.take(base, new);
                findings.push(Finding { kind: Kind::Changed, base: Some(base), new: Some(new) });
            });
        }
    }

    fn take_rest(&mut self, findings: &mut Vec<Finding>) {
        let all = |list: &[Left]| (0..list.len()).filter(|place| !list[*place].taken).collect();
        let (base, new): (Vec<usize>, Vec<usize>) = (all(&self.base), all(&self.new));
        let removed = base.into_iter().map(|base| (Kind::Removed, Some(base), None));
        let added = new.into_iter().map(|new| (Kind::Added, None, Some(new)));
        let both = removed.chain(added).map(|(kind, base, new)| Finding { kind, base, new });
        findings.extend(both);
        self.note_lost(Which::Base);
        self.note_lost(Which::New);
    }

    /// Says where one is left that would have been a pair with one that was told of before.
    fn note_lost(&mut self, which: Which) {
        let list = match which {
            Which::Base => &self.base,
            Which::New => &self.new,
        };
        for left in list.iter().filter(|left| !left.taken) {
            self.slots[left.slot].gave_up |= self.lost.has_pair_of(which, left.keyed.key);
            self.lost.add(which, left.keyed.key);
        }
    }

    /// Calls `pair` for those of two groups, which are open, that lie in one slot, or beside each other with a barrier between that one
    /// of them straddles.
    fn pair_near(
        &mut self,
        base: &[usize],
        new: &[usize],
        mut pair: impl FnMut(&mut Pool<'compare>, usize, usize),
    ) {
        // Those of new by slot, the ones apart that straddle a barrier.
        let mut slots: BTreeMap<u64, [VecDeque<usize>; 2]> = BTreeMap::new();
        for at in new {
            let left = &self.new[*at];
            let of_slot = slots.entry(self.slots[left.slot].number).or_default();
            of_slot[usize::from(left.keyed.one.straddling)].push_back(*at);
        }
        for at in base {
            let (here, any) =
                (self.slots[self.base[*at].slot].number, self.base[*at].keyed.one.straddling);
            let first =
                slots.range_mut(here.saturating_sub(1)..=here + 1).find_map(|(there, of_slot)| {
                    let taken = if any || *there == here { 0..2 } else { 1..2 };
                    let lists = of_slot[taken].iter_mut();
                    lists.filter(|list| !list.is_empty()).min_by_key(|list| list[0])?.pop_front()
                });
            if let Some(first) = first {
                pair(self, *at, first);
            }
        }
    }

    fn take(&mut self, base: usize, new: usize) {
        self.base[base].taken = true;
        self.new[new].taken = true;
    }

    fn tell(&mut self, mut findings: Vec<Finding>) -> ControlFlow<()> {
        let key = |finding: &Finding| match (finding.base, finding.new) {
            (Some(base), _) => (self.base[base].slot, 0, self.base[base].keyed.one.place),
            (None, Some(new)) => (self.new[new].slot, 1, self.new[new].keyed.one.place),
            (None, None) => (0, 0, 0),
        };
        findings.sort_by_key(key);
        let mut findings = findings.into_iter().peekable();
        for (at, slot) in self.slots.iter().enumerate() {
            if slot.same > 0 {
                self.outcome.same(slot.place, slot.same, slot.masked);
            }
            if slot.gave_up {
                self.outcome.gave_up(slot.place);
            }
            while let Some(finding) = findings.next_if(|finding| key(finding).0 == at) {
                let difference = difference(self.rule, slot, &self.base, &self.new, finding);
                self.outcome.difference(difference)?;
            }
        }
        ControlFlow::Continue(())
    }
}

fn difference(
    rule: &Rule,
    slot: &Slot,
    base: &[Left],
    new: &[Left],
    finding: Finding,
) -> Difference {
    let one = |list: &[Left], place: Option<usize>| place.map(|place| list[place].keyed.one);
    let (base, new) = (one(base, finding.base), one(new, finding.new));
    let mut place = slot.place;
    if slot.place.device.is_some() {
        place.base_epoch = base.map(|one| one.epoch).or(slot.place.base_epoch);
        place.new_epoch = new.map(|one| one.epoch).or(slot.place.new_epoch);
    }
    let facts = match (finding.kind, base, new) {
        (Kind::Changed, Some(base), Some(new)) => base.differing(&new).among(rule.facts),
        _ => Facts::NONE,
    };
    let list = |one: Option<Compared>| one.into_iter().collect();
    Difference { kind: finding.kind, place, base: list(base), new: list(new), facts }
}

/// Those of `group` that are not taken.
fn open(list: &[Left], group: &[usize]) -> Vec<usize> {
    group.iter().copied().filter(|place| !list[*place].taken).collect()
}

/// Those of both lists that are not taken and have the same key, in the order in which they came.
fn groups<K: Ord>(
    base: &[Left],
    new: &[Left],
    key: impl Fn(&Left) -> K,
) -> Vec<(Vec<usize>, Vec<usize>)> {
    let sorted = |list: &[Left]| {
        let open = list.iter().zip(0..).filter(|(left, _)| !left.taken);
        let mut sorted: Vec<(K, usize)> = open.map(|(left, place)| (key(left), place)).collect();
        sorted.sort_unstable();
        sorted
    };
    let (base, new) = (sorted(base), sorted(new));
    let places = |group: &[(K, usize)]| group.iter().map(|(_, place)| *place).collect();
    let mut others = new.chunk_by(|one, other| one.0 == other.0).peekable();
    let mut both = Vec::new();
    for group in base.chunk_by(|one, other| one.0 == other.0) {
        while others.next_if(|other| other[0].0 < group[0].0).is_some() {}
        if let Some(other) = others.next_if(|other| other[0].0 == group[0].0) {
            both.push((places(group), places(other)));
        }
    }
    both
}
