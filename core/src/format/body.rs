//! The events of a chunk, however they are laid out: in rows or by column.
//!
//! An unpacked body comes in, events go out. Knows the two decoders and nothing else of bodies.

use std::io::{Read, Seek};

use super::chunks::Chunk;
use super::columns;
use super::decode::{self, DecodeError, Decoded, UnknownEvent};
use super::frame::{ChunkHeader, ENCODING_COLUMNS};
use super::loss::Damage;
use super::reader::{ReadError, Reader};
use crate::event::Event;

/// What a trace holds at one index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// An event.
    Event(Event),
    /// One of a kind that is not known and may be skipped.
    Unknown(UnknownEvent),
}

/// Takes the events of one chunk, in order.
#[derive(Debug)]
pub(super) enum Body {
    Rows(decode::Decoder),
    Columns(Box<columns::Decoder>),
}

impl Body {
    /// Opens the unpacked body of the chunk of events with this header.
    pub(super) fn open(header: &ChunkHeader, body: Vec<u8>) -> Result<Body, DecodeError> {
        let (count, first, last) = (header.count, header.time_first, header.time_last);
        if header.encoding == ENCODING_COLUMNS {
            let decoder = columns::Decoder::new(&body, count, first, last)?;
            return Ok(Body::Columns(Box::new(decoder)));
        }
        Ok(Body::Rows(decode::Decoder::new(body, count, first, last)))
    }

    /// Whether all events were given out.
    pub(super) fn is_done(&self) -> bool {
        match self {
            Body::Rows(decoder) => decoder.is_done(),
            Body::Columns(decoder) => decoder.is_done(),
        }
    }

    /// The next event.
    #[inline]
    pub(super) fn next(&mut self) -> Result<Decoded, DecodeError> {
        match self {
            Body::Rows(decoder) => decoder.next(),
            Body::Columns(decoder) => decoder.next(),
        }
    }
}

impl<R: Read + Seek> Reader<R> {
    /// The events of a chunk.
    pub(super) fn body(&mut self, chunk: &Chunk) -> Result<Result<Body, Damage>, ReadError> {
        let body = self.chunks.body(chunk)?;
        let event = chunk.header.first;
        let malformed = |source| Damage::Event { event, source };
        Ok(body.and_then(|body| Body::open(&chunk.header, body).map_err(malformed)))
    }
}
