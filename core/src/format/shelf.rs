//! The chunks of payloads that a reader has passed, to fetch payloads from.
//!
//! Numbers in, bytes out. Invariant: no more than `UNPACKED_BYTES` of unpacked bodies are kept, but for the
//! one used last.

use std::collections::VecDeque;
use std::io::{Read, Seek};
use std::mem;

use bytes::Bytes;

use super::chunks::Chunks;
use super::loss::{Damage, LossKind};
use super::payload::Payloads;
use super::reader::ReadError;
use crate::event::PayloadId;
use crate::limits::UNPACKED_BYTES;
use crate::request::Digest;

/// Chunks of payloads, in the order of their numbers.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    /// Number of the first payload of each, and where it lies.
    stored: Vec<(u64, u64)>,
    /// The chunk used last comes first.
    unpacked: VecDeque<Payloads>,
    /// Memory of one that was forgotten, for the next: fresh memory costs more than to fill it.
    spare: Vec<u8>,
}

impl Shelf {
    /// Adds the next chunk: the number of its first payload, and its first byte in the file.
    pub(super) fn add(&mut self, first: u64, offset: u64) {
        self.stored.push((first, offset));
    }

    /// Adds the next chunk with its body, which is most likely wanted soon.
    pub(super) fn add_unpacked(&mut self, offset: u64, payloads: Payloads) {
        self.add(payloads.first(), offset);
        self.unpacked.push_front(payloads);
        self.forget_oldest();
    }

    /// Takes all chunks away.
    pub(super) fn clear(&mut self) {
        self.stored.clear();
    }

    /// The bytes of a payload. Their digest is checked.
    pub(super) fn get<R: Read + Seek>(
        &mut self,
        chunks: &mut Chunks<R>,
        id: PayloadId,
    ) -> Result<Bytes, ReadError> {
        let offset = self.take_down(chunks, id)?;
        let lost = |damage| ReadError::PayloadLost { id: id.0, offset, damage };
        let missing = ReadError::PayloadMissing { id: id.0 };
        self.unpacked[0].get(id).map_err(|error| lost(error.into()))?.ok_or(missing)
    }

    /// The length and the digest of a payload, as its table says.
    pub(super) fn entry<R: Read + Seek>(
        &mut self,
        chunks: &mut Chunks<R>,
        id: PayloadId,
    ) -> Result<(usize, Digest), ReadError> {
        self.take_down(chunks, id)?;
        let entry = self.unpacked[0].unchecked(id).map(|(data, digest)| (data.len(), digest));
        entry.ok_or(ReadError::PayloadMissing { id: id.0 })
    }

    /// Brings the chunk that may hold a payload to the front of those that are unpacked. Gives its first byte
    /// in the file.
    fn take_down<R: Read + Seek>(
        &mut self,
        chunks: &mut Chunks<R>,
        id: PayloadId,
    ) -> Result<u64, ReadError> {
        let after = self.stored.partition_point(|(first, _)| *first <= id.0);
        let Some(place) = after.checked_sub(1) else {
            return Err(ReadError::PayloadMissing { id: id.0 });
        };
        let (first, offset) = self.stored[place];
        let kept = self.unpacked.iter().position(|payloads| payloads.first() == first);
        if let Some(at) = kept {
            self.unpacked.swap(0, at);
        } else {
            let unpacked = unpack(chunks, offset, first, mem::take(&mut self.spare))?;
            let lost = |damage| ReadError::PayloadLost { id: id.0, offset, damage };
            self.unpacked.push_front(unpacked.map_err(lost)?);
            self.forget_oldest();
        }
        Ok(offset)
    }

    fn forget_oldest(&mut self) {
        let mut bytes = 0;
        let keep = self.unpacked.iter().take_while(|payloads| {
            bytes += payloads.bytes();
            bytes <= UNPACKED_BYTES
        });
        let keep = keep.count().max(1);
        for forgotten in self.unpacked.drain(keep..) {
            if let Some(memory) = forgotten.into_memory() {
                self.spare = memory;
            }
        }
    }
}

fn unpack<R: Read + Seek>(
    chunks: &mut Chunks<R>,
    offset: u64,
    wanted: u64,
    room: Vec<u8>,
) -> Result<Result<Payloads, Damage>, ReadError> {
    let chunk = match chunks.chunk_at(offset)? {
        Ok(Some(chunk)) => chunk,
        Ok(None) | Err(LossKind::Cut | LossKind::NoEnd | LossKind::NoIndex) => {
            return Ok(Err(Damage::Cut));
        }
        Err(LossKind::Damaged(damage)) => return Ok(Err(damage)),
    };
    let (first, count) = (chunk.header.first, chunk.header.count);
    if first != wanted {
        // An index says otherwise.
        return Ok(Err(Damage::Order { what: "the first payload", found: first, wanted }));
    }
    let body = chunks.body_into(&chunk, room)?;
    Ok(body.and_then(|body| Ok(Payloads::new(body, first, count)?)))
}
