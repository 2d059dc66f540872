//! How long things took, roughly: counts in buckets whose widths grow with what they hold. Durations in, quantiles
//! out, and bytes, and back.
//!
//! Two sketches add up to that of both. Invariant: a duration lies in its bucket, and a bucket is at most a
//! sixteenth of its lower bound wide.

use std::fmt;
use std::ops::RangeInclusive;

use super::varint::{Source, SourceError, put};
use crate::units::Nanos;

/// Buckets for each power of two, and as many for what is smaller than that.
const SUBBUCKETS: u64 = 16;
/// The logarithm of [`SUBBUCKETS`].
const SUBBUCKET_BITS: u32 = 4;
/// Enough for 64 bits.
pub(super) const BUCKETS: usize = 16 * 61;

/// How many durations lie in each bucket.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Sketch {
    /// Empty, or one for each bucket.
    counts: Vec<u64>,
    total: u64,
}

impl fmt::Debug for Sketch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.buckets()).finish()
    }
}

impl Sketch {
    /// Takes a duration.
    pub fn add(&mut self, duration: Nanos) {
        self.add_many(bucket(duration.0), 1);
    }

    fn add_many(&mut self, bucket: usize, count: u64) {
        if self.counts.is_empty() {
            self.counts = vec![0; BUCKETS];
        }
        self.counts[bucket] = self.counts[bucket].saturating_add(count);
        self.total = self.total.saturating_add(count);
    }

    /// Takes all that `other` took.
    pub fn merge(&mut self, other: &Sketch) {
        for (bucket, count) in other.filled() {
            self.add_many(bucket, count);
        }
    }

    /// How many durations it took.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The bucket in which the duration lies below which `fraction` (0 to 1) of all are; `None` without any.
    pub fn quantile(&self, fraction: f64) -> Option<RangeInclusive<Nanos>> {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rank within a sixteenth is all that is promised"
        )]
        let rank = (fraction.clamp(0.0, 1.0) * self.total as f64).ceil().max(1.0) as u64;
        let mut below: u64 = 0;
        self.buckets().find_map(|(range, count)| {
            below = below.saturating_add(count);
            (below >= rank.min(self.total)).then_some(range)
        })
    }

    /// The buckets that hold something, shortest first, each with its count.
    pub fn buckets(&self) -> impl Iterator<Item = (RangeInclusive<Nanos>, u64)> {
        self.filled().map(|(bucket, count)| (bounds(bucket), count))
    }

    fn filled(&self) -> impl Iterator<Item = (usize, u64)> {
        self.counts.iter().copied().enumerate().filter(|(_, count)| *count > 0)
    }

    /// Appends the number of buckets that hold something, and each of them: the way from the one before, less
    /// one, and its count.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        put(out, self.filled().count() as u64);
        let mut next = 0;
        for (bucket, count) in self.filled() {
            put(out, (bucket - next) as u64);
            put(out, count);
            next = bucket + 1;
        }
    }

    /// Takes what `encode` wrote. Buckets that cannot be are left out.
    pub(super) fn decode(source: &mut Source<'_>) -> Result<Sketch, SourceError> {
        let mut sketch = Sketch::default();
        let mut next: u64 = 0;
        for _ in 0..source.number()? {
            let bucket = next.saturating_add(source.number()?);
            let count = source.number()?;
            if let Some(known) = usize::try_from(bucket).ok().filter(|bucket| *bucket < BUCKETS) {
                sketch.add_many(known, count);
            }
            next = bucket.saturating_add(1);
        }
        Ok(sketch)
    }
}

/// The bucket in which a duration lies.
fn bucket(duration: u64) -> usize {
    if duration < SUBBUCKETS {
        return usize::try_from(duration).unwrap_or(0);
    }
    let shift = duration.ilog2() - SUBBUCKET_BITS;
    let within = (duration >> shift) - SUBBUCKETS;
    usize::try_from(u64::from(shift + 1) * SUBBUCKETS + within).unwrap_or(BUCKETS - 1)
}

/// The shortest and the longest duration in a bucket.
fn bounds(bucket: usize) -> RangeInclusive<Nanos> {
    let bucket = bucket as u64;
    if bucket < SUBBUCKETS {
        return Nanos(bucket)..=Nanos(bucket);
    }
    let shift = bucket / SUBBUCKETS - 1;
    let low = (SUBBUCKETS + bucket % SUBBUCKETS) << shift;
    Nanos(low)..=Nanos(low + ((1 << shift) - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_duration_lies_within_its_bucket_which_is_narrow() {
        let edges = (0..64).flat_map(|bit| [(1u64 << bit) - 1, 1 << bit, (1 << bit) + 1]);
        let more = (0..2000u64).map(|step| step.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (step % 60));
        let mut before = None;
        for duration in edges.chain(more).chain([u64::MAX]) {
            let range = bounds(bucket(duration));
            assert!(range.contains(&Nanos(duration)), "{duration} is not in {range:?}");
            assert!(range.end().0 - range.start().0 <= range.start().0 / 16, "{range:?}");
        }
        for bucket in 0..BUCKETS {
            let range = bounds(bucket);
            assert_eq!(before.map_or(0, |end: u64| end + 1), range.start().0, "no gap, no overlap");
            before = Some(range.end().0);
        }
        assert_eq!(before, Some(u64::MAX));
    }

    #[test]
    fn sketches_add_up_to_the_sketch_of_all() {
        let (mut low, mut high, mut all) =
            (Sketch::default(), Sketch::default(), Sketch::default());
        for step in 1..=1000 {
            let duration = Nanos(step * step);
            let part = if step % 3 == 0 { &mut low } else { &mut high };
            part.add(duration);
            all.add(duration);
        }
        low.merge(&high);
        assert_eq!(low, all);
        assert_eq!(all.total(), 1000);
        for (fraction, exact) in [(0.5, 500 * 500), (0.99, 990 * 990), (1.0, 1_000_000), (0.0, 1)] {
            let range = all.quantile(fraction).unwrap();
            assert!(range.contains(&Nanos(exact)), "{fraction}: {range:?}");
        }
        assert_eq!(Sketch::default().quantile(0.5), None);
    }

    #[test]
    fn sketches_read_back_and_cut_ones_are_refused() {
        let mut sketch = Sketch::default();
        for duration in [0, 15, 16, 80_000, 80_001, u64::MAX] {
            sketch.add(Nanos(duration));
        }
        let mut bytes = Vec::new();
        sketch.encode(&mut bytes);
        assert_eq!(Sketch::decode(&mut Source::new(&bytes, 0)), Ok(sketch.clone()));
        for end in 0..bytes.len() {
            assert!(Sketch::decode(&mut Source::new(&bytes[..end], 0)).is_err(), "{end} bytes");
        }
        let unknown = [2, 0, 7, 0xff, 0xff, 0x03, 1];
        assert_eq!(Sketch::decode(&mut Source::new(&unknown, 0)).unwrap().total(), 7);
    }
}
