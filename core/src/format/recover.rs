//! Makes a whole trace of what is left of a damaged one.
//!
//! File in, the chunks of a new one out, through the [`Writer`] like any recording. Invariants: the input is
//! only read; an event is kept only if the checksum over it was right; events keep their indices, and what is
//! missing between them is counted in the chunk behind.

use std::io::{Read, Seek, Write};
use std::ops::Range;

use bytes::Bytes;

use super::body::Body;
use super::decode::Decoded;
use super::frame::{ChunkHeader, ChunkType};
use super::loss::{Damage, LossKind};
use super::payload::Payloads;
use super::reader::ReadError;
use super::rebuilt;
use super::recovery::{Amount, Fresh, Gap, Observer, RecoverError, Recovery};
use super::shelf::Shelf;
use super::walk::{Found, Piece, Walk};
use super::writer::{Entry, Writer, Written};
use crate::event::{Event, EventKind, Payload, PayloadId, is_zero};
use crate::limits::REQUEST_DATA_BYTES_MAX;
use crate::request::Digest;
use crate::units::Nanos;

/// Events that may be missing in a row: what the header of a chunk can say, so that whatever a reader reads is kept.
const MISSING_MAX: u64 = u32::MAX as u64;

/// Writes to `out` what is left of the trace `input`.
pub fn recover<R: Read + Seek, W: Write>(
    input: R,
    out: W,
    fresh: Fresh<'_>,
    observer: &mut dyn Observer,
) -> Result<(W, Recovery), RecoverError> {
    let (mut walk, mut beginning) = Walk::open(input)?;
    let header = rebuilt::header(&mut walk, &mut beginning, fresh.tool)?;
    // The uuid names the recording, of which this is what is left, not the file.
    let uuid = beginning.uuid.unwrap_or(fresh.uuid);
    let writer = Writer::create(out, &header, fresh.salt, uuid)?;
    let report = Recovery {
        header: beginning.worth,
        header_damage: beginning.damage,
        bytes: walk.length(),
        bytes_unused: 0,
        chunks: 0,
        chunks_lost: Amount::default(),
        chunks_misplaced: 0,
        events_lost: Amount::default(),
        payloads_lost: Amount::default(),
        events_without_data: 0,
        gaps: 0,
        ended: false,
        time_last: Nanos(0),
        written: Written::default(),
    };
    let rescue = Rescue {
        walk,
        writer,
        report,
        observer,
        shelf: Shelf::default(),
        sequence: 0,
        next_event: 0,
        skipped: 0,
        next_payload: 0,
        payload_time: Nanos(0),
        gap: None,
        reach: 0,
        closed: false,
        ends_with_index: beginning.ends_with_index,
        headless: false,
    };
    rescue.run()
}

/// A rescue under way.
struct Rescue<'a, R, W: Write> {
    walk: Walk<R>,
    writer: Writer<W>,
    report: Recovery,
    observer: &'a mut dyn Observer,
    shelf: Shelf,
    /// Of the next chunk, if none is missing.
    sequence: u64,
    /// Index of the next event, if none is missing.
    next_event: u64,
    /// Events before it that are not in the new trace.
    skipped: u64,
    /// Number of the next payload, if none is missing.
    next_payload: u64,
    /// Time of the last payload so far.
    payload_time: Nanos,
    /// What is wrong since the last whole chunk of events.
    gap: Option<Gap>,
    /// Events are known of before this index, whole or not.
    reach: u64,
    /// An index ends what was walked, as it should if the header says so.
    closed: bool,
    ends_with_index: bool,
    /// The gap holds bytes of which not even a header is left.
    headless: bool,
}

impl<R: Read + Seek, W: Write> Rescue<'_, R, W> {
    fn run(mut self) -> Result<(W, Recovery), RecoverError> {
        let length = self.walk.length();
        while let Some(piece) = self.walk.next()? {
            match piece {
                Piece::Hole(hole) => {
                    self.unused(hole.bytes, hole.kind);
                    self.headless = true;
                }
                Piece::Chunk(found) => self.chunk(*found)?,
            }
            if self.observer.walked(self.walk.at(), length).is_break() {
                return Err(RecoverError::Stopped);
            }
        }
        self.finish()
    }

    /// Bytes cannot be used.
    fn unused(&mut self, bytes: Range<u64>, kind: LossKind) -> &mut Gap {
        let from = self.report.time_last;
        let gap = self.gap.get_or_insert_with(|| Gap::new(bytes.start, kind, from));
        gap.bytes += bytes.end - bytes.start;
        gap
    }

    /// Something is wrong at `offset` that leaves no byte unused.
    fn wrong(&mut self, offset: u64, kind: impl Into<LossKind>) -> &mut Gap {
        self.unused(offset..offset, kind.into())
    }

    fn chunk(&mut self, found: Found) -> Result<(), RecoverError> {
        let (header, offset) = (found.chunk.header, found.chunk.offset);
        let bytes = offset..self.walk.at();
        if let Some(missing) = header.sequence.checked_sub(self.sequence) {
            if missing > 0 {
                let damage = order("the sequence number", header.sequence, self.sequence);
                self.wrong(offset, damage).chunks.count(missing);
            }
            self.sequence = header.sequence.saturating_add(1);
        } else {
            let damage = order("the sequence number", header.sequence, self.sequence);
            self.unused(bytes, damage.into());
            self.report.chunks_misplaced += 1;
            return Ok(());
        }
        if let Err(damage) = found.summary {
            // It says nothing that the body does not.
            self.wrong(offset, damage);
        }
        self.closed = header.holds == ChunkType::Index && found.body.is_ok();
        match (header.holds, found.body) {
            (ChunkType::Events, Ok(body)) => self.events(&header, bytes, body)?,
            (ChunkType::Payload, Ok(body)) => match Payloads::new(body, header.first, header.count)
            {
                Ok(payloads) => self.payloads(&header, bytes, payloads),
                Err(error) => self.lose_payloads(&header, bytes, Damage::from(error)),
            },
            (ChunkType::Events, Err(damage)) => self.lose_events(&header, bytes, damage),
            (ChunkType::Payload, Err(damage)) => self.lose_payloads(&header, bytes, damage),
            // An index, or what else a reader may skip: nothing that the writer does not make anew.
            (ChunkType::Index | ChunkType::Other(_), Err(damage)) => {
                self.unused(bytes, damage.into());
            }
            (ChunkType::Index | ChunkType::Other(_), Ok(_)) => self.report.chunks += 1,
        }
        Ok(())
    }

    fn lose_events(&mut self, header: &ChunkHeader, bytes: Range<u64>, damage: Damage) {
        self.unused(bytes, damage.into()).chunks.count(1);
        self.reach = self.reach.max(header.first.saturating_add(u64::from(header.count)));
    }

    fn lose_payloads(&mut self, header: &ChunkHeader, bytes: Range<u64>, damage: Damage) {
        let gap = self.unused(bytes, damage.into());
        gap.chunks.count(1);
        gap.payloads.count(u64::from(header.count));
        self.payload_time = Nanos(header.time_last);
        let end = header.first.saturating_add(u64::from(header.count));
        self.next_payload = self.next_payload.max(end);
    }

    fn payloads(&mut self, header: &ChunkHeader, bytes: Range<u64>, payloads: Payloads) {
        let end = header.first.checked_add(u64::from(header.count));
        let (Some(end), Some(missing)) = (end, header.first.checked_sub(self.next_payload)) else {
            let damage = order("the first payload", header.first, self.next_payload);
            return self.lose_payloads(header, bytes, damage);
        };
        if missing > 0 {
            self.miss_payloads(header, bytes.start, missing);
        }
        self.next_payload = end;
        self.payload_time = Nanos(header.time_last);
        self.report.chunks += 1;
        self.shelf.add_unpacked(bytes.start, payloads);
    }

    /// A chunk of payloads tells that so many are missing before it.
    fn miss_payloads(&mut self, header: &ChunkHeader, offset: u64, missing: u64) {
        let damage = order("the first payload", header.first, self.next_payload);
        let told_late = self.gap.is_none();
        let (from, to) = (self.payload_time, Nanos(header.time_first));
        let gap = self.wrong(offset, damage);
        gap.payloads.count(missing);
        if told_late {
            // They were lost somewhere since the payload before; what is wrong from here on is another matter.
            gap.from = from.min(to);
            self.close_gap(Some(to));
        }
    }

    /// Keeps the events of a chunk, unless they cannot follow those before.
    fn events(
        &mut self,
        header: &ChunkHeader,
        bytes: Range<u64>,
        body: Vec<u8>,
    ) -> Result<(), RecoverError> {
        if let Err(damage) = self.follows(header) {
            if self.report.ended || header.first < self.next_event {
                self.wrong(bytes.start, damage).events.count(u64::from(header.count));
                self.unused(bytes, LossKind::Cut).chunks.count(1);
            } else {
                self.lose_events(header, bytes, damage);
            }
            return Ok(());
        }
        let missing = header.first - self.next_event;
        let lost = missing.saturating_sub(u64::from(header.lost));
        if lost > 0 {
            let damage = order("the first event", header.first, self.next_event);
            self.wrong(bytes.start, damage).events.count(lost);
        }
        self.close_gap(Some(Nanos(header.time_first)));
        self.skip(missing)?;
        self.report.chunks += 1;
        self.decode(header, bytes.start, body)
    }

    /// Whether a chunk of events can follow what was kept.
    fn follows(&self, header: &ChunkHeader) -> Result<(), Damage> {
        let before = self.report.time_last.0;
        if self.report.ended {
            return Err(Damage::AfterEnd { event: header.first });
        }
        let missing = header.first.checked_sub(self.next_event);
        let follows =
            missing.is_some_and(|missing| missing.saturating_add(self.skipped) <= MISSING_MAX);
        if !follows || header.first.checked_add(u64::from(header.count)).is_none() {
            return Err(order("the first event", header.first, self.next_event));
        }
        if header.time_first < before {
            return Err(Damage::Time { found: header.time_first, before });
        }
        Ok(())
    }

    fn decode(
        &mut self,
        header: &ChunkHeader,
        offset: u64,
        body: Vec<u8>,
    ) -> Result<(), RecoverError> {
        let end = header.first + u64::from(header.count);
        let mut decoder = match Body::open(header, body) {
            Ok(decoder) => decoder,
            Err(source) => {
                self.wrong(offset, Damage::Event { event: header.first, source });
                self.reach = self.reach.max(end);
                return Ok(());
            }
        };
        loop {
            let event = self.next_event;
            match decoder.next() {
                Ok(Decoded::Done) => return Ok(()),
                Ok(_) if self.report.ended => {
                    self.wrong(offset, Damage::AfterEnd { event }).events.count(end - event);
                    return Ok(());
                }
                Ok(Decoded::Event(event)) => self.keep(event)?,
                Ok(Decoded::Skipped(unknown)) => {
                    self.next_event += 1;
                    self.skipped = 0;
                    self.report.time_last = unknown.time;
                    self.writer.append_unknown(unknown)?;
                }
                Ok(Decoded::Unknown { kind: number, ahead }) => {
                    let event = event + ahead;
                    return Err(ReadError::UnknownEvent { number, event, offset }.into());
                }
                Err(source) => {
                    self.wrong(offset, Damage::Event { event, source });
                    self.reach = self.reach.max(end);
                    return Ok(());
                }
            }
        }
    }

    /// Says that events are missing before the next.
    fn skip(&mut self, events: u64) -> Result<(), RecoverError> {
        self.next_event += events;
        self.skipped += events;
        Ok(self.writer.lose(u32::try_from(events).unwrap_or(u32::MAX))?)
    }

    /// Hands an event on, with its data if they are there.
    fn keep(&mut self, mut event: Event) -> Result<(), RecoverError> {
        self.next_event += 1;
        self.skipped = 0;
        self.report.time_last = event.time;
        self.report.ended = matches!(event.kind, EventKind::End { .. });
        let (payload, length) = match &mut event.kind {
            EventKind::Issue(issue) => (&mut issue.payload, Some(issue.request.range.length)),
            EventKind::Block(block) => (&mut block.payload, None),
            _ => return Ok(self.writer.append(Entry { event, data: None })?),
        };
        let mut data = None;
        if let Payload::Stored(digest, id) = *payload {
            *payload = Payload::Digest(digest);
            match self.data(id, digest) {
                Ok(bytes) if is_zero(&bytes) => *payload = Payload::Zeroes,
                Ok(bytes)
                    if bytes.len() <= REQUEST_DATA_BYTES_MAX as usize
                        && length.is_none_or(|length| length == bytes.len() as u64) =>
                {
                    data = Some(bytes);
                }
                Err(error @ ReadError::Io { .. }) => return Err(error.into()),
                // Lost, in no chunk so far, or not those of this event.
                Ok(_) | Err(_) => self.report.events_without_data += 1,
            }
        }
        Ok(self.writer.append(Entry { event, data })?)
    }

    /// The bytes of a stored payload, if they have the digest that an event says.
    fn data(&mut self, id: PayloadId, digest: Digest) -> Result<Bytes, ReadError> {
        let (_, said) = self.shelf.entry(self.walk.chunks(), id)?;
        if said != digest {
            return Err(ReadError::PayloadMissing { id: id.0 });
        }
        self.shelf.get(self.walk.chunks(), id)
    }

    /// The gap, if there is one, ends: events follow, or the file ends.
    fn close_gap(&mut self, to: Option<Nanos>) {
        self.reach = 0;
        let headless = std::mem::take(&mut self.headless);
        let Some(mut gap) = self.gap.take() else { return };
        gap.to = to;
        // Chunks behind it tell how many are missing; without any, nobody knows.
        gap.chunks.more |= headless && to.is_none() && !self.report.ended;
        self.report.add(&gap);
        self.observer.gap(&gap);
    }

    fn finish(mut self) -> Result<(W, Recovery), RecoverError> {
        let tail = self.reach.saturating_sub(self.next_event).min(MISSING_MAX - self.skipped);
        if !self.report.ended {
            let length = self.walk.length();
            let gap = self.wrong(length, LossKind::NoEnd);
            gap.events.add(Amount { known: tail, more: true });
            self.close_gap(None);
            self.skip(tail)?;
            let event =
                Event { time: self.report.time_last, kind: EventKind::End { status: None } };
            self.writer.append(Entry { event, data: None })?;
        } else if self.ends_with_index && !self.closed {
            // Nothing is lost by it: the writer makes one.
            self.wrong(self.walk.length(), LossKind::NoIndex);
        }
        self.close_gap(None);
        let (out, written) = self.writer.finish()?;
        self.report.written = written;
        Ok((out, self.report))
    }
}

fn order(what: &'static str, found: u64, wanted: u64) -> Damage {
    Damage::Order { what, found, wanted }
}
