//! Statistics against slow and obvious ones, over rows that dice make.
//!
//! Knows nothing of how statistics are kept: the obvious ones keep every row, and look at all of them for each number.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::{Groups, Key, Spread, Stats};
use crate::event::{CompletionFlags, Payload};
use crate::query::{Field, Value};
use crate::request::{ConnectionId, DeviceId, Errno, Flags, Operation, Request, RequestId};
use crate::rows::{Context, Row, RowCompletion};
use crate::units::{ByteRange, Nanos};

/// What dice show.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }

    fn small<N: TryFrom<u64, Error: std::fmt::Debug>>(&mut self, bound: u64) -> N {
        N::try_from(self.below(bound)).unwrap()
    }

    fn one_in(&mut self, bound: u64) -> bool {
        self.below(bound) == 0
    }
}

/// Rows of two devices, in the order of issue, with the epochs that follow from their flushes.
fn rows(seed: u64, count: u64) -> Vec<Row> {
    let mut dice = Dice(seed * 0x9e37_79b9 + 1);
    let mut rows: Vec<Row> = Vec::new();
    let mut time = 1000;
    for id in 0..count {
        // Never at the same moment: what is released then may be before or behind.
        time += 1 + dice.below(40) * 2;
        let operation = Operation::NAMES[dice.small::<usize>(7)].0;
        let length = if dice.one_in(12) { 0 } else { (1 + dice.below(40)) * 512 };
        let follows = rows.last().filter(|_| dice.one_in(3)).map(|row| row.request.range.end());
        let offset = follows.unwrap_or_else(|| dice.below(400) * 512 + dice.below(2) * 100);
        let range = match operation {
            Operation::Flush => ByteRange::default(),
            _ => ByteRange::new(offset, length),
        };
        let flags = if dice.one_in(4) { Flags::FUA } else { Flags::NONE };
        let completion = (!dice.one_in(20)).then(|| RowCompletion {
            result: if dice.one_in(10) { Err(Errno(5 + dice.small::<u16>(2))) } else { Ok(()) },
            latency: Nanos(2 * dice.below(200)),
            hold: Nanos(2 * dice.below(30)),
            flags: CompletionFlags { undelivered: dice.one_in(9), refused: dice.one_in(9) },
            extents: Vec::new(),
        });
        rows.push(Row {
            id: RequestId(id),
            device: DeviceId(dice.small::<u16>(2)),
            connection: ConnectionId(dice.small::<u32>(5)),
            cookie: id,
            request: Request { operation, range, flags },
            event: id,
            time: Nanos(time),
            early: Nanos(0),
            epoch: 0,
            payload: Payload::Absent,
            completion,
            context: Context { depth: Some(1 + dice.small::<u32>(9)), ..Context::default() },
        });
    }
    for place in 0..rows.len() {
        let (device, now) = (rows[place].device, rows[place].time.0);
        let flushed = |row: &&Row| {
            row.device == device
                && row.request.operation == Operation::Flush
                && release(row).is_some_and(|release| release <= now)
        };
        rows[place].epoch = rows[..place].iter().filter(flushed).count() as u64;
    }
    rows
}

fn release(row: &Row) -> Option<u64> {
    row.completion.as_ref().map(|end| row.time.0 + end.latency.0 + end.hold.0)
}

fn is_ok(row: &Row) -> bool {
    row.completion.as_ref().is_some_and(|end| end.result.is_ok())
}

/// Which of `rows` are counted; the others pass.
fn stats(rows: &[Row], counted: impl Fn(&Row) -> bool) -> Stats {
    let mut stats = Stats::new(vec![1024, 4096]);
    for row in rows {
        if counted(row) { stats.count(row) } else { stats.pass(row) }
    }
    stats.finish();
    stats
}

/// Holds a spread against the numbers it must have taken.
#[track_caller]
fn check_spread(spread: &Spread, numbers: &[u64], what: &str) {
    let mut sorted = numbers.to_vec();
    sorted.sort_unstable();
    assert_eq!(spread.count(), sorted.len() as u64, "{what}");
    assert_eq!(spread.sum(), sorted.iter().map(|number| u128::from(*number)).sum(), "{what}");
    assert_eq!((spread.min(), spread.max()), (sorted.first().copied(), sorted.last().copied()));
    for percent in [50, 90, 99] {
        let rank = (sorted.len() * percent).div_ceil(100);
        let Some(exact) = rank.checked_sub(1).map(|place| sorted[place]) else { continue };
        #[expect(clippy::cast_precision_loss, reason = "a percentage")]
        let found = spread.quantile(percent as f64 / 100.0).unwrap();
        assert!((exact..=exact + exact / 1000 + 1).contains(&found), "{what}: {found} for {exact}");
    }
}

/// The direction of a request that has a range.
fn direction(row: &Row) -> Operation {
    match row.request.operation {
        Operation::WriteZeroes => Operation::Write,
        operation => operation,
    }
}

/// How far a request begins from the end of the last of its device and direction.
fn distance(rows: &[Row], place: usize) -> Option<u64> {
    let row = &rows[place];
    let before = rows[..place].iter().rev().find(|other| {
        other.device == row.device
            && direction(other) == direction(row)
            && other.request.range.length > 0
    })?;
    Some(before.request.range.end().abs_diff(row.request.range.offset))
}

/// Whether a flush found nothing to do for sure.
fn is_redundant(rows: &[Row], place: usize) -> bool {
    let flush = &rows[place];
    let before = || rows[..place].iter().filter(|row| row.device == flush.device);
    let needs = |row: &&Row| row.request.operation.modifies() && row.request.flags == Flags::NONE;
    let covers = |other: &&Row| {
        other.request.operation == Operation::Flush
            && is_ok(other)
            && release(other).is_some_and(|release| release <= flush.time.0)
    };
    let is_covered = |row: &Row| {
        before()
            .filter(covers)
            .any(|other| release(row).is_some_and(|release| release < other.time.0))
    };
    before().filter(needs).all(is_covered)
}

#[track_caller]
fn check_operations(stats: &Stats, rows: &[Row], counted: &[usize]) {
    for (operation, name) in Operation::NAMES {
        let places: Vec<usize> = counted
            .iter()
            .copied()
            .filter(|place| rows[*place].request.operation == operation)
            .collect();
        let of: Vec<&Row> = places.iter().map(|place| &rows[*place]).collect();
        let number =
            |holds: &dyn Fn(&Row) -> bool| of.iter().filter(|row| holds(row)).count() as u64;
        let end = |holds: fn(&RowCompletion) -> bool| {
            number(&|row: &Row| row.completion.as_ref().is_some_and(holds))
        };
        let tally = stats.of(operation);
        assert_eq!(tally.requests, of.len() as u64, "{name}");
        assert_eq!(tally.completed, end(|_| true), "{name}");
        assert_eq!(tally.errors, end(|end| end.result.is_err()), "{name}");
        assert_eq!(tally.undelivered, end(|end| end.flags.undelivered), "{name}");
        assert_eq!(tally.refused, end(|end| end.flags.refused), "{name}");
        assert_eq!(tally.bytes, of.iter().map(|row| row.request.range.length).sum::<u64>());
        let done = of.iter().filter(|row| is_ok(row)).map(|row| row.request.range.length);
        assert_eq!(tally.bytes_done, done.sum::<u64>());
        let spans = |span: fn(&RowCompletion) -> u64| -> Vec<u64> {
            of.iter().filter_map(|row| row.completion.as_ref().map(span)).collect()
        };
        check_spread(&tally.latency, &spans(|end| end.latency.0), name);
        check_spread(&tally.hold, &spans(|end| end.hold.0), name);
        check_spread(&tally.total, &spans(|end| end.latency.0 + end.hold.0), name);
        let depths: Vec<u64> = of.iter().map(|row| row.context.depth.unwrap().into()).collect();
        check_spread(&tally.depth, &depths, name);
        let ranged: Vec<usize> =
            places.iter().copied().filter(|place| rows[*place].request.range.length > 0).collect();
        let distances: Vec<u64> =
            ranged.iter().filter_map(|place| distance(rows, *place)).collect();
        assert_eq!(tally.places.ranged, ranged.len() as u64);
        assert_eq!(tally.places.followed, distances.len() as u64);
        let far: Vec<u64> = distances.iter().copied().filter(|far| *far > 0).collect();
        assert_eq!(tally.places.sequential, (distances.len() - far.len()) as u64);
        check_spread(&tally.places.distance, &far, name);
        let aligned = |block: &dyn Fn(&Row) -> u64| {
            let is_multiple = |row: &Row| {
                let (range, block) = (row.request.range, block(row));
                range.length > 0 && range.offset % block == 0 && range.length % block == 0
            };
            number(&is_multiple)
        };
        assert_eq!(tally.places.aligned_512, aligned(&|_| 512));
        assert_eq!(tally.places.aligned_4096, aligned(&|_| 4096));
        let own = |row: &Row| if row.device == DeviceId(0) { 1024 } else { 4096 };
        assert_eq!(tally.places.aligned_block, aligned(&own));
        check_sizes(stats, operation, &of);
    }
}

#[track_caller]
fn check_sizes(stats: &Stats, operation: Operation, of: &[&Row]) {
    let mut lengths: BTreeMap<u64, u64> = BTreeMap::new();
    for row in of.iter().filter(|row| row.request.range.length > 0) {
        *lengths.entry(row.request.range.length).or_default() += 1;
    }
    let sizes = &stats.of(operation).sizes;
    let common = sizes.common();
    assert!(common.is_sorted_by(|one, next| one.1 >= next.1), "{common:?}");
    assert_eq!(common.into_iter().collect::<BTreeMap<_, _>>(), lengths);
    assert_eq!(sizes.others(), 0);
    for (power, count) in sizes.powers() {
        let exact: u64 = lengths.range(power..power * 2).map(|(_, count)| count).sum();
        assert_eq!(count, exact, "from {power}");
    }
}

#[track_caller]
fn check_discipline(stats: &Stats, rows: &[Row], counted: &[usize]) {
    let discipline = stats.discipline();
    let of = || counted.iter().map(|place| &rows[*place]);
    let flushes: Vec<usize> = counted
        .iter()
        .copied()
        .filter(|place| rows[*place].request.operation == Operation::Flush)
        .collect();
    assert_eq!(discipline.flushes, flushes.len() as u64);
    let redundant = flushes.iter().filter(|place| is_redundant(rows, **place)).count();
    assert_eq!(discipline.redundant, redundant as u64);
    let epochs: BTreeSet<_> = of().map(|row| (row.device, row.epoch)).collect();
    assert_eq!(discipline.epochs, epochs.len() as u64);
    let writes = |row: &&Row| {
        matches!(row.request.operation, Operation::Write | Operation::WriteZeroes) && is_ok(row)
    };
    let (mut rewritten, mut at_risk, mut unflushed) = (0, Vec::new(), 0);
    for epoch in &epochs {
        let (mut bytes, mut there, mut sum) = (HashSet::new(), 0, 0);
        for row in of().filter(writes).filter(|row| (row.device, row.epoch) == *epoch) {
            let range = row.request.range;
            there += (range.offset..range.end()).filter(|byte| !bytes.insert(*byte)).count();
            sum += if row.request.flags == Flags::NONE { range.length } else { 0 };
        }
        rewritten += there as u64;
        at_risk.extend((sum > 0).then_some(sum));
        let is_last = !epochs.iter().any(|other| other.0 == epoch.0 && other.1 > epoch.1);
        unflushed += if is_last { sum } else { 0 };
    }
    assert_eq!(discipline.rewritten, rewritten);
    assert!(!discipline.rewritten_at_least);
    check_spread(&discipline.at_risk, &at_risk, "at risk");
    assert_eq!(discipline.unflushed, unflushed);
    let fua: Vec<_> = of().filter(writes).filter(|row| row.request.flags == Flags::FUA).collect();
    assert_eq!(discipline.fua, fua.len() as u64);
    assert_eq!(discipline.fua_bytes, fua.iter().map(|row| row.request.range.length).sum::<u64>());
}

#[track_caller]
fn check_rest(stats: &Stats, rows: &[Row], counted: &[usize]) {
    let of = || counted.iter().map(|place| &rows[*place]);
    let mut blocks: [HashSet<(DeviceId, u64)>; 2] = Default::default();
    for row in of().filter(|row| is_ok(row) && row.request.data_bytes() > 0) {
        let range = row.request.range;
        let touched = range.offset / 4096..=(range.end() - 1) / 4096;
        let set = usize::from(row.request.operation == Operation::Write);
        blocks[set].extend(touched.map(|block| (row.device, block)));
    }
    let touched = stats.touched();
    let either = blocks[0].union(&blocks[1]).count() as u64 * 4096;
    let [read, written] = blocks.map(|set| set.len() as u64 * 4096);
    assert_eq!(
        (touched.block, touched.read, touched.written, touched.either),
        (4096, read, written, either)
    );
    let mut errors: BTreeMap<Errno, u64> = BTreeMap::new();
    for errno in of().filter_map(|row| row.completion.as_ref()?.result.err()) {
        *errors.entry(errno).or_default() += 1;
    }
    assert_eq!(*stats.errors(), errors);
    let connections: BTreeSet<_> = of().map(|row| row.connection).collect();
    assert_eq!(stats.connections(), (connections.len() as u64, false));

    let pace = stats.pace();
    let first = of().map(|row| row.time.0).min().unwrap_or(0);
    let last = of().map(|row| release(row).unwrap_or(0).max(row.time.0)).max().unwrap_or(0);
    assert_eq!(pace.span(), Nanos(last - first));
    let is_busy = |now: &u64| {
        of().any(|row| release(row).is_some_and(|release| (row.time.0..release).contains(now)))
    };
    assert_eq!(pace.busy(), Nanos((first..last).filter(is_busy).count() as u64));
    let moved = of().filter(|row| is_ok(row)).map(|row| row.request.data_bytes());
    assert_eq!(pace.moved(), moved.sum::<u64>());
    let (_, slices) = pace.slices();
    let released: u64 = slices.iter().map(|(_, done)| done.requests).sum();
    assert_eq!(released, of().filter(|row| row.completion.is_some()).count() as u64);
    assert_eq!(slices.iter().map(|(_, done)| done.bytes).sum::<u64>(), pace.moved());
}

#[test]
fn all_numbers_are_those_that_looking_at_every_row_gives() {
    type Counted = fn(&Row) -> bool;
    let filters: [Counted; 4] = [
        |_| true,
        |row| row.request.operation == Operation::Write,
        |row| row.device == DeviceId(1) || row.request.operation == Operation::Flush,
        |row| row.id.0 % 3 == 0,
    ];
    for seed in 1..=40 {
        let rows = rows(seed, 20 + seed * 6);
        for filter in filters {
            let counted: Vec<usize> =
                (0..rows.len()).filter(|place| filter(&rows[*place])).collect();
            let stats = stats(&rows, filter);
            check_operations(&stats, &rows, &counted);
            check_discipline(&stats, &rows, &counted);
            check_rest(&stats, &rows, &counted);
        }
    }
}

#[test]
fn nothing_amounts_to_nothing() {
    let stats = stats(&[], |_| true);
    assert_eq!(stats.operations().count(), 0);
    assert_eq!(
        (stats.pace().span(), stats.pace().in_flight(stats.pace().span())),
        (Nanos(0), None)
    );
    assert_eq!(stats.depth().max(), None);
    assert_eq!(stats.discipline().epochs, 0);
}

#[test]
fn numbers_as_large_as_they_come_do_no_harm() {
    let mut rows = rows(3, 60);
    for (place, row) in rows.iter_mut().enumerate() {
        row.request.range = ByteRange::new(u64::MAX - place as u64 % 3, u64::MAX);
        row.time = Nanos(u64::MAX - 60 + place as u64);
        row.epoch = u64::MAX - 1;
        if let Some(end) = &mut row.completion {
            (end.latency, end.hold) = (Nanos(u64::MAX), Nanos(u64::MAX));
        }
    }
    let stats = stats(&rows, |_| true);
    assert_eq!(stats.sum(|tally| tally.requests), 60);
    assert_eq!(stats.sum(|tally| tally.bytes), u64::MAX);
    for field in &crate::query::FIELDS {
        let mut groups = Groups::by(field);
        for row in &rows {
            groups.add(row);
        }
        let largest = groups.largest(3);
        let told: u64 = largest.groups.iter().map(|(_, group)| group.requests).sum();
        assert_eq!(told + largest.rest.requests, 60, "{}", field.name);
    }
}

/// The groups of a field, and how many requests each has, all of them.
fn by(rows: &[Row], name: &str, limit: usize) -> (Vec<(Key, u64)>, Option<u64>, u64) {
    let mut groups = Groups::by(Field::named(name).unwrap());
    for row in rows {
        groups.add(row);
    }
    let largest = groups.largest(limit);
    let told = largest.groups.iter().map(|(key, group)| (key.clone(), group.requests)).collect();
    (told, largest.rest_values, largest.rest.requests)
}

/// What a request says in a field; a flush has no range.
fn obvious(field: &Field, row: &Row) -> Option<Value> {
    let of_range = ["off", "end", "len", "lba", "lba_end", "nlb"].contains(&field.name);
    if of_range && row.request.operation == Operation::Flush { None } else { field.of(row) }
}

#[test]
fn groups_of_every_field_hold_the_rows_that_belong_there() {
    let rows = rows(11, 300);
    for field in &crate::query::FIELDS {
        let (groups, rest_values, rest) = by(&rows, field.name, usize::MAX);
        assert_eq!((rest_values, rest), (Some(0), 0), "{}", field.name);
        for (key, requests) in groups {
            let belongs = |row: &&Row| match (&key, obvious(field, row)) {
                (Key::Absent, None) => field.text(row).is_none(),
                (Key::Text(text), None) => field.text(row).as_ref() == Some(text),
                (Key::Is(value), Some(found)) => *value == found,
                (Key::From(from, to), Some(Value::Number(number))) => {
                    (i128::from(*from)..i128::from(*to)).contains(&number)
                }
                _ => false,
            };
            let exact = rows.iter().filter(belongs).count() as u64;
            assert_eq!(requests, exact, "{} {key:?}", field.name);
        }
    }
}

#[test]
fn the_largest_groups_are_told_and_the_rest_is_summed_up() {
    let rows = rows(5, 400);
    let (all, ..) = by(&rows, "len", usize::MAX);
    assert!(all.is_sorted_by(|one, next| one.1 >= next.1), "{all:?}");
    let (few, rest_values, rest) = by(&rows, "len", 3);
    assert_eq!(few[..], all[..3]);
    assert_eq!(rest_values, Some(all.len() as u64 - 3));
    assert_eq!(rest, all[3..].iter().map(|(_, requests)| requests).sum::<u64>());
    let (stretches, ..) = by(&rows, "lat", 2);
    assert!(stretches.is_sorted_by(|(one, _), (next, _)| one <= next), "{stretches:?}");
}

#[test]
fn values_without_end_go_to_the_rest() {
    let mut rows = rows(2, 3000);
    for (place, row) in rows.iter_mut().enumerate() {
        row.cookie = place as u64;
    }
    let (groups, rest_values, rest) = by(&rows, "cookie", usize::MAX);
    assert_eq!((groups.len(), rest_values, rest), (1024, None, 3000 - 1024));
    let (slices, rest_values, rest) = by(&rows, "id", usize::MAX);
    assert!(slices.len() <= 64 && rest_values == Some(0) && rest == 0, "{slices:?}");
}
