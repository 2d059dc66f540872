//! The cells that a map of a device is made of: bounds of times and offsets, and which cells a request touches.
//!
//! A window and a size in, cells out. Knows no trace. Invariant: a time and an offset of the window lie in exactly one cell.

use std::ops::Range;

use blkreplay_core::units::{ByteRange, Nanos};

/// Up to about here a logarithmic map of offsets is a linear one.
const LOG_UNIT_BYTES: f64 = 65_536.0;

/// What bounds are multiples of, where cells are so large that nobody sees it.
const SECTOR_BYTES: u64 = 512;

/// How large that is.
const ALIGNED_CELL_BYTES: u64 = 4096;

/// The cells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grid {
    /// Whose map it is.
    pub device: u16,
    /// Where columns begin, in nanoseconds, and where the last ends.
    times: Vec<u64>,
    /// Where rows begin, in bytes, the lowest first, and where the last ends.
    offsets: Vec<u64>,
}

/// How offsets are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scale {
    /// All rows have as many bytes.
    #[default]
    Linear,
    /// Rows have more bytes the higher they are.
    Log,
}

impl Grid {
    /// `size` cells (columns, rows), at least one of each, for a window.
    pub fn new(
        device: u16,
        time: &Range<u64>,
        offsets: &Range<u64>,
        size: (u16, u16),
        scale: Scale,
    ) -> Grid {
        let (columns, rows) = (size.0.max(1), size.1.max(1));
        let times = (0..=columns).map(|at| between(time, at, columns)).collect();
        let mut bounds: Vec<u64> = match scale {
            Scale::Linear => (0..=rows).map(|at| between(offsets, at, rows)).collect(),
            Scale::Log => (0..=rows).map(|at| between_log(offsets, at, rows)).collect(),
        };
        let are_large = bounds.windows(2).all(|two| two[1] - two[0] >= ALIGNED_CELL_BYTES);
        if are_large {
            let last = bounds.len() - 1;
            bounds[1..last].iter_mut().for_each(|bound| *bound -= *bound % SECTOR_BYTES);
        }
        Grid { device, times, offsets: bounds }
    }

    /// How many columns it has.
    pub fn width(&self) -> usize {
        self.times.len() - 1
    }

    /// How many rows it has.
    pub fn height(&self) -> usize {
        self.offsets.len() - 1
    }

    /// All times that it shows, in nanoseconds.
    pub fn time(&self) -> Range<u64> {
        self.times[0]..self.times[self.width()]
    }

    /// All offsets that it shows, in bytes.
    pub fn offsets(&self) -> Range<u64> {
        self.offsets[0]..self.offsets[self.height()]
    }

    /// The column of a time.
    pub fn column(&self, time: Nanos) -> Option<usize> {
        holding(&self.times, time.0)
    }

    /// The row of an offset, the lowest first.
    pub fn row(&self, offset: u64) -> Option<usize> {
        holding(&self.offsets, offset)
    }

    /// The rows that a range touches.
    pub fn rows(&self, range: ByteRange) -> Range<usize> {
        let shown = self.offsets();
        let first = range.offset.max(shown.start);
        let last = range.end().min(shown.end).saturating_sub(1);
        match (self.row(first), self.row(last)) {
            (Some(first_row), Some(last_row)) if range.length > 0 && first <= last => {
                first_row..last_row + 1
            }
            _ => 0..0,
        }
    }

    /// The times of a column, in nanoseconds.
    pub fn times_of(&self, column: usize) -> Range<u64> {
        self.times[column]..self.times[column + 1]
    }

    /// The offsets of a row, in bytes.
    pub fn offsets_of(&self, row: usize) -> Range<u64> {
        self.offsets[row]..self.offsets[row + 1]
    }

    /// The part of a range that lies in a row.
    pub fn part(&self, range: ByteRange, row: usize) -> ByteRange {
        let Range { start, end } = self.offsets_of(row);
        let (first, last) = (range.offset.max(start), range.end().min(end));
        ByteRange::new(first, last.saturating_sub(first))
    }
}

/// Which of the ranges between bounds holds a number.
fn holding(bounds: &[u64], number: u64) -> Option<usize> {
    let before = bounds.partition_point(|bound| *bound <= number);
    (before < bounds.len()).then(|| before.checked_sub(1)).flatten()
}

/// The bound before the part `at` of so many.
fn between(range: &Range<u64>, at: u16, parts: u16) -> u64 {
    let span = u128::from(range.end.saturating_sub(range.start));
    let before = span * u128::from(at) / u128::from(parts);
    range.start + u64::try_from(before).unwrap_or(u64::MAX)
}

/// The same if parts grow.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "what is lost is far less than a cell, and the result is kept within the range"
)]
fn between_log(range: &Range<u64>, at: u16, parts: u16) -> u64 {
    if at == 0 || at >= parts {
        return if at == 0 { range.start } else { range.end.max(range.start) };
    }
    let place = |offset: u64| (offset as f64 / LOG_UNIT_BYTES).ln_1p();
    let (low, high) = (place(range.start), place(range.end));
    let place = low + (high - low) * f64::from(at) / f64::from(parts);
    let offset = (place.exp_m1() * LOG_UNIT_BYTES).round() as u64;
    offset.clamp(range.start, range.end.max(range.start))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(scale: Scale) -> Grid {
        Grid::new(0, &(1000..2000), &(0..(256 << 20)), (10, 16), scale)
    }

    #[test]
    fn every_time_and_offset_of_the_window_lies_in_the_cell_that_says_so() {
        for scale in [Scale::Linear, Scale::Log] {
            let grid = grid(scale);
            assert_eq!((grid.width(), grid.height()), (10, 16));
            for time in [1000, 1001, 1099, 1100, 1999] {
                let column = grid.column(Nanos(time)).unwrap();
                assert!(grid.times_of(column).contains(&time), "{time}");
            }
            assert_eq!((grid.column(Nanos(999)), grid.column(Nanos(2000))), (None, None));
            for offset in [0, 1, 4096, 1 << 20, (1 << 20) + 1, 99 << 20, (256 << 20) - 1] {
                let row = grid.row(offset).unwrap();
                assert!(grid.offsets_of(row).contains(&offset), "{offset}");
            }
            assert_eq!(grid.row(256 << 20), None);
        }
    }

    #[test]
    fn the_parts_of_a_range_are_all_of_it_that_is_in_the_window() {
        for scale in [Scale::Linear, Scale::Log] {
            let grid = grid(scale);
            for (range, inside) in [
                (ByteRange::new(0, 256 << 20), 256 << 20),
                (ByteRange::new(5000, 77_777), 77_777),
                (ByteRange::new(255 << 20, 5 << 20), 1 << 20),
                (ByteRange::new(300 << 20, 5), 0),
                (ByteRange::new(100, u64::MAX), (256 << 20) - 100),
            ] {
                let parts = grid.rows(range).map(|row| grid.part(range, row).length);
                assert_eq!(parts.sum::<u64>(), inside, "{range}");
            }
            assert_eq!(grid.rows(ByteRange::new(4096, 0)), 0..0);
        }
    }

    #[test]
    fn rows_of_a_logarithmic_map_grow_and_bounds_are_of_whole_sectors() {
        let log = grid(Scale::Log);
        let sizes: Vec<u64> =
            (0..16).map(|row| log.offsets_of(row)).map(|r| r.end - r.start).collect();
        assert!(sizes.is_sorted() && sizes[0] < 1 << 16 && sizes[15] > 64 << 20, "{sizes:?}");
        assert!((0..16).all(|row| log.offsets_of(row).start.is_multiple_of(512)));
    }

    #[test]
    fn a_window_smaller_than_its_cells_still_has_each_byte_once() {
        for scale in [Scale::Linear, Scale::Log] {
            let grid = Grid::new(0, &(7..8), &(10..13), (40, 20), scale);
            assert!(grid.column(Nanos(7)).is_some());
            let rows = grid.rows(ByteRange::new(10, 3));
            let parts = rows.map(|row| grid.part(ByteRange::new(10, 3), row).length);
            assert_eq!(parts.sum::<u64>(), 3);
        }
        let nothing = Grid::new(0, &(7..7), &(0..0), (0, 0), Scale::Log);
        assert_eq!((nothing.column(Nanos(7)), nothing.row(0)), (None, None));
        assert_eq!(nothing.rows(ByteRange::new(0, 0)), 0..0);
    }
}
