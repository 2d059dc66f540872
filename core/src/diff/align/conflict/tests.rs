//! Lists in which independent requests change places, and others in which one thing is done that is a difference, held against
//! two slow ways to say what a partial order is.

use std::collections::HashSet;

use super::*;
use crate::device::Dice;
use crate::diff::tests::{One, Told, VecSide, any_list, any_one, flush, read, unheard, write};
use crate::diff::{Barrier, Kind};
use crate::request::Flags;

fn told(base: &[One], new: &[One], rule: &Rule, about: &str) -> Told {
    let (base, new) = (VecSide::new(base.to_vec()), VecSide::new(new.to_vec()));
    let mut told = Told::default();
    compare(&base, &new, rule, &mut told).unwrap();
    told.assert_whole(&base, &new, about);
    told
}

fn is_same(base: &[One], new: &[One], about: &str) -> bool {
    told(base, new, &Rule::default(), about).differences.is_empty()
}

/// Whether the two may not change places. Said anew, and byte by byte.
fn conflict(one: &One, other: &One) -> bool {
    let bytes = |one: &One| -> HashSet<u64> {
        let range = one.request.range;
        (range.offset..range.end()).collect()
    };
    let modifies = |one: &One| one.request.operation.modifies();
    let is_flush = |one: &One| one.request.operation == crate::request::Operation::Flush;
    one.device == other.device
        && (modifies(one) || modifies(other))
        && (is_flush(one) || is_flush(other) || !bytes(one).is_disjoint(&bytes(other)))
}

/// Whether the two have the same requests, and each two that conflict in the same order.
fn by_twos(base: &[One], new: &[One]) -> bool {
    let only = |list: &[One], one: &One, two: &One| -> Vec<One> {
        list.iter().filter(|x| *x == one || *x == two).cloned().collect()
    };
    base.len() == new.len()
        && base.iter().all(|one| only(base, one, one).len() == only(new, one, one).len())
        && base.iter().all(|one| {
            let mut others = base.iter().filter(|other| conflict(one, other));
            others.all(|other| only(base, one, other) == only(new, one, other))
        })
}

/// Whether `new` is reached from `base` by steps in which two independent neighbours change places.
fn by_search(base: &[One], new: &[One]) -> bool {
    let mut seen: Vec<Vec<One>> = vec![base.to_vec()];
    let mut next = 0;
    while next < seen.len() {
        let list = seen[next].clone();
        next += 1;
        for at in 1..list.len() {
            if !conflict(&list[at - 1], &list[at]) {
                let mut other = list.clone();
                other.swap(at - 1, at);
                if !seen.contains(&other) {
                    seen.push(other);
                }
            }
        }
    }
    seen.contains(&new.to_vec())
}

/// Lets independent neighbours change places.
fn commute(list: &mut [One], dice: &mut Dice) {
    for _ in 0..list.len() * 6 {
        let at = 1 + dice.place(list.len() - 1).unwrap();
        if !conflict(&list[at - 1], &list[at]) {
            list.swap(at - 1, at);
        }
    }
}

/// A list over a few blocks of two devices, with few fills, so that requests repeat.
fn any_lists(dice: &mut Dice, count: u64, blocks: u64) -> Vec<One> {
    let list = any_list(dice, count, blocks);
    let of = |one: One, dice: &mut Dice| {
        let few = |data: &bytes::Bytes| vec![data[0] % 3; data.len()].into();
        let device = u16::from(dice.one_in(3));
        One { data: one.data.as_ref().map(few), ..one }.on(device)
    };
    list.into_iter().map(|one| of(one, dice)).collect()
}

#[test]
fn two_tiny_lists_are_the_same_if_and_only_if_one_is_reached_from_the_other_by_commuting() {
    let mut same = 0;
    for seed in 0..1500 {
        let mut dice = Dice::new(seed);
        let count = 2 + dice.below(4);
        let base = any_lists(&mut dice, count, 3);
        let mut new = base.clone();
        for _ in 0..dice.below(4) {
            let (one, two) = (dice.place(new.len()).unwrap(), dice.place(new.len()).unwrap());
            new.swap(one, two);
        }
        let expected = by_search(&base, &new);
        assert_eq!(by_twos(&base, &new), expected, "seed {seed}");
        assert_eq!(is_same(&base, &new, &format!("seed {seed}")), expected, "seed {seed}");
        same += u32::from(expected);
    }
    assert!((300..1400).contains(&same), "{same}: both are tried");
}

#[test]
fn lists_are_the_same_if_and_only_if_each_two_that_conflict_are_in_the_same_order() {
    for seed in 0..400 {
        let mut dice = Dice::new(seed);
        let count = 2 + dice.below(60);
        let base = any_lists(&mut dice, count, 5);
        let mut new = base.clone();
        commute(&mut new, &mut dice);
        for _ in 0..dice.below(2) {
            let (one, two) = (dice.place(new.len()).unwrap(), dice.place(new.len()).unwrap());
            new.swap(one, two);
        }
        let expected = by_twos(&base, &new);
        assert_eq!(is_same(&base, &new, &format!("seed {seed}")), expected, "seed {seed}");
    }
}

#[test]
fn independent_requests_commute_whatever_their_number_as_long_as_the_window_holds_them() {
    for seed in 0..30 {
        let mut dice = Dice::new(seed);
        let base = any_lists(&mut dice, 800, 30);
        let mut new = base.clone();
        commute(&mut new, &mut dice);
        assert!(is_same(&base, &new, &format!("seed {seed}")), "seed {seed}");
    }
    // One of two clients first, and then the other.
    let of = |client: u64| (0..500).map(move |at| write(client * 8000 + at * 8, 8, 1));
    let mixed: Vec<One> = of(0).zip(of(1)).flat_map(|(one, two)| [one, two]).collect();
    let apart: Vec<One> = of(1).chain(of(0)).collect();
    assert!(is_same(&mixed, &apart, "two clients"));
}

#[test]
fn one_change_among_requests_that_commute_is_the_one_difference_that_is_told() {
    for seed in 0..1500 {
        let mut dice = Dice::new(seed);
        let count = 3 + dice.below(300);
        let base = any_lists(&mut dice, count, 20);
        let mut new = base.clone();
        commute(&mut new, &mut dice);
        let at = dice.place(new.len()).unwrap();
        let old = new[at].clone();
        let kind = Kind::NAMES[dice.place(4).unwrap()].0;
        let (gone, come) = match kind {
            Kind::Changed => {
                new[at] = unheard(&old);
                (vec![old], vec![new[at].clone()])
            }
            Kind::Added => {
                let one = unheard(&any_one(&mut dice, 20));
                new.insert(at, one.clone());
                (vec![], vec![one])
            }
            Kind::Removed => {
                new.remove(at);
                (vec![old], vec![])
            }
            Kind::Moved => {
                let Some(next) = new.get(at + 1).cloned() else {
                    continue;
                };
                if old == next || !conflict(&old, &next) {
                    continue;
                }
                new.swap(at, at + 1);
                (vec![old.clone(), next.clone()], vec![old, next])
            }
        };
        commute(&mut new, &mut dice);
        let (base_side, new_side) = (VecSide::new(base.clone()), VecSide::new(new.clone()));
        let mut told = Told::default();
        compare(&base_side, &new_side, &Rule::default(), &mut told).unwrap();
        told.assert_whole(&base_side, &new_side, &format!("seed {seed}"));
        let [only] = &told.differences[..] else { panic!("seed {seed}: {:?}", told.short()) };
        assert_eq!(only.kind, kind, "seed {seed}");
        let among = |list: &[Compared], all: &[One], made: &[One]| {
            list.iter().all(|one| made.contains(&all[usize::try_from(one.place).unwrap()]))
        };
        assert!(among(&only.base, &base, &gone), "seed {seed}");
        assert!(among(&only.new, &new, &come), "seed {seed}");
    }
}

#[test]
fn a_request_that_comes_before_or_behind_many_it_conflicts_with_is_the_one_that_moved() {
    let small: Vec<One> = (0..20).map(|at| write(at * 8, 8, 1)).collect();
    let large = write(0, 160, 2);
    let before: Vec<One> = [large.clone()].into_iter().chain(small.clone()).collect();
    let behind: Vec<One> = small.into_iter().chain([large]).collect();
    let rule = Rule::default();
    let moved = |base: u64, new: u64| [(Kind::Moved, vec![base], vec![new])];
    assert_eq!(told(&before, &behind, &rule, "behind").short(), moved(0, 20));
    assert_eq!(told(&behind, &before, &rule, "before").short(), moved(20, 0));
}

#[test]
fn a_write_does_not_pass_a_barrier_and_a_read_does() {
    let over = |one: One| ([one.clone(), flush()], [flush(), one]);
    let (base, new) = over(write(0, 8, 1));
    assert!(!is_same(&base, &new, "a write"));
    let none = Rule { barrier: Barrier::None, ..Rule::default() };
    assert!(told(&base, &new, &none, "no barrier").differences.is_empty());
    let (base, new) = over(read(0, 8, 1));
    assert!(is_same(&base, &new, "a read"));
    let durable = write(0, 8, 1).with(Flags::FUA);
    let (base, new) = ([write(8, 8, 1), durable.clone()], [durable, write(8, 8, 1)]);
    assert!(is_same(&base, &new, "FUA is no barrier"));
    let fua = Rule { barrier: Barrier::FlushFua, ..Rule::default() };
    assert_eq!(told(&base, &new, &fua, "FUA is one").short().len(), 1);
}

#[test]
fn beyond_the_window_it_gives_up_and_tells_all_of_it_nevertheless() {
    let mut dice = Dice::new(1);
    let base = any_lists(&mut dice, 600, 6);
    let mut new = base.clone();
    new.rotate_left(200);
    for window in [1, 2, 30, 100] {
        let rule = Rule { window, ..Rule::default() };
        let about = format!("window {window}");
        assert!(!told(&base, &new, &rule, &about).differences.is_empty());
        assert!(told(&base, &base, &rule, &about).differences.is_empty());
        told(&base, &new[..100], &rule, &about);
        told(&[], &new, &rule, &about);
    }
}

#[test]
fn lists_that_have_little_in_common_are_told_of_whole() {
    for seed in 0..300 {
        let mut dice = Dice::new(seed);
        let (count, other) = (dice.below(120), dice.below(120));
        let (base, new) = (any_lists(&mut dice, count, 2), any_lists(&mut dice, other, 2));
        let window = [1, 5, 40, 1 << 16][dice.place(4).unwrap()];
        let rule = Rule { window, ..Rule::default() };
        let same = told(&base, &new, &rule, &format!("seed {seed}")).differences.is_empty();
        assert_eq!(same, by_twos(&base, &new), "seed {seed}");
    }
}

#[test]
fn a_write_in_flight_together_with_a_flush_is_before_or_behind_it_as_it_was_issued() {
    let base = [write(0, 8, 1).straddling(), flush(), write(8, 8, 2)];
    let new = [flush(), write(0, 8, 1).straddling(), write(8, 8, 2)];
    assert!(is_same(&base, &base, "as issued"));
    assert!(!is_same(&base, &new, "on the other side"));
}

#[test]
fn only_where_a_pair_was_lost_beyond_the_window_is_it_given_up() {
    let base: Vec<One> = (0..40).map(|at| write(at * 8, 8, 1)).collect();
    let rule = Rule { window: 8, ..Rule::default() };
    let mut changed = base.clone();
    changed[3] = write(24, 8, 2);
    let found = told(&base, &changed, &rule, "changed");
    assert_eq!((found.differences.len(), found.gave_up.len()), (1, 0));
    let mut later = base.clone();
    later.rotate_left(1);
    let found = told(&base, &later, &rule, "beyond the window");
    assert_eq!((found.differences.len(), found.gave_up.len()), (2, 1));
    assert!(told(&base, &later, &Rule::default(), "within it").differences.is_empty());
}
