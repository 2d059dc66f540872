//! What stands in a column of the list, and the term of a filter that says the same.
//!
//! Invariant: the term of a cell holds for the row that it was made of.

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
    /// The operation.
    #[default]
    Operation,
    /// The first byte.
    Offset,
    /// How many bytes.
    Length,
    /// How long it took.
    Latency,
    /// Its epoch.
    Epoch,
    /// Its flags.
    Flags,
    /// How it ended.
    Result,
}

impl Cell {
    /// All, as they stand from left to right.
    pub const ALL: [Cell; 9] = [
        Cell::Id,
        Cell::Time,
        Cell::Operation,
        Cell::Offset,
        Cell::Length,
        Cell::Latency,
        Cell::Epoch,
        Cell::Flags,
        Cell::Result,
    ];

    /// What stands above it.
    pub fn name(self) -> &'static str {
        match self {
            Cell::Id => "id",
            Cell::Time => "time",
            Cell::Operation => "op",
            Cell::Offset => "offset",
            Cell::Length => "len",
            Cell::Latency => "lat",
            Cell::Epoch => "ep",
            Cell::Flags => "flags",
            Cell::Result => "result",
        }
    }

    /// What it holds of a request.
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
            Cell::Offset => ranged(range.offset.to_string()),
            Cell::Length => ranged(words::length(range.length)),
            Cell::Latency => words::latency(row),
            Cell::Epoch => row.epoch.to_string(),
            Cell::Flags => words::flags(row.request.flags),
            Cell::Result => words::result(row),
        }
    }

    /// A term that holds for what is like this request in that; `None` where there is nothing to be like.
    pub fn term(self, row: &Row) -> Option<String> {
        let range = row.request.range;
        let ranged = words::has_range(&row.request);
        Some(match self {
            Cell::Id => format!("id == {}", row.id.0),
            Cell::Time => format!("t >= {}", span(row.time)),
            Cell::Operation => format!("op == {}", row.request.operation),
            Cell::Offset if ranged => format!("off == {}", range.offset),
            Cell::Length if ranged => format!("len == {}", words::length(range.length)),
            Cell::Offset | Cell::Length => return None,
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
    pub fn term_without(self, row: &Row) -> Option<String> {
        let term = self.term(row)?;
        Some(match (self, term.strip_prefix('!')) {
            (Cell::Time | Cell::Latency, _) => term.replacen(">=", "<", 1),
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
