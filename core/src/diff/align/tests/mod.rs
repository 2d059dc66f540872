//! Sides that are changed in one known way, over seeds, and sides that have nothing to do with each other, held against what is
//! obvious.

mod bags;
mod listed;

use std::collections::BTreeMap;

use bytes::Bytes;

use super::super::sums::Sums;
use super::*;
use crate::diff::tests::{One, Told, VecSide, ask, flush, read, write, zeroes};
use crate::diff::{Compared, Fact, Facts, Key, Kind, Part, Place};
use crate::request::{DeviceId, Errno, Flags, Operation};

const SEEDS: u64 = 400;

#[derive(Clone)]
struct Dice(u64);

impl Dice {
    fn place(&mut self, length: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        usize::try_from((self.0 >> 33) % length as u64).unwrap()
    }

    fn shuffle<T>(&mut self, list: &mut [T]) {
        for at in (1..list.len()).rev() {
            list.swap(at, self.place(at + 1));
        }
    }
}

/// The epochs of a device, each without its flush.
type Epochs = Vec<Vec<One>>;

fn any_request(dice: &mut Dice) -> One {
    let (offset, fill) = (dice.place(60) as u64 * 512, u8::try_from(1 + dice.place(4)).unwrap());
    match dice.place(5) {
        0 => read(offset, 512, fill),
        1 => zeroes(offset, 512),
        _ => write(offset, 512, fill),
    }
}

/// Some epochs of a few requests; `least` is how many at least.
fn any_epochs(dice: &mut Dice, least: usize) -> Epochs {
    let count = 1 + dice.place(12);
    (0..count).map(|_| (0..least + dice.place(9)).map(|_| any_request(dice)).collect()).collect()
}

/// The devices with their flushes between epochs, mixed as chance has it.
fn side(devices: &[Epochs], dice: &mut Dice) -> VecSide {
    let mut queues: Vec<std::vec::IntoIter<One>> = (0..)
        .zip(devices)
        .map(|(device, epochs)| {
            let mut list = Vec::new();
            for (at, epoch) in epochs.iter().enumerate() {
                let mut epoch = epoch.clone();
                dice.shuffle(&mut epoch);
                list.extend(epoch.into_iter().map(|one| one.on(device)));
                if at + 1 < epochs.len() {
                    list.push(flush().on(device));
                }
            }
            list.into_iter()
        })
        .collect();
    let mut all = Vec::new();
    while queues.iter().any(|queue| !queue.as_slice().is_empty()) {
        let from = dice.place(queues.len());
        all.extend(queues[from].next());
    }
    VecSide::new(all)
}

fn told(base: &VecSide, new: &VecSide, rule: &Rule, about: &str) -> Told {
    let mut told = Told::default();
    compare(base, new, rule, &tempfile::tempfile, &mut told).unwrap();
    told.assert_whole(base, new, about);
    for difference in &told.differences {
        match (difference.kind, &difference.base[..], &difference.new[..]) {
            (Kind::Changed, [base], [new]) => {
                assert_eq!(base.key(rule.shape()), new.key(rule.shape()), "{about}");
                assert_ne!(base.key(rule.facts), new.key(rule.facts), "{about}");
                assert!(difference.facts != Facts::NONE);
            }
            (Kind::Moved, [base], [new]) => {
                assert_eq!(base.key(rule.facts), new.key(rule.facts), "{about}");
                assert_eq!(difference.facts, Facts::NONE);
            }
            (Kind::Removed, [_], []) | (Kind::Added, [], [_]) => {
                assert_eq!(difference.facts, Facts::NONE);
            }
            other => panic!("{about}: {other:?}"),
        }
    }
    told
}

/// What is done to one side, and what is to be told of it: the kind, and the requests of both sides.
struct Made {
    kind: Kind,
    base: Option<One>,
    new: Option<One>,
    facts: Facts,
}

/// Does something to a request, or a barrier, of a device with at least two epochs.
fn change(epochs: &mut Epochs, what: usize, dice: &mut Dice) -> Made {
    let from = dice.place(epochs.len());
    let at = dice.place(epochs[from].len());
    let old = epochs[from][at].clone();
    let changed = |new: One, fact| (new, Facts::NONE.with(fact));
    let (new, facts) = match what {
        0 => {
            let data = Bytes::from([&[0xfe][..], &[7; 511]].concat());
            changed(One { data: Some(data), ..old.clone() }, Fact::Payload)
        }
        1 => changed(old.clone().with(Flags::FUA), Fact::Flags),
        2 => changed(old.clone().failed(Errno::EIO), Fact::Result),
        3 => {
            epochs[from].remove(at);
            return Made { kind: Kind::Removed, base: Some(old), new: None, facts: Facts::NONE };
        }
        4 => {
            let new = ask(Operation::Write, 1 << 20, 512);
            epochs[from].push(new.clone());
            return Made { kind: Kind::Added, base: None, new: Some(new), facts: Facts::NONE };
        }
        5 => {
            let there = (from + 1 + dice.place(epochs.len() - 1)) % epochs.len();
            let moved = epochs[from].remove(at);
            epochs[there].push(moved);
            let (base, new) = (Some(old.clone()), Some(old));
            return Made { kind: Kind::Moved, base, new, facts: Facts::NONE };
        }
        6 => {
            let joined = dice.place(epochs.len() - 1);
            let behind = epochs.remove(joined + 1);
            epochs[joined].extend(behind);
            return Made {
                kind: Kind::Removed,
                base: Some(flush()),
                new: None,
                facts: Facts::NONE,
            };
        }
        _ => {
            let behind = epochs[from].split_off(at);
            epochs.insert(from + 1, behind);
            return Made { kind: Kind::Added, base: None, new: Some(flush()), facts: Facts::NONE };
        }
    };
    epochs[from][at] = new.clone();
    Made { kind: Kind::Changed, base: Some(old), new: Some(new), facts }
}

fn key(one: One, device: u16) -> Key {
    VecSide::new([one.on(device)]).all()[0].key(Facts::ALL)
}

#[test]
fn what_only_changes_places_inside_an_epoch_is_the_same() {
    for seed in 0..SEEDS {
        let mut dice = Dice(seed);
        let devices: Vec<Epochs> = (0..=dice.place(4)).map(|_| any_epochs(&mut dice, 0)).collect();
        let (base, new) = (side(&devices, &mut dice), side(&devices, &mut dice));
        for align in [Align::Epoch, Align::Key] {
            for window in [1, 3, 1 << 16] {
                let rule = Rule { align, window, ..Rule::default() };
                let told = told(&base, &new, &rule, &format!("seed {seed}, window {window}"));
                assert_eq!(told.short(), [], "seed {seed}, {align:?}, window {window}");
            }
        }
    }
}

#[test]
fn the_one_thing_that_was_changed_is_the_difference_and_nothing_else() {
    for seed in 0..8 * SEEDS {
        let mut dice = Dice(seed);
        let what = usize::try_from(seed % 8).unwrap();
        let mut devices: Vec<Epochs> = (0..=dice.place(3))
            .map(|_| any_epochs(&mut dice, 3))
            .filter(|epochs| epochs.len() > 1)
            .collect();
        if devices.is_empty() {
            continue;
        }
        let base = side(&devices, &mut dice);
        let device = dice.place(devices.len());
        let made = change(&mut devices[device], what, &mut dice);
        let new = side(&devices, &mut dice);
        let about = format!("seed {seed}");
        let told = told(&base, &new, &Rule::default(), &about);
        let [difference] = &told.differences[..] else { panic!("{about}: {:?}", told.short()) };
        let device = u16::try_from(device).unwrap();
        let found =
            |list: &[Compared]| list.iter().map(|one| one.key(Facts::ALL)).collect::<Vec<_>>();
        let expected =
            |one: Option<One>| one.map(|one| key(one, device)).into_iter().collect::<Vec<_>>();
        assert_eq!(difference.kind, made.kind, "{about}");
        assert_eq!(found(&difference.base), expected(made.base), "{about}");
        assert_eq!(found(&difference.new), expected(made.new), "{about}");
        assert_eq!(difference.facts, made.facts, "{about}");
        assert_eq!(difference.place.device, Some(DeviceId(device)), "{about}");
        if let [one] = &difference.base[..] {
            assert_eq!(difference.place.base_epoch, Some(one.epoch), "{about}");
        }
        if let [one] = &difference.new[..] {
            assert_eq!(difference.place.new_epoch, Some(one.epoch), "{about}");
        }
    }
}

#[test]
fn by_key_a_changed_request_is_found_and_a_moved_one_is_the_same() {
    for seed in 0..SEEDS {
        let mut dice = Dice(seed);
        let what = usize::try_from(seed % 6).unwrap();
        let mut devices = vec![any_epochs(&mut dice, 3)];
        if devices[0].len() < 2 {
            continue;
        }
        let base = side(&devices, &mut dice);
        let made = change(&mut devices[0], what, &mut dice);
        let new = side(&devices, &mut dice);
        for window in [1 << 16, 20] {
            let about = format!("seed {seed}, window {window}");
            let rule = Rule { align: Align::Key, window, ..Rule::default() };
            let told = told(&base, &new, &rule, &about);
            if made.kind == Kind::Moved {
                assert_eq!(told.short(), [], "{about}");
                continue;
            }
            let [difference] = &told.differences[..] else { panic!("{about}: {:?}", told.short()) };
            assert_eq!(difference.kind, made.kind, "{about}");
            assert_eq!(difference.facts, made.facts, "{about}");
            assert_eq!(difference.place, Place::default(), "{about}");
        }
    }
}

/// The keys of each device and epoch, sorted: the obvious way to say whether two sides are the same.
fn obvious(side: &VecSide, facts: Facts) -> BTreeMap<(DeviceId, u64), Vec<Key>> {
    let mut epochs: BTreeMap<_, Vec<Key>> = BTreeMap::new();
    for one in side.all() {
        epochs.entry((one.device, one.epoch)).or_default().push(one.key(facts));
    }
    for keys in epochs.values_mut() {
        keys.sort_unstable();
    }
    epochs
}

/// Compares sides with lists of two epochs; says whether they are the same.
fn part_by_part(base: &VecSide, new: &VecSide, rule: &Rule, about: &str) -> bool {
    let mut told = Told::default();
    let sums = Sums::of(base, new, rule).limited(2);
    epoch::compare_by(sums, base, new, rule, &mut told).unwrap();
    told.assert_whole(base, new, about);
    told.differences.is_empty()
}

/// The keys of epochs that are not empty, in order.
fn squeezed(side: &VecSide, facts: Facts) -> Vec<(DeviceId, Vec<Key>)> {
    obvious(side, facts).into_iter().map(|((device, _), keys)| (device, keys)).collect()
}

#[test]
fn sides_of_any_requests_are_the_same_if_and_only_if_their_epochs_are_and_all_is_told_of_once() {
    let mut same = 0;
    for seed in 0..2 * SEEDS {
        let mut dice = Dice(seed);
        let mut devices: Vec<Epochs> =
            (0..=dice.place(2)).map(|_| any_epochs(&mut dice, 0)).collect();
        let base = side(&devices, &mut dice);
        for _ in 0..dice.place(5) {
            let device = dice.place(devices.len());
            let full = devices[device].iter().all(|epoch| !epoch.is_empty());
            if full && devices[device].len() > 1 {
                change(&mut devices[device], dice.place(8), &mut dice.clone());
            }
        }
        if dice.place(4) == 0 {
            devices = vec![any_epochs(&mut dice, 0)];
        }
        let new = side(&devices, &mut dice);
        for facts in [Facts::ALL, Facts::ALL.without(Fact::Payload).without(Fact::Flags)] {
            let equal = obvious(&base, facts) == obvious(&new, facts);
            same += usize::from(equal);
            for window in [1, 2, 7, 1 << 16] {
                let about = format!("seed {seed}, window {window}");
                let rule = Rule { facts, window, ..Rule::default() };
                let told = told(&base, &new, &rule, &about);
                assert_eq!(told.differences.is_empty(), equal, "{about}: {:?}", told.short());
                assert_eq!(part_by_part(&base, &new, &rule, &about), equal, "{about}");
                // Without flushes there are empty epochs, of which nobody says how many lie between two others.
                let (base, new) = (base.clone().without_flushes(), new.clone().without_flushes());
                let found = part_by_part(&base, &new, &rule, &about);
                assert!(found || obvious(&base, facts) != obvious(&new, facts), "{about}");
                assert!(!found || squeezed(&base, facts) == squeezed(&new, facts), "{about}");
            }
        }
    }
    assert!(same > 50, "{same}");
}

#[test]
fn differences_come_in_the_order_of_base() {
    for seed in 0..SEEDS {
        let mut dice = Dice(seed);
        let mut devices = vec![any_epochs(&mut dice, 3)];
        let base = side(&devices, &mut dice);
        for _ in 0..4 {
            if devices[0].len() > 1 {
                change(&mut devices[0], dice.place(4), &mut dice);
            }
            devices[0].retain(|epoch| !epoch.is_empty());
        }
        let new = side(&devices, &mut dice);
        let told = told(&base, &new, &Rule::default(), &format!("seed {seed}"));
        let places: Vec<u64> =
            told.differences.iter().flat_map(|one| &one.base).map(|one| one.place).collect();
        assert!(places.is_sorted(), "seed {seed}: {places:?}");
    }
}
