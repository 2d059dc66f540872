//! Going to a place in a trace without reading what lies before it.
//!
//! A target in, a reader that stands at the beginning of the chunk where it is out. Invariant: going there and
//! reading on gives the same events as reading from the beginning.

use std::io::{Read, Seek};

use super::facts::Facts;
use super::index::{ChunkEntry, End};
use super::loss::{Damage, LossKind};
use super::reader::{ReadError, Reader};
use super::summary::{State, Summary};
use crate::event::MarkName;
use crate::request::{DeviceId, RequestId};
use crate::units::Nanos;

/// Where to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// To the event with this index.
    Event(u64),
    /// To the first event at this time or later.
    Time(Nanos),
    /// To where a request was issued.
    Request(RequestId),
    /// To where so many flushes, from 1 on, had been released on a device, or on all.
    Flush(Option<DeviceId>, u64),
    /// To the first mark of this name.
    Mark(MarkName),
    /// To the last chunk.
    End,
    /// To where so many events are left, or a little more.
    LastEvents(u64),
    /// To where so many issues are left, or a little more.
    LastIssues(u64),
}

/// Where a reader stands that went to a target: at the beginning of the chunk that holds it, or of one before.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Start {
    /// What is open there, and what was flushed.
    pub state: State,
}

impl<R: Read + Seek> Reader<R> {
    /// All chunks of events and payloads up to the first that is not whole, from the indexes where there are any.
    pub fn chunk_entries(&mut self) -> Result<&[ChunkEntry], ReadError> {
        let directory = match self.directory.take() {
            Some(directory) => directory,
            None => self.chunks.directory(self.beginning)?,
        };
        Ok(&self.directory.insert(directory).entries)
    }

    /// The summary of a chunk of the list. Its body is not read.
    pub fn summary(&mut self, entry: &ChunkEntry) -> Result<Summary, ReadError> {
        let damage = match self.chunks.chunk_at(entry.offset)? {
            Ok(Some(chunk)) if entry.is_of(&chunk.header) => return Ok(chunk.summary),
            Ok(Some(chunk)) => {
                let (found, wanted) = (chunk.header.sequence, entry.sequence);
                Damage::Order { what: "the sequence number", found, wanted }
            }
            Ok(None) | Err(LossKind::Cut | LossKind::NoEnd | LossKind::NoIndex) => Damage::Cut,
            Err(LossKind::Damaged(damage)) => damage,
        };
        Err(ReadError::ChunkLost { offset: entry.offset, damage })
    }

    /// Goes to `target`. If there is nothing it goes to the last chunk, so that reading on finds nothing but
    /// what is lost.
    pub fn seek(&mut self, target: &Target) -> Result<Start, ReadError> {
        match self.go(target) {
            Err(ReadError::ChunkLost { .. }) => {
                // The index does not say what is there: the file is walked instead.
                let directory = self.chunks.walk_all(self.beginning)?;
                self.directory = Some(directory);
                match self.go(target) {
                    Err(ReadError::ChunkLost { .. }) => self.rewind(),
                    went => went,
                }
            }
            went => went,
        }
    }

    fn go(&mut self, target: &Target) -> Result<Start, ReadError> {
        let entries = self.chunk_entries()?;
        let events: Vec<_> = entries.iter().copied().filter(|entry| entry.holds_events).collect();
        let place = match target {
            Target::Event(index) => events.partition_point(|entry| entry.next() <= *index),
            Target::Time(time) => events.partition_point(|entry| entry.time_last < *time),
            Target::Request(id) => {
                let holds = |entry: &ChunkEntry| {
                    entry.ids.is_some_and(|(first, last)| (first..=last).contains(id))
                };
                events.iter().position(holds).unwrap_or(events.len())
            }
            Target::Flush(device, number) => self.flush(&events, *device, *number)?,
            Target::Mark(name) => self.mark(&events, name)?,
            Target::End => events.len(),
            Target::LastEvents(count) => last(&events, *count, |entry| entry.count),
            Target::LastIssues(count) => last(&events, *count, |entry| entry.issues),
        };
        let place = place.min(events.len().saturating_sub(1));
        let Some(before) = place.checked_sub(1) else { return self.rewind() };
        match self.summary(&events[before])?.state {
            Some(state) => self.stand_at(&events[place]).map(|()| Start { state }),
            None => self.rewind(),
        }
    }

    /// Goes to the beginning of the chunk of events at `place` in [`Reader::chunk_entries`]. `None`, and nothing has changed, if
    /// the trace does not say what is open there.
    pub fn seek_chunk(&mut self, place: usize) -> Result<Option<Start>, ReadError> {
        let entries = self.chunk_entries()?;
        let Some(entry) = entries.get(place).copied() else { return Ok(None) };
        let before = entries[..place].iter().rev().find(|entry| entry.holds_events).copied();
        let Some(before) = before else { return self.rewind().map(Some) };
        let Some(state) = self.summary(&before)?.state else { return Ok(None) };
        self.stand_at(&entry)?;
        Ok(Some(Start { state }))
    }

    /// Which chunk holds the flush; each summary says how many there were by its end.
    fn flush(
        &mut self,
        events: &[ChunkEntry],
        device: Option<DeviceId>,
        number: u64,
    ) -> Result<usize, ReadError> {
        let (mut low, mut high) = (0, events.len());
        while low < high {
            let middle = low + (high - low) / 2;
            let Some(state) = self.summary(&events[middle])?.state else { return Ok(0) };
            if state.flushes_of(device) < number {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(low)
    }

    fn mark(&mut self, events: &[ChunkEntry], name: &MarkName) -> Result<usize, ReadError> {
        for (place, entry) in events.iter().enumerate().filter(|(_, entry)| entry.marks > 0) {
            if self.summary(entry)?.marks.iter().any(|(_, found)| found == name) {
                return Ok(place);
            }
        }
        Ok(events.len())
    }

    /// Goes back to the beginning.
    pub fn rewind(&mut self) -> Result<Start, ReadError> {
        self.chunks.resume(self.beginning, 0);
        self.shelf.clear();
        self.restart(0, &Facts::default());
        Ok(Start::default())
    }

    fn stand_at(&mut self, entry: &ChunkEntry) -> Result<(), ReadError> {
        self.summary(entry)?;
        self.chunks.resume(entry.offset, entry.sequence);
        let entries = self.directory.iter().flat_map(|directory| &directory.entries);
        let before = entries.take_while(|other| other.offset < entry.offset);
        let payloads = before.filter(|other| !other.holds_events);
        let mut facts = Facts { chunks: entry.sequence, ..Facts::default() };
        self.shelf.clear();
        for chunk in payloads {
            self.shelf.add(chunk.first, chunk.offset);
            facts.payloads = chunk.next();
        }
        facts.events = entry.first.saturating_sub(entry.lost);
        self.restart(entry.first, &facts);
        Ok(())
    }

    fn restart(&mut self, next: u64, facts: &Facts) {
        self.current = None;
        self.next = next;
        self.end = End::Missing;
        self.closed = false;
        self.finished = false;
        self.loss = None;
        self.facts = *facts;
    }
}

/// The last chunk from which on there are so many.
fn last(events: &[ChunkEntry], wanted: u64, count: impl Fn(&ChunkEntry) -> u64) -> usize {
    let mut left = wanted;
    for (place, entry) in events.iter().enumerate().rev() {
        left = left.saturating_sub(count(entry));
        if left == 0 {
            return place;
        }
    }
    0
}
