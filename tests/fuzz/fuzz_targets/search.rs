//! A target that takes a trace, and looks for what filters mean by its columns and summaries.
//!
//! Invariant: a failed assertion here is a bug of ours, never of the input.

use std::io::Cursor;
use std::ops::ControlFlow;

use blkreplay_core::event::EventKind;
use blkreplay_core::format::{Depth, Finding, Inspector, Reader, check};
use blkreplay_core::query::{Filter, Found};
use blkreplay_core::rows::{Context, Row, Rows};

use crate::traces::hear;

/// Of every kind of number that a summary bounds, and of some that none bounds.
const FILTERS: [&str; 6] = [
    "len >= 0",
    "write && lat > 1h",
    "off overlaps 0..64k && !err",
    "!done || lat > 1us",
    "t < 1ms || id in 3..=5",
    "flush && hold < 1s",
];

/// Hears nothing: how many faults there are is said at the end.
struct Deaf;

impl Inspector for Deaf {
    fn finding(&mut self, _: Finding) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    fn walked(&mut self, _: u64, _: u64) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

/// Whether its columns and summaries say what its events say.
fn is_sound(input: &[u8]) -> bool {
    let checked = check(Cursor::new(input), Depth::Structure, &mut Deaf);
    // Columns have these, summaries do not, and only replays may have the first and none the second.
    let is_odd = |kind: &EventKind| match kind {
        EventKind::Issue(issue) => issue.early.0 > 0,
        EventKind::Block(block) => block.result.is_err_and(|errno| errno.0 == 0),
        _ => false,
    };
    checked.is_ok_and(|checked| checked.faults == 0)
        && hear(input).is_some_and(|heard| !heard.events.iter().any(|(_, one)| is_odd(&one.kind)))
}

fn plain(row: Row) -> Row {
    Row { context: Context::default(), ..row }
}

/// Looks for what filters mean: of a trace without faults that is what rows say.
pub(crate) fn search(input: &[u8]) {
    let open = || Reader::open(Cursor::new(input)).ok();
    let Some(reader) = open() else { return };
    let is_sound = is_sound(input);
    for text in FILTERS {
        let filter = Filter::of(text, reader.header()).expect("it is a filter");
        let Some((one, other)) = open().zip(open()) else { return };
        let mut found = Found::new(&filter, one, other).expect("columns can say it");
        let mut rows = Vec::new();
        let is_all = loop {
            match found.next_row() {
                Ok(Some(row)) => rows.push(plain(row)),
                Ok(None) => break true,
                Err(error) => {
                    assert!(!error.to_string().is_empty());
                    break false;
                }
            }
        };
        let is_all = found.into_loss().is_ok() && is_all;
        if let Some(reader) = open() {
            let _ = Found::passed(&filter, reader);
        }
        let Some(reader) = open().filter(|_| is_sound) else { continue };
        let mut all = Rows::new(reader);
        let mut meant = Vec::new();
        while let Ok(Some(row)) = all.next_row() {
            if filter.matches(&row) {
                meant.push(plain(row));
            }
        }
        assert!(meant.starts_with(&rows), "{text}: found {rows:?}, meant {meant:?}");
        assert!(!is_all || meant.len() == rows.len(), "{text}: {rows:?} are not all of {meant:?}");
    }
}
