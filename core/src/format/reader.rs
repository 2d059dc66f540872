//! Reads a trace: its header, its events in order, and payloads by number.
//!
//! File in, events out. Knows nothing of what events are for. Invariant: what it gives out was covered by a
//! checksum that was right; at the first byte that is not whole it stops and says what is lost.

use std::io::{self, Read, Seek};

use bytes::Bytes;

use super::body::{Body, Item};
use super::chunks::{Chunk, Chunks, Step};
use super::decode::Decoded;
use super::facts::Facts;
use super::frame::ChunkType;
use super::growth::Directory;
use super::header::Header;
use super::index::End;
use super::loss::{Damage, Loss, LossKind};
use super::origin::Origin;
use super::preamble::{Preamble, PreambleError};
use super::shelf::Shelf;
use crate::event::{Event, EventKind, PayloadId};

/// Why a trace cannot be read at all, or not further.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file is something else.
    #[error("not a blkreplay trace: {}", origin.name())]
    NotATrace {
        /// What it looks like.
        origin: Origin,
    },
    /// It begins as a trace, and cannot be used.
    #[error(transparent)]
    Preamble(#[from] PreambleError),
    /// A chunk of a type that must be known.
    #[error(
        "the chunk at byte {offset} has the type {number:#06x}, which this program does not know"
    )]
    UnknownChunk {
        /// The type.
        number: u16,
        /// Its first byte.
        offset: u64,
    },
    /// A chunk in an encoding that is not known.
    #[error(
        "the chunk at byte {offset} has the encoding {number}, which this program does not know"
    )]
    UnknownEncoding {
        /// The encoding.
        number: u8,
        /// Its first byte.
        offset: u64,
    },
    /// A chunk packed in a way that is not known.
    #[error("the chunk at byte {offset} has the codec {number}, which this program does not know")]
    UnknownCodec {
        /// The codec.
        number: u8,
        /// Its first byte.
        offset: u64,
    },
    /// An event of a kind that must be known.
    #[error(
        "event {event}, in the chunk at byte {offset}, has the kind {number:#04x}, which this program does not know"
    )]
    UnknownEvent {
        /// The kind.
        number: u8,
        /// Its index.
        event: u64,
        /// First byte of its chunk.
        offset: u64,
    },
    /// A chunk that an index lists is not whole.
    #[error("the chunk at byte {offset} is damaged: {damage}")]
    ChunkLost {
        /// Its first byte.
        offset: u64,
        /// What is wrong.
        damage: Damage,
    },
    /// A payload that no chunk so far holds.
    #[error("payload {id} is in none of the chunks read so far")]
    PayloadMissing {
        /// Its number.
        id: u64,
    },
    /// A payload whose chunk is not whole.
    #[error("payload {id} is lost, the chunk at byte {offset} is damaged: {damage}")]
    PayloadLost {
        /// Its number.
        id: u64,
        /// First byte of its chunk.
        offset: u64,
        /// What is wrong.
        damage: Damage,
    },
    /// The file could not be read.
    #[error("cannot read at byte {offset}")]
    Io {
        /// Where.
        offset: u64,
        /// Why.
        source: io::Error,
    },
}

/// A chunk of events that is being decoded.
#[derive(Debug)]
pub(super) struct Current {
    pub(super) body: Body,
    pub(super) offset: u64,
}

/// A trace that is being read.
#[derive(Debug)]
pub struct Reader<R> {
    pub(super) chunks: Chunks<R>,
    pub(super) preamble: Preamble,
    pub(super) current: Option<Current>,
    /// Index of the next event.
    pub(super) next: u64,
    pub(super) end: End,
    /// The last chunk was an index.
    pub(super) closed: bool,
    /// Nothing is read behind what ends a whole trace.
    stops: bool,
    pub(super) finished: bool,
    pub(super) loss: Option<Loss>,
    pub(super) facts: Facts,
    /// Where the first chunk lies.
    pub(super) beginning: u64,
    /// All chunks of events and payloads, once somebody wanted to know.
    pub(super) directory: Option<Directory>,
    pub(super) shelf: Shelf,
}

impl<R: Read + Seek> Reader<R> {
    /// Reads the header of a trace. Fails if the file is none, or its header is not whole.
    pub fn open(input: R) -> Result<Reader<R>, ReadError> {
        let (chunks, preamble) = Chunks::open(input)?;
        Ok(Reader {
            preamble,
            current: None,
            next: 0,
            end: End::Missing,
            closed: false,
            stops: false,
            finished: false,
            loss: None,
            facts: Facts::default(),
            beginning: chunks.next_offset(),
            directory: None,
            chunks,
            shelf: Shelf::default(),
        })
    }

    /// What the trace says of itself.
    pub fn header(&self) -> &Header {
        &self.preamble.header
    }

    /// Names the recording.
    pub fn uuid(&self) -> u128 {
        self.preamble.uuid
    }

    /// What is missing. Set once [`Reader::next_event`] has given `None`, if the trace is not whole.
    pub fn loss(&self) -> Option<&Loss> {
        self.loss.as_ref()
    }

    /// What is missing, for one who keeps it when done reading.
    pub fn into_loss(self) -> Option<Loss> {
        self.loss
    }

    /// The byte behind what is whole. Known once [`Reader::next_event`] has given `None`.
    pub fn end(&self) -> u64 {
        self.loss.as_ref().map_or(self.facts.file_bytes, |loss| loss.offset)
    }

    /// A random number that every chunk of the trace repeats.
    pub fn salt(&self) -> u64 {
        self.preamble.salt
    }

    /// Sums over the chunks that were walked, from the beginning on.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Whether the next event must be read from the file, which may have to grow first.
    pub fn is_between_chunks(&self) -> bool {
        self.current.as_ref().is_none_or(|current| current.body.is_done())
    }

    /// Reads nothing behind the end of a whole trace, not even to see that there is nothing: for files that grow and
    /// streams that stay open.
    pub fn stop_at_end(&mut self) {
        self.stops = true;
    }

    /// The next event and its index; `None` at the end of what is whole. Indices have gaps where events
    /// of kinds that are not known were skipped, or dropped by the recorder.
    #[inline]
    pub fn next_event(&mut self) -> Result<Option<(u64, Event)>, ReadError> {
        loop {
            match self.next_item()? {
                Some((index, Item::Event(event))) => return Ok(Some((index, event))),
                Some((_, Item::Unknown(_))) => {}
                None => return Ok(None),
            }
        }
    }

    /// As [`Reader::next_event`], and gives out the events of kinds that are not known too, for one who
    /// copies a trace.
    #[inline]
    pub fn next_item(&mut self) -> Result<Option<(u64, Item)>, ReadError> {
        loop {
            if self.finished {
                return Ok(None);
            }
            let Some(current) = &mut self.current else {
                self.next_chunk()?;
                continue;
            };
            let (index, offset) = (self.next, current.offset);
            match current.body.next() {
                Ok(Decoded::Done) => self.current = None,
                Ok(_) if self.end != End::Missing => {
                    self.lose(offset, LossKind::Damaged(Damage::AfterEnd { event: index }))?;
                }
                Ok(Decoded::Event(event)) => {
                    self.next += 1;
                    if let EventKind::End { status } = event.kind {
                        self.end = End::Said(status);
                        self.finished = self.stops && !self.preamble.ends_with_index;
                    }
                    return Ok(Some((index, Item::Event(event))));
                }
                Ok(Decoded::Skipped(event)) => {
                    self.next += 1;
                    return Ok(Some((index, Item::Unknown(event))));
                }
                Ok(Decoded::Unknown { kind, ahead }) => {
                    self.finished = true;
                    let event = index + ahead;
                    return Err(ReadError::UnknownEvent { number: kind, event, offset });
                }
                Err(source) => {
                    self.lose(offset, LossKind::Damaged(Damage::Event { event: index, source }))?;
                }
            }
        }
    }

    /// Walks to the next chunk and opens it if it holds events.
    fn next_chunk(&mut self) -> Result<(), ReadError> {
        let Some(chunk) = self.walk()? else { return Ok(()) };
        match chunk.header.holds {
            ChunkType::Events => {
                let offset = chunk.offset;
                match self.body(&chunk)? {
                    Ok(body) => {
                        self.next = chunk.header.first;
                        self.current = Some(Current { body, offset });
                    }
                    Err(damage) => self.lose(offset, LossKind::Damaged(damage))?,
                }
            }
            ChunkType::Payload => self.shelf.add(chunk.header.first, chunk.offset),
            ChunkType::Index | ChunkType::Other(_) => {}
        }
        Ok(())
    }

    /// Goes over one chunk: checks that it follows those before, and adds it to the facts. `None` if
    /// there is none, which ends the walk.
    pub(super) fn walk(&mut self) -> Result<Option<Chunk>, ReadError> {
        let offset = self.chunks.next_offset();
        let chunk = match self.chunks.step() {
            Ok(Step::Chunk(chunk)) => *chunk,
            Ok(Step::Done) => {
                self.finish(offset)?;
                return Ok(None);
            }
            Ok(Step::Lost(kind)) => {
                self.lose(offset, kind)?;
                return Ok(None);
            }
            Err(error) => {
                self.finished = true;
                return Err(error);
            }
        };
        self.closed = match chunk.header.holds {
            ChunkType::Index => true,
            ChunkType::Events | ChunkType::Payload => false,
            ChunkType::Other(_) => self.closed,
        };
        self.finished = self.stops && self.closed && self.end != End::Missing;
        match self.facts.add(&chunk.header, &chunk.summary) {
            Ok(facts) => self.facts = facts,
            Err(damage) => {
                self.lose(offset, LossKind::Damaged(damage))?;
                return Ok(None);
            }
        }
        Ok(Some(chunk))
    }

    /// The file ends here, after a whole chunk.
    pub(super) fn finish(&mut self, offset: u64) -> Result<(), ReadError> {
        self.finished = true;
        self.facts.file_bytes = offset;
        if self.end == End::Missing {
            self.lose(offset, LossKind::NoEnd)
        } else if self.preamble.ends_with_index && !self.closed {
            self.lose(offset, LossKind::NoIndex)
        } else {
            Ok(())
        }
    }

    pub(super) fn lose(&mut self, offset: u64, kind: LossKind) -> Result<(), ReadError> {
        self.finished = true;
        self.current = None;
        let length = self.chunks.file_len()?;
        self.facts.file_bytes = length;
        let bytes_unread = length.saturating_sub(offset);
        self.loss = Some(Loss { offset, kind, events: self.next, bytes_unread });
        Ok(())
    }

    /// The bytes of a stored payload that an event named. Its digest is checked.
    pub fn payload(&mut self, id: PayloadId) -> Result<Bytes, ReadError> {
        self.shelf.get(&mut self.chunks, id)
    }
}
