//! Goes over the events of a trace chunk by chunk, and makes columns of each: no rows where only columns are
//! needed.
//!
//! A reader comes in, columns go out. Invariant: as with the reader, what it gives out was covered by a checksum
//! that was right.

use std::io::{Read, Seek};

use super::chunks::unpacked;
use super::columns::{Batcher, ColumnChunk, Directory, Fields};
use super::decode::DecodeError;
use super::frame::{ChunkHeader, ChunkType, ENCODING_COLUMNS};
use super::index::End;
use super::loss::{Damage, Loss, LossKind};
use super::pack::{Prefix, ZSTD};
use super::reader::{ReadError, Reader};

/// Longest list of columns that is looked for at the start of a body, in bytes. A longer one is found too, more
/// slowly.
const LIST_BYTES: usize = 1024;

/// A trace whose columns are being read.
#[derive(Debug)]
pub struct Scan<R> {
    reader: Reader<R>,
    batcher: Batcher,
}

impl<R: Read + Seek> Scan<R> {
    /// The columns `wanted` of all that `reader` has not given out, which must be all of its trace.
    pub fn new(reader: Reader<R>, wanted: Fields) -> Scan<R> {
        Scan { reader, batcher: Batcher::new(wanted) }
    }

    /// The columns of the next chunk of events; `None` at the end of what is whole.
    pub fn next_chunk(&mut self) -> Result<Option<&ColumnChunk>, ReadError> {
        let Some((header, offset, stored)) = self.reader.next_stored()? else { return Ok(None) };
        match self.batch(&header, stored) {
            Ok(()) => Ok(Some(self.batcher.chunk())),
            Err(damage) => {
                self.reader.lose(offset, LossKind::Damaged(damage))?;
                Ok(None)
            }
        }
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
        let body = unpacked(header, stored)?;
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
    /// Goes to the next chunk of events; its header, where it begins, and its body as it lies in the file. What
    /// the events say is not looked at, so a trace without an end counts as whole.
    fn next_stored(&mut self) -> Result<Option<(ChunkHeader, u64, Vec<u8>)>, ReadError> {
        self.end = End::Said(None);
        while !self.finished {
            let Some(chunk) = self.walk()? else { break };
            if chunk.header.holds != ChunkType::Events {
                continue;
            }
            self.next = chunk.header.first;
            match self.chunks.stored(&chunk)? {
                Ok(stored) => return Ok(Some((chunk.header, chunk.offset, stored))),
                Err(damage) => self.lose(chunk.offset, LossKind::Damaged(damage))?,
            }
        }
        Ok(None)
    }
}
