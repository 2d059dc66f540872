//! What the requests of one operation amount to: rows in, sums out.
//!
//! Invariant: what is called exact is, and memory does not grow with the rows.

use std::collections::BTreeMap;

use super::around::Around;
use super::spread::Spread;
use crate::limits::STATS_VALUES_MAX;
use crate::rows::Row;

/// Sums over the requests of one operation.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// How many there are.
    pub requests: u64,
    /// How many of them have a completion.
    pub completed: u64,
    /// How many of those with an error.
    pub errors: u64,
    /// How many of those whose client had gone.
    pub undelivered: u64,
    /// How many of those the front refused.
    pub refused: u64,
    /// What all asked for, in bytes; 0 for flushes.
    pub bytes: u64,
    /// The same of those that were completed without an error.
    pub bytes_done: u64,
    /// From the arrival of each until the image was done, in nanoseconds.
    pub latency: Spread,
    /// From then until its release.
    pub hold: Spread,
    /// Both: what the client waited, less the way of its bytes.
    pub total: Spread,
    /// Requests of its device in flight when each was issued, itself counted.
    pub depth: Spread,
    /// Lengths.
    pub sizes: Sizes,
    /// Where they lie.
    pub places: Places,
}

/// Where requests lie.
#[derive(Debug, Clone, Default)]
pub struct Places {
    /// Those that have a range.
    pub ranged: u64,
    /// Those of which another of their device and direction came before.
    pub followed: u64,
    /// Those of them that begin where that one ended.
    pub sequential: u64,
    /// How far the others begin from there, either way, in bytes.
    pub distance: Spread,
    /// Those whose offset and length are multiples of 512 bytes.
    pub aligned_512: u64,
    /// The same of 4096 bytes.
    pub aligned_4096: u64,
    /// The same of the block that their device prefers.
    pub aligned_block: u64,
}

impl Tally {
    /// Takes a request of a device that prefers blocks of `block` bytes.
    pub(super) fn add(&mut self, row: &Row, around: Around, block: u64) {
        let length = row.request.range.length;
        self.requests += 1;
        self.bytes = self.bytes.saturating_add(length);
        if let Some(depth) = row.context.depth {
            self.depth.add(depth.into());
        }
        if length > 0 {
            self.sizes.add(length);
            self.places.add(row, around, block);
        }
        let Some(end) = &row.completion else { return };
        self.completed += 1;
        self.errors += u64::from(end.result.is_err());
        self.undelivered += u64::from(end.flags.undelivered);
        self.refused += u64::from(end.flags.refused);
        if end.result.is_ok() {
            self.bytes_done = self.bytes_done.saturating_add(length);
        }
        self.latency.add(end.latency.0);
        self.hold.add(end.hold.0);
        self.total.add(end.latency.after(end.hold).0);
    }
}

impl Places {
    fn add(&mut self, row: &Row, around: Around, block: u64) {
        let range = row.request.range;
        self.ranged += 1;
        if let Some(distance) = around.distance {
            self.followed += 1;
            if distance == 0 {
                self.sequential += 1;
            } else {
                self.distance.add(distance);
            }
        }
        let both = range.offset | range.length;
        self.aligned_512 += u64::from(both.is_multiple_of(512));
        self.aligned_4096 += u64::from(both.is_multiple_of(4096));
        let aligned = |number: u64| number.is_multiple_of(block.max(1));
        self.aligned_block += u64::from(aligned(range.offset) && aligned(range.length));
    }
}

/// How long requests are.
#[derive(Debug, Clone)]
pub struct Sizes {
    powers: [u64; 64],
    counts: BTreeMap<u64, u64>,
    others: u64,
}

impl Default for Sizes {
    fn default() -> Sizes {
        Sizes { powers: [0; 64], counts: BTreeMap::new(), others: 0 }
    }
}

impl Sizes {
    fn add(&mut self, length: u64) {
        self.powers[length.ilog2() as usize] += 1;
        let is_full = self.counts.len() >= STATS_VALUES_MAX;
        match self.counts.get_mut(&length) {
            Some(count) => *count += 1,
            None if is_full => self.others += 1,
            None => {
                self.counts.insert(length, 1);
            }
        }
    }

    /// How many there are from each power of two up to the next; only of those that have some.
    pub fn powers(&self) -> impl Iterator<Item = (u64, u64)> {
        let counts = self.powers.iter().enumerate();
        counts.filter(|(_, count)| **count > 0).map(|(power, count)| (1 << power, *count))
    }

    /// Lengths and how many requests have them, most common first.
    pub fn common(&self) -> Vec<(u64, u64)> {
        let mut counts: Vec<_> =
            self.counts.iter().map(|(length, count)| (*length, *count)).collect();
        counts.sort_unstable_by_key(|(length, count)| (std::cmp::Reverse(*count), *length));
        counts
    }

    /// Requests of lengths that are not told apart: those that came when there were `STATS_VALUES_MAX` others.
    pub fn others(&self) -> u64 {
        self.others
    }
}
