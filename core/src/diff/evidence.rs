//! What is known of a difference beside the two requests: which bytes differ, who wrote there last, what came before and after.
//!
//! Two sides and a difference in, evidence out. Invariant: what could not be found out is not said; what is said of a side was
//! read from that side.

use std::collections::VecDeque;
use std::ops::Range;

use bytes::Bytes;

use super::compared::{Compared, Fact};
use super::difference::Difference;
use super::error::DiffError;
use super::known::Presets;
use super::preset::Preset;
use super::side::{Part, Side};
use crate::limits::{DIFF_AROUND_MAX, DIFF_RANGES_MAX};
use crate::request::{Operation, RequestId};
use crate::units::ByteRange;

/// Bytes of each side that are shown.
const SAMPLE: usize = 8;

/// Ranges that differ and are no further apart are one, in bytes.
const GAP: usize = 8;

/// Which bytes of the data differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DifferingBytes {
    /// Where in the data, in order; those of more than [`DIFF_RANGES_MAX`] are one with the last.
    pub ranges: Vec<Range<u64>>,
    /// How many bytes differ.
    pub count: u64,
    /// Of how many: the longer data.
    pub of: u64,
    /// Data of base from the first that differs on, a few.
    pub base: Bytes,
    /// The same of new.
    pub new: Bytes,
}

/// Who wrote last where a request reads or writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writer {
    /// This request.
    Request(RequestId),
    /// None in the trace: what is there was on the disk before.
    Before,
}

/// What lies around a request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Around {
    /// The requests of its device before it, in their order.
    pub before: Vec<Compared>,
    /// Those behind it.
    pub after: Vec<Compared>,
    /// Who wrote there last; `None` if it touches no data.
    pub writer: Option<Writer>,
}

/// What is known of a difference.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Evidence {
    /// Which bytes differ; `None` if the data are not there on both sides, or do not differ.
    pub bytes: Option<DifferingBytes>,
    /// A preset that masks all of them.
    pub preset: Option<&'static Preset>,
    /// What lies around it in base; `None` if that was not asked, or it is not there.
    pub base: Option<Around>,
    /// The same in new.
    pub new: Option<Around>,
}

impl Evidence {
    /// Looks which bytes differ of a request that is on both sides.
    pub(super) fn look(
        &mut self,
        (base, new): (&dyn Side, &dyn Side),
        difference: &Difference,
        presets: &Presets,
    ) -> Result<(), DiffError> {
        let ([one], [other]) = (difference.base.as_slice(), difference.new.as_slice()) else {
            return Ok(());
        };
        if !difference.facts.has(Fact::Payload) {
            return Ok(());
        }
        let data = (base.compared_data(one)?, new.compared_data(other)?);
        let (Some(base_data), Some(new_data)) = data else { return Ok(()) };
        self.bytes = bytes((one, &base_data), (other, &new_data));
        if difference.facts.iter().eq([Fact::Payload]) && base_data.len() == new_data.len() {
            self.preset = presets.masking(one, &base_data, &new_data)?;
        }
        Ok(())
    }
}

/// Which bytes differ of two requests with these data.
fn bytes(
    (one, base_data): (&Compared, &Bytes),
    (other, new_data): (&Compared, &Bytes),
) -> Option<DifferingBytes> {
    let (first, second) = (one.request.range, other.request.range);
    if first.offset == second.offset {
        return differing(base_data, new_data);
    }
    // Of two requests at different places, what lies at the same place of the disk is compared.
    let start = first.offset.max(second.offset);
    let end = first.end().min(second.end());
    let base_part = part(base_data, first, start..end)?;
    let new_part = part(new_data, second, start..end)?;
    let shift = start - first.offset;
    let mut found = differing(&base_part, &new_part)?;
    for range in &mut found.ranges {
        *range = range.start + shift..range.end + shift;
    }
    Some(found)
}

/// What lies at `wanted` of the disk, of data that lie at `at`; `None` if that is nothing.
fn part(data: &Bytes, at: ByteRange, wanted: Range<u64>) -> Option<Bytes> {
    let place = |offset: u64| usize::try_from(offset.checked_sub(at.offset)?).ok();
    let (start, end) = (place(wanted.start)?, place(wanted.end)?.min(data.len()));
    (start < end).then(|| data.slice(start..end))
}

/// What lies around a request of a side: at most so many before and behind it, and who wrote there last.
pub(super) fn around(
    side: &dyn Side,
    request: &Compared,
    context: usize,
) -> Result<Around, DiffError> {
    let context = context.min(DIFF_AROUND_MAX);
    let mut around = Around::default();
    let mut before = VecDeque::with_capacity(context + 1);
    let epochs = request.epoch.saturating_sub(1)..request.epoch.saturating_add(2);
    let part = Part { device: Some(request.device), epochs };
    let mut requests = side.requests(&part)?;
    while let Some(one) = requests.next_request()? {
        if one.place < request.place {
            before.push_back(one);
            if before.len() > context {
                before.pop_front();
            }
        } else if one.place > request.place {
            if around.after.len() == context {
                break;
            }
            around.after.push(one);
        }
    }
    drop(requests);
    around.before = before.into();
    if matches!(request.request.operation, Operation::Read | Operation::Write) {
        around.writer = Some(writer(side, request)?);
    }
    Ok(around)
}

/// Looks for the last writer in epochs further and further back.
fn writer(side: &dyn Side, of: &Compared) -> Result<Writer, DiffError> {
    let mut end = of.epoch.saturating_add(1);
    let mut length = 1;
    while end > 0 {
        let start = end.saturating_sub(length);
        let part = Part { device: Some(of.device), epochs: start..end };
        let mut requests = side.requests(&part)?;
        let mut found = None;
        while let Some(one) = requests.next_request()? {
            let overlaps = one.request.range.overlaps(of.request.range);
            if one.place < of.place && one.request.operation.modifies() && overlaps {
                found = Some(one.id);
            }
        }
        if let Some(id) = found {
            return Ok(Writer::Request(id));
        }
        end = start;
        length = length.saturating_mul(2);
    }
    Ok(Writer::Before)
}

/// Where two data differ; `None` if they do not.
fn differing(base: &Bytes, new: &Bytes) -> Option<DifferingBytes> {
    let (longer, shorter) = (base.len().max(new.len()), base.len().min(new.len()));
    let mut ranges: Vec<Range<usize>> = Vec::new();
    let mut count = longer - shorter;
    let mut put = |range: Range<usize>| {
        let is_full = ranges.len() == DIFF_RANGES_MAX;
        match ranges.last_mut() {
            Some(last) if is_full || range.start <= last.end + GAP => last.end = range.end,
            _ => ranges.push(range),
        }
    };
    for place in 0..shorter {
        if base[place] != new[place] {
            count += 1;
            put(place..place + 1);
        }
    }
    if longer > shorter {
        put(shorter..longer);
    }
    let first = ranges.first()?.start;
    let sample = |data: &Bytes| data.slice(first.min(data.len())..data.len().min(first + SAMPLE));
    let ranges = ranges.iter().map(|range| range.start as u64..range.end as u64);
    Some(DifferingBytes {
        ranges: ranges.collect(),
        count: count as u64,
        of: longer as u64,
        base: sample(base),
        new: sample(new),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diff::tests::{VecSide, flush, read, write, write_data, zeroes};
    use crate::diff::{Facts, Kind, Place};

    fn changed(base: &VecSide, new: &VecSide, at: usize) -> Difference {
        Difference {
            kind: Kind::Changed,
            place: Place::default(),
            base: vec![base.all()[at]],
            new: vec![new.all()[at]],
            facts: Facts::NONE.with(Fact::Payload),
        }
    }

    fn of(base: &[u8], new: &[u8]) -> Option<DifferingBytes> {
        let side = |data: &[u8]| VecSide::new([write_data(0, data.to_vec())]);
        let (base, new) = (side(base), side(new));
        found(&base, &new)
    }

    fn found(base: &VecSide, new: &VecSide) -> Option<DifferingBytes> {
        let mut evidence = Evidence::default();
        evidence.look((base, new), &changed(base, new, 0), &Presets::new()).unwrap();
        evidence.bytes
    }

    #[test]
    fn bytes_that_differ_are_counted_and_those_near_each_other_are_one_range() {
        let mut new = vec![0; 512];
        new[100] = 1;
        new[104] = 2;
        new[300] = 3;
        let found = of(&[9; 512], &[9; 512]);
        assert_eq!(found, None);
        let found = of(&vec![0; 512], &new).unwrap();
        assert_eq!(found.ranges, [100..105, 300..301]);
        assert_eq!((found.count, found.of), (3, 512));
        assert_eq!(found.base, vec![0; 8]);
        assert_eq!(found.new, [1, 0, 0, 0, 2, 0, 0, 0].as_slice());
    }

    #[test]
    fn data_of_another_length_differ_where_one_ends() {
        let found = of(&[1; 16], &[1; 20]).unwrap();
        assert!(found.ranges.into_iter().eq(std::iter::once(16..20)));
        assert_eq!((found.count, found.of), (4, 20));
        assert_eq!((found.base.len(), found.new.len()), (0, 4));
    }

    #[test]
    fn of_requests_at_different_places_what_lies_at_the_same_place_is_compared() {
        let base = VecSide::new([write(0, 16, 1)]);
        let of = |new: VecSide| found(&base, &new);
        let found = of(VecSide::new([write_data(12, vec![1, 9, 9, 1, 7, 7])])).unwrap();
        assert!(found.ranges.into_iter().eq(std::iter::once(13..15)));
        assert_eq!((found.count, found.of), (2, 4));
        assert_eq!((&found.base[..], &found.new[..]), (&[1, 1, 1][..], &[9, 9, 1][..]));
        assert_eq!(of(VecSide::new([write(16, 16, 9)])), None, "they do not overlap");
        assert_eq!(of(VecSide::new([write(8, 8, 1)])), None, "they are the same there");
    }

    #[test]
    fn ranges_are_bounded_and_the_last_takes_the_rest() {
        let length = 16 * (DIFF_RANGES_MAX + 5);
        let mut new = vec![0; length];
        new.iter_mut().step_by(16).for_each(|byte| *byte = 1);
        let found = of(&vec![0; length], &new).unwrap();
        assert_eq!(found.ranges.len(), DIFF_RANGES_MAX);
        assert_eq!(found.ranges.last().unwrap().end, length as u64 - 15);
        assert_eq!(found.count, DIFF_RANGES_MAX as u64 + 5);
    }

    #[test]
    fn without_data_on_both_sides_nothing_is_said_of_bytes() {
        let side = |fill| VecSide::new([write(0, 512, fill)]);
        let (base, new) = (side(1), side(2).without_data());
        assert_eq!(found(&base, &new), None);
    }

    #[test]
    fn the_last_writer_is_found_however_far_back_it_is() {
        let mut all = vec![write(0, 512, 1), zeroes(4096, 512), flush(), write(0, 256, 2)];
        all.extend((0..9).map(|_| flush()));
        all.extend([read(0, 512, 2), read(8192, 512, 0), read(4096, 1, 0), write(0, 512, 3)]);
        let side = VecSide::new(all);
        let writer = |at: usize| around(&side, &side.all()[at], 0).unwrap().writer;
        assert_eq!(writer(13), Some(Writer::Request(RequestId(3))));
        assert_eq!(writer(14), Some(Writer::Before));
        assert_eq!(writer(15), Some(Writer::Request(RequestId(1))));
        assert_eq!(writer(16), Some(Writer::Request(RequestId(3))), "not itself");
        assert_eq!(writer(2), None, "a flush touches no data");
    }

    #[test]
    fn what_lies_around_is_of_the_same_device_and_no_more_than_asked() {
        let all = (0..9).map(|place| write(place * 512, 512, 1).on(u16::from(place == 5)));
        let side = VecSide::new(all);
        let ids = |list: &[Compared]| list.iter().map(|one| one.id.0).collect::<Vec<_>>();
        let found = around(&side, &side.all()[4], 2).unwrap();
        assert_eq!((ids(&found.before), ids(&found.after)), (vec![2, 3], vec![6, 7]));
        let found = around(&side, &side.all()[0], 2).unwrap();
        assert_eq!((ids(&found.before), ids(&found.after)), (vec![], vec![1, 2]));
    }
}
