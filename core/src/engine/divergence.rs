//! Where a replay is not the recording, with what a person needs to act on it.
//!
//! It holds facts; sentences are made from them elsewhere. Invariant: a divergence names the request and
//! says both what was recorded and what came.

use std::io::{Read, Seek};

use crate::event::{EventKind, Issue, Payload};
use crate::format::{ReadError, Reader};
use crate::request::{DeviceId, Errno, Request, RequestId};
use crate::units::Nanos;

/// The first point where a replay is not the recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Divergence {
    /// The request that went differently.
    pub id: RequestId,
    /// Its completion's place in the trace.
    pub event: u64,
    /// Flushes of its device that had been released when it was issued.
    pub epoch: u64,
    /// When it was issued in the recording.
    pub time: Nanos,
    /// Its device.
    pub device: DeviceId,
    /// What was asked.
    pub request: Request,
    /// What went differently.
    pub kind: DivergenceKind,
}

/// In what a replay can differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DivergenceKind {
    /// It worked when it was recorded, and the image fails now.
    Result {
        /// What the image says now.
        now: Errno,
    },
    /// A read returned other data.
    Data {
        /// What was recorded.
        recorded: Payload,
        /// What came.
        now: Payload,
        /// Which bytes differ, if the trace holds the recorded ones.
        bytes: Option<DifferentBytes>,
    },
}

impl DivergenceKind {
    /// The printed name.
    pub fn name(&self) -> &'static str {
        match self {
            DivergenceKind::Result { .. } => "result",
            DivergenceKind::Data { .. } => "data",
        }
    }
}

/// How much two payloads of one length differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DifferentBytes {
    /// Place of the first byte that differs, from the start of the request.
    pub first: u64,
    /// How many differ.
    pub count: u64,
    /// Length of both, in bytes.
    pub of: u64,
}

impl DifferentBytes {
    /// Compares two payloads; `None` if they are equal.
    pub fn between(one: &[u8], two: &[u8]) -> Option<DifferentBytes> {
        let mut differ = (0_u64..).zip(one.iter().zip(two)).filter(|(_, (one, two))| one != two);
        let (first, _) = differ.next()?;
        Some(DifferentBytes { first, count: 1 + differ.count() as u64, of: one.len() as u64 })
    }
}

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

/// The last request before a divergent one that changed part of its range. `trace` stands at its begin.
pub fn last_writer<R: Read + Seek>(
    trace: &mut Reader<R>,
    divergence: &Divergence,
) -> Result<Option<LastWriter>, ReadError> {
    let mut last: Option<LastWriter> = None;
    while let Some((event, entry)) = trace.next_event()? {
        if event >= divergence.event {
            break;
        }
        match entry.kind {
            EventKind::Issue(issue)
                if issue.id < divergence.id
                    && issue.device == divergence.device
                    && issue.request.operation.modifies()
                    && issue.request.range.overlaps(divergence.request.range) =>
            {
                let Issue { id, request, payload, .. } = issue;
                last = Some(LastWriter { id, request, payload, result: None });
            }
            EventKind::Block(block) => {
                if let Some(last) = last.as_mut().filter(|last| last.id == block.id) {
                    last.result = Some(block.result);
                }
            }
            _ => {}
        }
    }
    Ok(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn different_bytes_are_counted_from_the_first() {
        assert_eq!(DifferentBytes::between(b"disk", b"disk"), None);
        let differ = DifferentBytes { first: 1, count: 2, of: 4 };
        assert_eq!(DifferentBytes::between(b"disk", b"desc").map(|d| d.first), Some(1));
        assert_eq!(DifferentBytes::between(b"disk", b"dosh"), Some(differ));
    }
}
