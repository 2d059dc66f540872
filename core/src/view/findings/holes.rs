//! What answers to block status say of ranges that nobody wrote: rows in, data, a hole, or nothing known out.
//!
//! Invariant: memory is bounded as that of `Written` is; where that made ranges larger than they were, more is taken for data, and
//! nothing for a hole.

use crate::event::Payload;
use crate::limits::WRITTEN_RANGES_MAX;
use crate::request::{DeviceId, Operation};
use crate::rows::{Row, Written};
use crate::units::ByteRange;

/// What was told so far.
#[derive(Debug)]
pub(super) struct Holes {
    /// Neither a hole nor said to read as zeroes: somebody wrote there before.
    data: Written,
    /// A hole that reads as zeroes.
    holes: Written,
}

impl Default for Holes {
    fn default() -> Holes {
        Holes::holding(WRITTEN_RANGES_MAX)
    }
}

impl Holes {
    /// Keeps so many ranges of data, and as many holes, apart.
    pub(super) fn holding(limit: usize) -> Holes {
        Holes { data: Written::holding(limit), holes: Written::holding(limit) }
    }

    /// Takes the answer, if the row has one.
    pub(super) fn row(&mut self, row: &Row) {
        let Some(completion) = &row.completion else { return };
        if row.request.operation != Operation::BlockStatus || completion.result.is_err() {
            return;
        }
        let mut offset = row.request.range.offset;
        for extent in &completion.extents {
            let range = ByteRange::new(offset, extent.length);
            match (extent.hole, extent.zero) {
                (true, true) => self.holes.insert(row.device, range),
                (false, false) => self.data.insert(row.device, range),
                (true, false) | (false, true) => {}
            }
            offset = range.end();
        }
    }

    /// Whether all ranges are still those that were told.
    pub(super) fn are_exact(&self) -> bool {
        self.data.is_exact() && self.holes.is_exact()
    }

    /// Whether all of a range was told to be data. Zeroes that are there were written.
    pub(super) fn has_data(&self, device: DeviceId, range: ByteRange) -> bool {
        self.data.covers(device, range)
    }

    /// Whether a request reads only a hole that nobody wrote, of which the trace has neither data nor digest.
    pub(super) fn is_read(&self, row: &Row) -> bool {
        row.context.never_written == Some(true)
            && row.payload == Payload::Absent
            && row.completion.as_ref().is_some_and(|completion| completion.result.is_ok())
            && self.holes.is_exact()
            && self.holes.covers(row.device, row.request.range)
    }
}
