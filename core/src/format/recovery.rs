//! What a recovery needs and says: who watches it, what was kept, and what was lost where.
//!
//! Knows no files. Invariant: a number that is not known is never told as if it were.

use std::fmt;
use std::ops::ControlFlow;

use super::header::HeaderWorth;
use super::loss::LossKind;
use super::reader::ReadError;
use super::writer::{WriteError, Written};
use crate::units::Nanos;

/// Why a trace cannot be recovered.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    /// It cannot be read, or is of a later version, or is none.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The new trace cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The observer wanted no more.
    #[error("it was stopped")]
    Stopped,
}

/// Who is told what happens on the way.
pub trait Observer {
    /// Something is wrong.
    fn gap(&mut self, gap: &Gap);
    /// So many bytes of the file were walked. Says whether to go on.
    fn walked(&mut self, bytes: u64, of: u64) -> ControlFlow<()>;
}

/// What the new trace needs that is not in the old one.
#[derive(Debug, Clone, Copy)]
pub struct Fresh<'a> {
    /// Random, for its chunks.
    pub salt: u64,
    /// Random, names the recording if its own name is lost.
    pub uuid: u128,
    /// Program and version that recovers.
    pub tool: &'a str,
}

/// How many of something, as far as that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Amount {
    /// At least so many.
    pub known: u64,
    /// There may be more.
    pub more: bool,
}

impl Amount {
    /// Nothing, for certain.
    pub fn is_none(self) -> bool {
        self == Amount::default()
    }

    /// So many more, for certain. A damaged file may claim any number.
    pub(super) fn count(&mut self, more: u64) {
        self.known = self.known.saturating_add(more);
    }

    pub(super) fn add(&mut self, other: Amount) {
        self.count(other.known);
        self.more |= other.more;
    }
}

/// `3`, `at least 3`, or `an unknown number of`.
impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.known, self.more) {
            (known, false) => known.fmt(f),
            (0, true) => f.write_str("an unknown number of"),
            (known, true) => write!(f, "at least {known}"),
        }
    }
}

/// A stretch of a trace that could not be used, or not all of it.
#[derive(Debug)]
pub struct Gap {
    /// The first byte of the file at which something is wrong.
    pub offset: u64,
    /// Bytes of the file that were not used, from there to the next whole chunk of events.
    pub bytes: u64,
    /// What is wrong there.
    pub kind: LossKind,
    /// Chunks of any type that are lost.
    pub chunks: Amount,
    /// Events that are lost; not those that the recorder itself dropped.
    pub events: Amount,
    /// Stored payloads that are lost.
    pub payloads: Amount,
    /// Time of the last event before it, or if only payloads are missing of the last payload; 0 if there is none.
    pub from: Nanos,
    /// Time of the first event or payload behind it; `None` if there is none.
    pub to: Option<Nanos>,
}

impl Gap {
    pub(super) fn new(offset: u64, kind: LossKind, from: Nanos) -> Gap {
        let none = Amount::default();
        Gap { offset, bytes: 0, kind, chunks: none, events: none, payloads: none, from, to: None }
    }

    /// Nothing is lost: what is damaged is said elsewhere in the file, too.
    pub fn is_harmless(&self) -> bool {
        self.chunks.is_none() && self.events.is_none() && self.payloads.is_none()
    }
}

/// `byte 300: the checksum …; 1 chunk, 12 events lost between 1.2 s and 1.5 s`.
impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "byte {}: {}", self.offset, self.kind)?;
        if self.is_harmless() {
            return f.write_str("; nothing is lost by it");
        }
        let lost = [(self.chunks, "chunk"), (self.events, "event"), (self.payloads, "payload")];
        let mut lead = "; ";
        for (amount, thing) in lost.into_iter().filter(|(amount, _)| !amount.is_none()) {
            let plural = if amount.known == 1 && !amount.more { "" } else { "s" };
            write!(f, "{lead}{amount} {thing}{plural}")?;
            lead = ", ";
        }
        match self.to {
            Some(to) => write!(f, " lost between {} and {to}", self.from),
            None => write!(f, " lost after {}", self.from),
        }
    }
}

/// What became of a damaged trace.
#[derive(Debug)]
pub struct Recovery {
    /// What its header is worth.
    pub header: HeaderWorth,
    /// What is wrong with the header, if anything is.
    pub header_damage: Option<ReadError>,
    /// Length of the damaged file, in bytes.
    pub bytes: u64,
    /// Of these, how many were not used.
    pub bytes_unused: u64,
    /// Chunks that were used.
    pub chunks: u64,
    /// Chunks that are lost.
    pub chunks_lost: Amount,
    /// Whole chunks that lay where they do not belong: a second time, or out of order. They were not used.
    pub chunks_misplaced: u64,
    /// Events that are lost; not those that the recorder itself dropped.
    pub events_lost: Amount,
    /// Payloads that are lost.
    pub payloads_lost: Amount,
    /// Events that named a payload that is lost. They keep its digest.
    pub events_without_data: u64,
    /// Places at which something is wrong.
    pub gaps: u64,
    /// Whether the recording's end was found.
    pub ended: bool,
    /// Time of the last event.
    pub time_last: Nanos,
    /// What the new trace has.
    pub written: Written,
}

impl Recovery {
    /// Nothing is wrong with the file.
    pub fn is_whole(&self) -> bool {
        self.header == HeaderWorth::Whole && self.gaps == 0 && !self.lost_something()
    }

    /// Something that the recording had is not in the new trace, or not as certainly.
    pub fn lost_something(&self) -> bool {
        let amounts = [self.chunks_lost, self.events_lost, self.payloads_lost];
        self.header != HeaderWorth::Whole
            || !self.ended
            || self.events_without_data > 0
            || amounts.into_iter().any(|amount| !amount.is_none())
    }

    pub(super) fn add(&mut self, gap: &Gap) {
        self.gaps += 1;
        self.bytes_unused += gap.bytes;
        self.chunks_lost.add(gap.chunks);
        self.events_lost.add(gap.events);
        self.payloads_lost.add(gap.payloads);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_say_how_sure_they_are() {
        let text = |known, more| Amount { known, more }.to_string();
        assert_eq!(text(3, false), "3");
        assert_eq!(text(3, true), "at least 3");
        assert_eq!(text(0, true), "an unknown number of");
    }

    #[test]
    fn a_gap_says_what_is_lost_and_when() {
        let mut gap = Gap::new(300, LossKind::Cut, Nanos(1_000_000));
        assert_eq!(
            gap.to_string(),
            "byte 300: the file ends inside the chunk there; nothing is lost by it"
        );
        gap.chunks.known = 1;
        gap.events = Amount { known: 12, more: true };
        gap.to = Some(Nanos(2_000_000));
        assert_eq!(
            gap.to_string(),
            "byte 300: the file ends inside the chunk there; 1 chunk, at least 12 events lost between 1.00ms and 2.00ms"
        );
    }
}
