//! Lists that are changed in one known way, and lists that are not alike, held against the table of all beginnings.

use super::*;
use crate::device::Dice;
use crate::diff::Fact;
use crate::diff::tests::{One, Told, VecSide, any_list, any_one, flush, unheard, write};

fn told(base: &[One], new: &[One], rule: &Rule, about: &str) -> Told {
    let (base, new) = (VecSide::new(base.to_vec()), VecSide::new(new.to_vec()));
    let mut told = Told::default();
    compare(&base, &new, rule, &mut told).unwrap();
    told.assert_whole(&base, &new, about);
    told
}

/// How many requests there can be in common.
fn most(base: &[One], new: &[One]) -> u64 {
    let mut row = vec![0; new.len() + 1];
    for one in base {
        let mut diagonal = 0;
        for (j, two) in new.iter().enumerate() {
            let best = if one == two { diagonal + 1 } else { row[j].max(row[j + 1]) };
            diagonal = std::mem::replace(&mut row[j + 1], best);
        }
    }
    row[new.len()]
}

#[test]
fn the_same_list_is_the_same_whatever_the_window() {
    for seed in 0..30 {
        let list = any_list(&mut Dice::new(seed), 500, 6);
        for window in [1, 50, 1 << 16] {
            let told = told(&list, &list, &Rule { window, ..Rule::default() }, &format!("{seed}"));
            assert_eq!((told.same_count(), told.differences.len()), (500, 0), "seed {seed}");
        }
    }
    assert_eq!(told(&[], &[], &Rule::default(), "nothing").same, []);
}

#[test]
fn one_change_of_a_list_is_the_one_difference_that_is_told() {
    for seed in 0..600 {
        let mut dice = Dice::new(seed);
        let count = 2 + dice.below(400);
        let base = any_list(&mut dice, count, 40);
        let mut new = base.clone();
        let at = dice.place(base.len()).unwrap();
        let kind = Kind::NAMES[dice.place(4).unwrap()].0;
        match kind {
            Kind::Changed => {
                if base[..at].last() == Some(&base[at]) || base.get(at + 1) == Some(&base[at]) {
                    continue; // Which of two equal neighbours changed cannot be told.
                }
                new[at] = unheard(&base[at]);
            }
            Kind::Added => new.insert(at, unheard(&any_one(&mut dice, 40))),
            Kind::Removed => drop(new.remove(at)),
            Kind::Moved => {
                let one = new.remove(at);
                new.insert(dice.place(base.len()).unwrap(), one);
                if new == base {
                    continue; // It was moved past others like it.
                }
            }
        }
        let told = told(&base, &new, &Rule::default(), &format!("seed {seed}"));
        let [only] = &told.differences[..] else { panic!("seed {seed}: {:?}", told.short()) };
        assert_eq!(only.kind, kind, "seed {seed}");
        let without = |list: &[One], gone: &[Compared]| {
            let gone = gone.iter().map(|one| usize::try_from(one.place).unwrap());
            let mut list = list.to_vec();
            gone.for_each(|place| drop(list.remove(place)));
            list
        };
        assert_eq!(without(&base, &only.base), without(&new, &only.new), "seed {seed}");
        if kind == Kind::Changed {
            assert_eq!(only.base[0].place, at as u64, "seed {seed}");
            assert_eq!(only.facts.iter().count(), 1, "seed {seed}");
        }
    }
}

#[test]
fn of_lists_that_are_not_alike_as_much_is_the_same_as_there_can_be() {
    for seed in 0..800 {
        let mut dice = Dice::new(seed);
        let (count, other) = (dice.below(60), dice.below(60));
        let (base, new) = (any_list(&mut dice, count, 2), any_list(&mut dice, other, 2));
        let fills = |list: Vec<One>| -> Vec<One> {
            let few = |data: &bytes::Bytes| vec![data[0] % 2; data.len()].into();
            list.into_iter().map(|one| One { data: one.data.as_ref().map(few), ..one }).collect()
        };
        let (base, new) = (fills(base), fills(new));
        let told = told(&base, &new, &Rule::default(), &format!("seed {seed}"));
        assert_eq!(told.same_count(), most(&base, &new), "seed {seed}");
    }
}

#[test]
fn what_comes_at_another_place_within_the_window_is_moved_and_farther_away_it_is_gone_and_new() {
    let mut base: Vec<One> = (0..200).map(|at| write(at * 8, 8, 1)).collect();
    let mut new = base.clone();
    base.insert(0, flush());
    new.push(flush());
    let moved = told(&base, &new, &Rule::default(), "moved far");
    assert_eq!(moved.short(), [(Kind::Moved, vec![0], vec![200])]);
    let moved = told(&new, &base, &Rule::default(), "moved back");
    assert_eq!(moved.short(), [(Kind::Moved, vec![200], vec![0])]);
    let rule = Rule { window: 100, ..Rule::default() };
    let gone = told(&base, &new, &rule, "a small window");
    let expected = [(Kind::Removed, vec![0], vec![]), (Kind::Added, vec![], vec![200])];
    assert_eq!(gone.short(), expected);
}

#[test]
fn what_is_not_compared_is_no_difference_and_devices_are_not_mixed() {
    let base = [write(0, 8, 1), write(8, 8, 2), flush()];
    let new = [write(0, 8, 3).masked(), write(8, 8, 2).on(1), flush()];
    let rule = Rule { facts: Facts::ALL.without(Fact::Payload), ..Rule::default() };
    let told = told(&base, &new, &rule, "no payload");
    assert_eq!(told.same, [(Place::default(), 1, 1), (Place::default(), 1, 0)]);
    assert_eq!(told.short(), [(Kind::Removed, vec![1], vec![]), (Kind::Added, vec![], vec![1])]);
}

#[test]
fn the_outcome_may_break_off() {
    let list: Vec<One> = (0..20).map(|at| write(at * 8, 8, 1)).collect();
    let (base, new) = (VecSide::new(list), VecSide::new([]));
    let mut told = Told { enough: Some(3), ..Told::default() };
    compare(&base, &new, &Rule::default(), &mut told).unwrap();
    assert_eq!(told.differences.len(), 3);
}

#[test]
fn a_move_beyond_the_window_is_named_as_given_up() {
    let mut base: Vec<One> = (0..40).map(|at| write(at * 512, 512, 1)).collect();
    let new = base.clone();
    base.rotate_left(1);
    for (window, given_up) in [(1 << 16, false), (8, true)] {
        let told = told(&base, &new, &Rule { window, ..Rule::default() }, "moved");
        assert_eq!(told.differences.len(), if given_up { 2 } else { 1 });
        assert_eq!(!told.gave_up.is_empty(), given_up);
    }
    // What only one side has is not: nothing says that the other would have had it.
    let told = told(&base, &new[1..], &Rule { window: 8, ..Rule::default() }, "gone");
    assert_eq!((told.differences.len(), told.gave_up.len()), (1, 0));
}
