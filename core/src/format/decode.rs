//! Bytes to events: the body of a chunk of events, in rows.
//!
//! One event at a time, because a body of the largest size holds more events than fit in memory. No I/O.
//! Invariant: each call consumes bytes or ends, and no bytes make it panic.

use super::before::{
    BLOCK, Before, CHECKPOINT, CLOSE, CONNECT, DISCONNECT, END, ISSUE, LENGTH, MARK, OPEN,
    SKIPPABLE, completion, connect, extent, payload, shape,
};
pub use super::decode_error::DecodeError;
use super::guest;
use super::varint::Source;
use crate::event::{
    Block, Checkpoint, CompletionFlags, Connect, Disconnect, Event, EventKind, Issue, MarkName,
    Payload, PayloadId,
};
use crate::limits::{EXTENTS_MAX, MARK_NAME_BYTES_MAX, NBD_STRING_BYTES_MAX};
use crate::request::{
    ConnectionId, DeviceId, Digest, Errno, Extent, Flags, Operation, Request, RequestId,
};
use crate::units::{ByteRange, Nanos};

/// An event of a kind that is not known and may be skipped, as it lies in the trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownEvent {
    /// When.
    pub time: Nanos,
    /// The number of its kind, at least 0x80.
    pub kind: u8,
    /// What it holds.
    pub fields: Vec<u8>,
}

/// One step of a [`Decoder`].
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Decoded {
    Event(Event),
    /// An event of a kind that is not known and may be skipped.
    Skipped(UnknownEvent),
    /// An event of a kind that is not known and must not be skipped.
    Unknown {
        kind: u8,
        /// How many events lie before it that were not given out.
        ahead: u64,
    },
    /// All events have been decoded.
    Done,
}

/// Takes the events of one chunk, in order.
#[derive(Debug)]
pub(super) struct Decoder {
    body: Vec<u8>,
    at: usize,
    left: u32,
    time_last: u64,
    before: Before,
}

impl Decoder {
    /// Decodes `count` events in `body`; times are those of the chunk's header.
    pub(super) fn new(body: Vec<u8>, count: u32, time_first: u64, time_last: u64) -> Decoder {
        let before = Before { time: time_first, ..Before::default() };
        Decoder { body, at: 0, left: count, time_last, before }
    }

    /// Whether all events were given out.
    pub(super) fn is_done(&self) -> bool {
        self.left == 0
    }

    /// The next event.
    #[inline]
    pub(super) fn next(&mut self) -> Result<Decoded, DecodeError> {
        if self.left == 0 {
            return self.done();
        }
        let mut source = Source::new(&self.body, self.at);
        let (kind, time) = start(&mut source, self.before.time)?;
        let decoded = if kind < SKIPPABLE {
            match required(kind, time, &mut source, &mut self.before)? {
                Some(kind) => Decoded::Event(Event { time: Nanos(time), kind }),
                None => return Ok(Decoded::Unknown { kind, ahead: 0 }),
            }
        } else {
            skippable(kind, time, &mut source)?
        };
        self.before.time = time;
        self.at = source.at();
        self.left -= 1;
        Ok(decoded)
    }

    fn done(&self) -> Result<Decoded, DecodeError> {
        let left = self.body.len() - self.at;
        if left > 0 {
            return Err(DecodeError::Trailing { at: self.at, left });
        }
        if self.before.time != self.time_last {
            return Err(DecodeError::TimeLast { found: self.before.time, said: self.time_last });
        }
        Ok(Decoded::Done)
    }
}

/// Takes the kind of an event and its time.
#[inline]
fn start(source: &mut Source<'_>, before: u64) -> Result<(u8, u64), DecodeError> {
    let kind = source.byte()?;
    let delta = source.number()?;
    let time = before.checked_add(delta).ok_or_else(|| unknown(source, "a time", delta))?;
    Ok((kind, time))
}

/// Hands the issues and blocks of a body and its end over, each with its time, and checks the rest.
pub(super) fn visit(
    body: &[u8],
    count: u32,
    (time_first, time_last): (u64, u64),
    mut visitor: impl FnMut(u64, Visited),
) -> Result<(), DecodeError> {
    let mut source = Source::new(body, 0);
    let mut before = Before { time: time_first, ..Before::default() };
    for _ in 0..count {
        let (kind, time) = start(&mut source, before.time)?;
        match kind {
            ISSUE => visitor(time, Visited::Issue(issue(time, &mut source, &mut before)?)),
            BLOCK => visitor(time, Visited::Block(block(&mut source, &mut before)?)),
            SKIPPABLE.. => drop(skippable(kind, time, &mut source)?),
            _ => match required(kind, time, &mut source, &mut before)? {
                Some(EventKind::End { .. }) => visitor(time, Visited::End),
                Some(_) => {}
                None => return Err(unknown(&source, "the kind of an event", kind)),
            },
        }
        before.time = time;
    }
    Decoder { body: Vec::new(), at: 0, left: 0, time_last, before }.done()?;
    match source.left() {
        0 => Ok(()),
        left => Err(DecodeError::Trailing { at: source.at(), left }),
    }
}

/// What [`visit`] hands over.
pub(super) enum Visited {
    Issue(Issue),
    Block(Block),
    End,
}

/// Takes an event that is neither issue nor block nor checkpoint; `before` is the time of the one before.
pub(super) fn other(source: &mut Source<'_>, before: u64) -> Result<(u64, Decoded), DecodeError> {
    let (kind, time) = start(source, before)?;
    let decoded = match kind {
        ISSUE | BLOCK | CHECKPOINT => {
            return Err(unknown(source, "the kind of another event", kind));
        }
        SKIPPABLE.. => skippable(kind, time, source)?,
        _ => match required(kind, time, source, &mut Before::default())? {
            Some(kind) => Decoded::Event(Event { time: Nanos(time), kind }),
            None => Decoded::Unknown { kind, ahead: 0 },
        },
    };
    Ok((time, decoded))
}

/// Takes the rest of an event that carries its length.
fn skippable(kind: u8, time: u64, source: &mut Source<'_>) -> Result<Decoded, DecodeError> {
    let length = source.number()?;
    let fields = source.slice(length)?;
    let time = Nanos(time);
    Ok(match note(kind, &mut Source::new(fields, 0))? {
        Some(kind) => Decoded::Event(Event { time, kind }),
        None => Decoded::Skipped(UnknownEvent { time, kind, fields: fields.to_owned() }),
    })
}

pub(super) fn unknown(
    source: &Source<'_>,
    what: &'static str,
    found: impl Into<u64>,
) -> DecodeError {
    DecodeError::Value { at: source.at(), what, found: found.into() }
}

/// Takes a number that must fit in a narrower type.
pub(super) fn narrow<N: TryFrom<u64>>(
    source: &mut Source<'_>,
    what: &'static str,
) -> Result<N, DecodeError> {
    let found = source.number()?;
    N::try_from(found).map_err(|_| unknown(source, what, found))
}

/// Takes the rest of an event whose kind a reader must know; `None` if this one does not.
#[inline]
fn required(
    kind: u8,
    time: u64,
    source: &mut Source<'_>,
    before: &mut Before,
) -> Result<Option<EventKind>, DecodeError> {
    Ok(Some(match kind {
        ISSUE => EventKind::Issue(issue(time, source, before)?),
        BLOCK => EventKind::Block(block(source, before)?),
        CHECKPOINT => {
            let number = source.byte()?;
            let known = Checkpoint::from_number(number.into());
            EventKind::Checkpoint(known.ok_or_else(|| unknown(source, "a checkpoint", number))?)
        }
        END => {
            let number = source.number()?;
            let status = number.checked_sub(1).map(u8::try_from).transpose();
            EventKind::End { status: status.map_err(|_| unknown(source, "a status", number))? }
        }
        _ => return guest::take(kind, source),
    }))
}

#[inline]
fn issue(time: u64, source: &mut Source<'_>, before: &mut Before) -> Result<Issue, DecodeError> {
    let id = source.difference(before.issue_id)?;
    let shape = source.byte()?;
    if shape & shape::EXTENTS != 0 {
        return Err(unknown(source, "the shape of an issue", shape));
    }
    let operation = operation(source, shape)?;
    let bits = source.byte()?;
    let flags = Flags::from_bits(bits).ok_or_else(|| unknown(source, "a set of flags", bits))?;
    if shape & shape::ROUTE != 0 {
        before.issue_device = narrow(source, "a device")?;
        before.issue_connection = narrow(source, "a connection")?;
    }
    let early = if shape & shape::EARLY == 0 { 0 } else { source.number()? };
    let early = arrival(source.at(), early, time)?;
    let cookie = source.difference(before.cookie)?;
    let offset = source.difference(before.offset)?;
    let length = source.number()?;
    let payload = payload(source, shape, before)?;
    before.issue_id = id.wrapping_add(1);
    before.cookie = cookie;
    before.offset = offset.wrapping_add(length);
    Ok(Issue {
        id: RequestId(id),
        device: DeviceId(before.issue_device),
        connection: ConnectionId(before.issue_connection),
        cookie,
        request: Request { operation, range: ByteRange::new(offset, length), flags },
        payload,
        early,
    })
}

/// How early a request came whose issue is at `time`: it cannot have come before the recording began.
pub(super) fn arrival(at: usize, early: u64, time: u64) -> Result<Nanos, DecodeError> {
    if early > time {
        return Err(DecodeError::Early { at, early, time });
    }
    Ok(Nanos(early))
}

#[inline]
fn block(source: &mut Source<'_>, before: &mut Before) -> Result<Block, DecodeError> {
    let id = source.difference(before.block_id)?;
    let shape = source.byte()?;
    let operation = operation(source, shape)?;
    let bits = source.byte()?;
    if bits & !completion::KNOWN != 0 {
        return Err(unknown(source, "a set of completion flags", bits));
    }
    if shape & shape::ROUTE != 0 {
        before.block_device = narrow(source, "a device")?;
    }
    let latency = Nanos(source.number()?);
    let hold = Nanos(source.number()?);
    let result = if shape & shape::FAILED == 0 {
        Ok(())
    } else {
        Err(Errno(narrow(source, "an error number")?))
    };
    let payload = payload(source, shape, before)?;
    let extents = if shape & shape::EXTENTS == 0 { Vec::new() } else { extents(source)? };
    before.block_id = id.wrapping_add(1);
    Ok(Block {
        id: RequestId(id),
        device: DeviceId(before.block_device),
        operation,
        result,
        latency,
        hold,
        flags: CompletionFlags {
            undelivered: bits & completion::UNDELIVERED != 0,
            refused: bits & completion::REFUSED != 0,
        },
        payload,
        extents,
    })
}

fn operation(source: &Source<'_>, shape: u8) -> Result<Operation, DecodeError> {
    let number = shape & shape::OPERATION;
    Operation::from_number(number).ok_or_else(|| unknown(source, "an operation", number))
}

fn payload(
    source: &mut Source<'_>,
    shape: u8,
    before: &mut Before,
) -> Result<Payload, DecodeError> {
    let known = (shape & shape::PAYLOAD) >> shape::PAYLOAD_SHIFT;
    if known == payload::ABSENT {
        return Ok(Payload::Absent);
    }
    if known == payload::ZEROES {
        return Ok(Payload::Zeroes);
    }
    let digest = Digest(u128::from_le_bytes(source.array()?));
    if known == payload::DIGEST {
        return Ok(Payload::Digest(digest));
    }
    let id = source.difference(before.payload_id)?;
    before.payload_id = id.wrapping_add(1);
    Ok(Payload::Stored(digest, PayloadId(id)))
}

pub(super) fn extents(source: &mut Source<'_>) -> Result<Vec<Extent>, DecodeError> {
    let count = source.number()?;
    if count == 0 || count > EXTENTS_MAX as u64 {
        return Err(unknown(source, "the number of extents", count));
    }
    let mut extents = Vec::new();
    for _ in 0..count {
        let length = source.number()?;
        let bits = source.byte()?;
        if length == 0 || bits & !extent::KNOWN != 0 {
            return Err(unknown(source, "an extent", if length == 0 { 0 } else { bits }));
        }
        let (hole, zero) = (bits & extent::HOLE != 0, bits & extent::ZERO != 0);
        extents.push(Extent { length, hole, zero });
    }
    Ok(extents)
}

/// Takes an event that may be skipped; `None` if its kind is not known. What a later version added to
/// the end of a known one is ignored.
fn note(kind: u8, source: &mut Source<'_>) -> Result<Option<EventKind>, DecodeError> {
    Ok(Some(match kind {
        OPEN => EventKind::Open { device: DeviceId(narrow(source, "a device")?) },
        LENGTH => EventKind::Length {
            device: DeviceId(narrow(source, "a device")?),
            length: source.number()?,
        },
        CLOSE => EventKind::Close { device: DeviceId(narrow(source, "a device")?) },
        CONNECT => EventKind::Connect(connect(source)?),
        DISCONNECT => {
            let connection = ConnectionId(narrow(source, "a connection")?);
            let number = source.byte()?;
            let named = Disconnect::NAMES.get(usize::from(number));
            let (reason, _) = named.ok_or_else(|| unknown(source, "a disconnect", number))?;
            EventKind::Disconnect { connection, reason: *reason }
        }
        MARK => EventKind::Mark { name: mark_name(source)? },
        _ => return Ok(None),
    }))
}

fn connect(source: &mut Source<'_>) -> Result<Connect, DecodeError> {
    let connection = ConnectionId(narrow(source, "a connection")?);
    let device = DeviceId(narrow(source, "a device")?);
    let bits = source.byte()?;
    Ok(Connect {
        connection,
        device,
        export: text(source, "an export name", NBD_STRING_BYTES_MAX)?.to_owned(),
        structured_replies: bits & connect::STRUCTURED_REPLIES != 0,
        block_status: bits & connect::BLOCK_STATUS != 0,
        extended_headers: bits & connect::EXTENDED_HEADERS != 0,
    })
}

/// Takes the name of a mark, with its length before it.
pub(super) fn mark_name(source: &mut Source<'_>) -> Result<MarkName, DecodeError> {
    let name = text(source, "the name of a mark", MARK_NAME_BYTES_MAX)?;
    name.parse().map_err(|error| DecodeError::Mark { at: source.at(), source: error })
}

/// Takes a text of at most `bytes_max` bytes, with its length before it.
fn text<'body>(
    source: &mut Source<'body>,
    what: &'static str,
    bytes_max: usize,
) -> Result<&'body str, DecodeError> {
    let length = source.number()?;
    if length > bytes_max as u64 {
        return Err(DecodeError::Long { at: source.at(), what, found: length, bytes_max });
    }
    let bytes = source.slice(length)?;
    str::from_utf8(bytes).map_err(|_| DecodeError::Text { at: source.at(), what })
}
