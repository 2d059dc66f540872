//! Splits what differs at epochs that do not fit the window, so that all others are still aligned by their requests.
//!
//! Runs and sums in, runs out, in the order of both lists. Invariants: an epoch that does not fit is in a run with at most one epoch
//! of the other side, but where one epoch lies against several and may be all of them; all others are in runs of those that fit.

use std::ops::Range;

use super::nearest::{Places, nearest};
use super::runs::Run;
use crate::diff::sums::Sum;

/// Sums of both sides, and how many requests fit.
pub(super) struct Split<'lists> {
    pub(super) base: &'lists [Sum],
    pub(super) new: &'lists [Sum],
    pub(super) window: u64,
}

impl Split<'_> {
    /// The same runs, split.
    pub(super) fn runs(&self, runs: &[Run]) -> Vec<Run> {
        let mut split = Vec::new();
        for run in runs {
            match run {
                Run::Differ { base, new } if self.has_big(base, new) => {
                    self.split(base.clone(), new.clone(), &mut split);
                }
                _ => split.push(run.clone()),
            }
        }
        split
    }

    /// Whether one of the epochs does not fit.
    pub(super) fn has_big(&self, base: &Range<usize>, new: &Range<usize>) -> bool {
        !self.big(self.base, base).is_empty() || !self.big(self.new, new).is_empty()
    }

    /// Those of the epochs that do not fit, counted from the first.
    fn big(&self, sums: &[Sum], range: &Range<usize>) -> Vec<usize> {
        let sums = sums[range.clone()].iter().zip(0..);
        sums.filter(|(sum, _)| sum.count > self.window).map(|(_, at)| at).collect()
    }

    fn split(&self, base: Range<usize>, new: Range<usize>, split: &mut Vec<Run>) {
        if base.len().min(new.len()) == 1 && base.len() != new.len() {
            split.push(Run::Differ { base, new });
            return;
        }
        let (of_base, of_new) = (self.big(self.base, &base), self.big(self.new, &new));
        let (places, others) =
            (Places { at: &of_base, of: base.len() }, Places { at: &of_new, of: new.len() });
        let pairs = nearest(places, others).into_iter();
        let ends = pairs.map(|(one, other)| (base.start + of_base[one], new.start + of_new[other]));
        let (mut start, mut other_start) = (base.start, new.start);
        for (end, other_end) in ends.chain([(base.end, new.end)]) {
            self.alone(start..end, other_start..other_end, split);
            (start, other_start) = ((end + 1).min(base.end), (other_end + 1).min(new.end));
            push(end..start, other_end..other_start, split);
        }
    }

    /// Splits at those that do not fit where only one side has such: each is held against what lies at its place there.
    fn alone(&self, mut base: Range<usize>, mut new: Range<usize>, split: &mut Vec<Run>) {
        let first = |sums, range: &Range<usize>| self.big(sums, range).first().copied();
        while let Some(at) = first(self.base, &base).or_else(|| first(self.new, &new)) {
            let (one, other) = ((base.start + at).min(base.end), (new.start + at).min(new.end));
            push(base.start..one, new.start..other, split);
            (base.start, new.start) = ((one + 1).min(base.end), (other + 1).min(new.end));
            push(one..base.start, other..new.start, split);
        }
        push(base, new, split);
    }
}

fn push(base: Range<usize>, new: Range<usize>, split: &mut Vec<Run>) {
    if !base.is_empty() || !new.is_empty() {
        split.push(Run::Differ { base, new });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Splits one run of epochs of these sizes where three requests fit.
    fn split(base: &[u64], new: &[u64]) -> Vec<(Range<usize>, Range<usize>)> {
        let sums = |sizes: &[u64]| -> Vec<Sum> {
            sizes.iter().map(|count| Sum { count: *count, ..Sum::default() }).collect()
        };
        let (of_base, of_new) = (sums(base), sums(new));
        let split = Split { base: &of_base, new: &of_new, window: 3 };
        let runs = [Run::Differ { base: 0..base.len(), new: 0..new.len() }];
        let ranges = |run| match run {
            Run::Differ { base, new } => (base, new),
            Run::Same { .. } => panic!("nothing is the same"),
        };
        let ranges: Vec<_> = split.runs(&runs).into_iter().map(ranges).collect();
        let (mut at, mut other_at) = (0, 0);
        for (base, new) in &ranges {
            assert_eq!((base.start, new.start), (at, other_at));
            (at, other_at) = (base.end, new.end);
            assert!(
                base.len().max(new.len()) == 1 || !split.has_big(base, new) || ranges.len() == 1
            );
        }
        assert_eq!((at, other_at), (base.len(), new.len()));
        ranges
    }

    #[test]
    fn large_epochs_lie_against_each_other_and_small_ones_stay_together() {
        assert_eq!(split(&[1, 2, 3], &[3, 2]), [(0..3, 0..2)], "all fit");
        assert_eq!(split(&[9, 1, 1, 1], &[8, 1, 1]), [(0..1, 0..1), (1..4, 1..3)]);
        assert_eq!(split(&[1, 1, 9, 1], &[1, 9, 1]), [(0..2, 0..1), (2..3, 1..2), (3..4, 2..3)]);
        assert_eq!(
            split(&[9, 1, 9], &[1, 9, 1, 1, 9]),
            [(0..0, 0..1), (0..1, 1..2), (1..2, 2..4), (2..3, 4..5)]
        );
    }

    #[test]
    fn a_large_epoch_without_its_like_lies_against_what_has_its_place() {
        assert_eq!(split(&[1, 9, 1], &[1, 2, 1]), [(0..1, 0..1), (1..2, 1..2), (2..3, 2..3)]);
        assert_eq!(split(&[1, 2, 1], &[1, 9, 1]), [(0..1, 0..1), (1..2, 1..2), (2..3, 2..3)]);
        assert_eq!(split(&[1, 1, 1, 9, 9], &[1, 9]), [(0..3, 0..1), (3..4, 1..1), (4..5, 1..2)]);
        assert_eq!(split(&[9, 9], &[]), [(0..1, 0..0), (1..2, 0..0)]);
        assert_eq!(split(&[9], &[1, 1, 1]), [(0..1, 0..3)], "it may be all three");
    }
}
