//! What each part of a trace costs: bytes of the file by what they are for, and bytes of events by column.
//!
//! Facts and bodies come in, sums go out. Invariant: the parts of a whole file add up to it.

use std::io::{Read, Seek};

use super::body::Body;
use super::columns::{Column, Directory};
use super::decode::{DecodeError, Decoded};
use super::facts::Facts;
use super::frame::{CHUNK_HEADER_BYTES, ChunkHeader, ChunkType, ENCODING_COLUMNS};
use super::pack::packed_len;
use super::payload::ENTRY_BYTES;
use super::reader::{ReadError, Reader};
use crate::event::{EventKind, Payload};

/// Bytes of a file, by what they are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Parts {
    /// What the trace says of itself; and chunks of types that are not known.
    pub file_header: u64,
    /// Headers of chunks of events.
    pub chunk_headers: u64,
    /// Summaries of chunks of events.
    pub summaries: u64,
    /// Bodies of chunks of events.
    pub events: u64,
    /// Chunks of payloads, but for their tables.
    pub payload_data: u64,
    /// Tables of payloads; where bodies are packed, their share by length.
    pub payload_tables: u64,
    /// Indexes.
    pub index: u64,
}

impl Facts {
    /// What each part costs.
    pub fn parts(&self) -> Parts {
        let chunk_headers = self.events_chunks.saturating_mul(CHUNK_HEADER_BYTES as u64);
        let chunk_headers = chunk_headers.min(self.events_bytes);
        let events = self.events_bytes - chunk_headers;
        let summaries = self.summary_bytes.min(events);
        let payload_tables = self.table_bytes();
        let chunks = [self.events_bytes, self.payload_bytes, self.index_bytes];
        let chunks = chunks.into_iter().fold(0_u64, u64::saturating_add);
        Parts {
            file_header: self.file_bytes.saturating_sub(chunks),
            chunk_headers,
            summaries,
            events: events - summaries,
            payload_data: self.payload_bytes - payload_tables,
            payload_tables,
            index: self.index_bytes,
        }
    }

    /// What of the chunks of payloads is their tables.
    fn table_bytes(&self) -> u64 {
        let raw = u128::from(self.payloads) * ENTRY_BYTES as u128;
        let headers = u128::from(self.payload_chunks) * CHUNK_HEADER_BYTES as u128;
        let stored = u128::from(self.payload_bytes).saturating_sub(headers);
        let packed = (raw * stored).checked_div(self.payload_bytes_raw.into()).unwrap_or(0);
        u64::try_from(packed).unwrap_or(u64::MAX).min(self.payload_bytes)
    }
}

/// What a column costs, in all chunks together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ColumnCost {
    /// Bytes before they are packed.
    pub raw: u64,
    /// Bytes when the column is packed by itself, which is about its share of the body.
    pub packed: u64,
}

/// What the events of a trace cost, by column. Those of chunks in rows are not told apart.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ColumnCosts {
    /// By column, in the order of [`Column::NAMES`].
    pub columns: [ColumnCost; Column::NAMES.len()],
    /// Lists of columns.
    pub directories: u64,
    /// Chunks of events in rows.
    pub rows_chunks: u64,
    /// Bytes of digests in all chunks of events, packed where the chunk is.
    pub digests: u64,
}

impl ColumnCosts {
    /// Adds the unpacked body of a chunk of events.
    pub(super) fn add(&mut self, header: &ChunkHeader, body: Vec<u8>) -> Result<(), DecodeError> {
        if header.encoding != ENCODING_COLUMNS {
            self.rows_chunks += 1;
            self.digests += digests_in_rows(header, body)?;
            return Ok(());
        }
        let directory = Directory::read(&body, body.len())?;
        let (list, columns) = directory.lengths();
        self.directories += list as u64;
        for (column, length) in columns {
            let packed = packed_len(directory.bytes(column, &body)) as u64;
            let cost = &mut self.columns[column as usize - 1];
            cost.raw += length as u64;
            cost.packed += packed;
            if column == Column::Digests {
                self.digests += packed;
            }
        }
        Ok(())
    }
}

/// Bytes of digests in a body in rows.
fn digests_in_rows(header: &ChunkHeader, body: Vec<u8>) -> Result<u64, DecodeError> {
    let mut body = Body::open(header, body)?;
    let mut bytes = 0;
    loop {
        let payload = match body.next()? {
            Decoded::Event(event) => match event.kind {
                EventKind::Issue(issue) => issue.payload,
                EventKind::Block(block) => block.payload,
                _ => continue,
            },
            Decoded::Skipped(_) => continue,
            Decoded::Unknown { .. } | Decoded::Done => return Ok(bytes),
        };
        if matches!(payload, Payload::Digest(_) | Payload::Stored(..)) {
            bytes += 16;
        }
    }
}

impl<R: Read + Seek> Reader<R> {
    /// Reads the bodies of all events to see what each column costs. It ends where the trace does, or where it
    /// is not whole.
    pub fn column_costs(mut self) -> Result<ColumnCosts, ReadError> {
        let mut costs = ColumnCosts::default();
        while let Some(chunk) = self.walk()? {
            if chunk.header.holds != ChunkType::Events {
                continue;
            }
            let Ok(body) = self.chunks.body(&chunk)? else { break };
            if costs.add(&chunk.header, body).is_err() {
                break;
            }
        }
        Ok(costs)
    }
}
