//! Sums over the chunks of a trace, from their headers and summaries alone.
//!
//! Chunk headers in, numbers out. Invariant: a chunk that does not follow those before is not counted.

use super::chunks::Chunk;
use super::frame::{ChunkHeader, ChunkType};
use super::loss::Damage;
use super::marks;
use super::summary::OperationCounts;
use crate::units::Nanos;

/// What the headers and summaries of the chunks say, as far as the file was walked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Facts {
    /// Chunks of any type.
    pub chunks: u64,
    /// Events.
    pub events: u64,
    /// Events that the recorder dropped.
    pub lost: u64,
    /// Time of the last event.
    pub time_last: Nanos,
    /// Requests by operation.
    pub operations: OperationCounts,
    /// Marks.
    pub marks: u64,
    /// Chunks of events in the file, in bytes, all of them.
    pub events_bytes: u64,
    /// Payloads that are stored.
    pub payloads: u64,
    /// Chunks of payloads, unpacked, in bytes.
    pub payload_bytes_raw: u64,
    /// Chunks of payloads in the file, in bytes, all of them.
    pub payload_bytes: u64,
    /// The file, in bytes. Known once it was walked to its end.
    pub file_bytes: u64,
}

impl Facts {
    /// These facts and those of the next chunk. Fails if it is not the next one.
    pub(super) fn add(self, chunk: &Chunk) -> Result<Facts, Damage> {
        let header = &chunk.header;
        let mut facts = Facts { chunks: self.chunks + 1, ..self };
        match header.holds {
            ChunkType::Events => {
                facts.lost += u64::from(header.lost);
                follows("the first event", header, self.events + facts.lost)?;
                let before = self.time_last.0;
                if header.time_first < before {
                    return Err(Damage::Time { found: header.time_first, before });
                }
                facts.events += u64::from(header.count);
                facts.time_last = Nanos(header.time_last);
                facts.events_bytes += header.chunk_len();
                let counts = OperationCounts::decode(&chunk.summary).map_err(Damage::Summary)?;
                facts.operations.merge(&counts);
                let marks = marks::listed(&chunk.summary).map_err(Damage::Marks)?;
                facts.marks += marks.len() as u64;
            }
            ChunkType::Payload => {
                follows("the first payload", header, self.payloads)?;
                facts.payloads += u64::from(header.count);
                facts.payload_bytes_raw += u64::from(header.raw_len);
                facts.payload_bytes += header.chunk_len();
            }
            ChunkType::Other(_) => {}
        }
        Ok(facts)
    }
}

fn follows(what: &'static str, header: &ChunkHeader, wanted: u64) -> Result<(), Damage> {
    if header.first == wanted {
        Ok(())
    } else {
        Err(Damage::Order { what, found: header.first, wanted })
    }
}
