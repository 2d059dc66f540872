//! Tests of the whole format: what was written is read.

mod columns;
mod damage;
mod durability;
mod guest;
mod indexes;
mod inspection;
mod random;
mod reference;
mod rescue;
mod scans;
mod summaries;

use std::io::{self, Cursor, Write};

use bytes::Bytes;

use super::*;
use crate::event::{
    Block, Checkpoint, CompletionFlags, Event, EventKind, Issue, Payload, PayloadId,
};
use crate::limits::{CHUNK_AGE_NS, EVENTS_CHUNK_BYTES, PAYLOAD_CHUNK_BYTES};
use crate::request::{ConnectionId, DeviceId, Digest, Flags, Operation, Request, RequestId};
use crate::units::{ByteRange, Nanos};

const SALT: u64 = 0x5a17;
const UUID: u128 = 0x1234_5678_9abc_def0;

fn header() -> Header {
    Header {
        tool: "blkreplay 0.1.0".to_owned(),
        command: vec!["blkreplay".to_owned(), "record".to_owned()],
        wall_clock_ns: 1,
        payload: PayloadPolicy::Write,
        devices: Vec::new(),
        exports: Vec::new(),
        limits: LimitsHeader { request_data_bytes: 4096, connection_requests: 16 },
        recovered: None,
        replay: None,
        edits: crate::format::Edits::default(),
    }
}

fn issue(id: u64, operation: Operation, payload: Payload) -> EventKind {
    EventKind::Issue(Issue {
        id: RequestId(id),
        device: DeviceId(0),
        connection: ConnectionId(0),
        cookie: id + 1,
        request: Request { operation, range: ByteRange::new(id * 4096, 4096), flags: Flags::NONE },
        payload,
        early: Nanos(0),
    })
}

fn block(id: u64, operation: Operation) -> EventKind {
    EventKind::Block(Block {
        id: RequestId(id),
        device: DeviceId(0),
        operation,
        result: Ok(()),
        latency: Nanos(80_000),
        hold: Nanos(2_000),
        flags: CompletionFlags::default(),
        payload: Payload::Absent,
        extents: Vec::new(),
    })
}

fn plain(time: u64, kind: EventKind) -> Entry {
    Entry { event: Event { time: Nanos(time), kind }, data: None }
}

/// A write with its data, as an engine would hand it over.
fn write(time: u64, id: u64, data: &[u8]) -> Entry {
    let mut kind = issue(id, Operation::Write, Payload::of(data));
    if let EventKind::Issue(issue) = &mut kind {
        issue.request.range.length = data.len() as u64;
    }
    Entry { data: Some(Bytes::copy_from_slice(data)), ..plain(time, kind) }
}

const END: EventKind = EventKind::End { status: Some(3) };

/// Writes a trace in rows; a chunk ends after each of `entries` whose place is in `ticks`.
fn written(entries: &[Entry], ticks: &[usize]) -> (Vec<u8>, Written) {
    written_as(Layout::Rows, entries, ticks)
}

/// As [`written`], in any layout.
fn written_as(layout: Layout, entries: &[Entry], ticks: &[usize]) -> (Vec<u8>, Written) {
    let writer = Writer::create(Vec::new(), &header(), SALT, UUID).unwrap();
    let mut writer = writer.laid_out(layout);
    for (place, entry) in entries.iter().enumerate() {
        writer.append(entry.clone()).unwrap();
        if ticks.contains(&place) {
            writer.tick(entry.event.time.after(Nanos(CHUNK_AGE_NS))).unwrap();
        }
    }
    writer.finish().unwrap()
}

/// A small trace of several chunks, with payloads.
fn small() -> (Vec<u8>, Vec<Entry>) {
    let entries = vec![
        plain(5, EventKind::Open { device: DeviceId(0) }),
        write(10, 0, b"the first data"),
        write(11, 1, b"other data"),
        plain(20, EventKind::Checkpoint(Checkpoint::Controller)),
        plain(20, block(0, Operation::Write)),
        write(30, 2, b"the first data"),
        plain(40, block(2, Operation::Write)),
        plain(41, issue(3, Operation::Flush, Payload::Absent)),
        plain(50, END),
    ];
    (written(&entries, &[2, 4]).0, entries)
}

/// What reading gave: all events, what is lost, and all payloads that the events name.
#[derive(Debug)]
struct Read {
    events: Vec<Event>,
    data: Vec<(Digest, Bytes)>,
    loss: Option<Loss>,
}

fn read(bytes: &[u8]) -> Result<Read, ReadError> {
    let mut reader = Reader::open(Cursor::new(bytes))?;
    let (mut events, mut data) = (Vec::new(), Vec::new());
    while let Some((_, event)) = reader.next_event()? {
        if let EventKind::Issue(Issue { payload: Payload::Stored(digest, id), .. }) = event.kind {
            data.push((digest, reader.payload(id)?));
        }
        events.push(event);
    }
    Ok(Read { events, data, loss: reader.into_loss() })
}

/// An event as it is before its payload has a number.
fn unnumbered(mut event: Event) -> Event {
    if let EventKind::Issue(Issue { payload, .. }) | EventKind::Block(Block { payload, .. }) =
        &mut event.kind
        && let Payload::Stored(digest, _) = *payload
    {
        *payload = Payload::Digest(digest);
    }
    event
}

fn check_prefix(read: &Read, entries: &[Entry]) {
    for (event, entry) in read.events.iter().zip(entries) {
        assert_eq!(unnumbered(event.clone()), entry.event);
    }
    assert!(read.events.len() <= entries.len());
    for (digest, data) in &read.data {
        assert_eq!(Digest::of(data), *digest);
    }
}

#[test]
fn a_small_trace_reads_back_with_its_payloads() {
    let (bytes, entries) = small();
    let read = read(&bytes).unwrap();
    assert!(read.loss.is_none(), "{:?}", read.loss);
    assert_eq!(read.events.len(), entries.len());
    check_prefix(&read, &entries);
    let data: Vec<_> = read.data.iter().map(|(_, data)| &data[..]).collect();
    assert_eq!(data, [&b"the first data"[..], b"other data", b"the first data"]);
}

#[test]
fn equal_payloads_are_stored_once_and_zeroes_never() {
    let entries = [
        write(1, 0, &[7; 4096]),
        write(2, 1, &[0; 4096]),
        write(3, 2, &[7; 4096]),
        write(4, 3, &[8; 4096]),
        plain(5, END),
    ];
    let (bytes, written) = written(&entries, &[0, 1]);
    assert_eq!((written.payloads, written.payload_bytes_stored), (2, 8192));
    let read = read(&bytes).unwrap();
    let payloads: Vec<_> = read
        .events
        .iter()
        .filter_map(|event| match &event.kind {
            EventKind::Issue(issue) => Some(issue.payload),
            _ => None,
        })
        .collect();
    let stored = |byte, id| Payload::Stored(Digest::of(&[byte; 4096]), PayloadId(id));
    assert_eq!(payloads, [stored(7, 0), Payload::Zeroes, stored(7, 0), stored(8, 1)]);
}

#[test]
fn chunks_close_by_size_and_by_age_and_are_never_empty() {
    let mut writer = Writer::create(Vec::new(), &header(), SALT, UUID).unwrap();
    writer.tick(Nanos(u64::MAX)).unwrap();
    assert_eq!(writer.written().chunks, 0, "there is nothing to write");
    writer.append(write(1_000, 0, b"data")).unwrap();
    writer.tick(Nanos(1_000 + CHUNK_AGE_NS - 1)).unwrap();
    assert_eq!(writer.written().chunks, 0, "it is not old enough");
    writer.tick(Nanos(1_000 + CHUNK_AGE_NS)).unwrap();
    assert_eq!(writer.written().chunks, 2, "payloads and events");
    let large: Vec<u8> = (1..=255).cycle().take(PAYLOAD_CHUNK_BYTES).collect();
    writer.append(write(2_000, 1, &large)).unwrap();
    assert_eq!(writer.written().chunks, 4, "full payloads take their events along");
    let mut id = 2;
    while writer.written().chunks == 4 {
        writer.append(plain(3_000, issue(id, Operation::Read, Payload::Absent))).unwrap();
        id += 1;
    }
    let events = writer.written().events;
    assert_eq!(events, id);
    assert!(writer.written().bytes > EVENTS_CHUNK_BYTES as u64);
    let (_, written) = writer.finish().unwrap();
    assert_eq!(written.chunks, 6, "nothing was left but the index");
}

#[test]
fn times_that_go_back_are_written_in_order() {
    let entries = [plain(100, block(0, Operation::Read)), plain(90, END)];
    let read = read(&written(&entries, &[0]).0).unwrap();
    assert!(read.loss.is_none());
    assert_eq!(read.events.iter().map(|event| event.time.0).collect::<Vec<_>>(), [100, 100]);
}

/// Takes a number of bytes, then no more, like a full disk.
struct Full(usize);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(self.0);
        self.0 -= taken;
        if taken == 0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(taken) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_disk_names_the_end_of_the_last_whole_chunk() {
    let mut writer = Writer::create(Full(800), &header(), SALT, UUID).unwrap();
    let (error, whole) = (0..)
        .find_map(|id| {
            let whole = writer.written().bytes;
            writer.append(plain(id, issue(id, Operation::Read, Payload::Absent))).unwrap();
            let tick = writer.tick(Nanos(id + CHUNK_AGE_NS));
            tick.err().map(|error| (error, whole))
        })
        .unwrap();
    assert!(matches!(error, WriteError::Io { offset, .. } if offset == whole), "{error}");
    assert!(whole > 600);
}

#[test]
fn a_live_request_costs_less_than_forty_bytes() {
    let requests: u64 = 30_000;
    let mut entries = Vec::new();
    for id in 0..requests {
        // Offsets jump all over a disk of 1 TiB, four are in flight, and each step releases one.
        let mut arrived = issue(id, Operation::Write, Payload::Absent);
        let EventKind::Issue(issue) = &mut arrived else { unreachable!() };
        issue.request.range.offset = id.wrapping_mul(0x9e37_79b9_7f4a_7c15) % (1 << 40);
        issue.cookie = 0xffff_8000_0000_0000 + id % 4;
        let time = id * 20_000;
        entries.push(plain(time, arrived));
        if id >= 4 {
            entries.push(plain(time + 5_000, EventKind::Checkpoint(Checkpoint::Controller)));
            entries.push(plain(time + 5_000, block(id - 4, Operation::Write)));
        }
    }
    let (bytes, _) = written(&entries, &[]);
    let each = bytes.len() as u64 / requests;
    assert!(each < 40, "{each} bytes a request");
}
