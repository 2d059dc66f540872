//! Reads that do not return what was written.
//!
//! Events in, findings out. A read of exactly the range of the last write is compared, by digest, and one of nothing but zeroes, however
//! they came there; only if nothing that modifies overlapped it between. Digests do not tell of parts of what was written. Invariants: what may be otherwise is unknown, and of the unknown nothing is said: a write that
//! failed, was refused, overlapped another in flight, or was never completed, or whose data the trace does not know. Memory is
//! bounded: beyond `FINDINGS_RANGES_MAX` ranges all are forgotten, beyond `FINDINGS_OPEN_MAX` in flight nothing is compared any more.

use std::collections::{BTreeMap, HashMap};

use super::place::Place;
use super::spans::Spans;
use super::{Finding, words_of};
use crate::event::{Block, Issue, Payload};
use crate::limits::{FINDINGS_OPEN_MAX, FINDINGS_RANGES_MAX};
use crate::request::{DeviceId, Operation, Request, RequestId};
use crate::units::ByteRange;

/// What a range holds, and who wrote it.
#[derive(Debug, Clone, Copy)]
struct Known {
    end: u64,
    payload: Payload,
    writer: RequestId,
}

/// A request in flight that reads or modifies.
#[derive(Debug, Clone, Copy)]
struct Open {
    device: DeviceId,
    request: Request,
    /// What it writes, or what it should read.
    payload: Payload,
    writer: RequestId,
    /// Something overlaps it that modifies.
    disturbed: bool,
}

/// What ranges hold, as far as that is known.
#[derive(Debug)]
pub(super) struct Contents {
    limit: usize,
    /// By the first byte of ranges that do not overlap.
    known: HashMap<DeviceId, BTreeMap<u64, Known>>,
    count: usize,
    open: BTreeMap<RequestId, Open>,
    spans: Spans,
    blind: bool,
    /// There were more ranges than can be kept in mind.
    pub(super) forgot: bool,
}

impl Default for Contents {
    fn default() -> Contents {
        Contents::holding(FINDINGS_RANGES_MAX)
    }
}

impl Contents {
    /// Keeps so many ranges in mind.
    pub(super) fn holding(limit: usize) -> Contents {
        let (known, open, spans) = (HashMap::new(), BTreeMap::new(), Spans::default());
        Contents { limit, known, count: 0, open, spans, blind: false, forgot: false }
    }

    /// Events are missing here. A write that was in flight may do so for ever.
    pub(super) fn missing(&mut self) {
        *self = Contents { blind: true, forgot: self.forgot, ..Contents::holding(self.limit) };
    }

    pub(super) fn issue(&mut self, issue: &Issue) {
        let Issue { id, device, request, payload, .. } = *issue;
        if self.blind || !request.operation.touches_data() || request.range.length == 0 {
            return;
        }
        if self.open.len() >= FINDINGS_OPEN_MAX || self.open.contains_key(&id) {
            self.missing();
            return;
        }
        let mut disturbed = false;
        for other in self.spans.conflicting(device, &request) {
            if let Some(open) = self.open.get_mut(&other) {
                disturbed |= open.request.operation.modifies();
                open.disturbed |= request.operation.modifies();
            }
        }
        let mut open = Open { device, request, payload, writer: id, disturbed };
        match request.operation {
            Operation::Read => {
                let Some(known) = self.known(device, request.range) else { return };
                (open.payload, open.writer) = known;
            }
            Operation::WriteZeroes | Operation::Discard => open.payload = Payload::Zeroes,
            _ => {}
        }
        if request.operation.modifies() {
            self.forget(device, request.range);
        }
        self.open.insert(id, open);
        self.spans.insert(id, device, &request);
    }

    /// What a range holds, and who wrote it: the first of them, if it is zeroes of several.
    fn known(&self, device: DeviceId, range: ByteRange) -> Option<(Payload, RequestId)> {
        let known = self.known.get(&device)?;
        let (begin, first) = known.range(..=range.offset).next_back()?;
        if *begin == range.offset && first.end == range.end() {
            return Some((first.payload, first.writer));
        }
        let mut end = range.offset;
        for (begin, next) in known.range(*begin..range.end()) {
            if *begin > end || next.payload != Payload::Zeroes {
                return None;
            }
            end = next.end;
        }
        (end >= range.end()).then_some((Payload::Zeroes, first.writer))
    }

    /// What lies in this range is not known any longer. Of zeroes, what is left of them still is.
    fn forget(&mut self, device: DeviceId, range: ByteRange) {
        let Some(known) = self.known.get_mut(&device) else { return };
        let before = known.len();
        while let Some((begin, last)) =
            known.range(..range.end()).next_back().map(|(begin, last)| (*begin, *last))
            && last.end > range.offset
        {
            known.remove(&begin);
            if last.payload != Payload::Zeroes {
                continue;
            }
            if last.end > range.end() {
                known.insert(range.end(), last);
            }
            if begin < range.offset {
                known.insert(begin, Known { end: range.offset, ..last });
            }
        }
        self.count = self.count + known.len() - before;
    }

    pub(super) fn block(&mut self, block: &Block, place: Place, found: &mut Vec<Finding>) {
        let Some(open) = self.open.remove(&block.id) else { return };
        let Open { device, request, payload, writer, disturbed } = open;
        self.spans.remove(block.id, device, &request);
        if block.result.is_err() || block.flags.refused || disturbed {
            return;
        }
        if request.operation == Operation::Read {
            if payload.differs(&block.payload) {
                let detail = format!(
                    "{} read {}, {writer} wrote {payload}",
                    words_of(&request),
                    block.payload
                );
                let finding = place.finding("read-differs", detail);
                found.extend(finding.of(block.id, device, request.range).with(writer));
            }
        } else if payload != Payload::Absent {
            if self.count >= self.limit {
                self.known.clear();
                (self.count, self.forgot) = (0, true);
            }
            let known = Known { end: request.range.end(), payload, writer };
            self.known.entry(device).or_default().insert(request.range.offset, known);
            self.count += 1;
        }
    }
}
