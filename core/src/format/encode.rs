//! Events to bytes: the body of a chunk of events, in rows.
//!
//! No I/O, and no idea of chunks but that one begins where the encoder is emptied. Invariant: what is
//! encoded decodes to the same event (`decode` has the test).

use std::mem;

use super::before::{
    BLOCK, Before, CHECKPOINT, CLOSE, CONNECT, DISCONNECT, END, ISSUE, LENGTH, MARK, OPEN,
    SKIPPABLE, completion, connect, extent, payload, shape,
};
use super::decode::UnknownEvent;
use super::guest;
use super::varint::{put, put_difference};
use crate::event::{Block, Connect, Event, EventKind, Issue, Payload};
use crate::request::Extent;
use crate::units::Nanos;

/// Gathers the events of one chunk.
#[derive(Debug, Default)]
pub(super) struct Encoder {
    body: Vec<u8>,
    count: u32,
    time_first: u64,
    before: Before,
}

/// What was gathered.
#[derive(Debug)]
pub(super) struct Rows {
    pub(super) body: Vec<u8>,
    pub(super) count: u32,
    pub(super) time_first: u64,
    pub(super) time_last: u64,
}

impl Encoder {
    /// Appends `event`. Its time must not be less than that of the event before in this chunk.
    pub(super) fn add(&mut self, event: &Event) {
        let delta = self.step(event.time.0);
        match &event.kind {
            EventKind::Issue(issue) => self.issue(delta, issue),
            EventKind::Block(block) => self.block(delta, block),
            EventKind::Checkpoint(checkpoint) => {
                self.start(CHECKPOINT, delta);
                self.body.push(*checkpoint as u8);
            }
            other => put_other(&mut self.body, delta, other),
        }
    }

    /// Appends an event of a kind that is not known, as it was read.
    pub(super) fn add_unknown(&mut self, event: &UnknownEvent) {
        let delta = self.step(event.time.0);
        put_unknown(&mut self.body, delta, event);
    }

    /// Bytes gathered.
    pub(super) fn len(&self) -> usize {
        self.body.len()
    }

    /// Time of the first event; `None` without one.
    pub(super) fn time_first(&self) -> Option<u64> {
        (self.count > 0).then_some(self.time_first)
    }

    /// Takes what was gathered and begins the next chunk.
    pub(super) fn take(&mut self) -> Rows {
        let body = mem::take(&mut self.body);
        self.body.reserve(body.len());
        let count = mem::take(&mut self.count);
        Rows { body, count, time_first: self.time_first, time_last: self.before.time }
    }

    /// Counts an event; gives the time since the one before.
    fn step(&mut self, time: u64) -> u64 {
        if self.count == 0 {
            self.time_first = time;
            self.before = Before { time, ..Before::default() };
        }
        let delta = time.checked_sub(self.before.time).expect("the writer keeps times in order");
        self.before.time = time;
        self.count += 1;
        delta
    }

    fn start(&mut self, kind: u8, delta: u64) {
        self.body.push(kind);
        put(&mut self.body, delta);
    }

    fn issue(&mut self, delta: u64, issue: &Issue) {
        let before = self.before;
        let (range, operation) = (issue.request.range, issue.request.operation);
        let moved =
            (issue.device.0, issue.connection.0) != (before.issue_device, before.issue_connection);
        self.start(ISSUE, delta);
        put_difference(&mut self.body, issue.id.0, before.issue_id);
        let route = if moved { shape::ROUTE } else { 0 };
        let early = if issue.early == Nanos(0) { 0 } else { shape::EARLY };
        self.body.push(operation as u8 | payload_bits(&issue.payload) | route | early);
        self.body.push(issue.request.flags.bits());
        if moved {
            put(&mut self.body, u64::from(issue.device.0));
            put(&mut self.body, u64::from(issue.connection.0));
        }
        if early != 0 {
            put(&mut self.body, issue.early.0);
        }
        put_difference(&mut self.body, issue.cookie, before.cookie);
        put_difference(&mut self.body, range.offset, before.offset);
        put(&mut self.body, range.length);
        self.payload(&issue.payload);
        self.before.issue_id = issue.id.0.wrapping_add(1);
        self.before.issue_device = issue.device.0;
        self.before.issue_connection = issue.connection.0;
        self.before.cookie = issue.cookie;
        self.before.offset = range.offset.wrapping_add(range.length);
    }

    fn block(&mut self, delta: u64, block: &Block) {
        let moved = block.device.0 != self.before.block_device;
        self.start(BLOCK, delta);
        put_difference(&mut self.body, block.id.0, self.before.block_id);
        self.body.push(
            block.operation as u8
                | payload_bits(&block.payload)
                | if moved { shape::ROUTE } else { 0 }
                | if block.result.is_err() { shape::FAILED } else { 0 }
                | if block.extents.is_empty() { 0 } else { shape::EXTENTS },
        );
        self.body.push(
            if block.flags.undelivered { completion::UNDELIVERED } else { 0 }
                | if block.flags.refused { completion::REFUSED } else { 0 },
        );
        if moved {
            put(&mut self.body, u64::from(block.device.0));
        }
        put(&mut self.body, block.latency.0);
        put(&mut self.body, block.hold.0);
        if let Err(errno) = block.result {
            put(&mut self.body, u64::from(errno.0));
        }
        self.payload(&block.payload);
        if !block.extents.is_empty() {
            self.extents(&block.extents);
        }
        self.before.block_id = block.id.0.wrapping_add(1);
        self.before.block_device = block.device.0;
    }

    fn payload(&mut self, payload: &Payload) {
        match payload {
            Payload::Absent | Payload::Zeroes => {}
            Payload::Digest(digest) => self.body.extend(digest.0.to_le_bytes()),
            Payload::Stored(digest, id) => {
                self.body.extend(digest.0.to_le_bytes());
                put_difference(&mut self.body, id.0, self.before.payload_id);
                self.before.payload_id = id.0.wrapping_add(1);
            }
        }
    }

    fn extents(&mut self, extents: &[Extent]) {
        put(&mut self.body, extents.len() as u64);
        for one in extents {
            put(&mut self.body, one.length);
            self.body.push(
                if one.hole { extent::HOLE } else { 0 } | if one.zero { extent::ZERO } else { 0 },
            );
        }
    }
}

/// Appends an event that is neither issue nor block nor checkpoint, `delta` after the one before.
pub(super) fn put_other(out: &mut Vec<u8>, delta: u64, kind: &EventKind) {
    if let EventKind::End { status } = kind {
        out.push(END);
        put(out, delta);
        put(out, status.map_or(0, |status| u64::from(status) + 1));
    } else if let Some(number) = guest::number_of(kind) {
        out.push(number);
        put(out, delta);
        guest::put_fields(out, kind);
    } else {
        put_note(out, delta, kind);
    }
}

/// Appends an event of a kind that is not known.
pub(super) fn put_unknown(out: &mut Vec<u8>, delta: u64, event: &UnknownEvent) {
    assert!(event.kind >= SKIPPABLE, "no reader gives out others");
    out.push(event.kind);
    put(out, delta);
    put(out, event.fields.len() as u64);
    out.extend(&event.fields);
}

/// Appends an event that a reader may skip: its bytes are gathered first, because their length goes before.
fn put_note(out: &mut Vec<u8>, delta: u64, kind: &EventKind) {
    let mut bytes = Vec::new();
    let number = match kind {
        EventKind::Open { device } => {
            put(&mut bytes, u64::from(device.0));
            OPEN
        }
        EventKind::Length { device, length } => {
            put(&mut bytes, u64::from(device.0));
            put(&mut bytes, *length);
            LENGTH
        }
        EventKind::Close { device } => {
            put(&mut bytes, u64::from(device.0));
            CLOSE
        }
        EventKind::Connect(connect) => {
            put_connect(&mut bytes, connect);
            CONNECT
        }
        EventKind::Disconnect { connection, reason } => {
            put(&mut bytes, u64::from(connection.0));
            bytes.push(*reason as u8);
            DISCONNECT
        }
        EventKind::Mark { name } => {
            put(&mut bytes, name.as_str().len() as u64);
            bytes.extend(name.as_str().as_bytes());
            MARK
        }
        _ => unreachable!("a reader must know the others"),
    };
    out.push(number);
    put(out, delta);
    put(out, bytes.len() as u64);
    out.extend(bytes);
}

fn put_connect(bytes: &mut Vec<u8>, negotiated: &Connect) {
    put(bytes, u64::from(negotiated.connection.0));
    put(bytes, u64::from(negotiated.device.0));
    bytes.push(
        if negotiated.structured_replies { connect::STRUCTURED_REPLIES } else { 0 }
            | if negotiated.block_status { connect::BLOCK_STATUS } else { 0 }
            | if negotiated.extended_headers { connect::EXTENDED_HEADERS } else { 0 },
    );
    put(bytes, negotiated.export.len() as u64);
    bytes.extend(negotiated.export.as_bytes());
}

fn payload_bits(of: &Payload) -> u8 {
    let known = match of {
        Payload::Absent => payload::ABSENT,
        Payload::Zeroes => payload::ZEROES,
        Payload::Digest(_) => payload::DIGEST,
        Payload::Stored(..) => payload::STORED,
    };
    known << shape::PAYLOAD_SHIFT
}
