//! Checks a trace against all that the format promises, and goes on after each fault.
//!
//! File in, findings out, in the order of the file. Invariants: memory is bounded whatever the file holds;
//! a fault that follows from another is not told a second time where that can be known.

mod fault;
mod inspector;
mod pairing;
mod payloads;
mod recount;

use std::io::{Read, Seek};
use std::ops::ControlFlow;

pub use fault::{Fault, Finding, Level, Place};
pub use inspector::Inspector;

use self::pairing::{Ids, Pairing};
use self::recount::Recount;
use super::body::Body;
use super::decode::Decoded;
use super::frame::{ChunkHeader, ChunkType};
use super::loss::{Damage, LossKind};
use super::reader::ReadError;
use super::shelf::Shelf;
use super::summary::Summary;
use super::walk::{Found, Piece, Walk};
use crate::event::{Event, EventKind};

/// How much is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Depth {
    /// Everything but the bytes of payloads, which a checksum covers.
    #[default]
    Structure,
    /// Also that each payload has the digest that is said of it.
    Data,
}

/// Why a check could not be done, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// The file cannot be read, or is of a later version, or no trace.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The observer wanted no more.
    #[error("it was stopped")]
    Stopped,
}

/// What was checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Checked {
    /// Findings that are faults.
    pub faults: u64,
    /// Findings that are notes.
    pub notes: u64,
    /// Length of the file.
    pub bytes: u64,
    /// Chunks whose header is whole.
    pub chunks: u64,
    /// Events that were decoded.
    pub events: u64,
    /// Requests among them.
    pub requests: u64,
    /// Payloads in whole chunks.
    pub payloads: u64,
}

/// Checks the trace `input`.
pub fn check<R: Read + Seek>(
    input: R,
    depth: Depth,
    inspector: &mut dyn Inspector,
) -> Result<Checked, CheckError> {
    let (walk, beginning) = Walk::open(input)?;
    if let Some(header) = beginning.header.as_ref().filter(|_| beginning.damage.is_none()) {
        inspector.header(header);
    }
    let mut check = Check {
        walk,
        depth,
        inspector,
        checked: Checked::default(),
        shelf: Shelf::default(),
        pairing: Pairing::new(beginning.header.as_ref().map_or(Ids::All, Ids::of)),
        recount: Recount::new(beginning.ends_with_index),
        expected: Expected::default(),
        time: 0,
        ended: false,
        end_unknown: false,
        closing: if beginning.ends_with_index { Closing::Missing } else { Closing::NotWanted },
    };
    if let Some(damage) = beginning.damage {
        check.tell(Place::default(), Fault::Header(damage))?;
        // Where the first chunk should begin is not known either.
        check.expected.after_damage();
        check.recount.missing();
    }
    check.run()
}

/// What the next chunk should say.
#[derive(Debug, Default)]
struct Expected {
    sequence: u64,
    event: u64,
    payload: u64,
    /// A chunk may be missing before the next one: what it says is taken as it is.
    any_chunk: bool,
    any_event: bool,
    any_payload: bool,
}

impl Expected {
    fn after_damage(&mut self) {
        (self.any_chunk, self.any_event, self.any_payload) = (true, true, true);
    }
}

/// Whether the chunk that was walked last is the index that is to end the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Closing {
    /// The header does not say that there is one.
    NotWanted,
    Missing,
    There,
}

struct Check<'a, R> {
    walk: Walk<R>,
    depth: Depth,
    inspector: &'a mut dyn Inspector,
    checked: Checked,
    shelf: Shelf,
    pairing: Pairing,
    recount: Recount,
    expected: Expected,
    /// Of the last event, in ns.
    time: u64,
    ended: bool,
    /// Nothing whole with events lies behind what is damaged: it may have held the end.
    end_unknown: bool,
    closing: Closing,
}

impl<R: Read + Seek> Check<'_, R> {
    fn run(mut self) -> Result<Checked, CheckError> {
        let length = self.walk.length();
        self.checked.bytes = length;
        while let Some(piece) = self.walk.next()? {
            match piece {
                Piece::Hole(hole) => {
                    let place = Place { offset: hole.bytes.start, ..Place::default() };
                    let bytes = Some(hole.bytes.end - hole.bytes.start);
                    self.tell(place, Fault::Chunk { kind: hole.kind, bytes })?;
                    self.expected.after_damage();
                    self.missing();
                    self.end_unknown = true;
                }
                Piece::Chunk(found) => self.chunk(*found)?,
            }
            if self.inspector.walked(self.walk.at(), length).is_break() {
                return Err(CheckError::Stopped);
            }
        }
        if self.ended {
            for (place, fault) in self.pairing.left_open() {
                self.tell(place, fault)?;
            }
            if self.closing == Closing::Missing && !self.end_unknown {
                let place = Place { offset: length, ..Place::default() };
                self.tell(place, Fault::Chunk { kind: LossKind::NoIndex, bytes: None })?;
            }
        } else if !self.end_unknown {
            let place = Place { offset: length, ..Place::default() };
            self.tell(place, Fault::Chunk { kind: LossKind::NoEnd, bytes: None })?;
        }
        self.checked.requests = self.pairing.issues;
        Ok(self.checked)
    }

    fn tell(&mut self, place: Place, fault: Fault) -> Result<(), CheckError> {
        match fault.level() {
            Level::Fault => self.checked.faults += 1,
            Level::Note => self.checked.notes += 1,
        }
        match self.inspector.finding(Finding { place, fault }) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(CheckError::Stopped),
        }
    }

    fn chunk(&mut self, found: Found) -> Result<(), CheckError> {
        let Found { chunk, section, summary, body } = found;
        let header = chunk.header;
        let place = Place { offset: chunk.offset, chunk: Some(header.sequence), event: None };
        self.checked.chunks += 1;
        let is_next = self.sequence(&header, place)?;
        let summary_is_whole = summary.is_ok();
        if let Err(damage) = summary {
            self.tell(place, damage.into())?;
        }
        let known = matches!(header.holds, ChunkType::Events | ChunkType::Payload);
        if known && header.count == 0 {
            self.tell(place, Fault::Empty)?;
        }
        if self.closing != Closing::NotWanted {
            let is_index = header.holds == ChunkType::Index && body.is_ok();
            self.closing = if is_index { Closing::There } else { Closing::Missing };
        }
        let body = match body {
            Ok(body) => body,
            Err(damage) => {
                self.tell(place, damage.into())?;
                if is_next {
                    self.expect_behind(&header);
                }
                return Ok(());
            }
        };
        if !is_next {
            return Ok(());
        }
        let mut faults = Vec::new();
        match header.holds {
            ChunkType::Events => {
                self.first_event(&header, place)?;
                if !self.events(&header, place, body)? || !summary_is_whole {
                    self.recount.drop_chunk();
                    return Ok(());
                }
                let summary = self.recount.compare(&section, &mut faults);
                self.recount.chunk(&chunk, &summary);
            }
            ChunkType::Payload => {
                self.payloads(&header, place, body)?;
                self.recount.chunk(&chunk, &Summary::default());
            }
            ChunkType::Index => self.recount.index(&chunk, &body, &mut faults),
            ChunkType::Other(_) => self.recount.chunk(&chunk, &Summary::default()),
        }
        self.tell_all(place, faults)
    }

    /// Something is missing here.
    fn missing(&mut self) {
        self.pairing.missing();
        self.recount.missing();
    }

    fn tell_all(
        &mut self,
        place: Place,
        faults: impl IntoIterator<Item = Fault>,
    ) -> Result<(), CheckError> {
        faults.into_iter().try_for_each(|fault| self.tell(place, fault))
    }

    /// Whether a chunk is the next one, or one behind some that are missing.
    fn sequence(&mut self, header: &ChunkHeader, place: Place) -> Result<bool, CheckError> {
        let wanted = self.expected.sequence;
        if header.sequence != wanted && !(self.expected.any_chunk && header.sequence > wanted) {
            self.tell(place, order("the sequence number", header.sequence, wanted))?;
        }
        if header.sequence < wanted {
            return Ok(false);
        }
        if header.sequence > wanted {
            self.expected.after_damage();
            self.missing();
        }
        self.expected.any_chunk = false;
        self.expected.sequence = header.sequence.saturating_add(1);
        Ok(true)
    }

    /// Goes on behind a chunk whose header is all that is whole.
    fn expect_behind(&mut self, header: &ChunkHeader) {
        self.end_unknown = true;
        self.recount.missing();
        let end = header.first.saturating_add(u64::from(header.count));
        match header.holds {
            ChunkType::Events => {
                self.expected.event = self.expected.event.max(end);
                self.missing();
            }
            ChunkType::Payload => self.expected.payload = self.expected.payload.max(end),
            ChunkType::Index | ChunkType::Other(_) => {}
        }
    }

    /// Whether a chunk of events follows those before.
    fn first_event(&mut self, header: &ChunkHeader, place: Place) -> Result<(), CheckError> {
        let wanted = self.expected.event.saturating_add(u64::from(header.lost));
        let allowed = self.expected.any_event && header.first > wanted;
        if header.first != wanted && !allowed {
            self.tell(place, order("the first event", header.first, wanted))?;
            self.missing();
        }
        if header.lost > 0 {
            self.tell(place, Fault::Dropped { events: u64::from(header.lost) })?;
            self.missing();
        }
        if header.time_first < self.time {
            let damage = Damage::Time { found: header.time_first, before: self.time };
            self.tell(place, damage.into())?;
        }
        self.expected.any_event = false;
        self.end_unknown = false;
        self.expected.event = header.first.saturating_add(u64::from(header.count));
        self.time = self.time.max(header.time_last);
        Ok(())
    }

    /// Checks the events of a chunk. Gives whether all of them could be decoded.
    fn events(
        &mut self,
        header: &ChunkHeader,
        place: Place,
        body: Vec<u8>,
    ) -> Result<bool, CheckError> {
        let mut index = header.first;
        let mut decoder = match Body::open(header, body) {
            Ok(decoder) => decoder,
            Err(source) => {
                self.missing();
                self.tell(place, Damage::Event { event: index, source }.into())?;
                return Ok(false);
            }
        };
        loop {
            let place = Place { event: Some(index), ..place };
            match decoder.next() {
                Ok(Decoded::Done) => return Ok(true),
                Ok(one) => {
                    if self.ended {
                        self.tell(place, Damage::AfterEnd { event: index }.into())?;
                        self.ended = false;
                    }
                    match one {
                        Decoded::Event(event) => self.event(&event, place)?,
                        Decoded::Unknown { kind: number, ahead } => {
                            let (event, offset) = (index + ahead, place.offset);
                            return Err(ReadError::UnknownEvent { number, event, offset }.into());
                        }
                        Decoded::Skipped(_) | Decoded::Done => {
                            self.recount.skip();
                            self.inspector.passed_over(index);
                        }
                    }
                    index = index.saturating_add(1);
                }
                Err(source) => {
                    self.missing();
                    self.tell(place, Damage::Event { event: index, source }.into())?;
                    return Ok(false);
                }
            }
        }
    }

    fn event(&mut self, event: &Event, place: Place) -> Result<(), CheckError> {
        self.checked.events += 1;
        self.recount.add(event);
        if let Some(index) = place.event {
            self.inspector.event(index, event);
        }
        let mut faults = Vec::new();
        match &event.kind {
            EventKind::Issue(issue) => {
                self.pairing.issue(issue, place, &mut faults);
                let length = Some(issue.request.range.length);
                self.payload(issue.payload, length, &mut faults)?;
            }
            EventKind::Block(block) => {
                let open = self.pairing.block(block, &mut faults);
                self.payload(block.payload, open.map(|open| open.length), &mut faults)?;
            }
            EventKind::End { .. } => self.ended = true,
            _ => {}
        }
        self.tell_all(place, faults)
    }
}

fn order(what: &'static str, found: u64, wanted: u64) -> Fault {
    Damage::Order { what, found, wanted }.into()
}
