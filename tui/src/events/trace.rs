//! The events of a trace, a part at a time: lines of a list, what checkpoints released, and the other end of a request.
//!
//! Blocks are the chunks of the file. Invariant: no more than a chunk of events, and what belongs to it behind it, is read at once.

use std::collections::{HashMap, HashSet};
use std::io::{Read, Seek};

use blkreplay_core::event::EventKind;
use blkreplay_core::format::{ChunkEntry, LossKind, ReadError, Reader, Target};
use blkreplay_core::limits::PAGE_BEHIND_EVENTS;
use blkreplay_core::request::RequestId;
use blkreplay_core::words::Devices;
use roaring::RoaringTreemap;

use super::line::{End, Line};
use super::release::{Gather, Missing, Passed, Release};
use super::{Extent, Open, PAGE, Page, Sought, Source};
use crate::loader::told;

/// Chunks whose ids are kept that do not count up without a gap.
const KEPT: usize = 4;

/// A chunk of events.
#[derive(Debug, Clone, Copy)]
struct Block {
    entry: ChunkEntry,
    /// Requests issued before it.
    place: u64,
    /// The lowest and the highest id that were issued in it or before.
    so_far: Option<(RequestId, RequestId)>,
}

impl Block {
    /// The block that follows these.
    fn behind(before: Option<&Block>, entry: ChunkEntry) -> Block {
        let place = before.map_or(0, |before| before.place.saturating_add(before.entry.issues));
        let own = entry.ids.filter(|_| entry.issues > 0);
        let so_far = match (before.and_then(|before| before.so_far), own) {
            (Some(had), Some(own)) => Some((had.0.min(own.0), had.1.max(own.1))),
            (had, own) => had.or(own),
        };
        Block { entry, place, so_far }
    }

    /// Whether a request with this id may have been issued in it or before.
    fn may_follow(&self, id: RequestId) -> bool {
        self.so_far.is_some_and(|(first, last)| (first..=last).contains(&id))
    }

    /// The place of the request with this id, if ids count up in it without a gap.
    fn counted(&self, id: RequestId) -> Option<u64> {
        let (first, last) = self.entry.ids?;
        let is_dense = last.0.checked_sub(first.0) == self.entry.issues.checked_sub(1);
        (is_dense && (first..=last).contains(&id)).then(|| self.place + (id.0 - first.0))
    }

    fn may_hold(&self, id: RequestId) -> bool {
        self.entry.ids.is_some_and(|(first, last)| (first..=last).contains(&id))
    }
}

/// A trace.
pub(super) struct TraceSource<R> {
    reader: Reader<R>,
    devices: Devices,
    blocks: Vec<Block>,
    /// Chunks in the reader's list that are in `blocks`, if they hold events.
    seen: usize,
    /// The event that the reader gives next, if it goes on.
    at: Option<u64>,
    /// Ids of requests issued in a block, in their order.
    ids: Vec<(usize, HashMap<RequestId, u64>)>,
}

impl<R: Read + Seek> TraceSource<R> {
    pub(super) fn new(reader: Reader<R>) -> Result<TraceSource<R>, String> {
        let devices = Devices::of(reader.header());
        let mut source =
            TraceSource { reader, devices, blocks: Vec::new(), seen: 0, at: None, ids: Vec::new() };
        source.list().map_err(|error| told(&error))?;
        Ok(source)
    }

    /// Takes the chunks that were not seen.
    fn list(&mut self) -> Result<(), ReadError> {
        let entries = self.reader.chunk_entries()?;
        let new = entries.get(self.seen..).unwrap_or_default();
        self.seen += new.len();
        for entry in new.iter().filter(|entry| entry.holds_events) {
            let block = Block::behind(self.blocks.last(), *entry);
            self.blocks.push(block);
        }
        Ok(())
    }

    fn go(&mut self, event: u64) -> Result<(), String> {
        if self.at != Some(event) {
            self.reader.seek(&Target::Event(event)).map_err(|error| told(&error))?;
        }
        self.at = None;
        Ok(())
    }

    /// The places among all requests of those that are completed in a block or behind it, and were issued in it or before. Goes
    /// backwards from there, no further than they were open, and reads blocks only where ids do not count up without a gap.
    fn places(&mut self, at: usize, mut sought: HashSet<RequestId>) -> HashMap<RequestId, u64> {
        let mut places = HashMap::new();
        for at in (0..self.blocks.len().min(at + 1)).rev() {
            let block = self.blocks[at];
            sought.retain(|id| match block.counted(*id) {
                Some(place) => places.insert(*id, place).is_some(),
                None => block.may_follow(*id),
            });
            if sought.is_empty() {
                break;
            }
            if !sought.iter().any(|id| block.may_hold(*id)) {
                continue;
            }
            let Ok(ids) = self.ids_of(at) else { continue };
            sought.retain(|id| match ids.get(id) {
                Some(place) => places.insert(*id, *place).is_some(),
                None => true,
            });
            self.keep_open(at, &mut sought);
        }
        places
    }

    /// Keeps those that were open where a block begins, if the trace says it: others were not issued before.
    fn keep_open(&mut self, at: usize, sought: &mut HashSet<RequestId>) {
        let Some(before) = at.checked_sub(1).filter(|_| !sought.is_empty()) else { return };
        let entry = self.blocks[before].entry;
        self.at = None;
        let Ok(summary) = self.reader.summary(&entry) else { return };
        if let Some(open) = summary.state.as_ref().and_then(|state| state.listed()) {
            sought.retain(|id| open.binary_search(id).is_ok());
        }
    }

    /// The places of requests issued in a block, by id.
    fn ids_of(&mut self, at: usize) -> Result<&HashMap<RequestId, u64>, ReadError> {
        if let Some(kept) = self.ids.iter().position(|(kept, _)| *kept == at) {
            return Ok(&self.ids[kept].1);
        }
        let Block { entry, place, .. } = self.blocks[at];
        self.at = None;
        self.reader.seek(&Target::Event(entry.first))?;
        let mut ids = HashMap::new();
        while let Some((index, event)) = self.reader.next_event()? {
            if index >= entry.next() {
                break;
            }
            if let (EventKind::Issue(issue), true) = (&event.kind, index >= entry.first) {
                let next = place + ids.len() as u64;
                ids.insert(issue.id, next);
            }
        }
        self.ids.truncate(KEPT - 1);
        self.ids.insert(0, (at, ids));
        Ok(&self.ids[0].1)
    }

    /// What is released at the checkpoints of a block, and where it begins if the trace ends for now before all of it is known.
    fn gathered(&mut self, at: usize) -> Result<(Vec<Release>, Option<Open>), ReadError> {
        let entry = self.blocks[at].entry;
        self.at = None;
        let start = self.reader.seek(&Target::Event(entry.first))?;
        let mut open = start.state.open;
        let mut gather = Gather::new(true, true);
        let mut releases = Vec::new();
        let last = entry.next().saturating_add(PAGE_BEHIND_EVENTS);
        let mut goes_on = None;
        let why = loop {
            let Some((index, event)) = self.reader.next_event()? else {
                let loss = self.reader.loss();
                let ends = loss.is_none_or(|loss| !matches!(loss.kind, LossKind::Damaged(_)));
                goes_on =
                    (ends && gather.is_open()).then_some(Open { block: at, event: entry.first });
                break loss.map(|_| Missing::Unreadable);
            };
            if index >= last {
                break Some(Missing::Far);
            }
            let is_behind = index >= entry.next();
            if is_behind && (!gather.is_open() || matches!(event.kind, EventKind::Checkpoint(_))) {
                break None;
            }
            let passed = Passed {
                index,
                time: event.time,
                icount: None,
                open: Some(open),
                kind: &event.kind,
            };
            let own = |release: &Release| release.first >= entry.first;
            releases.extend(gather.push(passed).filter(own));
            match event.kind {
                EventKind::Issue(_) => open = open.saturating_add(1),
                EventKind::Block(_) | EventKind::BlockId { .. } => open = open.saturating_sub(1),
                _ => {}
            }
        };
        releases.extend(gather.finish(why));
        Ok((releases, goes_on))
    }
}

impl<R: Read + Seek> Source for TraceSource<R> {
    fn extent(&mut self) -> Extent {
        let events = self.blocks.last().map_or(0, |last| last.entry.next());
        Extent { events, blocks: self.blocks.len() }
    }

    fn grow(&mut self) -> Result<(), String> {
        self.at = None;
        self.reader.grow().and_then(|_| self.list()).map_err(|error| told(&error))
    }

    fn page(&mut self, page: u64) -> Result<Page, String> {
        let range = page * PAGE..(page + 1).saturating_mul(PAGE);
        self.go(range.start)?;
        let mut lines = Vec::new();
        while let Some((index, event)) = self.reader.next_event().map_err(|error| told(&error))? {
            if index >= range.start {
                lines.push(Line::of_trace(index, &event, &self.devices));
            }
            if index + 1 >= range.end {
                self.at = Some(index + 1);
                break;
            }
        }
        let mut loss = self.reader.loss().map(ToString::to_string);
        if loss.is_some() {
            // What lies behind the damage in this page is whole again.
            let next = lines.last().map_or(range.start, |line| line.index + 1);
            loss = self.behind(next, range.end, &mut lines)?.or(loss);
        }
        Ok(Page { page, lines, loss })
    }

    fn block_of(&mut self, event: u64) -> usize {
        let next = self.blocks.partition_point(|block| block.entry.first <= event);
        next.saturating_sub(1)
    }

    fn may_release(&mut self, at: usize, shown: &RoaringTreemap) -> bool {
        let Block { entry, place, .. } = self.blocks[at];
        if shown.range_cardinality(place..place + entry.issues) > 0 {
            return true;
        }
        let Some(before) = at.checked_sub(1).map(|before| self.blocks[before].entry) else {
            return false;
        };
        let Ok(summary) = self.reader.summary(&before) else { return true };
        self.at = None;
        let state = summary.state;
        let Some(open) = state.as_ref().and_then(|state| state.listed()) else { return true };
        let is_shown = |id: &RequestId| {
            let mut before =
                self.blocks[..at].iter().rev().take_while(|block| block.may_follow(*id));
            let counted = before.find_map(|block| block.counted(*id));
            counted.is_none_or(|place| shown.contains(place))
        };
        open.iter().any(is_shown)
    }

    fn releases(&mut self, at: usize) -> Result<(Vec<Release>, Option<Open>), String> {
        let (mut releases, open) = self.gathered(at).map_err(|error| told(&error))?;
        let completed = releases.iter().flat_map(|release| &release.completed);
        let places = self.places(at, completed.map(|one| one.id).collect());
        for one in releases.iter_mut().flat_map(|release| &mut release.completed) {
            one.place = places.get(&one.id).copied();
        }
        Ok((releases, open))
    }

    fn seek(&mut self, id: RequestId, end: End, from: u64, most: u64) -> Result<Sought, String> {
        self.go(from)?;
        let mut looked = 0;
        while let Some((index, event)) = self.reader.next_event().map_err(|error| told(&error))? {
            let found = match &event.kind {
                EventKind::Issue(issue) => end == End::Issue && issue.id == id,
                EventKind::Block(block) => end == End::Completion && block.id == id,
                _ => false,
            };
            if found && index >= from {
                return Ok(Sought::Found(index));
            }
            looked += 1;
            if looked == most {
                self.at = Some(index + 1);
                return Ok(Sought::GoesOn(index + 1));
            }
        }
        let Some(lost) = self.reader.loss().map(|loss| loss.offset) else {
            return Ok(Sought::Nowhere);
        };
        let behind = |block: &&Block| block.entry.offset > lost && block.entry.first > from;
        let next = self.blocks.iter().find(behind);
        Ok(next.map_or(Sought::Nowhere, |block| Sought::GoesOn(block.entry.first)))
    }

    fn issued(&mut self, id: RequestId, before: u64) -> u64 {
        let holds = |block: &&Block| block.may_hold(id) && block.entry.first <= before;
        self.blocks.iter().rev().find(holds).map_or(0, |block| block.entry.first)
    }
}

impl<R: Read + Seek> TraceSource<R> {
    /// Adds the events from `next` on that lie in chunks behind what is damaged. What was in the way last.
    fn behind(
        &mut self,
        mut next: u64,
        end: u64,
        lines: &mut Vec<Line>,
    ) -> Result<Option<String>, String> {
        let mut loss = None;
        while let Some(lost) = self.reader.loss().map(|loss| loss.offset) {
            loss = self.reader.loss().map(ToString::to_string);
            let behind = |block: &&Block| block.entry.offset > lost && block.entry.first >= next;
            let Some(block) = self.blocks.iter().find(behind).copied() else { break };
            if block.entry.first >= end {
                break;
            }
            self.at = None;
            let sought = self.reader.seek(&Target::Event(block.entry.first));
            sought.map_err(|error| told(&error))?;
            while let Some((index, event)) =
                self.reader.next_event().map_err(|error| told(&error))?
            {
                if index >= end {
                    return Ok(loss);
                }
                next = index + 1;
                lines.push(Line::of_trace(index, &event, &self.devices));
            }
            next = next.max(block.entry.first + 1);
        }
        Ok(loss)
    }
}
