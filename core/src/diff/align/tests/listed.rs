//! Sides written down one by one: what straddles a barrier, what summaries say, what is too large for the window, what lacks a
//! flush.

use super::*;
use crate::diff::{EpochSums, Requests};

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
    let mut side = || OnlySums(side(&devices, &mut dice).with_sums());
    let mut told = Told::default();
    compare(&side(), &side(), &Rule::default(), &tempfile::tempfile, &mut told).unwrap();
    assert_eq!(told.differences, []);
    assert_eq!(told.same_count(), side().0.all().len() as u64);
    let places: Vec<_> = told.same.iter().map(|(place, ..)| place.base_epoch.unwrap()).collect();
    assert_eq!(places[..2], [0, 1]);
}

#[test]
fn only_epochs_whose_summaries_differ_are_read() {
    let list = |fill| [write(0, 512, 1), flush(), write(0, 512, fill), flush(), write(0, 512, 3)];
    let (base, new) = (VecSide::new(list(2)), VecSide::new(list(7)));
    let (with, other) = (base.clone().with_sums(), new.clone().with_sums());
    let (read, summed) = (Part { device: Some(DeviceId(0)), epochs: 1..2 }, Rule::default());
    let only = |side: VecSide| OnlyPart(side, read.clone());
    let mut found = Told::default();
    compare(&only(with), &only(other), &summed, &tempfile::tempfile, &mut found).unwrap();
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

/// Summaries that say something else than its requests.
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

#[test]
fn summaries_that_lie_about_what_can_be_read_are_trouble() {
    let (side, other) = ([write(0, 512, 1), write(0, 512, 2)], [write(0, 512, 1)]);
    let (base, lie) = (VecSide::new(side).with_sums(), VecSide::new(other));
    let error =
        compare(&base, &Lying(lie), &Rule::default(), &tempfile::tempfile, &mut Told::default())
            .unwrap_err();
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
            compare(&base, &new, &rule, &tempfile::tempfile, &mut told).unwrap();
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

#[test]
fn what_lies_behind_any_number_of_empty_epochs_is_compared_too() {
    let last = u64::MAX - 1;
    let two = || VecSide::new([write(0, 512, 1), write(512, 512, 2)]);
    let (near, far) = (VecSide::new([write(0, 512, 1)]), two().in_epochs(&[0, last]));
    let found = told(&near, &far, &Rule::default(), "far");
    assert_eq!(found.short(), [(Kind::Added, vec![], vec![1])]);
    assert_eq!(found.epochs, [(DeviceId(0), 1, u64::MAX)]);
    let found = told(&far, &near, &Rule::default(), "far, in base");
    assert_eq!(found.short(), [(Kind::Removed, vec![1], vec![])]);
    let found = told(&far, &far, &Rule::default(), "both");
    assert_eq!((found.short(), found.same_count()), (vec![], 2));
    let beyond = two().in_epochs(&[1 << 21, 1 << 21]);
    let found = told(&far, &beyond, &Rule::default(), "elsewhere");
    assert!(!found.differences.is_empty());
}

#[test]
fn as_many_epochs_are_told_as_each_side_has_whatever_lies_against_what() {
    let (one, two) = (|| write(0, 512, 1), || write(512, 512, 2));
    let list =
        [vec![one(), two()], vec![one(), flush(), two()], vec![one(), flush(), two(), flush()]];
    let sides = list.map(VecSide::new);
    for (base, of_base) in sides.iter().zip([1, 2, 2]) {
        for (new, of_new) in sides.iter().zip([1, 2, 2]) {
            let found = told(base, new, &Rule::default(), "epochs");
            assert_eq!(found.epochs, [(DeviceId(0), of_base, of_new)]);
        }
    }
}

#[test]
fn one_epoch_that_does_not_fit_the_window_leaves_all_others_aligned() {
    let list = |fill: u8, joined: Option<u64>| {
        let mut all: Vec<One> = (0..60).map(|at| read(512 * (9000 + at), 512, 3)).collect();
        all.push(write(512 * 8000, 512, fill));
        for epoch in 0..60_u64 {
            if joined != Some(epoch) {
                all.push(flush());
            }
            all.push(write(0, 512, fill.wrapping_add(u8::try_from(epoch).unwrap())));
            all.extend((1..6).map(|at| write(512 * (8 * epoch + at), 512, 7)));
        }
        VecSide::new(all)
    };
    let (base, new) = (list(1, None), list(101, Some(21)));
    let kinds = |window| {
        let found = told(&base, &new, &Rule { window, ..Rule::default() }, "one large");
        Kind::NAMES.map(|(kind, _)| found.differences.iter().filter(|one| one.kind == kind).count())
    };
    assert_eq!(kinds(1 << 16), [61, 0, 1, 0]);
    assert_eq!(kinds(50), kinds(1 << 16));
}

#[test]
fn a_pair_that_could_not_wait_for_each_other_is_named_as_given_up() {
    let moved = || write(1 << 20, 512, 9);
    let list = |fill: u8, at: usize| {
        let mut all: Vec<One> = (0..20)
            .flat_map(|at| [write(512 * at, 512, 1), write(512 * at, 512, fill), flush()])
            .collect();
        all.insert(at, moved());
        VecSide::new(all)
    };
    let (base, new) = (list(2, 0), list(3, 58));
    for (window, given_up) in [(1 << 16, false), (6, true)] {
        let found = told(&base, &new, &Rule { window, ..Rule::default() }, "given up");
        assert_eq!(found.differences.iter().any(|one| one.kind == Kind::Moved), !given_up);
        assert_eq!(!found.gave_up.is_empty(), given_up, "{:?}", found.gave_up);
    }
}

#[test]
fn as_many_as_fit_the_window_on_the_wrong_side_of_a_barrier_take_no_time() {
    let many = 30_000_usize;
    let list = |before: bool, straddling: usize, fill: fn(usize) -> u8| {
        let mut all: Vec<One> = (0..many).map(|at| write(0, 1, fill(at))).collect();
        all.iter_mut().take(straddling).for_each(|one| one.straddling = true);
        all.insert(if before { many } else { 0 }, flush());
        VecSide::new(all)
    };
    let fill = |at: usize| u8::try_from(1 + at % 7).unwrap();
    for straddling in [0, 1] {
        let (base, new) = (list(true, straddling, fill), list(false, 0, fill));
        let found = told(&base, &new, &Rule::default(), "the same");
        let moved = found.differences.iter().filter(|one| one.kind == Kind::Moved).count();
        assert_eq!((moved, found.differences.len()), (many - straddling, many - straddling));
        let (base, new) = (list(true, straddling, fill), list(false, 0, |_| 100));
        let found = told(&base, &new, &Rule::default(), "other data");
        let changed = found.differences.iter().filter(|one| one.kind == Kind::Changed).count();
        assert_eq!((changed, found.differences.len()), (straddling, 2 * many - straddling));
    }
}
