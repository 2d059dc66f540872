//! The beginning of a trace that may be damaged: what can be known of it, and where its chunks begin.
//!
//! File in, a [`Beginning`] out. Invariant: what is taken from a header whose checksum is wrong is never
//! told as if it were right.

use std::io::{Read, Seek};

use super::chunks::Chunks;
use super::frame::array_at;
use super::header::{Header, HeaderWorth};
use super::origin::Origin;
use super::preamble::{FIXED_BYTES, Preamble, PreambleError};
use super::reader::ReadError;
use super::walk::find;
use crate::limits::{HEADER_BYTES_MAX, RESCUE_SALTS_MAX, RESCUE_SEARCH_BYTES};

/// What is known of the beginning of a trace.
#[derive(Debug)]
pub(super) struct Beginning {
    pub(super) worth: HeaderWorth,
    /// `None` if it could not be read.
    pub(super) header: Option<Header>,
    /// `None` unless its checksum is right.
    pub(super) uuid: Option<u128>,
    pub(super) salt: u64,
    /// Its last chunk is an index, if it is whole; not known of a header that is not.
    pub(super) ends_with_index: bool,
    /// Where the first chunk begins.
    pub(super) end: u64,
    /// What is wrong, if anything is.
    pub(super) damage: Option<ReadError>,
}

/// Reads the beginning of a trace; if it is damaged, the chunks tell the salt. Fails if there are none, or if
/// the file is something else or of a later version.
pub(super) fn read<R: Read + Seek>(chunks: &mut Chunks<R>) -> Result<Beginning, ReadError> {
    let damage = match chunks.preamble() {
        Ok(Preamble { header, uuid, salt, ends_with_index }) => {
            return Ok(Beginning {
                worth: HeaderWorth::Whole,
                header: Some(header),
                uuid: Some(uuid),
                salt,
                ends_with_index,
                end: chunks.next_offset(),
                damage: None,
            });
        }
        Err(error) => error,
    };
    if !may_be_damage(chunks, &damage)? {
        return Err(damage);
    }
    let Some(Chain { salt, offset, is_first }) = likely_chain(chunks)? else { return Err(damage) };
    let header = metadata(chunks, is_first.then_some(offset))?;
    let worth = if header.is_some() { HeaderWorth::Unverified } else { HeaderWorth::Rebuilt };
    Ok(Beginning {
        worth,
        header,
        uuid: None,
        salt,
        ends_with_index: false,
        end: offset,
        damage: Some(damage),
    })
}

/// Whether the beginning is that of a trace and damaged, not that of something else.
fn may_be_damage<R: Read + Seek>(
    chunks: &mut Chunks<R>,
    error: &ReadError,
) -> Result<bool, ReadError> {
    Ok(match error {
        ReadError::NotATrace { origin } => match origin {
            Origin::TraceMangled | Origin::Zeroes | Origin::Unknown | Origin::Text => true,
            Origin::Empty
            | Origin::TraceCut
            | Origin::QemuLog
            | Origin::Qcow2
            | Origin::Zstd
            | Origin::Gzip => false,
        },
        // A later version has its own rules, but not if the checksum says that the number is wrong.
        ReadError::Preamble(PreambleError::Version { .. }) => !is_whole(chunks)?,
        ReadError::Preamble(
            PreambleError::Length { .. }
            | PreambleError::Checksum { .. }
            | PreambleError::Metadata(_)
            | PreambleError::Cut { .. },
        ) => true,
        _ => false,
    })
}

/// Whether the checksum of the header is right, as long as the header itself says it is.
fn is_whole<R: Read + Seek>(chunks: &mut Chunks<R>) -> Result<bool, ReadError> {
    let start = chunks.read(0, HEADER_BYTES_MAX as u64)?;
    let length = start.get(16..20).map(|bytes| u32::from_le_bytes(array_at(bytes, 0)) as usize);
    let Some(header) = length.and_then(|length| start.get(..length)) else { return Ok(false) };
    let Some((covered, sum)) = header.split_last_chunk::<4>() else { return Ok(false) };
    Ok(crc32c::crc32c(covered) == u32::from_le_bytes(*sum))
}

/// Chunks that share a salt.
#[derive(Debug, Clone, Copy)]
struct Chain {
    salt: u64,
    /// Where the first of them begins.
    offset: u64,
    /// It is the first of its file, too.
    is_first: bool,
}

/// The chunks that most likely make up the file: those of the most frequent salt among the first ones.
fn likely_chain<R: Read + Seek>(chunks: &mut Chunks<R>) -> Result<Option<Chain>, ReadError> {
    let mut seen: Vec<(Chain, usize)> = Vec::new();
    let mut from = 0;
    for _ in 0..RESCUE_SALTS_MAX {
        let Some((offset, header)) = find(chunks, from..RESCUE_SEARCH_BYTES, None)? else { break };
        let known = seen.iter_mut().find(|(chain, _)| chain.salt == header.salt);
        if let Some((_, count)) = known {
            *count += 1;
        } else {
            let (salt, is_first) = (header.salt, header.sequence == 0);
            seen.push((Chain { salt, offset, is_first }, 1));
        }
        // What lies inside a body belongs to the disk that was recorded.
        let end = offset.saturating_add(header.chunk_len());
        let follows = matches!(chunks.header(end)?, Ok(Some(next)) if next.salt == header.salt);
        from = if follows { end } else { offset + u64::from(header.header_len) };
    }
    // Of equally many, the first in the file.
    let most = seen.iter().rev().max_by_key(|(_, count)| *count);
    Ok(most.map(|(chain, _)| *chain))
}

/// The metadata of a header that is damaged, if they still are JSON of the right form. `first` is where the
/// first chunk of the file begins, if that is known.
fn metadata<R: Read + Seek>(
    chunks: &mut Chunks<R>,
    first: Option<u64>,
) -> Result<Option<Header>, ReadError> {
    let start = chunks.read(0, HEADER_BYTES_MAX as u64)?;
    let said = start.get(16..20).map(|bytes| u64::from(u32::from_le_bytes(array_at(bytes, 0))));
    let ends = [first, said].into_iter().flatten();
    let parsed = ends.filter_map(|end| {
        let end = usize::try_from(end).ok()?.checked_sub(4)?;
        serde_json::from_slice(start.get(FIXED_BYTES..end)?).ok()
    });
    Ok({ parsed }.next())
}
