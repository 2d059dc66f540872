//! What two recordings of the same run differ in, as rules that would ignore it. Differences in, proposals out.
//!
//! ```text
//! changed, data on both sides ──▶ a preset, if one masks all of it; else the bytes, page by page
//! changed otherwise, added … ──▶ the request is left out, by operation and range
//! ```
//!
//! It proposes and ignores nothing. Invariants: memory is bounded by [`LEARNED_MAX`] proposals; what nobody should ignore (a flush,
//! which has no range) is counted, never proposed.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{ControlFlow, Range};

use super::compared::{Compared, Fact};
use super::difference::{Difference, Outcome, Place};
use super::error::DiffError;
use super::known::Presets;
use super::preset::Preset;
use super::side::Side;
use crate::limits::LEARNED_MAX;
use crate::request::{DeviceId, Operation, Request};
use crate::units::ByteRange;

/// Bytes that differ and are no further apart are masked together.
const GAP: u64 = 8;

/// Bytes that differ in one page are masked by one rule.
const PAGE: u64 = 4096;

/// A rule that would ignore some of the differences.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// Of which device, by its number on the base side.
    pub device: DeviceId,
    /// What it would do.
    pub ignores: Ignores,
    /// How many differences it explains.
    pub count: u64,
}

/// What a proposed rule ignores.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ignores {
    /// These bytes of the disk, which lie in one page.
    Bytes(Vec<Range<u64>>),
    /// All that do this there.
    Requests(Operation, ByteRange),
}

/// What was learned.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Learned {
    /// Presets that mask some of the differences wholly, with how many.
    pub presets: Vec<(&'static Preset, u64)>,
    /// Rules for the rest, by device and place.
    pub proposals: Vec<Proposal>,
    /// Flushes that differ, or that only one side has.
    pub flushes: u64,
    /// There were more places than are kept in mind.
    pub overflow: bool,
}

/// Learns from the differences of two sides.
pub struct Learner<'a> {
    base: &'a dyn Side,
    new: &'a dyn Side,
    known: Presets,
    /// What they mask, by the name of the preset.
    presets: BTreeMap<&'static str, (&'static Preset, u64)>,
    /// Ends of ranges that differ, by device and first byte, with how many differences.
    bytes: BTreeMap<(DeviceId, u64), (u64, u64)>,
    requests: BTreeMap<(DeviceId, Operation, u64, u64), u64>,
    learned: Learned,
    wrong: Option<DiffError>,
}

impl<'a> Learner<'a> {
    /// Learns from these sides, as they are compared.
    pub fn new(base: &'a dyn Side, new: &'a dyn Side) -> Learner<'a> {
        Learner {
            base,
            new,
            known: Presets::new(),
            presets: BTreeMap::new(),
            bytes: BTreeMap::new(),
            requests: BTreeMap::new(),
            learned: Learned::default(),
            wrong: None,
        }
    }

    /// What was learned, when all differences were told.
    pub fn finish(self) -> Result<Learned, DiffError> {
        if let Some(error) = self.wrong {
            return Err(error);
        }
        let mut learned = self.learned;
        learned.presets = self.presets.into_values().collect();
        for ((device, start), (end, count)) in self.bytes {
            let fits = learned.proposals.last_mut().filter(|last| last.device == device);
            let page = |place: u64| place / PAGE;
            match fits.map(|last| (&mut last.ignores, &mut last.count)) {
                Some((Ignores::Bytes(ranges), all))
                    if ranges.first().is_some_and(|first| page(first.start) == page(start)) =>
                {
                    ranges.push(start..end);
                    *all = (*all).max(count);
                }
                _ => {
                    let ignores = Ignores::Bytes(std::iter::once(start..end).collect());
                    learned.proposals.push(Proposal { device, ignores, count });
                }
            }
        }
        for ((device, operation, offset, length), count) in self.requests {
            let ignores = Ignores::Requests(operation, ByteRange::new(offset, length));
            learned.proposals.push(Proposal { device, ignores, count });
        }
        Ok(learned)
    }

    fn learn(&mut self, difference: &Difference) -> Result<(), DiffError> {
        if let ([one], [other]) = (difference.base.as_slice(), difference.new.as_slice())
            && difference.facts.iter().eq([Fact::Payload])
            && let (Some(data), Some(others)) =
                (self.base.compared_data(one)?, self.new.compared_data(other)?)
            && data.len() == others.len()
        {
            if let Some(preset) = self.known.masking(one, &data, &others)? {
                self.presets.entry(preset.name).or_insert((preset, 0)).1 += 1;
            } else {
                let found = differing(&data, &others);
                for range in found {
                    let at = one.request.range.offset;
                    self.mask(one.device, at + range.start..at + range.end);
                }
            }
            return Ok(());
        }
        let flushes = |side: &[Compared]| {
            let flushes =
                side.iter().filter(|request| request.request.operation == Operation::Flush);
            flushes.count() as u64
        };
        self.learned.flushes += flushes(&difference.base).max(flushes(&difference.new));
        // What differs is one difference, although both sides have it.
        let requests = difference.base.iter().chain(&difference.new);
        let keys: BTreeSet<_> = requests
            .filter(|request| request.request.operation != Operation::Flush)
            .map(|request| {
                let Request { operation, range, .. } = request.request;
                (request.device, operation, range.offset, range.length)
            })
            .collect();
        for key in keys {
            if self.requests.len() < LEARNED_MAX || self.requests.contains_key(&key) {
                *self.requests.entry(key).or_default() += 1;
            } else {
                self.learned.overflow = true;
            }
        }
        Ok(())
    }

    /// Adds a range that differs to those that are known.
    fn mask(&mut self, device: DeviceId, range: Range<u64>) {
        let mut all = range.clone();
        let mut count = 1;
        let near = |bytes: &BTreeMap<(DeviceId, u64), (u64, u64)>, all: &Range<u64>| {
            let behind = all.end.saturating_add(GAP);
            let mut before = bytes.range((device, 0)..=(device, behind)).rev();
            let found = before.find(|(_, (end, _))| end.saturating_add(GAP) >= all.start);
            found.map(|((_, start), (end, count))| (*start, *end, *count))
        };
        while let Some((start, end, known)) = near(&self.bytes, &all) {
            self.bytes.remove(&(device, start));
            all = all.start.min(start)..all.end.max(end);
            count = count.max(known + 1);
        }
        if self.bytes.len() < LEARNED_MAX {
            self.bytes.insert((device, all.start), (all.end, count));
        } else {
            self.learned.overflow = true;
        }
    }
}

impl Outcome for Learner<'_> {
    fn same(&mut self, _: Place, _: u64, _: u64) {}

    fn epochs(&mut self, _: DeviceId, _: u64, _: u64) {}

    // What may be a pair is learned as two that are alone.
    fn gave_up(&mut self, _: Place) {}

    fn difference(&mut self, difference: Difference) -> ControlFlow<()> {
        match self.learn(&difference) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                self.wrong = Some(error);
                ControlFlow::Break(())
            }
        }
    }
}

/// Where two data differ, in order.
fn differing(one: &[u8], other: &[u8]) -> Vec<Range<u64>> {
    let mut ranges: Vec<Range<u64>> = Vec::new();
    let places = (0_u64..).zip(one.iter().zip(other)).filter(|(_, (one, other))| one != other);
    for (place, _) in places {
        match ranges.last_mut() {
            Some(last) if place <= last.end + GAP => last.end = place + 1,
            _ => ranges.push(place..place + 1),
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diff::tests::{VecSide, flush, write, write_data};
    use crate::diff::{Rule, compare};
    use crate::request::Errno;

    fn learned(base: Vec<crate::diff::tests::One>, new: Vec<crate::diff::tests::One>) -> Learned {
        let (base, new) = (VecSide::new(base), VecSide::new(new));
        let mut learner = Learner::new(&base, &new);
        compare(&base, &new, &Rule::default(), &tempfile::tempfile, &mut learner).unwrap();
        learner.finish().unwrap()
    }

    fn with(places: &[usize]) -> Vec<u8> {
        let mut data = vec![7; 8192];
        for place in places {
            data[*place] = 9;
        }
        data
    }

    #[test]
    fn bytes_that_differ_at_the_same_places_are_masked_page_by_page() {
        let base = vec![write_data(4096, with(&[])), flush(), write_data(4096, with(&[])), flush()];
        let new = vec![
            write_data(4096, with(&[100, 104, 2000])),
            flush(),
            write_data(4096, with(&[107, 5000])),
            flush(),
        ];
        let learned = learned(base, new);
        assert!(learned.presets.is_empty() && !learned.overflow && learned.flushes == 0);
        let proposals: Vec<_> =
            learned.proposals.iter().map(|one| (&one.ignores, one.count)).collect();
        assert_eq!(
            proposals,
            [
                (&Ignores::Bytes(vec![4196..4204, 6096..6097]), 2),
                (&Ignores::Bytes(std::iter::once(9096..9097).collect()), 1),
            ]
        );
    }

    #[test]
    fn what_a_preset_masks_is_left_to_it() {
        let superblock = |time: u8| {
            let mut data = vec![0; 4096];
            data[1024 + 0x38..1024 + 0x3a].copy_from_slice(&[0x53, 0xef]);
            data[1024 + 0x4c] = 1;
            data[1024 + 0x30] = time;
            data[1024 + 0x3fc] = time;
            write_data(0, data)
        };
        let found = learned(vec![superblock(1)], vec![superblock(2)]);
        assert!(found.proposals.is_empty());
        assert_eq!(
            found.presets.iter().map(|(preset, count)| (preset.name, *count)).collect::<Vec<_>>(),
            [("ext4-times", 1)]
        );
    }

    #[test]
    fn requests_that_one_side_has_are_left_out_by_what_and_where_and_flushes_are_not() {
        let base = vec![write(0, 512, 1), write(4096, 512, 1), flush()];
        let new =
            vec![write(0, 512, 1), write(8192, 512, 1), write(8192, 512, 2), flush(), flush()];
        let found = learned(base, new);
        let ignores: Vec<_> = found.proposals.iter().map(|one| one.ignores.clone()).collect();
        assert_eq!(
            ignores,
            [
                Ignores::Requests(Operation::Write, ByteRange::new(4096, 512)),
                Ignores::Requests(Operation::Write, ByteRange::new(8192, 512)),
            ]
        );
        assert_eq!((found.proposals[1].count, found.flushes), (2, 1));
        let failed = |mut one: crate::diff::tests::One| {
            one.result = Some(Err(Errno::EIO));
            one
        };
        let base = vec![write(0, 512, 1), flush()];
        let found = learned(base.clone(), base.into_iter().map(failed).collect());
        let counts = found.proposals.iter().map(|one| one.count);
        assert_eq!((counts.collect(), found.flushes), (vec![1], 1), "what differs, on both sides");
        let nothing = learned(vec![write(0, 512, 1)], vec![write(0, 512, 1)]);
        assert_eq!(nothing, Learned::default());
    }

    #[test]
    fn more_places_than_are_kept_in_mind_are_told_of() {
        let many = |fill: u8| {
            (0..LEARNED_MAX as u64 + 2)
                .map(|place| write(place * 8192, 512, fill))
                .collect::<Vec<_>>()
        };
        let found = learned(many(1), many(2));
        assert!(found.overflow);
        assert_eq!(found.proposals.len(), LEARNED_MAX);
    }
}
