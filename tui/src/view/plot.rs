//! Latencies as letters on a grid, over a logarithmic axis of time. Spreads and a size in, cells out.
//!
//! Invariants: curves and bars stand where core's percentiles and counts say, within a cell; what there is of a bar is seen,
//! however small it is.

use blkreplay_core::view::stats::Spread;

/// Heights of a grid of curves, so that its lines are whole parts of a hundred.
const HEIGHTS: [usize; 7] = [50, 20, 10, 5, 4, 2, 1];

/// A cell: whose it is, and what stands there.
pub(super) type Cell = Option<(usize, char)>;

/// Lines of cells, the uppermost first.
pub(super) type Grid = Vec<Vec<Cell>>;

/// An axis of time, from one power of ten to another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Axis {
    low: u32,
    high: u32,
    width: usize,
}

impl Axis {
    /// One on which all these have their place; `None` if there are none, or no room.
    pub(super) fn of<'a>(
        spreads: impl Iterator<Item = &'a Spread> + Clone,
        width: usize,
    ) -> Option<Axis> {
        let low = spreads.clone().filter_map(Spread::min).min()?.max(1).ilog10();
        let high = spreads.filter_map(Spread::max).max()?.max(1).ilog10() + 1;
        (width > 1).then_some(Axis { low, high, width })
    }

    /// The column of a power of ten, which need not be whole.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a column of a screen, kept within it"
    )]
    fn column_of_power(self, power: f64) -> usize {
        let part = (power - f64::from(self.low)) / f64::from(self.high - self.low);
        let column = (part * (self.width - 1) as f64).round().max(0.0) as usize;
        column.min(self.width - 1)
    }

    /// The column of a number of nanoseconds.
    #[expect(clippy::cast_precision_loss, reason = "for a column of a screen")]
    fn column(self, nanos: u64) -> usize {
        self.column_of_power((nanos.max(1) as f64).log10())
    }

    /// The axis, and what stands below it.
    pub(super) fn lines(self) -> [String; 2] {
        let mut axis = vec!['─'; self.width];
        let mut labels = vec![' '; self.width];
        let mut free = 0;
        for power in self.low..=self.high {
            let column = self.column_of_power(f64::from(power));
            axis[column] = '┴';
            let label: Vec<char> = label(power).chars().collect();
            let from = column.min(self.width.saturating_sub(label.len()));
            if from >= free && from + label.len() <= self.width {
                labels[from..from + label.len()].copy_from_slice(&label);
                free = from + label.len() + 1;
            }
        }
        [axis.into_iter().collect(), labels.into_iter().collect()]
    }
}

/// A power of ten of nanoseconds, in the largest unit in which it is whole.
fn label(power: u32) -> String {
    let (unit, of_unit) = match power {
        0..3 => ("ns", 0),
        3..6 => ("µs", 3),
        6..9 => ("ms", 6),
        _ => ("s", 9),
    };
    format!("{}{unit}", 10_u64.pow(power - of_unit))
}

/// How high a grid of curves is where there is room for so many lines.
pub(super) fn height(room: usize) -> Option<usize> {
    HEIGHTS.into_iter().find(|height| *height <= room)
}

/// How many of the requests of each were done within which time. A line of the grid is the part up to which it goes; on it stand
/// letters from where the part below ends to where its own does. The curve of `front` covers others.
pub(super) fn curves(spreads: &[(&Spread, char)], front: usize, axis: Axis, height: usize) -> Grid {
    let mut grid = vec![vec![None; axis.width]; height];
    let order = (0..spreads.len()).filter(|at| *at != front).chain([front]);
    for at in order.filter(|at| *at < spreads.len()) {
        let (spread, letter) = spreads[at];
        for (line, cells) in grid.iter_mut().rev().enumerate() {
            let from = spread.quantile(part(line, height));
            let Some((from, to)) = from.zip(spread.quantile(part(line + 1, height))) else {
                continue;
            };
            cells[axis.column(from)..=axis.column(to)].fill(Some((at, letter)));
        }
    }
    grid
}

#[expect(clippy::cast_precision_loss, reason = "lines of a screen")]
fn part(line: usize, height: usize) -> f64 {
    line as f64 / height as f64
}

/// How many requests took from each power of two up to the next, the most of them in the highest bar. What does not fill half a
/// cell is a dot.
pub(super) fn bars(spread: &Spread, whose: (usize, char), axis: Axis, height: usize) -> Grid {
    let mut heights: Vec<Option<usize>> = vec![None; axis.width];
    let powers = spread.powers();
    let most = most(spread);
    for (from, count) in powers.into_iter().filter(|(_, count)| *count > 0) {
        let high = rounded(count, most, height);
        let columns = axis.column(from)..=axis.column(from.saturating_mul(2) - 1);
        for column in &mut heights[columns] {
            *column = (*column).max(Some(high));
        }
    }
    let cell = |line: usize, high: Option<usize>| match high {
        Some(high) if line < high => Some(whose),
        Some(0) if line == 0 => Some((whose.0, '.')),
        _ => None,
    };
    (0..height).rev().map(|line| heights.iter().map(|high| cell(line, *high)).collect()).collect()
}

/// The requests of the highest bar.
pub(super) fn most(spread: &Spread) -> u64 {
    spread.powers().into_iter().map(|(_, count)| count).max().unwrap_or(0)
}

/// So many of `most` on a height, rounded to the nearest.
fn rounded(count: u64, most: u64, height: usize) -> usize {
    let most = u128::from(most.max(1));
    let high = (u128::from(count) * height as u128 * 2 + most) / (most * 2);
    usize::try_from(high).map_or(height, |high| high.min(height))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spread(numbers: &[u64]) -> Spread {
        let mut spread = Spread::default();
        for number in numbers {
            spread.add(*number);
        }
        spread
    }

    fn drawn(grid: &Grid) -> Vec<String> {
        let line = |cells: &Vec<Cell>| -> String {
            cells.iter().map(|cell| cell.map_or(' ', |(_, letter)| letter)).collect()
        };
        grid.iter().map(line).collect()
    }

    #[test]
    fn a_curve_goes_through_the_percentiles_and_the_one_in_front_covers_others() {
        let (one, two) = (spread(&[10, 10, 100, 1000]), spread(&[100, 100, 100, 100]));
        let axis = Axis::of([&one, &two].into_iter(), 7).unwrap();
        assert_eq!(axis, Axis { low: 1, high: 4, width: 7 });
        let spreads = [(&one, 'r'), (&two, 'w')];
        let front = |front| drawn(&curves(&spreads, front, axis, 4));
        assert_eq!(front(0), ["  rrr  ", "rrr    ", "r w    ", "r w    "]);
        assert_eq!(front(1), ["  wrr  ", "rrw    ", "r w    ", "r w    "]);
        assert_eq!(axis.lines(), ["┴─┴─┴─┴", "10ns   "]);
    }

    #[test]
    fn bars_are_as_high_as_there_are_requests_and_none_is_too_small_to_be_seen() {
        let mut numbers = vec![20; 100];
        numbers.extend([40; 50]);
        numbers.push(600);
        let spread = spread(&numbers);
        let axis = Axis::of([&spread].into_iter(), 21).unwrap();
        assert_eq!(most(&spread), 100);
        let grid = drawn(&bars(&spread, (0, 'w'), axis, 4));
        assert_eq!(grid[0].trim_end(), grid[1].trim_end());
        let full = |line: &String| line.chars().filter(|letter| *letter == 'w').count();
        assert!(full(&grid[0]) > 0 && full(&grid[0]) < full(&grid[2]), "{grid:?}");
        assert!(grid[3].contains('.') && !grid[2].contains('.'), "{grid:?}");
    }

    #[test]
    fn labels_of_an_axis_stand_at_their_powers_as_far_as_there_is_room() {
        let spread = spread(&[1_000, 900_000_000]);
        let axis = Axis::of([&spread].into_iter(), 61).unwrap();
        let [line, labels] = axis.lines();
        for (label, column) in [("1µs", 0), ("10µs", 10), ("1ms", 30), ("100ms", 50)] {
            assert_eq!(
                labels.chars().skip(column).take(label.chars().count()).collect::<String>(),
                label
            );
            assert_eq!(line.chars().nth(column), Some('┴'));
        }
        let all = Axis::of([&self::spread(&[0, u64::MAX])].into_iter(), 30).unwrap();
        assert_eq!((all.low, all.high), (0, 20));
        assert_eq!(all.lines()[1].chars().count(), 30);
        assert_eq!(all.column(u64::MAX), 28);
        assert_eq!(Axis::of([&spread].into_iter(), 1), None);
        assert_eq!(Axis::of([&self::spread(&[])].into_iter(), 40), None);
        assert_eq!(
            [0, 1, 3, 9, 12, 49, 90].map(height),
            [None, Some(1), Some(2), Some(5), Some(10), Some(20), Some(50)]
        );
    }
}
