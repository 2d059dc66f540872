//! Sums over the chunks of a trace, from their headers and summaries alone.
//!
//! Chunk headers in, numbers out. Invariant: a chunk that does not follow those before is not counted.

use super::counts::OperationCounts;
use super::frame::{ChunkHeader, ChunkType};
use super::loss::Damage;
use super::summary::Summary;
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
    /// Chunks of events.
    pub events_chunks: u64,
    /// Chunks of events in the file, in bytes, all of them, with their headers and summaries.
    pub events_bytes: u64,
    /// The summaries of all chunks, in bytes.
    pub summary_bytes: u64,
    /// Indexes in the file, in bytes, all of them.
    pub index_bytes: u64,
    /// Payloads that are stored.
    pub payloads: u64,
    /// Chunks of payloads.
    pub payload_chunks: u64,
    /// Chunks of payloads, unpacked, in bytes.
    pub payload_bytes_raw: u64,
    /// Chunks of payloads in the file, in bytes, all of them.
    pub payload_bytes: u64,
    /// The file, in bytes. Known once it was walked to its end.
    pub file_bytes: u64,
}

impl Facts {
    /// All sums over chunks but those by operation, in the order in which an index has them.
    pub(super) fn numbers(&mut self) -> [&mut u64; 13] {
        [
            &mut self.chunks,
            &mut self.events,
            &mut self.lost,
            &mut self.time_last.0,
            &mut self.marks,
            &mut self.events_chunks,
            &mut self.events_bytes,
            &mut self.summary_bytes,
            &mut self.index_bytes,
            &mut self.payloads,
            &mut self.payload_chunks,
            &mut self.payload_bytes_raw,
            &mut self.payload_bytes,
        ]
    }

    /// These facts and those of the next chunk. Fails if it is not the next one.
    pub(super) fn add(self, header: &ChunkHeader, summary: &Summary) -> Result<Facts, Damage> {
        let mut facts = Facts { chunks: self.chunks.saturating_add(1), ..self };
        facts.summary_bytes = facts.summary_bytes.saturating_add(u64::from(header.summary_len));
        match header.holds {
            ChunkType::Events => facts.add_events(header, summary)?,
            ChunkType::Payload => {
                follows("the first payload", header, self.payloads)?;
                facts.payload_chunks = facts.payload_chunks.saturating_add(1);
                facts.payloads = facts.payloads.saturating_add(u64::from(header.count));
                let raw = u64::from(header.raw_len);
                facts.payload_bytes_raw = facts.payload_bytes_raw.saturating_add(raw);
                facts.payload_bytes = facts.payload_bytes.saturating_add(header.chunk_len());
            }
            ChunkType::Index => {
                facts.index_bytes = facts.index_bytes.saturating_add(header.chunk_len());
            }
            ChunkType::Other(_) => {}
        }
        Ok(facts)
    }

    fn add_events(&mut self, header: &ChunkHeader, summary: &Summary) -> Result<(), Damage> {
        self.lost = self.lost.saturating_add(u64::from(header.lost));
        follows("the first event", header, self.events.saturating_add(self.lost))?;
        let before = self.time_last.0;
        if header.time_first < before {
            return Err(Damage::Time { found: header.time_first, before });
        }
        self.events_chunks = self.events_chunks.saturating_add(1);
        self.events = self.events.saturating_add(u64::from(header.count));
        self.time_last = Nanos(header.time_last);
        self.events_bytes = self.events_bytes.saturating_add(header.chunk_len());
        self.operations.merge(&summary.operations);
        self.marks = self.marks.saturating_add(summary.marks.len() as u64);
        Ok(())
    }
}

fn follows(what: &'static str, header: &ChunkHeader, wanted: u64) -> Result<(), Damage> {
    if header.first == wanted {
        Ok(())
    } else {
        Err(Damage::Order { what, found: header.first, wanted })
    }
}
