//! What all requests say together: counts, sums, means, percentiles. Rows in, numbers out.
//!
//! A percentile is that of the nearest rank: the least of the values that so many of all do not exceed. Invariants: memory does not
//! grow with the number of rows beyond a bound; up to that bound every percentile is exact, and beyond it at most a thousandth of
//! its size too small.

use std::ops::RangeInclusive;

use hdrhistogram::Histogram;

use super::asked::Asked;
use super::filter::{Number, Test};
use super::function::Statistic;
use crate::units::Nanos;

/// Values of one percentile that are kept one by one.
const EXACT_MAX: usize = 1 << 18;

/// Something that is asked of all requests.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Aggregate {
    pub(super) statistic: Statistic,
    /// Of which number; `None` where requests are counted.
    pub(super) number: Option<Number>,
    /// Of which requests; `None` of all.
    pub(super) of: Option<Test>,
}

impl Aggregate {
    pub(super) fn tests(&self) -> impl Iterator<Item = &Test> {
        self.of.iter()
    }

    pub(super) fn replace(&mut self, with: &mut dyn FnMut(&mut Number)) {
        self.number.iter_mut().for_each(|number| number.replace(with));
        self.of.iter_mut().for_each(|test| test.replace(with));
    }
}

/// What all rows say together, so far.
#[derive(Debug, Clone)]
pub struct Totals {
    tallies: Vec<Tally>,
    /// When the first and the last of all requests were issued.
    time: Option<RangeInclusive<Nanos>>,
}

/// One aggregate, so far.
#[derive(Debug, Clone)]
struct Tally {
    aggregate: Aggregate,
    count: u64,
    /// `None` once it is too large.
    sum: Option<i128>,
    least: i128,
    greatest: i128,
    mean: f64,
    /// The sum of squares of distances from the mean.
    squares: f64,
    spread: Spread,
}

/// How values are spread.
#[derive(Debug, Clone)]
enum Spread {
    Exact(Vec<i128>),
    Rough(Box<Rough>),
}

/// Values in buckets, by their size without their sign.
#[derive(Debug, Clone)]
struct Rough {
    negative: Histogram<u64>,
    others: Histogram<u64>,
}

impl Totals {
    pub(super) fn of(aggregates: &[Aggregate]) -> Totals {
        let tally = |aggregate: &Aggregate| Tally {
            aggregate: aggregate.clone(),
            count: 0,
            sum: Some(0),
            least: i128::MAX,
            greatest: i128::MIN,
            mean: 0.0,
            squares: 0.0,
            spread: Spread::Exact(Vec::new()),
        };
        Totals { tallies: aggregates.iter().map(tally).collect(), time: None }
    }

    /// Takes a row; all must be taken, in order.
    pub fn add<'a>(&mut self, request: impl Into<Asked<'a>>) {
        self.add_asked(&request.into());
    }

    /// The same, of a request that is asked for more than this.
    pub fn add_asked(&mut self, request: &Asked<'_>) {
        let time = request.row.time;
        self.time = Some(match self.time.take() {
            None => time..=time,
            Some(range) => (*range.start()).min(time)..=(*range.end()).max(time),
        });
        self.tallies.iter_mut().for_each(|tally| tally.add(request));
    }

    /// What an aggregate says; `None` if there was nothing that could say it.
    pub(super) fn value(&self, place: usize) -> Option<i128> {
        let tally = self.tallies.get(place)?;
        let count = i128::from(tally.count);
        match tally.aggregate.statistic {
            Statistic::Count => return Some(count),
            Statistic::Sum => return tally.sum,
            Statistic::Rate => {
                const SECOND_NS: i128 = 1_000_000_000;
                let range = self.time.as_ref()?;
                let span = i128::from(range.end().0 - range.start().0);
                let of = if tally.aggregate.number.is_some() { tally.sum? } else { count };
                return of.checked_mul(SECOND_NS)?.checked_div(span);
            }
            _ => {}
        }
        if tally.count == 0 {
            return None;
        }
        match tally.aggregate.statistic {
            Statistic::Mean => tally.sum?.checked_div(count),
            Statistic::Least => Some(tally.least),
            Statistic::Greatest => Some(tally.greatest),
            Statistic::Percentile(of_1000) => tally.percentile(of_1000),
            Statistic::Deviation => Some(tally.deviation()),
            Statistic::Count | Statistic::Sum | Statistic::Rate => None,
        }
    }
}

impl Tally {
    fn add(&mut self, asked: &Asked<'_>) {
        if self.aggregate.of.as_ref().is_some_and(|of| !of.holds(asked)) {
            return;
        }
        let Some(number) = &self.aggregate.number else {
            self.count += 1;
            return;
        };
        let Some(value) = number.of(asked) else { return };
        self.count += 1;
        self.sum = self.sum.and_then(|sum| sum.checked_add(value));
        self.least = self.least.min(value);
        self.greatest = self.greatest.max(value);
        match self.aggregate.statistic {
            Statistic::Deviation => self.deviate(value),
            Statistic::Percentile(_) => self.spread.add(value),
            _ => {}
        }
    }

    /// As Welford has it: no large sums are subtracted from each other.
    #[expect(clippy::cast_precision_loss, reason = "15 digits of a deviation are enough")]
    fn deviate(&mut self, value: i128) {
        let value = value as f64;
        let from_mean = value - self.mean;
        self.mean += from_mean / self.count as f64;
        self.squares += from_mean * (value - self.mean);
    }

    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        reason = "15 digits of a deviation are enough"
    )]
    fn deviation(&self) -> i128 {
        (self.squares / self.count as f64).sqrt() as i128
    }

    fn percentile(&self, of_1000: u16) -> Option<i128> {
        let rank = (u128::from(self.count) * u128::from(of_1000)).div_ceil(1000).max(1);
        let rank = u64::try_from(rank).ok()?;
        let value = self.spread.at(rank)?;
        Some(value.clamp(self.least, self.greatest))
    }
}

impl Spread {
    fn add(&mut self, value: i128) {
        match self {
            Spread::Exact(values) if values.len() < EXACT_MAX => values.push(value),
            Spread::Exact(values) => {
                let Some(mut rough) = Rough::new() else { return };
                values.drain(..).for_each(|value| rough.add(value));
                rough.add(value);
                *self = Spread::Rough(Box::new(rough));
            }
            Spread::Rough(rough) => rough.add(value),
        }
    }

    /// The value at this rank, from 1 for the least.
    fn at(&self, rank: u64) -> Option<i128> {
        match self {
            Spread::Exact(values) => {
                let place = usize::try_from(rank.checked_sub(1)?).ok()?;
                let mut values = values.clone();
                let in_range = place < values.len();
                in_range.then(|| *values.select_nth_unstable(place).1)
            }
            Spread::Rough(rough) => rough.at(rank),
        }
    }
}

impl Rough {
    /// Three digits of every number are kept.
    fn new() -> Option<Rough> {
        let histogram = || Histogram::new_with_bounds(1, u64::MAX / 2, 3).ok();
        Some(Rough { negative: histogram()?, others: histogram()? })
    }

    fn add(&mut self, value: i128) {
        let size = u64::try_from(value.unsigned_abs()).unwrap_or(u64::MAX);
        let histogram = if value < 0 { &mut self.negative } else { &mut self.others };
        histogram.saturating_record(size);
    }

    fn at(&self, rank: u64) -> Option<i128> {
        let below = self.negative.len();
        if rank <= below {
            // The least has the greatest size.
            let size = nth(&self.negative, below - rank + 1)?;
            return Some(-i128::from(size));
        }
        nth(&self.others, rank - below).map(i128::from)
    }
}

/// The lower end of the bucket in which the value at this rank lies.
fn nth(histogram: &Histogram<u64>, rank: u64) -> Option<u64> {
    let mut left = rank;
    for bucket in histogram.iter_recorded() {
        let count = bucket.count_at_value();
        if left <= count {
            return Some(histogram.lowest_equivalent(bucket.value_iterated_to()));
        }
        left -= count;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The value at a rank, with all of them in memory.
    fn nearest(values: &[i128], rank: u64) -> i128 {
        let mut values = values.to_vec();
        values.sort_unstable();
        values[usize::try_from(rank).unwrap() - 1]
    }

    fn spread(values: &[i128]) -> Spread {
        let mut spread = Spread::Exact(Vec::new());
        for value in values {
            spread.add(*value);
        }
        spread
    }

    #[test]
    fn up_to_the_bound_every_rank_is_exact() {
        let values: Vec<i128> = (0..1000).map(|place| (place * 7919) % 1000 - 500).collect();
        let spread = spread(&values);
        for rank in 1..=1000 {
            assert_eq!(spread.at(rank), Some(nearest(&values, rank)), "{rank}");
        }
        assert_eq!((spread.at(0), spread.at(1001)), (None, None));
    }

    #[test]
    fn beyond_the_bound_a_rank_is_a_thousandth_too_small_at_most() {
        let count = i128::try_from(EXACT_MAX).unwrap() + 1000;
        let values: Vec<i128> = (0..count)
            .map(|place| ((place * 7_919) % count - count / 3) * (1 + place % 7 * 1_000_003))
            .collect();
        let spread = spread(&values);
        assert!(matches!(spread, Spread::Rough(_)));
        for rank in (1..=u64::try_from(count).unwrap()).step_by(9_973) {
            let (exact, found) = (nearest(&values, rank), spread.at(rank).unwrap());
            assert!(found.abs() <= exact.abs(), "{found} is larger than {exact}");
            assert!((exact - found).abs() * 1000 <= exact.abs(), "{found} is not {exact}");
        }
        assert_eq!(spread.at(u64::try_from(count).unwrap() + 1), None);
    }

    #[test]
    fn what_no_histogram_holds_is_cut_to_what_there_was() {
        let aggregate = Aggregate {
            statistic: Statistic::Percentile(500),
            number: Some(Number::Constant(0)),
            of: None,
        };
        let mut totals = Totals::of(&[aggregate]);
        let tally = &mut totals.tallies[0];
        tally.spread = Spread::Rough(Box::new(Rough::new().unwrap()));
        (tally.count, tally.least, tally.greatest) = (1, i128::MIN, i128::MIN);
        tally.spread.add(i128::MIN);
        assert_eq!(totals.value(0), Some(i128::MIN));
    }
}
