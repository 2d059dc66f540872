//! How numbers are spread: a number after another in, count, sum, mean, deviation, least, greatest and percentiles out.
//!
//! Memory does not grow with what was taken. Invariant: all but percentiles and the deviation are exact, and a percentile is
//! never below the nearest rank's number, nor above it by more than one part in a thousand (a hundred, if coarse).

use hdrhistogram::Histogram;

/// The largest number that percentiles tell from smaller ones: 146 years of nanoseconds.
const LARGEST: u64 = 1 << 62;

/// How numbers are spread.
#[derive(Debug, Clone)]
pub struct Spread {
    digits: u8,
    /// `None` before the first number: there are many spreads, and few are filled.
    histogram: Option<Box<Histogram<u64>>>,
    count: u64,
    sum: u128,
    squares: u128,
    min: u64,
    max: u64,
}

impl Default for Spread {
    fn default() -> Spread {
        Spread::with_digits(3)
    }
}

impl Spread {
    /// One whose percentiles are good for one part in a hundred, and that takes a tenth of the memory.
    pub fn coarse() -> Spread {
        Spread::with_digits(2)
    }

    fn with_digits(digits: u8) -> Spread {
        Spread { digits, histogram: None, count: 0, sum: 0, squares: 0, min: u64::MAX, max: 0 }
    }

    /// Takes a number.
    pub fn add(&mut self, number: u64) {
        self.add_many(number, 1);
    }

    /// Takes a number so many times.
    pub fn add_many(&mut self, number: u64, times: u64) {
        if times == 0 {
            return;
        }
        self.count += times;
        self.sum += u128::from(number) * u128::from(times);
        let square = u128::from(number) * u128::from(number);
        self.squares = self.squares.saturating_add(square.saturating_mul(u128::from(times)));
        self.min = self.min.min(number);
        self.max = self.max.max(number);
        let digits = self.digits;
        let histogram = self.histogram.get_or_insert_with(|| {
            Box::new(Histogram::new(digits).expect("two and three digits are possible"))
        });
        let number = number.min(LARGEST);
        histogram.record_n(number, times).expect("a histogram grows up to 2^62");
    }

    /// Takes all that `other` took, which is as coarse as this one.
    pub fn merge(&mut self, other: &Spread) {
        self.count += other.count;
        self.sum += other.sum;
        self.squares = self.squares.saturating_add(other.squares);
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        match (&mut self.histogram, &other.histogram) {
            (_, None) => {}
            (Some(own), Some(other)) => own.add(&**other).expect("a histogram grows up to 2^62"),
            (own, other) => own.clone_from(other),
        }
    }

    /// How many numbers it took.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// All of them together.
    pub fn sum(&self) -> u128 {
        self.sum
    }

    /// The least; `None` without any, as the rest.
    pub fn min(&self) -> Option<u64> {
        (self.count > 0).then_some(self.min)
    }

    /// The greatest.
    pub fn max(&self) -> Option<u64> {
        (self.count > 0).then_some(self.max)
    }

    /// The mean, rounded down.
    pub fn mean(&self) -> Option<u64> {
        let mean = self.sum.checked_div(u128::from(self.count))?;
        u64::try_from(mean).ok()
    }

    /// The standard deviation of all that was taken, rounded to the nearest.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a deviation within one part in a million is all that is promised"
    )]
    pub fn deviation(&self) -> Option<u64> {
        let count = (self.count > 0).then_some(self.count as f64)?;
        let mean = self.sum as f64 / count;
        let variance = self.squares as f64 / count - mean * mean;
        Some(variance.max(0.0).sqrt().round() as u64)
    }

    /// The number at the nearest rank of `fraction` (0 to 1).
    pub fn quantile(&self, fraction: f64) -> Option<u64> {
        let histogram = self.histogram.as_ref()?;
        let found = histogram.value_at_quantile(fraction.clamp(0.0, 1.0));
        Some(found.clamp(self.min, self.max))
    }

    /// How many numbers are in each of the powers of two between least and greatest: what bars are made of. Each with the
    /// lower end of its power.
    pub fn powers(&self) -> Vec<(u64, u64)> {
        let (Some(histogram), Some(min), Some(max)) = (&self.histogram, self.min(), self.max())
        else {
            return Vec::new();
        };
        let (first, last) = (min.max(1).ilog2(), max.clamp(1, LARGEST).ilog2());
        let mut counts = vec![0; (first..=last).count()];
        for value in histogram.iter_recorded() {
            let power = value.value_iterated_to().clamp(min.max(1), max.max(1)).ilog2();
            let place = power.clamp(first, last) - first;
            counts[place as usize] += value.count_at_value();
        }
        (first..=last).map(|power| 1 << power).zip(counts).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The number at the nearest rank, by sorting.
    fn nearest(numbers: &[u64], fraction: f64) -> u64 {
        let mut sorted = numbers.to_vec();
        sorted.sort_unstable();
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "few numbers"
        )]
        let rank = (fraction * sorted.len() as f64).ceil() as usize;
        sorted[rank.clamp(1, sorted.len()) - 1]
    }

    #[track_caller]
    fn check(spread: &Spread, numbers: &[u64], parts: u64) {
        assert_eq!(spread.count(), numbers.len() as u64);
        let sum: u128 = numbers.iter().map(|number| u128::from(*number)).sum();
        assert_eq!(spread.sum(), sum);
        assert_eq!(spread.min(), numbers.iter().min().copied());
        assert_eq!(spread.max(), numbers.iter().max().copied());
        assert_eq!(spread.powers().iter().map(|(_, count)| count).sum::<u64>(), spread.count());
        for fraction in [0.0, 0.5, 0.9, 0.99, 0.999, 1.0] {
            let (found, exact) = (spread.quantile(fraction).unwrap(), nearest(numbers, fraction));
            let above = exact.saturating_add(exact / parts + 1);
            assert!((exact..=above).contains(&found), "{fraction}: {found} for {exact}");
        }
    }

    #[test]
    fn percentiles_are_those_of_the_nearest_rank_within_their_digits() {
        let random = |step: u64| step.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        for shift in [2, 20, 40, 60, 63] {
            for count in [1, 2, 9, 10, 1000] {
                let numbers: Vec<u64> = (1..=count).map(|step| random(step) >> shift).collect();
                let (mut fine, mut coarse) = (Spread::default(), Spread::coarse());
                for number in &numbers {
                    fine.add(*number);
                    coarse.add(*number);
                }
                check(&fine, &numbers, 1000);
                check(&coarse, &numbers, 100);
            }
        }
    }

    #[test]
    fn two_spreads_add_up_to_that_of_all() {
        let numbers: Vec<u64> = (0..500).map(|step| step * step * 1001).collect();
        let mut halves = [Spread::default(), Spread::default()];
        for (place, number) in numbers.iter().enumerate() {
            halves[usize::from(place % 5 > 2)].add(*number);
        }
        let mut all = Spread::default();
        all.merge(&halves[0]);
        all.merge(&halves[1]);
        all.merge(&Spread::default());
        check(&all, &numbers, 1000);
    }

    #[test]
    fn mean_and_deviation_are_those_of_the_schoolbook() {
        let mut spread = Spread::default();
        assert_eq!((spread.mean(), spread.deviation(), spread.quantile(0.5)), (None, None, None));
        for number in [2, 4, 4, 4, 5, 5, 7, 9] {
            spread.add(number);
        }
        assert_eq!((spread.mean(), spread.deviation()), (Some(5), Some(2)));
    }

    #[test]
    fn numbers_of_any_size_are_taken() {
        let mut spread = Spread::default();
        for number in [0, u64::MAX, u64::MAX] {
            spread.add(number);
        }
        assert_eq!((spread.min(), spread.max()), (Some(0), Some(u64::MAX)));
        assert!(spread.quantile(1.0).unwrap() >= 1 << 62);
        assert!(spread.deviation().is_some());
        assert_eq!(spread.powers().len(), 63);
    }

    #[test]
    fn a_number_that_is_taken_many_times_is_as_if_it_were_taken_one_by_one() {
        let mut once = Spread::default();
        let mut many = Spread::default();
        for (number, times) in [(7, 3), (100_000, 5), (9, 0), (u64::MAX, 2), (0, 4)] {
            (0..times).for_each(|_| once.add(number));
            many.add_many(number, times);
        }
        let seen = |spread: &Spread| {
            let quantiles = [0.0, 0.3, 0.5, 0.9, 1.0].map(|part| spread.quantile(part));
            let sums = (spread.count(), spread.sum(), spread.deviation());
            (sums, spread.min(), spread.max(), quantiles, spread.powers())
        };
        assert_eq!(seen(&many), seen(&once));
    }
}
