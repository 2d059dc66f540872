//! What a request is among those around it: rows in the order of issue in, what statistics ask of each out.
//!
//! It is the same whether the others are counted or not. What a row's own context has is not here. Invariant: no more than
//! `ROWS_HELD_MAX` flushes of a device are remembered as in flight.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::limits::ROWS_HELD_MAX;
use crate::request::{Flags, Operation};
use crate::rows::Row;

/// What a request is among those around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Around {
    /// How far from the end of the one before it of its device and direction it begins, in bytes; `None` for the first, and
    /// without a range.
    pub(super) distance: Option<u64>,
    /// It is a flush, and all that was written before it was durable already.
    pub(super) redundant: bool,
}

/// What is remembered of a device.
#[derive(Debug, Default)]
struct Device {
    /// Where the last request of each direction ended.
    ends: [Option<u64>; 5],
    /// Flushes in flight: when each is released, and when it was issued.
    flushes: BinaryHeap<Reverse<(u64, u64)>>,
    /// When the last of the flushes that were released was issued.
    covered: Option<u64>,
    /// When the last request that needs a flush is released.
    dirty: Option<u64>,
}

/// Remembers what is needed of requests so far.
#[derive(Debug, Default)]
pub(super) struct Surroundings {
    /// By their number, of 16 bits.
    devices: Vec<Device>,
}

/// The direction of an operation that has a range.
fn direction(operation: Operation) -> Option<usize> {
    match operation {
        Operation::Read => Some(0),
        Operation::Write | Operation::WriteZeroes => Some(1),
        Operation::Discard => Some(2),
        Operation::BlockStatus => Some(3),
        Operation::Cache => Some(4),
        Operation::Flush => None,
    }
}

impl Surroundings {
    /// What the next request is among those before it.
    pub(super) fn take(&mut self, row: &Row) -> Around {
        let number = usize::from(row.device.0);
        if number >= self.devices.len() {
            self.devices.resize_with(number + 1, Device::default);
        }
        let device = &mut self.devices[number];
        let around = Around { distance: device.distance(row), redundant: device.redundant(row) };
        device.remember(row);
        around
    }
}

/// When a request was released to its client; `None` if never.
pub(super) fn released(row: &Row) -> Option<u64> {
    row.completion.as_ref().map(|end| row.time.after(end.latency).after(end.hold).0)
}

impl Device {
    fn distance(&mut self, row: &Row) -> Option<u64> {
        let range = row.request.range;
        let direction = direction(row.request.operation).filter(|_| range.length > 0)?;
        let before = self.ends[direction].replace(range.end());
        before.map(|end| end.abs_diff(range.offset))
    }

    /// All that was written was released before a flush was issued that was released before this request: only then it is
    /// sure that nothing was left to do.
    fn redundant(&mut self, row: &Row) -> bool {
        while let Some(Reverse((release, issue))) = self.flushes.peek().copied() {
            if release > row.time.0 {
                break;
            }
            self.flushes.pop();
            self.covered = self.covered.max(Some(issue));
        }
        row.request.operation == Operation::Flush
            && self.dirty.is_none_or(|dirty| self.covered.is_some_and(|covered| dirty < covered))
    }

    fn remember(&mut self, row: &Row) {
        let request = &row.request;
        let is_ok = row.completion.as_ref().is_some_and(|end| end.result.is_ok());
        match released(row) {
            // Beyond the limit it counts as none: then a flush is called needed that may not be.
            Some(release)
                if request.operation == Operation::Flush
                    && is_ok
                    && self.flushes.len() < ROWS_HELD_MAX =>
            {
                self.flushes.push(Reverse((release, row.time.0)));
            }
            release if request.operation.modifies() && !request.flags.contains(Flags::FUA) => {
                self.dirty = self.dirty.max(Some(release.unwrap_or(u64::MAX)));
            }
            _ => {}
        }
    }
}
