//! Which epochs of a side are read: those between equal ones, without going around short gaps.
//!
//! Runs of epochs and their sizes in, parts out. Invariant: what is not wanted is not taken, whether it was read or not.

use std::ops::Range;

use crate::diff::side::Part;
use crate::diff::sums::Sum;
use crate::request::DeviceId;

/// Between two parts that are read one after the other so many requests are read over rather than gone around.
const GAP: u64 = 1 << 14;

/// Epochs of a side that are read.
pub(super) struct Wanted {
    /// Those, in order.
    ranges: Vec<Range<u64>>,
    /// The same with short gaps between them closed.
    parts: Vec<Range<u64>>,
}

/// The epochs of these runs of a list that begins with the epoch `from`.
pub(super) fn wanted(sums: &[Sum], hunks: Vec<Range<usize>>, from: u64) -> Wanted {
    let mut wanted = Wanted { ranges: Vec::new(), parts: Vec::new() };
    let mut end = 0;
    for hunk in hunks.into_iter().filter(|hunk| !hunk.is_empty()) {
        let range = from + hunk.start as u64..from + hunk.end as u64;
        let between: u64 = sums[end..hunk.start].iter().map(|sum| sum.count).sum();
        match wanted.parts.last_mut() {
            Some(part) if between <= GAP => part.end = range.end,
            _ => wanted.parts.push(range.clone()),
        }
        wanted.ranges.push(range);
        end = hunk.end;
    }
    wanted
}

impl Wanted {
    /// What is read.
    pub(super) fn parts(&self, device: DeviceId) -> Vec<Part> {
        let part = |epochs: &Range<u64>| Part { device: Some(device), epochs: epochs.clone() };
        self.parts.iter().map(part).collect()
    }

    /// Whether an epoch is one of those.
    pub(super) fn takes(&self, epoch: u64) -> bool {
        let at = self.ranges.partition_point(|range| range.end <= epoch);
        self.ranges.get(at).is_some_and(|range| range.contains(&epoch))
    }
}
