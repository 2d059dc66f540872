//! Flushes that flush nothing.
//!
//! Events in, findings out. A flush covers what was completed before it was issued. One is redundant if a flush that
//! succeeded, and was released before, covers all that was written, and no write is in flight. A write with FUA is durable by
//! itself. What failed may have been written all the same. Invariant: of a device whose first flush was not seen nothing is said.

use std::collections::HashMap;

use super::Finding;
use super::place::Place;
use crate::event::{Block, Issue};
use crate::limits::FINDINGS_OPEN_MAX;
use crate::request::{DeviceId, Flags, Operation, RequestId};

/// What was written to a device and flushed there.
#[derive(Debug, Clone, Copy, Default)]
struct Device {
    /// Writes completed.
    written: u64,
    /// Writes in flight.
    open: u64,
    /// How many of them a flush covers, and which; `None` before the first.
    covered: Option<(u64, RequestId)>,
}

/// The flushes so far.
#[derive(Debug, Default)]
pub(super) struct Flushes {
    devices: HashMap<DeviceId, Device>,
    /// Writes and flushes in flight, flushes with what they cover.
    open: HashMap<RequestId, (DeviceId, Option<u64>)>,
    /// More are in flight than can be kept in mind.
    blind: bool,
}

impl Flushes {
    /// Events are missing here.
    pub(super) fn missing(&mut self) {
        *self = Flushes { blind: self.blind, ..Flushes::default() };
    }

    pub(super) fn issue(&mut self, issue: &Issue, place: Place, found: &mut Vec<Finding>) {
        let Issue { id, device, request, .. } = *issue;
        let flush = request.operation == Operation::Flush;
        let writes = request.operation.modifies() && !request.flags.contains(Flags::FUA);
        if self.blind || !(flush || writes) {
            return;
        }
        if self.open.len() >= FINDINGS_OPEN_MAX {
            *self = Flushes { blind: true, ..Flushes::default() };
            return;
        }
        let state = self.devices.entry(device).or_default();
        let covers = flush.then_some(state.written);
        if self.open.insert(id, (device, covers)).is_some() {
            return;
        }
        if writes {
            state.open += 1;
        } else if let Some((covered, other)) = state.covered
            && covered == state.written
            && state.open == 0
        {
            let detail = format!("after {other}");
            found.extend(place.finding("redundant-flush", detail).about(id, device).with(other));
        }
    }

    pub(super) fn block(&mut self, block: &Block) {
        let Some((device, covers)) = self.open.remove(&block.id) else { return };
        let state = self.devices.entry(device).or_default();
        match covers {
            None => {
                state.open = state.open.saturating_sub(1);
                state.written += 1;
            }
            Some(covers) if block.result.is_ok() => {
                let more = state.covered.is_none_or(|(covered, _)| covers >= covered);
                if more {
                    state.covered = Some((covers, block.id));
                }
            }
            Some(_) => {}
        }
    }
}
