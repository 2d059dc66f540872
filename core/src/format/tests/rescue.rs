//! Tests of recovery: whatever is done to a trace, what comes out is whole, and nothing in it is made up.

use std::io::Cursor;
use std::ops::ControlFlow;

use super::*;
use crate::format::frame::{self, ChunkHeader, ChunkType};

/// Keeps what it is told.
#[derive(Default)]
pub(super) struct Told {
    pub(super) gaps: Vec<String>,
}

impl Observer for Told {
    fn gap(&mut self, gap: &Gap) {
        self.gaps.push(gap.to_string());
    }

    fn walked(&mut self, bytes: u64, of: u64) -> ControlFlow<()> {
        assert!(bytes <= of, "{bytes} of {of}");
        ControlFlow::Continue(())
    }
}

const FRESH: Fresh<'static> = Fresh { salt: 0xf4e5, uuid: 99, tool: "test" };

/// What is left of `bytes`; `None` if nothing tells that they are a trace.
fn recovered(bytes: &[u8]) -> Option<(Vec<u8>, Recovery, Told)> {
    let mut told = Told::default();
    match recover(Cursor::new(bytes), Vec::new(), FRESH, &mut told) {
        Ok((out, recovery)) => Some((out, recovery, told)),
        Err(RecoverError::Read(_)) => None,
        Err(error) => panic!("{error}"),
    }
}

/// The events of a trace with their indices, without numbers of payloads; the trace must be whole.
fn events(bytes: &[u8]) -> Vec<(u64, Event)> {
    let mut reader = Reader::open(Cursor::new(bytes)).unwrap();
    let mut events = Vec::new();
    while let Some((index, event)) = reader.next_event().unwrap() {
        if let EventKind::Issue(Issue { payload: Payload::Stored(_, id), .. }) = event.kind {
            reader.payload(id).unwrap();
        }
        events.push((index, unnumbered(event)));
    }
    assert!(reader.loss().is_none(), "{:?}", reader.loss());
    events
}

/// Asserts that `kept` are events of `all`, but for an end that had to be added.
#[track_caller]
fn check_kept(kept: &[(u64, Event)], all: &[(u64, Event)], place: &str) {
    let (last, rest) = kept.split_last().unwrap();
    for (index, event) in rest {
        assert_eq!(
            all.get(usize::try_from(*index).unwrap()),
            Some(&(*index, event.clone())),
            "{place}"
        );
    }
    let added = matches!(last.1.kind, EventKind::End { status: None });
    assert!(added || all.contains(last), "{place}: {last:?}");
}

#[test]
fn a_whole_trace_is_recovered_whole() {
    let (bytes, _) = small();
    let (out, recovery, told) = recovered(&bytes).unwrap();
    assert!(recovery.is_whole() && !recovery.lost_something() && told.gaps.is_empty());
    assert_eq!(events(&out), events(&bytes));
    let reader = Reader::open(Cursor::new(&out)).unwrap();
    assert_eq!(reader.uuid(), UUID, "it is the same recording");
    let note = reader.header().recovered.clone().unwrap();
    assert_eq!(note.header, HeaderWorth::Whole);
    assert_eq!((note.tool.as_str(), note.bytes), ("test", bytes.len() as u64));
}

#[test]
fn what_is_left_of_every_cut_is_whole() {
    let (bytes, _) = small();
    let all = events(&bytes);
    let mut most = 0;
    let index = chunks(&bytes).last().unwrap().0;
    for end in 0..bytes.len() {
        let Some((out, recovery, _)) = recovered(&bytes[..end]) else {
            assert_eq!(most, 0, "{end} bytes");
            continue;
        };
        assert!(!recovery.is_whole(), "{end} bytes");
        assert_eq!(recovery.lost_something(), end < index, "an index is made anew: {end} bytes");
        assert_eq!(recovery.ended, end >= index, "{end} bytes");
        let kept = events(&out);
        check_kept(&kept, &all, &format!("{end} bytes"));
        assert!(kept.len() >= most, "{end} bytes");
        most = kept.len();
    }
    assert!(most > 5);
}

#[test]
fn what_is_left_after_every_flip_is_whole_and_true() {
    let (bytes, _) = small();
    let all = events(&bytes);
    let first_chunk = frame::u32_at(&bytes, 16) as usize;
    for place in 0..bytes.len() {
        for bit in 0..8 {
            let mut hurt = bytes.clone();
            hurt[place] ^= 1 << bit;
            let Some((out, recovery, _)) = recovered(&hurt) else {
                panic!("byte {place}: one bit does not hide a trace");
            };
            assert!(!recovery.is_whole(), "byte {place}, bit {bit}");
            let kept = events(&out);
            check_kept(&kept, &all, &format!("byte {place}, bit {bit}"));
            if place < first_chunk {
                assert_ne!(recovery.header, HeaderWorth::Whole, "byte {place}, bit {bit}");
                assert_eq!(kept, all, "the events are whole: byte {place}, bit {bit}");
            }
            let missing = all.len() as u64 - kept.len() as u64;
            let said = recovery.events_lost;
            assert!(
                said.known == missing || said.more && said.known <= missing + 1,
                "byte {place}, bit {bit}: {missing} missing, {said} said"
            );
        }
    }
}

/// The chunks of a trace: where each begins, and its header.
pub(super) fn chunks(bytes: &[u8]) -> Vec<(usize, ChunkHeader)> {
    let mut at = frame::u32_at(bytes, 16) as usize;
    let mut chunks = Vec::new();
    while at < bytes.len() {
        let header = ChunkHeader::decode(&bytes[at..at + 84]).unwrap();
        chunks.push((at, header));
        at += usize::try_from(header.chunk_len()).unwrap();
    }
    chunks
}

/// Ten chunks of events, ten events each, then one with the end.
fn long() -> Vec<u8> {
    let mut entries: Vec<_> =
        (0..100).map(|id| plain(id * 10, issue(id, Operation::Read, Payload::Absent))).collect();
    entries.push(plain(2000, END));
    written(&entries, &(0..10).map(|chunk| chunk * 10 + 9).collect::<Vec<_>>()).0
}

#[test]
fn a_chunk_whose_header_is_gone_costs_its_events_and_they_are_counted() {
    let mut bytes = long();
    let third = chunks(&bytes)[3].0;
    bytes[third] = 0;
    let (out, recovery, told) = recovered(&bytes).unwrap();
    assert_eq!(recovery.events_lost, Amount { known: 10, more: false });
    assert_eq!(recovery.chunks_lost, Amount { known: 1, more: false });
    assert!(recovery.ended);
    let kept = events(&out);
    assert_eq!(kept.len(), 91);
    assert_eq!(kept[30].0, 40, "indices stay");
    assert_eq!(
        told.gaps,
        [format!(
            "byte {third}: no chunk begins there; 1 chunk, 10 events lost between 290ns and 400ns"
        )]
    );
    let survey = Reader::open(Cursor::new(&out)).unwrap().survey().unwrap();
    assert_eq!((survey.facts.lost, survey.facts.events), (10, 91));
    let (again, recovery, _) = recovered(&out).unwrap();
    assert!(recovery.is_whole(), "what is missing is known by now");
    assert_eq!(events(&again), kept);
}

#[test]
fn bytes_that_are_missing_or_added_cost_one_chunk() {
    let bytes = long();
    let all = events(&bytes);
    let body = chunks(&bytes)[4].0 + 100;
    let missing = [&bytes[..body], &bytes[body + 7..]].concat();
    let added = [&bytes[..body], b"BLKC is the magic", &bytes[body..]].concat();
    for hurt in [missing, added] {
        let (out, recovery, _) = recovered(&hurt).unwrap();
        assert_eq!(recovery.events_lost, Amount { known: 10, more: false });
        check_kept(&events(&out), &all, "");
        assert_eq!(events(&out).len(), 91);
    }
}

#[test]
fn chunks_that_come_twice_or_out_of_order_are_told_and_not_used() {
    let bytes = long();
    let places: Vec<usize> = chunks(&bytes).iter().map(|(at, _)| *at).collect();
    let piece = |from: usize, to: usize| &bytes[places[from]..places[to]];
    let twice = [&bytes[..places[5]], piece(2, 4), &bytes[places[5]..]].concat();
    let (out, recovery, _) = recovered(&twice).unwrap();
    assert_eq!((recovery.chunks_misplaced, recovery.lost_something()), (2, false));
    assert!(!recovery.is_whole());
    assert_eq!(events(&out), events(&bytes));
    let swapped = [&bytes[..places[2]], piece(3, 4), piece(2, 3), &bytes[places[4]..]].concat();
    let (out, recovery, _) = recovered(&swapped).unwrap();
    assert_eq!((recovery.chunks_misplaced, recovery.events_lost.known), (1, 10));
    check_kept(&events(&out), &events(&bytes), "");
    let after_end = [&bytes[..], &bytes[places[0]..]].concat();
    let (out, recovery, _) = recovered(&after_end).unwrap();
    assert!(!recovery.lost_something() && recovery.chunks_misplaced == 12);
    assert_eq!(events(&out), events(&bytes));
}

#[test]
fn data_that_are_missed_late_are_a_gap_of_their_own() {
    let entries: Vec<_> = (0..30)
        .map(|id| write(id * 10, id, format!("the data of request {id}").as_bytes()))
        .chain([plain(900, END)])
        .collect();
    let (mut bytes, _) = written(&entries, &[9, 19]);
    let places = chunks(&bytes);
    let kinds: Vec<_> = places.iter().map(|(_, header)| header.holds).collect();
    let (data, events) = (ChunkType::Payload, ChunkType::Events);
    assert_eq!(kinds, [data, events, data, events, data, events, ChunkType::Index]);
    // Nothing is left of the first data, and the second events do not read.
    bytes[places[0].0] ^= 1;
    bytes[places[4].0 - 1] ^= 1;
    let (_, recovery, told) = recovered(&bytes).unwrap();
    assert_eq!(recovery.payloads_lost, Amount { known: 10, more: false });
    assert_eq!(recovery.events_lost, Amount { known: 10, more: false });
    let [first, late, second] = &told.gaps[..] else { panic!("{:?}", told.gaps) };
    assert!(first.ends_with("no chunk begins there; 1 chunk lost between 0ns and 0ns"), "{first}");
    let said = "the first payload of the chunk there is 10, expected 0; 10 payloads lost between 0ns and 100ns";
    assert_eq!(*late, format!("byte {}: {said}", places[2].0));
    assert!(
        second.starts_with(&format!("byte {}: the checksum of the body", places[3].0)),
        "{second}"
    );
    assert!(second.ends_with("; 1 chunk, 10 events lost between 90ns and 200ns"), "{second}");
}

#[test]
fn a_chunk_that_claims_to_be_the_last_of_all_does_not_break_the_count() {
    let bytes = long();
    let places: Vec<usize> = chunks(&bytes).iter().map(|(at, _)| *at).collect();
    let claims = |chunk: usize, at: usize| {
        let start = places[chunk];
        let mut bytes = bytes.clone();
        bytes[start + at..start + at + 8].fill(0xff);
        let sum = crc32c::crc32c(&bytes[start..start + 80]);
        bytes[start + 80..start + 84].copy_from_slice(&sum.to_le_bytes());
        // And its body does not read.
        bytes[places[chunk + 1] - 1] ^= 1;
        bytes
    };
    for (chunk, at) in [(0, 24), (3, 24), (9, 24), (0, 48), (3, 48), (9, 48)] {
        let (out, recovery, _) = recovered(&claims(chunk, at)).unwrap();
        check_kept(&events(&out), &events(&bytes), "");
        let claimed = if at == 24 { recovery.chunks_lost.known } else { 0 };
        assert!(at != 24 || claimed > u64::MAX - 20, "{recovery:?}");
        assert!(recovery.lost_something());
    }
}

#[test]
fn events_behind_the_longest_gap_that_a_trace_can_tell_of_are_kept() {
    let mut writer = Writer::create(Vec::new(), &header(), SALT, UUID).unwrap();
    writer.append(plain(1, issue(0, Operation::Read, Payload::Absent))).unwrap();
    writer.lose(u32::MAX).unwrap();
    writer.append(plain(2, block(0, Operation::Read))).unwrap();
    writer.append(plain(3, END)).unwrap();
    let (bytes, _) = writer.finish().unwrap();
    let (out, recovery, _) = recovered(&bytes).unwrap();
    assert!(recovery.is_whole(), "{recovery:?}");
    assert_eq!(events(&out), events(&bytes));
    // The same, but nothing of the chunk behind the gap can be read.
    let mut hurt = bytes.clone();
    let behind = chunks(&bytes)[2].0;
    hurt[behind - 1] ^= 1;
    let (out, recovery, _) = recovered(&hurt).unwrap();
    assert!(recovery.events_lost.more && !recovery.ended, "{recovery:?}");
    assert_eq!(events(&out).len(), 2, "the first, and an end");
}

#[test]
fn an_event_whose_data_are_lost_keeps_their_digest() {
    let (mut bytes, _) = small();
    let (payloads, header) = chunks(&bytes)[0];
    assert_eq!(header.holds, ChunkType::Payload);
    bytes[payloads + 90] ^= 1;
    let (out, recovery, told) = recovered(&bytes).unwrap();
    assert_eq!(recovery.payloads_lost.known, 2);
    assert_eq!(recovery.events_without_data, 3, "two of them share a payload");
    assert_eq!((recovery.events_lost.known, told.gaps.len()), (0, 1));
    let mut reader = Reader::open(Cursor::new(&out)).unwrap();
    let mut digests = Vec::new();
    while let Some((_, event)) = reader.next_event().unwrap() {
        if let EventKind::Issue(Issue { payload: Payload::Digest(digest), .. }) = event.kind {
            digests.push(digest);
        }
    }
    let expected = [&b"the first data"[..], b"other data", b"the first data"].map(Digest::of);
    assert_eq!(digests, expected);
}

#[test]
fn a_trace_without_any_header_is_rebuilt_from_its_events() {
    let entries = [
        plain(1, EventKind::Open { device: DeviceId(1) }),
        plain(1, EventKind::Length { device: DeviceId(1), length: 1 << 20 }),
        write(2, 0, b"data"),
        plain(3, END),
    ];
    let (mut bytes, _) = written(&entries, &[]);
    let first = frame::u32_at(&bytes, 16) as usize;
    bytes[..first].fill(0);
    let (out, recovery, _) = recovered(&bytes).unwrap();
    assert_eq!(recovery.header, HeaderWorth::Rebuilt);
    let reader = Reader::open(Cursor::new(&out)).unwrap();
    let header = reader.header();
    assert_eq!(header.recovered.as_ref().unwrap().header, HeaderWorth::Rebuilt);
    assert_eq!(header.payload, PayloadPolicy::Write);
    let sizes: Vec<_> = header.devices.iter().map(|device| device.size).collect();
    assert_eq!(sizes, [0, 1 << 20]);
    assert_eq!(reader.uuid(), FRESH.uuid, "the old one is lost");
    assert_eq!(events(&out).len(), entries.len());
}

#[test]
fn metadata_behind_a_wrong_checksum_are_used_and_said_to_be_unverified() {
    let (mut bytes, _) = small();
    let tool = bytes.windows(9).position(|window| window == b"blkreplay").unwrap();
    bytes[tool] = b'B';
    let (out, recovery, _) = recovered(&bytes).unwrap();
    assert_eq!(recovery.header, HeaderWorth::Unverified);
    let (again, whole, _) = recovered(&out).unwrap();
    assert!(whole.is_whole());
    for bytes in [out, again] {
        let reader = Reader::open(Cursor::new(&bytes)).unwrap();
        assert_eq!(reader.header().tool, "Blkreplay 0.1.0");
        let note = reader.header().recovered.as_ref().unwrap();
        assert_eq!(note.header, HeaderWorth::Unverified, "that is not forgotten");
    }
}

#[test]
fn what_is_no_trace_or_of_a_later_version_is_not_recovered() {
    let (bytes, _) = small();
    let mut later = bytes.clone();
    later[12] = 2;
    let first = frame::u32_at(&bytes, 16) as usize;
    let sum = crc32c::crc32c(&later[..first - 4]);
    later[first - 4..first].copy_from_slice(&sum.to_le_bytes());
    for bytes in [&later[..], b"", b"QFI\xfb\0\0\0\x03", &[0; 5000], b"text"] {
        assert!(recovered(bytes).is_none());
    }
}

#[test]
fn a_file_full_of_chunk_headers_is_walked_in_time_that_grows_with_its_length() {
    /// Counts what is read.
    struct Counted(Cursor<Vec<u8>>, u64);
    impl io::Read for Counted {
        fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
            let read = self.0.read(bytes)?;
            self.1 += read as u64;
            assert!(self.1 < 2000 * self.0.get_ref().len() as u64, "it reads on and on");
            Ok(read)
        }
    }
    impl io::Seek for Counted {
        fn seek(&mut self, to: io::SeekFrom) -> io::Result<u64> {
            self.0.seek(to)
        }
    }
    let (bytes, _) = small();
    let (at, header) = chunks(&bytes)[1];
    let mut hostile = bytes[..at].to_vec();
    for sequence in 1..3000 {
        // Each claims the whole rest of the file, and none tells the truth.
        let header = ChunkHeader { sequence, raw_len: 1 << 20, stored_len: 1 << 20, ..header };
        hostile.extend(header.encode());
    }
    let counted = Counted(Cursor::new(hostile), 0);
    let (out, recovery) = recover(counted, Vec::new(), FRESH, &mut Told::default()).unwrap();
    assert!(recovery.lost_something());
    assert_eq!(events(&out).len(), 1, "an end");
}
