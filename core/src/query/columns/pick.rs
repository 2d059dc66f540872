//! Gets the rows of requests whose ids are known: ids in, in the order of issue, rows out.
//!
//! It goes from chunk to chunk that holds one, and reads on from there. Knows no filters. Invariant: a row that it gives is the
//! one that reading from the beginning gives, but for what lies around a request.

use std::io::{Read, Seek};

use crate::format::{ReadError, Reader};
use crate::rows::{Joiner, Row};

/// A trace of which some rows are read.
#[derive(Debug)]
pub(super) struct Picker<R> {
    reader: Reader<R>,
    joiner: Joiner,
    /// `None` before the first is looked for.
    chunks: Option<Vec<Chunk>>,
    /// Index of the next event.
    next: u64,
    ended: bool,
}

/// A chunk in which requests were issued.
#[derive(Debug, Clone, Copy)]
struct Chunk {
    /// Its place among all that the trace lists.
    place: usize,
    /// Its first event.
    event: u64,
    /// Its highest id.
    last_id: u64,
}

impl<R: Read + Seek> Picker<R> {
    /// Picks rows of a trace of which `reader` has given out nothing.
    pub(super) fn new(reader: Reader<R>) -> Picker<R> {
        Picker { reader, joiner: Joiner::new(), chunks: None, next: 0, ended: false }
    }

    /// The row of the request with this id, higher than those before; `None` if there is none.
    pub(super) fn pick(&mut self, id: u64) -> Result<Option<Row>, ReadError> {
        self.go(id)?;
        loop {
            while let Some(row) = self.joiner.pop() {
                if row.id.0 >= id {
                    return Ok(Some(row).filter(|row| row.id.0 == id));
                }
            }
            if self.ended {
                return Ok(None);
            }
            if let Some((index, event)) = self.reader.next_event()? {
                self.next = index + 1;
                self.joiner.push(index, event);
            } else {
                self.joiner.finish();
                self.ended = true;
            }
        }
    }

    /// Goes to the chunk that holds the id, unless reading on leads there at once.
    fn go(&mut self, id: u64) -> Result<(), ReadError> {
        let chunks = match self.chunks.take() {
            Some(chunks) => chunks,
            None => chunks(&mut self.reader)?,
        };
        let chunks = self.chunks.insert(chunks);
        let holds = chunks.partition_point(|chunk| chunk.last_id < id);
        let begun = chunks.partition_point(|chunk| chunk.event < self.next);
        let Some(chunk) = chunks.get(holds).copied().filter(|_| holds > begun) else {
            return Ok(());
        };
        // Where it is not known what is open, all is read.
        if let Some(start) = self.reader.seek_chunk(chunk.place)? {
            self.joiner = Joiner::starting(&start);
            self.next = chunk.event;
        }
        Ok(())
    }

    /// The reader, for one who is done picking.
    pub(super) fn into_reader(self) -> Reader<R> {
        self.reader
    }
}

/// The chunks of a trace that hold requests.
fn chunks<R: Read + Seek>(reader: &mut Reader<R>) -> Result<Vec<Chunk>, ReadError> {
    let entries = reader.chunk_entries()?.iter().enumerate();
    let chunk = |(place, entry): (usize, &crate::format::ChunkEntry)| {
        let (_, last_id) = entry.ids.filter(|_| entry.holds_events)?;
        Some(Chunk { place, event: entry.first, last_id: last_id.0 })
    };
    Ok(entries.filter_map(chunk).collect())
}
