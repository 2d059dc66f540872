//! Which events of a trace belong to a part of it. A cut and events come in, in order; those that stay go out.
//!
//! It reads rows beside the events, because what holds for a request may be known only when it ends, and rows come in
//! the order of issues. Invariants: a request stays as a whole or not at all, as its issue does; what stays keeps its
//! order; no memory grows with the length of the trace.

use std::collections::{BTreeSet, HashSet};
use std::io::{Read, Seek};

use super::error::EditError;
use super::notes::Notes;
use crate::event::{Checkpoint, Event, EventKind};
use crate::format::{Header, Reader};
use crate::limits::EDIT_OPEN_MAX;
use crate::position::{Finder, Position};
use crate::request::{DeviceId, RequestId};
use crate::rows::{Row, Rows};

/// What is to be cut out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cut {
    /// The first event that may stay; `None` for the beginning.
    pub from: Option<Position>,
    /// The first one behind; `None` for none.
    pub to: Option<Position>,
    /// The devices that stay; `None` for all of them.
    pub devices: Option<BTreeSet<DeviceId>>,
}

/// Chooses among the requests of a cut.
pub struct Chooser<'a, R> {
    rows: Rows<Reader<R>>,
    takes: &'a mut dyn FnMut(&Row) -> bool,
}

impl<'a, R: Read + Seek> Chooser<'a, R> {
    /// Takes the requests for which `takes` holds. `rows` are those of a second reader, at the beginning of the trace that is
    /// cut.
    pub fn new(rows: Rows<Reader<R>>, takes: &'a mut dyn FnMut(&Row) -> bool) -> Chooser<'a, R> {
        Chooser { rows, takes }
    }

    /// The row of the next issue, which has this index.
    fn row(&mut self, event: u64) -> Result<Row, EditError> {
        match self.rows.next_row()? {
            Some(row) if row.event == event => Ok(row),
            Some(_) => Err(EditError::Changed { event }),
            None => Err(self.rows.loss().map_or(EditError::Changed { event }, EditError::Loss)),
        }
    }
}

/// What was seen on the way.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Seen {
    /// Index of the first event that may stay, if a position was looked for.
    pub(super) from: Option<u64>,
    /// Index of the first one behind, if it was reached.
    pub(super) to: Option<u64>,
    /// Requests that stay.
    pub(super) requests: u64,
    /// Requests that modify and were left out before the end of the cut.
    pub(super) changes: u64,
    /// Events of a virtual machine that were left out inside the cut.
    pub(super) guest: u64,
    /// Devices that were changed before their first request that stays.
    pub(super) changed: BTreeSet<DeviceId>,
    /// Devices with requests that stay.
    used: BTreeSet<DeviceId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Before,
    Inside,
    Behind,
}

/// Takes events and says which stay.
pub(super) struct Selector<'a, 'b, R> {
    cut: &'a Cut,
    from: Option<Finder>,
    to: Option<Finder>,
    place: Place,
    chooser: Option<&'a mut Chooser<'b, R>>,
    notes: Notes,
    /// A checkpoint that stays if something that stays is released at it.
    held: Option<Event>,
    open: HashSet<RequestId>,
    pub(super) seen: Seen,
}

impl<'a, 'b, R: Read + Seek> Selector<'a, 'b, R> {
    pub(super) fn new(
        cut: &'a Cut,
        header: &Header,
        chooser: Option<&'a mut Chooser<'b, R>>,
    ) -> Result<Self, EditError> {
        let finder = |position: &Option<Position>| match position {
            Some(position) => Finder::new(position.clone(), header).map(Some),
            None => Ok(None),
        };
        let (from, to) = (finder(&cut.from)?, finder(&cut.to)?);
        let place = if from.is_some() { Place::Before } else { Place::Inside };
        Ok(Selector {
            cut,
            from,
            to,
            place,
            chooser,
            notes: Notes::default(),
            held: None,
            open: HashSet::new(),
            seen: Seen::default(),
        })
    }

    /// Whether nothing that follows can stay.
    pub(super) fn is_done(&self) -> bool {
        self.place == Place::Behind && self.open.is_empty()
    }

    /// Whether all that is in the trace stays here, and what is not known of it, too.
    pub(super) fn keeps_all(&self) -> bool {
        self.place == Place::Inside && !self.is_by_request()
    }

    /// Whether the end of the trace, which comes next, ends the part too.
    pub(super) fn reaches_end(&self) -> bool {
        self.place == Place::Inside
    }

    /// Whether what is missing here is missing in the part.
    pub(super) fn is_begun(&self) -> bool {
        self.place == Place::Inside || !self.open.is_empty()
    }

    /// Whether it is asked of each request whether it stays.
    fn is_by_request(&self) -> bool {
        self.chooser.is_some() || self.cut.devices.is_some()
    }

    /// Says that there are no more events.
    pub(super) fn finish(&mut self) -> Result<(), EditError> {
        let missed = |finder: &Option<Finder>, position: &Option<Position>| {
            position.clone().filter(|_| finder.is_some())
        };
        // A time that never came is one that nothing lies behind.
        let to = missed(&self.to, &self.cut.to).filter(|to| !matches!(to, Position::Time(_)));
        missed(&self.from, &self.cut.from).or(to).map_or(Ok(()), |at| Err(EditError::Nowhere(at)))
    }

    /// Takes the event with this index, and adds what stays to `kept`. The end of the trace is the caller's, who is
    /// told whether it lies in the cut.
    pub(super) fn take(
        &mut self,
        index: u64,
        event: Event,
        kept: &mut Vec<Event>,
    ) -> Result<(), EditError> {
        self.go(index, &event)?;
        match &event.kind {
            EventKind::Issue(_) => self.issue(index, event, kept)?,
            EventKind::Block(block) => {
                if self.open.remove(&block.id) {
                    kept.extend(self.held.take());
                    kept.push(event);
                }
            }
            EventKind::Checkpoint(which) => {
                let stays = self.keeps_all() && *which != Checkpoint::Controller;
                self.held = None;
                if stays { kept.push(event) } else { self.held = Some(event) }
            }
            EventKind::End { .. } => {}
            EventKind::Mark { .. } => {
                if self.place == Place::Inside {
                    kept.push(event);
                }
            }
            EventKind::Open { .. }
            | EventKind::Length { .. }
            | EventKind::Close { .. }
            | EventKind::Connect(_)
            | EventKind::Disconnect { .. } => self.note(event, kept),
            _ if self.keeps_all() => kept.push(event),
            _ => self.seen.guest += u64::from(self.place == Place::Inside),
        }
        Ok(())
    }

    /// Notices where the cut begins and ends.
    fn go(&mut self, index: u64, event: &Event) -> Result<(), EditError> {
        if self.from.as_mut().is_some_and(|finder| finder.is_at(index, event)) {
            self.from = None;
            self.seen.from = Some(index);
            self.place = Place::Inside;
        }
        if self.to.as_mut().is_some_and(|finder| finder.is_at(index, event)) {
            self.to = None;
            self.seen.to = Some(index);
            if let (Place::Before, Some(from), Some(to)) =
                (self.place, &self.cut.from, &self.cut.to)
            {
                return Err(EditError::Backwards { from: from.clone(), to: to.clone() });
            }
            self.place = Place::Behind;
        }
        Ok(())
    }

    fn issue(&mut self, index: u64, event: Event, kept: &mut Vec<Event>) -> Result<(), EditError> {
        let EventKind::Issue(issue) = &event.kind else { return Ok(()) };
        // What is released behind an issue has a checkpoint of its own.
        self.held = None;
        if self.place == Place::Behind {
            return Ok(());
        }
        let (id, device) = (issue.id, issue.device);
        let row = match &mut self.chooser {
            Some(chooser) => Some(chooser.row(index)?),
            None => None,
        };
        let here = self.place == Place::Inside
            && self.cut.devices.as_ref().is_none_or(|devices| devices.contains(&device));
        let stays = here
            && match (&mut self.chooser, &row) {
                (Some(chooser), Some(row)) => (chooser.takes)(row),
                _ => true,
            };
        if !stays {
            if issue.request.operation.modifies() {
                self.seen.changes += 1;
                if !self.seen.used.contains(&device) {
                    self.seen.changed.insert(device);
                }
            }
            return Ok(());
        }
        if self.open.len() >= EDIT_OPEN_MAX {
            return Err(EditError::TooManyOpen { event: index });
        }
        self.open.insert(id);
        self.seen.used.insert(device);
        self.seen.requests += 1;
        self.notes.need(device, issue.connection, kept);
        kept.push(event);
        Ok(())
    }

    fn note(&mut self, event: Event, kept: &mut Vec<Event>) {
        match self.place {
            Place::Behind => {}
            Place::Inside if self.keeps_all() => {
                self.notes.tell(&event, kept);
                kept.push(event);
            }
            Place::Before | Place::Inside => kept.extend(self.notes.keep(event)),
        }
    }
}
