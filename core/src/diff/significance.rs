//! Whether a difference of several runs may be chance. Values of runs in, how likely that is out.
//!
//! Exact, for as many runs as are allowed: no table, no normal curve. Invariant: the same values in another order give the same.

use crate::limits::DIFF_RUNS_A_SIDE_MAX;

/// How likely it is by chance that two sides are ranked at least as far apart as these, whichever is the greater one: the
/// two-sided test of Mann and Whitney (Wilcoxon's rank sum), over all ways to deal the values out to the two sides. Equal
/// values share their ranks. 1 for a side without values.
///
/// # Panics
///
/// With more than [`DIFF_RUNS_A_SIDE_MAX`] values a side.
pub(super) fn rank_sum(base: &[i128], new: &[i128]) -> f64 {
    assert!(base.len().max(new.len()) <= DIFF_RUNS_A_SIDE_MAX, "what was not bounded before");
    let (few, many) = if base.len() <= new.len() { (base, new) } else { (new, base) };
    let mut all: Vec<(i128, bool)> = Vec::new();
    all.extend(few.iter().map(|value| (*value, true)));
    all.extend(many.iter().map(|value| (*value, false)));
    all.sort_unstable();
    // Ranks are doubled, so that shared ones are whole.
    let mut ranks = Vec::with_capacity(all.len());
    for equal in all.chunk_by(|one, other| one.0 == other.0) {
        let shared = 2 * ranks.len() + equal.len() + 1;
        ranks.extend(std::iter::repeat_n(shared, equal.len()));
    }
    let found: usize =
        ranks.iter().zip(&all).filter(|(_, (_, few))| *few).map(|(rank, _)| rank).sum();
    let mean = few.len() * (all.len() + 1);
    let ways = ways(&ranks, few.len());
    let far: f64 = ways
        .iter()
        .enumerate()
        .filter(|(sum, _)| sum.abs_diff(mean) >= found.abs_diff(mean))
        .map(|(_, ways)| ways)
        .sum();
    (far / ways.iter().sum::<f64>()).min(1.0)
}

/// In how many ways so many of the ranks have each sum.
fn ways(ranks: &[usize], choose: usize) -> Vec<f64> {
    let most: usize = ranks.iter().sum();
    let mut ways = vec![vec![0.0; most + 1]; choose + 1];
    ways[0][0] = 1.0;
    for (place, rank) in ranks.iter().enumerate() {
        for chosen in (0..choose.min(place + 1)).rev() {
            for sum in (0..=most - rank).rev() {
                let more = ways[chosen][sum];
                ways[chosen + 1][sum + rank] += more;
            }
        }
    }
    ways.swap_remove(choose)
}

/// How likely it is by chance that at least `beyond` of `runs` lie beyond something that as many lie beyond as not: the
/// one-sided sign test.
pub(super) fn sign(beyond: usize, runs: usize) -> f64 {
    let mut chances = vec![1.0];
    for _ in 0..runs {
        let mut next = vec![0.0; chances.len() + 1];
        for (place, chance) in chances.iter().enumerate() {
            next[place] += chance / 2.0;
            next[place + 1] += chance / 2.0;
        }
        chances = next;
    }
    chances.iter().skip(beyond).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The test as it is defined: every way to deal the values out, each with the mean of ranks compared by pairs.
    fn slow(base: &[i128], new: &[i128]) -> f64 {
        let all: Vec<i128> = base.iter().chain(new).copied().collect();
        // Twice the number of pairs in which the value of base is the greater one.
        let statistic = |chosen: u32| {
            let mut twice = 0_i64;
            for (one, value) in all.iter().enumerate() {
                for (other, against) in all.iter().enumerate() {
                    if chosen >> one & 1 == 1 && chosen >> other & 1 == 0 {
                        twice += match value.cmp(against) {
                            std::cmp::Ordering::Less => 0,
                            std::cmp::Ordering::Equal => 1,
                            std::cmp::Ordering::Greater => 2,
                        };
                    }
                }
            }
            twice
        };
        let mean = i64::try_from(base.len() * new.len()).unwrap();
        let distance = |chosen| (statistic(chosen) - mean).abs();
        let found = distance((1 << base.len()) - 1);
        let dealt =
            || (0..1_u32 << all.len()).filter(|set| set.count_ones() as usize == base.len());
        let far = dealt().filter(|set| distance(*set) >= found).count();
        f64::from(u32::try_from(far).unwrap()) / f64::from(u32::try_from(dealt().count()).unwrap())
    }

    proptest! {
        #[test]
        fn it_is_what_dealing_out_in_every_way_says(
            base in prop::collection::vec(0_i128..6, 1..6),
            new in prop::collection::vec(0_i128..6, 1..6),
        ) {
            prop_assert!((rank_sum(&base, &new) - slow(&base, &new)).abs() < 1e-9);
            prop_assert!((rank_sum(&base, &new) - rank_sum(&new, &base)).abs() < 1e-9);
        }
    }

    #[test]
    fn known_values_come_out() {
        let close =
            |found: f64, known: f64| assert!((found - known).abs() < 1e-9, "{found} {known}");
        close(rank_sum(&[1, 2, 3, 4, 5], &[6, 7, 8, 9, 10]), 2.0 / 252.0);
        close(rank_sum(&[1, 2, 3, 4], &[5, 6, 7, 8]), 2.0 / 70.0);
        close(rank_sum(&[1, 3, 5, 7, 9], &[2, 4, 6, 8, 10]), 174.0 / 252.0);
        close(rank_sum(&[5; 5], &[5; 5]), 1.0);
        close(rank_sum(&[], &[1]), 1.0);
        close(sign(5, 5), 1.0 / 32.0);
        close(sign(0, 5), 1.0);
        close(sign(4, 5), 6.0 / 32.0);
    }

    #[test]
    fn as_many_runs_as_are_allowed_can_be_told_apart() {
        let base: Vec<i128> = (0..).take(DIFF_RUNS_A_SIDE_MAX).collect();
        let new: Vec<i128> = base.iter().map(|value| value + 1000).collect();
        let p = rank_sum(&base, &new);
        assert!(p > 0.0 && p < 1e-17, "{p}");
        assert!(rank_sum(&base, &base) > 0.99);
    }
}
