//! Finds the indexes of a file, and with them its chunks, without walking it.
//!
//! A file in, places of chunks out. Invariant: whatever an index says is either borne out by how it fits the others, or
//! the file is walked as if there were none.

use std::io::{Read, Seek};

use super::chunks::{Chunk, Chunks, Step};
use super::facts::Facts;
use super::frame::{CHUNK_HEADER_BYTES, CHUNK_MAGIC, ChunkType, u64_at};
use super::growth::Directory;
use super::index::{ChunkEntry, Index, TRAILER_BYTES, trailer};
use super::reader::ReadError;
use crate::limits::{CHUNK_BODY_BYTES_MAX, INDEXED_CHUNKS_MAX, SUMMARY_BYTES_MAX};

/// How much of a file without an end is searched for its last chunk: one of the largest size, and one that is cut.
const SEARCHED_BYTES: u64 = 2 * (CHUNK_BODY_BYTES_MAX + SUMMARY_BYTES_MAX) as u64;

/// How much of it at once.
const BLOCK_BYTES: u64 = 1 << 20;

/// What begins as a chunk and is none is looked at so often before the file is walked instead.
const TRIES: u32 = 1000;

/// An index, and where it was found.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) chunk: Chunk,
    pub(super) index: Index,
    /// Sums up to its end.
    pub(super) totals: Facts,
}

impl<R: Read + Seek> Chunks<R> {
    /// The last index of the file; `None` if there is none that can be found quickly.
    pub(super) fn last_index(&mut self) -> Result<Option<Found>, ReadError> {
        let length = self.file_len()?;
        let Some(at) = length.checked_sub(TRAILER_BYTES as u64) else { return Ok(None) };
        let last = self.read(at, TRAILER_BYTES as u64)?;
        if let Some(offset) = trailer(&last)
            && let Some(found) = self.index_at(offset)?
            && found.chunk.end() == length
        {
            return Ok(Some(found));
        }
        match self.index_named_last(length)? {
            Some(offset) => self.index_at(offset),
            None => Ok(None),
        }
    }

    /// The index at `offset`; `None` if there is none, or it cannot be what it claims.
    fn index_at(&mut self, offset: u64) -> Result<Option<Found>, ReadError> {
        let Ok(Some(chunk)) = known(self.chunk_at(offset))?.unwrap_or(Ok(None)) else {
            return Ok(None);
        };
        if chunk.header.holds != ChunkType::Index {
            return Ok(None);
        }
        let Ok(index) = self.index_in(&chunk)? else { return Ok(None) };
        let counts = index.totals.chunks == chunk.header.sequence
            && index.totals.events.checked_add(index.totals.lost).is_some();
        let totals = index.totals.add(&chunk.header, &chunk.summary).ok().filter(|_| counts);
        Ok(totals.map(|totals| Found { chunk, index, totals }))
    }

    /// What the last whole chunk of events says about where the last index lies.
    fn index_named_last(&mut self, length: u64) -> Result<Option<u64>, ReadError> {
        let mut tries = TRIES;
        let least = length.saturating_sub(SEARCHED_BYTES);
        let mut end = length;
        while end > least {
            let start = end.saturating_sub(BLOCK_BYTES).max(least);
            // A header may reach over the end of the block.
            let block = self.read(start, end - start + CHUNK_HEADER_BYTES as u64)?;
            let searched = usize::try_from(end - start).unwrap_or(usize::MAX);
            let mut searched = block.len().min(searched + CHUNK_MAGIC.len() - 1);
            while let Some(place) = rfind(&block[..searched]) {
                searched = place + CHUNK_MAGIC.len() - 1;
                let salted = block.len() >= place + 24 && u64_at(&block, place + 16) == self.salt();
                if !salted {
                    continue;
                }
                let chunk = known(self.chunk_at(start + place as u64))?;
                if let Some(Ok(Some(chunk))) = chunk
                    && chunk.header.holds == ChunkType::Events
                {
                    return Ok(chunk.summary.index);
                }
                tries -= 1;
                if tries == 0 {
                    return Ok(None);
                }
            }
            end = start;
        }
        Ok(None)
    }

    /// All chunks of events and payloads, up to the first that is not whole. Where the next chunk lies is not changed.
    pub(super) fn directory(&mut self, beginning: u64) -> Result<Directory, ReadError> {
        let (offset, sequence) = (self.next_offset(), self.next_sequence());
        let directory = self.collect(beginning);
        self.resume(offset, sequence);
        directory
    }

    fn collect(&mut self, beginning: u64) -> Result<Directory, ReadError> {
        if let Some((entries, last)) = self.indexed(beginning)? {
            let mut directory = Directory {
                entries,
                facts: last.totals,
                next: last.chunk.end(),
                sequence: last.chunk.header.sequence + 1,
                is_closed: true,
            };
            self.walk_on(&mut directory)?;
            return Ok(directory);
        }
        self.walk_all(beginning)
    }

    /// The same without any index.
    pub(super) fn walk_all(&mut self, beginning: u64) -> Result<Directory, ReadError> {
        let mut directory = Directory { next: beginning, ..Directory::default() };
        self.walk_on(&mut directory)?;
        Ok(directory)
    }

    /// What the indexes say, and the last of them; `None` if they do not fit together.
    fn indexed(&mut self, beginning: u64) -> Result<Option<(Vec<ChunkEntry>, Found)>, ReadError> {
        let Some(last) = self.last_index()? else { return Ok(None) };
        let mut parts = vec![last.index.entries.clone()];
        let mut count = last.index.entries.len();
        let (mut previous, mut bound) = (last.index.previous, last.chunk.offset);
        while let Some(offset) = previous.filter(|offset| *offset < bound) {
            let Some(found) = self.index_at(offset)?.filter(|found| found.chunk.end() <= bound)
            else {
                return Ok(None);
            };
            count += found.index.entries.len();
            if count > INDEXED_CHUNKS_MAX {
                return Ok(None);
            }
            (previous, bound) = (found.index.previous, offset);
            parts.push(found.index.entries);
        }
        if previous.is_some() {
            return Ok(None);
        }
        let entries: Vec<_> = parts.into_iter().rev().flatten().collect();
        let fits = fit(&entries, beginning, &last);
        Ok(fits.then_some((entries, last)))
    }

    /// Takes what lies behind what is known, up to the first chunk that is not whole. Where the next chunk lies is changed.
    pub(super) fn walk_on(&mut self, directory: &mut Directory) -> Result<(), ReadError> {
        self.resume(directory.next, directory.sequence);
        while let Some(Step::Chunk(chunk)) = known(self.step())? {
            let Ok(facts) = directory.facts.add(&chunk.header, &chunk.summary) else { break };
            directory.add(&chunk, &facts);
        }
        Ok(())
    }
}

/// Takes what a version may not know for something that is not there; whoever reads on is told.
fn known<T>(read: Result<T, ReadError>) -> Result<Option<T>, ReadError> {
    match read {
        Ok(value) => Ok(Some(value)),
        Err(error @ ReadError::Io { .. }) => Err(error),
        Err(_) => Ok(None),
    }
}

/// Whether chunks follow one another as those of a trace do.
fn fit(entries: &[ChunkEntry], beginning: u64, last: &Found) -> bool {
    let (mut end, mut sequence, mut event, mut payload) = (beginning, 0, 0, 0);
    let follows = entries.iter().all(|entry| {
        let next = if entry.holds_events { &mut event } else { &mut payload };
        let follows = entry.offset >= end
            && entry.sequence >= sequence
            && u64::checked_add(*next, entry.lost) == Some(entry.first)
            && entry.time_first <= entry.time_last
            && entry.first.checked_add(entry.count).is_some();
        *next = entry.next();
        (end, sequence) = (entry.end(), entry.sequence.saturating_add(1));
        follows
    });
    let totals = &last.index.totals;
    follows
        && end <= last.chunk.offset
        && event == totals.events + totals.lost
        && payload == totals.payloads
}

/// Where the last magic in `bytes` begins.
fn rfind(bytes: &[u8]) -> Option<usize> {
    bytes.windows(CHUNK_MAGIC.len()).rposition(|window| window == CHUNK_MAGIC)
}
