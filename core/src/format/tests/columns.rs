//! Tests of chunks by column: what is written is read, and what is no such chunk is refused.

use proptest::collection::vec;
use proptest::prelude::*;

use super::random::any_entries;
use super::*;
use crate::format::body::Body;
use crate::format::columns;
use crate::format::decode::Decoded;
use crate::format::frame::{self, ChunkHeader};
use crate::limits::COLUMNS_EVENTS_MAX;

pub(super) const COLUMNS: Layout = Layout::Columns { level: 3 };

/// The small trace, by column.
fn small_columns() -> (Vec<u8>, Vec<Entry>) {
    let (_, entries) = small();
    (written_as(COLUMNS, &entries, &[2, 4]).0, entries)
}

#[test]
fn a_small_trace_by_column_reads_back_with_its_payloads() {
    let (bytes, entries) = small_columns();
    let read = read(&bytes).unwrap();
    assert!(read.loss.is_none(), "{:?}", read.loss);
    assert_eq!(read.events.len(), entries.len());
    check_prefix(&read, &entries);
    assert_eq!(read.data.len(), 3);
}

#[test]
fn every_truncation_of_a_trace_by_column_says_what_is_lost() {
    let (bytes, entries) = small_columns();
    let mut counts = Vec::new();
    for end in frame::u32_at(&bytes, 16) as usize..bytes.len() {
        let read = read(&bytes[..end]).unwrap();
        check_prefix(&read, &entries);
        let loss = read.loss.unwrap();
        assert_eq!(loss.offset + loss.bytes_unread, end as u64);
        counts.push(read.events.len());
    }
    counts.dedup();
    assert_eq!(counts, [0, 3, 5, entries.len()], "the last lacks the index only");
}

#[test]
fn every_flipped_bit_of_a_trace_by_column_is_noticed() {
    let (bytes, entries) = small_columns();
    for bit in 0..bytes.len() * 8 {
        let mut bytes = bytes.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        if let Ok(read) = read(&bytes) {
            check_prefix(&read, &entries);
            assert!(read.loss.is_some(), "byte {}, bit {}", bit / 8, bit % 8);
        }
    }
}

#[test]
fn events_of_kinds_that_are_not_known_are_carried_along() {
    let unknown = UnknownEvent { time: Nanos(7), kind: 0xf0, fields: b"later".to_vec() };
    for layout in [Layout::Rows, COLUMNS] {
        let writer = Writer::create(Vec::new(), &header(), SALT, UUID).unwrap();
        let mut writer = writer.laid_out(layout);
        writer.append(plain(5, EventKind::Open { device: DeviceId(0) })).unwrap();
        writer.append_unknown(unknown.clone()).unwrap();
        writer.lose(3).unwrap();
        writer.append(plain(9, END)).unwrap();
        let (bytes, _) = writer.finish().unwrap();
        let mut reader = Reader::open(Cursor::new(&bytes)).unwrap();
        let mut items = Vec::new();
        while let Some(item) = reader.next_item().unwrap() {
            items.push(item);
        }
        let open = Event { time: Nanos(5), kind: EventKind::Open { device: DeviceId(0) } };
        let wanted = [
            (0, Item::Event(open.clone())),
            (1, Item::Unknown(unknown.clone())),
            (5, Item::Event(Event { time: Nanos(9), kind: END })),
        ];
        assert_eq!(items, wanted);
        assert_eq!(reader.facts().lost, 3);
        let mut reader = Reader::open(Cursor::new(&bytes)).unwrap();
        assert_eq!(reader.next_event().unwrap(), Some((0, open)));
        assert_eq!(reader.next_event().unwrap().unwrap().0, 5, "it is skipped by others");
    }
}

/// The body of a chunk by column that holds `entries`, with how many, and the first and last time.
fn body_of(entries: &[Entry]) -> (Vec<u8>, u32, u64, u64) {
    let mut encoder = columns::Encoder::default();
    for entry in entries {
        encoder.add(&entry.event);
    }
    let rows = encoder.take();
    (rows.body, rows.count, rows.time_first, rows.time_last)
}

fn opened(body: &[u8], count: u32, first: u64, last: u64) -> Option<Body> {
    columns::Decoder::new(body, count, first, last).ok().map(|body| Body::Columns(Box::new(body)))
}

#[test]
fn a_chunk_that_claims_more_events_than_fit_in_memory_is_refused() {
    let (body, ..) = body_of(&[plain(0, END)]);
    let refused = columns::Decoder::new(&body, COLUMNS_EVENTS_MAX + 1, 0, 0).unwrap_err();
    assert!(matches!(refused, DecodeError::Events { .. }), "{refused}");
    let checkpoints = (0..1000).map(|_| plain(1, EventKind::Checkpoint(Checkpoint::Controller)));
    let (body, count, ..) = body_of(&checkpoints.collect::<Vec<_>>());
    assert!(body.len() < 12, "a thousand equal events take next to nothing");
    for wrong in [0, count - 1, count + 1, COLUMNS_EVENTS_MAX] {
        assert!(opened(&body, wrong, 1, 1).is_none(), "{wrong}");
    }
    assert!(opened(&body, count, 1, 2).is_none(), "the last time is another");
    assert!(opened(&body, count, 1, 1).is_some());
}

#[test]
fn an_unknown_kind_that_must_be_known_is_refused_at_its_index() {
    // One checkpoint, then an event of kind 99 among the others.
    let body = [2, 1, 0, 2, 23, 0, 2, 2, 3, 99, 0];
    let mut decoder = columns::Decoder::new(&body, 2, 0, 0).unwrap();
    assert_eq!(decoder.next(), Ok(Decoded::Unknown { kind: 99, ahead: 1 }));
}

#[test]
fn chunks_by_column_close_by_count_and_not_by_payloads() {
    let writer = Writer::create(Vec::new(), &header(), SALT, UUID).unwrap();
    let mut writer = writer.laid_out(COLUMNS);
    let large: Vec<u8> = (1..=255).cycle().take(PAYLOAD_CHUNK_BYTES).collect();
    writer.append(write(0, 0, &large)).unwrap();
    assert_eq!(writer.written().chunks, 1, "the payloads go first");
    let mut id = 1;
    while writer.written().chunks == 1 {
        writer.append(plain(id, issue(id, Operation::Read, Payload::Absent))).unwrap();
        id += 1;
    }
    assert_eq!(id, u64::from(crate::limits::COLUMNS_EVENTS));
    let (bytes, written) = writer.finish().unwrap();
    assert_eq!(written.events, id);
    assert_eq!(read(&bytes).unwrap().events.len() as u64, id);
}

#[test]
fn payloads_are_never_by_column() {
    let (mut bytes, _) = small_columns();
    let at = frame::u32_at(&bytes, 16) as usize;
    let mut header = ChunkHeader::decode(&bytes[at..at + 84]).unwrap();
    header.encoding = frame::ENCODING_COLUMNS;
    bytes[at..at + 84].copy_from_slice(&header.encode());
    assert!(matches!(read(&bytes), Err(ReadError::UnknownEncoding { number: 1, .. })));
}

proptest! {
    #[test]
    fn any_bytes_as_a_body_by_column_are_refused_or_events(
        body in vec(any::<u8>(), 0..200),
        count in 0..300_u32,
    ) {
        let Some(mut body) = opened(&body, count, 0, 0) else { return Ok(()) };
        for _ in 0..count {
            match body.next() {
                Ok(Decoded::Event(_) | Decoded::Skipped(_)) => {}
                _ => return Ok(()),
            }
        }
        prop_assert!(!matches!(body.next(), Ok(Decoded::Event(_))), "there are no more than said");
    }

    #[test]
    fn a_body_by_column_with_a_changed_byte_is_refused_or_as_many_events(
        entries in any_entries(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let (mut body, count, first, last) = body_of(&entries);
        let at = at.index(body.len());
        body[at] = byte;
        let Some(mut opened) = opened(&body, count, first, last) else { return Ok(()) };
        for _ in 0..count {
            if opened.next().is_err() {
                return Ok(());
            }
        }
        prop_assert!(!matches!(opened.next(), Ok(Decoded::Event(_))));
    }
}
