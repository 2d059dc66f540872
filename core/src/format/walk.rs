//! Walks a file that may be damaged: from chunk to chunk, and where none is whole, on to the next that is.
//!
//! File in, chunks and holes out, in the order of the file; `recover` and `check` decide what they mean.
//! Invariants: memory is bounded by one chunk; each byte is read a bounded number of times, whatever the
//! file holds; a chunk that is given out has a header whose checksum is right and the salt of the file.

use std::io::{Read, Seek};
use std::ops::Range;

use super::beginning::{self, Beginning};
use super::chunks::{Chunk, Chunks, check_known, check_sum};
use super::frame::{
    CHUNK_HEADER_BYTES, CHUNK_HEADER_BYTES_MAX, CHUNK_MAGIC, ChunkHeader, ChunkType, array_at,
};
use super::loss::{Damage, LossKind};
use super::reader::ReadError;
use super::summary::Summary;
use crate::limits::RESCUE_WINDOW_BYTES;

/// What comes next in a file.
#[derive(Debug)]
pub(super) enum Piece {
    /// A chunk whose header is whole.
    Chunk(Box<Found>),
    /// Bytes that are no chunk.
    Hole(Hole),
}

/// A chunk whose header is whole; its summary and its body may not be.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) chunk: Chunk,
    /// Its summary as it lies in the file.
    pub(super) section: Vec<u8>,
    /// What is wrong with its summary, if anything is; it is empty then.
    pub(super) summary: Result<(), Damage>,
    /// Its body, unpacked; of a type that is not known, as it lies in the file.
    pub(super) body: Result<Vec<u8>, Damage>,
}

/// Bytes that are no chunk.
#[derive(Debug)]
pub(super) struct Hole {
    pub(super) bytes: Range<u64>,
    /// What is wrong at its first byte.
    pub(super) kind: LossKind,
}

/// A file, and how far it was walked.
#[derive(Debug)]
pub(super) struct Walk<R> {
    chunks: Chunks<R>,
    salt: u64,
    next: u64,
    length: u64,
    /// Bytes of bodies that may be read a second time, to look for chunks inside: a body that is not
    /// whole may be shorter than its header says. A file made to be slow runs out of it.
    again: u64,
}

impl<R: Read + Seek> Walk<R> {
    /// Opens a trace, whether or not its header is whole. Fails if nothing tells that it is one.
    pub(super) fn open(input: R) -> Result<(Walk<R>, Beginning), ReadError> {
        let mut chunks = Chunks::new(input)?;
        let length = chunks.file_len()?;
        let beginning = beginning::read(&mut chunks)?;
        let (salt, next) = (beginning.salt, beginning.end);
        chunks.set_salt(salt);
        Ok((Walk { chunks, salt, next, length, again: length }, beginning))
    }

    /// Goes back to a place where a chunk begins.
    pub(super) fn rewind(&mut self, offset: u64) {
        self.next = offset;
        self.again = self.length;
    }

    /// Length of the file, in bytes.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// How far it was walked.
    pub(super) fn at(&self) -> u64 {
        self.next
    }

    /// The file itself, for the bodies of chunks that were passed.
    pub(super) fn chunks(&mut self) -> &mut Chunks<R> {
        &mut self.chunks
    }

    /// The next piece; `None` at the end of the file. Fails at a chunk of a later version.
    pub(super) fn next(&mut self) -> Result<Option<Piece>, ReadError> {
        let offset = self.next;
        let kind = match self.chunks.header(offset)? {
            Ok(None) => return Ok(None),
            Ok(Some(header)) if header.salt == self.salt => {
                check_known(&header, offset)?;
                return self.found(offset, header).map(|found| Some(Piece::Chunk(Box::new(found))));
            }
            Ok(Some(ChunkHeader { salt: found, .. })) => {
                LossKind::Damaged(Damage::Salt { found, wanted: self.salt })
            }
            Err(kind) => kind,
        };
        self.next = self.after(offset + 1)?;
        Ok(Some(Piece::Hole(Hole { bytes: offset..self.next, kind })))
    }

    fn found(&mut self, offset: u64, header: ChunkHeader) -> Result<Found, ReadError> {
        let summary_at = offset + u64::from(header.header_len);
        let section = self.chunks.read(summary_at, u64::from(header.summary_len))?;
        let read = check_sum("summary", header.summary_crc, &section)
            .and_then(|()| Summary::decode(&section).map_err(Damage::Summary));
        let (summary, summary_whole) = match read {
            Ok(summary) => (summary, Ok(())),
            Err(damage) => (Summary::default(), Err(damage)),
        };
        let end = offset.saturating_add(header.chunk_len());
        // Where the file ends inside the chunk, that is all there is to say.
        let is_cut = end > self.length;
        let summary_whole = if is_cut { Ok(()) } else { summary_whole };
        let chunk = Chunk { offset, header, summary };
        let body = match header.holds {
            _ if is_cut => Err(Damage::Cut),
            ChunkType::Other(_) => self.chunks.stored(&chunk)?,
            ChunkType::Events | ChunkType::Payload | ChunkType::Index => {
                self.chunks.body(&chunk)?
            }
        };
        self.next = if body.is_ok() { end } else { self.behind_damage(&header, summary_at, end)? };
        Ok(Found { chunk, section, summary: summary_whole, body })
    }

    /// Where to go on behind a chunk whose body is not whole. Its header says where it ends; if nothing
    /// begins there, bytes may be missing or added.
    fn behind_damage(
        &mut self,
        header: &ChunkHeader,
        from: u64,
        end: u64,
    ) -> Result<u64, ReadError> {
        let begins = matches!(
            self.chunks.header(end)?,
            Ok(Some(ChunkHeader { salt, .. })) if salt == self.salt
        );
        if begins || end == self.length {
            return Ok(end);
        }
        match self.again.checked_sub(header.chunk_len().min(self.length)) {
            Some(again) => {
                self.again = again;
                self.after(from)
            }
            None => Ok(end.min(self.length)),
        }
    }

    /// The first byte from `from` on at which a chunk of this file begins, or the end of the file.
    fn after(&mut self, from: u64) -> Result<u64, ReadError> {
        let found = find(&mut self.chunks, from..u64::MAX, Some(self.salt))?;
        Ok(found.map_or(self.length, |(offset, _)| offset))
    }
}

/// The first whole chunk header that begins within `range`: with this salt, or with any.
pub(super) fn find<R: Read + Seek>(
    chunks: &mut Chunks<R>,
    range: Range<u64>,
    salt: Option<u64>,
) -> Result<Option<(u64, ChunkHeader)>, ReadError> {
    let mut from = range.start;
    // Small at first: most often the next chunk is near, and a hostile file may have one every few bytes.
    let mut ahead = CHUNK_HEADER_BYTES_MAX;
    while from < range.end {
        // The longest header that begins in the window lies in it.
        let window = chunks.read(from, (ahead + CHUNK_HEADER_BYTES_MAX) as u64)?;
        let last = window.len() <= ahead;
        let begins = &window[..window.len().min(ahead)];
        let mut place = 0;
        while let Some(next) = begins[place..].iter().position(|byte| *byte == CHUNK_MAGIC[0]) {
            place += next;
            let offset = from + place as u64;
            if offset >= range.end {
                return Ok(None);
            }
            if let Some(header) = whole_header(&window[place..], salt) {
                return Ok(Some((offset, header)));
            }
            place += 1;
        }
        if last {
            return Ok(None);
        }
        from += begins.len() as u64;
        ahead = (2 * ahead).min(RESCUE_WINDOW_BYTES);
    }
    Ok(None)
}

/// The chunk header that `bytes` begin with, if it is whole and has the salt.
fn whole_header(bytes: &[u8], salt: Option<u64>) -> Option<ChunkHeader> {
    if bytes.len() < CHUNK_HEADER_BYTES || !bytes.starts_with(&CHUNK_MAGIC) {
        return None;
    }
    // The salt is cheaper to compare than the checksum of what may be thousands of bytes.
    let found = u64::from_le_bytes(array_at(bytes, 16));
    if salt.is_some_and(|salt| salt != found) {
        return None;
    }
    let length = ChunkHeader::length(&array_at(bytes, 0)).ok()?;
    ChunkHeader::decode(bytes.get(..length)?).ok()
}
