//! Sets of whole numbers of 64 bits, as ranges: what a value must be in.
//!
//! Knows no fields. Invariant: ranges are sorted, and between two of them is a number that is in none.

/// Numbers, from the first to the last of each range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ranges(Vec<(u64, u64)>);

impl Ranges {
    /// All numbers.
    pub(super) fn all() -> Ranges {
        Ranges(vec![(0, u64::MAX)])
    }

    /// The numbers that are in one of these, first and last given. Those that do not fit 64 bits are left out.
    pub(super) fn of(parts: impl IntoIterator<Item = (i128, i128)>) -> Ranges {
        let fits = |(first, last): (i128, i128)| {
            let last = u64::try_from(last.min(u64::MAX.into())).ok()?;
            let first = u64::try_from(first.max(0)).ok()?;
            (first <= last).then_some((first, last))
        };
        let mut parts: Vec<_> = parts.into_iter().filter_map(fits).collect();
        parts.sort_unstable();
        let mut ranges: Vec<(u64, u64)> = Vec::new();
        for (first, last) in parts {
            match ranges.last_mut() {
                Some(before) if first <= before.1.saturating_add(1) => {
                    before.1 = before.1.max(last);
                }
                _ => ranges.push((first, last)),
            }
        }
        Ranges(ranges)
    }

    /// All other numbers.
    pub(super) fn others(&self) -> Ranges {
        let mut ranges = Vec::new();
        let mut next = Some(0_u64);
        for (first, last) in &self.0 {
            if let Some(next) = next.filter(|next| next < first) {
                ranges.push((next, first - 1));
            }
            next = last.checked_add(1);
        }
        ranges.extend(next.map(|next| (next, u64::MAX)));
        Ranges(ranges)
    }

    /// The same without 0.
    pub(super) fn without_zero(&self) -> Ranges {
        let some = |(first, last): &(u64, u64)| (*last > 0).then_some((*first.max(&1), *last));
        Ranges(self.0.iter().filter_map(some).collect())
    }

    /// Whether one of the numbers from the first to the last is in.
    pub(super) fn meets(&self, (low, high): (u64, u64)) -> bool {
        self.0.iter().any(|(first, last)| *first <= high && low <= *last)
    }

    /// Calls `with` with the place of each of `values`, and whether it is in.
    pub(super) fn each(
        &self,
        values: impl Iterator<Item = u64>,
        mut with: impl FnMut(usize, bool),
    ) {
        // One range is what most filters have: two steps a number, without a branch.
        if let [(first, last)] = self.0[..] {
            let span = last - first;
            for (place, value) in values.enumerate() {
                with(place, value.wrapping_sub(first) <= span);
            }
            return;
        }
        for (place, value) in values.enumerate() {
            let inside = |(first, last): &(u64, u64)| (*first..=*last).contains(&value);
            with(place, self.0.iter().any(inside));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: u64 = u64::MAX;

    fn inside(ranges: &Ranges, value: u64) -> bool {
        let mut found = false;
        ranges.each(std::iter::once(value), |_, inside| found = inside);
        found
    }

    #[test]
    fn ranges_are_sorted_and_joined_and_cut_to_what_fits() {
        for (parts, wanted) in [
            (&[][..], &[][..]),
            (&[(5, 7), (1, 2)], &[(1, 2), (5, 7)]),
            (&[(5, 7), (1, 4)], &[(1, 7)]),
            (&[(1, 9), (2, 3), (9, 12)], &[(1, 12)]),
            (&[(-5, -1), (7, 6)], &[]),
            (&[(i128::MIN, 3), (1 << 63, i128::MAX)], &[(0, 3), (1 << 63, MAX)]),
            (&[(i128::MIN, i128::MAX), (4, 5)], &[(0, MAX)]),
            (&[(1 << 64, 1 << 65)], &[]),
        ] {
            assert_eq!(Ranges::of(parts.iter().copied()).0, wanted, "{parts:?}");
        }
    }

    #[test]
    fn a_number_is_in_a_set_or_in_the_others_and_never_in_both() {
        for parts in [&[][..], &[(0, 0)], &[(3, 9)], &[(0, 4), (9, 9)], &[(7, i128::MAX)]] {
            let ranges = Ranges::of(parts.iter().copied());
            let others = ranges.others();
            assert_eq!(others.others(), ranges);
            for value in (0..12).chain([MAX - 1, MAX]) {
                let wanted = parts.iter().any(|(a, b)| (*a..=*b).contains(&i128::from(value)));
                assert_eq!(inside(&ranges, value), wanted, "{value} in {parts:?}");
                assert_eq!(inside(&others, value), !wanted, "{value} beside {parts:?}");
                assert_eq!(inside(&ranges.without_zero(), value), wanted && value > 0);
                assert_eq!(ranges.meets((value, value)), wanted, "{value} in {parts:?}");
                let near = (value.saturating_sub(2), value.saturating_add(2));
                let any = (near.0..=near.1).any(|value| inside(&ranges, value));
                assert_eq!(ranges.meets(near), any, "near {value} in {parts:?}");
            }
        }
        assert_eq!(Ranges::all().others(), Ranges::of([]));
    }
}
