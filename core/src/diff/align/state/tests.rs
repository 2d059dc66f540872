//! Lists that leave the same behind, and lists in which one thing is done that does not, held against two arrays of bytes.

use super::disk::Disk;
use super::*;
use crate::device::Dice;
use crate::diff::compared::Fact;
use crate::diff::tests::{
    One, Told, VecSide, any_list, discard, flush, read, write, write_data, zeroes,
};
use crate::diff::{Facts, Kind};
use crate::request::{Errno, Operation};

fn told(base: &[One], new: &[One], rule: &Rule) -> Told {
    let mut told = Told::default();
    let (base, new) = (VecSide::new(base.to_vec()), VecSide::new(new.to_vec()));
    compare(&base, &new, rule, &tempfile::tempfile, &mut told).unwrap();
    told
}

fn differences(base: &[One], new: &[One]) -> Vec<(Kind, Vec<u64>, Vec<u64>)> {
    told(base, new, &Rule::default()).short()
}

fn place(offset: u64) -> usize {
    usize::try_from(offset).unwrap()
}

/// What a device holds at each barrier and at the end. Bytes that were not written are unknown.
fn states(list: &[One], data: bool) -> Vec<Vec<Option<u8>>> {
    let mut disk = vec![None; 400];
    let mut states = Vec::new();
    for one in list {
        let range = one.request.range;
        let (start, end) = (place(range.offset), place(range.end()));
        match one.request.operation {
            Operation::Flush => states.push(disk.clone()),
            Operation::Write if data => {
                let data = one.data.as_ref().unwrap();
                disk[start..end].iter_mut().zip(data).for_each(|(byte, new)| *byte = Some(*new));
            }
            operation if operation.modifies() => disk[start..end].fill(Some(0)),
            _ => {}
        }
    }
    states.push(disk);
    states
}

/// A list with few fills, of one device.
fn any(dice: &mut Dice, count: u64, blocks: u64) -> Vec<One> {
    let few = |data: &bytes::Bytes| vec![data[0] % 3; data.len()].into();
    let few = |one: One| One { data: one.data.as_ref().map(few), ..one };
    any_list(dice, count, blocks).into_iter().map(few).collect()
}

/// Writes are split, and zeroes too.
fn split(list: &[One], dice: &mut Dice) -> Vec<One> {
    let mut all = Vec::new();
    for one in list {
        let range = one.request.range;
        let at = dice.below(range.length.max(1));
        if !one.request.operation.modifies() || at == 0 {
            all.push(one.clone());
            continue;
        }
        for (from, to) in [(at, range.length), (0, at)] {
            let mut part = one.clone();
            part.request.range = crate::units::ByteRange::new(range.offset + from, to - from);
            part.data = one.data.as_ref().map(|data| data.slice(place(from)..place(to)));
            all.push(part);
        }
    }
    all
}

#[test]
fn two_lists_with_as_many_barriers_are_the_same_if_and_only_if_all_states_are() {
    let mut same = 0;
    for seed in 0..1000 {
        let mut dice = Dice::new(seed);
        let count = dice.below(20);
        let base = any(&mut dice, count, 3);
        let mut new = base.clone();
        for _ in 0..dice.below(3) {
            if let (Some(one), Some(two)) = (dice.place(new.len()), dice.place(new.len())) {
                let flushes = |one: &One| one.request.operation == Operation::Flush;
                if !flushes(&new[one]) && !flushes(&new[two]) {
                    new.swap(one, two);
                }
            }
        }
        for data in [true, false] {
            let facts = if data { Facts::ALL } else { Facts::ALL.without(Fact::Payload) };
            let window = [1, 3, 1 << 16][dice.place(3).unwrap()];
            let told = told(&base, &new, &Rule { facts, window, ..Rule::default() });
            let expected = states(&base, data) == states(&new, data);
            // With a small window it may be coarser where it differs, never whether it does.
            assert_eq!(told.differences.is_empty(), expected, "seed {seed} window {window}");
            same += u32::from(expected);
        }
    }
    assert!((300..1900).contains(&same), "{same}: both are tried");
}

#[test]
fn writes_that_are_split_or_merged_leave_the_same_behind() {
    for seed in 0..200 {
        let mut dice = Dice::new(seed);
        let count = 1 + dice.below(80);
        let base = any(&mut dice, count, 30);
        let new = split(&base, &mut dice);
        assert_eq!(differences(&base, &new), [], "seed {seed}");
        assert_eq!(differences(&new, &base), [], "seed {seed}");
        let told = told(&base, &new, &Rule::default());
        assert_eq!(told.same_count(), base.len() as u64, "seed {seed}");
    }
}

#[test]
fn one_byte_is_told_with_those_who_wrote_it_unless_it_was_overwritten() {
    let mut seen = 0;
    for seed in 0..400 {
        let mut dice = Dice::new(seed);
        let count = 1 + dice.below(60);
        let base = any(&mut dice, count, 30);
        let mut new = base.clone();
        let writes: Vec<usize> =
            (0..base.len()).filter(|at| base[*at].request.operation == Operation::Write).collect();
        let Some(at) = dice.pick(&writes).copied() else { continue };
        let mut data = base[at].data.as_ref().unwrap().to_vec();
        let byte = dice.place(data.len()).unwrap();
        data[byte] ^= 0x80;
        new[at].data = Some(data.into());
        let told = told(&base, &new, &Rule::default());
        if states(&base, true) == states(&new, true) {
            assert_eq!(told.short(), [], "seed {seed}");
            continue;
        }
        let place = at as u64;
        assert_eq!(told.short(), [(Kind::Changed, vec![place], vec![place])], "seed {seed}");
        assert_eq!(told.differences[0].facts, Facts::NONE.with(Fact::Payload));
        let epoch = Some(told.differences[0].base[0].epoch);
        assert_eq!(told.differences[0].place.base_epoch, epoch, "seed {seed}");
        assert_eq!(told.same_count() + 1, base.len() as u64, "seed {seed}");
        seen += 1;
    }
    assert!(seen > 150, "{seen}");
}

#[test]
fn a_write_that_is_not_there_is_told_once() {
    for seed in 0..400 {
        let mut dice = Dice::new(seed);
        let count = 1 + dice.below(60);
        let base = any(&mut dice, count, 30);
        let writes: Vec<usize> =
            (0..base.len()).filter(|at| base[*at].request.operation.modifies()).collect();
        let Some(at) = dice.pick(&writes).copied() else { continue };
        let mut new = base.clone();
        new.remove(at);
        let same = states(&base, true) == states(&new, true);
        let told = differences(&base, &new);
        assert_eq!(told.is_empty(), same, "seed {seed}");
        if let Some((kind, of_base, of_new)) = told.first() {
            assert_eq!((told.len(), of_base), (1, &vec![at as u64]), "seed {seed}: {told:?}");
            let expected = if of_new.is_empty() { Kind::Removed } else { Kind::Changed };
            assert_eq!(*kind, expected, "seed {seed}");
        }
    }
}

#[test]
fn a_barrier_that_only_one_side_has_is_told_and_what_lies_before_it_is_compared_at_the_next() {
    let base = [write(0, 8, 1), write(8, 8, 2), flush(), write(16, 8, 3), flush(), read(0, 8, 1)];
    let mut more = base.to_vec();
    more.insert(1, flush());
    assert_eq!(differences(&base, &more), [(Kind::Added, vec![], vec![1])]);
    assert_eq!(differences(&more, &base), [(Kind::Removed, vec![1], vec![])]);
    let told = told(&more, &base, &Rule::default());
    assert_eq!(told.same_count(), base.len() as u64);
    // A barrier behind which nothing follows leaves what the end leaves.
    assert_eq!(differences(&base[..4], &base[..5]), []);
    // Two of them, between which nothing was written, are as good as one.
    let twice = [write(0, 8, 1), flush(), flush(), read(0, 8, 1)];
    assert_eq!(differences(&[write(0, 8, 1), flush(), read(0, 8, 1)], &twice), []);
}

#[test]
fn what_is_written_while_a_barrier_is_in_flight_may_come_before_or_behind_it() {
    let early = [write(0, 8, 9), write(8, 8, 1).straddling(), flush(), write(16, 8, 2), flush()];
    let late = [write(0, 8, 9), flush(), write(8, 8, 1), write(16, 8, 2), flush()];
    assert_eq!(differences(&early, &late), []);
    assert_eq!(differences(&late, &early), []);
    let never = [write(0, 8, 9), flush(), write(16, 8, 2), flush()];
    assert_eq!(differences(&early, &never), [(Kind::Removed, vec![1], vec![])]);
    let plain = [write(0, 8, 9), write(8, 8, 1), flush(), write(16, 8, 2), flush()];
    assert_eq!(differences(&plain, &late), [(Kind::Removed, vec![1], vec![])]);
}

#[test]
fn one_write_for_several_is_one_difference_and_other_devices_are_compared_apart() {
    let base = [write(0, 8, 1), write(8, 8, 1), write(0, 8, 5).on(1), write(300, 8, 1)];
    let new = [write(0, 16, 2), write(0, 8, 6).on(1), write(300, 8, 1)];
    let expected = [(Kind::Changed, vec![0, 1], vec![0]), (Kind::Changed, vec![2], vec![1])];
    assert_eq!(differences(&base, &new), expected);
    let told = told(&base, &new, &Rule::default());
    let devices: Vec<_> = told.differences.iter().map(|one| one.place.device).collect();
    assert_eq!(devices, [Some(DeviceId(0)), Some(DeviceId(1))]);
}

#[test]
fn zeroes_are_zeroes_however_they_came_and_what_failed_changed_nothing() {
    let base = [write_data(0, vec![0; 64]), write(64, 8, 1)];
    let new = [zeroes(0, 32), discard(32, 32), write(64, 8, 1), write(0, 8, 9).failed(Errno::EIO)];
    assert_eq!(differences(&base, &new), []);
    assert_eq!(differences(&[], &[zeroes(0, 8)]), [(Kind::Added, vec![], vec![0])]);
    assert_eq!(differences(&[], &[]), []);
}

#[test]
fn data_that_are_not_there_are_trouble_unless_they_are_not_compared() {
    let list = [write(0, 8, 1), flush()];
    let (whole, hash) = (VecSide::new(list.clone()), VecSide::new(list).without_data());
    let mut told = Told::default();
    let error =
        compare(&whole, &hash, &Rule::default(), &tempfile::tempfile, &mut told).unwrap_err();
    assert_eq!(error.to_string(), "new: the data of write #0 are not there");
    let rule = Rule { facts: Facts::ALL.without(Fact::Payload), ..Rule::default() };
    compare(&whole, &hash, &rule, &tempfile::tempfile, &mut told).unwrap();
    assert!(told.differences.is_empty());
}

#[test]
fn the_outcome_may_break_off() {
    let base: Vec<One> = (0..20).flat_map(|at| [write(at * 8, 8, 1), flush()]).collect();
    let new: Vec<One> = (0..20).flat_map(|at| [write(at * 8, 8, 2), flush()]).collect();
    let mut told = Told { enough: Some(3), ..Told::default() };
    let (base, new) = (VecSide::new(base), VecSide::new(new));
    compare(&base, &new, &Rule::default(), &tempfile::tempfile, &mut told).unwrap();
    assert_eq!(told.differences.len(), 3);
}

fn half<'a>(side: &'a VecSide, rule: &'a Rule) -> Half<'a> {
    Half::new(side, Which::New, DeviceId(0), rule, &tempfile::tempfile).unwrap()
}

#[test]
fn what_was_written_between_many_parts_is_told_of_though_they_are_taken_together() {
    let mut list: Vec<One> = (0..8).map(|at| write(at * 8192, 512, 1)).collect();
    let base = list.clone();
    list.push(zeroes(4096, 512));
    let told = told(&base, &list, &Rule { window: 1, ..Rule::default() });
    assert_eq!(told.short(), [(Kind::Added, vec![], vec![8])]);
    assert_eq!(told.gave_up.len(), 1);
    let told = self::told(&list, &list, &Rule { window: 1, ..Rule::default() });
    assert_eq!((told.short(), told.gave_up), (vec![], vec![]), "the same, however coarse");
}

#[test]
fn one_write_is_told_once_in_however_many_parts_it_differs() {
    let (length, rule) = (64 << 10, Rule { window: 8, ..Rule::default() });
    for block in [1, 512, 600] {
        let other: Vec<u8> = (0..length).map(|at| 1 + u8::from(at / block % 2 == 0)).collect();
        let base = [write(0, length, 1), write(1 << 20, 512, 1)];
        let new = [write_data(0, other), write(1 << 20, 512, 2)];
        let expected = [(Kind::Changed, vec![0], vec![0]), (Kind::Changed, vec![1], vec![1])];
        let told = told(&base, &new, &rule);
        assert_eq!(told.short(), expected, "blocks of {block}");
        assert_eq!(told.same_count(), 0);
    }
}

#[test]
fn more_epochs_or_parts_than_can_be_told_apart_are_trouble() {
    let rule = Rule::default();
    let side = VecSide::new((0..4).flat_map(|at| [write(at * 1024, 8, 1), flush()]));
    assert_eq!(half(&side, &rule).all_epochs(4).unwrap().len(), 4);
    let error = half(&side, &rule).all_epochs(3).err().unwrap();
    assert_eq!(error.to_string(), "new: device 0 has more than 1048576 epochs");
    let scattered = |most| {
        let mut half = half(&side, &rule);
        half.disk = Disk::new(tempfile::tempfile().unwrap(), most);
        half.all_epochs(9)
    };
    assert!(scattered(4).is_ok());
    let error = scattered(3).err().unwrap().to_string();
    assert_eq!(error, "new: more than 2097152 separate parts of device 0 were written");
}

#[test]
fn a_file_to_work_in_that_cannot_be_had_is_trouble() {
    let side = VecSide::new([write(0, 8, 1)]);
    let none = || Err(std::io::Error::from_raw_os_error(28));
    let told = &mut Told::default();
    let error = compare(&side, &side, &Rule::default(), &none, told).unwrap_err();
    assert!(matches!(error, DiffError::Scratch(_)));
}
