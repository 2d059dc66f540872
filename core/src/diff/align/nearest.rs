//! Which of several that are alike belong together: those that lie nearest.
//!
//! Places in, pairs out. Invariants: as many pairs as the shorter list has places, in the order of both lists.

/// More cells than this are not worth it: then the first ones are paired.
const CELLS_MAX: usize = 1 << 14;

/// Places of some requests among all that are looked at of a side.
#[derive(Debug, Clone, Copy)]
pub(super) struct Places<'list> {
    /// Ascending.
    pub(super) at: &'list [usize],
    /// How many requests there are in all.
    pub(super) of: usize,
}

/// Pairs of indices into both lists, with the least distance together. A distance is counted from the front or from the end,
/// whichever is less, so that what was added or removed before or behind makes none.
pub(super) fn nearest(base: Places<'_>, new: Places<'_>) -> Vec<(usize, usize)> {
    let (rows, columns) = (base.at.len(), new.at.len());
    let few = rows.min(columns);
    if rows == columns || rows.saturating_mul(columns) > CELLS_MAX {
        return (0..few).map(|index| (index, index)).collect();
    }
    let distance = |row: usize, column: usize| {
        let (one, other) = (base.at[row], new.at[column]);
        let front = one.abs_diff(other);
        let back = base.of.saturating_sub(one).abs_diff(new.of.saturating_sub(other));
        front.min(back)
    };
    // The least distance of all pairs from each pair of indices on, if as many are paired as can be.
    let width = columns + 1;
    let mut least = vec![0_usize; (rows + 1) * width];
    for row in (0..rows).rev() {
        for column in (0..columns).rev() {
            let paired =
                distance(row, column).saturating_add(least[(row + 1) * width + column + 1]);
            let without =
                skips(row, column, rows, columns).map(|(row, column)| least[row * width + column]);
            least[row * width + column] = without.map_or(paired, |without| paired.min(without));
        }
    }
    let (mut row, mut column, mut pairs) = (0, 0, Vec::with_capacity(few));
    while row < rows && column < columns {
        let now = least[row * width + column];
        match skips(row, column, rows, columns) {
            // What can be left out is, where it makes no difference: what lies behind is more likely the same.
            Some((next, other)) if least[next * width + other] <= now => {
                (row, column) = (next, other);
            }
            _ => {
                pairs.push((row, column));
                (row, column) = (row + 1, column + 1);
            }
        }
    }
    pairs
}

/// Which pair of indices comes next without one of the longer list; `None` if none of it can be left out.
fn skips(row: usize, column: usize, rows: usize, columns: usize) -> Option<(usize, usize)> {
    match (rows - row).cmp(&(columns - column)) {
        std::cmp::Ordering::Less => Some((row, column + 1)),
        std::cmp::Ordering::Greater => Some((row + 1, column)),
        std::cmp::Ordering::Equal => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(base: (&[usize], usize), new: (&[usize], usize)) -> Vec<(usize, usize)> {
        let places = |(at, of)| Places { at, of };
        let pairs = nearest(places(base), places(new));
        assert_eq!(pairs.len(), base.0.len().min(new.0.len()));
        assert!(pairs.windows(2).all(|two| two[0].0 < two[1].0 && two[0].1 < two[1].1));
        pairs
    }

    #[test]
    fn those_are_paired_that_lie_nearest_from_the_front_or_from_the_end() {
        assert_eq!(pairs((&[0, 10, 20], 30), (&[9], 30)), [(1, 0)]);
        assert_eq!(pairs((&[9], 30), (&[0, 10, 20], 30)), [(0, 1)]);
        assert_eq!(pairs((&[1, 3], 4), (&[2], 3)), [(1, 0)], "the first one is gone");
        assert_eq!(pairs((&[2], 3), (&[1, 3], 4)), [(0, 1)]);
        assert_eq!(pairs((&[5, 6], 9), (&[0, 8], 9)), [(0, 0), (1, 1)]);
        assert_eq!(pairs((&[], 9), (&[0, 8], 9)), []);
    }

    #[test]
    fn of_very_many_the_first_are_paired() {
        let (long, longer): (Vec<_>, Vec<_>) = ((0..400).collect(), (0..500).collect());
        assert_eq!(pairs((&long, 400), (&longer, 500))[399], (399, 399));
    }
}
