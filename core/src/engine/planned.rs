//! The schedule of a replay on images, without one: for each request of a trace, which others it waits for. A trace and
//! rules come in, a [`Planned`] for each request goes out, in the order of the trace.
//!
//! Invariant: what is said to wait is what [`Schedule`](super::schedule::Schedule) holds back, and in the recorded order
//! what was released last before.

use std::collections::{BTreeMap, VecDeque};
use std::io::{Read, Seek};

use super::plan::Plan;
use super::replay_error::ReplayError;
use super::rules::{Rules, Timing};
use super::schedule::{Order, is_before};
use crate::event::{EventKind, Issue};
use crate::format::Reader;
use crate::limits::REPLAY_REQUESTS_MAX;
use crate::request::{DeviceId, Operation, Request, RequestId};
use crate::units::Nanos;

/// What a replay is going to do with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// Its issue's place in the trace.
    pub event: u64,
    /// Which.
    pub id: RequestId,
    /// Its device.
    pub device: DeviceId,
    /// What it asks.
    pub request: Request,
    /// When it goes, at the earliest: 0 if times do not count.
    pub due: Nanos,
    /// It failed when it was recorded, and is not done.
    pub left_out: bool,
    /// The requests that it waits for, without those that these wait for in the recorded order: what was released last
    /// before it was issued.
    pub after: Vec<RequestId>,
}

/// Released requests that are remembered, to say which of them a later one waits for.
const REMEMBERED_MAX: usize = 4096;

/// Tells `each` what a replay of `trace`, from where it stands, would do. Stops when `each` says false.
pub fn schedule<R: Read + Seek>(
    trace: &mut Reader<R>,
    plan: &Plan,
    rules: &Rules,
    each: &mut dyn FnMut(&Planned) -> bool,
) -> Result<(), ReplayError> {
    let blocks: Vec<u64> =
        trace.header().devices.iter().map(|device| u64::from(device.block_min.max(1))).collect();
    let mut past = Past::default();
    while let Some((event, entry)) = trace.next_event()? {
        match entry.kind {
            EventKind::Issue(issue) => {
                let left_out = plan.leaves_out(issue.id);
                let block = blocks.get(usize::from(issue.device.0)).copied().unwrap_or(1);
                let after =
                    if left_out { Vec::new() } else { past.after(&issue, rules.order, block) };
                let due = due(rules.timing, entry.time.since(plan.first_issue));
                let Issue { id, device, request, .. } = issue;
                if !each(&Planned { event, id, device, request, due, left_out, after }) {
                    return Ok(());
                }
                if !left_out {
                    past.open.insert(id, (device, request));
                }
                if past.open.len() > REPLAY_REQUESTS_MAX {
                    return Err(ReplayError::TooMany { event });
                }
            }
            EventKind::Block(block) => past.released(block.id),
            EventKind::Checkpoint(_) => past.begin_step(),
            _ => {}
        }
    }
    Ok(())
}

/// A time of the recording as the replay's clock will have it.
fn due(timing: Timing, after: Nanos) -> Nanos {
    match timing {
        Timing::Asap => Nanos::default(),
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a nanosecond in a hundred days is all that is lost; it saturates"
        )]
        Timing::Scaled(factor) => Nanos((after.0 as f64 / factor) as u64),
    }
}

/// What the log has said so far.
#[derive(Default)]
struct Past {
    /// Issued and not released.
    open: BTreeMap<RequestId, (DeviceId, Request)>,
    /// Released, oldest first.
    done: VecDeque<(RequestId, DeviceId, Request)>,
    /// What was released at the last checkpoint.
    last_step: Vec<RequestId>,
    /// A checkpoint came, and nothing was released since.
    step_begins: bool,
}

impl Past {
    fn begin_step(&mut self) {
        self.step_begins = true;
    }

    fn released(&mut self, id: RequestId) {
        if std::mem::take(&mut self.step_begins) {
            self.last_step.clear();
        }
        let Some((device, request)) = self.open.remove(&id) else { return };
        self.last_step.push(id);
        if self.done.len() == REMEMBERED_MAX {
            self.done.pop_front();
        }
        self.done.push_back((id, device, request));
    }

    /// The requests that a new one waits for.
    fn after(&self, issue: &Issue, order: Order, block: u64) -> Vec<RequestId> {
        let conflicts = self.open.iter().filter(|(_, (device, request))| {
            *device == issue.device && request.conflicts(&issue.request, block)
        });
        let conflicts = conflicts.map(|(id, _)| *id);
        match order {
            Order::None => Vec::new(),
            Order::Recorded => self.last_step.iter().copied().chain(conflicts).collect(),
            Order::Conflict => {
                let before = self.done.iter().filter(|(_, device, request)| {
                    *device == issue.device && is_before(request, &issue.request, block)
                });
                // A flush, or a write that covers it, stands for all before it; the nearest ones say enough.
                let mut after: Vec<RequestId> = before.map(|(id, _, _)| *id).collect();
                let last_flush = self.done.iter().rev().find(|(_, device, request)| {
                    *device == issue.device && request.operation == Operation::Flush
                });
                if let Some((flush, _, _)) = last_flush
                    && issue.request.operation.modifies()
                {
                    after.retain(|id| id >= flush);
                }
                after.extend(conflicts);
                after
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Tape, plan, reader};
    use super::*;
    use crate::engine::Source;

    fn waits(bytes: &[u8], order: Order) -> Vec<Vec<u64>> {
        let rules = Rules { order, ..Rules::of(Source::Log) };
        let mut all = Vec::new();
        schedule(&mut reader(bytes), &plan(bytes), &rules, &mut |planned| {
            all.push(planned.after.iter().map(|id| id.0).collect());
            true
        })
        .unwrap();
        all
    }

    #[test]
    fn each_request_names_those_that_it_waits_for() {
        let bytes = Tape::new()
            .write(0, 0, b"one")
            .write(1, 512, b"two")
            .checkpoint()
            .done(0, Operation::Write)
            .read(2, 0, 4)
            .read(3, 512, 4)
            .flush(4)
            .end();
        assert_eq!(waits(&bytes, Order::Recorded), [vec![], vec![], vec![0], vec![0, 1], vec![0]]);
        assert_eq!(waits(&bytes, Order::Conflict), [vec![], vec![], vec![0], vec![1], vec![0]]);
        assert_eq!(waits(&bytes, Order::None), vec![Vec::<u64>::new(); 5]);
    }
}
