//! The requests of a trace, a page at a time, in any order: what a screen needs that shows a part of a long list.
//!
//! ```text
//! requests   0 ……… 26,113 │ 26,114 ……… 51,980 │ 51,981 …      by place, in the order of issue
//! pages      └──── 0 ────┘ └────── 1 ──────┘ └ 2 …           a chunk of events that has any
//! ```
//!
//! A reader in, rows out. Invariants: page after page gives the rows that reading the trace from the beginning gives, but for
//! what only a reader that saw the beginning can know of them (`rows::Context`): of these, how many were in flight is known where
//! the index can say it, as of one device. No more than one page is held.

use std::io::{Read, Seek};

use bytes::Bytes;

use crate::event::PayloadId;
use crate::format::{ChunkEntry, Growth, Loss, ReadError, Reader, Target};
use crate::limits::PAGE_BEHIND_EVENTS;
use crate::request::RequestId;
use crate::rows::{Joiner, Row};
use crate::units::Nanos;

/// Where a page lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// Requests before it.
    pub place: u64,
    /// Requests in it; never 0.
    pub requests: u64,
    /// Their lowest and highest id; `None` if the trace does not say.
    pub ids: Option<(RequestId, RequestId)>,
    /// From here.
    pub time_first: Nanos,
    /// To here, which belongs to it.
    pub time_last: Nanos,
    /// Index of its first event.
    first_event: u64,
    /// Index behind its last event.
    next_event: u64,
}

/// The pages of a trace.
#[derive(Debug)]
pub struct Pages<R> {
    reader: Reader<R>,
    /// It stands at the end, where it knows where all payloads lie.
    is_at_end: bool,
    all: Vec<Page>,
    /// Chunks in the reader's list that are in `all`, if they have a page.
    seen: usize,
}

impl<R: Read + Seek> Pages<R> {
    /// Looks where the pages of a trace lie. Its indexes say it; without them headers of chunks are read.
    pub fn new(reader: Reader<R>) -> Result<Pages<R>, ReadError> {
        let mut pages = Pages { reader, is_at_end: false, all: Vec::new(), seen: 0 };
        pages.list()?;
        Ok(pages)
    }

    /// Looks for pages behind those that are known, of a trace that grows; what is new lies at the end of [`Pages::all`]. The chunks
    /// are those that were not looked at before; after an error the next look finds what this one did.
    pub fn grow(&mut self) -> Result<Growth, ReadError> {
        let growth = self.reader.grow()?;
        let chunks = self.list()?;
        Ok(Growth { chunks, ..growth })
    }

    /// Takes the chunks that were not looked at; how many there are. The reader also lists chunks when it fails to grow, and lists all
    /// anew where an index is wrong: what it calls new is not all that is new here.
    fn list(&mut self) -> Result<usize, ReadError> {
        let entries = self.reader.chunk_entries()?;
        let new = entries.get(self.seen..).unwrap_or_default();
        let mut place = self.all.last().map_or(0, Page::next_place);
        for entry in new {
            self.all.extend(Page::of(entry, place));
            place = place.saturating_add(if entry.holds_events { entry.issues } else { 0 });
        }
        let chunks = new.len();
        self.seen += chunks;
        self.is_at_end &= chunks == 0;
        Ok(chunks)
    }

    /// The place of the first request that waits for its end where the trace ends for now, or of the next one that comes: what is
    /// known of those before will not change. The first place of all if the trace does not say it.
    pub fn settled(&mut self) -> Result<u64, ReadError> {
        let last =
            self.reader.chunk_entries()?.iter().rev().find(|entry| entry.holds_events).copied();
        let Some(last) = last else { return Ok(0) };
        let Some(state) = self.reader.summary(&last)?.state else { return Ok(0) };
        let first = state.listed().map(<[RequestId]>::first);
        match first.filter(|_| self.all.iter().all(Page::is_dense)) {
            None => Ok(0),
            Some(None) => Ok(self.requests()),
            Some(Some(id)) => Ok(self.place_of(*id).unwrap_or(0)),
        }
    }

    /// The place of the request with this id, in pages that lack none.
    fn place_of(&self, id: RequestId) -> Option<u64> {
        let page = self.all.partition_point(|page| page.ids.is_some_and(|(_, last)| last < id));
        let page = self.all.get(page)?;
        Some(page.place.saturating_add(id.0.checked_sub(page.ids?.0.0)?))
    }

    /// All pages, in order.
    pub fn all(&self) -> &[Page] {
        &self.all
    }

    /// How many requests there are.
    pub fn requests(&self) -> u64 {
        self.all.last().map_or(0, Page::next_place)
    }

    /// Which page holds the request at this place; `None` behind the last.
    pub fn holding(&self, place: u64) -> Option<usize> {
        let next = self.all.partition_point(|page| page.place <= place);
        let page = next.checked_sub(1)?;
        (place - self.all[page].place < self.all[page].requests).then_some(page)
    }

    /// The rows of a page. A request is given without its completion if that lies more than `PAGE_BEHIND_EVENTS` events behind
    /// the page. Fewer rows than the page promises say that the trace is damaged there.
    pub fn rows(&mut self, page: usize) -> Result<Vec<Row>, ReadError> {
        let Page { first_event, next_event, requests, .. } = self.all[page];
        self.is_at_end = false;
        let start = self.reader.seek(&Target::Event(first_event))?;
        let devices = self.reader.header().devices.len();
        let mut joiner = Joiner::starting(&start).knowing_depths(&start, devices);
        let mut rows = Vec::new();
        let last = next_event.saturating_add(PAGE_BEHIND_EVENTS);
        let mut ended = false;
        while !ended && (rows.len() as u64) < requests {
            match self.reader.next_event()? {
                Some((index, event)) if index < last => joiner.push(index, event),
                _ => {
                    joiner.finish();
                    ended = true;
                }
            }
            let of_page = |row: &Row| (first_event..next_event).contains(&row.event);
            rows.extend(std::iter::from_fn(|| joiner.pop()).filter(of_page));
        }
        Ok(rows)
    }

    /// What was in the way, if the last page had fewer rows than it promises.
    pub fn loss(&self) -> Option<&Loss> {
        self.reader.loss()
    }

    /// Data that are stored.
    pub fn data(&mut self, id: PayloadId) -> Result<Bytes, ReadError> {
        if !self.is_at_end {
            self.reader.seek(&Target::End)?;
            // It stands at the last chunk of events now, and those of data may lie between it and the end.
            while self.reader.next_event()?.is_some() {}
            self.is_at_end = true;
        }
        self.reader.payload(id)
    }
}

impl Page {
    /// Whether ids count up in it without a gap, as recorders count them.
    pub fn is_dense(&self) -> bool {
        let span = self.ids.and_then(|(first, last)| last.0.checked_sub(first.0));
        span == Some(self.requests - 1)
    }

    /// The place behind its last request.
    fn next_place(&self) -> u64 {
        self.place.saturating_add(self.requests)
    }

    /// Index of its first event.
    pub(super) fn first_event(&self) -> u64 {
        self.first_event
    }

    fn of(entry: &ChunkEntry, place: u64) -> Option<Page> {
        (entry.holds_events && entry.issues > 0).then(|| Page {
            place,
            requests: entry.issues,
            ids: entry.ids,
            time_first: entry.time_first,
            time_last: entry.time_last,
            first_event: entry.first,
            next_event: entry.next(),
        })
    }
}
