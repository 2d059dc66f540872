//! How much was done in which time: rows in, spans and rates out.
//!
//! Invariant: a request counts from its arrival to its release, and one that was never released not at all.

use super::around::released;
use super::slices::{Growth, Merge, Slices};
use crate::rows::Row;
use crate::units::Nanos;

/// Width of the slices in which throughput is looked at, as long as the recording is short: 1 ms.
const SLICE_NS: u64 = 1_000_000;

/// How much was done in which time.
#[derive(Debug, Clone)]
pub struct Pace {
    first: Option<u64>,
    last: u64,
    /// All up to here has been looked at for `busy`.
    swept: u64,
    busy: u64,
    in_flight: u128,
    moved: u64,
    slices: Slices<Done>,
}

/// What was done in a slice of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Done {
    /// Requests released.
    pub requests: u64,
    /// Data of reads and writes among them that went well, in bytes.
    pub bytes: u64,
}

impl Merge for Done {
    fn merge(&mut self, other: Done) {
        self.requests += other.requests;
        self.bytes = self.bytes.saturating_add(other.bytes);
    }
}

impl Default for Pace {
    fn default() -> Pace {
        let slices = Slices::new(SLICE_NS, Growth::Decimal);
        Pace { first: None, last: 0, swept: 0, busy: 0, in_flight: 0, moved: 0, slices }
    }
}

impl Pace {
    /// Takes the next request.
    pub(super) fn add(&mut self, row: &Row) {
        let issue = row.time.0;
        self.first = Some(self.first.map_or(issue, |first| first.min(issue)));
        self.last = self.last.max(issue);
        let Some(release) = released(row) else { return };
        self.last = self.last.max(release);
        let from = issue.max(self.swept);
        self.busy += release.saturating_sub(from);
        self.swept = self.swept.max(release);
        self.in_flight += u128::from(release.saturating_sub(issue));
        let is_ok = row.completion.as_ref().is_some_and(|end| end.result.is_ok());
        let bytes = if is_ok { row.request.data_bytes() } else { 0 };
        self.moved = self.moved.saturating_add(bytes);
        self.slices.at(release).merge(Done { requests: 1, bytes });
    }

    /// From the first issue to the last release.
    pub fn span(&self) -> Nanos {
        Nanos(self.last.saturating_sub(self.first.unwrap_or(self.last)))
    }

    /// How long at least one request was in flight.
    pub fn busy(&self) -> Nanos {
        Nanos(self.busy)
    }

    /// Data of reads and writes that went well, in bytes.
    pub fn moved(&self) -> u64 {
        self.moved
    }

    /// How many requests of all devices were in flight, on average over this time; `None` over none.
    #[expect(clippy::cast_precision_loss, reason = "an average that is looked at")]
    pub fn in_flight(&self, over: Nanos) -> Option<f64> {
        (over.0 > 0).then(|| self.in_flight as f64 / over.0 as f64)
    }

    /// What was done over time: the width of the slices, and those in which something was, each with its begin.
    pub fn slices(&self) -> (Nanos, Vec<(Nanos, Done)>) {
        let slices = self.slices.iter().map(|(from, done)| (Nanos(from), *done));
        (Nanos(self.slices.width()), slices.collect())
    }
}

/// So much in this time, a second; `None` in none.
#[expect(clippy::cast_precision_loss, reason = "a rate that is looked at")]
pub fn rate(amount: u64, time: Nanos) -> Option<f64> {
    (time.0 > 0).then(|| amount as f64 * 1e9 / time.0 as f64)
}
