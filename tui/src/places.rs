//! Where events are that somebody wants to go to, and which marks a trace has: found on a thread of its own.
//!
//! A position in, the request that is there out. Knows no screen. Invariants: once it is not wanted any more it ends within `STEP`
//! events; no more than `NAMES` marks are told.

use std::error::Error;
use std::io::{Read, Seek};
use std::thread;

use blkreplay_core::event::EventKind;
use blkreplay_core::format::{ReadError, Reader};
use blkreplay_core::position::{Finder, Position};
use blkreplay_core::request::RequestId;

use crate::loader;

/// Events between two looks whether it is still wanted.
const STEP: u64 = 4096;

/// Marks that are told.
const NAMES: usize = 1000;

/// Where a position is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// At this request, or before it and behind all others.
    At(RequestId),
    /// Behind the last request.
    Behind,
    /// The trace has none.
    Nowhere,
    /// It ends with this loss before it is known; whether it was there, and nothing behind it can be read.
    Lost(bool, String),
}

/// What was found out.
#[derive(Debug)]
pub enum Found {
    /// Of the position that was asked for with this number.
    Place(u64, Result<Place, String>),
    /// The marks of the trace, each once, in their order.
    Names(Vec<String>),
}

/// Begins to look for a position.
pub fn start<R: Read + Seek + Send + 'static>(
    number: u64,
    position: Position,
    open: impl FnOnce() -> Result<Reader<R>, Box<dyn Error + Send + Sync>> + Send + 'static,
    is_wanted: impl Fn() -> bool + Send + 'static,
    tell: impl FnOnce(Found) + Send + 'static,
) {
    thread::spawn(move || {
        let opened = open().map_err(|error| error.to_string());
        let place = opened.and_then(|reader| find(reader, position, is_wanted));
        if let Some(place) = place.transpose() {
            tell(Found::Place(number, place));
        }
    });
}

/// Begins to list the marks. A trace that cannot be opened has none.
pub fn list<R: Read + Seek + Send + 'static>(
    open: impl FnOnce() -> Result<Reader<R>, Box<dyn Error + Send + Sync>> + Send + 'static,
    tell: impl FnOnce(Found) + Send + 'static,
) {
    thread::spawn(move || {
        let names = open().ok().and_then(|mut reader| names(&mut reader).ok());
        tell(Found::Names(names.unwrap_or_default()));
    });
}

/// `None` if nobody wants to know.
fn find<R: Read + Seek>(
    mut reader: Reader<R>,
    position: Position,
    is_wanted: impl Fn() -> bool,
) -> Result<Option<Place>, String> {
    let said = |error: ReadError| loader::told(&error);
    let mut finder = Finder::new(position, reader.header()).map_err(|error| error.to_string())?;
    finder.seek(&mut reader).map_err(said)?;
    let (mut events, mut is_there) = (0_u64, false);
    while let Some((index, event)) = reader.next_event().map_err(said)? {
        events += 1;
        if events.is_multiple_of(STEP) && !is_wanted() {
            return Ok(None);
        }
        is_there = is_there || finder.is_at(index, &event);
        match event.kind {
            EventKind::Issue(issue) if is_there => return Ok(Some(Place::At(issue.id))),
            EventKind::Block(block) if is_there => return Ok(Some(Place::At(block.id))),
            _ => {}
        }
    }
    Ok(Some(match reader.loss() {
        Some(loss) => Place::Lost(is_there, loss.to_string()),
        None if is_there => Place::Behind,
        None => Place::Nowhere,
    }))
}

fn names<R: Read + Seek>(reader: &mut Reader<R>) -> Result<Vec<String>, ReadError> {
    let entries: Vec<_> =
        reader.chunk_entries()?.iter().filter(|entry| entry.marks > 0).copied().collect();
    let mut names: Vec<String> = Vec::new();
    for entry in &entries {
        for (_, name) in reader.summary(entry)?.marks {
            if names.len() < NAMES && !names.iter().any(|known| *known == name.as_str()) {
                names.push(name.as_str().to_owned());
            }
        }
    }
    Ok(names)
}
