//! What a request has that a filter can ask for: names, types, and how to get it from a row.
//!
//! The only table of fields: the parser, the help and the book are made from it. Invariant: a name means one field.

use super::filter::Needs;
use super::names::nearest;
use crate::event::Payload;
use crate::request::Flags;
use crate::rows::Row;

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A number: an id, a count, bytes or sectors.
    Number,
    /// A span or a time, in nanoseconds.
    Span,
    /// Yes or no.
    Flag,
    /// An operation.
    Operation,
    /// `ok`, or an errno.
    Result,
    /// A device.
    Device,
    /// A kind of event.
    Event,
    /// A text.
    Text,
    /// Bytes.
    Bytes,
}

impl Kind {
    /// How it is called in messages.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Number => "a number",
            Kind::Span => "a span of time",
            Kind::Flag => "yes or no",
            Kind::Operation => "an operation",
            Kind::Result => "ok or an errno",
            Kind::Device => "a device",
            Kind::Event => "a kind of event",
            Kind::Text => "a text",
            Kind::Bytes => "bytes",
        }
    }
}

/// A field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// Other names, some of them Wireshark's.
    pub aliases: &'static [&'static str],
    /// What it is.
    pub kind: Kind,
    /// What it says.
    pub about: &'static str,
    pub(super) get: Get,
}

/// How to get a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Get {
    Id,
    Event,
    Connection,
    Cookie,
    Epoch,
    Offset,
    End,
    Length,
    Sector,
    SectorEnd,
    Sectors,
    Time,
    Completed,
    Latency,
    Hold,
    Early,
    Flag(Flags),
    Done,
    Undelivered,
    Refused,
    Zeroes,
    Operation,
    Error,
    Result,
    Device,
    EventKind,
    Process,
    Step,
    Depth,
    Gap,
    Seek,
    Sequential,
    Mark,
    Note,
    NeverWritten,
    Payload,
    Hash,
}

const fn field(
    name: &'static str,
    aliases: &'static [&'static str],
    kind: Kind,
    get: Get,
    about: &'static str,
) -> Field {
    Field { name, aliases, kind, about, get }
}

/// All fields.
pub static FIELDS: [Field; 40] = [
    field("id", &["seq"], Kind::Number, Get::Id, "the request's id"),
    field("event", &[], Kind::Number, Get::Event, "the index of its issue in the trace"),
    field("dev", &[], Kind::Device, Get::Device, "its device, by its printed name"),
    field("conn", &[], Kind::Number, Get::Connection, "the connection it came over"),
    field(
        "cookie",
        &["nbd.handle", "nbd.cookie"],
        Kind::Number,
        Get::Cookie,
        "the client's own tag",
    ),
    field(
        "op",
        &["nbd.type"],
        Kind::Operation,
        Get::Operation,
        "read, write, write_zeroes, discard, flush, block_status or cache",
    ),
    field("off", &["offset", "nbd.from"], Kind::Number, Get::Offset, "its first byte"),
    field("end", &[], Kind::Number, Get::End, "the byte behind its last"),
    field("len", &["length", "nbd.len"], Kind::Number, Get::Length, "its length, in bytes"),
    field("lba", &[], Kind::Number, Get::Sector, "its first sector of 512 bytes"),
    field("lba_end", &[], Kind::Number, Get::SectorEnd, "the sector behind its last"),
    field("nlb", &[], Kind::Number, Get::Sectors, "how many sectors it touches"),
    field("t", &[], Kind::Span, Get::Time, "when it was issued, from the begin of the recording"),
    field("tc", &[], Kind::Span, Get::Completed, "when its completion was released"),
    field(
        "lat",
        &["latency", "nbd.time"],
        Kind::Span,
        Get::Latency,
        "from its issue until the image was done",
    ),
    field("hold", &["wait"], Kind::Span, Get::Hold, "from then until its release"),
    field("early", &[], Kind::Span, Get::Early, "of a replay: how long before its step it came"),
    field(
        "epoch",
        &[],
        Kind::Number,
        Get::Epoch,
        "flushes of its device released before its issue",
    ),
    field("fua", &[], Kind::Flag, Get::Flag(Flags::FUA), "it is durable when it is complete"),
    field(
        "no_hole",
        &[],
        Kind::Flag,
        Get::Flag(Flags::NO_HOLE),
        "zeroes that may not become a hole",
    ),
    field(
        "fast_zero",
        &[],
        Kind::Flag,
        Get::Flag(Flags::FAST_ZERO),
        "zeroes that are to be fast, or fail",
    ),
    field("req_one", &[], Kind::Flag, Get::Flag(Flags::REQ_ONE), "one extent is enough"),
    field("done", &[], Kind::Flag, Get::Done, "the trace has its completion"),
    field("undelivered", &[], Kind::Flag, Get::Undelivered, "its client had gone"),
    field("refused", &[], Kind::Flag, Get::Refused, "the front refused it"),
    field("zeroes", &[], Kind::Flag, Get::Zeroes, "its data are all zeroes"),
    field("err", &["nbd.error"], Kind::Result, Get::Error, "its errno, if it failed"),
    field("result", &[], Kind::Result, Get::Result, "ok, or its errno"),
    field("payload", &[], Kind::Bytes, Get::Payload, "its data, where the trace has them"),
    field("hash", &[], Kind::Text, Get::Hash, "the digest of its data, or `zeroes`, as printed"),
    field("step", &["ckpt"], Kind::Number, Get::Step, "checkpoints before its issue"),
    field(
        "qd",
        &[],
        Kind::Number,
        Get::Depth,
        "requests of its device in flight at its issue, itself counted",
    ),
    field("gap", &[], Kind::Span, Get::Gap, "from the issue of the request before it"),
    field(
        "seek",
        &[],
        Kind::Number,
        Get::Seek,
        "from the end of the request before it of its device to its first byte",
    ),
    field("sequential", &[], Kind::Flag, Get::Sequential, "it goes on where that one ended"),
    field("mark", &[], Kind::Flag, Get::Mark, "a mark lies between the request before and it"),
    field("note", &[], Kind::Text, Get::Note, "the name of the last mark before it"),
    field(
        "never_written",
        &[],
        Kind::Flag,
        Get::NeverWritten,
        "of a read: nothing of its range was written before in this trace",
    ),
    field(
        "ev.kind",
        &[],
        Kind::Event,
        Get::EventKind,
        "the kind of its event: of a request, issue",
    ),
    field(
        "req.pid",
        &[],
        Kind::Number,
        Get::Process,
        "the process that asked, where an imported trace knows it",
    ),
];

impl Field {
    /// The field of this name or alias.
    pub fn named(name: &str) -> Option<&'static Field> {
        FIELDS.iter().find(|field| field.name == name || field.aliases.contains(&name))
    }

    /// The name or alias that `word` may have been meant to be; `None` if none is near.
    pub fn near(word: &str) -> Option<&'static str> {
        let names = FIELDS
            .iter()
            .flat_map(|field| std::iter::once(field.name).chain(field.aliases.iter().copied()));
        nearest(word, names)
    }

    /// Whether it is about the range of a request, which a flush has not.
    pub fn is_of_range(&self) -> bool {
        use Get::{End, Length, Offset, Sector, SectorEnd, Sectors};
        matches!(self.get, Offset | End | Length | Sector | SectorEnd | Sectors)
    }

    /// What it takes beside rows to say it.
    pub fn needs(&self) -> Needs {
        let mut needs = Needs::default();
        self.get.add_needs(&mut needs);
        needs
    }

    /// What a request says in this field, if that is a text.
    pub fn text(&self, row: &Row) -> Option<String> {
        match self.get {
            Get::Hash if row.payload != Payload::Absent => Some(row.payload.to_string()),
            Get::Note => row.context.mark.as_deref().map(str::to_owned),
            _ => None,
        }
    }

    /// What a request says in this field; `None` where it has nothing to say, or a text.
    pub fn of(&self, row: &Row) -> Option<Value> {
        get(self.get, row)
    }
}

/// What a field of a row says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    /// A number, or a span in nanoseconds: the field's kind says which.
    Number(i128),
    /// Yes or no.
    Flag(bool),
    /// An operation.
    Operation(crate::request::Operation),
    /// `ok`, or an errno.
    Result(Result<(), crate::request::Errno>),
    /// A device.
    Device(crate::request::DeviceId),
    /// A kind of event.
    Event(&'static str),
}

/// What a row says in a field; `None` where it has nothing to say.
pub(super) fn get(get: Get, row: &Row) -> Option<Value> {
    const SECTOR: u64 = 512;
    let range = row.request.range;
    let number = |value: u64| Some(Value::Number(value.into()));
    let completion = row.completion.as_ref();
    match get {
        Get::Id => number(row.id.0),
        Get::Event => number(row.event),
        Get::Connection => number(row.connection.0.into()),
        Get::Cookie => number(row.cookie),
        Get::Epoch => number(row.epoch),
        Get::Offset => number(range.offset),
        Get::End => number(range.end()),
        Get::Length => number(range.length),
        Get::Sector => number(range.offset / SECTOR),
        Get::SectorEnd => number(range.end().div_ceil(SECTOR)),
        Get::Sectors => number(range.end().div_ceil(SECTOR) - range.offset / SECTOR),
        Get::Time => number(row.time.0),
        Get::Completed => {
            completion.and_then(|one| number(row.time.after(one.latency).after(one.hold).0))
        }
        Get::Latency => completion.and_then(|one| number(one.latency.0)),
        Get::Hold => completion.and_then(|one| number(one.hold.0)),
        Get::Early => number(row.early.0),
        Get::Flag(flag) => Some(Value::Flag(row.request.flags.contains(flag))),
        Get::Done => Some(Value::Flag(completion.is_some())),
        Get::Undelivered => completion.map(|one| Value::Flag(one.flags.undelivered)),
        Get::Refused => completion.map(|one| Value::Flag(one.flags.refused)),
        Get::Zeroes => Some(Value::Flag(row.payload == Payload::Zeroes)),
        Get::Operation => Some(Value::Operation(row.request.operation)),
        Get::Error => {
            completion.filter(|one| one.result.is_err()).map(|one| Value::Result(one.result))
        }
        Get::Result => completion.map(|one| Value::Result(one.result)),
        Get::Device => Some(Value::Device(row.device)),
        Get::EventKind => Some(Value::Event("issue")),
        Get::Step => row.context.step.and_then(number),
        Get::Depth => row.context.depth.and_then(|depth| number(depth.into())),
        Get::Gap => row.context.gap.and_then(|gap| number(gap.0)),
        Get::Seek => row.context.seek.map(|seek| Value::Number(seek.into())),
        Get::Sequential => row.context.seek.map(|seek| Value::Flag(seek == 0)),
        Get::Mark => Some(Value::Flag(row.context.marked)),
        Get::NeverWritten => row.context.never_written.filter(|never| *never).map(Value::Flag),
        // Texts and bytes are no values; `content` has them. No trace knows a process yet.
        Get::Process | Get::Note | Get::Payload | Get::Hash => None,
    }
}
