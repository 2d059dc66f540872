//! Reads a trace: its header, its events in order, and payloads by number.
//!
//! File in, events out. Knows nothing of what events are for. Invariant: what it gives out was covered by a
//! checksum that was right; at the first byte that is not whole it stops and says what is lost.

use std::collections::VecDeque;
use std::io::{self, Read, Seek};

use bytes::Bytes;

use super::chunks::{Chunk, Chunks, Step};
use super::decode::{Decoded, Decoder};
use super::facts::Facts;
use super::frame::{ChunkHeader, ChunkType};
use super::header::Header;
use super::loss::{Damage, Loss, LossKind};
use super::origin::Origin;
use super::payload::Payloads;
use super::preamble::{Preamble, PreambleError};
use crate::event::{Event, EventKind, PayloadId};
use crate::limits::UNPACKED_BYTES;

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

/// A chunk of events that is being decoded.
#[derive(Debug)]
struct Current {
    decoder: Decoder,
    offset: u64,
}

/// Whether the event was read that ends a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Missing,
    /// It was, with this exit status of the recorded command.
    Said(Option<u8>),
}

/// A trace that is being read.
#[derive(Debug)]
pub struct Reader<R> {
    chunks: Chunks<R>,
    preamble: Preamble,
    current: Option<Current>,
    /// Index of the next event.
    next: u64,
    end: End,
    finished: bool,
    loss: Option<Loss>,
    facts: Facts,
    stored: Vec<Chunk>,
    /// The payload chunk used last comes first.
    unpacked: VecDeque<Payloads>,
}

impl<R: Read + Seek> Reader<R> {
    /// Reads the header of a trace. Fails if the file is none, or its header is not whole.
    pub fn open(input: R) -> Result<Reader<R>, ReadError> {
        let (chunks, preamble) = Chunks::open(input)?;
        Ok(Reader {
            chunks,
            preamble,
            current: None,
            next: 0,
            end: End::Missing,
            finished: false,
            loss: None,
            facts: Facts::default(),
            stored: Vec::new(),
            unpacked: VecDeque::new(),
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

    /// Sums over the chunks that were walked.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Whether the next event must be read from the file, which may have to grow first.
    pub fn is_between_chunks(&self) -> bool {
        self.current.as_ref().is_none_or(|current| current.decoder.is_done())
    }

    /// The next event and its index; `None` at the end of what is whole. Indices have gaps where events
    /// of kinds that are not known were skipped, or dropped by the recorder.
    pub fn next_event(&mut self) -> Result<Option<(u64, Event)>, ReadError> {
        loop {
            if self.finished {
                return Ok(None);
            }
            let Some(current) = &mut self.current else {
                self.next_chunk()?;
                continue;
            };
            let (index, offset) = (self.next, current.offset);
            match current.decoder.next() {
                Ok(Decoded::Done) => self.current = None,
                Ok(_) if self.end != End::Missing => {
                    self.lose(offset, LossKind::Damaged(Damage::AfterEnd { event: index }))?;
                }
                Ok(Decoded::Event(event)) => {
                    self.next += 1;
                    if let EventKind::End { status } = event.kind {
                        self.end = End::Said(status);
                    }
                    return Ok(Some((index, event)));
                }
                Ok(Decoded::Skipped) => self.next += 1,
                Ok(Decoded::Unknown(number)) => {
                    self.finished = true;
                    return Err(ReadError::UnknownEvent { number, event: index, offset });
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
                match self.chunks.body(&chunk)? {
                    Ok(body) => {
                        self.next = chunk.header.first;
                        self.current =
                            Some(Current { decoder: decoder(&chunk.header, body), offset });
                    }
                    Err(damage) => self.lose(offset, LossKind::Damaged(damage))?,
                }
            }
            ChunkType::Payload => self.stored.push(chunk),
            ChunkType::Other(_) => {}
        }
        Ok(())
    }

    /// Goes over one chunk: checks that it follows those before, and adds it to the facts. `None` if
    /// there is none, which ends the walk.
    fn walk(&mut self) -> Result<Option<Chunk>, ReadError> {
        let offset = self.chunks.next_offset();
        let chunk = match self.chunks.step() {
            Ok(Step::Chunk(chunk)) => chunk,
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
        match self.facts.add(&chunk) {
            Ok(facts) => self.facts = facts,
            Err(damage) => {
                self.lose(offset, LossKind::Damaged(damage))?;
                return Ok(None);
            }
        }
        Ok(Some(chunk))
    }

    /// The file ends here, after a whole chunk.
    fn finish(&mut self, offset: u64) -> Result<(), ReadError> {
        self.finished = true;
        self.facts.file_bytes = offset;
        if self.end == End::Missing { self.lose(offset, LossKind::NoEnd) } else { Ok(()) }
    }

    fn lose(&mut self, offset: u64, kind: LossKind) -> Result<(), ReadError> {
        self.finished = true;
        self.current = None;
        let length = self.chunks.file_len()?;
        self.facts.file_bytes = length;
        let bytes_unread = length.saturating_sub(offset);
        self.loss = Some(Loss { offset, kind, events: self.next, bytes_unread });
        Ok(())
    }

    /// Walks the file without reading bodies, but for the last one with events, to see whether the
    /// recording ended. Damage inside other bodies goes unnoticed.
    pub fn survey(mut self) -> Result<Survey, ReadError> {
        let mut last = None;
        // The end is not known before the last body is read, so the walk may find it missing too early.
        self.end = End::Said(None);
        while let Some(chunk) = self.walk()? {
            if chunk.header.holds == ChunkType::Events {
                self.next = chunk.header.first + u64::from(chunk.header.count);
                last = Some(chunk);
            }
        }
        self.end = End::Missing;
        if self.loss.is_none() {
            self.read_last(last)?;
        }
        Ok(Survey {
            header: self.preamble.header,
            uuid: self.preamble.uuid,
            facts: self.facts,
            loss: self.loss,
            status: match self.end {
                End::Said(status) => status,
                End::Missing => None,
            },
        })
    }

    /// Decodes the last chunk of events of a file that was walked to its end.
    fn read_last(&mut self, last: Option<Chunk>) -> Result<(), ReadError> {
        let offset = self.chunks.next_offset();
        if let Some(chunk) = last {
            self.next = chunk.header.first;
            match self.chunks.body(&chunk)? {
                Ok(body) => {
                    self.finished = false;
                    let decoder = decoder(&chunk.header, body);
                    self.current = Some(Current { decoder, offset: chunk.offset });
                    while self.next_event()?.is_some() {}
                    return Ok(());
                }
                Err(damage) => return self.lose(chunk.offset, LossKind::Damaged(damage)),
            }
        }
        self.lose(offset, LossKind::NoEnd)
    }

    /// The bytes of a stored payload that an event named. Its digest is checked.
    pub fn payload(&mut self, id: PayloadId) -> Result<Bytes, ReadError> {
        let after = self.stored.partition_point(|chunk| chunk.header.first <= id.0);
        let missing = ReadError::PayloadMissing { id: id.0 };
        let Some(place) = after.checked_sub(1) else { return Err(missing) };
        let (first, offset) = (self.stored[place].header.first, self.stored[place].offset);
        let lost = |damage| ReadError::PayloadLost { id: id.0, offset, damage };
        let kept = self.unpacked.iter().position(|payloads| payloads.first() == first);
        if let Some(at) = kept {
            self.unpacked.swap(0, at);
        } else {
            let payloads = self.unpack(place)?.map_err(lost)?;
            self.unpacked.push_front(payloads);
            self.forget_oldest();
        }
        self.unpacked[0].get(id).map_err(|error| lost(error.into()))?.ok_or(missing)
    }

    fn unpack(&mut self, place: usize) -> Result<Result<Payloads, Damage>, ReadError> {
        let chunk = &self.stored[place];
        let (first, count) = (chunk.header.first, chunk.header.count);
        let body = self.chunks.body(chunk)?;
        Ok(body.and_then(|body| Ok(Payloads::new(body, first, count)?)))
    }

    fn forget_oldest(&mut self) {
        let mut bytes = 0;
        let keep = self.unpacked.iter().take_while(|payloads| {
            bytes += payloads.bytes();
            bytes <= UNPACKED_BYTES
        });
        let keep = keep.count().max(1);
        self.unpacked.truncate(keep);
    }
}

fn decoder(header: &ChunkHeader, body: Vec<u8>) -> Decoder {
    Decoder::new(body, header.count, header.time_first, header.time_last)
}
