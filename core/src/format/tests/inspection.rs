//! Tests of checking: a whole trace has no fault, and nothing can be done to one that goes unnoticed.

use std::io::Cursor;
use std::ops::ControlFlow;

use super::rescue::{Told, chunks};
use super::*;
use crate::format::frame::{self, CHUNK_HEADER_BYTES, ChunkHeader, ChunkType};
use crate::limits::{CHUNK_BODY_BYTES_MAX, SUMMARY_BYTES_MAX};

/// Keeps what is found: code and place.
#[derive(Default)]
struct Found {
    faults: Vec<(&'static str, Place)>,
    notes: Vec<&'static str>,
}

impl Inspector for Found {
    fn finding(&mut self, finding: Finding) -> ControlFlow<()> {
        let code = finding.fault.code();
        assert!(!finding.fault.to_string().is_empty());
        match finding.fault.level() {
            Level::Fault => self.faults.push((code, finding.place)),
            Level::Note => self.notes.push(code),
        }
        ControlFlow::Continue(())
    }

    fn walked(&mut self, bytes: u64, of: u64) -> ControlFlow<()> {
        assert!(bytes <= of, "{bytes} of {of}");
        ControlFlow::Continue(())
    }
}

/// What is found in `bytes`; `None` if they are refused as a whole.
fn inspected(bytes: &[u8]) -> Option<Found> {
    let mut found = Found::default();
    match check(Cursor::new(bytes), Depth::Data, &mut found) {
        Ok(checked) => {
            assert_eq!(checked.faults, found.faults.len() as u64);
            Some(found)
        }
        Err(CheckError::Read(_)) => None,
        Err(error) => panic!("{error}"),
    }
}

/// The codes of all faults.
#[track_caller]
fn codes(bytes: &[u8]) -> Vec<&'static str> {
    inspected(bytes).unwrap().faults.into_iter().map(|(code, _)| code).collect()
}

fn rescued(bytes: &[u8]) -> Option<Vec<u8>> {
    let fresh = Fresh { salt: 7, uuid: 8, tool: "test" };
    let rescued = recover(Cursor::new(bytes), Vec::new(), fresh, &mut Told::default());
    rescued.ok().map(|(out, _)| out)
}

#[test]
fn a_whole_trace_has_no_fault() {
    let (bytes, _) = small();
    let found = inspected(&bytes).unwrap();
    assert!(found.faults.is_empty(), "{:?}", found.faults);
    assert_eq!(found.notes, ["issue-without-block"; 2], "requests 1 and 3");
}

#[test]
fn every_cut_has_a_fault_and_its_recovery_has_none() {
    let (bytes, _) = small();
    for end in 0..bytes.len() {
        if let Some(found) = inspected(&bytes[..end]) {
            let codes: Vec<_> = found.faults.iter().map(|(code, _)| *code).collect();
            let known = [["cut"], ["no-end"], ["no-index"]];
            assert!(known.iter().any(|one| codes == one), "{end} bytes: {codes:?}");
        }
        if let Some(out) = rescued(&bytes[..end]) {
            assert!(codes(&out).is_empty(), "{end} bytes: {:?}", codes(&out));
        }
    }
}

#[test]
fn every_flipped_bit_has_a_fault_and_its_recovery_has_none() {
    let (bytes, _) = small();
    for place in 0..bytes.len() {
        for bit in 0..8 {
            let mut hurt = bytes.clone();
            hurt[place] ^= 1 << bit;
            let found = inspected(&hurt).unwrap();
            assert!(!found.faults.is_empty(), "byte {place}, bit {bit}");
            let out = rescued(&hurt).unwrap();
            assert!(codes(&out).is_empty(), "byte {place}, bit {bit}: {:?}", codes(&out));
        }
    }
}

#[test]
fn all_faults_are_found_not_only_the_first() {
    let entries: Vec<_> = (0..50)
        .map(|id| write(id * 10, id, format!("the data of request {id}").as_bytes()))
        .chain([plain(900, END)])
        .collect();
    let (mut bytes, _) = written(&entries, &[9, 19, 29, 39]);
    let places = chunks(&bytes);
    assert_eq!(places.len(), 11, "five times payloads and events, and the index");
    let body = |chunk: usize| {
        let (at, header) = places[chunk];
        at + CHUNK_HEADER_BYTES + header.summary_len as usize
    };
    bytes[body(1)] ^= 1;
    bytes[places[4].0] ^= 1;
    bytes[places[7].0 + CHUNK_HEADER_BYTES] ^= 1;
    let found = inspected(&bytes).unwrap();
    let codes: Vec<_> = found.faults.iter().map(|(code, _)| *code).collect();
    let lost = ["payload-unknown"; 10];
    assert_eq!(codes, [&["chunk-checksum", "no-chunk"][..], &lost, &["summary-checksum"]].concat());
    let place = found.faults[0].1;
    assert_eq!((place.offset, place.chunk), (places[1].0 as u64, Some(1)));
    assert_eq!(found.faults[2].1.event, Some(20));
    let place = found.faults[1].1;
    assert_eq!((place.offset, place.chunk), (places[4].0 as u64, None));
}

/// The trace with `change` made to the chunk at `place` and all checksums right again.
fn forged(
    bytes: &[u8],
    place: usize,
    change: impl FnOnce(&mut ChunkHeader, &mut Vec<u8>, &mut Vec<u8>),
) -> Vec<u8> {
    let (at, mut header) = chunks(bytes)[place];
    let summary_at = at + usize::from(header.header_len);
    let body_at = summary_at + header.summary_len as usize;
    let end = body_at + header.stored_len as usize;
    let (mut summary, mut body) =
        (bytes[summary_at..body_at].to_vec(), bytes[body_at..end].to_vec());
    change(&mut header, &mut summary, &mut body);
    header.summary_len = u32::try_from(summary.len()).unwrap();
    header.stored_len = u32::try_from(body.len()).unwrap();
    if header.codec == 0 {
        header.raw_len = header.stored_len;
    }
    header.summary_crc = crc32c::crc32c(&summary);
    header.body_crc = crc32c::crc32c(&body);
    [&bytes[..at], &header.encode()[..], &summary, &body, &bytes[end..]].concat()
}

#[test]
fn a_summary_that_lies_is_found() {
    let (bytes, _) = small();
    let lies = forged(&bytes, 1, |_, summary, _| summary[4] += 1);
    assert_eq!(codes(&lies), ["summary"]);
    let says_nothing = forged(&bytes, 1, |_, summary, _| summary.clear());
    let mut nothing = codes(&says_nothing);
    nothing.dedup();
    assert_eq!(nothing, ["summary", "index"], "the chunk is shorter than the index says, too");
    let malformed = forged(&bytes, 1, |_, summary, _| summary.push(0x80));
    assert_eq!(codes(&malformed), ["summary", "index"], "the index lies a byte further on");
    let says_more = forged(&bytes, 1, |_, summary, _| summary.extend([99, 1, 7]));
    assert_eq!(codes(&says_more), ["index"], "what is not known is passed over");
}

#[test]
fn an_index_that_lies_is_found() {
    let (bytes, _) = small();
    let last = chunks(&bytes).len() - 1;
    for place in 8..60 {
        let lies = forged(&bytes, last, |_, _, body| body[place] ^= 1);
        let found = codes(&lies);
        assert!(found == ["index"], "byte {place}: {found:?}");
    }
    let elsewhere = forged(&bytes, last, |_, _, body| body[0] = 9);
    assert_eq!(codes(&elsewhere), ["index"], "it names one before that is not there");
    let cut = forged(&bytes, last, |header, _, _| header.sequence = 0);
    assert_eq!(codes(&cut), ["order"]);
    let (without, _) = chunks(&bytes)[last];
    assert_eq!(codes(&bytes[..without]), ["no-index"]);
}

#[test]
fn chunks_that_do_not_follow_each_other_are_found() {
    let (bytes, _) = small();
    let forge = |change: fn(&mut ChunkHeader)| forged(&bytes, 2, |header, _, _| change(header));
    assert_eq!(codes(&forge(|header| header.first += 1)), ["order", "order"]);
    assert_eq!(codes(&forge(|header| header.first = u64::MAX)), ["order", "order"]);
    assert_eq!(codes(&forge(|header| header.sequence = 0)), ["order", "order"]);
    let highest = codes(&forge(|header| header.sequence = u64::MAX));
    assert_eq!(highest, ["order", "order", "order", "no-end"], "nothing can follow it");
    assert_eq!(codes(&forge(|header| header.time_first = 0)), ["time", "event"]);
    let lost = inspected(&forge(|header| header.lost = 3)).unwrap();
    assert_eq!(lost.notes, ["dropped"]);
    assert!(lost.faults.iter().all(|(code, _)| *code == "order"));
}

/// The codes of the faults in a trace of these events.
#[track_caller]
fn codes_of(kinds: impl IntoIterator<Item = EventKind>) -> Vec<&'static str> {
    let entries: Vec<_> = (0..).zip(kinds).map(|(time, kind)| plain(time, kind)).collect();
    codes(&written(&entries, &[1, 2]).0)
}

#[test]
fn requests_that_do_not_pair_are_found() {
    let (read, write) = (Operation::Read, Operation::Write);
    let asked = |id| issue(id, read, Payload::Absent);
    assert_eq!(codes_of([asked(0), block(0, read), END]), [""; 0]);
    assert_eq!(codes_of([asked(0), block(1, read), END]), ["block-without-issue"]);
    assert_eq!(codes_of([asked(0), block(0, read), block(0, read), END]), ["block-twice"]);
    assert_eq!(codes_of([asked(0), block(0, write), END]), ["block-differs"]);
    assert_eq!(codes_of([asked(1), block(1, read), END]), ["request-id"]);
    assert_eq!(codes_of([asked(0), asked(0), block(0, read), END]), ["request-id"]);
    assert_eq!(codes_of([asked(0), asked(2), END]), ["request-id"]);
    let EventKind::Block(mut elsewhere) = block(0, read) else { unreachable!() };
    elsewhere.device = DeviceId(3);
    assert_eq!(codes_of([asked(0), EventKind::Block(elsewhere), END]), ["block-differs"]);
    assert_eq!(codes_of([asked(0), END, asked(1)]), ["after-end", "no-end"]);
}

#[test]
fn the_ids_of_a_replay_are_those_of_its_recording_in_the_order_in_which_they_went() {
    let replay = ReplayHeader { of: "a trace".to_owned(), order: "conflict".to_owned() };
    let header = Header { replay: Some(replay), ..header() };
    let codes = |kinds: &[EventKind]| {
        let mut writer = Writer::create(Vec::new(), &header, SALT, UUID).unwrap();
        for kind in kinds {
            writer.append(plain(1, kind.clone())).unwrap();
        }
        let found = inspected(&writer.finish().unwrap().0).unwrap();
        found.faults.iter().map(|(code, _)| *code).collect::<Vec<_>>()
    };
    let (read, asked) = (Operation::Read, |id| issue(id, Operation::Read, Payload::Absent));
    assert_eq!(codes(&[asked(5), asked(2), block(5, read), block(2, read), END]), [""; 0]);
    assert_eq!(codes(&[asked(5), asked(5), block(5, read), END]), ["request-id"]);
    assert_eq!(codes(&[asked(5), block(5, read), block(5, read), END]), ["block-twice"]);
    assert_eq!(codes(&[asked(5), block(9, read), END]), ["block-without-issue"]);
}

#[test]
fn what_missing_events_may_explain_is_no_fault_and_what_they_cannot_is() {
    let read = Operation::Read;
    let mut writer = Writer::create(Vec::new(), &header(), SALT, UUID).unwrap();
    let mut add = |lost, kind| {
        writer.lose(lost).unwrap();
        writer.append(plain(1, kind)).unwrap();
    };
    add(0, issue(0, read, Payload::Absent));
    add(4, block(1, read));
    add(0, block(0, read));
    add(0, issue(5, read, Payload::Absent));
    add(0, block(9, read));
    add(0, issue(4, read, Payload::Absent));
    add(0, END);
    let bytes = writer.finish().unwrap().0;
    let found = inspected(&bytes).unwrap();
    let faults: Vec<_> = found.faults.iter().map(|(code, place)| (*code, place.event)).collect();
    assert_eq!(faults, [("block-without-issue", Some(8)), ("request-id", Some(9))]);
    assert_eq!(found.notes, ["dropped"]);
}

#[test]
fn payloads_that_are_not_what_events_say_are_found() {
    let (bytes, _) = small();
    let event = |change: fn(&mut Vec<u8>)| forged(&bytes, 1, |_, _, body| change(body));
    let place = |needle: &[u8], bytes: &[u8]| {
        bytes.windows(needle.len()).position(|window| window == needle).unwrap()
    };
    // The digest in the event.
    let digest = Digest::of(b"the first data").0.to_le_bytes();
    let (at, _) = chunks(&bytes)[1];
    let differs = forged(&bytes, 1, |_, _, body| {
        let at = place(&digest, body);
        body[at] ^= 1;
    });
    assert_eq!(codes(&differs), ["payload-differs", "summary"]);
    assert!(place(&digest, &bytes[at..]) > 0);
    // The number behind it: 1 is the zigzag of -1, before the first payload.
    let ahead = event(|body| {
        let digest = Digest::of(b"the first data").0.to_le_bytes();
        let at = body.windows(16).position(|window| window == digest).unwrap();
        body[at + 16] = 20;
    });
    assert_eq!(codes(&ahead)[0], "payload-unknown", "it lies ahead, or nowhere");
    // The data.
    let data = forged(&bytes, 0, |_, _, body| body[0] ^= 1);
    assert_eq!(codes(&data), ["payload-digest"]);
    let mut quick = Found::default();
    check(Cursor::new(&data), Depth::Structure, &mut quick).unwrap();
    assert!(quick.faults.is_empty(), "only --deep reads them");
    // The table.
    let longer = forged(&bytes, 0, |_, _, body| {
        let table = body.len() - 40;
        body[table] += 1;
        body[table + 20] -= 1;
    });
    let found = codes(&longer);
    assert!(found.contains(&"payload-length") && found.contains(&"payload-digest"), "{found:?}");
    let overlapping = forged(&bytes, 0, |_, _, body| {
        let table = body.len() - 40;
        body[table] += 1;
    });
    assert_eq!(codes(&overlapping)[0], "payload-table");
    for hostile in [differs, ahead, data, longer, overlapping] {
        let out = rescued(&hostile).unwrap();
        assert!(codes(&out).is_empty(), "{:?}", codes(&out));
    }
}

#[test]
fn huge_lengths_and_counts_are_faults_and_cost_no_memory() {
    let (bytes, _) = small();
    let first = chunks(&bytes)[0].0;
    let huge = |at: usize, value: u32| {
        let mut forged = bytes.clone();
        forged[first + at..first + at + 4].copy_from_slice(&value.to_le_bytes());
        let sum = crc32c::crc32c(&forged[first..first + 80]);
        forged[first + 80..first + 84].copy_from_slice(&sum.to_le_bytes());
        forged
    };
    for (at, limit, code) in [
        (12, SUMMARY_BYTES_MAX, "chunk-header"),
        (32, CHUNK_BODY_BYTES_MAX, "chunk-header"),
        (36, CHUNK_BODY_BYTES_MAX, "chunk-header"),
    ] {
        for value in [u32::MAX, u32::try_from(limit).unwrap() + 1] {
            let forged = huge(at, value);
            assert_eq!(codes(&forged)[0], code, "{value} at {at}");
            assert!(codes(&rescued(&forged).unwrap()).is_empty());
        }
        let longest = huge(at, u32::try_from(limit).unwrap());
        assert!(!codes(&longest).is_empty(), "the file is not that long");
        assert!(codes(&rescued(&longest).unwrap()).is_empty());
    }
    let counts = huge(40, u32::MAX);
    assert_eq!(codes(&counts)[0], "payload-table");
    assert!(codes(&rescued(&counts).unwrap()).is_empty());
    let many = forged(&bytes, 1, |header, _, _| header.count = u32::MAX);
    assert!(codes(&many).contains(&"event"), "{:?}", codes(&many));
    assert!(codes(&rescued(&many).unwrap()).is_empty());
}

#[test]
fn a_body_that_unpacks_to_more_than_it_says_is_a_fault() {
    let (bytes, _) = small();
    for raw_len in [100, 1 << 20, u32::try_from(CHUNK_BODY_BYTES_MAX).unwrap()] {
        let bomb = forged(&bytes, 0, |header, _, body| {
            *body = zstd::bulk::compress(&vec![7; 200 << 20], 1).unwrap();
            header.codec = 1;
            header.raw_len = raw_len;
        });
        assert_eq!(codes(&bomb)[0], "unpack");
        assert!(codes(&rescued(&bomb).unwrap()).is_empty());
    }
}

#[test]
fn a_file_that_ends_inside_a_summary_is_cut_whatever_the_body() {
    let (bytes, _) = small();
    let (at, _) = chunks(&bytes)[1];
    let empty = forged(&bytes, 1, |_, _, body| body.clear());
    for end in at + CHUNK_HEADER_BYTES..at + CHUNK_HEADER_BYTES + 5 {
        assert_eq!(codes(&empty[..end]), ["cut"], "{end} bytes");
        assert!(codes(&rescued(&empty[..end]).unwrap()).is_empty());
    }
}

#[test]
fn every_other_byte_of_a_chunk_header_may_say_anything() {
    let (bytes, _) = small();
    let places: Vec<_> = chunks(&bytes);
    assert_eq!(places.last().unwrap().1.holds, ChunkType::Index);
    for (at, _) in &places {
        for place in 4..80 {
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut forged = bytes.clone();
                forged[at + place] = value;
                let sum = crc32c::crc32c(&forged[*at..at + 80]);
                forged[at + 80..at + 84].copy_from_slice(&sum.to_le_bytes());
                // Whatever it says, both come to an end and what is made of it is whole.
                let _ = inspected(&forged);
                if let Some(out) = rescued(&forged) {
                    let found = codes(&out);
                    assert!(found.is_empty(), "chunk at {at}, byte {place} = {value}: {found:?}");
                }
            }
        }
    }
}

#[test]
fn a_header_that_was_damaged_is_a_fault_and_the_chunks_are_still_checked() {
    let (mut bytes, _) = small();
    bytes[60] ^= 1;
    let (at, _) = chunks(&bytes)[3];
    bytes[at + 90] ^= 1;
    let codes = codes(&bytes);
    assert_eq!(codes[0], "header");
    assert!(codes.contains(&"summary-checksum") || codes.contains(&"chunk-checksum"), "{codes:?}");
    let first = frame::u32_at(&bytes, 16) as usize;
    assert!(inspected(&bytes[..first - 1]).is_none(), "nothing but a damaged header");
}
