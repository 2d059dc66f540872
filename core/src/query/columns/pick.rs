//! Gets the rows of requests whose ids are known: ids in, in the order of issue, rows out.
//!
//! It goes from chunk to chunk that holds one, and makes no rows of others on the way. Knows no filters. Invariant: a row that it
//! gives is the one that reading from the beginning gives, but for what lies around a request.

use std::collections::VecDeque;
use std::io::{Read, Seek};

use super::SearchError;
use crate::event::{Event, EventKind};
use crate::format::{ChunkEntry, ReadError, Reader};
use crate::limits::ROWS_HELD_MAX;
use crate::request::Operation;
use crate::rows::{Joiner, Row};

/// A trace of which some rows are read.
#[derive(Debug)]
pub(super) struct Picker<R> {
    reader: Reader<R>,
    /// Has only rows that are wanted, or may be.
    joiner: Joiner,
    /// Of each row that the joiner holds, how many issues there were before.
    held: VecDeque<u64>,
    /// Ids of rows that are wanted.
    wanted: VecDeque<u64>,
    /// Of lower ids it is known whether they are wanted.
    decided: u64,
    /// Issues that were read.
    issues: u64,
    /// `None` before the first is looked for.
    chunks: Option<Vec<Chunk>>,
    /// Whose chunk it is on the way to.
    sought: Option<u64>,
    /// Index of the next event.
    next: u64,
    ended: bool,
}

/// A chunk in which requests were issued.
#[derive(Debug, Clone, Copy)]
struct Chunk {
    /// Its place among all that the trace lists.
    place: usize,
    /// Its first event.
    event: u64,
    /// Its highest id.
    last_id: u64,
}

impl<R: Read + Seek> Picker<R> {
    /// Picks rows of a trace of which `reader` has given out nothing.
    pub(super) fn new(reader: Reader<R>) -> Picker<R> {
        Picker {
            reader,
            joiner: Joiner::new(),
            held: VecDeque::new(),
            wanted: VecDeque::new(),
            decided: 0,
            issues: 0,
            chunks: None,
            sought: None,
            next: 0,
            ended: false,
        }
    }

    /// Asks for these rows too: ids that ascend, and are higher than those before. Of all that are lower than `decided` it is
    /// known now whether they are wanted.
    pub(super) fn want(&mut self, ids: &[u64], decided: u64) {
        self.wanted.extend(ids);
        self.decided = decided;
    }

    /// Whether rows were asked for and not given out.
    pub(super) fn is_asked(&self) -> bool {
        !self.wanted.is_empty()
    }

    /// The next of the rows that were asked for; `None` after the last.
    pub(super) fn next_row(&mut self) -> Result<Option<Row>, SearchError> {
        while let Some(id) = self.wanted.front().copied() {
            if let Some(row) = self.pop() {
                // It might have been wanted, and is not.
                if row.id.0 < id {
                    continue;
                }
                if row.id.0 > id {
                    return Err(SearchError::Odd);
                }
                self.wanted.pop_front();
                return Ok(Some(row));
            }
            if self.ended {
                return Err(SearchError::Odd);
            }
            if self.held.is_empty() && self.sought != Some(id) {
                self.go(id)?;
                self.sought = Some(id);
            }
            if let Some((index, event)) = self.reader.next_event()? {
                self.take(index, event)?;
            } else {
                self.joiner.finish();
                self.ended = true;
            }
        }
        Ok(None)
    }

    fn pop(&mut self) -> Option<Row> {
        let row = self.joiner.pop()?;
        self.held.pop_front();
        Some(row)
    }

    fn take(&mut self, index: u64, event: Event) -> Result<(), SearchError> {
        self.next = index + 1;
        let is_wanted = match &event.kind {
            EventKind::Issue(issue) => {
                self.issues += 1;
                let id = issue.id.0;
                let is_wanted = id >= self.decided || self.wanted.binary_search(&id).is_ok();
                if is_wanted {
                    self.held.push_back(self.issues);
                }
                // Whoever makes all rows gives up waiting then.
                let waits = self.held.front().map_or(0, |since| self.issues - since);
                if waits >= ROWS_HELD_MAX as u64 {
                    return Err(SearchError::Odd);
                }
                is_wanted
            }
            // Flushes say in which epoch a row is.
            EventKind::Block(block) => !self.held.is_empty() || block.operation == Operation::Flush,
            _ => false,
        };
        if is_wanted {
            self.joiner.push(index, event);
        }
        Ok(())
    }

    /// Goes to the chunk that holds the id, unless reading on leads there at once.
    fn go(&mut self, id: u64) -> Result<(), ReadError> {
        let chunks = match self.chunks.take() {
            Some(chunks) => chunks,
            None => chunks(&mut self.reader)?,
        };
        let chunks = self.chunks.insert(chunks);
        let holds = chunks.partition_point(|chunk| chunk.last_id < id);
        let begun = chunks.partition_point(|chunk| chunk.event < self.next);
        let Some(chunk) = chunks.get(holds).copied().filter(|_| holds > begun) else {
            return Ok(());
        };
        // Where it is not known what is open, all is read.
        if let Some(start) = self.reader.seek_chunk(chunk.place)? {
            self.joiner = Joiner::starting(&start);
            self.next = chunk.event;
        }
        Ok(())
    }

    /// The reader, for one who is done picking.
    pub(super) fn into_reader(self) -> Reader<R> {
        self.reader
    }
}

/// The chunks of a trace that hold requests.
fn chunks<R: Read + Seek>(reader: &mut Reader<R>) -> Result<Vec<Chunk>, ReadError> {
    let entries = reader.chunk_entries()?.iter().enumerate();
    let chunk = |(place, entry): (usize, &ChunkEntry)| {
        let (_, last_id) = entry.ids.filter(|_| entry.holds_events)?;
        Some(Chunk { place, event: entry.first, last_id: last_id.0 })
    };
    Ok(entries.filter_map(chunk).collect())
}
