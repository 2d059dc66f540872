//! Whether each request is issued once and completed at most once, by the right device.
//!
//! Issues and blocks in, faults out. Invariant: where events are missing, only what no missing event could
//! explain is a fault; ids count up, but for those of another trace; no more than `CHECK_OPEN_MAX` requests are kept in mind.

use std::collections::HashMap;

use super::fault::{Fault, Place};
use crate::event::{Block, Issue};
use crate::format::header::Header;
use crate::limits::CHECK_OPEN_MAX;
use crate::request::{DeviceId, Operation};

/// A request that waits for its completion.
#[derive(Debug, Clone, Copy)]
pub(super) struct Open {
    operation: Operation,
    device: DeviceId,
    /// Of its range, in bytes.
    pub(super) length: u64,
    place: Place,
}

/// What is promised of the ids of issues.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Ids {
    /// They count up from 0.
    #[default]
    All,
    /// They are some of another trace, in its order.
    Some,
    /// They are those of another trace, in any order.
    Any,
}

impl Ids {
    /// What the ids of a trace with this header promise.
    pub(super) fn of(header: &Header) -> Ids {
        // Those of a merged trace are its own, whatever it was put together from; a cut keeps what was promised before.
        match (&header.replay, header.edits.sliced.is_empty()) {
            (Some(_), _) => Ids::Any,
            (None, false) => Ids::Some,
            (None, true) => Ids::All,
        }
    }
}

/// The requests so far.
#[derive(Debug, Default)]
pub(super) struct Pairing {
    open: HashMap<u64, Open>,
    /// The next id, if no issue is missing.
    next: u64,
    ids: Ids,
    /// Events are missing since the last issue: some ids may be, too.
    skips: bool,
    /// Events are missing somewhere before, or there were too many open requests.
    unsure: bool,
    /// How many issues were seen.
    pub(super) issues: u64,
}

impl Pairing {
    /// For a trace of which this is promised.
    pub(super) fn new(ids: Ids) -> Pairing {
        Pairing { ids, ..Pairing::default() }
    }

    /// Events are missing here.
    pub(super) fn missing(&mut self) {
        self.skips = true;
        self.unsure = true;
    }

    /// Takes an issue.
    pub(super) fn issue(&mut self, issue: &Issue, place: Place, faults: &mut Vec<Fault>) {
        let id = issue.id.0;
        self.issues += 1;
        let expected = match (self.ids, self.skips) {
            (Ids::Any, _) => !self.open.contains_key(&id),
            (Ids::Some, _) | (Ids::All, true) => id >= self.next,
            (Ids::All, false) => id == self.next,
        };
        if !expected {
            faults.push(Fault::RequestId { found: id, wanted: self.next });
        }
        self.skips = false;
        self.next = self.next.max(id.saturating_add(1));
        if self.open.len() >= CHECK_OPEN_MAX {
            // Said once: the next ones are forgotten for the same reason.
            if !self.unsure {
                faults.push(Fault::TooManyOpen);
            }
            self.unsure = true;
            return;
        }
        let (operation, device) = (issue.request.operation, issue.device);
        let length = issue.request.range.length;
        self.open.insert(id, Open { operation, device, length, place });
    }

    /// Takes a completion. Gives its issue, if that is known.
    pub(super) fn block(&mut self, block: &Block, faults: &mut Vec<Fault>) -> Option<Open> {
        let id = block.id.0;
        let Some(open) = self.open.remove(&id) else {
            if id >= self.next && !self.skips {
                faults.push(Fault::BlockWithoutIssue { id });
            } else if id < self.next && !self.unsure {
                faults.push(Fault::BlockTwice { id });
            }
            return None;
        };
        if block.operation != open.operation {
            let (found, wanted) = (block.operation.to_string(), open.operation.to_string());
            faults.push(Fault::BlockDiffers { id, what: "operation", found, wanted });
        }
        if block.device != open.device {
            let (found, wanted) = (block.device.0.to_string(), open.device.0.to_string());
            faults.push(Fault::BlockDiffers { id, what: "device", found, wanted });
        }
        Some(open)
    }

    /// What was never completed, in the order of ids; nothing if completions may be missing.
    pub(super) fn left_open(&self) -> Vec<(Place, Fault)> {
        if self.unsure {
            return Vec::new();
        }
        let mut left: Vec<_> = self.open.iter().collect();
        left.sort_unstable_by_key(|(id, _)| **id);
        left.into_iter()
            .map(|(id, open)| (open.place, Fault::IssueWithoutBlock { id: *id }))
            .collect()
    }
}
