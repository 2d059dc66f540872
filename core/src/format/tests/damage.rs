//! Tests of what the reader does with files that are cut, damaged, foreign or of a later version.

use std::io::Cursor;

use super::*;
use crate::format::frame::{self, COMPATIBLE, ChunkHeader, ChunkType};
use crate::format::index;
use crate::format::preamble::FIXED_BYTES;
use crate::limits::HEADER_BYTES_MAX;

#[test]
fn every_truncation_gives_the_whole_chunks_and_says_what_is_lost() {
    let (bytes, entries) = small();
    let header_len = frame::u32_at(&bytes, 16) as usize;
    let mut counts = Vec::new();
    for end in 0..bytes.len() {
        match read(&bytes[..end]) {
            Err(ReadError::Preamble(PreambleError::Cut { found, .. })) => {
                assert!(end < header_len);
                assert_eq!(found, end);
            }
            Err(ReadError::NotATrace { origin }) => {
                assert_eq!(origin, if end == 0 { Origin::Empty } else { Origin::TraceCut });
            }
            Err(error) => panic!("{end} bytes: {error}"),
            Ok(read) => {
                check_prefix(&read, &entries);
                let loss = read.loss.unwrap();
                assert_eq!(loss.events, read.events.len() as u64);
                assert_eq!(loss.offset + loss.bytes_unread, end as u64);
                let kinds =
                    matches!(loss.kind, LossKind::Cut | LossKind::NoEnd | LossKind::NoIndex);
                assert!(kinds, "{loss}");
                counts.push(read.events.len());
            }
        }
    }
    counts.dedup();
    assert_eq!(counts, [0, 3, 5, 9], "the whole chunks, one after another");
}

#[test]
fn every_flipped_bit_is_noticed() {
    let (bytes, entries) = small();
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
fn a_survey_finds_the_same_without_reading_bodies() {
    let (bytes, entries) = small();
    let survey = Reader::open(Cursor::new(&bytes)).unwrap().survey().unwrap();
    assert!(survey.loss.is_none());
    assert_eq!(survey.status, Some(3));
    assert_eq!(survey.facts.events, entries.len() as u64);
    assert_eq!(survey.facts.file_bytes, bytes.len() as u64);
    assert_eq!(survey.facts.operations.total().issues, 4);
    assert_eq!(survey.facts.operations.total().completions, 2);
    assert_eq!(survey.facts.payloads, 2);
    let mut reader = Reader::open(Cursor::new(&bytes)).unwrap();
    while reader.next_event().unwrap().is_some() {}
    assert_eq!(*reader.facts(), survey.facts);
    for end in frame::u32_at(&bytes, 16) as usize..bytes.len() {
        let read = read(&bytes[..end]).unwrap().loss.unwrap();
        let survey = Reader::open(Cursor::new(&bytes[..end])).unwrap().survey().unwrap();
        assert_eq!(survey.loss.unwrap().to_string(), read.to_string(), "{end} bytes");
        assert_eq!(survey.status, None);
    }
}

/// What a chunk that this version does not write looks like.
fn foreign_chunk(number: u16, sequence: u64) -> Vec<u8> {
    let body = b"whatever";
    let header = ChunkHeader {
        holds: ChunkType::Other(number),
        encoding: 9,
        codec: 9,
        header_len: 84,
        summary_len: 0,
        salt: SALT,
        sequence,
        raw_len: 100,
        stored_len: 8,
        count: 1,
        lost: 0,
        first: 0,
        time_first: 0,
        time_last: 0,
        summary_crc: crc32c::crc32c(&[]),
        body_crc: crc32c::crc32c(body),
    };
    [&header.encode()[..], body].concat()
}

#[test]
fn a_compatible_chunk_that_is_not_known_is_skipped_and_others_are_refused() {
    let (bytes, entries) = small();
    let chunks = written(&entries, &[2, 4]).1.chunks;
    let longer = [&bytes[..], &foreign_chunk(COMPATIBLE | 0x77, chunks)].concat();
    let whole = read(&longer).unwrap();
    assert!(whole.loss.is_none());
    assert_eq!(whole.events.len(), entries.len());
    let refused = read(&[&bytes[..], &foreign_chunk(77, chunks)].concat());
    assert!(matches!(refused, Err(ReadError::UnknownChunk { number: 77, .. })));
}

/// The trace with its metadata and feature bits changed, and the checksum made right. It loses its index, whose
/// places would be wrong.
fn with_header(bytes: &[u8], incompatible: u32, metadata: &[u8]) -> Vec<u8> {
    let bytes = &bytes[..usize::try_from(index::trailer(bytes).unwrap()).unwrap()];
    let chunks_at = frame::u32_at(bytes, 16) as usize;
    let mut changed = bytes[..FIXED_BYTES].to_vec();
    let length = u32::try_from(FIXED_BYTES + metadata.len() + 4).unwrap();
    changed[16..20].copy_from_slice(&length.to_le_bytes());
    changed[20..24].copy_from_slice(&(u32::MAX - 1).to_le_bytes());
    changed[24..28].copy_from_slice(&incompatible.to_le_bytes());
    changed.extend(metadata);
    changed.extend(crc32c::crc32c(&changed).to_le_bytes());
    changed.extend(&bytes[chunks_at..]);
    changed
}

#[test]
fn an_incompatible_feature_is_refused_by_name_and_compatible_ones_are_ignored() {
    let (bytes, _) = small();
    let mut metadata = serde_json::to_value(header()).unwrap();
    metadata["features"] = serde_json::json!({ "5": "columns" });
    let metadata = serde_json::to_vec(&metadata).unwrap();
    let refused = read(&with_header(&bytes, 1 << 5, &metadata)).unwrap_err().to_string();
    assert_eq!(
        refused,
        "the trace needs the feature `columns` (incompatible bit 5), which this program does not know"
    );
    let refused = read(&with_header(&bytes, 1 << 6, &metadata)).unwrap_err().to_string();
    assert!(refused.contains("the feature with incompatible bit 6"), "{refused}");
    assert!(read(&with_header(&bytes, 0, &metadata)).unwrap().loss.is_none());
}

#[test]
fn headers_that_are_none_are_refused_for_what_they_are() {
    let (bytes, _) = small();
    let mut later = bytes.clone();
    later[12] = 2;
    assert!(matches!(
        read(&later),
        Err(ReadError::Preamble(PreambleError::Version { major: 2, minor: 0 }))
    ));
    for length in [0, 55, u32::try_from(HEADER_BYTES_MAX).unwrap() + 1, u32::MAX] {
        let mut wrong = bytes.clone();
        wrong[16..20].copy_from_slice(&length.to_le_bytes());
        let refused = read(&wrong);
        assert!(
            matches!(refused, Err(ReadError::Preamble(PreambleError::Length { found })) if found == length)
        );
    }
    let refused = read(&with_header(&bytes, 0, b"{}"));
    assert!(matches!(refused, Err(ReadError::Preamble(PreambleError::Metadata(_)))));
    let huge = Header { tool: "x".repeat(HEADER_BYTES_MAX), ..header() };
    let refused = Writer::create(Vec::new(), &huge, 0, 0);
    assert!(matches!(refused, Err(WriteError::Header(PreambleError::TooLong { .. }))));
}

#[test]
fn chunks_of_another_trace_or_out_of_order_are_damage() {
    let (bytes, entries) = small();
    let last = foreign_chunk(COMPATIBLE, 99);
    let loss = read(&[&bytes[..], &last].concat()).unwrap().loss.unwrap();
    assert!(matches!(loss.kind, LossKind::Damaged(Damage::Order { found: 99, .. })), "{loss}");
    let mut writer = Writer::create(Vec::new(), &header(), SALT + 1, UUID).unwrap();
    writer.append(plain(60, END)).unwrap();
    let (other, _) = writer.finish().unwrap();
    let chunk = &other[frame::u32_at(&other, 16) as usize..];
    let loss = read(&[&bytes[..], chunk].concat()).unwrap().loss.unwrap();
    assert!(matches!(loss.kind, LossKind::Damaged(Damage::Salt { .. })), "{loss}");
    let twice = [entries, vec![plain(60, END)]].concat();
    let loss = read(&written(&twice, &[]).0).unwrap().loss.unwrap();
    assert!(matches!(loss.kind, LossKind::Damaged(Damage::AfterEnd { event: 9 })), "{loss}");
}
