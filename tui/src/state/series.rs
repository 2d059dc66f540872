//! How many requests came in each column of a window of time: what a timeline is drawn of.
//!
//! What was counted, or else what chunks say of themselves, in; numbers by column out. Invariant: what a chunk says of all of its time
//! is spread over the columns of that time so that nothing of it is lost or added.

use std::ops::Range;

use blkreplay_core::view::Page;
use roaring::RoaringTreemap;

use super::slices::{Columns, SLICES};
use crate::flight::Flight;
use crate::outline::{OPERATIONS, Part};

/// The numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Series {
    /// The columns.
    pub columns: Columns,
    /// Requests issued in each.
    pub requests: Vec<u64>,
    /// The same by operation; empty if that is not known.
    pub operations: Vec<[u64; OPERATIONS]>,
    /// The most that were in flight on one device; `None` where that is not known.
    pub depths: Vec<Option<u64>>,
    /// They are not what chunks say of themselves.
    pub is_exact: bool,
}

impl Series {
    fn new(columns: Columns) -> Series {
        let width = columns.width();
        let (requests, depths) = (vec![0; width], vec![None; width]);
        Series { columns, requests, operations: Vec::new(), depths, is_exact: false }
    }

    /// What summaries say.
    pub fn outlined(parts: &[Part], columns: Columns) -> Series {
        let mut series = Series::new(columns);
        series.operations = vec![[0; OPERATIONS]; series.columns.width()];
        let window = series.columns.window();
        let from = parts.partition_point(|part| part.last.0 < window.start);
        for part in parts[from..].iter().take_while(|part| part.first.0 < window.end) {
            let time = part.first.0..part.last.0.saturating_add(1);
            for (operation, count) in part.requests.iter().enumerate().filter(|(_, n)| **n > 0) {
                let Series { columns, requests, operations, .. } = &mut series;
                spread(u64::from(*count), &time, columns, |column, share| {
                    requests[column] += share;
                    operations[column][operation] += share;
                });
            }
            let Some(column) = series.columns.holding(part.last) else { continue };
            series.depths[column] = series.depths[column].max(part.open);
        }
        series
    }

    /// What pages hold of the places that a filter found.
    pub fn found(pages: &[Page], found: &RoaringTreemap, columns: Columns) -> Series {
        let mut series = Series::new(columns);
        let window = series.columns.window();
        let from = pages.partition_point(|page| page.time_last.0 < window.start);
        for page in pages[from..].iter().take_while(|page| page.time_first.0 < window.end) {
            let before = page.place.checked_sub(1).map_or(0, |before| found.rank(before));
            let count = found.rank(page.place + (page.requests - 1)) - before;
            let time = page.time_first.0..page.time_last.0.saturating_add(1);
            let Series { columns, requests, .. } = &mut series;
            spread(count, &time, columns, |column, share| requests[column] += share);
        }
        series
    }

    /// Takes what was counted in the place of what was said, as far as the count got.
    #[must_use]
    pub fn counted(mut self, flight: &Flight) -> Series {
        let all = flight.is_done && flight.error.is_none();
        let width = self.columns.width();
        if all {
            self.operations.resize(width, [0; OPERATIONS]);
        }
        for column in 0..width {
            if !all && self.columns.times_of(column).end > flight.reached.0 {
                break;
            }
            let slices = self.columns.slices_of(column);
            let mut counts = [0; OPERATIONS];
            for slice in &flight.requests[slices.clone()] {
                counts.iter_mut().zip(slice).for_each(|(sum, count)| *sum += u64::from(*count));
            }
            self.requests[column] = counts.iter().sum();
            if let Some(operations) = self.operations.get_mut(column) {
                *operations = counts;
            }
            let lanes = flight.lanes.values();
            let slices = lanes.flat_map(|lane| &lane.slices[slices.clone()]);
            self.depths[column] = slices.map(|slice| slice.max).max();
        }
        self.is_exact = flight.is_exact();
        self
    }
}

/// Spreads a count over the columns of a time, as if it were the same at all of it.
fn spread(count: u64, time: &Range<u64>, columns: &Columns, mut take: impl FnMut(usize, u64)) {
    let window = columns.window();
    let (from, to) = (time.start.max(window.start), time.end.min(window.end));
    let (Some(first), true) = (columns.holding(blkreplay_core::units::Nanos(from)), from < to)
    else {
        return;
    };
    let span = u128::from(time.end - time.start);
    let before = |at: u64| {
        let at = u128::from(at.clamp(from, to) - time.start);
        u64::try_from(u128::from(count) * at / span).unwrap_or(count)
    };
    for column in first..columns.width().min(SLICES) {
        let Range { start, end } = columns.times_of(column);
        if start >= to {
            break;
        }
        take(column, before(end) - before(start));
    }
}

#[cfg(test)]
mod tests {
    use blkreplay_core::units::Nanos;

    use super::*;
    use crate::state::slices::Slices;

    fn part(first: u64, last: u64, count: u32, open: u64) -> Part {
        let mut requests = [0; OPERATIONS];
        requests[1] = count;
        let (first, last) = (Nanos(first), Nanos(last));
        Part { first, last, requests, bytes: 0, reach: (0, 0), open: Some(open) }
    }

    #[test]
    fn what_a_chunk_says_is_spread_over_its_time_and_nothing_is_lost() {
        let parts = [part(0, 9, 10, 3), part(10, 99, 900, 7), part(99, 99, 5, 1)];
        let columns = |window, width| Columns::new(Slices::new(window), width);
        let series = Series::outlined(&parts, columns(0..100, 10));
        assert_eq!(series.requests.iter().sum::<u64>(), 915);
        assert_eq!(series.requests[1..9], [100; 8]);
        assert_eq!(series.operations[3][1], series.requests[3]);
        assert_eq!(
            (series.depths[0], series.depths[5], series.depths[9]),
            (Some(3), None, Some(7))
        );
        for width in [1, 7, 100, 300] {
            let series = Series::outlined(&parts, columns(0..100, width));
            assert_eq!(series.requests.iter().sum::<u64>(), 915, "{width}");
        }
        let part = Series::outlined(&parts, columns(55..60, 5));
        assert_eq!(part.requests, [10; 5]);
    }
}
