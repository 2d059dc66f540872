//! What a trace says of a client, held against what the client saw: bytes of a trace come in.
//!
//! Knows nothing of how the trace came about. Invariant: it reads all of the trace, and a trace that is not whole
//! is a failure.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Cursor;

use blkreplay_core::event::{Block, EventKind, Issue, Payload};
use blkreplay_core::format::{PayloadPolicy, Reader};
use blkreplay_core::request::{ConnectionId, RequestId};
use blkreplay_core::units::Nanos;
use bytes::Bytes;

use super::client::{History, Received, Sent};
use super::script::ActionId;

/// A trace, read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Recorded {
    pub(super) policy: PayloadPolicy,
    /// In the order of the trace, each with its place in it.
    pub(super) issues: Vec<(u64, Issue, Option<Bytes>)>,
    /// The same, with the number of the step.
    pub(super) blocks: Vec<(u64, u64, Block, Option<Bytes>)>,
    /// Places of the checkpoints.
    pub(super) checkpoints: Vec<u64>,
    /// When each of `issues` was issued.
    pub(super) issued_at: Vec<Nanos>,
    /// When each of `blocks` was released.
    pub(super) released_at: Vec<Nanos>,
}

impl Recorded {
    /// Reads a trace, which must be a list of steps: `issue* checkpoint block+`.
    pub(super) fn read(trace: Vec<u8>) -> Result<Recorded, String> {
        let mut reader = Reader::open(Cursor::new(trace)).map_err(|error| error.to_string())?;
        let policy = reader.header().payload;
        let mut recorded = Recorded {
            policy,
            issues: Vec::new(),
            blocks: Vec::new(),
            checkpoints: Vec::new(),
            issued_at: Vec::new(),
            released_at: Vec::new(),
        };
        let (mut step, mut releasing, mut ended) = (0, false, false);
        while let Some((place, event)) = reader.next_event().map_err(|error| error.to_string())? {
            let mut data = |payload: &Payload| match payload {
                Payload::Stored(_, id) => Some(reader.payload(*id).unwrap()),
                _ => None,
            };
            let is_block = matches!(event.kind, EventKind::Block(_));
            match event.kind {
                EventKind::Checkpoint(_) if releasing => {
                    return Err(format!("event {place}: a checkpoint of nothing"));
                }
                EventKind::Checkpoint(_) => {
                    recorded.checkpoints.push(place);
                    (step, releasing) = (step + 1, true);
                }
                EventKind::Issue(issue) => {
                    let data = data(&issue.payload);
                    recorded.issues.push((place, issue, data));
                    recorded.issued_at.push(event.time);
                }
                EventKind::Block(block) => {
                    if !releasing && recorded.blocks.last().is_none_or(|last| last.0 + 1 != place) {
                        return Err(format!("event {place}: a release without a checkpoint"));
                    }
                    let data = data(&block.payload);
                    recorded.blocks.push((place, step, block, data));
                    recorded.released_at.push(event.time);
                }
                EventKind::End { .. } => ended = true,
                _ => {}
            }
            releasing &= !is_block;
        }
        if let Some(loss) = reader.loss() {
            return Err(format!("the trace is not whole: {loss:?}"));
        }
        if ended { Ok(recorded) } else { Err("the trace has no end".to_owned()) }
    }

    /// R4: each id has one issue and then exactly one block, and ids count from 0.
    pub(super) fn check_ids(&self) -> Result<(), String> {
        for (number, (_, issue, _)) in (0..).zip(&self.issues) {
            if issue.id != RequestId(number) {
                return Err(format!("issue {number} has the id {}", issue.id));
            }
        }
        self.check_pairs()
    }

    /// R4 of a replay: each id has one issue and then exactly one block.
    pub(super) fn check_pairs(&self) -> Result<(), String> {
        let mut issued = BTreeSet::new();
        if let Some((_, twice, _)) = self.issues.iter().find(|one| !issued.insert(one.1.id)) {
            return Err(format!("{} is issued twice", twice.id));
        }
        let mut blocks = BTreeMap::new();
        for (place, _, block, _) in &self.blocks {
            if blocks.insert(block.id, place).is_some() {
                return Err(format!("{} is released twice", block.id));
            }
        }
        for (place, issue, _) in &self.issues {
            match blocks.get(&issue.id) {
                None => return Err(format!("{} is never released", issue.id)),
                Some(block) if *block < place => {
                    return Err(format!("{} is released before it is issued", issue.id));
                }
                Some(_) => {}
            }
        }
        if blocks.len() == self.issues.len() { Ok(()) } else { Err("a block of nothing".into()) }
    }

    /// Whether the trace tells what the client saw: the same requests in the same order, the same results in
    /// the same order on each connection. `connections` has the number of each session.
    pub(super) fn check_history(
        &self,
        history: &History,
        connections: &[ConnectionId],
    ) -> Result<(), String> {
        if self.issues.len() != history.sent.len() {
            let (sent, issues) = (history.sent.len(), self.issues.len());
            return Err(format!("{sent} requests were sent, {issues} are in the trace"));
        }
        for ((_, issue, data), sent) in self.issues.iter().zip(&history.sent) {
            let told = (issue.device.0.into(), issue.connection, issue.cookie, issue.request);
            let device = sent.device;
            if told != (device, connections[sent.session], sent.cookie, sent.request) {
                return Err(format!("{sent:?} is in the trace as {issue:?}"));
            }
            self.check_data(&sent.data, &issue.payload, data.as_ref(), true)
                .map_err(|what| format!("{sent:?}: {what}"))?;
        }
        self.check_replies(history)?;
        self.check_undelivered(history)?;
        self.check_causes(history)
    }

    /// What was released when its client had gone, and nothing else, is undelivered. When a client went is known up to
    /// the next request of another.
    fn check_undelivered(&self, history: &History) -> Result<(), String> {
        let mut gone: BTreeMap<usize, bool> = BTreeMap::new();
        for (place, _, block, _) in &self.blocks {
            let session = self.sent(history, block.id).session;
            let broke = history.broken.iter().find(|(broken, _)| *broken == session);
            let next = broke.and_then(|(_, issued)| self.issues.get(*issued));
            let surely_gone = next.is_some_and(|(next, _, _)| next < place);
            let was_gone = gone.insert(session, block.flags.undelivered) == Some(true);
            let undelivered = block.flags.undelivered;
            if (undelivered && broke.is_none()) || (!undelivered && (was_gone || surely_gone)) {
                return Err(format!("connection {session}: {broke:?}, and {block:?}"));
            }
        }
        Ok(())
    }

    fn check_replies(&self, history: &History) -> Result<(), String> {
        let mut received: BTreeMap<usize, std::slice::Iter<'_, &Received>> = BTreeMap::new();
        let mut by_session: BTreeMap<usize, Vec<&Received>> = BTreeMap::new();
        for reply in &history.received {
            by_session.entry(reply.session).or_default().push(reply);
        }
        received.extend(by_session.iter().map(|(session, replies)| (*session, replies.iter())));
        for (_, _, block, data) in &self.blocks {
            let sent = self.sent(history, block.id);
            if block.flags.refused != sent.refused.is_some() {
                return Err(format!("{sent:?} is in the trace as {block:?}"));
            }
            let next = received.get_mut(&sent.session).and_then(Iterator::next);
            // After the last reply that a client received it had gone.
            let Some(reply) = next else { continue };
            if reply.action != sent.action {
                return Err(format!("{:?} came when {:?} was released", reply.action, sent.action));
            }
            if block.flags.undelivered {
                return Err(format!("{reply:?} was received and is in the trace as undelivered"));
            }
            if (block.operation, block.result) != (sent.request.operation, reply.result)
                || block.extents != reply.extents
            {
                return Err(format!("{reply:?} is in the trace as {block:?}"));
            }
            self.check_data(&reply.data, &block.payload, data.as_ref(), false)
                .map_err(|what| format!("{reply:?}: {what}"))?;
        }
        match received.values_mut().find_map(Iterator::next) {
            Some(reply) => Err(format!("{reply:?} is not in the trace")),
            None => Ok(()),
        }
    }

    /// A reply that a client had received before it sent a request stands before it in the trace.
    fn check_causes(&self, history: &History) -> Result<(), String> {
        let ids: BTreeMap<ActionId, RequestId> =
            (0..).zip(&history.sent).map(|(id, sent)| (sent.action, RequestId(id))).collect();
        let released: BTreeMap<RequestId, u64> =
            self.blocks.iter().map(|(place, _, block, _)| (block.id, *place)).collect();
        for ((place, issue, _), sent) in self.issues.iter().zip(&history.sent) {
            for reply in &history.received[..sent.had_received] {
                if released[&ids[&reply.action]] > *place {
                    return Err(format!("{} could depend on {reply:?}, released later", issue.id));
                }
            }
        }
        Ok(())
    }

    fn sent<'a>(&self, history: &'a History, id: RequestId) -> &'a Sent {
        let place = self.issues.iter().position(|(_, issue, _)| issue.id == id);
        &history.sent[place.unwrap()]
    }

    /// Whether the trace knows of some data what its policy says.
    fn check_data(
        &self,
        data: &Bytes,
        payload: &Payload,
        stored: Option<&Bytes>,
        is_write: bool,
    ) -> Result<(), String> {
        let none = data.is_empty() || self.policy == PayloadPolicy::None;
        let expected = if none { Payload::Absent } else { Payload::of(data) };
        let keeps = match self.policy {
            PayloadPolicy::All => true,
            PayloadPolicy::Write => is_write,
            _ => false,
        };
        match (expected, payload) {
            (Payload::Digest(one), Payload::Digest(two)) if one == *two && !keeps => Ok(()),
            (Payload::Digest(one), Payload::Stored(two, _)) if one == *two && keeps => {
                if stored == Some(data) { Ok(()) } else { Err("other data are stored".to_owned()) }
            }
            (Payload::Absent, Payload::Absent) | (Payload::Zeroes, Payload::Zeroes) => Ok(()),
            _ => Err(format!("expected {expected:?}, the trace has {payload:?}")),
        }
    }
}
