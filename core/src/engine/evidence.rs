//! What the trace knows of a divergence: who wrote last where it happened, and which bytes differ. A trace and a
//! divergence come in, facts go out.
//!
//! One pass from the begin to the divergence. Invariant: nothing is said of what lies behind it, but for a request
//! that came too early.

use std::io::{Read, Seek};

use super::divergence::{Asked, DifferentBytes, Divergence, DivergenceKind};
use crate::event::{EventKind, Issue, Payload};
use crate::format::{ReadError, Reader};
use crate::request::{Errno, Request, RequestId};

/// The last request before another that changed part of its range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastWriter {
    /// Which.
    pub id: RequestId,
    /// What it asked.
    pub request: Request,
    /// What it wrote.
    pub payload: Payload,
    /// How it ended, if the trace says so.
    pub result: Option<Result<(), Errno>>,
}

/// What the trace knows of a divergence.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Evidence {
    /// Who last changed the range, before the divergence.
    pub last_writer: Option<LastWriter>,
    /// Which bytes differ, where both are known.
    pub bytes: Option<DifferentBytes>,
    /// The request of the trace that asks what came, somewhere behind all that may come now.
    pub later: Option<Later>,
}

/// A request that is expected later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Later {
    /// Which.
    pub id: RequestId,
    /// How many requests of the trace lie before it, from the place of the divergence on.
    pub ahead: u64,
}

/// What `trace`, which stands at its begin, knows of a divergence.
pub fn evidence<R: Read + Seek>(
    trace: &mut Reader<R>,
    divergence: &Divergence,
) -> Result<Evidence, ReadError> {
    let mut evidence = Evidence::default();
    // Where data differ: the range that was asked. The expected request, if there is one, else what came.
    let asked = divergence.expected.as_ref().or(divergence.came.as_ref());
    let mut recorded = None;
    while let Some((event, entry)) = trace.next_event()? {
        if event > divergence.at.event {
            recorded = recorded.or_else(|| asked.and_then(|asked| payload_of(&entry.kind, asked)));
            if recorded.is_some() || !is_data(&divergence.kind) {
                break;
            }
            continue;
        }
        match &entry.kind {
            EventKind::Issue(issue) => {
                if let Some(asked) = asked
                    && event < divergence.at.event
                    && changes(issue, asked)
                {
                    let Issue { id, request, payload, .. } = *issue;
                    evidence.last_writer = Some(LastWriter { id, request, payload, result: None });
                }
            }
            EventKind::Block(block) => {
                let last = evidence.last_writer.as_mut().filter(|last| last.id == block.id);
                if let Some(last) = last {
                    last.result = Some(block.result);
                }
            }
            _ => {}
        }
        recorded = recorded.or_else(|| asked.and_then(|asked| payload_of(&entry.kind, asked)));
    }
    if let (Some(Payload::Stored(_, id)), false) = (recorded, divergence.data.is_empty()) {
        evidence.bytes = DifferentBytes::between(&trace.payload(id)?, &divergence.data);
    } else if let (Some(Payload::Zeroes), false) = (recorded, divergence.data.is_empty()) {
        let zeroes = vec![0; divergence.data.len()];
        evidence.bytes = DifferentBytes::between(&zeroes, &divergence.data);
    }
    let may_be_early = matches!(
        divergence.kind,
        DivergenceKind::Window { .. }
            | DivergenceKind::Changed { .. }
            | DivergenceKind::Unexpected { .. }
    );
    if let (true, Some(came)) = (may_be_early, &divergence.came) {
        evidence.later = later(trace, came)?;
    }
    Ok(evidence)
}

fn is_data(kind: &DivergenceKind) -> bool {
    matches!(kind, DivergenceKind::Data { .. })
}

/// The payload of the request, if this event has it.
fn payload_of(kind: &EventKind, asked: &Asked) -> Option<Payload> {
    let (id, payload) = match kind {
        EventKind::Issue(issue) => (issue.id, issue.payload),
        EventKind::Block(block) => (block.id, block.payload),
        _ => return None,
    };
    (Some(id) == asked.id && payload != Payload::Absent).then_some(payload)
}

/// Whether a request changes part of what another one asks.
fn changes(issue: &Issue, asked: &Asked) -> bool {
    asked.id.is_none_or(|id| issue.id < id)
        && issue.device == asked.device
        && issue.request.operation.modifies()
        && issue.request.range.overlaps(asked.request.range)
}

/// The first request behind where `trace` stands that asks what came.
fn later<R: Read + Seek>(trace: &mut Reader<R>, came: &Asked) -> Result<Option<Later>, ReadError> {
    let mut ahead = 1;
    while let Some((_, entry)) = trace.next_event()? {
        let EventKind::Issue(issue) = entry.kind else { continue };
        let same = issue.device == came.device && issue.request == came.request;
        if same && !issue.payload.differs(&came.payload) {
            return Ok(Some(Later { id: issue.id, ahead }));
        }
        ahead += 1;
    }
    Ok(None)
}
