//! What is held of two sides, and which request of one belongs to which of the other.
//!
//! Requests that are in one place on both sides belong together; what is left over is paired by its key. Which of several equal
//! requests is left over is a guess, and is put right when it turns out that another would be in nobody's way. Invariant: of
//! equal requests that have a counterpart, the first of base belongs to the first of new, the second to the second.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::ops::ControlFlow;

use super::index::Index;
use crate::diff::ahead::Keyed;
use crate::diff::compared::{Compared, Key};
use crate::diff::rule::Rule;
use crate::request::Request;

/// The requests of both sides, as far as they are read and not told of.
pub(super) struct Kept<'a> {
    pub(super) rule: &'a Rule,
    pub(super) base: VecDeque<OfBase>,
    /// The number of the first of `base`.
    pub(super) first: u64,
    /// Those of new, by their number.
    new: BTreeMap<u64, OfNew>,
    next_new: u64,
    /// Those of new that are not moved.
    index: Index,
    /// Numbers of those of new that have a counterpart, in order, by their key.
    pub(super) counterparts: HashMap<Key, VecDeque<u64>>,
    pub(super) left_base: Left,
    pub(super) left_new: Left,
    /// Numbers of those of base that have a counterpart, and of those that have one of their shape, by their key.
    pub(super) joined: Numbers,
    pub(super) alike: Numbers,
}

pub(super) struct OfBase {
    pub(super) keyed: Keyed,
    pub(super) counterpart: Counterpart,
}

/// What a request of base has on the other side.
#[derive(Debug, Clone, Copy)]
pub(super) enum Counterpart {
    /// Nothing so far.
    None,
    /// The first of its key that is left.
    Same,
    /// One of its shape, which was taken out already.
    Like(Compared),
}

pub(super) struct OfNew {
    pub(super) keyed: Keyed,
    /// It comes before those that come before it in base.
    pub(super) moved: bool,
}

/// Numbers of requests by their key.
pub(super) type Numbers = HashMap<Key, BTreeSet<u64>>;

/// Numbers of requests without a counterpart.
#[derive(Default)]
pub(super) struct Left {
    pub(super) all: BTreeSet<u64>,
    by_key: Numbers,
    by_shape: Numbers,
}

impl Left {
    pub(super) fn insert(&mut self, number: u64, keyed: &Keyed, rule: &Rule) {
        self.all.insert(number);
        self.by_key.entry(keyed.key).or_default().insert(number);
        self.by_shape.entry(keyed.one.key(rule.shape())).or_default().insert(number);
    }

    pub(super) fn remove(&mut self, number: u64, keyed: &Keyed, rule: &Rule) {
        self.all.remove(&number);
        remove(&mut self.by_key, keyed.key, number);
        remove(&mut self.by_shape, keyed.one.key(rule.shape()), number);
    }

    pub(super) fn of_key(&self, key: Key) -> Option<u64> {
        self.by_key.get(&key)?.first().copied()
    }

    pub(super) fn of_shape(&self, keyed: &Keyed, rule: &Rule) -> Option<u64> {
        self.by_shape.get(&keyed.one.key(rule.shape()))?.first().copied()
    }
}

pub(super) fn remove(numbers: &mut Numbers, key: Key, number: u64) {
    if let Some(of_key) = numbers.get_mut(&key) {
        of_key.remove(&number);
        if of_key.is_empty() {
            numbers.remove(&key);
        }
    }
}

impl<'a> Kept<'a> {
    pub(super) fn new(rule: &'a Rule) -> Kept<'a> {
        Kept {
            rule,
            base: VecDeque::new(),
            first: 0,
            new: BTreeMap::new(),
            next_new: 0,
            index: Index::new(rule.barrier),
            counterparts: HashMap::new(),
            left_base: Left::default(),
            left_new: Left::default(),
            joined: Numbers::new(),
            alike: Numbers::new(),
        }
    }

    /// How many are kept of the side that has more.
    pub(super) fn len(&self) -> usize {
        self.base.len().max(self.new.len())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.base.is_empty() && self.new.is_empty()
    }

    /// Takes two that are in one place on both sides.
    pub(super) fn take_both(&mut self, base: Keyed, new: Keyed) {
        self.join_base(base.key, self.first + self.base.len() as u64);
        self.base.push_back(OfBase { keyed: base, counterpart: Counterpart::Same });
        let number = self.push_new(new);
        self.join(new.key, number);
    }

    /// The first counterpart of this key; there is one.
    pub(super) fn counterpart(&self, key: Key) -> u64 {
        self.counterparts.get(&key).and_then(VecDeque::front).copied().unwrap_or(u64::MAX)
    }

    fn push_new(&mut self, keyed: Keyed) -> u64 {
        let number = self.next_new;
        self.next_new += 1;
        self.index.insert(number, keyed.one.request);
        self.new.insert(number, OfNew { keyed, moved: false });
        number
    }

    /// A request of new has a counterpart from here on.
    fn join(&mut self, key: Key, number: u64) {
        let numbers = self.counterparts.entry(key).or_default();
        let place = numbers.partition_point(|other| *other < number);
        numbers.insert(place, number);
    }

    /// The same of one of base.
    fn join_base(&mut self, key: Key, number: u64) {
        self.joined.entry(key).or_default().insert(number);
    }

    /// Takes one of base that is not in its place in new.
    pub(super) fn take_base(&mut self, keyed: Keyed) {
        let of_base = self.first + self.base.len() as u64;
        let mut counterpart = Counterpart::None;
        if let Some(number) = self.left_new.of_key(keyed.key) {
            self.left_new.remove(number, &keyed, self.rule);
            self.join(keyed.key, number);
            self.join_base(keyed.key, of_base);
            counterpart = Counterpart::Same;
        } else {
            self.left_base.insert(of_base, &keyed, self.rule);
        }
        self.base.push_back(OfBase { keyed, counterpart });
    }

    /// Takes one of new that is not in its place in base.
    pub(super) fn take_new(&mut self, keyed: Keyed) {
        let number = self.push_new(keyed);
        if let Some(of_base) = self.left_base.of_key(keyed.key) {
            self.left_base.remove(of_base, &keyed, self.rule);
            self.join(keyed.key, number);
            self.join_base(keyed.key, of_base);
            self.at_base(of_base).counterpart = Counterpart::Same;
        } else {
            self.left_new.insert(number, &keyed, self.rule);
        }
    }

    pub(super) fn at_base(&mut self, number: u64) -> &mut OfBase {
        let place = usize::try_from(number - self.first).unwrap_or(usize::MAX);
        &mut self.base[place]
    }

    /// Which of several equal requests has no counterpart was a guess. If a later one of base that equals the first has none,
    /// the first has none instead.
    pub(super) fn leave_first(&mut self, base: &Keyed) -> bool {
        let alike = || self.alike.get(&base.key)?.first().copied();
        let Some(later) = self.left_base.of_key(base.key).or_else(alike) else {
            return false;
        };
        self.exchange_base(base, self.first, later);
        true
    }

    /// The other way round: the first of base takes the counterpart of a later one that equals it, if nothing is in the way.
    pub(super) fn takes_back(&mut self, base: &Keyed) -> bool {
        let joined = self.joined.get(&base.key).and_then(BTreeSet::first).copied();
        let Some(later) = joined else { return false };
        let free = !self.is_blocked_at(base, self.counterpart(base.key));
        if free {
            self.exchange_base(base, later, self.first);
        }
        free
    }

    /// Of two equal ones of base, `left` has a counterpart from here on, and `number` has what `left` had.
    fn exchange_base(&mut self, base: &Keyed, number: u64, left: u64) {
        let counterpart = self.at_base(left).counterpart;
        if matches!(counterpart, Counterpart::None) {
            self.left_base.remove(left, base, self.rule);
            self.left_base.insert(number, base, self.rule);
        } else {
            remove(&mut self.alike, base.key, left);
            self.alike.entry(base.key).or_default().insert(number);
        }
        remove(&mut self.joined, base.key, number);
        self.join_base(base.key, left);
        self.at_base(left).counterpart = Counterpart::Same;
        self.at_base(number).counterpart = counterpart;
    }

    /// Whether one of new takes the counterpart of a later one that equals it, because it is in nobody's way.
    pub(super) fn comes_before_its_like(&mut self, number: u64) -> bool {
        let Some(OfNew { keyed, .. }) = self.new.get(&number) else {
            return false;
        };
        let (key, one) = (keyed.key, keyed.one);
        let joined = self.joined.get(&key).and_then(BTreeSet::first).copied();
        let later = self.counterpart(key) > number;
        let Some(of_base) = joined.filter(|_| later) else { return false };
        let before = usize::try_from(of_base - self.first).unwrap_or(usize::MAX);
        let free = self.base.iter().take(before).all(|base| {
            !matches!(base.counterpart, Counterpart::Same) || !self.conflict(&base.keyed.one, &one)
        });
        if free {
            self.exchange(key, self.counterpart(key), number);
        }
        free
    }

    /// The same for those of new that are in the way: if a later one that equals one of them has no counterpart.
    pub(super) fn leave(&mut self, blockers: &[u64]) -> bool {
        let mut any = false;
        for blocker in blockers {
            let Some(key) = self.new.get(blocker).map(|new| new.keyed.key) else {
                continue;
            };
            let left = self.left_new.by_key.get(&key);
            if let Some(later) = left.and_then(|left| left.range(blocker..).next()).copied() {
                self.exchange(key, *blocker, later);
                any = true;
            }
        }
        any
    }

    /// Of two equal ones of new, `left` has the counterpart from here on, and `number` has none.
    fn exchange(&mut self, key: Key, number: u64, left: u64) {
        let (Some(one), Some(other)) = (self.new.get(&number), self.new.get(&left)) else {
            return;
        };
        let (one, other) = (one.keyed, other.keyed);
        if let Some(numbers) = self.counterparts.get_mut(&key) {
            numbers.retain(|counterpart| *counterpart != number);
        }
        self.left_new.remove(left, &other, self.rule);
        self.join(key, left);
        self.left_new.insert(number, &one, self.rule);
    }

    /// Those of new that the first of base conflicts with, and that come before its counterpart but only later in base.
    pub(super) fn blockers(&self, base: &Keyed, number: u64) -> Vec<u64> {
        let mut blockers = BTreeSet::new();
        let told = self.index.before(&base.one.request, number, |blocker| {
            blockers.insert(blocker);
            ControlFlow::Continue(())
        });
        debug_assert!(told.is_continue());
        blockers.into_iter().collect()
    }

    /// Whether there is one.
    fn is_blocked_at(&self, base: &Keyed, number: u64) -> bool {
        self.index.before(&base.one.request, number, |_| ControlFlow::Break(())).is_break()
    }

    /// The same of the first of base and its counterpart.
    pub(super) fn is_blocked(&self) -> bool {
        match self.base.front() {
            Some(OfBase { keyed, counterpart: Counterpart::Same }) => {
                self.is_blocked_at(keyed, self.counterpart(keyed.key))
            }
            _ => false,
        }
    }

    /// These were moved: they come before those that come before them in base, and block nothing.
    pub(super) fn move_all(&mut self, numbers: &[u64]) {
        for number in numbers {
            self.index.remove(*number);
            if let Some(new) = self.new.get_mut(number) {
                new.moved = true;
            }
        }
    }

    /// Takes one out of new.
    pub(super) fn remove_new(&mut self, number: u64) -> Option<OfNew> {
        self.index.remove(number);
        self.new.remove(&number)
    }

    /// Whether one of new that has a counterpart comes ahead of more than `count` that it conflicts with: then it is the one
    /// that was moved.
    pub(super) fn is_ahead_of_more(&self, number: u64, count: usize) -> bool {
        let Some(OfNew { keyed, .. }) = self.new.get(&number) else {
            return false;
        };
        let numbers = self.counterparts.get(&keyed.key);
        let Some(mut left) = numbers.and_then(|numbers| numbers.binary_search(&number).ok()) else {
            return false;
        };
        let mut ahead_of = 0;
        for base in self.base.iter().filter(|base| matches!(base.counterpart, Counterpart::Same)) {
            if base.keyed.key == keyed.key {
                match left.checked_sub(1) {
                    Some(less) => left = less,
                    None => break,
                }
            } else if self.conflict(&base.keyed.one, &keyed.one) {
                ahead_of += 1;
            }
            if ahead_of > count {
                return true;
            }
        }
        false
    }

    fn conflict(&self, one: &Compared, other: &Compared) -> bool {
        let (one, other) = (&one.request, &other.request);
        let barrier = |one: &Request, other: &Request| {
            self.rule.barrier.is(one) && other.operation.modifies()
        };
        one.conflicts(other, 1) || barrier(one, other) || barrier(other, one)
    }

    pub(super) fn pop_base(&mut self) {
        self.base.pop_front();
        self.first += 1;
    }

    /// Takes one without a counterpart out of new.
    pub(super) fn take_left(&mut self, number: u64) -> Option<Keyed> {
        let new = self.remove_new(number)?;
        self.left_new.remove(number, &new.keyed, self.rule);
        Some(new.keyed)
    }
}
