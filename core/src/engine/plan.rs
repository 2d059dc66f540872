//! What must be known of a trace before its first request is replayed: how much there is, whether it can be
//! done at all, and what must be left out.
//!
//! One pass over the events; data are not read. Invariant: a trace that passes can be replayed to its end
//! without missing data.

use std::io::{Read, Seek};

use crate::event::{Block, EventKind, Issue, Payload};
use crate::format::{ReadError, Reader};
use crate::request::{Operation, Request, RequestId};
use crate::units::Nanos;

/// What a replay is going to do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// Requests in the trace.
    pub requests: u64,
    /// Of them, those that will be left out because they failed or were refused.
    pub left_out: u64,
    /// Completed reads whose data the trace knows by digest.
    pub verifiable: u64,
    /// Completed reads of whose data the trace knows nothing.
    pub unverifiable: u64,
    /// Time of the last event.
    pub duration: Nanos,
    /// The ids of the requests left out, as runs: first and last.
    failed: Vec<(u64, u64)>,
}

/// Why a trace cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The trace cannot be read.
    #[error("the trace cannot be read")]
    Read(#[from] ReadError),
    /// The data of a write are not in the trace.
    #[error(
        "event {event}: write {id} of {} bytes at {} has no data in the trace",
        request.range.length, request.range.offset
    )]
    NoData {
        /// The event's place in the trace.
        event: u64,
        /// Which write.
        id: RequestId,
        /// What it asked.
        request: Request,
    },
    /// A request names a device that the header does not have.
    #[error("event {event}: request {id} is for device {device}, the trace has {devices}")]
    NoDevice {
        /// The event's place in the trace.
        event: u64,
        /// Which request.
        id: RequestId,
        /// The device it names.
        device: u16,
        /// How many there are.
        devices: usize,
    },
}

impl Plan {
    /// Reads a trace from where `trace` stands to its end.
    pub fn of<R: Read + Seek>(trace: &mut Reader<R>) -> Result<Plan, PlanError> {
        let devices = trace.header().devices.len();
        let mut plan = Plan::default();
        while let Some((event, entry)) = trace.next_event()? {
            plan.duration = entry.time;
            match entry.kind {
                EventKind::Issue(issue) => plan.issue(event, &issue, devices)?,
                EventKind::Block(block) => plan.block(&block),
                _ => {}
            }
        }
        plan.failed = merge_runs(std::mem::take(&mut plan.failed));
        Ok(plan)
    }

    /// Whether a request is left out.
    pub fn leaves_out(&self, id: RequestId) -> bool {
        let after = self.failed.partition_point(|(first, _)| *first <= id.0);
        after > 0 && id.0 <= self.failed[after - 1].1
    }

    fn issue(&mut self, event: u64, issue: &Issue, devices: usize) -> Result<(), PlanError> {
        self.requests += 1;
        let (id, device, request) = (issue.id, issue.device.0, issue.request);
        if usize::from(device) >= devices {
            return Err(PlanError::NoDevice { event, id, device, devices });
        }
        let missing = matches!(issue.payload, Payload::Absent | Payload::Digest(_));
        if request.operation == Operation::Write && request.range.length > 0 && missing {
            return Err(PlanError::NoData { event, id, request });
        }
        Ok(())
    }

    fn block(&mut self, block: &Block) {
        if block.result.is_err() {
            self.left_out += 1;
            self.leave_out(block.id.0);
        } else if block.operation == Operation::Read {
            match block.payload {
                Payload::Absent => self.unverifiable += 1,
                _ => self.verifiable += 1,
            }
        }
    }

    /// Adds to the last run where it can, so that a recording on a dead disk takes no room.
    fn leave_out(&mut self, id: u64) {
        match self.failed.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(id) => *last = id,
            _ => self.failed.push((id, id)),
        }
    }
}

/// Sorts runs and joins neighbours.
fn merge_runs(mut runs: Vec<(u64, u64)>) -> Vec<(u64, u64)> {
    runs.sort_unstable();
    let mut merged: Vec<(u64, u64)> = Vec::new();
    for (first, last) in runs {
        match merged.last_mut() {
            Some((_, end)) if first <= end.saturating_add(1) => *end = last.max(*end),
            _ => merged.push((first, last)),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failed_requests_are_kept_as_runs() {
        let mut plan = Plan::default();
        for id in [5, 6, 7, 2, 9, 3] {
            plan.leave_out(id);
        }
        plan.failed = merge_runs(plan.failed);
        assert_eq!(plan.failed, [(2, 3), (5, 7), (9, 9)]);
        let left_out: Vec<u64> = (0..12).filter(|id| plan.leaves_out(RequestId(*id))).collect();
        assert_eq!(left_out, [2, 3, 5, 6, 7, 9]);
    }
}
