//! Where the chunks of events of a trace lie, for those who go over all of it and on behind what is damaged.

use std::io::{Read, Seek};

use blkreplay_core::format::{ReadError, Reader};
use blkreplay_core::units::Nanos;

/// A chunk of events.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Chunk {
    /// Its first byte in the file.
    pub(crate) offset: u64,
    /// Index of its first event.
    pub(crate) first: u64,
    /// Requests issued before it.
    pub(crate) place: u64,
    /// When its last event was.
    pub(crate) last: Nanos,
    /// Its place among the chunks of events and payloads.
    pub(crate) entry: usize,
}

/// The chunks of events of a trace, in order.
pub(crate) fn of<R: Read + Seek>(reader: &mut Reader<R>) -> Result<Vec<Chunk>, ReadError> {
    let mut place: u64 = 0;
    let mut chunks = Vec::new();
    let entries = reader.chunk_entries()?.iter().enumerate();
    for (at, entry) in entries.filter(|(_, entry)| entry.holds_events) {
        let (offset, first, last) = (entry.offset, entry.first, entry.time_last);
        chunks.push(Chunk { offset, first, place, last, entry: at });
        place = place.saturating_add(entry.issues);
    }
    Ok(chunks)
}

/// The first behind what was lost at a byte of the file, that has nothing before the event `next`.
pub(crate) fn behind(chunks: &[Chunk], lost: u64, next: u64) -> Option<Chunk> {
    chunks.iter().find(|chunk| chunk.offset > lost && chunk.first >= next).copied()
}
