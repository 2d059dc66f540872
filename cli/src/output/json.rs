//! Requests and events as JSON, one object a line. Rows and events come in, lines go out.
//!
//! Times are integer nanoseconds, offsets and lengths bytes, and an absent field is left out. Invariant: what
//! is here is a promise to programs; a field is added, never changed.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, Write};

use blkreplay_core::event::{Block, Connect, Event, EventKind, Issue, Payload};
use blkreplay_core::request::{Extent, Flags, Request};
use blkreplay_core::rows::Row;
use blkreplay_core::units::Nanos;
use serde::{Serialize, Serializer};

use super::{Devices, Outcome, flag_names, guest, has_range, known, row_flags, row_outcome};

/// The schema of a request.
pub(super) const REQUEST_SCHEMA: &str = "blkreplay.request/1";
/// The schema of an event.
pub(super) const EVENT_SCHEMA: &str = "blkreplay.event/1";

/// Writes JSON lines.
#[derive(Debug)]
pub(crate) struct Json {
    devices: Devices,
    line: Vec<u8>,
}

impl Json {
    /// Lines about these devices.
    pub(crate) fn new(devices: Devices) -> Json {
        Json { devices, line: Vec::new() }
    }

    /// Writes a request.
    pub(crate) fn request(&mut self, row: &Row, out: &mut impl Write) -> io::Result<()> {
        let (off, len) = range(&row.request);
        let completion = row.completion.as_ref();
        let request = RequestJson {
            schema: REQUEST_SCHEMA,
            id: row.id.0,
            dev: self.devices.name(row.device),
            conn: row.connection.0,
            op: row.request.operation.name(),
            off,
            len,
            flags: row_flags(row),
            t: row.time.0,
            early: not_zero(row.early),
            lat: completion.map(|completion| completion.latency.0),
            hold: completion.map(|completion| completion.hold.0),
            epoch: row.epoch,
            payload: known(row.payload).map(Shown),
            result: row_outcome(row).map(Shown),
        };
        write(&mut self.line, &request, out)
    }

    /// Writes an event.
    pub(crate) fn event(
        &mut self,
        index: u64,
        event: &Event,
        out: &mut impl Write,
    ) -> io::Result<()> {
        match guest::json(EVENT_SCHEMA, index, event, None) {
            Some(guest) => write(&mut self.line, &guest, out),
            None => write(&mut self.line, &event_json(index, event, &self.devices), out),
        }
    }
}

/// Writes a value on a line of its own, which is gathered in `line`.
pub(super) fn write(
    line: &mut Vec<u8>,
    value: &impl Serialize,
    out: &mut impl Write,
) -> io::Result<()> {
    line.clear();
    serde_json::to_writer(&mut *line, value)?;
    line.push(b'\n');
    out.write_all(line)
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
struct RequestJson<'event> {
    schema: &'static str,
    id: u64,
    dev: Cow<'event, str>,
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
    early: Option<u64>,
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
    dev: Option<Cow<'event, str>>,
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
    early: Option<u64>,
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
    extended_headers: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'event str>,
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

fn event_json<'event>(
    index: u64,
    event: &'event Event,
    devices: &'event Devices,
) -> EventJson<'event> {
    let own = match &event.kind {
        EventKind::Issue(issue) => issue_json(issue, devices),
        EventKind::Block(block) => block_json(block, devices),
        EventKind::Checkpoint(checkpoint) => {
            EventJson { checkpoint: Some(checkpoint.name()), ..EventJson::default() }
        }
        EventKind::Open { device } | EventKind::Close { device } => {
            EventJson { dev: Some(devices.name(*device)), ..EventJson::default() }
        }
        EventKind::Length { device, length } => {
            let dev = Some(devices.name(*device));
            EventJson { dev, len: Some(*length), ..EventJson::default() }
        }
        EventKind::Connect(connect) => connect_json(connect, devices),
        EventKind::Disconnect { connection, reason } => {
            let conn = Some(connection.0);
            EventJson { conn, reason: Some(reason.name()), ..EventJson::default() }
        }
        EventKind::Mark { name } => EventJson { name: Some(name.as_str()), ..EventJson::default() },
        EventKind::End { status } => EventJson { status: *status, ..EventJson::default() },
        // The others are printed by `guest`.
        _ => EventJson::default(),
    };
    EventJson { schema: EVENT_SCHEMA, seq: index, kind: event.kind.name(), t: event.time.0, ..own }
}

fn issue_json<'event>(issue: &Issue, devices: &'event Devices) -> EventJson<'event> {
    let (off, len) = range(&issue.request);
    EventJson {
        id: Some(issue.id.0),
        dev: Some(devices.name(issue.device)),
        conn: Some(issue.connection.0),
        cookie: Some(issue.cookie),
        op: Some(issue.request.operation.name()),
        off,
        len,
        flags: issue.request.flags.names().collect(),
        early: not_zero(issue.early),
        payload: known(issue.payload).map(Shown),
        ..EventJson::default()
    }
}

fn block_json<'event>(block: &Block, devices: &'event Devices) -> EventJson<'event> {
    EventJson {
        id: Some(block.id.0),
        dev: Some(devices.name(block.device)),
        op: Some(block.operation.name()),
        flags: flag_names(Flags::NONE, block.flags),
        lat: Some(block.latency.0),
        hold: Some(block.hold.0),
        payload: known(block.payload).map(Shown),
        result: Some(Shown(Outcome(block.result))),
        extents: block.extents.iter().map(ExtentJson::from).collect(),
        ..EventJson::default()
    }
}

fn connect_json<'event>(connect: &'event Connect, devices: &'event Devices) -> EventJson<'event> {
    EventJson {
        conn: Some(connect.connection.0),
        dev: Some(devices.name(connect.device)),
        export: Some(&connect.export),
        structured_replies: Some(connect.structured_replies),
        block_status: Some(connect.block_status),
        // Left out where it is not so: traces from before it was offered print as they did.
        extended_headers: connect.extended_headers.then_some(true),
        ..EventJson::default()
    }
}

fn not_zero(span: Nanos) -> Option<u64> {
    (span != Nanos(0)).then_some(span.0)
}

fn range(request: &Request) -> (Option<u64>, Option<u64>) {
    let range = has_range(request).then_some(request.range);
    (range.map(|range| range.offset), range.map(|range| range.length))
}
