//! Where the selection lies on an axis of time: brackets around the columns that it touches.
//!
//! The selection and the times of columns in, columns and signs out. Invariant: an end that lies outside of the window has no bracket.

use std::ops::Range;

use crate::app::App;

/// The columns that the selection touches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cover {
    columns: Range<usize>,
    begins: bool,
    ends: bool,
}

impl Cover {
    /// Of so many columns with these times; `None` without a selection, or if it lies elsewhere.
    pub(super) fn of(
        app: &App,
        width: usize,
        times_of: impl Fn(usize) -> Range<u64>,
    ) -> Option<Cover> {
        let (from, to) = app.selected_times()?;
        Cover::over(from.0, to.0, width, times_of)
    }

    fn over(
        from: u64,
        to: u64,
        width: usize,
        times_of: impl Fn(usize) -> Range<u64>,
    ) -> Option<Cover> {
        let touches = |column: &usize| {
            let Range { start, end } = times_of(*column);
            start < end && start <= to && from < end
        };
        let first = (0..width).find(touches)?;
        let last = (first..width).rev().find(touches)?;
        let (begins, ends) = (times_of(first).contains(&from), times_of(last).contains(&to));
        Some(Cover { columns: first..last + 1, begins, ends })
    }

    /// Whether it touches a column.
    pub(super) fn holds(&self, column: usize) -> bool {
        self.columns.contains(&column)
    }

    /// The bracket in a place of a line that has one place more than columns on either side.
    pub(super) fn bracket(&self, at: usize) -> Option<char> {
        if self.begins && at == self.columns.start {
            Some('[')
        } else if self.ends && at == self.columns.end + 1 {
            Some(']')
        } else {
            None
        }
    }
}

/// The signs of an axis, from the place before its first column to that behind its last one. `mark` has what stands in a column whatever
/// is selected.
pub(super) fn axis(
    cover: Option<&Cover>,
    width: usize,
    mark: impl Fn(usize) -> Option<char>,
) -> String {
    let sign = |at: usize| {
        let column = at.checked_sub(1).filter(|column| *column < width);
        let plain = match column {
            Some(column) if cover.is_some_and(|cover| cover.holds(column)) => '═',
            Some(_) => '─',
            None if at == 0 => '└',
            None => ' ',
        };
        let bracket = cover.and_then(|cover| cover.bracket(at));
        bracket.or_else(|| mark(column?)).unwrap_or(plain)
    };
    (0..width + 2).map(sign).collect::<String>().trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(from: u64, to: u64) -> String {
        // Six columns of ten.
        let times_of = |column: usize| (100 + column as u64 * 10)..(110 + column as u64 * 10);
        let cover = Cover::over(from, to, 6, times_of);
        axis(cover.as_ref(), 6, |column| (column == 3).then_some('▲'))
    }

    #[test]
    fn brackets_stand_around_the_columns_that_are_touched_and_ends_outside_have_none() {
        for (times, line) in [
            ((0, 99), "└───▲──"),
            ((160, 200), "└───▲──"),
            ((130, 139), "└──[▲]─"),
            ((119, 130), "└[══▲]─"),
            ((100, 159), "[═══▲══]"),
            ((90, 119), "└══]▲──"),
            ((150, 200), "└───▲[═"),
            ((0, 500), "└═══▲══"),
        ] {
            assert_eq!(drawn(times.0, times.1), line, "{times:?}");
        }
    }
}
