//! What a server answers: received bytes come in, whole answers to requests in flight go out, in each dialect.
//!
//! The only reader of replies: of our own small client, and of a server whose export is an image of ours.
//! Strict, and without I/O: a reply is matched by its cookie, its data must lie in the range that was asked for, once, and
//! all of it (proto.md, "Structured reply types"). Whatever else comes is an error, after which nothing that follows means
//! anything. Invariant: memory is that of the requests in flight, whatever the server claims.

use std::collections::{BTreeMap, HashMap};

use bytes::{Buf, Bytes};

use crate::limits::{EXTENTS_MAX, READ_PIECES_MAX};
use crate::nbd::asking::Dialect;
use crate::nbd::inbox::Inbox;
use crate::nbd::wire::{
    CHUNK_DONE, ChunkHeader, Headers, SIMPLE_REPLY_MAGIC, STATE_HOLE, STATE_ZERO, chunk,
};
use crate::request::{Errno, Extent, Operation};
use crate::units::ByteRange;

/// "Simple reply message" without data, in bytes.
const SIMPLE_REPLY_BYTES: usize = 16;

/// Most extents that the protocol allows in one chunk.
const STATUS_EXTENTS_MAX: usize = 1 << 20;

/// Longest payload of an error, in bytes: a number, a text, an offset.
const ERROR_BYTES_MAX: usize = 4 + 2 + (u16::MAX as usize) + 8;

/// What no server may send. What follows it means nothing.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are what the message says")]
pub enum AnswerError {
    #[error("a reply begins with {0:#x}")]
    Magic(u32),
    #[error("a reply is to request {0}, which is not in flight")]
    Cookie(u64),
    #[error("a chunk of a reply claims {0} bytes")]
    Claim(u64),
    #[error("a reply to a request of {asked} says that it was for offset {found}")]
    Offset { asked: ByteRange, found: u64 },
    #[error("a {0} was answered by a reply of the other kind")]
    Kind(Operation),
    #[error("a reply to a {operation} of {asked} has a chunk of type {kind} and {length} bytes")]
    Chunk { operation: Operation, asked: ByteRange, kind: u16, length: u32 },
    #[error("a read of {asked} was answered with bytes {found}")]
    Outside { asked: ByteRange, found: ByteRange },
    #[error("a read of {asked} was answered with some bytes twice, at {at}")]
    Overlap { asked: ByteRange, at: u64 },
    #[error("a read of {asked} was answered with {found} of its bytes")]
    Short { asked: ByteRange, found: u64 },
    #[error("a read of {asked} was answered in more than {READ_PIECES_MAX} pieces")]
    Pieces { asked: ByteRange },
}

/// The answer to one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Of the request.
    pub cookie: u64,
    /// Whether it worked.
    pub result: Result<(), Errno>,
    /// What was read: all of it, if that worked.
    pub data: Bytes,
    /// What a block status told, from the start of its range; it may tell beyond its end. None if nothing was told.
    pub extents: Vec<Extent>,
}

/// What the bytes came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// The answer to a request, which is not in flight any more.
    Answer(Answer),
    /// Not enough; this many more are missing at least.
    Starved { missing: usize },
}

/// How answers to one request are put together.
#[derive(Debug)]
struct Awaited {
    operation: Operation,
    range: ByteRange,
    result: Result<(), Errno>,
    data: Data,
    extents: Vec<Extent>,
    has_status: bool,
    /// Error chunks that came.
    errors: usize,
}

/// The data of a read.
#[derive(Debug)]
enum Data {
    None,
    /// All of it, as it was received.
    Whole(Bytes),
    /// Pieces of it, and which of them came: first byte to end.
    Pieces(Vec<u8>, BTreeMap<u64, u64>),
}

/// All that is awaited.
#[derive(Debug)]
pub(super) struct Answers {
    dialect: Dialect,
    allocation: Option<u32>,
    awaited: HashMap<u64, Awaited>,
}

impl Answers {
    /// Of a server that talks like this, and which has given `base:allocation` this number.
    pub(super) fn new(dialect: Dialect, allocation: Option<u32>) -> Answers {
        Answers { dialect, allocation, awaited: HashMap::new() }
    }

    /// Awaits the answer to a request that is sent.
    pub(super) fn await_one(&mut self, cookie: u64, operation: Operation, range: ByteRange) {
        let (data, extents) = (Data::None, Vec::new());
        let (result, has_status, errors) = (Ok(()), false, 0);
        let awaited = Awaited { operation, range, result, data, extents, has_status, errors };
        self.awaited.insert(cookie, awaited);
    }

    /// Takes the next answer out of `inbox`, or as much of it as has come.
    pub(super) fn next(&mut self, inbox: &mut Inbox) -> Result<Heard, AnswerError> {
        loop {
            let unread = inbox.unread();
            let Some(mut header) = unread.get(..SIMPLE_REPLY_BYTES) else {
                return Ok(Heard::Starved { missing: SIMPLE_REPLY_BYTES - unread.len() });
            };
            let headers = self.dialect.headers();
            let heard = match header.get_u32() {
                SIMPLE_REPLY_MAGIC if headers == Headers::Compact => self.simple_reply(inbox)?,
                magic if self.dialect != Dialect::Simple && magic == headers.chunk_magic() => {
                    self.chunk(headers, inbox)?
                }
                magic => return Err(AnswerError::Magic(magic)),
            };
            if let Some(heard) = heard {
                return Ok(heard);
            }
        }
    }

    fn simple_reply(&mut self, inbox: &mut Inbox) -> Result<Option<Heard>, AnswerError> {
        let mut header = &inbox.unread()[4..SIMPLE_REPLY_BYTES];
        let (error, cookie) = (header.get_u32(), header.get_u64());
        let awaited = self.awaited.get(&cookie).ok_or(AnswerError::Cookie(cookie))?;
        let reads = awaited.operation == Operation::Read;
        let in_chunks = reads || awaited.operation == Operation::BlockStatus;
        if self.dialect != Dialect::Simple && in_chunks {
            return Err(AnswerError::Kind(awaited.operation));
        }
        let follow = if reads && error == 0 { bytes(awaited.range.length) } else { 0 };
        if let Some(starved) = starved(inbox, SIMPLE_REPLY_BYTES + follow) {
            return Ok(Some(starved));
        }
        inbox.skip(SIMPLE_REPLY_BYTES);
        let data = inbox.take(follow);
        self.awaited.remove(&cookie);
        let result = if error == 0 { Ok(()) } else { Err(errno(error)) };
        Ok(Some(Heard::Answer(Answer { cookie, result, data, extents: Vec::new() })))
    }

    /// Takes one chunk; `None` if more of the same reply follow.
    fn chunk(&mut self, headers: Headers, inbox: &mut Inbox) -> Result<Option<Heard>, AnswerError> {
        if let Some(starved) = starved(inbox, headers.chunk_bytes()) {
            return Ok(Some(starved));
        }
        let header = ChunkHeader::read_after_magic(headers, &inbox.unread()[4..]);
        let header = header.map_err(AnswerError::Claim)?;
        let awaited =
            self.awaited.get_mut(&header.cookie).ok_or(AnswerError::Cookie(header.cookie))?;
        awaited.check(headers, &header)?;
        let length = header.length as usize;
        if let Some(starved) = starved(inbox, headers.chunk_bytes() + length) {
            return Ok(Some(starved));
        }
        inbox.skip(headers.chunk_bytes());
        awaited.take(&header, inbox.take(length), self.allocation)?;
        if header.flags & CHUNK_DONE == 0 {
            return Ok(None);
        }
        let done = self.awaited.remove(&header.cookie).expect("it was there");
        done.finish(header.cookie).map(Some)
    }
}

impl Awaited {
    /// Refuses what is too long, before it is waited for, and what does not belong to such a request.
    fn check(&self, headers: Headers, header: &ChunkHeader) -> Result<(), AnswerError> {
        if headers == Headers::Extended && header.offset != self.range.offset {
            return Err(AnswerError::Offset { asked: self.range, found: header.offset });
        }
        let length = header.length as usize;
        let (reads, asks) =
            (self.operation == Operation::Read, self.operation == Operation::BlockStatus);
        let fits = match header.kind {
            chunk::NONE => length == 0 && header.flags & CHUNK_DONE != 0,
            chunk::OFFSET_DATA => reads && length > 8 && length - 8 <= bytes(self.range.length),
            chunk::OFFSET_HOLE => reads && length == 12,
            chunk::BLOCK_STATUS if headers == Headers::Compact => {
                asks && !self.has_status && are_extents(length, 4, 8)
            }
            chunk::BLOCK_STATUS_EXT if headers == Headers::Extended => {
                asks && !self.has_status && are_extents(length, 8, 16)
            }
            kind => kind & chunk::ERROR_BIT != 0 && (6..=ERROR_BYTES_MAX).contains(&length),
        };
        if fits { Ok(()) } else { Err(self.wrong_chunk(header)) }
    }

    fn wrong_chunk(&self, header: &ChunkHeader) -> AnswerError {
        let (operation, asked) = (self.operation, self.range);
        AnswerError::Chunk { operation, asked, kind: header.kind, length: header.length }
    }

    fn take(
        &mut self,
        header: &ChunkHeader,
        mut payload: Bytes,
        allocation: Option<u32>,
    ) -> Result<(), AnswerError> {
        match header.kind {
            chunk::NONE => {}
            chunk::OFFSET_DATA => {
                let range = ByteRange::new(payload.get_u64(), payload.len() as u64);
                if range == self.range && matches!(self.data, Data::None) {
                    self.data = Data::Whole(payload);
                } else {
                    self.piece(range)?.copy_from_slice(&payload);
                }
            }
            chunk::OFFSET_HOLE => {
                let range = ByteRange::new(payload.get_u64(), payload.get_u32().into());
                // What was not written there yet is zero.
                self.piece(range)?;
            }
            chunk::BLOCK_STATUS | chunk::BLOCK_STATUS_EXT => {
                if Some(payload.get_u32()) != allocation
                    || self.tell(header.kind, payload).is_none()
                {
                    return Err(self.wrong_chunk(header));
                }
            }
            _ => {
                let number = payload.get_u32();
                self.errors += 1;
                if number == 0 || self.errors > READ_PIECES_MAX {
                    return Err(self.wrong_chunk(header));
                }
                self.result = Err(errno(number));
            }
        }
        Ok(())
    }

    /// Takes in the extents of a chunk, behind the number of their context; `None` if they are none.
    fn tell(&mut self, kind: u16, mut payload: Bytes) -> Option<()> {
        self.has_status = true;
        let is_long = kind == chunk::BLOCK_STATUS_EXT;
        if is_long && payload.get_u32() as usize != payload.len() / 16 {
            return None;
        }
        for mut run in payload.chunks_exact(if is_long { 16 } else { 8 }).take(EXTENTS_MAX) {
            let (length, state) = if is_long {
                (run.get_u64(), run.get_u64())
            } else {
                (run.get_u32().into(), run.get_u32().into())
            };
            if length == 0 {
                return None;
            }
            let has = |bit: u32| state & u64::from(bit) != 0;
            self.extents.push(Extent { length, hole: has(STATE_HOLE), zero: has(STATE_ZERO) });
        }
        Some(())
    }

    /// Where a piece of a read belongs, which came for the first time.
    fn piece(&mut self, range: ByteRange) -> Result<&mut [u8], AnswerError> {
        let asked = self.range;
        if range.length == 0 || range.offset < asked.offset || range.end() > asked.end() {
            return Err(AnswerError::Outside { asked, found: range });
        }
        if matches!(self.data, Data::None) {
            self.data = Data::Pieces(vec![0; bytes(asked.length)], BTreeMap::new());
        }
        let Data::Pieces(data, came) = &mut self.data else {
            return Err(AnswerError::Overlap { asked, at: range.offset });
        };
        let (mut start, mut end) = (range.offset, range.end());
        if let Some((_, &before)) = came.range(..end).next_back()
            && before > start
        {
            return Err(AnswerError::Overlap { asked, at: start });
        }
        if let Some((&before, _)) = came.range(..start).next_back()
            && came[&before] == start
        {
            came.remove(&before);
            start = before;
        }
        if let Some(after) = came.remove(&end) {
            end = after;
        }
        came.insert(start, end);
        if came.len() > READ_PIECES_MAX {
            return Err(AnswerError::Pieces { asked });
        }
        let place = bytes(range.offset - asked.offset);
        Ok(&mut data[place..place + bytes(range.length)])
    }

    fn finish(self, cookie: u64) -> Result<Heard, AnswerError> {
        let Awaited { operation, range, result, data, extents, .. } = self;
        let mut answer = Answer { cookie, result, data: Bytes::new(), extents };
        if result.is_err() {
            answer.extents.clear();
        } else if operation == Operation::Read {
            let (data, found) = match data {
                Data::None => (Bytes::new(), 0),
                Data::Whole(data) => (data, range.length),
                Data::Pieces(data, came) => {
                    (data.into(), came.iter().map(|(start, end)| end - start).sum())
                }
            };
            if found != range.length {
                return Err(AnswerError::Short { asked: range, found });
            }
            answer.data = data;
        }
        Ok(Heard::Answer(answer))
    }
}

/// Whether a payload of `length` bytes is at least one extent of so many bytes, and at most so many as there may be,
/// behind what says whose they are.
fn are_extents(length: usize, behind: usize, extent: usize) -> bool {
    let count = length.saturating_sub(behind) / extent;
    (1..=STATUS_EXTENTS_MAX).contains(&count) && length == behind + count * extent
}

/// Says so if `inbox` does not have `length` bytes.
fn starved(inbox: &Inbox, length: usize) -> Option<Heard> {
    let missing = length.checked_sub(inbox.unread().len()).filter(|missing| *missing > 0)?;
    Some(Heard::Starved { missing })
}

/// Bytes of a request, which lie in memory.
fn bytes(length: u64) -> usize {
    usize::try_from(length).expect("a request's data have an address")
}

/// proto.md, "Error values": one that is not known means EINVAL.
fn errno(number: u32) -> Errno {
    u16::try_from(number).map_or(Errno::EINVAL, Errno)
}

#[cfg(test)]
mod tests;
