//! What stands in a column of the list, and the term of a filter that says the same.
//!
//! Invariant: the term of a cell holds for the row that it was made of.

use blkreplay_core::event::Payload;
use blkreplay_core::format::Header;
use blkreplay_core::request::Flags;
use blkreplay_core::rows::Row;
use blkreplay_core::units::Nanos;

use crate::words;

/// A column of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Cell {
    /// The id.
    Id,
    /// When it arrived.
    Time,
    /// From the request before it that is shown.
    Gap,
    /// Its device.
    Device,
    /// The connection it came over.
    Connection,
    /// The operation.
    #[default]
    Operation,
    /// The first byte.
    Offset,
    /// The byte behind the last.
    End,
    /// The first sector.
    Lba,
    /// How many bytes.
    Length,
    /// How long it took.
    Latency,
    /// How many were in flight.
    Depth,
    /// Its epoch.
    Epoch,
    /// Its flags.
    Flags,
    /// How it ended.
    Result,
    /// The digest of its data.
    Payload,
}

/// Bytes of a sector.
const SECTOR: u64 = 512;

/// Signs of a digest: enough to see what is equal.
const DIGEST: usize = "xxh3:12345678".len();

impl Cell {
    /// All, as they stand from left to right.
    pub const ALL: [Cell; 16] = [
        Cell::Id,
        Cell::Time,
        Cell::Gap,
        Cell::Device,
        Cell::Connection,
        Cell::Operation,
        Cell::Offset,
        Cell::End,
        Cell::Lba,
        Cell::Length,
        Cell::Latency,
        Cell::Depth,
        Cell::Epoch,
        Cell::Flags,
        Cell::Result,
        Cell::Payload,
    ];

    /// What stands above it.
    pub fn name(self) -> &'static str {
        match self {
            Cell::Id => "id",
            Cell::Time => "time",
            Cell::Gap => "Δ",
            Cell::Device => "dev",
            Cell::Connection => "conn",
            Cell::Operation => "op",
            Cell::Offset => "offset",
            Cell::End => "end",
            Cell::Lba => "lba",
            Cell::Length => "len",
            Cell::Latency => "lat",
            Cell::Depth => "qd",
            Cell::Epoch => "ep",
            Cell::Flags => "flags",
            Cell::Result => "result",
            Cell::Payload => "payload",
        }
    }

    /// What it is.
    pub fn about(self) -> &'static str {
        match self {
            Cell::Id => "the request's id",
            Cell::Time => "when it arrived; t tells it otherwise",
            Cell::Gap => "from the arrival of the request before that is shown",
            Cell::Device => "its device",
            Cell::Connection => "the connection it came over",
            Cell::Operation => "what it asked",
            Cell::Offset => "its first byte",
            Cell::End => "the byte behind its last",
            Cell::Lba => "its first sector of 512 bytes",
            Cell::Length => "how many bytes",
            Cell::Latency => "from its arrival until the image was done",
            Cell::Depth => {
                "requests of its device in flight, itself counted; - where that is not known"
            }
            Cell::Epoch => "flushes of its device released before",
            Cell::Flags => "flags of the request",
            Cell::Result => "ok, or its errno",
            Cell::Payload => "the digest of its data",
        }
    }

    /// What it holds of a request, as far as that alone says it: its device by number, times from the beginning.
    pub fn text(self, row: &Row) -> String {
        let range = row.request.range;
        let ranged = |text: String| {
            if words::has_range(&row.request) { text } else { "-".to_owned() }
        };
        match self {
            Cell::Id => row.id.0.to_string(),
            Cell::Time => words::seconds(row.time),
            Cell::Operation => {
                let operation = row.request.operation;
                format!("{} {operation}", words::letter(operation))
            }
            Cell::Gap => row.context.gap.map_or_else(|| "-".to_owned(), |gap| format!("+{gap}")),
            Cell::Device => row.device.0.to_string(),
            Cell::Connection => row.connection.0.to_string(),
            Cell::Depth => {
                row.context.depth.map_or_else(|| "-".to_owned(), |depth| depth.to_string())
            }
            Cell::Payload if row.payload == Payload::Absent => "-".to_owned(),
            Cell::Payload => row.payload.to_string().chars().take(DIGEST).collect(),
            Cell::Offset => ranged(range.offset.to_string()),
            Cell::End => ranged(range.end().to_string()),
            Cell::Lba => ranged((range.offset / SECTOR).to_string()),
            Cell::Length => ranged(words::length(range.length)),
            Cell::Latency => words::latency(row),
            Cell::Epoch => row.epoch.to_string(),
            Cell::Flags => words::flags(row.request.flags),
            Cell::Result => words::result(row),
        }
    }

    /// A term that holds for what is like this request in that; `None` where there is nothing to be like.
    pub fn term(self, row: &Row, header: &Header) -> Option<String> {
        let range = row.request.range;
        let ranged = words::has_range(&row.request);
        Some(match self {
            Cell::Id => format!("id == {}", row.id.0),
            Cell::Time => format!("t >= {}", span(row.time)),
            Cell::Operation => format!("op == {}", row.request.operation),
            Cell::Offset if ranged => format!("off == {}", range.offset),
            Cell::Length if ranged => format!("len == {}", words::length(range.length)),
            Cell::End if ranged => format!("end == {}", range.end()),
            Cell::Lba if ranged => format!("lba == {}", range.offset / SECTOR),
            Cell::Offset | Cell::End | Cell::Lba | Cell::Length => return None,
            Cell::Gap => format!("gap >= {}", span(row.context.gap?)),
            Cell::Device => {
                let device = header.devices.get(usize::from(row.device.0))?;
                format!("dev == {}", words::quoted(&device.name))
            }
            Cell::Connection => format!("conn == {}", row.connection.0),
            Cell::Depth => format!("qd == {}", row.context.depth?),
            Cell::Payload if row.payload == Payload::Absent => return None,
            Cell::Payload => format!("hash == \"{}\"", row.payload),
            Cell::Latency => format!("lat >= {}", span(row.completion.as_ref()?.latency)),
            Cell::Epoch => format!("epoch == {}", row.epoch),
            Cell::Flags if row.request.flags == Flags::NONE => "!fua".to_owned(),
            Cell::Flags => row.request.flags.names().collect::<Vec<_>>().join(" && "),
            Cell::Result => match row.completion.as_ref().map(|end| end.result) {
                Some(Ok(())) => "result == ok".to_owned(),
                Some(Err(errno)) => format!("result == {errno}"),
                None => "!done".to_owned(),
            },
        })
    }

    /// The term that leaves it out.
    pub fn term_without(self, row: &Row, header: &Header) -> Option<String> {
        let term = self.term(row, header)?;
        Some(match (self, term.strip_prefix('!')) {
            (Cell::Time | Cell::Gap | Cell::Latency, _) => term.replacen(">=", "<", 1),
            (_, Some(opposite)) => opposite.to_owned(),
            (Cell::Flags, None) => format!("!({term})"),
            (_, None) => term.replacen("==", "!=", 1),
        })
    }
}

/// A span in the largest unit in which it is whole.
pub(crate) fn span(span: Nanos) -> String {
    let units = [(1_000_000_000, "s"), (1_000_000, "ms"), (1000, "us"), (1, "ns")];
    let whole = units.iter().find(|(unit, _)| span.0.is_multiple_of(*unit));
    whole.map_or_else(|| format!("{}ns", span.0), |(unit, name)| format!("{}{name}", span.0 / unit))
}
