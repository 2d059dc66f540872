//! A value of a column that requests are counted by, and the term of a filter that holds for exactly these requests.
//!
//! Rows in, values and terms out. Invariants: numbers that hardly ever come twice are counted in ranges; the term of a value holds
//! for a request if and only if that has the value.

use blkreplay_core::event::Payload;
use blkreplay_core::format::Header;
use blkreplay_core::request::Flags;
use blkreplay_core::rows::Row;
use blkreplay_core::units::Nanos;

use super::cell::{Cell, span};
use crate::words;

/// A value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value {
    /// There is none.
    Nothing,
    /// A number, or the name of something by its number.
    Number(u64),
    /// All from one number up to another, which is not one of them.
    Range(u64, u64),
    /// A text.
    Text(String),
}

/// The last power of ten that there is room for.
const LAST_POWER: u64 = 10_000_000_000_000_000_000;

/// A second.
const SECOND: u64 = 1_000_000_000;

impl Value {
    /// What a request has in a column.
    pub fn of(cell: Cell, row: &Row) -> Value {
        let range = row.request.range;
        let ranged = |number: u64| {
            if words::has_range(&row.request) { Value::Number(number) } else { Value::Nothing }
        };
        let spread = |nanos: Option<Nanos>| nanos.map_or(Value::Nothing, |nanos| spread(nanos.0));
        let end = row.completion.as_ref();
        match cell {
            Cell::Id => Value::Number(row.id.0),
            Cell::Time => {
                let from = row.time.0 / SECOND * SECOND;
                Value::Range(from, from.saturating_add(SECOND))
            }
            Cell::Gap => spread(row.context.gap),
            Cell::Latency => spread(end.map(|end| end.latency)),
            Cell::Device => Value::Number(row.device.0.into()),
            Cell::Connection => Value::Number(row.connection.0.into()),
            Cell::Operation => Value::Number(row.request.operation as u64),
            Cell::Offset => ranged(range.offset),
            Cell::End => ranged(range.end()),
            Cell::Lba => ranged(range.offset / 512),
            Cell::Length => ranged(range.length),
            Cell::Depth => {
                row.context.depth.map_or(Value::Nothing, |depth| Value::Number(depth.into()))
            }
            Cell::Epoch => Value::Number(row.epoch),
            Cell::Flags => Value::Text(words::flags(row.request.flags)),
            Cell::Result => match end {
                Some(_) => Value::Text(words::result(row)),
                None => Value::Nothing,
            },
            Cell::Payload if row.payload == Payload::Absent => Value::Nothing,
            Cell::Payload => Value::Text(row.payload.to_string()),
        }
    }

    /// What stands for it where a request that has it has this in the column.
    pub fn text(&self, text: &str) -> String {
        match self {
            Value::Nothing => "-".to_owned(),
            Value::Range(from, to) => format!("{}..{}", Nanos(*from), Nanos(*to)),
            Value::Number(_) | Value::Text(_) => text.to_owned(),
        }
    }

    /// The term that holds for those that have it in a column, of which `row` is one; `None` if a filter cannot say it.
    pub fn term(&self, cell: Cell, row: &Row, header: &Header) -> Option<String> {
        match (self, cell) {
            (Value::Range(from, to), cell) => {
                let field = field(cell)?;
                Some(format!("{field} >= {} && {field} < {}", span(Nanos(*from)), span(Nanos(*to))))
            }
            (Value::Nothing, Cell::Latency | Cell::Result) => Some("!done".to_owned()),
            (Value::Nothing, Cell::Offset | Cell::End | Cell::Lba | Cell::Length) => {
                Some(format!("op == {}", row.request.operation))
            }
            (Value::Nothing, cell) => Some(format!("!has({})", field(cell)?)),
            (_, Cell::Flags) => Some(flags(row.request.flags)),
            // A filter takes a flush for one at 0.
            (Value::Number(0), Cell::Offset | Cell::End | Cell::Lba | Cell::Length) => {
                Some(format!("{} && op != flush", cell.term(row, header)?))
            }
            (_, cell) => cell.term(row, header),
        }
    }
}

/// The field of a column.
fn field(cell: Cell) -> Option<&'static str> {
    Some(match cell {
        Cell::Time => "t",
        Cell::Gap => "gap",
        Cell::Latency => "lat",
        Cell::Depth => "qd",
        Cell::Payload => "hash",
        _ => return None,
    })
}

/// The range from 1, 2 or 5 times a power of ten to the next that a number is in.
fn spread(number: u64) -> Value {
    if number == 0 {
        return Value::Range(0, 1);
    }
    let power = 10_u64.pow(number.ilog10());
    if power == LAST_POWER {
        return Value::Range(power, u64::MAX);
    }
    let steps = [power, power * 2, power * 5, power.saturating_mul(10)];
    let at = steps.iter().rposition(|step| *step <= number).unwrap_or(0).min(2);
    Value::Range(steps[at], steps[at + 1])
}

/// Exactly these flags.
fn flags(set: Flags) -> String {
    let all = [
        (Flags::FUA, "fua"),
        (Flags::NO_HOLE, "no_hole"),
        (Flags::FAST_ZERO, "fast_zero"),
        (Flags::REQ_ONE, "req_one"),
    ];
    let term = |(flag, name): (Flags, &str)| {
        if set.contains(flag) { name.to_owned() } else { format!("!{name}") }
    };
    all.map(term).join(" && ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_in_ranges_of_1_2_and_5_and_every_number_is_in_its_own() {
        for (number, from, to) in [
            (0, 0, 1),
            (1, 1, 2),
            (4, 2, 5),
            (5, 5, 10),
            (9, 5, 10),
            (10, 10, 20),
            (171_000, 100_000, 200_000),
            (7_120_000, 5_000_000, 10_000_000),
        ] {
            assert_eq!(spread(number), Value::Range(from, to), "{number}");
        }
        assert_eq!(spread(u64::MAX - 1), Value::Range(LAST_POWER, u64::MAX));
    }
}
