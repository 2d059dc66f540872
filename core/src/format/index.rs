//! The index: where the chunks of a trace lie and what they add up to. A struct in, bytes out, and back.
//!
//! One lists the chunks since the index before it, which it names, and sums over all chunks before it. It is a
//! hint: whoever uses it checks it against the headers of the chunks. Invariant: bytes that decode
//! claim nothing that their number does not allow.

use super::counts::OperationCounts;
use super::decode::DecodeError;
use super::facts::Facts;
use super::frame::{ChunkHeader, ChunkType, array_at, u64_at};
use super::summary::{Summary, for_each_tag};
use super::varint::{Source, put, put_difference};
use crate::request::RequestId;
use crate::units::Nanos;

/// The last bytes of an index.
const TRAILER_MAGIC: [u8; 8] = *b"BLKINDEX";

/// Length of what an index ends with: its offset in the file, and [`TRAILER_MAGIC`].
pub(super) const TRAILER_BYTES: usize = 16;

/// The tags of the sums.
const OPERATIONS: u64 = 1;
const NUMBERS: u64 = 2;
const ENDED: u64 = 3;

/// Whether the event that ends a trace is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum End {
    #[default]
    Missing,
    /// It is, with this exit status of the recorded command.
    Said(Option<u8>),
}

/// A chunk of a trace, as an index lists it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkEntry {
    /// Whether it holds events; payloads otherwise.
    pub holds_events: bool,
    /// Its first byte in the file.
    pub offset: u64,
    /// All of it, in bytes.
    pub length: u64,
    /// Its place among all chunks of the file.
    pub sequence: u64,
    /// Index of its first event, or number of its first payload.
    pub first: u64,
    /// Events or payloads.
    pub count: u64,
    /// Events dropped before it.
    pub lost: u64,
    /// Time of its first event.
    pub time_first: Nanos,
    /// Time of its last event.
    pub time_last: Nanos,
    /// Requests issued in it.
    pub issues: u64,
    /// Lowest and highest id of these; `None` without one.
    pub ids: Option<(RequestId, RequestId)>,
    /// Marks in it.
    pub marks: u64,
}

impl ChunkEntry {
    /// What an index says of a chunk; `None` if it does not list chunks of its type.
    pub(super) fn of(offset: u64, header: &ChunkHeader, summary: &Summary) -> Option<ChunkEntry> {
        let holds_events = match header.holds {
            ChunkType::Events => true,
            ChunkType::Payload => false,
            ChunkType::Index | ChunkType::Other(_) => return None,
        };
        Some(ChunkEntry {
            holds_events,
            offset,
            length: header.chunk_len(),
            sequence: header.sequence,
            first: header.first,
            count: u64::from(header.count),
            lost: u64::from(header.lost),
            time_first: Nanos(header.time_first),
            time_last: Nanos(header.time_last),
            issues: summary.operations.total().issues,
            ids: summary.ranges.map(|ranges| (ranges.id_first, ranges.id_last)),
            marks: summary.marks.len() as u64,
        })
    }

    /// The byte behind it.
    pub(super) fn end(&self) -> u64 {
        self.offset.saturating_add(self.length)
    }

    /// The event or payload behind it.
    pub fn next(&self) -> u64 {
        self.first.saturating_add(self.count)
    }

    /// Whether this header is that of the chunk.
    pub(super) fn is_of(&self, header: &ChunkHeader) -> bool {
        let kind = if self.holds_events { ChunkType::Events } else { ChunkType::Payload };
        header.holds == kind
            && header.chunk_len() == self.length
            && header.sequence == self.sequence
            && header.first == self.first
            && u64::from(header.count) == self.count
            && u64::from(header.lost) == self.lost
            && (header.time_first, header.time_last) == (self.time_first.0, self.time_last.0)
    }
}

/// An index.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Index {
    /// First byte of the index before; `None` for the first one.
    pub(super) previous: Option<u64>,
    /// Sums over all chunks before this one.
    pub(super) totals: Facts,
    /// Whether the event that ends the recording lies before.
    pub(super) end: End,
    /// The chunks since the index before.
    pub(super) entries: Vec<ChunkEntry>,
}

impl Index {
    /// The body of the chunk that will lie at `offset`.
    pub(super) fn encode(&self, offset: u64) -> Vec<u8> {
        let mut body = self.previous.unwrap_or(0).to_le_bytes().to_vec();
        put_counted(&mut body, &encode_totals(&self.totals, self.end));
        let mut before = Before::default();
        for entry in &self.entries {
            put_counted(&mut body, &before.encode(entry));
        }
        body.extend(offset.to_le_bytes());
        body.extend(TRAILER_MAGIC);
        body
    }

    /// Reads the body of the chunk at `offset`, which lists `count` chunks.
    pub(super) fn decode(body: &[u8], offset: u64, count: u32) -> Result<Index, DecodeError> {
        let listed = body.len().saturating_sub(TRAILER_BYTES);
        if trailer(body) != Some(offset) {
            return Err(DecodeError::Value {
                at: listed,
                what: "the offset of an index",
                found: offset,
            });
        }
        let mut source = Source::new(&body[..listed], 0);
        let previous = u64::from_le_bytes(source.array()?);
        let length = source.number()?;
        let (totals, end) = decode_totals(source.slice(length)?)?;
        let mut entries = Vec::new();
        let mut before = Before::default();
        for _ in 0..count {
            let length = source.number()?;
            entries.push(before.decode(&mut Source::new(source.slice(length)?, 0))?);
        }
        match source.left() {
            0 => {
                let previous = Some(previous).filter(|offset| *offset > 0);
                Ok(Index { previous, totals, end, entries })
            }
            left => Err(DecodeError::Trailing { at: source.at(), left }),
        }
    }
}

/// Where the index begins that ends with these bytes; `None` if none does.
pub(super) fn trailer(bytes: &[u8]) -> Option<u64> {
    let trailer = bytes.last_chunk::<TRAILER_BYTES>()?;
    (array_at::<8>(trailer, 8) == TRAILER_MAGIC).then(|| u64_at(trailer, 0))
}

fn put_counted(out: &mut Vec<u8>, value: &[u8]) {
    put(out, value.len() as u64);
    out.extend(value);
}

fn put_tagged(out: &mut Vec<u8>, tag: u64, value: &[u8]) {
    put(out, tag);
    put_counted(out, value);
}

fn encode_totals(totals: &Facts, end: End) -> Vec<u8> {
    let mut list = Vec::new();
    put_tagged(&mut list, OPERATIONS, &totals.operations.encode());
    let mut numbers = Vec::new();
    let mut copy = *totals;
    copy.numbers().into_iter().for_each(|number| put(&mut numbers, *number));
    put_tagged(&mut list, NUMBERS, &numbers);
    if let End::Said(status) = end {
        let mut value = Vec::new();
        put(&mut value, status.map_or(0, |status| u64::from(status) + 1));
        put_tagged(&mut list, ENDED, &value);
    }
    list
}

fn decode_totals(list: &[u8]) -> Result<(Facts, End), DecodeError> {
    let (mut totals, mut end) = (Facts::default(), End::Missing);
    for_each_tag(list, |tag, value| {
        let mut source = Source::new(value, 0);
        match tag {
            OPERATIONS => totals.operations = OperationCounts::decode(value)?,
            NUMBERS => {
                for place in totals.numbers() {
                    *place = source.number()?;
                }
            }
            ENDED => {
                let found = source.number()?;
                let status = found.checked_sub(1).map(u8::try_from).transpose();
                let what = "a status";
                let status =
                    status.map_err(|_| DecodeError::Value { at: source.at(), what, found });
                end = End::Said(status?);
            }
            _ => {}
        }
        Ok::<(), DecodeError>(())
    })?;
    Ok((totals, end))
}

/// What the next entry is told relative to.
#[derive(Debug, Default)]
struct Before {
    end: u64,
    sequence: u64,
    event: u64,
    payload: u64,
    time: u64,
    id: u64,
}

impl Before {
    fn next_of(&mut self, holds_events: bool) -> &mut u64 {
        if holds_events { &mut self.event } else { &mut self.payload }
    }

    fn pass(&mut self, entry: &ChunkEntry) {
        self.end = entry.end();
        self.sequence = entry.sequence.wrapping_add(1);
        *self.next_of(entry.holds_events) = entry.next();
        self.time = entry.time_last.0;
        self.id = entry.ids.map_or(self.id, |(_, last)| last.0.wrapping_add(1));
    }

    fn encode(&mut self, entry: &ChunkEntry) -> Vec<u8> {
        let kind = if entry.holds_events { ChunkType::Events } else { ChunkType::Payload };
        let mut bytes = Vec::new();
        put(&mut bytes, u64::from(kind.number()));
        put_difference(&mut bytes, entry.offset, self.end);
        put(&mut bytes, entry.length);
        put_difference(&mut bytes, entry.sequence, self.sequence);
        put_difference(&mut bytes, entry.first, *self.next_of(entry.holds_events));
        put(&mut bytes, entry.count);
        put(&mut bytes, entry.lost);
        put_difference(&mut bytes, entry.time_first.0, self.time);
        put_difference(&mut bytes, entry.time_last.0, entry.time_first.0);
        put(&mut bytes, entry.marks);
        put(&mut bytes, entry.issues);
        if let Some((first, last)) = entry.ids {
            put_difference(&mut bytes, first.0, self.id);
            put_difference(&mut bytes, last.0, first.0);
        }
        self.pass(entry);
        bytes
    }

    fn decode(&mut self, source: &mut Source<'_>) -> Result<ChunkEntry, DecodeError> {
        let found = source.number()?;
        let holds_events = match u16::try_from(found).map(ChunkType::from_number) {
            Ok(ChunkType::Events) => true,
            Ok(ChunkType::Payload) => false,
            _ => {
                let what = "the type of a chunk in an index";
                return Err(DecodeError::Value { at: source.at(), what, found });
            }
        };
        let mut entry = ChunkEntry {
            holds_events,
            offset: source.difference(self.end)?,
            length: source.number()?,
            sequence: source.difference(self.sequence)?,
            first: source.difference(*self.next_of(holds_events))?,
            count: source.number()?,
            lost: source.number()?,
            time_first: Nanos(source.difference(self.time)?),
            time_last: Nanos(0),
            issues: 0,
            ids: None,
            marks: 0,
        };
        entry.time_last = Nanos(source.difference(entry.time_first.0)?);
        entry.marks = source.number()?;
        entry.issues = source.number()?;
        if entry.issues > 0 {
            let first = source.difference(self.id)?;
            entry.ids = Some((RequestId(first), RequestId(source.difference(first)?)));
        }
        self.pass(&entry);
        Ok(entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(place: u64, holds_events: bool) -> ChunkEntry {
        ChunkEntry {
            holds_events,
            offset: 500 + place * 1000,
            length: 1000,
            sequence: place,
            first: place * 10,
            count: 10,
            lost: place % 2,
            time_first: Nanos(place * 1_000_000),
            time_last: Nanos(place * 1_000_000 + 999),
            issues: if holds_events { 3 } else { 0 },
            ids: holds_events.then_some((RequestId(place * 3), RequestId(place * 3 + 2))),
            marks: place % 3,
        }
    }

    fn some() -> Index {
        let mut totals = Facts::default();
        for (number, place) in (1u64..).zip(totals.numbers()) {
            *place = number << number;
        }
        let entries = (0..6).map(|place| entry(place, place % 3 != 0)).collect();
        Index { previous: Some(77), totals, end: End::Said(Some(3)), entries }
    }

    #[test]
    fn an_index_reads_back_and_is_found_by_its_last_bytes() {
        for index in [some(), Index::default(), Index { end: End::Said(None), ..some() }] {
            let body = index.encode(1 << 40);
            let count = u32::try_from(index.entries.len()).unwrap();
            assert_eq!(Index::decode(&body, 1 << 40, count).unwrap(), index);
            assert_eq!(trailer(&body), Some(1 << 40));
        }
        assert_eq!(trailer(b"BLKINDEX"), None);
    }

    #[test]
    fn an_index_of_another_place_or_length_is_refused() {
        let body = some().encode(9);
        assert!(Index::decode(&body, 8, 6).is_err(), "it was written elsewhere");
        assert!(Index::decode(&body, 9, 5).is_err(), "bytes are left");
        assert!(Index::decode(&body, 9, u32::MAX).is_err(), "there are not so many");
        for end in 0..body.len() {
            assert!(Index::decode(&body[..end], 9, 6).is_err(), "{end} bytes");
        }
    }

    #[test]
    fn what_a_later_version_adds_to_an_entry_is_ignored() {
        let index = Index { entries: vec![entry(1, true)], ..Index::default() };
        let body = index.encode(9);
        let entry_bytes = Before::default().encode(&index.entries[0]);
        let at = body.len() - TRAILER_BYTES - entry_bytes.len() - 1;
        let mut longer = body[..at].to_vec();
        put_counted(&mut longer, &[&entry_bytes[..], b"new"].concat());
        longer.extend(&body[body.len() - TRAILER_BYTES..]);
        assert_eq!(Index::decode(&longer, 9, 1).unwrap(), index);
    }
}
