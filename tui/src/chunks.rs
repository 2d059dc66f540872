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

/// How often a way behind the same damage is looked for.
const TRIES: usize = 4;

/// Leads on behind damage. A reader may have to begin before it, and come to the same damage again: then it is led further, a few
/// times. Invariant: it ends.
#[derive(Debug, Default)]
pub(crate) struct Way {
    /// The byte of the file at which something was lost last.
    lost: Option<u64>,
    tries: usize,
}

impl Way {
    /// The first chunk behind what was lost at a byte of the file, that has nothing before the event `next`.
    pub(crate) fn behind(&mut self, chunks: &[Chunk], lost: u64, next: u64) -> Option<Chunk> {
        let is_same = self.lost.replace(lost) == Some(lost);
        self.tries = if is_same { self.tries + 1 } else { 1 };
        let is_behind = |chunk: &&Chunk| {
            chunk.offset > lost && if is_same { chunk.first > next } else { chunk.first >= next }
        };
        chunks.iter().find(is_behind).copied().filter(|_| self.tries <= TRIES)
    }
}
