//! Writes a trace, forward only: gathers events and payloads, and writes each chunk at once.
//!
//! Entries in, one `write_all` per chunk out. No clock: who calls says what time it is. Invariant: a chunk of
//! events is written after every payload that its events name, so what is whole can be read.

use std::io::{self, Write};

use bytes::Bytes;

use super::counts::OperationCounts;
use super::decode::UnknownEvent;
use super::encode::Rows;
use super::facts::Facts;
use super::frame::{CHUNK_HEADER_BYTES, ChunkHeader, ChunkType, ENCODING_PLAIN};
use super::gather::{Gather, Layout};
use super::header::Header;
use super::index::{ChunkEntry, End, Index};
use super::pack::{STORED, ZSTD, pack};
use super::payload::{Sealed, Store};
use super::preamble::{Preamble, PreambleError};
use super::summarize::Summarizer;
use super::summary::Summary;
use crate::event::{Event, EventKind, Payload, PayloadId};
use crate::limits::{CHUNK_AGE_NS, INDEX_CHUNKS, PAYLOAD_CHUNK_BYTES, REQUEST_DATA_BYTES_MAX};
use crate::units::Nanos;

/// What the writer takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The event. If it names a payload that is to be stored, by its digest.
    pub event: Event,
    /// The bytes behind that digest, if they are to be stored; at most `REQUEST_DATA_BYTES_MAX`.
    pub data: Option<Bytes>,
}

/// Why a trace cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The output took no more. Up to `offset` the file is whole: cut it there.
    #[error("cannot write the trace after byte {offset}")]
    Io {
        /// End of the last whole chunk.
        offset: u64,
        /// Why.
        source: io::Error,
    },
    /// The header cannot be written.
    #[error(transparent)]
    Header(#[from] PreambleError),
}

/// What was written so far, in whole chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Written {
    /// Length of the file.
    pub bytes: u64,
    /// Chunks of any type.
    pub chunks: u64,
    /// Events.
    pub events: u64,
    /// Events that are missing between them.
    pub lost: u64,
    /// Requests by operation.
    pub operations: OperationCounts,
    /// Payloads that are stored; equal ones count once.
    pub payloads: u64,
    /// Their bytes, unpacked.
    pub payload_bytes_stored: u64,
    /// Bytes that they take in the file, with the headers of their chunks.
    pub payload_bytes_file: u64,
}

/// What an index takes without its entries, at most, in bytes.
const INDEX_BYTES: usize = 1 << 10;

/// What an entry of an index takes, at most, in bytes: 13 numbers of up to ten.
const INDEX_ENTRY_BYTES: usize = 131;

/// A trace that is being written.
#[derive(Debug)]
pub struct Writer<W: Write> {
    out: W,
    salt: u64,
    layout: Layout,
    events: Gather,
    summarizer: Summarizer,
    store: Store,
    store_data_bytes: u64,
    time: Nanos,
    /// End of the last whole chunk.
    offset: u64,
    facts: Facts,
    payload_bytes_stored: u64,
    /// Events missing before the chunk that is being filled.
    lost: u32,
    /// What the next index will say, but for its sums.
    index: Index,
}

impl<W: Write> Writer<W> {
    /// Writes the header. `salt` and `uuid` must be new for each trace; who calls has the randomness.
    pub fn create(
        mut out: W,
        header: &Header,
        salt: u64,
        uuid: u128,
    ) -> Result<Writer<W>, WriteError> {
        let bytes =
            Preamble { header: header.clone(), uuid, salt, ends_with_index: true }.encode()?;
        out.write_all(&bytes).map_err(|source| WriteError::Io { offset: 0, source })?;
        Ok(Writer {
            out,
            salt,
            layout: Layout::Rows,
            events: Gather::new(Layout::Rows),
            summarizer: Summarizer::new(),
            store: Store::new(),
            store_data_bytes: 0,
            time: Nanos(0),
            offset: bytes.len() as u64,
            facts: Facts::default(),
            payload_bytes_stored: 0,
            lost: 0,
            index: Index::default(),
        })
    }

    /// This writer, before anything was appended, with another layout.
    pub fn laid_out(self, layout: Layout) -> Writer<W> {
        assert!(self.facts.chunks == 0 && !self.has_open_chunk(), "a layout is chosen first");
        Writer { layout, events: Gather::new(layout), ..self }
    }

    /// Takes an event of a kind that is not known, as it was read.
    pub fn append_unknown(&mut self, mut event: UnknownEvent) -> Result<(), WriteError> {
        event.time = event.time.max(self.time);
        self.time = event.time;
        self.summarizer.skip();
        self.events.add_unknown(&event);
        if self.events.is_full() { self.close() } else { Ok(()) }
    }

    /// Takes one entry, and writes the chunks that are full. An event whose time is less than that of
    /// the event before is written with that time: the order is that of the entries. A request that came before the
    /// recording began is written as one that came as it began. After an error nothing more may be appended.
    pub fn append(&mut self, entry: Entry) -> Result<(), WriteError> {
        self.append_numbered(entry).map(drop)
    }

    /// As [`Writer::append`]; gives the number that the data have now, if they are stored.
    pub fn append_numbered(&mut self, entry: Entry) -> Result<Option<PayloadId>, WriteError> {
        let Entry { mut event, data } = entry;
        event.time = event.time.max(self.time);
        self.time = event.time;
        if let EventKind::Issue(issue) = &mut event.kind {
            issue.early = issue.early.min(event.time);
        }
        let number = data.and_then(|data| self.store_payload(&mut event, &data));
        self.take(&event)?;
        Ok(number)
    }

    fn take(&mut self, event: &Event) -> Result<(), WriteError> {
        if let EventKind::End { status } = event.kind {
            self.index.end = End::Said(status);
        }
        self.summarizer.add(event);
        self.events.add(event);
        let stored = self.store.len() >= PAYLOAD_CHUNK_BYTES;
        // Full payloads take their events along: data whose event is lost would be lost with it. Who writes
        // columns has both already.
        let along = stored && self.layout == Layout::Rows;
        if self.events.is_full() || along || self.summarizer.is_full() {
            return self.close();
        }
        if stored { self.write_payloads() } else { Ok(()) }
    }

    /// Says that so many events are missing between those so far and the next, whose index counts them. It
    /// begins a chunk. Of more than 2^32 - 1 before one chunk, the rest is not counted.
    pub fn lose(&mut self, events: u32) -> Result<(), WriteError> {
        if events > 0 && self.has_open_chunk() {
            self.close()?;
        }
        self.lost = self.lost.saturating_add(events);
        Ok(())
    }

    /// Writes what was gathered if its first event is `CHUNK_AGE_NS` old. `now` is on the clock of the
    /// events.
    pub fn tick(&mut self, now: Nanos) -> Result<(), WriteError> {
        match self.events.time_first() {
            Some(first) if now.since(Nanos(first)).0 >= CHUNK_AGE_NS => self.close(),
            _ => Ok(()),
        }
    }

    /// Writes what was gathered, whatever its age.
    pub fn flush(&mut self) -> Result<(), WriteError> {
        self.close()
    }

    /// Writes what was gathered and the closing index, and gives the output back.
    pub fn finish(mut self) -> Result<(W, Written), WriteError> {
        self.close()?;
        self.write_index()?;
        let offset = self.offset;
        self.out.flush().map_err(|source| WriteError::Io { offset, source })?;
        let written = self.written();
        Ok((self.out, written))
    }

    /// What was written so far. What is still gathered does not count.
    pub fn written(&self) -> Written {
        Written {
            bytes: self.offset,
            chunks: self.facts.chunks,
            events: self.facts.events,
            lost: self.facts.lost,
            operations: self.facts.operations,
            payloads: self.facts.payloads,
            payload_bytes_stored: self.payload_bytes_stored,
            payload_bytes_file: self.facts.payload_bytes,
        }
    }

    /// What the trace would have at most if all that was gathered and an index were written now, in bytes.
    pub fn size(&self) -> u64 {
        // Two more chunks, of payloads and of events, may be listed.
        let index = INDEX_BYTES + (self.index.entries.len() + 2) * INDEX_ENTRY_BYTES;
        let headers = 2 * CHUNK_HEADER_BYTES + self.summarizer.bytes_max();
        self.offset + self.gathered() + (headers + index) as u64
    }

    /// About how many bytes were gathered that are not written yet, as they are before they are packed.
    pub fn gathered(&self) -> u64 {
        (self.events.len() + self.store.len()) as u64
    }

    /// Whether events were gathered that are not written yet.
    pub fn has_open_chunk(&self) -> bool {
        self.events.time_first().is_some()
    }

    fn store_payload(&mut self, event: &mut Event, data: &[u8]) -> Option<PayloadId> {
        assert!(
            data.len() <= REQUEST_DATA_BYTES_MAX as usize,
            "fronts bound the data of a request"
        );
        let payload = match &mut event.kind {
            EventKind::Issue(issue) => &mut issue.payload,
            EventKind::Block(block) => &mut block.payload,
            _ => return None,
        };
        // Zeroes are free, and what has no digest is not stored.
        let Payload::Digest(digest) = *payload else { return None };
        let (id, added) = self.store.put(digest, data, event.time);
        *payload = Payload::Stored(digest, id);
        self.store_data_bytes += if added { data.len() as u64 } else { 0 };
        Some(id)
    }

    /// Writes everything gathered, payloads first.
    fn close(&mut self) -> Result<(), WriteError> {
        self.write_payloads()?;
        let rows = self.events.take();
        if rows.count > 0 {
            self.write_events(&rows)?;
        }
        if self.index.entries.len() >= INDEX_CHUNKS { self.write_index() } else { Ok(()) }
    }

    fn write_events(&mut self, rows: &Rows) -> Result<(), WriteError> {
        let summary = self.summarizer.take(self.index.previous);
        let section = summary.encode();
        let packed = self.layout.pack(&rows.body);
        let stored = packed.as_deref().unwrap_or(&rows.body);
        let header = ChunkHeader {
            encoding: self.layout.encoding(),
            codec: if packed.is_some() { ZSTD } else { STORED },
            count: rows.count,
            lost: self.lost,
            first: self.facts.events + self.facts.lost + u64::from(self.lost),
            time_first: rows.time_first,
            time_last: rows.time_last,
            summary_len: length(section.len()),
            summary_crc: crc32c::crc32c(&section),
            raw_len: length(rows.body.len()),
            stored_len: length(stored.len()),
            body_crc: crc32c::crc32c(stored),
            ..self.next_header(ChunkType::Events)
        };
        self.lost = 0;
        self.write_chunk(&header, &summary, &[&header.encode()[..], &section, stored].concat())
    }

    fn write_payloads(&mut self) -> Result<(), WriteError> {
        let Some(mut sealed) = self.store.seal() else { return Ok(()) };
        self.write_sealed(&mut sealed)?;
        self.payload_bytes_stored += std::mem::take(&mut self.store_data_bytes);
        self.store.keep(sealed);
        Ok(())
    }

    fn write_sealed(&mut self, sealed: &mut Sealed) -> Result<(), WriteError> {
        let body = &sealed.chunk[CHUNK_HEADER_BYTES..];
        let packed = pack(body, self.layout.level());
        let stored = packed.as_deref().unwrap_or(body);
        let header = ChunkHeader {
            codec: if packed.is_some() { ZSTD } else { STORED },
            count: sealed.count,
            first: sealed.first,
            time_first: sealed.time_first.0,
            time_last: sealed.time_last.0,
            raw_len: length(body.len()),
            stored_len: length(stored.len()),
            body_crc: crc32c::crc32c(stored),
            ..self.next_header(ChunkType::Payload)
        };
        let none = Summary::default();
        if let Some(packed) = packed {
            return self.write_chunk(&header, &none, &[&header.encode()[..], &packed].concat());
        }
        sealed.chunk[..CHUNK_HEADER_BYTES].copy_from_slice(&header.encode());
        self.write_chunk(&header, &none, &sealed.chunk)
    }

    /// Writes what there is to say of the chunks since the index before.
    fn write_index(&mut self) -> Result<(), WriteError> {
        let offset = self.offset;
        self.index.totals = self.facts;
        let body = self.index.encode(offset);
        let header = ChunkHeader {
            count: length(self.index.entries.len()),
            time_first: self.facts.time_last.0,
            time_last: self.facts.time_last.0,
            raw_len: length(body.len()),
            stored_len: length(body.len()),
            body_crc: crc32c::crc32c(&body),
            ..self.next_header(ChunkType::Index)
        };
        self.index.entries.clear();
        self.index.previous = Some(offset);
        let chunk = [&header.encode()[..], &body].concat();
        self.write_chunk(&header, &Summary::default(), &chunk)
    }

    /// A header with what all chunks of this file share; empty otherwise.
    fn next_header(&self, holds: ChunkType) -> ChunkHeader {
        ChunkHeader {
            holds,
            encoding: ENCODING_PLAIN,
            codec: STORED,
            header_len: CHUNK_HEADER_BYTES.try_into().expect("84 fits"),
            summary_len: 0,
            salt: self.salt,
            sequence: self.facts.chunks,
            raw_len: 0,
            stored_len: 0,
            count: 0,
            lost: 0,
            first: 0,
            time_first: 0,
            time_last: 0,
            summary_crc: crc32c::crc32c(&[]),
            body_crc: 0,
        }
    }

    fn write_chunk(
        &mut self,
        header: &ChunkHeader,
        summary: &Summary,
        chunk: &[u8],
    ) -> Result<(), WriteError> {
        let offset = self.offset;
        self.out.write_all(chunk).map_err(|source| WriteError::Io { offset, source })?;
        self.facts = self.facts.add(header, summary).expect("a writer keeps its chunks in order");
        self.offset += chunk.len() as u64;
        self.index.entries.extend(ChunkEntry::of(offset, header, summary));
        Ok(())
    }
}

/// Lengths in a chunk are bounded by `limits`, far below 4 GiB.
fn length(bytes: usize) -> u32 {
    u32::try_from(bytes).expect("chunks are closed before they are too long")
}
