//! What is known of where the chunks of a file lie, and how it is extended as the file grows.
//!
//! Chunks in, a list of them out. Knows no bodies. Invariant: a chunk is listed once it is whole, and never goes.

use std::io::{Read, Seek};

use super::chunks::Chunk;
use super::facts::Facts;
use super::frame::ChunkType;
use super::index::ChunkEntry;
use super::reader::{ReadError, Reader};

/// Where the chunks of a file lie, from the first on.
#[derive(Debug, Default)]
pub(super) struct Directory {
    /// Those of events and payloads.
    pub(super) entries: Vec<ChunkEntry>,
    /// Sums over all of them.
    pub(super) facts: Facts,
    /// The byte behind the last.
    pub(super) next: u64,
    /// The place of the next among all chunks of the file.
    pub(super) sequence: u64,
    /// The last is an index.
    pub(super) is_closed: bool,
}

impl Directory {
    /// Takes the next chunk, with which the sums are these.
    pub(super) fn add(&mut self, chunk: &Chunk, facts: &Facts) {
        self.facts = *facts;
        self.entries.extend(ChunkEntry::of(chunk.offset, &chunk.header, &chunk.summary));
        (self.next, self.sequence) = (chunk.end(), chunk.header.sequence + 1);
        self.is_closed = chunk.header.holds == ChunkType::Index;
    }
}

/// How a file grew since somebody looked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Growth {
    /// Chunks that are new in the list of [`Reader::chunk_entries`], at its end.
    pub chunks: usize,
    /// The last chunk of the file is an index, as that of every recording that ended.
    pub is_closed: bool,
    /// Events that the recorder dropped, from the beginning on.
    pub lost: u64,
}

impl<R: Read + Seek> Reader<R> {
    /// Looks for chunks behind those that are known of a file that grows: nothing before them is read again. Where the reader
    /// stands is not changed.
    pub fn grow(&mut self) -> Result<Growth, ReadError> {
        let known = self.chunk_entries()?.len();
        let (offset, sequence) = (self.chunks.next_offset(), self.chunks.next_sequence());
        let mut directory = self.directory.take().unwrap_or_default();
        let walked = self.chunks.walk_on(&mut directory);
        self.chunks.resume(offset, sequence);
        let growth = Growth {
            chunks: directory.entries.len() - known,
            is_closed: directory.is_closed,
            lost: directory.facts.lost,
        };
        self.directory = Some(directory);
        walked.map(|()| growth)
    }
}
