//! Requests and events as JSON, one object a line. Rows and events come in, lines go out.
//!
//! Times are integer nanoseconds, offsets and lengths bytes, and an absent field is left out. Invariant: what
//! is here is a promise to programs; a field is added, never changed.

use std::fmt;
use std::io::{self, Write};

use blkreplay_core::event::{Block, Connect, Event, EventKind, Issue, Payload};
use blkreplay_core::request::{Extent, Flags, Request};
use blkreplay_core::rows::Row;
use serde::{Serialize, Serializer};

use super::{Outcome, flag_names, has_range, known, row_flags, row_outcome};

/// The schema of a request.
const REQUEST_SCHEMA: &str = "blkreplay.request/1";
/// The schema of an event.
const EVENT_SCHEMA: &str = "blkreplay.event/1";

/// Writes JSON lines.
#[derive(Debug, Default)]
pub(crate) struct Json {
    line: Vec<u8>,
}

impl Json {
    /// Writes a request.
    pub(crate) fn request(&mut self, row: &Row, out: &mut impl Write) -> io::Result<()> {
        let (off, len) = range(&row.request);
        let completion = row.completion.as_ref();
        let request = RequestJson {
            schema: REQUEST_SCHEMA,
            id: row.id.0,
            dev: row.device.0,
            conn: row.connection.0,
            op: row.request.operation.name(),
            off,
            len,
            flags: row_flags(row),
            t: row.time.0,
            lat: completion.map(|completion| completion.latency.0),
            hold: completion.map(|completion| completion.hold.0),
            epoch: row.epoch,
            payload: known(row.payload).map(Shown),
            result: row_outcome(row).map(Shown),
        };
        self.write(&request, out)
    }

    /// Writes an event.
    pub(crate) fn event(
        &mut self,
        index: u64,
        event: &Event,
        out: &mut impl Write,
    ) -> io::Result<()> {
        self.write(&event_json(index, event), out)
    }

    fn write(&mut self, value: &impl Serialize, out: &mut impl Write) -> io::Result<()> {
        self.line.clear();
        serde_json::to_writer(&mut self.line, value)?;
        self.line.push(b'\n');
        out.write_all(&self.line)
    }
}

/// A value that is written as it is printed.
#[derive(Debug)]
struct Shown<T>(T);

impl<T: fmt::Display> Serialize for Shown<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

#[derive(Debug, Serialize)]
struct RequestJson {
    schema: &'static str,
    id: u64,
    dev: u16,
    conn: u32,
    op: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    off: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    len: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    flags: Vec<&'static str>,
    t: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    lat: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hold: Option<u64>,
    epoch: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<Shown<Payload>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<Shown<Outcome>>,
}

/// The fields of all kinds of events; each kind has its own.
#[derive(Debug, Default, Serialize)]
struct EventJson<'event> {
    schema: &'static str,
    seq: u64,
    kind: &'static str,
    t: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dev: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    conn: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cookie: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    op: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    off: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    len: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    flags: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lat: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hold: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<Shown<Payload>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<Shown<Outcome>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    extents: Vec<ExtentJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    checkpoint: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    export: Option<&'event str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    structured_replies: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    block_status: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u8>,
}

#[derive(Debug, Serialize)]
struct ExtentJson {
    len: u64,
    hole: bool,
    zero: bool,
}

impl From<&Extent> for ExtentJson {
    fn from(extent: &Extent) -> ExtentJson {
        ExtentJson { len: extent.length, hole: extent.hole, zero: extent.zero }
    }
}

fn event_json(index: u64, event: &Event) -> EventJson<'_> {
    let base = EventJson {
        schema: EVENT_SCHEMA,
        seq: index,
        kind: event.kind.name(),
        t: event.time.0,
        ..EventJson::default()
    };
    match &event.kind {
        EventKind::Issue(issue) => issue_json(issue, base),
        EventKind::Block(block) => block_json(block, base),
        EventKind::Checkpoint(checkpoint) => {
            EventJson { checkpoint: Some(checkpoint.name()), ..base }
        }
        EventKind::Open { device } | EventKind::Close { device } => {
            EventJson { dev: Some(device.0), ..base }
        }
        EventKind::Length { device, length } => {
            EventJson { dev: Some(device.0), len: Some(*length), ..base }
        }
        EventKind::Connect(connect) => connect_json(connect, base),
        EventKind::Disconnect { connection, reason } => {
            EventJson { conn: Some(connection.0), reason: Some(reason.name()), ..base }
        }
        EventKind::End { status } => EventJson { status: *status, ..base },
    }
}

fn issue_json<'event>(issue: &Issue, base: EventJson<'event>) -> EventJson<'event> {
    let (off, len) = range(&issue.request);
    EventJson {
        id: Some(issue.id.0),
        dev: Some(issue.device.0),
        conn: Some(issue.connection.0),
        cookie: Some(issue.cookie),
        op: Some(issue.request.operation.name()),
        off,
        len,
        flags: issue.request.flags.names().collect(),
        payload: known(issue.payload).map(Shown),
        ..base
    }
}

fn block_json<'event>(block: &Block, base: EventJson<'event>) -> EventJson<'event> {
    EventJson {
        id: Some(block.id.0),
        dev: Some(block.device.0),
        op: Some(block.operation.name()),
        flags: flag_names(Flags::NONE, block.flags),
        lat: Some(block.latency.0),
        hold: Some(block.hold.0),
        payload: known(block.payload).map(Shown),
        result: Some(Shown(Outcome(block.result))),
        extents: block.extents.iter().map(ExtentJson::from).collect(),
        ..base
    }
}

fn connect_json<'event>(connect: &'event Connect, base: EventJson<'event>) -> EventJson<'event> {
    EventJson {
        conn: Some(connect.connection.0),
        dev: Some(connect.device.0),
        export: Some(&connect.export),
        structured_replies: Some(connect.structured_replies),
        block_status: Some(connect.block_status),
        ..base
    }
}

fn range(request: &Request) -> (Option<u64>, Option<u64>) {
    let range = has_range(request).then_some(request.range);
    (range.map(|range| range.offset), range.map(|range| range.length))
}
