//! Goes over the events of a trace chunk by chunk, and makes columns of each: no rows where only columns are
//! needed, and no columns of a chunk of which its summary says enough.
//!
//! A reader comes in, columns go out. A chunk that may be passed over waits, packed, until none of its requests is open: if one
//! is answered in a chunk whose columns are wanted, so are its own. Invariant: as with the reader, what it gives out or passes
//! over was covered by a checksum that was right.

use std::collections::VecDeque;
use std::io::{Read, Seek};

use super::chunks::{Chunk, unpacked};
use super::columns::{Batcher, ColumnChunk, Directory, Fields};
use super::decode::DecodeError;
use super::frame::{ChunkHeader, ChunkType, ENCODING_COLUMNS};
use super::header::Header;
use super::index::{ChunkEntry, End};
use super::loss::{Damage, Loss, LossKind};
use super::pack::{Prefix, ZSTD};
use super::reader::{ReadError, Reader};
use super::summary::{Summary, any_between};
use crate::limits::ROWS_HELD_MAX;
use crate::request::RequestId;

/// Longest list of columns that is looked for at the start of a body, in bytes. A longer one is found too, more
/// slowly.
const LIST_BYTES: usize = 1024;

/// Chunks that wait to be passed over, at most. Requests are rarely open for longer than two.
const WAITING_MAX: usize = 4;

/// No more follow when they take this much, in bytes.
const WAITING_BYTES: usize = 8 << 20;

/// A trace whose columns are being read.
#[derive(Debug)]
pub struct Scan<R> {
    reader: Reader<R>,
    batcher: Batcher,
    /// Chunks that were read, in order; all but the last may be passed over.
    waiting: VecDeque<Waiting>,
    passed: Outline,
    counts: Scanned,
}

/// A chunk of events whose columns were not made yet.
#[derive(Debug)]
struct Waiting {
    chunk: Chunk,
    stored: Vec<u8>,
    /// It may be passed over, as long as these are all that are open behind it.
    open: Option<Vec<RequestId>>,
}

impl Waiting {
    fn issues(&self) -> u64 {
        self.chunk.summary.operations.total().issues
    }
}

/// What is known of a chunk without its events.
#[derive(Debug, Default)]
pub struct Outline {
    /// Lowest and highest id of requests issued in it; `None` without one.
    pub ids: Option<(RequestId, RequestId)>,
    /// How many these are.
    pub issues: u64,
    /// What is open behind it, ascending.
    pub open: Vec<RequestId>,
}

/// A chunk that was gone over.
#[derive(Debug)]
pub enum Step<'s> {
    /// Its columns.
    Columns(&'s ColumnChunk),
    /// It was passed over.
    Passed(&'s Outline),
}

/// How many chunks were gone over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Scanned {
    /// Columns were made of them.
    pub read: u64,
    /// They were passed over.
    pub passed: u64,
}

impl<R: Read + Seek> Scan<R> {
    /// The columns `wanted` of all that `reader` has not given out, which must be all of its trace.
    pub fn new(reader: Reader<R>, wanted: Fields) -> Scan<R> {
        Scan {
            reader,
            batcher: Batcher::new(wanted),
            waiting: VecDeque::new(),
            passed: Outline::default(),
            counts: Scanned::default(),
        }
    }

    /// What the trace says of itself.
    pub fn header(&self) -> &Header {
        self.reader.header()
    }

    /// The columns of the next chunk of events; `None` at the end of what is whole.
    pub fn next_chunk(&mut self) -> Result<Option<&ColumnChunk>, ReadError> {
        match self.next_step(|_, _| false)? {
            Some(Step::Columns(columns)) => Ok(Some(columns)),
            // Nothing may be passed over.
            Some(Step::Passed(_)) | None => Ok(None),
        }
    }

    /// Goes over the next chunk of events; `None` at the end of what is whole. `may_pass` is asked once of each, in order, and
    /// says whether neither what is issued nor what is answered there is wanted. It is given out all the same where it has
    /// requests that are open when such a chunk comes, or stay open for long, or for ever.
    pub fn next_step(
        &mut self,
        mut may_pass: impl FnMut(&ChunkEntry, &Summary) -> bool,
    ) -> Result<Option<Step<'_>>, ReadError> {
        loop {
            let is_full = self.is_full();
            if let Some(outline) = self.pass() {
                self.passed = outline;
                return Ok(Some(Step::Passed(&self.passed)));
            }
            let next = if is_full { None } else { self.reader.next_stored()? };
            if let Some((chunk, stored)) = next {
                let entry = ChunkEntry::of(chunk.offset, &chunk.header, &chunk.summary);
                let passes = entry.is_some_and(|entry| may_pass(&entry, &chunk.summary));
                let open = chunk.summary.open_ids().filter(|_| passes).map(<[_]>::to_vec);
                self.waiting.push_back(Waiting { chunk, stored, open });
                continue;
            }
            let Some(Waiting { chunk, stored, .. }) = self.waiting.pop_front() else {
                return Ok(None);
            };
            self.counts.read += 1;
            if let Err(damage) = self.batch(&chunk.header, stored) {
                self.waiting.clear();
                self.reader.lose(chunk.offset, LossKind::Damaged(damage))?;
                return Ok(None);
            }
            return Ok(Some(Step::Columns(self.batcher.chunk())));
        }
    }

    /// Whether the first chunk that waits can wait no longer.
    fn is_full(&self) -> bool {
        let bytes: usize = self.waiting.iter().map(|waiting| waiting.stored.len()).sum();
        let ends = self.waiting.back().is_some_and(|last| last.open.is_none());
        ends || self.waiting.len() >= WAITING_MAX || bytes >= WAITING_BYTES
    }

    /// Passes over the first that waits, if none of its requests is open any more.
    fn pass(&mut self) -> Option<Outline> {
        let chunk = &self.waiting.front().filter(|first| first.open.is_some())?.chunk;
        let ids = chunk.summary.ranges.map(|ranges| (ranges.id_first, ranges.id_last));
        let open = self.waiting.iter().rev().find_map(|waiting| waiting.open.as_ref())?;
        // So many that the first might have been given up by who holds rows.
        let asked = self.waiting.iter().map(Waiting::issues).fold(0, u64::saturating_add);
        let held = asked > ROWS_HELD_MAX as u64;
        if self.batcher.joins() && (held || ids.is_some_and(|ids| any_between(open, ids))) {
            return None;
        }
        let first = self.waiting.pop_front()?;
        let (issues, open) = (first.issues(), first.open?);
        self.counts.passed += 1;
        self.batcher.keep(&open);
        Some(Outline { ids, issues, open })
    }

    /// How many chunks were gone over.
    pub fn counts(&self) -> Scanned {
        self.counts
    }

    /// What is missing. Set once [`Scan::next_chunk`] has given `None`, if the trace is not whole. A trace that
    /// only lacks its last event is taken as whole.
    pub fn loss(&self) -> Option<&Loss> {
        self.reader.loss()
    }

    /// The byte behind what is whole. Known once [`Scan::next_chunk`] has given `None`.
    pub fn end(&self) -> u64 {
        self.reader.end()
    }

    fn batch(&mut self, header: &ChunkHeader, stored: Vec<u8>) -> Result<(), Damage> {
        let malformed = |source| Damage::Event { event: header.first, source };
        let wanted = header.raw_len as usize;
        if header.encoding == ENCODING_COLUMNS && header.codec == ZSTD {
            let body = self.unpack_wanted(&stored, wanted, &malformed)?;
            return self.batcher.columns(header, &body).map_err(malformed);
        }
        let body = unpacked(header, stored, Vec::new())?;
        if header.encoding == ENCODING_COLUMNS {
            self.batcher.columns(header, &body).map_err(malformed)
        } else {
            self.batcher.rows(header, &body).map_err(malformed)
        }
    }

    /// Unpacks the beginning of a body by column, as far as it is wanted.
    fn unpack_wanted(
        &self,
        stored: &[u8],
        body_len: usize,
        malformed: &impl Fn(DecodeError) -> Damage,
    ) -> Result<Vec<u8>, Damage> {
        let mut prefix = Prefix::new(stored, body_len)?;
        prefix.reach(LIST_BYTES)?;
        let directory = if let Ok(directory) = Directory::read(prefix.bytes(), body_len) {
            directory
        } else {
            prefix.reach(body_len)?;
            Directory::read(prefix.bytes(), body_len).map_err(malformed)?
        };
        prefix.reach(self.batcher.reach(&directory, body_len))?;
        Ok(prefix.into_bytes())
    }
}

impl<R: Read + Seek> Reader<R> {
    /// Goes to the next chunk of events, and reads its body as it lies in the file. What the events say is not looked at, so a
    /// trace without an end counts as whole.
    fn next_stored(&mut self) -> Result<Option<(Chunk, Vec<u8>)>, ReadError> {
        self.end = End::Said(None);
        while !self.finished {
            let Some(chunk) = self.walk()? else { break };
            if chunk.header.holds != ChunkType::Events {
                continue;
            }
            self.next = chunk.header.first;
            match self.chunks.stored(&chunk)? {
                Ok(stored) => return Ok(Some((chunk, stored))),
                Err(damage) => self.lose(chunk.offset, LossKind::Damaged(damage))?,
            }
        }
        Ok(None)
    }
}
