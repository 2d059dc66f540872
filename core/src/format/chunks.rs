//! Walks the chunks of a file, from the first to the last or to the first that is not whole.
//!
//! File in, chunk headers, summaries and unpacked bodies out; what they mean is not known here.
//! Invariant: memory is taken as bytes arrive, never because a header claims them.

use std::io::{Read, Seek, SeekFrom};

use super::frame::{
    CHUNK_HEADER_BYTES, COMPATIBLE, ChunkHeader, ChunkType, ENCODING_COLUMNS, ENCODING_PLAIN,
    array_at,
};
use super::index::Index;
use super::loss::{Damage, LossKind};
use super::origin::Origin;
use super::pack::{STORED, UnpackError, ZSTD, unpack};
use super::preamble::{FIXED_BYTES, MAGIC, Preamble};
use super::reader::ReadError;
use super::summary::Summary;

/// A chunk whose header and summary are whole.
#[derive(Debug)]
pub(super) struct Chunk {
    /// Its first byte in the file.
    pub(super) offset: u64,
    pub(super) header: ChunkHeader,
    pub(super) summary: Summary,
}

impl Chunk {
    /// The byte behind it.
    pub(super) fn end(&self) -> u64 {
        self.offset.saturating_add(self.header.chunk_len())
    }
}

/// What comes next in a file.
#[derive(Debug)]
pub(super) enum Step {
    Chunk(Box<Chunk>),
    /// Nothing: the file ends here.
    Done,
    /// Something that is no whole chunk.
    Lost(LossKind),
}

/// A file, and how far it was walked.
#[derive(Debug)]
pub(super) struct Chunks<R> {
    input: R,
    /// Where `input` stands.
    at: u64,
    /// Where the next chunk begins.
    next: u64,
    sequence: u64,
    salt: u64,
    /// The file is known to be at least this long.
    reaches: u64,
}

impl<R: Read + Seek> Chunks<R> {
    /// Reads the beginning of a file.
    pub(super) fn open(input: R) -> Result<(Chunks<R>, Preamble), ReadError> {
        let mut chunks = Chunks::new(input)?;
        let preamble = chunks.preamble()?;
        Ok((chunks, preamble))
    }

    /// A file of which nothing was read.
    pub(super) fn new(mut input: R) -> Result<Chunks<R>, ReadError> {
        let at = input.stream_position();
        let at = at.map_err(|source| ReadError::Io { offset: 0, source })?;
        Ok(Chunks { input, at, next: 0, sequence: 0, salt: 0, reaches: 0 })
    }

    /// Reads the beginning of the file; the first chunk is next.
    pub(super) fn preamble(&mut self) -> Result<Preamble, ReadError> {
        let start = self.read(0, FIXED_BYTES as u64)?;
        if !start.starts_with(&MAGIC) {
            return Err(ReadError::NotATrace { origin: Origin::of(&start) });
        }
        let wanted = Preamble::length(&start)?;
        let bytes = self.read(0, wanted as u64)?;
        if bytes.len() < wanted {
            return Err(super::PreambleError::Cut { wanted, found: bytes.len() }.into());
        }
        let preamble = Preamble::decode(&bytes)?;
        self.next = wanted as u64;
        self.salt = preamble.salt;
        Ok(preamble)
    }

    /// The salt of a file whose beginning cannot be read.
    pub(super) fn set_salt(&mut self, salt: u64) {
        self.salt = salt;
    }

    /// Where the next chunk begins.
    pub(super) fn next_offset(&self) -> u64 {
        self.next
    }

    /// Length of the file as it is now.
    pub(super) fn file_len(&mut self) -> Result<u64, ReadError> {
        let end = self.input.seek(SeekFrom::End(0));
        self.at = end.map_err(|source| ReadError::Io { offset: self.at, source })?;
        self.reaches = self.at;
        Ok(self.at)
    }

    /// Whether the file has a byte before `end`. Its length is not asked for: a stream has none before its end.
    fn reaches(&mut self, end: u64) -> Result<bool, ReadError> {
        if self.reaches < end && self.read(end - 1, 1)?.len() == 1 {
            self.reaches = end;
        }
        Ok(self.reaches >= end)
    }

    /// What every chunk of the file repeats.
    pub(super) fn salt(&self) -> u64 {
        self.salt
    }

    /// The place of the next chunk among all chunks of the file.
    pub(super) fn next_sequence(&self) -> u64 {
        self.sequence
    }

    /// Goes on at `offset`, where the chunk with this place among all chunks of the file begins.
    pub(super) fn resume(&mut self, offset: u64, sequence: u64) {
        self.next = offset;
        self.sequence = sequence;
    }

    /// Goes over the next chunk, which need not be of a type that is known, and over its body.
    pub(super) fn step(&mut self) -> Result<Step, ReadError> {
        let chunk = match self.chunk_at(self.next)? {
            Ok(Some(chunk)) => chunk,
            Ok(None) => return Ok(Step::Done),
            Err(kind) => return Ok(Step::Lost(kind)),
        };
        if chunk.header.sequence != self.sequence {
            let (found, wanted) = (chunk.header.sequence, self.sequence);
            let damage = Damage::Order { what: "the sequence number", found, wanted };
            return Ok(Step::Lost(LossKind::Damaged(damage)));
        }
        if chunk.header.holds == ChunkType::Index
            && let Err(damage) = self.index_in(&chunk)?
        {
            return Ok(Step::Lost(LossKind::Damaged(damage)));
        }
        self.next = chunk.end();
        self.sequence += 1;
        Ok(Step::Chunk(Box::new(chunk)))
    }

    /// The chunk at `offset`, its body unread; `None` at the end of the file.
    pub(super) fn chunk_at(
        &mut self,
        offset: u64,
    ) -> Result<Result<Option<Chunk>, LossKind>, ReadError> {
        let header = match self.header(offset)? {
            Ok(Some(header)) => header,
            Ok(None) => return Ok(Ok(None)),
            Err(kind) => return Ok(Err(kind)),
        };
        if header.salt != self.salt {
            let damage = Damage::Salt { found: header.salt, wanted: self.salt };
            return Ok(Err(LossKind::Damaged(damage)));
        }
        check_known(&header, offset)?;
        if !self.reaches(offset.saturating_add(header.chunk_len()))? {
            return Ok(Err(LossKind::Cut));
        }
        let summary_at = offset + u64::from(header.header_len);
        let section = self.read(summary_at, u64::from(header.summary_len))?;
        let summary = check_sum("summary", header.summary_crc, &section)
            .and_then(|()| Summary::decode(&section).map_err(Damage::Summary));
        let chunk = summary.map(|summary| Some(Chunk { offset, header, summary }));
        Ok(chunk.map_err(LossKind::Damaged))
    }

    /// The index that `chunk` is.
    pub(super) fn index_in(&mut self, chunk: &Chunk) -> Result<Result<Index, Damage>, ReadError> {
        let body = match self.body(chunk)? {
            Ok(body) => body,
            Err(damage) => return Ok(Err(damage)),
        };
        Ok(Index::decode(&body, chunk.offset, chunk.header.count).map_err(Damage::Index))
    }

    /// Reads the header of the chunk at `offset`; `None` at the end of the file.
    pub(super) fn header(
        &mut self,
        offset: u64,
    ) -> Result<Result<Option<ChunkHeader>, LossKind>, ReadError> {
        let start = self.read(offset, CHUNK_HEADER_BYTES as u64)?;
        if start.is_empty() {
            return Ok(Ok(None));
        }
        if start.len() < CHUNK_HEADER_BYTES {
            return Ok(Err(LossKind::Cut));
        }
        let length = match ChunkHeader::length(&array_at(&start, 0)) {
            Ok(length) => length,
            Err(error) => return Ok(Err(LossKind::Damaged(error.into()))),
        };
        let bytes = if length == start.len() { start } else { self.read(offset, length as u64)? };
        if bytes.len() < length {
            return Ok(Err(LossKind::Cut));
        }
        let header = ChunkHeader::decode(&bytes);
        Ok(header.map(Some).map_err(|error| LossKind::Damaged(error.into())))
    }

    /// The body of `chunk`, checked and unpacked.
    pub(super) fn body(&mut self, chunk: &Chunk) -> Result<Result<Vec<u8>, Damage>, ReadError> {
        self.body_into(chunk, Vec::new())
    }

    /// The same, in the memory of `room` as far as that goes.
    pub(super) fn body_into(
        &mut self,
        chunk: &Chunk,
        room: Vec<u8>,
    ) -> Result<Result<Vec<u8>, Damage>, ReadError> {
        let (stored, unpacked_into) = match chunk.header.codec {
            STORED => (room, Vec::new()),
            _ => (Vec::new(), room),
        };
        let stored = self.stored_into(chunk, stored)?;
        Ok(stored.and_then(|stored| unpacked(&chunk.header, stored, unpacked_into)))
    }

    /// The body of `chunk` as it lies in the file, checked.
    pub(super) fn stored(&mut self, chunk: &Chunk) -> Result<Result<Vec<u8>, Damage>, ReadError> {
        self.stored_into(chunk, Vec::new())
    }

    fn stored_into(
        &mut self,
        chunk: &Chunk,
        room: Vec<u8>,
    ) -> Result<Result<Vec<u8>, Damage>, ReadError> {
        let header = &chunk.header;
        let before = u64::from(header.header_len) + u64::from(header.summary_len);
        let place = chunk.offset + before;
        let stored = self.read_into(place, u64::from(header.stored_len), room)?;
        if stored.len() < header.stored_len as usize {
            return Ok(Err(Damage::Cut));
        }
        Ok(check_sum("body", header.body_crc, &stored).map(|()| stored))
    }

    /// Reads `length` bytes at `offset`, fewer if the file ends.
    pub(super) fn read(&mut self, offset: u64, length: u64) -> Result<Vec<u8>, ReadError> {
        self.read_into(offset, length, Vec::new())
    }

    /// The same, in the memory of `bytes` as far as that goes.
    fn read_into(
        &mut self,
        offset: u64,
        length: u64,
        mut bytes: Vec<u8>,
    ) -> Result<Vec<u8>, ReadError> {
        let io = |source| ReadError::Io { offset, source };
        if self.at != offset {
            self.at = self.input.seek(SeekFrom::Start(offset)).map_err(io)?;
        }
        bytes.clear();
        let taken = (&mut self.input).take(length).read_to_end(&mut bytes);
        // Where an error leaves the file is not known; the next read seeks.
        self.at = u64::MAX;
        taken.map_err(io)?;
        self.at = offset + bytes.len() as u64;
        Ok(bytes)
    }
}

/// The body of a chunk with this header, unpacked, in the memory of `room` as far as that goes.
pub(super) fn unpacked(
    header: &ChunkHeader,
    stored: Vec<u8>,
    room: Vec<u8>,
) -> Result<Vec<u8>, Damage> {
    let wanted = header.raw_len as usize;
    if header.codec == ZSTD {
        return Ok(unpack(&stored, wanted, room)?);
    }
    if stored.len() == wanted {
        return Ok(stored);
    }
    Err(UnpackError::Length { found: stored.len(), wanted }.into())
}

/// Refuses a chunk that must be understood and is not.
pub(super) fn check_known(header: &ChunkHeader, offset: u64) -> Result<(), ReadError> {
    match header.holds {
        ChunkType::Other(number) if number & COMPATIBLE != 0 => Ok(()),
        ChunkType::Other(number) => Err(ReadError::UnknownChunk { number, offset }),
        ChunkType::Events if header.encoding == ENCODING_COLUMNS => check_codec(header, offset),
        _ if header.encoding != ENCODING_PLAIN => {
            Err(ReadError::UnknownEncoding { number: header.encoding, offset })
        }
        _ => check_codec(header, offset),
    }
}

fn check_codec(header: &ChunkHeader, offset: u64) -> Result<(), ReadError> {
    match header.codec {
        STORED | ZSTD => Ok(()),
        number => Err(ReadError::UnknownCodec { number, offset }),
    }
}

pub(super) fn check_sum(what: &'static str, found: u32, bytes: &[u8]) -> Result<(), Damage> {
    let computed = crc32c::crc32c(bytes);
    if found == computed { Ok(()) } else { Err(Damage::Checksum { what, found, computed }) }
}
