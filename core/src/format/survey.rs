//! What can be said of a trace at once: its header, and the sums of its last index.
//!
//! A reader in, a survey out. Invariant: without an index the same is said, only later; damage between header and
//! index goes unnoticed.

use std::io::{Read, Seek};

use super::chunks::Chunk;
use super::facts::Facts;
use super::frame::ChunkType;
use super::header::Header;
use super::index::End;
use super::loss::{Loss, LossKind};
use super::reader::{Current, ReadError, Reader};

/// What can be said of a trace without reading its bodies.
#[derive(Debug)]
pub struct Survey {
    /// What the trace says of itself.
    pub header: Header,
    /// Names the recording.
    pub uuid: u128,
    /// Sums over all chunks.
    pub facts: Facts,
    /// What is missing, if anything is.
    pub loss: Option<Loss>,
    /// Exit status of the recorded command, if the trace is whole and there was one.
    pub status: Option<u8>,
}

impl<R: Read + Seek> Reader<R> {
    /// Takes the sums of the last index and walks what follows it, without reading bodies but for the last one with
    /// events, to see whether the recording ended.
    pub fn survey(mut self) -> Result<Survey, ReadError> {
        let mut status = End::Missing;
        if let Some(found) = self.chunks.last_index()? {
            self.chunks.resume(found.chunk.end(), found.chunk.header.sequence + 1);
            self.next = found.index.totals.events + found.index.totals.lost;
            self.facts = found.totals;
            status = found.index.end;
            self.closed = true;
        }
        let mut last = None;
        // The end is not known before the last body is read, so the walk may find it missing too early.
        self.end = End::Said(None);
        while let Some(chunk) = self.walk()? {
            if chunk.header.holds == ChunkType::Events {
                self.next = chunk.header.first + u64::from(chunk.header.count);
                last = Some(chunk);
            }
        }
        self.end = status;
        let whole = self.loss.as_ref().is_none_or(|loss| matches!(loss.kind, LossKind::NoIndex));
        if whole {
            self.loss = None;
            match last {
                Some(chunk) => {
                    self.end = End::Missing;
                    self.read_last(&chunk)?;
                }
                None => self.finish(self.chunks.next_offset())?,
            }
        }
        Ok(Survey {
            status: match self.end {
                End::Said(status) if self.loss.is_none() => status,
                End::Said(_) | End::Missing => None,
            },
            header: self.preamble.header,
            uuid: self.preamble.uuid,
            facts: self.facts,
            loss: self.loss,
        })
    }

    /// Decodes the last chunk of events of a file that was walked to its end.
    fn read_last(&mut self, chunk: &Chunk) -> Result<(), ReadError> {
        self.next = chunk.header.first;
        match self.body(chunk)? {
            Ok(body) => {
                self.finished = false;
                self.current = Some(Current { body, offset: chunk.offset });
                while self.next_event()?.is_some() {}
                Ok(())
            }
            Err(damage) => self.lose(chunk.offset, LossKind::Damaged(damage)),
        }
    }
}
