//! What summaries say of the cells of a map, as if all of a chunk were spread evenly over its time and the offsets that it reaches over.
//!
//! Parts in, sums of cells out. Knows no latencies. Invariant: what a chunk says lies in the cells of its time and reach, and nothing of
//! it is lost or added there.

use std::ops::Range;

use blkreplay_core::request::Operation;
use blkreplay_core::units::{ByteRange, Nanos};

use super::{Chart, Order};
use crate::outline::Part;
use crate::state::grid::Grid;

impl Chart {
    /// What summaries say of these cells.
    pub fn said(grid: &Grid, parts: &[Part]) -> Chart {
        let grid = grid.clone();
        let order = Order { number: 0, grid, shown: None, rewrites: false, early: None };
        let mut chart = Chart::new(&order);
        let window = chart.grid.time();
        let from = parts.partition_point(|part| part.last.0 < window.start);
        for part in parts[from..].iter().take_while(|part| part.first.0 < window.end) {
            chart.spread(part);
        }
        chart
    }

    /// The same, and what summaries say of columns that were not reached.
    #[must_use]
    pub fn over(&self, said: &Chart) -> Chart {
        let mut chart = self.clone();
        let width = self.grid.width();
        let behind = |column: &usize| self.grid.times_of(*column).end > self.reached.0;
        for column in (0..width).filter(behind) {
            for row in 0..self.grid.height() {
                let at = row * width + column;
                chart.sums[at] = said.sums[at];
            }
        }
        chart
    }

    fn spread(&mut self, part: &Part) {
        let requests = part.requests.iter().map(|count| u64::from(*count)).sum::<u64>();
        let ranged = requests - u64::from(part.requests[Operation::Flush as usize]);
        let (low, high) = part.reach;
        let grid = &self.grid;
        let rows = grid.rows(ByteRange::new(low, high - low));
        let time = part.first.0..part.last.0.saturating_add(1);
        let from = Nanos(time.start.max(grid.time().start));
        let Some(first) = grid.column(from).filter(|_| !rows.is_empty()) else { return };
        for column in first..grid.width() {
            let times = grid.times_of(column);
            if times.start >= time.end {
                break;
            }
            let [requests, bytes] = [ranged, part.bytes].map(|all| share(all, &time, &times));
            for row in rows.clone() {
                let of_row = |all| share(all, &(low..high), &grid.offsets_of(row));
                let sums = &mut self.sums[row * grid.width() + column];
                sums.requests += of_row(requests);
                sums.bytes = sums.bytes.saturating_add(of_row(bytes));
            }
        }
    }
}

/// The share of `part` in what is spread over `all`.
fn share(count: u64, all: &Range<u64>, part: &Range<u64>) -> u64 {
    let span = u128::from((all.end - all.start).max(1));
    let before = |at: u64| {
        let at = u128::from(at.clamp(all.start, all.end) - all.start);
        u64::try_from(u128::from(count) * at / span).unwrap_or(count)
    };
    before(part.end) - before(part.start)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outline::OPERATIONS;
    use crate::state::grid::Scale;

    #[test]
    fn what_a_chunk_says_is_spread_over_its_cells_and_nothing_is_lost() {
        let mut requests = [0; OPERATIONS];
        (requests[1], requests[4]) = (800, 5);
        let (first, last) = (Nanos(100), Nanos(499));
        let part =
            Part { first, last, requests, bytes: 1 << 20, reach: (4096, 20_480), open: None };
        let grid = Grid::new(0, &(0..1000), &(0..32_768), (10, 8), Scale::Linear);
        let chart = Chart::said(&grid, std::slice::from_ref(&part));
        let sum = |of: fn(&super::super::Sums) -> u64| chart.sums.iter().map(of).sum::<u64>();
        assert_eq!((sum(|cell| cell.requests), sum(|cell| cell.bytes)), (800, 1 << 20));
        assert_eq!(chart.sums(1, 1).requests, 50);
        let outside = [(0, 1), (5, 1), (1, 0), (1, 5)];
        assert!(outside.iter().all(|(column, row)| chart.sums(*column, *row).requests == 0));
        // What was counted stands in the columns that were reached.
        let counted = Chart { reached: Nanos(300), ..Chart::said(&grid, &[]) };
        let both = counted.over(&chart);
        assert_eq!((both.sums(2, 1).requests, both.sums(3, 1).requests), (0, 50));
        // A chunk of flushes alone reaches over nothing.
        let flushes = Part { reach: (0, 0), ..part };
        assert!(Chart::said(&grid, &[flushes]).sums.iter().all(|cell| cell.requests == 0));
    }
}
