//! What must be known of a trace before its first request is replayed: how much there is, which data it holds,
//! and how requests ended.
//!
//! One pass over the events; data are not read. Invariant: what a replay asks of a plan is known before its first
//! request.

use std::collections::HashMap;
use std::io::{Read, Seek};

use crate::event::{Block, EventKind, Issue, Payload};
use crate::format::{ReadError, Reader};
use crate::limits::REPLAY_REQUESTS_MAX;
use crate::request::{Operation, Request, RequestId};
use crate::units::Nanos;

/// Names of marks that are told apart; those of others are not compared.
const MARK_NAMES_MAX: usize = 1 << 16;

/// What a replay is going to do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// Requests in the trace.
    pub requests: u64,
    /// Of them, those that are not done again because they failed or were refused.
    pub left_out: u64,
    /// Completed reads whose data the trace knows by digest.
    pub verifiable: u64,
    /// Completed reads of whose data the trace knows nothing.
    pub unverifiable: u64,
    /// Events in the trace.
    pub events: u64,
    /// Time of the first request.
    pub first_issue: Nanos,
    /// Time of the last event.
    pub duration: Nanos,
    /// How often each mark was made.
    pub marks: HashMap<String, u64>,
    /// Exit status of the recorded COMMAND; `None` if there was none, or the trace is cut.
    pub status: Option<u8>,
    /// Each request begins and ends at a multiple of this many bytes, a power of two; the largest one, if none has a range.
    pub aligned_to: u64,
    /// Lowest id that no request of the trace has.
    pub next_id: u64,
    /// The first write whose data are not in the trace.
    pub write_without_data: Option<Incomplete>,
    /// The first completed read whose data are not in the trace.
    pub read_without_data: Option<Incomplete>,
    failed: IdRuns,
    /// Their clients had gone, or they have no completion.
    optional: IdRuns,
}

/// A request whose data are not in the trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Incomplete {
    /// Its issue's place in the trace.
    pub event: u64,
    /// Which.
    pub id: RequestId,
    /// What it asked.
    pub request: Request,
}

/// Why a trace cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The trace cannot be read.
    #[error("the trace cannot be read")]
    Read(#[from] ReadError),
    /// The data of a write are not in the trace, and nothing takes their place.
    #[error(
        "event {}: write {} of {} bytes at {} has no data in the trace",
        .0.event, .0.id, .0.request.range.length, .0.request.range.offset
    )]
    NoWriteData(Incomplete),
    /// The data of a read are not in the trace, and there is no image that has them.
    #[error(
        "event {}: read {} of {} bytes at {} has no data in the trace",
        .0.event, .0.id, .0.request.range.length, .0.request.range.offset
    )]
    NoReadData(Incomplete),
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
    /// More requests are in flight together than any front allows.
    #[error("event {event}: more than {REPLAY_REQUESTS_MAX} requests are in flight together")]
    TooMany {
        /// The event's place in the trace.
        event: u64,
    },
}

impl Plan {
    /// Reads a trace from where `trace` stands to its end.
    pub fn of<R: Read + Seek>(trace: &mut Reader<R>) -> Result<Plan, PlanError> {
        let devices = trace.header().devices.len();
        let mut plan = Plan { aligned_to: 1 << 63, ..Plan::default() };
        let mut open: HashMap<u64, Incomplete> = HashMap::new();
        while let Some((event, entry)) = trace.next_event()? {
            plan.duration = entry.time;
            plan.events = event + 1;
            match entry.kind {
                EventKind::Issue(issue) => {
                    if plan.requests == 0 {
                        plan.first_issue = entry.time;
                    }
                    plan.issue(event, &issue, devices)?;
                    let Issue { id, request, .. } = issue;
                    open.insert(id.0, Incomplete { event, id, request });
                    if open.len() > REPLAY_REQUESTS_MAX {
                        return Err(PlanError::TooMany { event });
                    }
                }
                EventKind::Block(block) => {
                    let issue = open.remove(&block.id.0);
                    plan.block(&block, issue);
                }
                EventKind::Mark { name } if plan.marks.len() < MARK_NAMES_MAX => {
                    *plan.marks.entry(name.as_str().to_owned()).or_default() += 1;
                }
                EventKind::End { status } => plan.status = status,
                _ => {}
            }
        }
        for id in open.into_keys() {
            plan.optional.add(id);
        }
        plan.failed.merge();
        plan.optional.merge();
        Ok(plan)
    }

    /// Whether a request failed when it was recorded: it is not done again.
    pub fn leaves_out(&self, id: RequestId) -> bool {
        self.failed.contains(id.0)
    }

    /// Whether nobody saw how a request ended: its client had gone. A replay does not wait for it.
    pub fn is_optional(&self, id: RequestId) -> bool {
        self.optional.contains(id.0)
    }

    /// Refuses a trace without the data of all its writes.
    pub fn needs_writes(&self) -> Result<(), PlanError> {
        self.write_without_data.map_or(Ok(()), |first| Err(PlanError::NoWriteData(first)))
    }

    /// Refuses a trace without the data of all its reads.
    pub fn needs_reads(&self) -> Result<(), PlanError> {
        self.read_without_data.map_or(Ok(()), |first| Err(PlanError::NoReadData(first)))
    }

    fn issue(&mut self, event: u64, issue: &Issue, devices: usize) -> Result<(), PlanError> {
        self.requests += 1;
        let (id, device, request) = (issue.id, issue.device.0, issue.request);
        self.next_id = self.next_id.max(id.0.saturating_add(1));
        if request.operation.touches_data() {
            let ends = request.range.offset | request.range.length;
            self.aligned_to = self.aligned_to.min(1 << ends.trailing_zeros().min(63));
        }
        if usize::from(device) >= devices {
            return Err(PlanError::NoDevice { event, id, device, devices });
        }
        if request.operation == Operation::Write
            && request.range.length > 0
            && !has_data(&issue.payload)
        {
            self.write_without_data.get_or_insert(Incomplete { event, id, request });
        }
        Ok(())
    }

    fn block(&mut self, block: &Block, issue: Option<Incomplete>) {
        if block.flags.undelivered {
            self.optional.add(block.id.0);
        }
        if block.result.is_err() {
            self.left_out += 1;
            self.failed.add(block.id.0);
        } else if block.operation == Operation::Read {
            match block.payload {
                Payload::Absent => self.unverifiable += 1,
                _ => self.verifiable += 1,
            }
            if !has_data(&block.payload) && !block.flags.undelivered {
                self.read_without_data = self.read_without_data.or(issue);
            }
        }
    }
}

/// Whether the bytes of a payload can be had from the trace.
fn has_data(payload: &Payload) -> bool {
    matches!(payload, Payload::Stored(..) | Payload::Zeroes)
}

/// A set of ids as runs, first and last, so that a recording on a dead disk takes no room.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct IdRuns(Vec<(u64, u64)>);

impl IdRuns {
    /// Adds to the last run where it can.
    fn add(&mut self, id: u64) {
        match self.0.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(id) => *last = id,
            _ => self.0.push((id, id)),
        }
    }

    /// Sorts runs and joins neighbours; what `contains` needs.
    fn merge(&mut self) {
        self.0.sort_unstable();
        let mut merged: Vec<(u64, u64)> = Vec::new();
        for (first, last) in std::mem::take(&mut self.0) {
            match merged.last_mut() {
                Some((_, end)) if first <= end.saturating_add(1) => *end = last.max(*end),
                _ => merged.push((first, last)),
            }
        }
        self.0 = merged;
    }

    fn contains(&self, id: u64) -> bool {
        let after = self.0.partition_point(|(first, _)| *first <= id);
        after > 0 && id <= self.0[after - 1].1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_of_ids_are_kept_as_runs() {
        let mut runs = IdRuns::default();
        for id in [5, 6, 7, 2, 9, 3] {
            runs.add(id);
        }
        runs.merge();
        assert_eq!(runs.0, [(2, 3), (5, 7), (9, 9)]);
        let contained: Vec<u64> = (0..12).filter(|id| runs.contains(*id)).collect();
        assert_eq!(contained, [2, 3, 5, 6, 7, 9]);
    }
}
