//! What is searched for among requests, one after the other, and which of them is meant.
//!
//! What was written in, a search out; rows and their data in, yes or no out. Knows no thread. Invariant: a request that is not shown is
//! never meant.

use std::collections::BTreeSet;
use std::sync::Arc;

use blkreplay_core::event::Payload;
use blkreplay_core::query::Filter;
use blkreplay_core::rows::Row;
use blkreplay_core::units::ByteRange;
use memchr::memmem;
use roaring::RoaringTreemap;

use crate::action::Direction;
use crate::notebook::Notes;
use crate::words;

/// A search for a request.
#[derive(Debug, Clone)]
pub struct Search {
    /// Tells it from others.
    pub number: u64,
    /// From this place on, which does not count.
    pub from: u64,
    /// Which way.
    pub direction: Direction,
    /// What for.
    pub sought: Sought,
    /// The places that are shown; `None` for all.
    pub shown: Option<Arc<RoaringTreemap>>,
    /// Requests that have what is sought in a note that somebody wrote on them.
    pub noted: Arc<BTreeSet<u64>>,
    /// At the end it goes on from the other one.
    pub wraps: bool,
}

/// What is searched for.
#[derive(Debug, Clone, PartialEq)]
pub enum Sought {
    /// A request that failed.
    Failed,
    /// One that touches this range of this device.
    SameRange(u16, ByteRange),
    /// One that a filter means, which looks at nothing but the row, and what is said of it.
    Meant(Box<Filter>, String),
    /// One whose line, or the note on it, has this in it.
    Text(String),
    /// One whose data have these bytes in them.
    Bytes(Vec<u8>),
}

/// Where a search ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hit {
    /// The place of the request.
    pub place: u64,
    /// Where in its data it is.
    pub at: Option<u64>,
    /// It lies on the other side: the search went over the end.
    pub has_wrapped: bool,
}

/// How a search ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// The number of the search.
    pub number: u64,
    /// What it found.
    pub hit: Option<Hit>,
    /// Requests whose data are not in the trace, or cannot be read.
    pub unknown: u64,
    /// Rows were missing that the trace promises.
    pub is_short: bool,
}

impl PartialEq for Search {
    fn eq(&self, other: &Search) -> bool {
        self.number == other.number
    }
}

impl Sought {
    /// What is meant by what was written behind `/`, or why it means nothing.
    pub fn of(text: &str) -> Result<Sought, String> {
        let Some(digits) = text.strip_prefix("x:") else {
            return Ok(Sought::Text(text.to_owned()));
        };
        let digits: Vec<char> =
            digits.chars().filter(|c| !c.is_whitespace() && *c != ':').collect();
        if let Some(odd) = digits.iter().find(|c| !c.is_ascii_hexdigit()) {
            return Err(format!("`{odd}` is no digit of a byte; x:dead beef searches data"));
        }
        if digits.is_empty() || digits.len() % 2 == 1 {
            let count = digits.len();
            return Err(format!("{count} digits are no whole bytes; x:dead beef searches data"));
        }
        let nibble = |c: &char| c.to_digit(16).and_then(|nibble| u8::try_from(nibble).ok());
        let byte = |pair: &[char]| Some(nibble(&pair[0])? << 4 | nibble(&pair[1])?);
        Ok(Sought::Bytes(digits.chunks(2).filter_map(byte).collect()))
    }

    /// What is said of a request that is meant: it …
    pub fn said(&self) -> String {
        match self {
            Sought::Failed => "failed".to_owned(),
            Sought::SameRange(..) => "touches this range".to_owned(),
            Sought::Meant(_, said) => said.clone(),
            Sought::Text(text) => format!("has `{text}`"),
            Sought::Bytes(bytes) => format!("has `{}` in its data", hex(bytes)),
        }
    }

    /// Whether data must be read for it.
    pub fn needs_data(&self) -> bool {
        matches!(self, Sought::Bytes(_))
    }

    /// Whether a request is meant, whose data are not asked for.
    pub fn is_in_row(&self, row: &Row) -> bool {
        match self {
            Sought::Failed => row.completion.as_ref().is_some_and(|end| end.result.is_err()),
            Sought::SameRange(device, range) => {
                row.device.0 == *device && row.request.range.overlaps(*range)
            }
            Sought::Meant(filter, _) => filter.matches(row),
            Sought::Text(text) => is_in_text(text, &words::line(row)),
            Sought::Bytes(_) => false,
        }
    }

    /// Those of notes that have it.
    pub fn in_notes(&self, notes: &Notes) -> BTreeSet<u64> {
        let Sought::Text(text) = self else { return BTreeSet::new() };
        notes.iter().filter(|(_, note)| is_in_text(text, note)).map(|(id, _)| *id).collect()
    }

    /// Where the first of what is sought is in data; `None` if it is not in them.
    pub fn in_data(&self, data: &[u8]) -> Option<u64> {
        match self {
            Sought::Bytes(bytes) => memmem::find(data, bytes).map(|at| at as u64),
            _ => None,
        }
    }

    /// The same, in so many zeroes.
    pub fn in_zeroes(&self, row: &Row) -> Option<u64> {
        match (self, row.payload) {
            (Sought::Bytes(bytes), Payload::Zeroes) => {
                let fits = bytes.len() as u64 <= row.request.range.length;
                (fits && bytes.iter().all(|byte| *byte == 0)).then_some(0)
            }
            _ => None,
        }
    }
}

impl Search {
    /// Whether a request is meant, whose data are not asked for.
    pub fn is_meant(&self, row: &Row) -> bool {
        self.sought.is_in_row(row) || self.noted.contains(&row.id.0)
    }

    /// Whether a request at this place may be meant on this side of the end.
    pub fn may_be(&self, place: u64, has_wrapped: bool) -> bool {
        let is_on_this_side = match (self.direction, has_wrapped) {
            (Direction::Next, false) => place > self.from,
            (Direction::Next, true) => place <= self.from,
            (Direction::Previous, false) => place < self.from,
            (Direction::Previous, true) => place >= self.from,
        };
        is_on_this_side && self.shown.as_ref().is_none_or(|shown| shown.contains(place))
    }

    /// The pages to look at, of `all`, of which `first` holds where it begins, and whether they are on the other side.
    pub fn order(&self, first: usize, all: usize) -> Vec<(usize, bool)> {
        let (near, far): (Vec<usize>, Vec<usize>) = match self.direction {
            Direction::Next => ((first..all).collect(), (0..=first).collect()),
            Direction::Previous => ((0..=first).rev().collect(), (first..all).rev().collect()),
        };
        let far = far.into_iter().filter(|_| self.wraps);
        near.into_iter().map(|page| (page, false)).chain(far.map(|page| (page, true))).collect()
    }

    /// What to say if nothing was found.
    pub fn nothing(&self) -> String {
        let shown = if self.shown.is_some() { " that is shown" } else { "" };
        let which = match (&self.sought, self.direction) {
            (Sought::SameRange(..), Direction::Next) => "no later request",
            (Sought::SameRange(..), Direction::Previous) => "no earlier request",
            _ if self.wraps => "no request",
            (_, Direction::Next) => "no request behind this one",
            (_, Direction::Previous) => "no request before this one",
        };
        format!("{which}{shown} {}", self.sought.said())
    }
}

/// Whether a text has another in it. Case says nothing unless what is sought has a capital letter.
pub(crate) fn is_in_text(sought: &str, text: &str) -> bool {
    // Few keyboards have the sign of a millionth.
    let (sought, text) = (sought.replace('µ', "u"), text.replace('µ', "u"));
    if sought.chars().any(char::is_uppercase) {
        text.contains(&sought)
    } else {
        text.to_lowercase().contains(&sought)
    }
}

/// Bytes as they are written: `de ad`.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_written_in_pairs_of_digits_however_they_are_set_apart() {
        for text in ["x:dead beef", "x:de:ad:be:ef", "x: DE ad bEeF "] {
            assert_eq!(Sought::of(text), Ok(Sought::Bytes(vec![0xde, 0xad, 0xbe, 0xef])), "{text}");
        }
        assert_eq!(Sought::of("dead"), Ok(Sought::Text("dead".to_owned())));
        for (text, why) in [
            ("x:", "0 digits are no whole bytes"),
            ("x:dea", "3 digits are no whole bytes"),
            ("x:deadbeeg", "`g` is no digit of a byte"),
            ("x:é1", "`é` is no digit of a byte"),
        ] {
            let error = Sought::of(text).unwrap_err();
            assert!(error.starts_with(why), "{error}");
        }
    }

    #[test]
    fn case_counts_only_where_what_is_sought_has_a_capital_letter() {
        assert!(is_in_text("eio", "write EIO") && is_in_text("EIO", "write EIO"));
        assert!(!is_in_text("Eio", "write EIO"));
        assert!(is_in_text("90us", "90µs") && is_in_text("90µs", "90µs"));
    }
}
