//! Tests of indexes: what they say is what reading all of a trace says, and a wrong one costs nothing.

use super::*;
use crate::format::frame::{self, CHUNK_HEADER_BYTES, ChunkHeader};
use crate::format::index::{self, Index};
use crate::limits::INDEX_CHUNKS;

/// A file that counts what is read of it.
struct Counting<'bytes> {
    file: Cursor<&'bytes [u8]>,
    read_bytes: &'bytes std::cell::Cell<u64>,
}

impl io::Read for Counting<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(bytes)?;
        self.read_bytes.set(self.read_bytes.get() + read as u64);
        Ok(read)
    }
}

impl io::Seek for Counting<'_> {
    fn seek(&mut self, to: io::SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

/// A trace of so many chunks of events, with requests that stay open over chunks, flushes of two devices and marks.
fn many(chunks: u64) -> (Vec<u8>, Vec<Entry>) {
    let mut entries = Vec::new();
    let mut ticks = Vec::new();
    for id in 0..chunks {
        let (device, time) = (DeviceId(u16::from(id % 5 == 0)), id * CHUNK_AGE_NS);
        let operation = if id % 3 == 0 { Operation::Flush } else { Operation::Write };
        let mut arrived = issue(2 * id, operation, Payload::Absent);
        if let EventKind::Issue(issue) = &mut arrived {
            issue.device = device;
        }
        entries.push(plain(time, arrived));
        if id % 50 == 0 {
            entries.push(write(time + 1, 2 * id + 1, format!("data {id}").as_bytes()));
            entries
                .push(plain(time + 1, EventKind::Mark { name: format!("m{id}").parse().unwrap() }));
        }
        if id >= 2 {
            let operation = if (id - 2) % 3 == 0 { Operation::Flush } else { Operation::Write };
            let mut released = block(2 * (id - 2), operation);
            if let EventKind::Block(block) = &mut released {
                block.device = DeviceId(u16::from((id - 2) % 5 == 0));
            }
            entries.push(plain(time + 2, released));
        }
        ticks.push(entries.len() - 1);
    }
    entries.push(plain(chunks * CHUNK_AGE_NS, END));
    (written(&entries, &ticks).0, entries)
}

fn open(bytes: &[u8]) -> Reader<Cursor<&[u8]>> {
    Reader::open(Cursor::new(bytes)).unwrap()
}

/// All that is left to read, with indices.
fn rest(reader: &mut Reader<Cursor<&[u8]>>) -> Vec<(u64, Event)> {
    let mut events = Vec::new();
    while let Some(event) = reader.next_event().unwrap() {
        events.push(event);
    }
    events
}

#[test]
fn opening_a_long_trace_reads_next_to_nothing_of_it() {
    let (bytes, entries) = many(2500);
    let read_bytes = std::cell::Cell::new(0);
    let file = Counting { file: Cursor::new(&bytes), read_bytes: &read_bytes };
    let survey = Reader::open(file).unwrap().survey().unwrap();
    assert_eq!(survey.facts.events, entries.len() as u64);
    assert!(survey.loss.is_none());
    assert_eq!(survey.status, Some(3));
    assert!(read_bytes.get() < 50_000, "{} bytes", read_bytes.get());
}

#[test]
fn a_long_trace_without_its_end_opens_by_the_indexes_that_were_spilled() {
    let (whole, entries) = many(2500);
    let all = rest(&mut open(&whole));
    // Nobody who walks from chunk to chunk gets over this hole.
    let mut bytes = whole.clone();
    let first = usize::try_from(indexes(&whole)[0]).unwrap();
    bytes[first / 4..first / 2].fill(0);
    bytes.truncate(whole.len() - 1);
    let survey = open(&bytes).survey().unwrap();
    assert_eq!(survey.facts.events, entries.len() as u64);
    assert!(survey.loss.is_some());
    assert_eq!(survey.status, None);
    let mut reader = open(&bytes);
    reader.seek(&Target::Event(entries.len() as u64 - 20)).unwrap();
    let found = rest(&mut reader);
    assert!((20..30).contains(&found.len()), "{}", found.len());
    assert!(all.ends_with(&found));
}

#[test]
fn a_trace_cut_anywhere_says_the_same_with_and_without_its_indexes() {
    let (bytes, _) = many(INDEX_CHUNKS as u64 + 60);
    let mut reader = open(&bytes);
    let last: Vec<_> =
        reader.chunk_entries().unwrap().iter().rev().take(80).map(|c| c.offset).collect();
    let ends = last.iter().flat_map(|offset| [*offset, offset + 1, offset + 100]);
    for end in ends.chain([bytes.len() as u64]) {
        let cut = &bytes[..usize::try_from(end).unwrap()];
        let mut reader = open(cut);
        while reader.next_event().unwrap().is_some() {}
        let survey = open(cut).survey().unwrap();
        assert_eq!(survey.facts, *reader.facts(), "{end} bytes");
        let [found, wanted] =
            [&survey.loss, &reader.into_loss()].map(|loss| loss.as_ref().map(ToString::to_string));
        assert_eq!(found, wanted, "{end} bytes");
    }
}

#[test]
fn going_to_a_place_gives_the_events_that_reading_all_gives() {
    let (bytes, _) = many(1100);
    let mut all = open(&bytes);
    let events = rest(&mut all);
    let mut reader = open(&bytes);
    let mut check = |target: Target, is_there: &mut dyn FnMut(&Event) -> bool| {
        let start = reader.seek(&target).unwrap();
        let found = rest(&mut reader);
        let place = events.len() - found.len();
        assert_eq!(found, events[place..], "{target:?}");
        let wanted = events.iter().position(|(_, event)| is_there(event)).unwrap();
        assert!((place..place + 10).contains(&wanted), "{target:?}: {place}, wanted {wanted}");
        let flushed = events[..place].iter().filter(|(_, event)| {
            matches!(&event.kind, EventKind::Block(block) if block.operation == Operation::Flush)
        });
        assert_eq!(start.state.flushes_of(None), flushed.count() as u64, "{target:?}");
    };
    for id in [0, 1, 500, 1000, 1101, 2198] {
        check(
            Target::Request(RequestId(id)),
            &mut |event| matches!(&event.kind, EventKind::Issue(issue) if issue.id.0 == id),
        );
    }
    for time in [0, 1, 77 * CHUNK_AGE_NS, 1099 * CHUNK_AGE_NS + 2] {
        check(Target::Time(Nanos(time)), &mut |event| event.time.0 >= time);
    }
    for place in [0, 9, 2000] {
        let mut index = 0..;
        check(Target::Event(place), &mut |_| index.next() == Some(place));
    }
    for (device, number) in
        [(None, 1), (None, 300), (Some(DeviceId(1)), 60), (Some(DeviceId(0)), 1)]
    {
        let mut seen = 0;
        check(Target::Flush(device, number), &mut |event| {
            let EventKind::Block(block) = &event.kind else { return false };
            let counts = block.operation == Operation::Flush
                && device.is_none_or(|device| device == block.device);
            seen += u64::from(counts);
            counts && seen == number
        });
    }
    for name in ["m0", "m50", "m1050"] {
        check(
            Target::Mark(name.parse().unwrap()),
            &mut |event| matches!(&event.kind, EventKind::Mark { name: found } if found.as_str() == name),
        );
    }
    check(Target::End, &mut |event| matches!(event.kind, EventKind::End { .. }));
}

#[test]
fn what_is_not_there_leads_to_the_last_chunk_and_the_last_ones_are_counted() {
    let (bytes, entries) = many(300);
    let mut reader = open(&bytes);
    for target in [
        Target::Request(RequestId(u64::MAX)),
        Target::Time(Nanos(u64::MAX)),
        Target::Event(u64::MAX),
        Target::Flush(Some(DeviceId(7)), 1),
        Target::Mark("nowhere".parse().unwrap()),
    ] {
        reader.seek(&target).unwrap();
        assert!(rest(&mut reader).len() < 10, "{target:?}");
    }
    for count in [0, 1, 100, 10_000] {
        reader.seek(&Target::LastEvents(count)).unwrap();
        let left = rest(&mut reader).len() as u64;
        assert!(left >= count.min(entries.len() as u64) && left < count + 10, "{count}: {left}");
        reader.seek(&Target::LastIssues(count)).unwrap();
        let issues = rest(&mut reader)
            .iter()
            .filter(|(_, event)| matches!(event.kind, EventKind::Issue(_)))
            .count() as u64;
        assert!(issues >= count.min(306) && issues < count + 10, "{count}: {issues}");
    }
}

#[test]
fn payloads_are_found_after_going_somewhere() {
    let (bytes, _) = many(300);
    let mut reader = open(&bytes);
    reader.seek(&Target::Mark("m200".parse().unwrap())).unwrap();
    let named = rest(&mut reader).into_iter().find_map(|(_, event)| match event.kind {
        EventKind::Issue(Issue { payload: Payload::Stored(_, id), .. }) => Some(id),
        _ => None,
    });
    assert_eq!(reader.payload(named.unwrap()).unwrap(), "data 200");
    assert_eq!(reader.payload(PayloadId(0)).unwrap(), "data 0", "one from before the place");
}

/// The trace with another index at its end.
fn with_index(bytes: &[u8], change: impl FnOnce(&mut Index, u64)) -> Vec<u8> {
    let offset = index::trailer(bytes).unwrap();
    let at = usize::try_from(offset).unwrap();
    let header = ChunkHeader::decode(&bytes[at..at + CHUNK_HEADER_BYTES]).unwrap();
    let mut index = Index::decode(&bytes[at + CHUNK_HEADER_BYTES..], offset, header.count).unwrap();
    change(&mut index, offset);
    let body = index.encode(offset);
    let length = u32::try_from(body.len()).unwrap();
    let header = ChunkHeader {
        count: u32::try_from(index.entries.len()).unwrap(),
        raw_len: length,
        stored_len: length,
        body_crc: crc32c::crc32c(&body),
        ..header
    };
    [&bytes[..at], &header.encode()[..], &body].concat()
}

#[test]
fn an_index_that_lies_is_found_out() {
    let (bytes, _) = many(INDEX_CHUNKS as u64 + 200);
    let events = rest(&mut open(&bytes));
    let lies: [fn(&mut Index, u64); 12] = [
        |index, _| index.entries[50].offset += 1,
        |index, _| index.entries[50].offset = 0,
        |index, _| index.entries[50].length += 1,
        |index, _| index.entries[50].sequence += 1,
        |index, _| index.entries[50].first += 1,
        |index, _| index.entries[50].count = u64::MAX,
        |index, _| index.entries[50].lost += 1,
        |index, _| index.entries[50].time_last.0 += 1,
        |index, _| index.entries.truncate(50),
        |index, _| index.entries.swap(50, 51),
        |index, offset| index.previous = Some(offset),
        |index, _| index.previous = Some(1 << 60),
    ];
    for (number, lie) in lies.into_iter().enumerate() {
        let lying = with_index(&bytes, lie);
        let mut reader = open(&lying);
        for place in [0, 1000, events.len() as u64 - 150, events.len() as u64 - 1] {
            reader.seek(&Target::Event(place)).unwrap();
            let found = rest(&mut reader);
            assert_eq!(found, events[events.len() - found.len()..], "lie {number}");
            let first = found[0].0;
            assert!(first <= place && place < first + 10, "lie {number}: {first} for {place}");
        }
    }
}

/// The trace with the index at `offset` naming another one before it.
fn naming(bytes: &[u8], offset: u64, previous: u64) -> Vec<u8> {
    let at = usize::try_from(offset).unwrap();
    let header = ChunkHeader::decode(&bytes[at..at + CHUNK_HEADER_BYTES]).unwrap();
    assert_eq!(header.holds, frame::ChunkType::Index);
    let body = at + CHUNK_HEADER_BYTES..at + CHUNK_HEADER_BYTES + header.stored_len as usize;
    let mut bytes = bytes.to_vec();
    bytes[body.start..body.start + 8].copy_from_slice(&previous.to_le_bytes());
    let header = ChunkHeader { body_crc: crc32c::crc32c(&bytes[body]), ..header };
    bytes[at..at + CHUNK_HEADER_BYTES].copy_from_slice(&header.encode());
    bytes
}

/// Where the indexes of a trace lie.
fn indexes(bytes: &[u8]) -> Vec<u64> {
    let mut offsets = Vec::new();
    let mut next = index::trailer(bytes).unwrap();
    while next != 0 {
        offsets.insert(0, next);
        next = frame::u64_at(bytes, usize::try_from(next).unwrap() + CHUNK_HEADER_BYTES);
    }
    offsets
}

#[test]
fn indexes_that_name_each_other_in_a_circle_or_leave_one_out_are_no_index() {
    let (bytes, _) = many(2 * INDEX_CHUNKS as u64 + 10);
    let events = rest(&mut open(&bytes));
    let [first, second, last] = indexes(&bytes)[..] else { panic!("there are three") };
    let chunk = bytes.windows(4).position(|magic| magic == frame::CHUNK_MAGIC).unwrap() as u64;
    let circles = [(first, first), (first, second), (first, last), (second, last), (last, last)];
    for (index, named) in circles.into_iter().chain([(last, first), (last, chunk)]) {
        let lying = naming(&bytes, index, named);
        let survey = open(&lying).survey().unwrap();
        assert_eq!(survey.facts.events, events.len() as u64, "{index} names {named}");
        let mut reader = open(&lying);
        for place in [100, events.len() as u64 / 2, events.len() as u64 - 1] {
            reader.seek(&Target::Event(place)).unwrap();
            let found = rest(&mut reader);
            assert_eq!(found, events[events.len() - found.len()..], "{index} names {named}");
            let (first, _) = found[0];
            assert!(first <= place && place < first + 10, "{first} for {place}");
        }
    }
}

#[test]
fn reading_ahead_gives_the_same_events_and_the_same_end() {
    let (bytes, _) = many(2000);
    let kind = bytes.len() - 200;
    let mut damaged = bytes.clone();
    damaged[kind / 2] ^= 1;
    for bytes in [bytes.clone(), bytes[..kind].to_vec(), damaged] {
        let mut reader = open(&bytes);
        let events = rest(&mut reader);
        let wanted = reader.into_loss().map(|loss| loss.to_string());
        let mut ahead = Reader::open(Cursor::new(bytes)).unwrap().ahead();
        for event in events {
            assert_eq!(ahead.next_event().unwrap(), Some(event));
        }
        assert_eq!(ahead.next_event().unwrap(), None);
        assert_eq!(Events::loss(&mut ahead).map(|loss| loss.to_string()), wanted);
    }
    let mut ahead = Reader::open(Cursor::new(bytes)).unwrap().ahead();
    assert_eq!(ahead.next_event().unwrap().unwrap().0, 0);
    drop(ahead);
}
