//! Where in a trace: `#123`, `event:123`, `1.5s`, `flush:3`, `mark:NAME`, `end`. Text in, the first event that is
//! there out.
//!
//! Events are handed in, in order; a reader can be sent ahead to where they are. Invariant: a position names the
//! same event whoever looks for it, and what it does not know is refused, never guessed.

use std::fmt;
use std::io::{Read, Seek};
use std::str::FromStr;

use crate::event::{Event, EventKind, MarkName, MarkNameError};
use crate::format::{Header, ReadError, Reader, Start, Target};
use crate::request::{DeviceId, Operation, RequestId};
use crate::units::{Nanos, SpanError};

/// A place in a trace, as people type it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Position {
    /// `#123`: where a request was issued.
    Request(RequestId),
    /// `event:123`: the event with this index.
    Event(u64),
    /// `1.5s`: the first event at this time or later.
    Time(Nanos),
    /// `flush:3`, `flush:NAME/3`: where this flush, counted from 1 over all devices or over one, was released to
    /// its client.
    Flush {
        /// The device; `None` for all of them.
        device: Option<String>,
        /// Which, from 1 on.
        number: u64,
    },
    /// `mark:NAME`: the first mark of this name.
    Mark(MarkName),
    /// `end`: the event that says that the recording ended.
    End,
}

/// Why a text is no position.
#[derive(Debug, thiserror::Error, Clone, PartialEq, Eq)]
pub enum PositionError {
    /// It has no form that is known.
    #[error(
        "`{0}` is no position; write #123, event:123, 1.5s, flush:3, flush:NAME/3, mark:NAME or end"
    )]
    Unknown(String),
    /// What should be a number is none.
    #[error("`{number}` in `{text}` is not a number from {least} to 18446744073709551615")]
    Number {
        /// The whole text.
        text: String,
        /// What stands where the number should be.
        number: String,
        /// The smallest that makes sense.
        least: u64,
    },
    /// The name of a mark is none.
    #[error("`{text}`: {source}")]
    Mark {
        /// The whole text.
        text: String,
        /// Why.
        source: MarkNameError,
    },
    /// The time is too long.
    #[error(transparent)]
    Span(#[from] SpanError),
}

impl FromStr for Position {
    type Err = PositionError;

    fn from_str(text: &str) -> Result<Position, PositionError> {
        let number = |number: &str, least: u64| {
            let parsed = number.parse().ok().filter(|value| *value >= least);
            let digits = number.bytes().all(|byte| byte.is_ascii_digit());
            parsed.filter(|_| digits).ok_or_else(|| PositionError::Number {
                text: text.to_owned(),
                number: number.to_owned(),
                least,
            })
        };
        if text == "end" {
            return Ok(Position::End);
        }
        if let Some(id) = text.strip_prefix('#') {
            return Ok(Position::Request(RequestId(number(id, 0)?)));
        }
        match text.split_once(':') {
            Some(("event", index)) => Ok(Position::Event(number(index, 0)?)),
            Some(("flush", which)) => match which.rsplit_once('/') {
                Some((device, which)) => {
                    let device = Some(device.to_owned());
                    Ok(Position::Flush { device, number: number(which, 1)? })
                }
                None => Ok(Position::Flush { device: None, number: number(which, 1)? }),
            },
            Some(("mark", name)) => name
                .parse()
                .map(Position::Mark)
                .map_err(|source| PositionError::Mark { text: text.to_owned(), source }),
            _ => match text.parse() {
                Ok(time) => Ok(Position::Time(time)),
                Err(SpanError::Malformed(text)) => Err(PositionError::Unknown(text)),
                Err(error) => Err(error.into()),
            },
        }
    }
}

/// As it is typed.
impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Position::Request(id) => write!(f, "{id}"),
            Position::Event(index) => write!(f, "event:{index}"),
            Position::Time(time) => {
                let (whole, rest) = (time.0 / 1_000_000_000, time.0 % 1_000_000_000);
                let digits = format!("{whole}.{rest:09}");
                write!(f, "{}s", digits.trim_end_matches('0').trim_end_matches('.'))
            }
            Position::Flush { device: Some(device), number } => {
                write!(f, "flush:{device}/{number}")
            }
            Position::Flush { device: None, number } => write!(f, "flush:{number}"),
            Position::Mark(name) => write!(f, "mark:{name}"),
            Position::End => f.write_str("end"),
        }
    }
}

/// A position names a device that the trace does not have.
#[derive(Debug, thiserror::Error, Clone, PartialEq, Eq)]
#[error("there is no device `{name}`; the trace has {known}")]
pub struct UnknownDevice {
    /// The name.
    pub name: String,
    /// Those that it has.
    pub known: String,
}

/// Looks for a position among events that come in order.
#[derive(Debug, Clone)]
pub struct Finder {
    position: Position,
    /// Of whose flushes one is meant; `None` for all.
    device: Option<DeviceId>,
    /// These flushes released so far.
    flushes: u64,
}

impl Finder {
    /// Looks for `position` in the trace with this header.
    pub fn new(position: Position, header: &Header) -> Result<Finder, UnknownDevice> {
        let device = match &position {
            Position::Flush { device: Some(name), .. } => Some(device_named(name, header)?),
            _ => None,
        };
        Ok(Finder { position, device, flushes: 0 })
    }

    /// Sends `reader` to the chunk where the position is, or to one before. The events from there on are to be taken.
    pub fn seek<R: Read + Seek>(&mut self, reader: &mut Reader<R>) -> Result<Start, ReadError> {
        let start = reader.seek(&match &self.position {
            Position::Request(id) => Target::Request(*id),
            Position::Event(index) => Target::Event(*index),
            Position::Time(time) => Target::Time(*time),
            Position::Flush { number, .. } => Target::Flush(self.device, *number),
            Position::Mark(name) => Target::Mark(name.clone()),
            Position::End => Target::End,
        })?;
        self.flushes = start.state.flushes_of(self.device);
        Ok(start)
    }

    /// Takes the next event; true if it is the first one that is there.
    pub fn is_at(&mut self, index: u64, event: &Event) -> bool {
        match (&self.position, &event.kind) {
            (Position::Request(id), EventKind::Issue(issue)) => issue.id == *id,
            // Events that are not known are skipped, and their indices with them.
            (Position::Event(wanted), _) => index >= *wanted,
            (Position::Time(time), _) => event.time >= *time,
            (Position::Flush { number, .. }, EventKind::Block(block)) => {
                let counts = block.operation == Operation::Flush
                    && self.device.is_none_or(|device| device == block.device);
                self.flushes += u64::from(counts);
                counts && self.flushes == *number
            }
            (Position::Mark(wanted), EventKind::Mark { name }) => name == wanted,
            (Position::End, EventKind::End { .. }) => true,
            _ => false,
        }
    }
}

fn device_named(name: &str, header: &Header) -> Result<DeviceId, UnknownDevice> {
    let place = header.devices.iter().position(|device| device.name == name);
    let id = place.and_then(|place| u16::try_from(place).ok()).map(DeviceId);
    id.ok_or_else(|| {
        let known: Vec<_> = header.devices.iter().map(|device| device.name.as_str()).collect();
        UnknownDevice { name: name.to_owned(), known: known.join(", ") }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Position, PositionError> {
        text.parse()
    }

    #[test]
    fn positions_print_as_they_are_typed() {
        for text in [
            "#0",
            "#1240",
            "event:7",
            "0s",
            "1.5s",
            "0.00025s",
            "flush:3",
            "flush:disk/1",
            "flush:a/b/2",
            "mark:before fsck",
            "mark:a:b",
            "end",
        ] {
            assert_eq!(read(text).unwrap().to_string(), text);
        }
        assert_eq!(read("250us"), read("0.00025s"));
        assert_eq!(read("2m"), Ok(Position::Time(Nanos(120_000_000_000))));
    }

    #[test]
    fn what_is_no_position_is_refused_with_all_that_are() {
        for text in ["", "12", "-1s", "begin", "request:3", "1.5", "s"] {
            assert!(matches!(read(text), Err(PositionError::Unknown(_))), "{text}");
        }
        for text in
            ["#", "#-1", "#+1", "#x", "event:", "flush:0", "flush:d/", "#18446744073709551616"]
        {
            assert!(matches!(read(text), Err(PositionError::Number { .. })), "{text}");
        }
        assert!(matches!(read("mark:"), Err(PositionError::Mark { .. })));
        assert!(read("x").unwrap_err().to_string().contains("flush:NAME/3"));
        assert!(matches!(read("99999999999999h"), Err(PositionError::Span(_))));
    }

    #[test]
    fn a_finder_knows_the_first_event_that_is_there() {
        let event = |time, kind| Event { time: Nanos(time), kind };
        let mark = |name: &str| EventKind::Mark { name: name.parse().unwrap() };
        let events = [
            event(5, mark("a")),
            event(9, mark("b")),
            event(9, mark("b")),
            event(20, EventKind::End { status: None }),
        ];
        let find = |text: &str| {
            let mut finder = Finder { position: read(text).unwrap(), device: None, flushes: 0 };
            events
                .iter()
                .zip([0, 1, 5, 6])
                .find_map(|(event, index)| finder.is_at(index, event).then_some(index))
        };
        assert_eq!(find("mark:b"), Some(1));
        assert_eq!(find("mark:c"), None);
        assert_eq!(find("event:2"), Some(5), "the next that is known");
        assert_eq!(find("6ns"), Some(1));
        assert_eq!(find("1s"), None);
        assert_eq!(find("end"), Some(6));
        assert_eq!(find("#0"), None);
    }
}
