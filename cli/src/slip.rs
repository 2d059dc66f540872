//! How late requests went out, and how late they may: `--max-slip p99=1ms`. A replay comes in, a verdict goes out.
//!
//! Invariant: a bound that is not kept is told with the figure.

use std::str::FromStr;

use blkreplay_core::engine::Replayed;
use blkreplay_core::units::Nanos;

/// Which of all the delays is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    P50,
    P90,
    P99,
    Max,
}

impl Which {
    const NAMES: [(Which, &'static str); 4] =
        [(Which::P50, "p50"), (Which::P90, "p90"), (Which::P99, "p99"), (Which::Max, "max")];

    fn name(self) -> &'static str {
        Self::NAMES[self as usize].1
    }

    fn of(self, replayed: &Replayed) -> Nanos {
        match self {
            Which::P50 => quantile(replayed, 0.5),
            Which::P90 => quantile(replayed, 0.9),
            Which::P99 => quantile(replayed, 0.99),
            Which::Max => replayed.slip_max,
        }
    }
}

/// A bound on how late requests go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SlipBound {
    which: Which,
    most: Nanos,
}

/// A text that is no bound.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum SlipBoundError {
    /// It names no quantile.
    #[error("write p50, p90, p99 or max, =, and a time, such as p99=1ms")]
    Malformed,
    /// It has no time.
    #[error(transparent)]
    Span(#[from] blkreplay_core::units::SpanError),
}

impl FromStr for SlipBound {
    type Err = SlipBoundError;

    fn from_str(text: &str) -> Result<SlipBound, SlipBoundError> {
        let (name, most) = text.split_once('=').ok_or(SlipBoundError::Malformed)?;
        let found = Which::NAMES.iter().find(|(_, known)| *known == name);
        let which = found.ok_or(SlipBoundError::Malformed)?.0;
        Ok(SlipBound { which, most: most.parse()? })
    }
}

impl SlipBound {
    /// What to say if the bound was not kept.
    pub(crate) fn exceeded(self, replayed: &Replayed) -> Option<String> {
        let found = self.which.of(replayed);
        let (name, most) = (self.which.name(), self.most);
        (found > most).then(|| {
            format!("requests went out later than --max-slip: {name} {found}, the bound is {most}")
        })
    }
}

/// `p50 12µs  p99 80µs  max 1ms`; `None` if no request had a time of its own.
pub(crate) fn line(replayed: &Replayed) -> Option<String> {
    (replayed.slip.total() > 0).then(|| {
        let shown = [Which::P50, Which::P99, Which::Max];
        shown.map(|which| format!("{} {}", which.name(), which.of(replayed))).join("  ")
    })
}

/// The upper end of the bucket that the quantile is in, at most the longest of all.
pub(crate) fn quantile(replayed: &Replayed, fraction: f64) -> Nanos {
    let bucket = replayed.slip.quantile(fraction).map(|bucket| *bucket.end());
    bucket.unwrap_or_default().min(replayed.slip_max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_read_and_nonsense_is_refused() {
        let bound = SlipBound { which: Which::P99, most: Nanos(1_000_000) };
        assert_eq!("p99=1ms".parse(), Ok(bound));
        for wrong in ["p99", "p98=1ms", "=1ms"] {
            assert_eq!(wrong.parse::<SlipBound>(), Err(SlipBoundError::Malformed), "{wrong}");
        }
        assert!(matches!("max=1".parse::<SlipBound>(), Err(SlipBoundError::Span(_))));
    }

    #[test]
    fn a_bound_that_is_not_kept_is_told_with_the_figure() {
        let mut replayed = Replayed { slip_max: Nanos(2_000_000), ..Replayed::default() };
        replayed.slip.add(Nanos(2_000_000));
        let bound: SlipBound = "max=1ms".parse().unwrap();
        let told = bound.exceeded(&replayed).unwrap();
        assert!(told.ends_with("max 2.00ms, the bound is 1.00ms"), "{told}");
        let bound: SlipBound = "max=2ms".parse().unwrap();
        assert_eq!(bound.exceeded(&replayed), None);
    }
}
