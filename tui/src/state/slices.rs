//! Equal slices of a window of time, and the columns of a screen that are made of them.
//!
//! A window in, slices and columns out: what was counted once by slice can be drawn at any width. Invariant: a time of the window lies
//! in exactly one slice and one column, and a column is made of whole slices.

use std::ops::Range;

use blkreplay_core::units::Nanos;

/// Slices of a window: more than a screen has columns.
pub const SLICES: usize = 2048;

/// A window of time, in nanoseconds, that is cut into [`SLICES`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slices {
    window: Range<u64>,
}

/// Columns of a screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Columns {
    slices: Slices,
    width: usize,
}

impl Slices {
    /// Those of a window, which has a nanosecond at least.
    pub fn new(window: Range<u64>) -> Slices {
        let end = window.end.max(window.start.saturating_add(1));
        Slices { window: window.start..end }
    }

    /// All of it.
    pub fn window(&self) -> Range<u64> {
        self.window.clone()
    }

    /// Which holds a time.
    pub fn holding(&self, time: u64) -> Option<usize> {
        let from = u128::from(time.checked_sub(self.window.start)?);
        let slice = from * SLICES as u128 / u128::from(self.span());
        usize::try_from(slice).ok().filter(|slice| *slice < SLICES)
    }

    /// When one begins; that behind the last is the end of all.
    pub fn start(&self, slice: usize) -> u64 {
        let before = (slice as u128 * u128::from(self.span())).div_ceil(SLICES as u128);
        self.window.start.saturating_add(u64::try_from(before).unwrap_or(u64::MAX))
    }

    fn span(&self) -> u64 {
        self.window.end - self.window.start
    }
}

impl Columns {
    /// So many of them, or as many as there are slices.
    pub fn new(slices: Slices, width: usize) -> Columns {
        Columns { slices, width: width.clamp(1, SLICES) }
    }

    /// How many there are.
    pub fn width(&self) -> usize {
        self.width
    }

    /// What they show, in nanoseconds.
    pub fn window(&self) -> Range<u64> {
        self.slices.window()
    }

    /// The slices of one.
    pub fn slices_of(&self, column: usize) -> Range<usize> {
        column * SLICES / self.width..(column + 1) * SLICES / self.width
    }

    /// The times of one, in nanoseconds.
    pub fn times_of(&self, column: usize) -> Range<u64> {
        let Range { start, end } = self.slices_of(column);
        self.slices.start(start)..self.slices.start(end)
    }

    /// Which holds a time.
    pub fn holding(&self, time: Nanos) -> Option<usize> {
        let slice = self.slices.holding(time.0)?;
        Some(((slice + 1) * self.width - 1) / SLICES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_lies_in_the_slice_and_the_column_whose_times_hold_it() {
        for window in [0..1, 5..12, 1000..1000 + 2048, 7..1_000_007, 0..u64::MAX] {
            let slices = Slices::new(window.clone());
            assert_eq!((slices.start(0), slices.start(SLICES)), (window.start, window.end));
            for width in [1, 3, 78, 200, SLICES, 9999] {
                let columns = Columns::new(slices.clone(), width);
                let span = window.end - window.start;
                for part in 0..100 {
                    let time = window.start + span / 100 * part;
                    let column = columns.holding(Nanos(time)).unwrap();
                    assert!(columns.times_of(column).contains(&time), "{window:?} {width} {time}");
                }
                assert_eq!(columns.holding(Nanos(window.end)), None);
                let last = columns.width() - 1;
                assert_eq!(columns.times_of(last).end, window.end);
                let holding = columns.holding(Nanos(window.end - 1)).unwrap();
                assert!(columns.times_of(holding).contains(&(window.end - 1)));
            }
        }
        assert_eq!(Slices::new(5..12).holding(4), None);
        assert_eq!(Slices::new(9..9).window(), 9..10);
    }
}
