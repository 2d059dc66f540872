//! Flushes that flush nothing, and writes with FUA that a flush makes durable anyway.
//!
//! Events in, findings out. A flush covers what was completed before it was issued. One is redundant if a flush that
//! succeeded, and was released before, covers all that was written, and no write is in flight. A write with FUA is durable by
//! itself, and need not have been where a flush that other writes need is the next thing asked of the device. What failed may have been
//! written all the same, and with FUA is then not durable. Invariant: of a device whose first flush was not seen nothing is said,
//! nor behind events that are missing.

use std::collections::HashMap;

use super::Finding;
use super::place::Place;
use crate::event::{Block, Issue};
use crate::limits::FINDINGS_OPEN_MAX;
use crate::request::{DeviceId, Flags, Operation, RequestId};

/// What was written to a device and flushed there.
#[derive(Debug, Clone, Copy, Default)]
struct Device {
    /// Writes completed, but for those that FUA made durable.
    written: u64,
    /// Writes in flight without FUA.
    open: u64,
    /// How many of them a flush covers, and which; `None` before the first.
    covered: Option<(u64, RequestId)>,
    /// The write with FUA that was completed last, if nothing else that changes data was asked or
    /// completed since.
    durable: Option<RequestId>,
}

/// What is in flight.
#[derive(Debug, Clone, Copy)]
enum Open {
    Write,
    /// A write with FUA.
    Durable,
    /// A flush that covers so many writes.
    Flush(u64),
}

/// The flushes so far.
#[derive(Debug, Default)]
pub(super) struct Flushes {
    devices: HashMap<DeviceId, Device>,
    /// Writes and flushes in flight.
    open: HashMap<RequestId, (DeviceId, Open)>,
    /// More are in flight than can be kept in mind, or events are missing.
    blind: bool,
}

impl Flushes {
    /// Events are missing here. A write that was in flight may do so for ever.
    pub(super) fn missing(&mut self) {
        *self = Flushes { blind: true, ..Flushes::default() };
    }

    pub(super) fn issue(&mut self, issue: &Issue, place: Place, found: &mut Vec<Finding>) {
        let Issue { id, device, request, .. } = *issue;
        let (flush, modifies) =
            (request.operation == Operation::Flush, request.operation.modifies());
        if self.blind || !(flush || modifies) {
            return;
        }
        if self.open.len() >= FINDINGS_OPEN_MAX {
            self.missing();
            return;
        }
        let state = self.devices.entry(device).or_default();
        let durable = state.durable.take();
        let open = match request.flags.contains(Flags::FUA) {
            _ if flush => Open::Flush(state.written),
            true => Open::Durable,
            false => Open::Write,
        };
        if self.open.insert(id, (device, open)).is_some() {
            return;
        }
        match open {
            Open::Write => state.open += 1,
            Open::Durable => {}
            Open::Flush(written) => {
                let covered = state.covered.filter(|(covered, _)| *covered == written);
                let (rule, other) = match (covered, durable) {
                    (Some((_, other)), _) if state.open == 0 => ("redundant-flush", other),
                    (None, Some(other)) if written > 0 => ("flushed-fua", other),
                    _ => return,
                };
                let finding = place.finding(rule, format!("after {other}"));
                found.extend(finding.about(id, device).with(other));
            }
        }
    }

    pub(super) fn block(&mut self, block: &Block) {
        let Some((device, open)) = self.open.remove(&block.id) else { return };
        let state = self.devices.entry(device).or_default();
        match open {
            Open::Write => {
                state.open = state.open.saturating_sub(1);
                state.durable = None;
                state.written += 1;
            }
            Open::Durable => {
                state.written += u64::from(block.result.is_err());
                state.durable = block.result.is_ok().then_some(block.id);
            }
            Open::Flush(covers) if block.result.is_ok() => {
                let more = state.covered.is_none_or(|(covered, _)| covers >= covered);
                if more {
                    state.covered = Some((covers, block.id));
                }
            }
            Open::Flush(_) => {}
        }
    }
}
