//! Sides that are changed in one known way, over seeds, and sides that have nothing to do with each other, held against what is
//! obvious.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::super::sums::Sums;
use super::*;
use crate::diff::tests::{One, Told, VecSide, ask, flush, read, write, zeroes};
use crate::diff::{Compared, EpochSums, Fact, Facts, Key, Kind, Part, Place, Requests};
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
    compare(base, new, rule, &mut told).unwrap();
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
        let devices: Vec<Epochs> =
            (0..1 + dice.place(4)).map(|_| any_epochs(&mut dice, 0)).collect();
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
        let mut devices: Vec<Epochs> = (0..1 + dice.place(3))
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
    for seed in 0..4 * SEEDS {
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
    epochs.values_mut().for_each(|keys| keys.sort_unstable());
    epochs
}

#[test]
fn sides_of_any_requests_are_the_same_if_and_only_if_their_epochs_are_and_all_is_told_of_once() {
    let mut same = 0;
    for seed in 0..4 * SEEDS {
        let mut dice = Dice(seed);
        let mut devices: Vec<Epochs> =
            (0..1 + dice.place(2)).map(|_| any_epochs(&mut dice, 0)).collect();
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
            for window in [1, 2, 5, 13, 1 << 16] {
                let about = format!("seed {seed}, window {window}");
                let rule = Rule { window, facts, ..Rule::default() };
                let told = told(&base, &new, &rule, &about);
                assert_eq!(told.differences.is_empty(), equal, "{about}: {:?}", told.short());
                let mut listed = Told::default();
                let sums = Sums::of(&base, &new, &rule).limited(2);
                epoch::compare_by(sums, &base, &new, &rule, &mut listed).unwrap();
                listed.assert_whole(&base, &new, &about);
                assert_eq!(listed.differences.is_empty(), equal, "{about}: {:?}", listed.short());
            }
        }
    }
    assert!(same > 100, "{same}");
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

#[test]
fn what_straddles_a_barrier_may_be_in_the_epoch_before_or_behind_and_no_further() {
    let other = |fill| write(0, 512, fill);
    let moved = || write(4096, 512, 9);
    let lists = |straddling: bool, base_at: usize, new_at: usize| {
        let list = |at: usize| {
            let mut all: Vec<One> = (1..5).flat_map(|fill| [other(fill), flush()]).collect();
            let one = if straddling { moved().straddling() } else { moved() };
            all.insert(2 * at, one);
            VecSide::new(all)
        };
        (list(base_at), list(new_at))
    };
    for (base_at, new_at) in [(0, 1), (1, 0), (2, 1), (0, 2), (3, 1)] {
        let near = usize::abs_diff(base_at, new_at) == 1;
        let (base, new) = lists(true, base_at, new_at);
        let found = told(&base, &new, &Rule::default(), "straddling");
        assert_eq!(found.differences.is_empty(), near, "{base_at} {new_at}");
        let (base, new) = lists(false, base_at, new_at);
        let found = told(&base, &new, &Rule::default(), "not straddling");
        assert_eq!(found.differences.len(), 1);
        assert_eq!(found.differences[0].kind, Kind::Moved);
    }
    let changed = VecSide::new([moved().straddling(), flush(), other(1)]);
    let behind = VecSide::new([flush(), write(4096, 512, 8), other(1)]);
    let found = told(&changed, &behind, &Rule::default(), "changed");
    assert_eq!(found.differences.len(), 1);
    assert_eq!(found.differences[0].facts, Facts::NONE.with(Fact::Payload));
}

/// Sums without requests.
struct OnlySums(VecSide);

impl Side for OnlySums {
    fn devices(&self) -> u16 {
        self.0.devices()
    }

    fn requests(&self, _: &Part) -> Result<Box<dyn Requests + Send + '_>, DiffError> {
        panic!("nothing needs to be read")
    }

    fn epoch_sums(&self, device: DeviceId) -> Result<Option<EpochSums>, DiffError> {
        self.0.epoch_sums(device)
    }

    fn data(&self, of: &Compared) -> Result<Option<Bytes>, DiffError> {
        self.0.data(of)
    }
}

#[test]
fn sides_whose_summaries_are_equal_are_not_read() {
    let mut dice = Dice(3);
    let devices = [any_epochs(&mut dice, 2), any_epochs(&mut dice, 2)];
    let mut side = || OnlySums(side(&devices, &mut dice).with_sums(Facts::ALL));
    let mut told = Told::default();
    compare(&side(), &side(), &Rule::default(), &mut told).unwrap();
    assert_eq!(told.differences, []);
    assert_eq!(told.same_count(), side().0.all().len() as u64);
    let places: Vec<_> = told.same.iter().map(|(place, ..)| place.base_epoch.unwrap()).collect();
    assert_eq!(places[..2], [0, 1]);
}

#[test]
fn only_epochs_whose_summaries_differ_are_read() {
    let list = |fill| [write(0, 512, 1), flush(), write(0, 512, fill), flush(), write(0, 512, 3)];
    let (base, new) = (VecSide::new(list(2)), VecSide::new(list(7)));
    let (with, other) = (base.clone().with_sums(Facts::ALL), new.clone().with_sums(Facts::ALL));
    let (read, summed) = (Part { device: Some(DeviceId(0)), epochs: 1..2 }, Rule::default());
    let only = |side: VecSide| OnlyPart(side, read.clone());
    let mut found = Told::default();
    compare(&only(with), &only(other), &summed, &mut found).unwrap();
    assert_eq!(found.short(), [(Kind::Changed, vec![2], vec![2])]);
    found.assert_whole(&base, &new, "one epoch");
}

/// A side of which only a part may be read.
struct OnlyPart(VecSide, Part);

impl Side for OnlyPart {
    fn devices(&self) -> u16 {
        self.0.devices()
    }

    fn requests(&self, part: &Part) -> Result<Box<dyn Requests + Send + '_>, DiffError> {
        assert_eq!(*part, self.1);
        self.0.requests(part)
    }

    fn epoch_sums(&self, device: DeviceId) -> Result<Option<EpochSums>, DiffError> {
        self.0.epoch_sums(device)
    }

    fn data(&self, of: &Compared) -> Result<Option<Bytes>, DiffError> {
        self.0.data(of)
    }
}

#[test]
fn summaries_that_lie_about_what_can_be_read_are_trouble() {
    let (side, other) = ([write(0, 512, 1), write(0, 512, 2)], [write(0, 512, 1)]);
    let (base, lie) = (VecSide::new(side).with_sums(Facts::ALL), VecSide::new(other));
    struct Lying(VecSide);
    impl Side for Lying {
        fn devices(&self) -> u16 {
            1
        }
        fn requests(&self, part: &Part) -> Result<Box<dyn Requests + Send + '_>, DiffError> {
            self.0.requests(part)
        }
        fn epoch_sums(&self, _: DeviceId) -> Result<Option<EpochSums>, DiffError> {
            Ok(Some(EpochSums { epochs: vec![(3, 5)] }))
        }
        fn data(&self, of: &Compared) -> Result<Option<Bytes>, DiffError> {
            self.0.data(of)
        }
    }
    let error = compare(&base, &Lying(lie), &Rule::default(), &mut Told::default()).unwrap_err();
    let expected = "new: epoch 0 of device 0 is said to have 3 requests and has not";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn an_epoch_that_is_much_larger_than_the_window_is_compared_exactly_by_its_buckets() {
    let mut dice = Dice(1);
    let mut all: Vec<One> = (0..20_000).map(|at| write(at * 512, 1, 1)).collect();
    let base = VecSide::new(all.clone());
    dice.shuffle(&mut all);
    all[100] = all[100].clone().with(Flags::FUA);
    all.remove(9000);
    all.insert(70, zeroes(1 << 40, 512));
    let new = VecSide::new(all);
    for align in [Align::Epoch, Align::Key] {
        let rule = Rule { align, window: 64, ..Rule::default() };
        let found = told(&base, &new, &rule, "huge");
        let mut kinds: Vec<Kind> = found.differences.iter().map(|one| one.kind).collect();
        kinds.sort_unstable();
        assert_eq!(kinds, [Kind::Changed, Kind::Added, Kind::Removed]);
    }
}

#[test]
fn without_any_flush_in_new_the_flushes_are_what_is_missing() {
    let mut dice = Dice(2);
    let epochs: Epochs =
        (0..10).map(|_| (0..4).map(|_| any_request(&mut dice)).collect()).collect();
    let base = side(std::slice::from_ref(&epochs), &mut dice);
    let new = side(&[vec![epochs.concat()]], &mut dice);
    for window in [4, 20, 1 << 16] {
        let rule = Rule { window, ..Rule::default() };
        let found = told(&base, &new, &rule, "no flush");
        let flushes = found.differences.iter().filter(|one| {
            one.kind == Kind::Removed && one.base[0].request.operation == Operation::Flush
        });
        assert_eq!((flushes.count(), found.differences.len()), (9, 9), "window {window}");
    }
}

#[test]
fn a_barrier_that_only_went_elsewhere_does_not_hide_what_went_past_it() {
    let (one, other) = (write(0, 512, 1), write(512, 512, 2));
    let base = VecSide::new([one.clone(), flush(), other.clone()]);
    let new = VecSide::new([one, other, flush()]);
    for window in [1, 1 << 16] {
        let rule = Rule { window, ..Rule::default() };
        assert!(!told(&base, &new, &rule, "past").differences.is_empty(), "window {window}");
    }
}

#[test]
fn where_each_epoch_differs_a_barrier_that_is_gone_moves_nothing_behind_it() {
    let epoch = |at: u64, fill| {
        let rest = (0..5).map(move |place| write((at * 8 + place + 1) * 512, 512, 3));
        [write(0, 512, fill)].into_iter().chain(rest)
    };
    let list = |fill: u8, gone: u64| {
        let all = (0..200).flat_map(|at| {
            let end = (at != gone).then(flush);
            epoch(at, fill + u8::try_from(at % 50).unwrap()).chain(end)
        });
        VecSide::new(all)
    };
    let (base, new) = (list(0, 1000), list(100, 70));
    for window in [40, 300, 1 << 16] {
        let rule = Rule { window, ..Rule::default() };
        let found = told(&base, &new, &rule, "one gone");
        let count = |kind| found.differences.iter().filter(|one| one.kind == kind).count();
        let counts = (count(Kind::Changed), count(Kind::Removed), count(Kind::Moved));
        assert_eq!(counts, (200, 1, 0), "window {window}");
        assert_eq!(count(Kind::Added), 0);
    }
}

#[test]
fn an_outcome_that_has_enough_ends_the_comparison() {
    let list = |fill| (0..50).flat_map(move |at| [write(at * 512, 512, fill), flush()]);
    let (base, new) = (VecSide::new(list(1)), VecSide::new(list(2)));
    for align in [Align::Epoch, Align::Key] {
        for window in [2, 1 << 16] {
            let rule = Rule { align, window, ..Rule::default() };
            let mut told = Told { enough: Some(3), ..Told::default() };
            compare(&base, &new, &rule, &mut told).unwrap();
            assert_eq!(told.differences.len(), 3);
        }
    }
}

#[test]
fn a_device_that_only_one_side_has_is_removed_or_added() {
    let base = VecSide::new([write(0, 512, 1), flush(), write(0, 512, 1).on(1), flush().on(1)]);
    let new = VecSide::new([write(0, 512, 1), flush()]);
    let found = told(&base, &new, &Rule::default(), "removed");
    let short = [(Kind::Removed, vec![2], vec![]), (Kind::Removed, vec![3], vec![])];
    assert_eq!(found.short(), short);
    let found = told(&new, &base, &Rule::default(), "added");
    let short = [(Kind::Added, vec![], vec![2]), (Kind::Added, vec![], vec![3])];
    assert_eq!(found.short(), short);
}

#[test]
fn nothing_against_nothing_is_the_same() {
    let nothing = VecSide::new([]);
    for align in [Align::Epoch, Align::Key] {
        let rule = Rule { align, ..Rule::default() };
        assert_eq!(told(&nothing, &nothing, &rule, "nothing").differences, []);
    }
}
