//! Who wrote last where two disks differ: ranges and the requests of some epochs in, differences out.
//!
//! Invariant: a request is in one difference of those that are made together.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::half::changes;
use super::ranges::Ranges;
use crate::diff::compared::{Compared, Fact, Facts};
use crate::diff::difference::{Difference, Kind, Place};
use crate::diff::error::DiffError;
use crate::diff::side::{Part, Side};
use crate::request::DeviceId;

/// The last writers of some ranges on one side.
pub(super) struct Writers {
    /// From the first byte of each part to behind its last, and who wrote it last.
    parts: BTreeMap<u64, (u64, u64)>,
    /// Those who wrote, by their place.
    requests: BTreeMap<u64, Compared>,
}

impl Writers {
    /// Who wrote `ranges` last, in these epochs of a device. At most `most` parts are told apart.
    pub(super) fn of(
        side: &dyn Side,
        device: DeviceId,
        epochs: Range<u64>,
        ranges: &Ranges,
        most: usize,
    ) -> Result<Writers, DiffError> {
        let mut writers = Writers { parts: BTreeMap::new(), requests: BTreeMap::new() };
        let mut requests = side.requests(&Part { device: Some(device), epochs })?;
        while let Some(one) = requests.next_request()? {
            if !changes(&one) || writers.parts.len() > most {
                continue;
            }
            let range = one.request.range;
            let mut any = false;
            for (start, end) in ranges.within(range.offset, range.end()) {
                writers.paint(start, end, one.place);
                any = true;
            }
            if any {
                writers.requests.insert(one.place, one);
                writers.forget(most);
            }
        }
        Ok(writers)
    }

    fn paint(&mut self, start: u64, end: u64, place: u64) {
        if let Some((&before, &(before_end, owner))) = self.parts.range(..start).next_back()
            && before_end > start
        {
            self.parts.insert(before, (start, owner));
            if before_end > end {
                self.parts.insert(end, (before_end, owner));
            }
        }
        while let Some((&other, &(other_end, owner))) = self.parts.range(start..end).next() {
            self.parts.remove(&other);
            if other_end > end {
                self.parts.insert(end, (other_end, owner));
            }
        }
        self.parts.insert(start, (end, place));
    }

    /// Forgets those of whom nothing is left, once they are many.
    fn forget(&mut self, most: usize) {
        if self.requests.len() > 2 * most.max(self.parts.len()) {
            let left: BTreeSet<u64> = self.parts.values().map(|(_, place)| *place).collect();
            self.requests.retain(|place, _| left.contains(place));
        }
    }

    /// Those who wrote some of the bytes from `start` to before `end`.
    fn within(&self, start: u64, end: u64) -> impl Iterator<Item = u64> {
        let before = self.parts.range(..start).next_back().filter(move |(_, part)| part.0 > start);
        before.into_iter().chain(self.parts.range(start..end)).map(|(_, (_, place))| *place)
    }
}

/// A difference for all of the ranges that one request, or several that overlap, brought about.
pub(super) fn differences(
    ranges: &Ranges,
    base: &Writers,
    new: &Writers,
    place: Place,
) -> Vec<Difference> {
    // Ranges that share a writer belong together: each to the first that it shares one with.
    let mut first: Vec<usize> = (0..ranges.len()).collect();
    let mut seen: [BTreeMap<u64, usize>; 2] = [BTreeMap::new(), BTreeMap::new()];
    for (at, (start, end)) in ranges.iter().enumerate() {
        for (writers, seen) in [base, new].into_iter().zip(&mut seen) {
            for writer in writers.within(start, end) {
                let other = *seen.entry(writer).or_insert(at);
                let (one, two) = (root(&mut first, at), root(&mut first, other));
                first[one.max(two)] = one.min(two);
            }
        }
    }
    let mut groups: BTreeMap<usize, [BTreeSet<u64>; 2]> = BTreeMap::new();
    for (side, seen) in seen.iter().enumerate() {
        for (writer, at) in seen {
            let group = root(&mut first, *at);
            groups.entry(group).or_default()[side].insert(*writer);
        }
    }
    let list = |writers: &Writers, places: &BTreeSet<u64>| -> Vec<Compared> {
        places.iter().filter_map(|place| writers.requests.get(place)).copied().collect()
    };
    let difference = |[of_base, of_new]: &[BTreeSet<u64>; 2]| {
        let (base, new) = (list(base, of_base), list(new, of_new));
        let kind = match (base.is_empty(), new.is_empty()) {
            (false, false) => Kind::Changed,
            (false, true) => Kind::Removed,
            (true, _) => Kind::Added,
        };
        Difference { kind, place, base, new, facts: Facts::NONE.with(Fact::Payload) }
    };
    groups.values().map(difference).collect()
}

/// Those who were told of with the ranges before: they may have written the next ones too.
#[derive(Debug, Default)]
pub(super) struct Told([BTreeSet<u64>; 2]);

impl Told {
    /// Those of the differences that tell of somebody for the first time, with how many of base they tell of.
    pub(super) fn first_told(&mut self, differences: Vec<Difference>) -> Vec<(Difference, u64)> {
        let before = std::mem::take(&mut self.0);
        let mut with_count = |difference: Difference| {
            let mut first = [0_u64; 2];
            let sides = [&difference.base, &difference.new];
            for (side, requests) in sides.into_iter().enumerate() {
                for one in requests {
                    self.0[side].insert(one.place);
                    first[side] += u64::from(!before[side].contains(&one.place));
                }
            }
            (first != [0, 0]).then_some((difference, first[0]))
        };
        differences.into_iter().filter_map(&mut with_count).collect()
    }
}

/// The first of those that belong together with `at`.
fn root(first: &mut [usize], mut at: usize) -> usize {
    while first[at] != at {
        first[at] = first[first[at]];
        at = first[at];
    }
    at
}
